"""A small chain around the money, as text for a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

NEEDED = {"underlying", "expiry", "strike", "right", "price_used", "implied_volatility", "delta", "forward"}
MOST_STRIKES = 9
_LEG = (("delta", "delta", "{:.3f}"), ("iv", "implied_volatility", "{:.2%}"), ("price", "price_used", "{:,.2f}"))
_WIDTH = 10

Row = Mapping[str, Any]


def chain_lines(rows: pa.Table, *, ascii_only: bool) -> Iterator[str]:
    """Yield the lines of the nearest expiry of the underlying with the most values: calls, strikes and puts.

    Yields nothing when the rows are no Greeks, or when none has a value.
    """
    if not set(rows.column_names) >= NEEDED:
        return
    rows = rows.filter(pc.and_(pc.equal(rows.column("status"), "ok"), pc.is_valid(rows.column("strike"))))
    if not len(rows):
        return
    counts = rows.group_by("underlying").aggregate([([], "count_all")]).sort_by([("count_all", "descending")])
    rows = rows.filter(pc.equal(rows.column("underlying"), counts.column("underlying")[0]))
    rows = rows.filter(pc.equal(rows.column("expiry"), pc.min(rows.column("expiry"))))
    legs: dict[float, dict[str, Row]] = {}
    for row in rows.to_pylist():
        legs.setdefault(row["strike"], {}).setdefault(row["right"], row)
    first = next(iter(next(iter(legs.values())).values()))
    yield from _table(first, legs, "|" if ascii_only else "\N{BOX DRAWINGS LIGHT VERTICAL}")


def _table(first: Row, legs: Mapping[float, Mapping[str, Row]], bar: str) -> Iterator[str]:
    forward = first["forward"] or sorted(legs)[len(legs) // 2]
    near = sorted(legs, key=lambda strike: abs(strike - forward))
    yield f"{first['underlying']} {first['expiry']}, forward {forward:,.2f}"
    half = len(_LEG) * _WIDTH
    names = [name for name, *_ in _LEG]
    yield f"{'call':>{half}} {bar}{'':>{_WIDTH}}  {bar} {'put':<{half}}".rstrip()
    yield _line([*names], "strike", [*reversed(names)], bar, " ")
    for strike in sorted(near[:MOST_STRIKES]):
        call, put = (_leg(legs[strike].get(right)) for right in ("call", "put"))
        yield _line(call, f"{strike:,.10g}", [*reversed(put)], bar, "*" if strike == near[0] else " ")


def _line(call: list[str], strike: str, put: list[str], bar: str, mark: str) -> str:
    left, right = ("".join(f"{cell:>{_WIDTH}}" for cell in cells) for cells in (call, put))
    return f"{left} {bar}{strike:>{_WIDTH}}{mark} {bar}{right}"


def _leg(row: Row | None) -> list[str]:
    values = [(row or {}).get(column) for _, column, _ in _LEG]
    return ["-" if value is None else form.format(value) for value, (*_, form) in zip(values, _LEG, strict=True)]
