"""The shapes of what chains say, for the API's schema. Tests hold real answers to them."""

from typing import Any, Literal

import msgspec

from moneyness.core.states import (
    AnalyticsState,
    AtmVolatilityState,
    DeltaStrike,
    MoneynessLevel,
    SmileState,
    SurfaceState,
    TermStructureState,
)
from signalsite.foundation.openapi import Schema, components, one_of_these, reference


class UnreadableChain(msgspec.Struct):
    """A stored state that cannot be read."""

    underlying: str
    topic: str
    status: Literal["unreadable"]


def _answer(name: str, state: type, doc: str) -> tuple[type, type]:
    """Return the answer that has a state, and what stands for it or for one that cannot be read."""
    members: list[tuple[str, Any]] = [("seq", str | None), ("age_seconds", float)]
    text = f"{doc} `age_seconds` counts from `as_of`. `seq` is the state's place in its stream, null at a past instant."
    own = msgspec.defstruct(f"Chain{name}", members, bases=(state,), namespace={"__doc__": text})
    return own, msgspec.defstruct(f"Chain{name}Answer", [], namespace={"__doc__": f"{doc} Or why it cannot be shown."})


_LEVEL = _answer("Level", MoneynessLevel, "The options of a moneyness level in aggregate.")
_ATM = _answer("AtmVolatility", AtmVolatilityState, "Volatility at the money of one expiry.")
_DELTA = _answer("DeltaStrike", DeltaStrike, "The option at a delta.")
_SMILE = _answer("Smile", SmileState, "The smile of one expiry.")
_ANALYTICS = _answer("Analytics", AnalyticsState, "What one expiry says.")
_TERM = _answer("TermStructure", TermStructureState, "Volatility at the money by expiry.")
_ANSWERS = (_LEVEL, _ATM, _DELTA, _SMILE, _ANALYTICS, _TERM)
_SMILES: Any = list.__class_getitem__(_SMILE[1])
ChainSurface = msgspec.defstruct(
    "ChainSurface",
    [("underlying", str), ("as_of", str), ("term_structure", _TERM[1]), ("surface", SurfaceState), ("smiles", _SMILES)],
    namespace={"__doc__": "The smiles of all expiries."},
)
ChainSurfaceAnswer = msgspec.defstruct(
    "ChainSurfaceAnswer", [], namespace={"__doc__": "The smiles of all expiries, or why they cannot be shown."}
)


def chain_components() -> dict[str, Schema]:
    pairs = [*_ANSWERS, (ChainSurface, ChainSurfaceAnswer)]
    found = components([each for pair in pairs for each in pair] + [UnreadableChain])
    for own, either in pairs:
        shape = found[either.__name__]
        for name in ("type", "properties", "required"):
            shape.pop(name, None)
        shape |= one_of_these([own, UnreadableChain])
    return found


LEVEL, ATM, DELTA, SMILE, ANALYTICS, TERM = (reference(either) for _, either in _ANSWERS)
SURFACE: Schema = reference(ChainSurfaceAnswer)

