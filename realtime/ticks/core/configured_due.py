"""Configurations with a frequency in a back-test: they run at the first tick at or after each due moment.

The due moment is what counts as now: bars and quotes are those of before it, and a tick of that very moment is among
them. Of several due moments between two ticks the last one runs. In the live market workers run these configurations.
"""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from realtime.ticks.core.plans import Plan
from signals.configs.core.frequency import parse_frequency
from signals.configs.core.schedule import due_after
from timeframes.core.keys import parse_key

ONE = timedelta(microseconds=1)


class DueConfigurations:
    """When each plan is due next, by the own time of the ticks of each of its underlyings: their streams are in no
    order with each other."""

    def __init__(self) -> None:
        self._plans: dict[uuid.UUID, Plan] = {}
        self._by_underlying: dict[str, list[Plan]] = {}
        self._due: dict[str, dict[uuid.UUID, datetime | None]] = {}  # by underlying; without those not begun

    def set_plans(self, plans: Mapping[uuid.UUID, Plan]) -> None:
        """Run these. One whose version has changed counts from the next tick on."""
        scheduled = {each: plan for each, plan in plans.items() if plan.document.frequency is not None}
        self._due = {
            underlying: {
                each: at
                for each, at in due.items()
                if each in scheduled and scheduled[each].version == self._plans[each].version
            }
            for underlying, due in self._due.items()
        }
        self._by_underlying = {}
        for plan in scheduled.values():
            for underlying in {parse_key(key).underlying for key in plan.document.instruments}:
                self._by_underlying.setdefault(underlying, []).append(plan)
        self._plans = scheduled

    def __bool__(self) -> bool:
        return bool(self._plans)

    def take(self, now: float, underlyings: Iterable[str], *, inclusive: bool) -> list[tuple[Plan, str, datetime]]:
        """Return what is due before `now`, and at it where `inclusive`, each at its last due moment."""
        moment, found = datetime.fromtimestamp(now, UTC), []
        until = moment if inclusive else moment - ONE
        for underlying in underlyings:
            due = self._due.setdefault(underlying, {})
            for plan in self._by_underlying.get(underlying, ()):
                if plan.id not in due:
                    due[plan.id] = _next(plan, moment - ONE)
                first = due[plan.id]
                if first is not None and first <= until:
                    last, due[plan.id] = _last(plan, first, until)
                    found.append((plan, underlying, last))
        return found


def _last(plan: Plan, first: datetime, until: datetime) -> tuple[datetime, datetime | None]:
    """Return the last due moment at or before `until`, and the one after it. `first` is due, and no later.

    Looks back from `until`, twice as far each time: between two ticks may be years, and a moment due every few seconds.
    """
    back, last = timedelta(seconds=1), first
    while until - back > first:
        near = _next(plan, until - back)
        if near is not None and near <= until:
            last = near
            break
        back *= 2
    while (following := _next(plan, last)) is not None and following <= until:
        last = following
    return last, following


def _next(plan: Plan, after: datetime) -> datetime | None:
    """Return the first due moment after `after`."""
    document = plan.document
    assert document.frequency is not None
    exchange = parse_key(document.instruments[0]).exchange
    return due_after(
        parse_frequency(document.frequency),
        after,
        exchange=exchange,
        interval=document.interval,
        anchor=document.anchor,
    )
