"""Work for workers: quick runs in groups, one task each, and the owners of slow runs, whose turns they wait for.

Runs are slow that call users' functions or indicators of the library, and that cost more than a whole group.
Quick runs that compute the same stand together, so that they share the work.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from signals.functions.core.joins import Kind
from signals.indicators.core.compute import kernel_of
from signals.indicators.core.spec import parse_spec
from signalsite.foundation.errors import InvalidInput

MOST_RUNS = 500
MOST_INSTRUMENTS = 5_000
"""Of a group, where an instrument with few bars counts 1, and more with more to read and to compute."""
BARS, INDICATORS = 500, 3
"""So many bars of a column, or indicators, count as an instrument."""
USERS_FUNCTION = 10
DOCUMENT = 10
"""What a document counts that the ones before it do not share."""

# What is needed of each configuration `c`: its owner, what may be slow in it, what it costs, and a digest of what is
# computed, without whose and of which instruments.
TO_GROUP = """
    c.owner_id,
    CASE WHEN jsonb_typeof(c.document) = 'object'
         THEN jsonb_build_array(c.document -> 'indicators', c.document -> 'join')::text ELSE '[]' END,
    CASE WHEN jsonb_typeof(c.document -> 'instruments') = 'array' THEN jsonb_array_length(c.document -> 'instruments')
         ELSE 1 END,
    CASE WHEN jsonb_typeof(c.document -> 'external_functions') = 'array'
         THEN jsonb_array_length(c.document -> 'external_functions') ELSE 0 END,
    CASE WHEN jsonb_typeof(c.document -> 'indicators') = 'array'
         THEN jsonb_array_length(c.document -> 'indicators') ELSE 0 END,
    CASE WHEN jsonb_typeof(c.document -> 'bars') = 'number'
         THEN greatest(least((c.document -> 'bars')::numeric, 10000), 0)::int ELSE 0 END
    * CASE WHEN jsonb_typeof(c.document -> 'join') = 'object'
           THEN 1 + (SELECT count(*) FROM jsonb_object_keys(c.document -> 'join'))::int ELSE 1 END,
    md5(CASE WHEN jsonb_typeof(c.document) = 'object' THEN (c.document - 'name' - 'instruments')::text ELSE '' END)
"""


@dataclass(frozen=True, slots=True)
class Work:
    """`groups`: ids of quick runs. `owners`: of slow runs that wait."""

    groups: list[list[int]]
    owners: list[int]


def divided(rows: Iterable[Sequence[Any]], *, alone: bool = False) -> Work:
    """Divide runs. `rows`: each run's id, and then TO_GROUP. `alone`: one quick run a group."""
    quick, owners = [], dict[int, None]()
    for row in rows:
        if is_slow(row):
            owners[row[1]] = None
        else:
            quick.append(row)
    return Work(grouped(quick, alone=alone), list(owners))


def grouped(rows: Iterable[Sequence[Any]], *, alone: bool = False) -> list[list[int]]:
    """Return the ids of runs in groups. `rows`: each run's id, and then TO_GROUP. `alone`: one a group."""
    groups: list[list[int]] = []
    size, before = 0.0, None
    for row in sorted(rows, key=lambda row: (row[7], row[0])):
        cost = cost_of(row)
        if row[7] != before:
            cost += DOCUMENT
            before = row[7]
        if alone or not groups or len(groups[-1]) >= MOST_RUNS or size + cost > MOST_INSTRUMENTS:
            groups.append([])
            size = 0.0
        groups[-1].append(row[0])
        size += cost
    return groups


def cost_of(row: Sequence[Any]) -> float:
    _, _, _, instruments, functions, indicators, bars, _ = row
    return max(instruments, 1) * (1 + bars / BARS + indicators / INDICATORS + USERS_FUNCTION * functions)


def is_slow(row: Sequence[Any]) -> bool:
    """Return whether a run is slow. `row`: its id, and then TO_GROUP."""
    return row[4] > 0 or cost_of(row) > MOST_INSTRUMENTS or _needs_library(row[2])


def is_slow_document(document: Any) -> bool:
    """Return whether runs of a stored document are slow. One that cannot be read fails quickly."""
    if not isinstance(document, Mapping):
        return False
    instruments, functions, indicators = (
        len(found) if isinstance(found := document.get(name), list) else 0
        for name in ("instruments", "external_functions", "indicators")
    )
    join, bars = document.get("join"), document.get("bars")
    columns = 1 + len(join) if isinstance(join, Mapping) else 1
    bars = min(max(int(bars), 0), 10_000) if isinstance(bars, int | float) else 0
    sources = orjson.dumps([document.get("indicators"), join]).decode()
    return is_slow((0, 0, sources, instruments, functions, indicators, bars * columns, ""))


@lru_cache(maxsize=4096)
def _needs_library(sources: str) -> bool:
    """`sources`: JSON of a document's indicators and joined columns, as TO_GROUP has it."""
    indicators, join = (*orjson.loads(sources), None, None)[:2]
    texts = list(indicators) if isinstance(indicators, list) else []
    for source in join.values() if isinstance(join, dict) else ():
        kind, _, spec = str(source).partition(":")
        if kind == Kind.INDICATORS:
            texts.append(spec.partition("#")[0])
    return any(_by_library(text) for text in texts if isinstance(text, str))


def _by_library(text: str) -> bool:
    try:
        return kernel_of(parse_spec(text, "indicators")) is None
    except InvalidInput:
        return False