_HEAD: dict[str, Any] = {
    "underlying": "NSE@NIFTY",
    "expiry": "2026-12-29",
    "as_of": "2026-11-27T09:20:00.500000+00:00",
    "spot": 25_987.4,
    "atm_strike": 26_100.0,
}
_RECEIPT = {
    "forward": 26_104.2,
    "forward_source": "parity",
    "forward_price_source": "mid",
    "forward_price_age_seconds": 0.4,
    "forward_strikes": 14,
    "rate": 0.065,
    "expiry_years": 0.0877,
    "quotes_used": 186,
    "quotes_refused": 7,
}
_AGES = {"seq": "1796011200500-3", "age_seconds": 0.36}
_SUMS = {
    "delta": {"mean": 0.01, "by_open_interest": 12_100.0, "by_volume": 93_000.0},
    "gamma": {"mean": 0.0004, "by_open_interest": 410.0, "by_volume": 2_900.0},
    "theta": {"mean": -7.5, "by_open_interest": -7.6e6, "by_volume": -5.2e7},
    "vega": {"mean": 30.4, "by_open_interest": 3.1e7, "by_volume": 2.1e8},
    "rho": {"mean": 0.6, "by_open_interest": 6.1e5, "by_volume": 4.4e6},
}
_AGGREGATE = {
    "options": 2,
    "priced": 2,
    "strike_low": 26_100.0,
    "strike_high": 26_100.0,
    "open_interest": 1_020_000.0,
    "volume": 7_100_000.0,
    "premium": 3.9e8,
    "implied_volatility": 0.1181,
    "implied_volatility_by_open_interest": 0.1179,
    "quality": 1.0,
    **_SUMS,
}
_OPTION = {
    "strike": 26_100.0,
    "ltp": 376.4,
    "oi": 510_000.0,
    "implied_volatility": 0.1184,
    "delta": 0.51,
    "gamma": 0.00044,
    "theta": -7.4,
    "vega": 30.4,
}
LEVEL_EXAMPLE: dict[str, Any] = {
    **_HEAD,
    "level": "ATM",
    "rule": "strikes",
    "both": _AGGREGATE,
    "calls": {**_AGGREGATE, "options": 1, "priced": 1},
    "puts": {**_AGGREGATE, "options": 1, "priced": 1},
    "receipt": _RECEIPT,
    "forward": 26_104.2,
    "call": _OPTION,
    "put": {**_OPTION, "delta": -0.49},
    **_AGES,
}
ATM_EXAMPLE: dict[str, Any] = {
    **_HEAD,
    "atm_switched_from": None,
    "atm_implied_volatility": 0.1181,
    "method": "interpolated",
    "interpolated": 0.1181,
    "nearest": 0.1182,
    "straddle_implied": 0.1180,
    "straddle": 744.1,
    "expected_move": 913.0,
    "receipt": _RECEIPT,
    **_AGES,
}
DELTA_EXAMPLE: dict[str, Any] = {
    **{name: _HEAD[name] for name in ("underlying", "expiry", "as_of")},
    "option_type": "put",
    "delta": 0.05,
    "strike": 24_612.7,
    "implied_volatility": 0.1502,
    "nearest_strike": 24_600.0,
    "nearest_instrument_key": "NSE@NIFTY@equity_options@2026-12-29@put@24600",
    "nearest_delta": -0.0494,
    "nearest_implied_volatility": 0.1504,
    "nearest_price": 22.6,
    "reason": None,
    "receipt": _RECEIPT,
    **_AGES,
}
SMILE_EXAMPLE: dict[str, Any] = {
    **_HEAD,
    "atm_implied_volatility": 0.1181,
    "risk_reversal_25": -0.0121,
    "butterfly_25": 0.0034,
    "slope": -0.21,
    "points": {
        "strike": [26_100.0],
        "right": ["put"],
        "log_moneyness": [-0.00016],
        "bid_volatility": [0.1178],
        "volatility": [0.1181],
        "ask_volatility": [0.1184],
        "delta": [-0.49],
        "call_volatility": [0.1184],
        "put_volatility": [0.1181],
        "call_delta": [0.51],
        "put_delta": [-0.49],
        "call_price": [376.4],
        "put_price": [367.7],
        "refused": [None],
    },
    "fit": {
        "status": "fitted",
        "reason": None,
        "a": 0.0004,
        "b": 0.0093,
        "rho": -0.41,
        "m": 0.011,
        "sigma": 0.05,
        "points": 86,
        "lowest": -0.11,
        "highest": 0.09,
        "residual": 0.0011,
        "worst": 0.0042,
        "butterfly_free": True,
        "calendar_free": True,
    },
    "receipt": _RECEIPT,
    **_AGES,
}
ANALYTICS_EXAMPLE: dict[str, Any] = {
    **_HEAD,
    "atm_implied_volatility": 0.1181,
    "straddle": 744.1,
    "expected_move": 913.0,
    "max_pain": 26_000.0,
    "put_call_ratio_open_interest": 1.08,
    "put_call_ratio_volume": 0.97,
    "call_open_interest": 61_200_000.0,
    "put_open_interest": 66_100_000.0,
    "call_open_interest_change": 2_100_000.0,
    "put_open_interest_change": 3_400_000.0,
    "call_volume": 9.1e8,
    "put_volume": 8.8e8,
    "gamma_exposure": 1.9e9,
    "call_gamma_exposure": 5.2e9,
    "put_gamma_exposure": -3.3e9,
    "gamma_flip": 25_810.0,
    "gamma_formula": "per_percent",
    "dealer_sign": "long_calls",
    "call_walls": [{"strike": 26_500.0, "open_interest": 5_200_000.0}],
    "put_walls": [{"strike": 25_500.0, "open_interest": 6_100_000.0}],
    "risk_reversal_25": -0.0121,
    "butterfly_25": 0.0034,
    "slope": -0.21,
    "skew_from": "fit",
    "implied_mean": 1.0,
    "implied_deviation": 0.0351,
    "implied_skewness": -0.62,
    "implied_kurtosis": 1.1,
    "strikes": {
        "strike": [26_100.0],
        "call_open_interest": [510_000.0],
        "put_open_interest": [510_000.0],
        "call_open_interest_change": [12_000.0],
        "put_open_interest_change": [-4_000.0],
        "gamma_exposure": [2.1e7],
        "pain": [3.1e10],
        "probability_above": [0.49],
    },
    "receipt": _RECEIPT,
    **_AGES,
}
TERM_EXAMPLE: dict[str, Any] = {
    **{name: _HEAD[name] for name in ("underlying", "as_of", "spot")},
    "expiries": [
        {
            "expiry": "2026-12-29",
            "days": 32.0,
            "atm_implied_volatility": 0.1181,
            "forward": 26_104.2,
            "risk_reversal_25": -0.0121,
            "butterfly_25": 0.0034,
        }
    ],
    "constant_maturities": [
        {"days": 30.0, "implied_volatility": 0.1176, "between": ["2026-12-22", "2026-12-29"]},
    ],
    **_AGES,
}
SURFACE_EXAMPLE: dict[str, Any] = {
    "underlying": _HEAD["underlying"],
    "as_of": _HEAD["as_of"],
    "term_structure": TERM_EXAMPLE,
    "surface": {
        "log_moneyness": [-0.05, 0.0, 0.05],
        "expiries": [
            {
                "expiry": "2026-12-29",
                "days": 32.0,
                "total_variance": [0.00148, 0.00114, 0.00107],
                "volatility": [0.1299, 0.114, 0.1105],
                "beyond": [False, False, False],
            }
        ],
        "constant_maturities": [
            {
                "expiry": None,
                "days": 30.0,
                "total_variance": [0.00141, 0.00107, 0.001],
                "volatility": [0.131, 0.1141, 0.1103],
                "beyond": [False, False, False],
            }
        ],
    },
    "smiles": [SMILE_EXAMPLE],
}
