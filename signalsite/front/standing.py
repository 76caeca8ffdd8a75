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
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError
from rest_framework_simplejwt.tokens import AccessToken

from realtime.sockets.control import subject_of
from realtime.sockets.credentials import NotAuthenticated
from realtime.sockets.session import Identity
from signalsite.foundation.errors import DataAccessError
from signalsite.front.credentials import KNOWN_TOKENS, read_access

logger = logging.getLogger(__name__)

FRESH_SECONDS = 5.0  # with the 4 s that an answer may take (`realtime.snapshot.newest`), under ten
RENEW_SECONDS = 2.0
GATHER_SECONDS = 0.2  # renewals that are due within it are one query
PROOF_SECONDS = 3.0  # an answer waits for a first proof at most so long: some time is left for Redis
ATTEMPTS = 2  # at a first proof, where a notice ends it while its query is under way, or the query is slow
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the other stands still while a machine is suspended


class TokensUnknown(DataAccessError):
    """Nobody can say whether a token stands."""


Shown = tuple[AccessToken, Identity]
Prove = Callable[[Sequence[Shown]], Awaitable[Sequence[bool]]]


@dataclass(frozen=True, slots=True)
class _Proof:
    shown: Shown
    began: float  # when its query did, by _CLOCK
    at: float  # the same, in seconds since the epoch
    subjects: tuple[str, str]  # by which the control plane ends it


@dataclass(slots=True)
class _Query:
    """Tokens that are looked up together. `error`: why none was."""

    shown: dict[bytes, Shown] = field(default_factory=dict)
    error: Exception | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)


class StandingTokens:
    """`prove` asks the database; `ended`: what the control plane has ended (`realtime.sockets.control`) -> when.

    One query is under way at a time. Whoever comes meanwhile shares the next.
    """

    def __init__(self, prove: Prove, ended: Callable[[], Mapping[str, float]]) -> None:
        self._prove, self._ended = prove, ended
        self._proofs: dict[bytes, _Proof] = {}
        self._due: dict[bytes, Shown] = {}
        self._next: _Query | None = None
        self._working: asyncio.Task[None] | None = None
        self._failing = False

    async def stands(self, text: bytes) -> bool:
        """False: it does not, or is none, or its proofs were too old or ended when they came. Raises TokensUnknown."""
        proof = self._proofs.get(text)
        if proof is not None and self._is_good(proof):
            if time.clock_gettime(_CLOCK) - proof.began > RENEW_SECONDS:
                self._renew(text, proof.shown)
            return proof.shown[1].expires_at > time.time()
        try:
            shown = read_access(text)
        except NotAuthenticated:
            return False
        try:
            async with asyncio.timeout(PROOF_SECONDS):
                return await self._is_proved(text, shown)
        except TimeoutError as error:
            raise TokensUnknown("the database did not answer in time") from error

    async def _is_proved(self, text: bytes, shown: Shown) -> bool:
        for _ in range(ATTEMPTS):
            query = self._ask({text: shown})
            await query.done.wait()
            if isinstance(query.error, DatabaseError | InterfaceError):
                raise TokensUnknown(f"the database did not answer: {query.error}") from query.error
            if query.error is not None:
                raise query.error
            proof = self._proofs.get(text)
            if proof is None:
                return False
            if self._is_good(proof):
                return shown[1].expires_at > time.time()
        return False

    def _is_good(self, proof: _Proof) -> bool:
        if time.clock_gettime(_CLOCK) - proof.began >= FRESH_SECONDS:
            return False
        ended = self._ended()
        return not any(ended.get(subject, 0.0) >= proof.at for subject in proof.subjects)

    def _renew(self, text: bytes, shown: Shown) -> None:
        if not self._due:
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._ask_due)
        self._due[text] = shown

    def _ask_due(self) -> None:
        due, self._due = self._due, {}
        self._ask(due)

    def _ask(self, shown: Mapping[bytes, Shown]) -> _Query:
        """The next query, with these."""
        if self._next is None:
            self._next = _Query()
        self._next.shown.update(shown)
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return self._next

    async def _work(self) -> None:
        """Query after query, until nobody waits."""
        try:
            while (query := self._next) is not None:
                self._next = None
                try:
                    await self._look_up(query.shown)
                except Exception as error:  # noqa: BLE001 - whoever waits raises it
                    query.error = error
                self._say(query.error)
                query.done.set()
        finally:
            self._working = None

    async def _look_up(self, shown: Mapping[bytes, Shown]) -> None:
        began, at = time.clock_gettime(_CLOCK), time.time()
        answers = await self._prove(list(shown.values()))
        for (text, each), stands in zip(shown.items(), answers, strict=True):
            self._proofs.pop(text, None)
            if stands:
                _, identity = each
                subjects = (subject_of(identity.user_id), subject_of(identity.user_id, identity.sign_in))
                self._proofs[text] = _Proof(each, began, at, subjects)
        while len(self._proofs) > KNOWN_TOKENS:
            del self._proofs[next(iter(self._proofs))]  # the one that was proved longest ago

    def _say(self, error: Exception | None) -> None:
        """That tokens cannot be looked up, and that they can again: one line each. Proofs grow too old meanwhile."""
        if error is not None and not self._failing:
            logger.error("live reads cannot look up access tokens: %s", error)
        elif error is None and self._failing:
            logger.warning("live reads can look up access tokens again")
        self._failing = error is not None
