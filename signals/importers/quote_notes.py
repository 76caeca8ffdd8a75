"""What a reader of a file should know beside the counts."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from signals.importers.core.mapping import Mapping
from signals.importers.core.quote_table import QuoteTable
from timeframes.core.sessions import expiry_moment, session_open

PINNED = 0.25
"""A share of the rows with one and the same volatility that no market shows."""
_MIN_ROWS = 40
_MAX_DISTINCT = 100_000


class Noticed:
    """Collects what is noticed in the pieces of one file."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        self.facts: Counter[str] = Counter()
        self.notes: dict[str, None] = {}
        self.without_lot: Counter[str] = Counter()
        self.disagreeing: Counter[str] = Counter()
        self._volatilities: Counter[float] = Counter()
        self._settles: dict[str, tuple[str, bool]] = {}

    def see(self, table: QuoteTable) -> None:
        self.facts += table.facts
        self.notes |= dict.fromkeys(table.notes)
        volatility = table.numbers["implied_volatility"]
        values, counts = np.unique(volatility[~np.isnan(volatility)], return_counts=True)
        if len(self._volatilities) < _MAX_DISTINCT:
            self._volatilities.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        for key, contract in zip(table.keys, table.contracts, strict=True):
            if contract.exchange == "CBOE" and contract.expiry and key not in self._settles:
                morning = expiry_moment(contract) == session_open("CBOE", contract.expiry)
                self._settles[key] = (contract.symbol, morning)

    def lines(self) -> Iterator[str]:
        yield from self.notes
        for what, count in self.facts.items():
            yield f"{count:,} {what}"
        yield from self._pinned()
        yield from self._mornings()
        for name, count in self.without_lot.items():
            if count:
                yield f"{count:,} rows have no {name.replace('_', ' ')}: the file counts contracts and no lot is known"
        for name, count in self.disagreeing.items():
            if count:
                yield f"{count:,} rows disagree on the {name.replace('_', ' ')} of one moment; the last row counts"
        if self.mapping.note:
            yield self.mapping.note

    def _pinned(self) -> Iterator[str]:
        total = self._volatilities.total()
        if total < _MIN_ROWS:
            return
        value, count = self._volatilities.most_common(1)[0]
        if count > PINNED * total:
            yield (
                f"the vendor's implied volatility is {value * 100:g} % on {count:,} of {total:,} rows"
                f" ({count / total:.0%}): a default and no market"
            )

    def _mornings(self) -> Iterator[str]:
        counts = Counter(self._settles.values())
        if len({morning for _, morning in counts}) < 2:
            return
        for (symbol, morning), count in sorted(counts.items()):
            when = "settle at the opening" if morning else "end at the close"
            yield f"{count:,} contracts of {symbol} {when} of their last day"
