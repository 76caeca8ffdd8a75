"""Compute the block of answers to some items: for a chunk of a job, and for an immediate answer alike."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from batch.jobs.core.answers import Block, pack
from batch.jobs.core.items import Items
from signalsite.foundation.computations.answers import declared
from signalsite.foundation.computations.contract import Computation, Inputs


def answer(
    computation: Computation, items: Items, as_of: datetime, params: Mapping[str, Any], context: Mapping[str, Any]
) -> tuple[Block, str]:
    """Return the answers, and the digest of the stored data behind them."""
    inputs = load(computation, items, as_of, params, context)
    answers = computation.evaluate(inputs)
    return pack(items, declared(computation, answers, params), answers.item), inputs.digest()


def load(
    computation: Computation, items: Items, as_of: datetime, params: Mapping[str, Any], context: Mapping[str, Any]
) -> Inputs:
    keys = items.keys
    if items.refused and computation.rows_per_item(params) > 1:  # a refused item gets one row, with its reason
        keys = ["" if place in items.refused else key for place, key in enumerate(keys)]
    return computation.load(keys, items.overrides, as_of, params, context)
