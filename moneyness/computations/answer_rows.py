"""What the computation `moneyness` loads, and its rows in the order of the items."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from moneyness.computations.columns import COLUMNS
from moneyness.core.chain_params import ChainParams
from moneyness.stored_chains import StoredChains
from signalsite.foundation.computations.columns import OK
from signalsite.foundation.computations.contract import Answers, Params

Pair = tuple[str, datetime]


@dataclass(frozen=True, slots=True)
class Slab:
    """Chains that are evaluated in one call. `pairs`: the underlying and instant of each underlying of the chains."""

    pairs: Sequence[Pair]
    chains: StoredChains
    params: ChainParams


@dataclass(frozen=True, slots=True)
class ChainInputs:
    """`instants`: of each item; none where `refused` has its status word and reason."""

    keys: Sequence[str]
    instants: Sequence[Sequence[datetime]]
    refused: Mapping[int, tuple[str, str]]
    slabs: Sequence[Slab]
    asked: Params

    def digest(self) -> str:
        found = hashlib.blake2b(digest_size=16)
        found.update(repr((self.keys, self.instants, sorted(self.refused.items()))).encode())
        for slab in self.slabs:
            found.update(repr((slab.pairs, slab.params)).encode())
            found.update(slab.chains.digest().encode())
        return found.hexdigest()


def ordered(
    inputs: ChainInputs,
    names: Sequence[str],
    parts: Sequence[Mapping[str, np.ndarray]],
    rows_of: Mapping[Pair, np.ndarray],
    count: int,
) -> Answers:
    """Put the rows into the order of items and instants, with a row for each that has none."""
    take, item = list[np.ndarray](), list[int]()
    told: dict[int, tuple[str, str, str | None]] = {}  # place of the row -> status, reason, instant
    row = 0
    for place, (key, instants) in enumerate(zip(inputs.keys, inputs.instants, strict=True)):
        if place in inputs.refused:
            told[row] = (*inputs.refused[place], None)
            take.append(np.array([count]))
            item.append(place)
            row += 1
        for at in instants:
            rows = rows_of.get((key, at))
            if rows is None or not len(rows):
                why = f"no option of {key} has a price that was young enough at {at.isoformat()}"
                told[row] = "no_chain", why, at.isoformat()
                rows = np.array([count])
            take.append(rows)
            item += [place] * len(rows)
            row += len(rows)
    places = np.concatenate(take) if take else np.empty(0, np.intp)
    columns = {name: _joined([part[name] for part in parts], places) for name in (*names, "reason")}
    status = np.full(len(places), OK, object)
    for at_row, (word, reason, instant) in told.items():
        status[at_row], columns["reason"][at_row], columns["chain_as_of"][at_row] = word, reason, instant
    listed = {name: column.tolist() for name, column in columns.items()}
    for name in _WHOLE & listed.keys():
        listed[name] = [None if value != value or value is None else int(value) for value in listed[name]]
    return Answers({"status": status.tolist(), **listed}, np.array(item, np.intp))


_WHOLE = {column.name for column in COLUMNS if column.type is int}


def _joined(parts: Sequence[np.ndarray], places: np.ndarray) -> np.ndarray:
    """Return the values at these places of the joined parts. The place after the last stands for none."""
    words = any(part.dtype == object for part in parts) or not parts
    none = np.array([None], object) if words else np.array([np.nan])
    return np.concatenate([*parts, none])[places]
