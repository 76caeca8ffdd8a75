"""Limits on guessing passwords: what they count, and how long the delays are.

An attempt from an address that has not signed in to the account before is counted three times: for the account from
this address, for the account from all such addresses, and for the address over all accounts. A known address meets only
the first limit, so that nobody can lock a user out from elsewhere. Attempts count under the name that was sent, whether
or not that account exists.
"""

import hashlib
import time
import unicodedata
from dataclasses import dataclass

from django.conf import settings
from redis.exceptions import RedisError

from signalsite.foundation import limits
from signalsite.foundation.errors import RedisConnectionError
from signalsite.foundation.limits import GrowingDelay

FIRST_DELAY_SECONDS = 2.0
FORGET_SECONDS = 3600.0
KNOWN_SECONDS = 90 * 86_400  # since the last sign-in from anywhere
MOST_KNOWN = 50  # addresses of one account; the least recently used one is dropped


@dataclass(frozen=True, slots=True)
class Attempt:
    """One counted attempt. `account` is a digest, since users type passwords into the name field by mistake."""

    account: str
    address: str
    known: bool

    @property
    def pair(self) -> str:
        return f"sign_in:pair:{self.account}:{self.address}"

    def delays(self) -> dict[str, GrowingDelay]:
        own = {self.pair: _delay(settings.SIGN_IN_ATTEMPTS)}
        if self.known:
            return own
        return {
            **own,
            f"sign_in:account:{self.account}": _delay(settings.SIGN_IN_ACCOUNT_ATTEMPTS),
            f"sign_in:address:{self.address}": _delay(settings.SIGN_IN_ADDRESS_ATTEMPTS),
        }


def begin(username: str, address: str) -> tuple[Attempt, float]:
    """Count an attempt before a password is hashed. Return it with the seconds to wait, or with 0 when it was counted.

    Raises RedisConnectionError: without the counts nobody may sign in.
    """
    account = hashlib.sha256(unicodedata.normalize("NFKC", username).encode(errors="replace")).hexdigest()[:32]
    try:
        known = limits.counters().zscore(_known(account), address) is not None
    except RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error
    attempt = Attempt(account, address, known)
    return attempt, limits.take(attempt.delays())


def withdraw(attempt: Attempt) -> None:
    """Take the attempt back: no password was checked. Raises RedisConnectionError."""
    limits.give_back(attempt.delays())


def succeed(attempt: Attempt) -> None:
    """Record a right password: the address becomes known, and its count for this account starts again.

    The other counts only lose this attempt. Otherwise an attacker could clear them by signing in to an account of their
    own, and a user who signs in would clear them for an attacker. Raises RedisConnectionError.
    """
    limits.give_back(name for name in attempt.delays() if name != attempt.pair)
    try:
        with limits.counters().pipeline(transaction=True) as pipe:
            pipe.delete(attempt.pair)
            pipe.zadd(_known(attempt.account), {attempt.address: time.time()})
            pipe.zremrangebyrank(_known(attempt.account), 0, -MOST_KNOWN - 1)
            pipe.expire(_known(attempt.account), KNOWN_SECONDS)
            pipe.execute()
    except RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error


def _delay(free: int) -> GrowingDelay:
    return GrowingDelay(
        free=free, first=FIRST_DELAY_SECONDS, longest=settings.SIGN_IN_LONGEST_DELAY_SECONDS, forget=FORGET_SECONDS
    )


def _known(account: str) -> str:
    return f"sign_in:known:{account}"
