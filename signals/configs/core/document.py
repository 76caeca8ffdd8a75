"""A configuration as it is checked and stored: what to compute, for which instruments, and when.

Its JSON form, as the Subscription Manager and the API send it (docs/configurations.md):

    {"name": "nifty-5m", "instruments": ["NSE@NIFTY@equity_spot"], "interval": "5m", "frequency": "bar",
     "greeks": {"columns": ["delta"], "params": {}},
     "indicators": ["rsi(length=14)", {"kind": "macd", "fast": 8}],
     "functions": [{"function": "pivots", "params": {}, "label": "pivots"}],
     "external_functions": [{"function": "mine/spread@2", "params": {}, "label": "spread"}],
     "join": {"rsi": "indicators:rsi(length=14)", "iv": "greeks:iv", "spot": "bars:NSE@NIFTY@equity_spot:close"},
     "bars": 200, "active": true}

A shorter form is understood too: `instrument_key` for one instrument, `true` or a list of columns for `greeks`, and a
bare name for a function.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

NONE = "none"
"""Stands in a key for an interval or a frequency that the configuration lacks (S37)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GreeksAsked:
    """`columns`: of the computation `greeks`, in order. `params`: its parameters, defaults filled in."""

    columns: tuple[str, ...]
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionAsked:
    """A call of a function. `label`: names its results. `function`: an internal one's name, or `version/UUID` of a
    user's (`signals.functions.references`), which a stored configuration always has."""

    label: str
    function: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A checked configuration. All texts have their one form.

    `interval`: a timeframe. `frequency`: as `signals.configs.core.frequency` writes it; None: with every tick.
    `indicators`: specs as texts (`signals.indicators.core.spec`). `join`: columns that functions see beside the bars,
    by name (`signals.functions.core.joins`); `benchmark` among them is that of internal functions. `bars`: how many
    closed bars before the newest functions see.
    """

    name: str
    instruments: tuple[str, ...]
    interval: str | None = None
    frequency: str | None = None
    anchor: str | None = None
    greeks: GreeksAsked | None = None
    indicators: tuple[str, ...] = ()
    functions: tuple[FunctionAsked, ...] = ()
    external_functions: tuple[FunctionAsked, ...] = ()
    join: Mapping[str, str] = field(default_factory=dict)
    bars: int = 200
    active: bool = True


def key_text(instrument_key: str, interval: str | None, frequency: str | None) -> str:
    """Return what follows `config:` in Redis, and the name of a configuration that has none.

    It is never parsed: a key may contain a hyphen.
    """
    return f"{instrument_key}-{interval or NONE}-{frequency or NONE}"
