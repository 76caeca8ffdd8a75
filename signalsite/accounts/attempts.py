"""Guessing of passwords: what is counted, for how long one has to wait, and who is spared.

An address that has not signed in to the account before meets three counts: of the account from this address, of the
account from all such addresses, and of the address over all accounts. One that has meets the first alone: nobody can
lock a user out from elsewhere. Accounts are counted by the name that was sent, whether or not there is one.
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
MOST_KNOWN = 50  # addresses of one account; the one that was used longest ago goes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try that was counted. `account` is a digest: what is typed as a name may be a password."""

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
    """Count a try, before anything is hashed; with the seconds to wait where it was not counted because there are some.

    Raises RedisConnectionError: without the counts nobody may guess.
    """
    account = hashlib.sha256(unicodedata.normalize("NFKC", username).encode(errors="replace")).hexdigest()[:32]
    try:
        known = limits.counters().zscore(_known(account), address) is not None
    except RedisError as error:
        raise RedisConnectionError("Redis did not answer") from error
    attempt = Attempt(account, address, known)
    return attempt, limits.take(attempt.delays())


def withdraw(attempt: Attempt) -> None:
    """Nothing was guessed after all. Raises RedisConnectionError."""
    limits.give_back(attempt.delays())


def succeed(attempt: Attempt) -> None:
    """The password was right: the address is known now, and its count of this account begins anew.

    The counts of the account and of the address only lose this try: an attacker who signs in to an account of his own,
    or a user who signs in while someone guesses, clears neither. Raises RedisConnectionError.
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
