"""Answers that follow from states alone, kept by digests: the states themselves may be large."""

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from threading import Lock
from typing import TypeVar

Answer = TypeVar("Answer")


def kept_by_digest(most: int) -> Callable[[Callable[[bytes], Answer]], Callable[[bytes], Answer]]:
    """Keep the answers to the `most` states that were read last. An exception is not kept."""

    def decorate(function: Callable[[bytes], Answer]) -> Callable[[bytes], Answer]:
        kept: OrderedDict[bytes, Answer] = OrderedDict()
        lock = Lock()  # the event loop and threads of views read at once

        @wraps(function)
        def answer(state: bytes) -> Answer:
            digest = blake2b(state, digest_size=16).digest()
            with lock:
                if digest in kept:
                    kept.move_to_end(digest)
                    return kept[digest]
            found = function(state)
            with lock:
                kept[digest] = found
                if len(kept) > most:
                    kept.popitem(last=False)
            return found

        return answer

    return decorate
