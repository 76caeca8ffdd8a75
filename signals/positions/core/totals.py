"""Totals of portfolios, and what is missing in them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from signals.positions.core.sums import grouped_sums


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Totals of G groups of legs. `values` and `missing` are C x G: the sums, and how many legs each sum lacks.

    A sum that lacks a leg is NaN, unless the caller wants partial sums.
    """

    values: np.ndarray
    missing: np.ndarray  # int64
    legs: np.ndarray  # int64, of length G


def totals(contributions: np.ndarray, group: np.ndarray, groups: int, *, partial: bool) -> Totals:
    """Add up `contributions` (C x N, NaN for unknown) by `group` (intp, of length N, in any order)."""
    order = np.argsort(group, kind="stable")
    group, contributions = group[order], contributions[:, order]
    unknown = np.isnan(contributions)
    values = grouped_sums(np.where(unknown, 0.0, contributions), group, groups)
    missing = np.zeros(values.shape, np.int64)
    for row in np.flatnonzero(unknown.any(axis=1)).tolist():
        missing[row] = np.bincount(group[unknown[row]], minlength=groups)
    legs = np.bincount(group, minlength=groups)
    values[(missing > 0) & (~np.array(partial) | (missing == legs))] = np.nan
    return Totals(values=values, missing=missing, legs=legs)


def by_underlying(portfolio: np.ndarray, underlying: Sequence[str]) -> tuple[np.ndarray, list[tuple[int, str]]]:
    """Return each leg's group, and of each group its portfolio and underlying, in the order of these."""
    pairs = list(zip(portfolio.tolist(), underlying, strict=True))
    names = sorted(set(pairs))
    number = {pair: place for place, pair in enumerate(names)}
    return np.array([number[pair] for pair in pairs], np.intp), names
