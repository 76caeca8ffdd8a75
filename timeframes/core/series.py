"""How a table of rows in time is stored."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A model that has one as `series` is a hypertable where the server has TimescaleDB.

    Each of its unique indexes has `time`, which a hypertable needs. `chunk_days`: how much time a chunk covers, counted
    from 1970. `key`: the first column of the primary key, a text. `segment_by`: columns whose equal values are
    compressed together; None: chunks stay uncompressed.
    `keep`: the setting that says for how many days rows are kept. It is a number, or, where `keep_by` names a column,
    a number by that column's values. None: rows are kept for ever.
    """

    chunk_days: int
    key: str = "instrument_key"
    segment_by: tuple[str, ...] | None = ("instrument_key",)
    keep: str | None = None
    keep_by: str | None = None
