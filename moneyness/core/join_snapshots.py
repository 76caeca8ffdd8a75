"""Snapshots of several instants as one, so that all of them are priced and evaluated in one call."""

from collections.abc import Sequence

import numpy as np

from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, ExpiryColumns, UnderlyingColumns
from signals.rates.core.carry import NOTHING_KNOWN, Carry

_AROUND = (
    "spot",
    "spot_source",
    "spot_time",
    "volatility_index",
    "volatility_index_time",
    "dividend_yield",
    "today",
)


def join_snapshots(snapshots: Sequence[ChainSnapshot]) -> ChainSnapshot:
    """Return one snapshot with the underlyings, groups and options of all, in their order. There is one at least.

    An underlying that is in two of them is there twice, each time at its own instant.
    """
    around = [each.underlyings for each in snapshots]
    counts = [len(each.spot) for each in around]
    first_underlying = np.cumsum([0, *counts[:-1]])
    first_group = np.cumsum([0, *(len(each.groups.expiry) for each in snapshots[:-1])])
    american = [
        np.zeros(count, bool) if each.american is None else each.american
        for each, count in zip(around, counts, strict=True)
    ]
    options = [each.options for each in snapshots]
    return ChainSnapshot(
        at=np.concatenate(
            [
                np.broadcast_to(np.asarray(each.at, np.float64), count)
                for each, count in zip(snapshots, counts, strict=True)
            ]
        ),
        underlyings=UnderlyingColumns(
            **{name: np.concatenate([getattr(each, name) for each in around]) for name in _AROUND},
            american=np.concatenate(american),
            known=_known(around, counts),
        ),
        groups=_expiries([each.groups for each in snapshots], first_underlying),
        options=ChainColumns(
            group=np.concatenate([each.group + first for each, first in zip(options, first_group, strict=True)]),
            sign=np.concatenate([each.sign for each in options]),
            strike=np.concatenate([each.strike for each in options]),
            quotes=_quotes([each.quotes for each in options]),
        ),
        futures=_expiries([each.futures for each in snapshots], first_underlying),
        future_quotes=_quotes([each.future_quotes for each in snapshots]),
    )


def _known(around: Sequence[UnderlyingColumns], counts: Sequence[int]) -> list[Carry]:
    """Return the rates and dividends of all, empty if nothing is stored of any."""
    if not any(len(each.known) for each in around):
        return []
    return [one for each, count in zip(around, counts, strict=True) for one in (each.known or [NOTHING_KNOWN] * count)]


def _expiries(parts: Sequence[ExpiryColumns], first: np.ndarray) -> ExpiryColumns:
    return ExpiryColumns(
        underlying=np.concatenate([each.underlying + begin for each, begin in zip(parts, first, strict=True)]),
        expiry=np.concatenate([each.expiry for each in parts]),
        expires_at=np.concatenate([each.expires_at for each in parts]),
    )


def _quotes(parts: Sequence[QuoteColumns]) -> QuoteColumns:
    return QuoteColumns(
        **{name: np.concatenate([getattr(each, name) for each in parts]) for name in QuoteColumns.__slots__}
    )
