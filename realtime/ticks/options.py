"""How a tick consumer works. Times in seconds."""

from dataclasses import dataclass

from realtime.ticks.core.sanity import Sanity


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Lengths and lifetimes (s) of the keys that a consumer writes to Redis."""

    raw_ticks: int
    raw_ticks_expiry: int
    computed_data: int
    cache_expiry: int
    output_entries: int
    output_bytes: int  # of one output stream, approximately
    latest_expiry: int
    dead_letters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    batch: int
    max_bytes: int
    max_ahead: float
    max_deliveries: int
    reprice_interval: float
    window: int  # strikes on each side of the money in a chain's states
    analytics_interval: float  # between evaluations of a chain that ticks; 0: never
    smile_interval: float  # between states of its smiles; 0: none is fitted
    lease: float
    maintenance: float
    quotes: float  # interval between writes of the newest quotes; 0: never write them
    bars: bool  # fold minutes, store and publish them
    keep: float  # how long acknowledged entries stay in a stream
    keep_entries: int
    own_time: bool  # the ticks' times are now, as in a back-test
    register: bool  # register unknown contracts; otherwise their ticks are rejected
    sanity: Sanity
    limits: Limits
    configured_seconds: float = 0.01  # of configurations' computations in a cycle
    configured_record: float = 60.0  # between kept rows of a configuration and instrument
