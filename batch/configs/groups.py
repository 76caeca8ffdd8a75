"""Groups of runs: one task each. Runs that compute the same stand together, so that they share the work."""

from collections.abc import Iterable, Sequence
from typing import Any

MOST_RUNS = 500
MOST_INSTRUMENTS = 5_000
"""Of a group, where an instrument with few bars counts 1, and more with more to read and to compute."""
BARS, INDICATORS = 500, 3
"""So many bars of a column, or indicators, count as an instrument."""
USERS_FUNCTION = 10
DOCUMENT = 10
"""What a document counts that the ones before it do not share."""

# What `grouped` needs of each configuration `c`. A digest of what is computed, without whose and of which instruments.
TO_GROUP = """
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


def grouped(rows: Iterable[Sequence[Any]], *, alone: bool = False) -> list[list[int]]:
    """Return the ids of runs in groups. `rows`: each run's id, and then TO_GROUP. `alone`: one a group."""
    groups: list[list[int]] = []
    size, before = 0.0, None
    for run, instruments, functions, indicators, bars, digest in sorted(rows, key=lambda row: (row[5], row[0])):
        cost = max(instruments, 1) * (1 + bars / BARS + indicators / INDICATORS + USERS_FUNCTION * functions)
        if digest != before:
            cost += DOCUMENT
            before = digest
        if alone or not groups or len(groups[-1]) >= MOST_RUNS or size + cost > MOST_INSTRUMENTS:
            groups.append([])
            size = 0.0
        groups[-1].append(run)
        size += cost
    return groups
