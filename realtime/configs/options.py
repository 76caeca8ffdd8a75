"""How a consumer of configurations works. Times in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    stream: str
    group: str
    dead_letters: str  # the stream's name
    dead_letter_length: int
    batch: int
    max_deliveries: int
    lease: float
    poll: float = 0.2  # between looks for changes, and how long a read waits for the first message
    maintenance: float = 5.0
    watch: float = 1.0  # between looks whether Redis has lost what we wrote
    verify: float = 600.0  # between comparisons of all keys with PostgreSQL
    keep: float = 86_400.0  # how long acknowledged messages stay in the stream
    keep_entries: int = 50_000
