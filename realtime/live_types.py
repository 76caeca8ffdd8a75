"""The types of live Greeks, made of the computation's declaration. The OpenAPI and AsyncAPI documents show them."""

from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

import msgspec

from realtime.core.live_columns import INPUTS
from realtime.core.states import InstrumentState
from signals.greeks.core.conventions import QUOTE_IVS
from signalsite.foundation.computations.columns import Column
from signalsite.foundation.computations.registry import find


@cache
def live_greeks() -> type[msgspec.Struct]:
    """Return the type of an option's `greeks`. It is made at the first use: all apps have declared theirs by then."""
    greeks = find("greeks")
    kinds = {"status": Literal[tuple(greeks.verdicts)], "retryable": bool}
    priced = [each for each in greeks.columns_for(greeks.defaults) if each.name not in QUOTE_IVS]  # nobody asks live
    columns = [(each.name, _described(each, kinds)) for each in (*priced, *INPUTS)]
    text = "The columns of the computation `greeks`, and the market that the option was priced in."
    return msgspec.defstruct("LiveGreeks", columns, namespace={"__doc__": text})


@cache
def instrument_state() -> type[msgspec.Struct]:
    """Return InstrumentState with the type of its Greeks."""
    hints = get_type_hints(InstrumentState, include_extras=True) | {"greeks": live_greeks() | None}
    return msgspec.defstruct("InstrumentState", list(hints.items()), namespace={"__doc__": InstrumentState.__doc__})


def _described(column: Column, kinds: dict[str, Any]) -> Any:
    kind = kinds.get(column.name) or column.type | None
    return Annotated[kind, msgspec.Meta(description=column.help)]
