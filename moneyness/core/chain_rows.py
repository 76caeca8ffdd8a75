"""An evaluation as rows: an expiry, a level, a delta, a strike or a constant maturity each."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import numpy as np

from moneyness.core.contract_names import option_names
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.priced import Rows
from moneyness.core.smile_words import FitStatus, gate_words
from signals.greeks.core.conventions import FORWARD_PRICE_WORDS

GREEKS = ("delta", "gamma", "theta", "vega", "rho")  # the order of LevelColumns' greeks
SIDES = {0: "both", 1: "calls", -1: "puts"}
_RIGHTS = np.array(["put", None, "call"], object)  # by sign + 1

NO_ATM = "no volatility at the money can be computed"
NO_VOLATILITY = "no option of it has a volatility"
NOT_REACHED = "the chain does not reach that delta"
NO_POINT = "no option of the strike has a volatility"
OUTSIDE = "no two expiries with a volatility lie around it"

Columns = dict[str, np.ndarray]


class What(StrEnum):
    SUMMARY = "summary"
    LEVELS = "levels"
    DELTAS = "deltas"
    STRIKES = "strikes"
    TERM = "term"


def chain_rows(found: ChainEvaluation, what: What) -> tuple[Rows, Columns]:
    """Return the place of each row's underlying, ascending, and the rows' columns, with `reason` for missing values.

    Float columns have NaN for unknown, others None.
    """
    of, columns, reason = _ROWS[what](found)
    chains = found.chains
    if what is What.TERM:
        underlying = of
        columns = {"expiry": np.full(len(of), None, object), **columns}
    else:
        underlying = chains.expiries.underlying[of]
        columns = {"expiry": _words(_dates(found))[of], **columns}
    return underlying, {
        "reason": reason,
        "chain_as_of": _words([_instant(at) for at in chains.underlyings.at.tolist()])[underlying],
        "spot": chains.underlyings.spot[underlying],
        **columns,
    }


def _summary(found: ChainEvaluation) -> tuple[Rows, Columns, np.ndarray]:
    groups, money, skew, interest, fits = found.chains.expiries, found.money, found.skew, found.interest, found.fits
    markets = [each.forward for each in groups.markets]
    of = np.arange(len(groups.expiry))
    columns: Columns = {
        "expiry_years": groups.years,
        "forward": groups.forward,
        "forward_source": _words([str(each.source) if each.found else None for each in markets]),
        "forward_price_source": _words([FORWARD_PRICE_WORDS[each.price_source] for each in markets]),
        "rate": groups.rate,
        "atm_strike": money.atm_strike,
        "atm_implied_volatility": money.atm_volatility,
        "atm_interpolated": money.interpolated,
        "atm_nearest": money.nearest,
        "atm_straddle_implied": money.by_straddle,
        "straddle": money.straddle,
        "expected_move": money.expected_move,
        "risk_reversal_25": skew.risk_reversal_25,
        "butterfly_25": skew.butterfly_25,
        "slope": skew.slope,
        "skew_from": _skew_sources(found),
        "implied_mean": skew.mean,
        "implied_deviation": skew.deviation,
        "implied_skewness": skew.skewness,
        "implied_kurtosis": skew.kurtosis,
        "max_pain": interest.max_pain,
        "put_call_ratio_open_interest": interest.put_call_interest,
        "put_call_ratio_volume": interest.put_call_volume,
        "call_open_interest": interest.call_interest,
        "put_open_interest": interest.put_interest,
        "call_open_interest_change": interest.call_change,
        "put_open_interest_change": interest.put_change,
        "call_volume": interest.call_volume,
        "put_volume": interest.put_volume,
        "gamma_exposure": interest.gamma_exposure,
        "call_gamma_exposure": interest.call_gamma,
        "put_gamma_exposure": interest.put_gamma,
        "gamma_flip": interest.flip,
        "fit_status": _words([FitStatus(code).word for code in fits.status.tolist()]),
        "fit_a": fits.a,
        "fit_b": fits.b,
        "fit_rho": fits.rho,
        "fit_m": fits.m,
        "fit_sigma": fits.sigma,
        "fit_residual": fits.residual,
        "quotes_used": interest.quotes_used,
        "quotes_refused": interest.quotes_refused,
    }
    return of, columns, _reasons(np.isnan(money.atm_volatility), NO_ATM)


def _levels(found: ChainEvaluation) -> tuple[Rows, Columns, np.ndarray]:
    levels = found.levels
    columns: Columns = {
        "atm_strike": found.money.atm_strike[levels.group],
        "level": _words(levels.level),
        "side": _words([SIDES[side] for side in levels.side.tolist()]),
        "options": levels.options,
        "priced": levels.priced,
        "strike_low": levels.strike_low,
        "strike_high": levels.strike_high,
        "open_interest": levels.open_interest,
        "volume": levels.volume,
        "premium": levels.premium,
        "implied_volatility": levels.implied_volatility,
        "implied_volatility_by_open_interest": levels.implied_volatility_oi,
        "quality": levels.quality,
    }
    for name, values in (
        ("mean", levels.greeks_mean),
        ("by_open_interest", levels.greeks_oi),
        ("by_volume", levels.greeks_volume),
    ):
        columns |= {f"{greek}_{name}": values[:, place] for place, greek in enumerate(GREEKS)}
    return levels.group, columns, _reasons(levels.priced == 0, NO_VOLATILITY)


def _deltas(found: ChainEvaluation) -> tuple[Rows, Columns, np.ndarray]:
    """Without the deltas that only the skew needs."""
    deltas = found.deltas
    asked = np.isin(deltas.target, found.params.deltas)
    columns: Columns = {
        "atm_strike": found.money.atm_strike[deltas.group],
        "option_type": _RIGHTS[deltas.sign.astype(np.intp) + 1],
        "delta": deltas.target,
        "strike": deltas.strike,
        "implied_volatility": deltas.implied_volatility,
        "nearest_instrument_key": _words(option_names(found.chains, deltas.nearest_option)),
        "nearest_strike": deltas.nearest_strike,
        "nearest_delta": deltas.nearest_delta,
        "nearest_implied_volatility": deltas.nearest_volatility,
        "nearest_price": deltas.nearest_price,
    }
    columns = {name: column[asked] for name, column in columns.items()}
    return deltas.group[asked], columns, _reasons(np.isnan(deltas.strike[asked]), NOT_REACHED)


def _strikes(found: ChainEvaluation) -> tuple[Rows, Columns, np.ndarray]:
    smile, strikes, options = found.smile, found.strikes, found.chains.options
    sign = np.append(options.sign, 0.0)[smile.option].astype(np.intp)  # -1, the last one: for none
    columns: Columns = {
        "atm_strike": found.money.atm_strike[smile.group],
        "strike": smile.strike,
        "option_type": _RIGHTS[sign + 1],
        "log_moneyness": smile.log_moneyness,
        "bid_volatility": smile.bid_volatility,
        "implied_volatility": smile.volatility,
        "ask_volatility": smile.ask_volatility,
        "delta": smile.delta,
        "call_volatility": smile.call_volatility,
        "put_volatility": smile.put_volatility,
        "refused": _words([", ".join(gate_words(code)) or None for code in smile.refused.tolist()]),
        "call_open_interest": strikes.call_interest,
        "put_open_interest": strikes.put_interest,
        "call_open_interest_change": strikes.call_change,
        "put_open_interest_change": strikes.put_change,
        "call_volume": strikes.call_volume,
        "put_volume": strikes.put_volume,
        "gamma_exposure": strikes.gamma_exposure,
        "pain": strikes.pain,
        "probability_above": strikes.above,
    }
    return smile.group, columns, _reasons(np.isnan(smile.volatility), NO_POINT)


def _term(found: ChainEvaluation) -> tuple[Rows, Columns, np.ndarray]:
    term, days = found.term, [*_dates(found), None]  # -1, the last one: for none
    columns: Columns = {
        "days": term.days,
        "implied_volatility": term.volatility,
        "from_expiry": _words([days[place] for place in term.expiries.tolist()]),
        "to_expiry": _words([days[place] for place in term.later.tolist()]),
    }
    return term.underlying, columns, _reasons(np.isnan(term.volatility), OUTSIDE)


_ROWS: Mapping[What, Callable[[ChainEvaluation], tuple[Rows, Columns, np.ndarray]]] = {
    What.SUMMARY: _summary,
    What.LEVELS: _levels,
    What.DELTAS: _deltas,
    What.STRIKES: _strikes,
    What.TERM: _term,
}


def _dates(found: ChainEvaluation) -> list[str]:
    return [date.fromordinal(day).isoformat() for day in found.chains.expiries.expiry.tolist()]


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _skew_sources(found: ChainEvaluation) -> np.ndarray:
    skew = found.skew
    known = np.isfinite(skew.risk_reversal_25) | np.isfinite(skew.butterfly_25) | np.isfinite(skew.slope)
    return _words([("fit" if fit else "chain") if has else None for fit, has in zip(skew.from_fit, known, strict=True)])


def _reasons(missing: np.ndarray, reason: str) -> np.ndarray:
    return _words([reason if each else None for each in missing.tolist()])


def near_money(found: ChainEvaluation, around: int) -> np.ndarray:
    """Return which strikes are at most so many from the money of their expiry; without one, from the middle."""
    group = found.smile.group
    begins = np.searchsorted(group, np.arange(len(found.money.atm_place) + 1))
    middle = np.where(found.money.atm_place >= 0, found.money.atm_place, np.diff(begins) // 2)
    place = np.arange(len(group)) - begins[:-1][group]
    near: np.ndarray = np.abs(place - middle[group]) <= around
    return near


def _words(values: Sequence[Any]) -> np.ndarray:
    found = np.empty(len(values), object)
    found[:] = values
    return found
