"""Configurations with a frequency in a back-test: they run at the first tick at or after each due moment.

The due moment is what counts as now: bars and quotes are those of before it, and a tick of that very moment is among
them. Of several due moments between two ticks the last one runs. In the live market workers run these configurations.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from realtime.ticks.core.plans import Plan
from signals.configs.core.frequency import parse_frequency
from signals.configs.core.schedule import due_after
from timeframes.core.keys import parse_key

ONE = timedelta(microseconds=1)
MOST = 100_000
"""Due moments that are passed over one by one; beyond, as after a leap of years, counting begins anew."""


@dataclass(slots=True)
class _Due:
    at: datetime | None


class DueConfigurations:
    """When each plan is due next, by the ticks' own time."""

    def __init__(self) -> None:
        self._plans: dict[uuid.UUID, Plan] = {}
        self._due: dict[uuid.UUID, _Due] = {}

    def set_plans(self, plans: Mapping[uuid.UUID, Plan]) -> None:
        """Run these. One whose version has changed counts from the next tick on."""
        scheduled = {each: plan for each, plan in plans.items() if plan.document.frequency is not None}
        self._due = {
            each: due
            for each, due in self._due.items()
            if each in scheduled and scheduled[each].version == self._plans[each].version
        }
        self._plans = scheduled

    def __bool__(self) -> bool:
        return bool(self._plans)

    def take(self, now: float, *, inclusive: bool) -> list[tuple[Plan, datetime]]:
        """Return what is due before `now`, and at it where `inclusive`, each at its last due moment."""
        moment, found = datetime.fromtimestamp(now, UTC), []
        for plan in self._plans.values():
            due = self._due.get(plan.id)
            if due is None:
                self._due[plan.id] = _Due(_next(plan, moment, at=True))
                due = self._due[plan.id]
            if due.at is None or due.at > moment or (due.at == moment and not inclusive):
                continue
            last = due.at
            for _ in range(MOST):
                following = _next(plan, last)
                if following is None or following > moment or (following == moment and not inclusive):
                    break
                last = following
            else:
                following = _next(plan, moment)
            due.at = following
            found.append((plan, last))
        return found


def _next(plan: Plan, after: datetime, *, at: bool = False) -> datetime | None:
    """Return the first due moment after `after`, or at it."""
    document = plan.document
    assert document.frequency is not None
    exchange = parse_key(document.instruments[0]).exchange
    return due_after(
        parse_frequency(document.frequency),
        after - ONE if at else after,
        exchange=exchange,
        interval=document.interval,
        anchor=document.anchor,
    )
