"""Decode entries of tick streams into ticks and dead letters. Pure: no clock, no I/O."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from realtime.ticks.core.dead_letters import DeadLetter
from realtime.ticks.core.sanity import Sanity
from realtime.ticks.core.tick import (
    PROCESSED,
    Contract,
    RejectedTick,
    Tick,
    check_fields,
    event_time,
    make_tick,
    read_contract,
)
from realtime.ticks.core.tick_json import decode_entry
from timeframes.core.tick_stream import underlying_of

Entry = tuple[str, str, Sequence[str]]  # stream, entry ID, names and values in turn


@dataclass(slots=True)
class Decoded:
    ticks: list[Tick] = field(default_factory=list)
    rejected: list[DeadLetter] = field(default_factory=list)
    skipped: int = 0  # copies with the state P


class Decoder:
    """Caches each stream's parsed contracts: a feed repeats the same keys."""

    def __init__(self, sanity: Sanity, max_bytes: int) -> None:
        self.sanity = sanity
        self.max_bytes = max_bytes
        self._contracts: dict[str, dict[str, Contract]] = {}  # by stream, by key

    def decode(self, entries: Sequence[Entry], latest: float) -> Decoded:
        """Decode entries. `latest`: the highest event time accepted, in seconds since 1970."""
        found = Decoded()
        accept = found.ticks.append
        for stream, entry_id, entry in entries:
            if entry[-1] == PROCESSED and entry[-2] == "state":  # our own copy, recognized without decoding
                found.skipped += 1
                continue
            try:
                fields, raw = decode_entry(entry, self.max_bytes)
                if fields.state == PROCESSED:
                    found.skipped += 1
                    continue
                check_fields(fields, refuse_zero=self.sanity.refuse_zero)
                key = fields.instrument_key or ""
                contracts = self._contracts.get(stream)
                if contracts is None:
                    contracts = self._contracts[stream] = {}
                contract = contracts.get(key) or read_contract(key, underlying_of(stream))
                time, seconds = event_time(fields, contract.zone, latest)
            except RejectedTick as error:
                found.rejected.append(DeadLetter(stream, entry_id, entry, error.reason, str(error)))
            else:
                contracts[key] = contract  # only now: a rejected tick must not fill the cache
                accept(make_tick(stream, entry_id, contract, time, seconds, fields, raw))
        return found

    def forget(self, stream: str, key: str) -> None:
        """Drop a contract that was rejected after decoding: a feed may send any number of them."""
        self._contracts.get(stream, {}).pop(key, None)
