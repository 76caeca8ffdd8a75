"""Which access tokens are still valid, without a query for each request.

A proof from the database counts for FRESH_SECONDS after its query began. One query renews the proofs of all tokens in
use. So whatever ends a token (a sign-out, a new password, a closed or deleted account) ends it here too, even without
Redis, and while PostgreSQL does not answer no token is valid. The control plane only makes this faster.
"""

import asyncio
import contextvars
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

FRESH_SECONDS = 5.0  # plus the 4 s of an answer (`realtime.snapshot.newest`): under ten
RENEW_SECONDS = 2.0
GATHER_SECONDS = 0.2  # renewals that become due within this time share one query
PROOF_SECONDS = 3.0  # how long an answer waits for a first proof; the rest is for Redis
ATTEMPTS = 2  # for a first proof: a notice may end one while its query runs
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # CLOCK_MONOTONIC stops while a machine is suspended


class TokensUnknown(DataAccessError):
    """The database cannot say whether a token is valid."""


Shown = tuple[AccessToken, Identity]
Prove = Callable[[Sequence[Shown]], Awaitable[Sequence[bool]]]


@dataclass(frozen=True, slots=True)
class _Proof:
    shown: Shown
    began: float  # when its query did, by _CLOCK
    at: float  # the same, in seconds since the epoch
    subjects: tuple[str, str]  # the names under which the control plane ends it


@dataclass(slots=True)
class _Query:
    """Tokens that one query looks up. `error` is why it failed."""

    shown: dict[bytes, Shown] = field(default_factory=dict)
    asked: float = field(default_factory=time.monotonic)
    error: Exception | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)


class StandingTokens:
    """Verifies tokens. `prove` asks the database; `ended` maps what the control plane has ended to when.

    One query runs at a time. Requests that arrive meanwhile share the next one.
    """

    def __init__(self, prove: Prove, ended: Callable[[], Mapping[str, float]]) -> None:
        self._prove, self._ended = prove, ended
        self._proofs: dict[bytes, _Proof] = {}
        self._due: dict[bytes, Shown] = {}
        self._next: _Query | None = None
        self._working: asyncio.Task[None] | None = None
        self._failing = False

    async def stands(self, text: bytes) -> bool:
        """Return whether the token is valid; False too when its proofs came too late. Raises TokensUnknown."""
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
            late = TokensUnknown("the database did not answer in time")
            self._say(late)
            raise late from error

    def user_of(self, text: bytes) -> int:
        """Return the user of a token that stands; 0 if its proof is gone."""
        proof = self._proofs.get(text)
        return 0 if proof is None else proof.shown[1].user_id

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
            asyncio.get_running_loop().call_later(GATHER_SECONDS, self._ask_due, context=contextvars.Context())
        self._due[text] = shown

    def _ask_due(self) -> None:
        due, self._due = self._due, {}
        self._ask(due)

    def _ask(self, shown: Mapping[bytes, Shown]) -> _Query:
        """Add tokens to the next query, and return it."""
        if self._next is None:
            self._next = _Query()
        self._next.shown.update(shown)
        if self._working is None:
            self._working = asyncio.create_task(self._work(), context=contextvars.Context())  # not of a request
        return self._next

    async def _work(self) -> None:
        """Run one query after the other until none is due."""
        try:
            while (query := self._next) is not None:
                self._next = None
                try:
                    await self._look_up(query.shown)
                except Exception as error:  # noqa: BLE001 - the waiting requests raise it
                    query.error = error
                if query.error is not None or time.monotonic() - query.asked < PROOF_SECONDS:
                    self._say(query.error)  # an answer that came too late does not end the outage
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
            del self._proofs[next(iter(self._proofs))]  # the one with the oldest proof

    def _say(self, error: Exception | None) -> None:
        """Log one line when tokens cannot be looked up, and one when they can again."""
        if error is not None and not self._failing:
            logger.error("live reads cannot look up access tokens: %s", error)
        elif error is None and self._failing:
            logger.warning("live reads can look up access tokens again")
        self._failing = error is not None
