"""Continuously compounded zero rates from rates as they are published."""

import math
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from signals.rates.core.curves import DAYS_PER_YEAR


class Compounding(StrEnum):
    CONTINUOUS = "continuous"
    SIMPLE = "simple"  # of a year of 365 days: price = 1 / (1 + r days / 365)
    ANNUAL = "annual"
    SEMIANNUAL = "semiannual"
    DISCOUNT = "discount"  # a bank discount of a year of 360 days: price = 1 - d days / 360
    PAR = "par"  # yields of bonds at par with coupons each half year, as the US Treasury publishes them


def to_continuous(rate: float, days: float, compounding: Compounding) -> float:
    """Return the continuous zero rate (annual, a year of 365 days) of a rate for that many days.

    Raises ValueError for a rate that no positive price has, and for PAR, which needs the whole curve (`zeros_of_par`).
    """
    years = days / DAYS_PER_YEAR
    if compounding is Compounding.CONTINUOUS:
        return rate
    if compounding is Compounding.SIMPLE:
        return math.log1p(rate * years) / years
    if compounding is Compounding.ANNUAL:
        return math.log1p(rate)
    if compounding is Compounding.SEMIANNUAL:
        return 2.0 * math.log1p(rate / 2.0)
    if compounding is Compounding.DISCOUNT:
        return -math.log1p(-rate * days / 360.0) / years
    raise ValueError(f"{compounding} is a convention of whole curves")


def zeros_of_par(days: Sequence[float], yields: Sequence[float]) -> list[float]:
    """Return the continuous zero rates of a par curve. `days` ascend, and are those of a year of 365 days.

    Up to half a year a par yield is a bill's bond-equivalent yield, which is simple: price = 1 / (1 + y t). Beyond, the
    bond with coupons y / 2 each half year is worth 1, so its last discount factor follows from those before it:

        D_n = (1 - y_n / 2 (D_1 + ... + D_(n-1))) / (1 + y_n / 2)

    The par yield at a half year without a tenor of its own is linear between its neighbours. NaN from the first half
    year on that has no positive discount factor. Method: Hull, "Options, Futures, and Other Derivatives", chapter 4.
    """
    years = np.array(days, np.float64) / DAYS_PER_YEAR
    par = np.array(yields, np.float64)
    halves = 0.5 * np.arange(1, math.ceil(2.0 * years[-1] - 1e-9) + 1)
    discount: list[float] = []
    paid = 0.0
    for coupon in (0.5 * np.interp(halves, years, par)).tolist():
        factor = (1.0 - coupon * paid) / (1.0 + coupon) if coupon > -1.0 else math.nan
        discount.append(factor if factor > 0.0 else math.nan)
        paid += discount[-1]
    zeros = -np.log(np.array(discount)) / halves
    short = years <= 0.5
    with np.errstate(invalid="ignore"):
        bills = np.log1p(np.where(short & (par * years > -1.0), par * years, np.nan)) / years
    found: list[float] = np.where(short, bills, np.interp(years, halves, zeros)).tolist()
    return found
