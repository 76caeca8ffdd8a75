"""What is kept of an evaluation: rows for signal_moneyness_greeks and signal_chain_analytics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import numpy as np

from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.told import Told
from signals.greeks.core.conventions import FIRST_ORDER

SIDE_WORDS = {0: "both", 1: "calls", -1: "puts"}
LEVEL_COLUMNS = (
    *("level_key", "time", "side", "underlying", "expiry", "level", "spot", "forward", "atm_strike"),
    *("options", "priced", "strike_low", "strike_high", "open_interest", "volume", "premium"),
    *("implied_volatility", "implied_volatility_by_open_interest", "quality"),
    *(f"{greek}_{how}" for how in ("mean", "by_open_interest", "by_volume") for greek in FIRST_ORDER),
)
READING_COLUMNS = (
    *("term_key", "time", "as_of", "underlying", "expiry", "days", "spot", "forward", "rate", "atm_strike"),
    *("implied_volatility", "method", "interpolated", "nearest", "straddle_implied", "straddle", "expected_move"),
    *("risk_reversal_25", "butterfly_25", "slope", "call_open_interest", "put_open_interest"),
    *("call_volume", "put_volume", "put_call_ratio_open_interest", "put_call_ratio_volume", "max_pain"),
    *("gamma_exposure", "gamma_flip", "quotes_used", "quotes_refused"),
)
_LEVEL_NUMBERS = (
    *("options", "priced", "strike_low", "strike_high", "open_interest", "volume", "premium"),
    *("implied_volatility", "implied_volatility_oi", "quality"),
)
_DAYS = 365.0
Row = tuple[Any, ...]


@dataclass(slots=True)
class ChainRecords:
    """Rows in the order of LEVEL_COLUMNS and READING_COLUMNS, by underlying. None is null."""

    levels: dict[str, list[Row]] = field(default_factory=dict)
    readings: dict[str, list[Row]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.levels or self.readings)

    def add(self, other: "ChainRecords") -> None:
        for mine, others in ((self.levels, other.levels), (self.readings, other.readings)):
            for underlying, rows in others.items():
                mine.setdefault(underlying, []).extend(rows)

    def apart(self) -> Iterable[tuple[str, "ChainRecords"]]:
        for underlying in {**self.levels, **self.readings}:
            mine = (
                {underlying: each[underlying]} if underlying in each else {} for each in (self.levels, self.readings)
            )
            yield underlying, ChainRecords(*mine)

    def forget(self, underlying: str) -> None:
        self.levels.pop(underlying, None)
        self.readings.pop(underlying, None)


def term_key(underlying: str, term: str) -> str:
    return f"{underlying}:{term}"


def level_key(underlying: str, expiry: date | str, level: str) -> str:
    return f"{underlying}:{expiry}:{level}"


def tenor_name(days: float) -> str:
    """Return the term of a constant maturity, such as 30d."""
    return f"{days:g}d"


def chain_records(evaluation: ChainEvaluation, told: Told, times: Mapping[int, datetime]) -> ChainRecords:
    """Return the rows of some underlyings, by their places: each underlying's rows bear its own time."""
    records = ChainRecords()
    for place, rows in _levels(evaluation, told, times):
        records.levels.setdefault(evaluation.chains.underlyings.key[place], []).append(rows)
    for place, rows in (*_expiries(evaluation, told, times), *_maturities(evaluation, told, times)):
        records.readings.setdefault(evaluation.chains.underlyings.key[place], []).append(rows)
    return records


def _levels(evaluation: ChainEvaluation, told: Told, times: Mapping[int, datetime]) -> Iterable[tuple[int, Row]]:
    levels = evaluation.levels
    wanted = np.isin(evaluation.chains.expiries.underlying, list(times))
    rows = np.flatnonzero(wanted[levels.group] & (levels.options > 0))
    numbers = [getattr(levels, name)[rows] for name in _LEVEL_NUMBERS]
    greeks = [
        each[rows, at] for each in (levels.greeks_mean, levels.greeks_oi, levels.greeks_volume) for at in range(5)
    ]
    columns = zip(*(_nullable(column) for column in (*numbers, *greeks)), strict=True)
    expiries = evaluation.chains.expiries
    spots, forwards, strikes = map(
        _nullable,
        (evaluation.chains.underlyings.spot[expiries.underlying], expiries.forward, evaluation.money.atm_strike),
    )
    sides = levels.side[rows].tolist()
    for row, group, side, own in zip(rows.tolist(), levels.group[rows].tolist(), sides, columns, strict=True):
        underlying, expiry, level, place = (
            told.underlying[group],
            told.expiry[group],
            levels.level[row],
            told.place[group],
        )
        yield (
            place,
            (
                *(level_key(underlying, expiry, level), times[place], SIDE_WORDS[side]),
                *(underlying, expiry, level, spots[group], forwards[group], strikes[group]),
                *own,
            ),
        )


def _expiries(evaluation: ChainEvaluation, told: Told, times: Mapping[int, datetime]) -> Iterable[tuple[int, Row]]:
    expiries, money, skew, interest = (
        evaluation.chains.expiries,
        evaluation.money,
        evaluation.skew,
        evaluation.interest,
    )
    before = zip(
        *map(
            _nullable,
            (
                expiries.years * _DAYS,
                evaluation.chains.underlyings.spot[expiries.underlying],
                expiries.forward,
                expiries.rate,
                money.atm_strike,
                money.atm_volatility,
            ),
        ),
        strict=True,
    )
    after = zip(
        *map(
            _nullable,
            (
                *(money.interpolated, money.nearest, money.by_straddle, money.straddle, money.expected_move),
                *(skew.risk_reversal_25, skew.butterfly_25, skew.slope),
                *(interest.call_interest, interest.put_interest, interest.call_volume, interest.put_volume),
                *(interest.put_call_interest, interest.put_call_volume, interest.max_pain),
                *(interest.gamma_exposure, interest.flip, interest.quotes_used, interest.quotes_refused),
            ),
        ),
        strict=True,
    )
    method = evaluation.params.atm_volatility.value
    for group, (first, second) in enumerate(zip(before, after, strict=True)):
        place = told.place[group]
        if place in times:
            underlying, expiry = told.underlying[group], told.expiry[group]
            own = (term_key(underlying, expiry.isoformat()), times[place], told.moments[place], underlying, expiry)
            yield place, (*own, *first, method, *second)


def _maturities(evaluation: ChainEvaluation, told: Told, times: Mapping[int, datetime]) -> Iterable[tuple[int, Row]]:
    term, keys, at = evaluation.term, evaluation.chains.underlyings.key, told.moments
    spots = _nullable(evaluation.chains.underlyings.spot)
    columns = (term.underlying.tolist(), term.days.tolist(), _nullable(term.volatility))
    method = evaluation.params.atm_volatility.value
    for place, days, volatility in zip(*columns, strict=True):
        if place in times:
            key = term_key(keys[place], tenor_name(days))
            first = (key, times[place], at[place], keys[place], None, days, spots[place], None, None, None, volatility)
            yield place, (*first, method, *(None,) * (len(READING_COLUMNS) - len(first) - 1))


def _nullable(column: np.ndarray) -> Sequence[Any]:
    """Return a column with None for what is not finite."""
    values: list[Any] = column.tolist()
    if column.dtype.kind == "f" and not (finite := np.isfinite(column)).all():
        for place in np.flatnonzero(~finite).tolist():
            values[place] = None
    return values
