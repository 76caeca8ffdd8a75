"""Which access tokens stand, known without a query.

A token that the database stood by a moment ago is good: the proof is used for at most FRESH_SECONDS after its query
began, and is renewed meanwhile for all tokens in use together. So whatever ends a token (a sign-out, another password,
an account that is closed or deleted, by whichever process or by hand) ends it here too, Redis or no Redis, and where
PostgreSQL does not answer nothing stands. The control plane only makes it quicker.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from django.db import DatabaseError
from rest_framework_simplejwt.tokens import AccessToken

from realtime.control import subject_of
from realtime.credentials import NotAuthenticated
from realtime.session import Identity
from signalsite.foundation.errors import DataAccessError
from signalsite.front.credentials import KNOWN_TOKENS, read_access
from signalsite.front.refusals import Refused

logger = logging.getLogger(__name__)

FRESH_SECONDS = 5.0  # with the 4 s that an answer may wait for Redis, under ten
RENEW_SECONDS = 2.0
GATHER_SECONDS = 0.2  # renewals that are due within it are one query


class TokensUnknown(DataAccessError):
    """Nobody can say whether a token stands."""


Shown = tuple[AccessToken, Identity]
Prove = Callable[[Sequence[Shown]], Awaitable[Sequence[bool]]]


@dataclass(frozen=True, slots=True)
class _Proof:
    shown: Shown
    began: float  # when its query did, by the monotonic clock
    at: float  # the same, in seconds since the epoch
    subjects: tuple[str, str]  # by which the control plane ends it


class StandingTokens:
    """`prove` asks the database; `ended`: what the control plane has ended (`realtime.control`) -> when."""

    def __init__(self, prove: Prove, ended: Callable[[], Mapping[str, float]]) -> None:
        self._prove, self._ended = prove, ended
        self._proofs: dict[bytes, _Proof] = {}
        self._asking: dict[bytes, asyncio.Task[bool]] = {}
        self._due: dict[bytes, Shown] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def stands(self, text: bytes) -> bool:
        """False: it does not, or is none. Raises Refused where no thread is free to ask, TokensUnknown."""
        proof = self._proofs.get(text)
        now = time.monotonic()
        if proof is not None and now - proof.began < FRESH_SECONDS and not self._is_ended(proof):
            if now - proof.began > RENEW_SECONDS:
                self._renew(text, proof.shown)
            return proof.shown[1].expires_at > time.time()
        try:
            shown = read_access(text)
        except NotAuthenticated:
            return False
        asking = self._asking.get(text)
        if asking is None:
            asking = self._asking[text] = asyncio.create_task(self._ask_one(text, shown))
        return await asyncio.shield(asking)

    def _is_ended(self, proof: _Proof) -> bool:
        ended = self._ended()
        return any(ended.get(subject, 0.0) >= proof.at for subject in proof.subjects)

    async def _ask_one(self, text: bytes, shown: Shown) -> bool:
        try:
            await self._ask({text: shown})
        finally:
            del self._asking[text]
        return text in self._proofs and shown[1].expires_at > time.time()

    def _renew(self, text: bytes, shown: Shown) -> None:
        self._due[text] = shown
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew_due())

    async def _renew_due(self) -> None:
        try:
            await asyncio.sleep(GATHER_SECONDS)
            due, self._due = self._due, {}
            await self._ask(due)
        except (Refused, TokensUnknown) as error:  # the proofs that there are grow too old to be used
            logger.warning("access tokens were not looked up again: %s", error)
        finally:
            self._renewing = None

    async def _ask(self, shown: Mapping[bytes, Shown]) -> None:
        began, at = time.monotonic(), time.time()
        try:
            answers = await self._prove(list(shown.values()))
        except DatabaseError as error:
            raise TokensUnknown(f"the database did not answer: {error}") from error
        for (text, each), stands in zip(shown.items(), answers, strict=True):
            self._proofs.pop(text, None)
            if stands:
                _, identity = each
                subjects = (subject_of(identity.user_id), subject_of(identity.user_id, identity.sign_in))
                self._proofs[text] = _Proof(each, began, at, subjects)
        while len(self._proofs) > KNOWN_TOKENS:
            del self._proofs[next(iter(self._proofs))]  # the one that was proved longest ago
