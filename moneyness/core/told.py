"""What all states and rows of one evaluation share: names and instants, one element a group."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from moneyness.core.evaluation import ChainEvaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """`place`: of each group's underlying among the underlyings. `moments`: of each underlying."""

    place: Sequence[int]
    underlying: Sequence[str]
    expiry: Sequence[date]
    as_of: Sequence[str]
    moments: Sequence[datetime]

    def __len__(self) -> int:
        return len(self.expiry)

    def is_nearest(self, group: int) -> bool:
        """Return whether the group is the first of its underlying: groups are ordered by underlying and date."""
        return group == 0 or self.place[group] != self.place[group - 1]


def tell(evaluation: ChainEvaluation) -> Told:
    around, expiries = evaluation.chains.underlyings, evaluation.chains.expiries
    place = expiries.underlying.tolist()
    moments = [datetime.fromtimestamp(seconds, UTC) for seconds in around.at.tolist()]
    return Told(
        place=place,
        underlying=[around.key[each] for each in place],
        expiry=[date.fromordinal(day) for day in expiries.expiry.tolist()],
        as_of=[moments[each].isoformat() for each in place],
        moments=moments,
    )
