"""Snapshots of chains for tests."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from moneyness.core.chain_params import ChainParams
from moneyness.core.evaluate_chain import evaluate_chain, price_chains
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.priced import InterestColumns, PricedChains
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, ExpiryColumns, UnderlyingColumns

AT, TODAY, DAY = 1_780_000_000.0, 739_000, 86_400.0
QUOTES = QuoteColumns.__slots__
Row = Mapping[str, float]


def quotes(rows: Sequence[Row]) -> QuoteColumns:
    return QuoteColumns(**{name: np.array([row.get(name, np.nan) for row in rows], np.float64) for name in QUOTES})


def snapshot(
    options: Sequence[Row],
    *,
    days: Sequence[float] = (10,),
    underlying: Sequence[int] | None = None,
    spots: Sequence[float] = (100.0,),
    at: float | Sequence[float] = AT,
    futures: Sequence[Row] = (),
    american: bool = False,
) -> tuple[ChainSnapshot, InterestColumns]:
    """Each option: group, strike, sign, and what is known of its quote and interest. A future: underlying, days, last.

    Times are `at` unless a row says another. `days` are by group.
    """
    count = len(spots)
    instants = np.broadcast_to(np.asarray(at, np.float64), (count,))
    of = np.zeros(len(days), np.intp) if underlying is None else np.array(underlying, np.intp)
    timed = [{"time": float(instants[of[int(row["group"])]]), **row} for row in options]
    ends = np.array([row["days"] for row in futures], np.float64)
    future_of = np.array([row["underlying"] for row in futures], np.intp)

    def expires(place: np.ndarray, left: np.ndarray) -> ExpiryColumns:
        return ExpiryColumns(
            underlying=place, expiry=TODAY + left.astype(np.int64), expires_at=instants[place] + DAY * left
        )

    def column(name: str) -> np.ndarray:
        return np.array([row.get(name, np.nan) for row in options], np.float64)

    return ChainSnapshot(
        at=at if isinstance(at, float) else instants,
        underlyings=UnderlyingColumns(
            spot=np.array(spots, np.float64),
            spot_source=np.ones(count, np.int8),
            spot_time=instants.copy(),
            volatility_index=np.full(count, np.nan),
            volatility_index_time=np.full(count, np.nan),
            dividend_yield=np.zeros(count),
            today=np.full(count, TODAY),
            american=np.full(count, american),
        ),
        groups=expires(of, np.array(days, np.float64)),
        options=ChainColumns(
            group=column("group").astype(np.intp), sign=column("sign"), strike=column("strike"), quotes=quotes(timed)
        ),
        futures=expires(future_of, ends),
        future_quotes=quotes([{"time": AT, **row} for row in futures]),
    ), InterestColumns(
        open_interest=column("open_interest"),
        open_interest_before=column("open_interest_before"),
    )


def price(
    made: tuple[ChainSnapshot, InterestColumns],
    params: GreeksParams | None = None,
    black76: bool | Sequence[bool] = False,
) -> PricedChains:
    """`black76`: of all underlyings, or of each."""
    count = len(made[0].underlyings.spot)
    keys = [f"NSE@U{number}" for number in range(count)]
    return price_chains(made[0], keys, np.broadcast_to(black76, (count,)), made[1], params or GreeksParams())


def evaluate(
    made: tuple[ChainSnapshot, InterestColumns], before: Any = None, greeks: GreeksParams | None = None, **params: Any
) -> ChainEvaluation:
    chosen = ChainParams(**{"fit": False, **params})
    return evaluate_chain(price(made, greeks), chosen, None if before is None else np.array(before, np.float64))


def picked(columns: Any, rows: np.ndarray) -> Any:
    """Return a dataclass of columns with these rows only."""
    return replace(columns, **{each.name: getattr(columns, each.name)[rows] for each in fields(columns)})


def pick_options(made: tuple[ChainSnapshot, InterestColumns], rows: np.ndarray) -> tuple[ChainSnapshot, Any]:
    chain = made[0].options
    kept = ChainColumns(
        group=chain.group[rows],
        sign=chain.sign[rows],
        strike=chain.strike[rows],
        quotes=picked(chain.quotes, rows),
    )
    return replace(made[0], options=kept), picked(made[1], rows)
