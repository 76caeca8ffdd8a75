"""The parameters of an evaluation of chains: which levels, which volatility at the money, which conventions."""

from dataclasses import dataclass
from enum import StrEnum


class AtmVolatility(StrEnum):
    """How the volatility at the money is read from a chain."""

    INTERPOLATED = "interpolated"  # at the forward, linear in total variance over log-moneyness
    NEAREST = "nearest"  # mean of call and put at the strike nearest to the forward
    STRADDLE = "straddle"  # what the straddle at the nearest strike implies


class DealerSign(StrEnum):
    """Which options dealers are taken to be long of, for gamma exposure. It is an assumption, not data."""

    LONG_CALLS = "long_calls"  # long calls, short puts: the usual one for indices
    SHORT_ALL = "short_all"  # short what the public holds
    LONG_ALL = "long_all"


class GammaFormula(StrEnum):
    """The unit of gamma exposure, with OI in units of the underlying."""

    PER_POINT = "per_point"  # gamma x OI: units of the underlying per point
    PER_PERCENT = "per_percent"  # gamma x OI x U^2 x 0.01: money per 1 % move; U: what gamma is per
    NOTIONAL = "notional"  # gamma x OI x U^2: money per 100 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A level by distance from the forward: `out_of` true for out of the money. Edges are [low, high)."""

    low: float  # of |K/F - 1| in percent, or of |ln(K/F)|
    high: float
    logarithmic: bool
    out_of: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainParams:
    """`strikes`: levels ITM1.., OTM1.. up to so many. `deltas`: absolute deltas of the levels by delta."""

    strikes: int = 10
    bands: tuple[Band, ...] = ()
    deltas: tuple[float, ...] = (0.05, 0.10, 0.25)
    hysteresis: float = 0.6  # of the distance between two strikes that the forward must pass, over 0.5, to switch ATM
    atm_volatility: AtmVolatility = AtmVolatility.INTERPOLATED
    gamma_formula: GammaFormula = GammaFormula.PER_PERCENT
    dealer_sign: DealerSign = DealerSign.LONG_CALLS
    tenors: tuple[float, ...] = (7.0, 30.0, 60.0)  # days of constant maturity
    walls: int = 3  # strikes with the most open interest that are listed
    fit: bool = True  # fit smiles: most of an evaluation's time
    worst_fit: float = 0.02  # of volatility, root mean square: a smile that fits worse is refused
