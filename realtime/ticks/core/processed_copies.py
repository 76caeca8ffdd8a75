"""Copies of accepted entries with the state P (processed), as they are written back to the tick stream."""

from collections.abc import Sequence

import msgspec

from realtime.ticks.core.tick import PROCESSED

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])  # raw values: some numbers do not fit a double


def processed(entry: Sequence[str]) -> list[str]:
    """Return the entry's names and values with the state P, which comes last: decoding recognizes copies by that."""
    if entry[-2] == "state":
        return [*entry[:-1], PROCESSED]
    if "data" in entry[::2] and "instrument_key" not in entry[::2] and "state" not in entry[::2]:
        place = 2 * entry[::2].index("data") + 1
        data = msgspec.json.encode({**_MEMBERS.decode(entry[place]), "state": PROCESSED}).decode()
        return [*entry[:place], data, *entry[place + 1 :]]
    named = dict(zip(entry[::2], entry[1::2], strict=True))
    named.pop("state", None)
    return [*(part for pair in named.items() for part in pair), "state", PROCESSED]
