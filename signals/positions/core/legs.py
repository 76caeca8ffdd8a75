"""The legs of portfolios: what a caller holds, as columns, read from JSON values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from signalsite.foundation.computations.contract import LEG_FIELDS, MOST_LEGS, Bounds
from signalsite.foundation.computations.option_fields import EITHER, NAMES
from signalsite.foundation.computations.overrides import why_refused
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import Product, complete_key, parse_key
from timeframes.core.option_names import future_key, option_key, spot_key

OWN_FIELDS: Mapping[str, Bounds] = {each.name: each.bounds for each in LEG_FIELDS}
_CONTRACT = ("instrument_key", *sorted(NAMES))
_NOT_OF_OPTIONS = ("price",)
"""The only value of the market that a leg without an option can replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """N legs of P portfolios. Float64, NaN where the caller said nothing. `overrides`: by name, then by leg."""

    keys: Sequence[str]
    portfolio: np.ndarray  # intp: the place of each leg's portfolio, ascending
    portfolios: int
    quantity: np.ndarray  # as given, in units or in lots
    lot_size: np.ndarray
    price_paid: np.ndarray
    overrides: Mapping[str, Mapping[int, float]]

    def __len__(self) -> int:
        return len(self.keys)


Leg = tuple[str, dict[str, float]]
"""A leg's key, and its numbers by name: those of OWN_FIELDS and overrides."""


def read_legs(raw: Any, overrides: Mapping[str, Bounds], exchange: str) -> list[Leg]:
    """Read one portfolio's list of legs. `exchange`: of symbols without one. Raises InvalidInput, which names a field.

    A leg names a contract by `instrument_key`, an option by its terms, a future by `underlying` and `expiry`, or a spot
    by `underlying` alone.
    """
    if not isinstance(raw, list):
        raise InvalidInput("legs", "legs must be a list of objects")
    if not 0 < len(raw) <= MOST_LEGS:
        raise InvalidInput("legs", f"a portfolio has 1 to {MOST_LEGS} legs, not {len(raw)}")
    return [_read_leg(leg, place, overrides, exchange) for place, leg in enumerate(raw)]


def legs_of(portfolios: Sequence[Sequence[Leg]]) -> Legs:
    """Return the legs of all these portfolios as columns."""
    flat = [leg for portfolio in portfolios for leg in portfolio]
    columns = {name: np.full(len(flat), np.nan) for name in OWN_FIELDS}
    overrides: dict[str, dict[int, float]] = {}
    for place, (_, numbers) in enumerate(flat):
        for name, value in numbers.items():
            if name in columns:
                columns[name][place] = value
            else:
                overrides.setdefault(name, {})[place] = value
    sizes = np.array([len(portfolio) for portfolio in portfolios], np.intp)
    return Legs(
        keys=[key for key, _ in flat],
        portfolio=np.repeat(np.arange(len(sizes)), sizes),
        portfolios=len(sizes),
        overrides=overrides,
        **columns,
    )


def _read_leg(leg: Any, place: int, overrides: Mapping[str, Bounds], exchange: str) -> Leg:
    if not isinstance(leg, dict):
        raise InvalidInput(f"legs[{place}]", "a leg is an object")
    key, numbers = leg.get("instrument_key"), {}
    try:
        if any(leg.get(name) is not None for name in NAMES.intersection(leg)):
            if key is not None:
                raise InvalidInput("instrument_key", f"a leg has {EITHER}, not both")
            key = _key_of_terms(leg, exchange)
        elif isinstance(key, str):
            key = _checked(complete_key(key, exchange))
        else:
            raise InvalidInput("instrument_key", f"a leg has {EITHER}")
        for name, value in leg.items():
            if name in _CONTRACT or value is None:
                continue
            bounds = OWN_FIELDS.get(name) or overrides.get(name)
            if bounds is None:
                known = ", ".join((*_CONTRACT, *OWN_FIELDS, *overrides))
                raise InvalidInput(str(name)[:50], f"unknown field; a leg takes {known}")
            if wrong := why_refused(name, value, bounds):
                raise InvalidInput(name, wrong)
            numbers[name] = float(value)
        if "quantity" not in numbers:
            raise InvalidInput("quantity", "quantity is missing: how much is held, negative for short")
        if "_options@" not in key:
            _only_own(numbers)
    except InvalidInput as error:
        raise InvalidInput(f"legs[{place}].{error.field}", str(error)) from error
    return key, numbers


def _only_own(numbers: Mapping[str, float]) -> None:
    for name in numbers:
        if name not in OWN_FIELDS and name not in _NOT_OF_OPTIONS:
            raise InvalidInput(name, f"only an option has {name}; the price of a spot or a future is `price`")


def _checked(text: str) -> str:
    key = parse_key(text)
    if key.product is Product.UNDERLYING:
        raise InvalidInput("instrument_key", f"{key} is an underlying; its spot is {key.spot}")
    return text


def _key_of_terms(leg: Mapping[str, Any], exchange: str) -> str:
    if leg.get("strike") is not None or leg.get("option_type") is not None:
        return option_key(leg, exchange)
    return future_key(leg, exchange) if leg.get("expiry") is not None else spot_key(leg, exchange)
