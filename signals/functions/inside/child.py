"""The life of one function's process: lock, compile once, then answer each call until the service hangs up."""

import contextvars
import decimal
import gc
import io
import json
import os
import platform
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from signals.functions.inside import confine, seccomp
from signals.functions.inside.answer import BadResult, answer_of, answer_of_error
from signals.functions.inside.facades import make_facades
from signals.functions.inside.namespace import Printed, make_names
from signals.functions.inside.policy import FILE, compile_function
from signals.functions.inside.wire import ANSWER_FD, HEADER, MAGIC, MOST_REQUEST_BYTES, REQUEST_FD, frame

ENTRY = "compute"


def live(*, address_bytes: int, cpu_seconds: int, restricted: bool) -> None:
    """Run in a fork of the zygote, whose pipes are already REQUEST_FD and ANSWER_FD. Never returns."""
    sys.stdin = sys.stdout = sys.stderr = None
    requests = io.FileIO(REQUEST_FD, closefd=False)
    steps = seccomp.program(platform.machine())
    confine.limit(address_bytes=address_bytes, cpu_seconds=cpu_seconds)
    confine.die_with_parent()
    seccomp.install(steps)
    gc.freeze()
    try:
        _serve(requests, restricted)
    except EOFError:
        os._exit(0)
    os._exit(1)


def _serve(requests: io.FileIO, restricted: bool) -> None:
    meta, _ = _read(requests)
    printed = Printed()
    names = make_names(make_facades(), printed) if restricted else _raw_names(printed)
    try:
        code = compile_function(json.loads(meta)["source"], restricted=restricted)
        _entry(code, names)
    except BaseException as error:  # noqa: BLE001 - whatever a user's source raises is its answer
        _write(answer_of_error(error))
        return
    _write(frame(json.dumps({"parts": [], "several": False, "printed": ""}).encode()))
    printed.take()
    while True:
        meta, numbers = _read(requests)
        asked = json.loads(meta)
        offset = 0
        for columns in asked["calls"]:
            data = {}
            for name, length in columns:
                data[name] = np.frombuffer(numbers, "<f8", length, offset).copy()
                offset += length * 8
            try:
                # In a context of its own, so that np.seterr and the precision of decimals last for one call.
                answer = contextvars.copy_context().run(_called, code, names, data, asked["params"], printed)
            except BaseException as error:  # noqa: BLE001
                printed.take()
                answer = answer_of_error(error)
            _write(answer)


def _called(code: Any, names: dict[str, Any], data: dict[str, Any], params: str, printed: Printed) -> bytes:
    decimal.setcontext(decimal.DefaultContext)
    result = _entry(code, names)(data, json.loads(params))
    return answer_of(result, printed.take())


def _entry(code: Any, names: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """Run the source in names of its own, so that no call sees what an earlier one left. Return `compute`."""
    own = names.copy()
    own["__builtins__"] = names["__builtins__"].copy()
    exec(code, own)
    compute = own.get(ENTRY)
    if not callable(compute):
        raise BadResult("the source defines no function compute(data, params)")
    code_of_it = getattr(compute, "__code__", None)
    if code_of_it is not None and code_of_it.co_filename == FILE:
        takes = code_of_it.co_argcount
        defaults = len(getattr(compute, "__defaults__", None) or ())
        if not (takes - defaults <= 2 and (takes >= 2 or code_of_it.co_flags & 0x04)):
            raise BadResult("compute takes two arguments: data and params")
    return compute


def _raw_names(printed: Printed) -> dict[str, Any]:
    """Names without the second wall, by which tests attack the first alone."""
    import builtins

    return {"__builtins__": vars(builtins) | {"print": printed.print}, "__name__": "function", "np": np}


def _read(requests: io.FileIO) -> tuple[bytes, bytearray]:
    header = _exactly(requests, HEADER.size)
    magic, meta, numbers = HEADER.unpack(header)
    if magic != MAGIC or meta + numbers > MOST_REQUEST_BYTES:
        raise EOFError
    return bytes(_exactly(requests, meta)), _exactly(requests, numbers)


def _exactly(requests: io.FileIO, size: int) -> bytearray:
    buffer = bytearray(size)
    view, done = memoryview(buffer), 0
    while done < size:
        got = requests.readinto(view[done:])
        if not got:
            raise EOFError
        done += got
    return buffer


def _write(answer: bytes) -> None:
    view = memoryview(answer)
    while view:
        view = view[os.write(ANSWER_FD, view) :]
