"""Limits on new contracts: those that a feed sends and no table knows. Pure: times are passed in."""

from collections.abc import Mapping

from realtime.ticks.core.sanity import Sanity
from realtime.ticks.core.tick import Reason, RejectedTick, Tick

MINUTE = 60.0
YEAR_DAYS = 365.25


class NewContractLimits:
    """Counts the contracts that each underlying's feed has added in the current minute."""

    def __init__(self, sanity: Sanity) -> None:
        self.sanity = sanity
        self._added: dict[str, tuple[int, int]] = {}  # by underlying: the minute, and how many in it

    def reject(self, new: Mapping[str, Tick], now: float | None) -> dict[str, RejectedTick]:
        """Return the unknown contracts that may not be added, and why. `new` holds the first tick of each.

        `now`: seconds since 1970; None: use each tick's own time.
        """
        rejected: dict[str, RejectedTick] = {}
        here: dict[tuple[str, int], int] = {}
        for key, tick in new.items():
            expiry, underlying = tick.contract.key.expiry, tick.contract.underlying
            years = abs((expiry - tick.time.date()).days) / YEAR_DAYS if expiry is not None else 0.0
            if self.sanity.max_expiry_years and years > self.sanity.max_expiry_years:
                detail = f"{key} is new, and expires more than {self.sanity.max_expiry_years:g} years from its tick"
                rejected[key] = RejectedTick(Reason.FAR_EXPIRY, detail)
                continue
            minute = _minute(tick, now)
            count = here.get((underlying, minute), self._in(underlying, minute))
            if self.sanity.max_new_contracts and count >= self.sanity.max_new_contracts:
                detail = f"{key} is new, and {underlying} has listed {count} contracts within the minute"
                rejected[key] = RejectedTick(Reason.TOO_MANY_NEW, detail)
            else:
                here[underlying, minute] = count + 1
        return rejected

    def count(self, added: Mapping[str, Tick], now: float | None) -> None:
        """Count contracts that have been added."""
        for tick in added.values():
            underlying, minute = tick.contract.underlying, _minute(tick, now)
            self._added[underlying] = (minute, self._in(underlying, minute) + 1)

    def _in(self, underlying: str, minute: int) -> int:
        at, count = self._added.get(underlying, (minute, 0))
        return count if at == minute else 0


def _minute(tick: Tick, now: float | None) -> int:
    return int((tick.seconds if now is None else now) // MINUTE)
