"""From items to their block of answers: the one way of a job's chunk and of an answer within the request."""

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
    """The answers, and the digest of the stored data that they were computed from."""
    inputs = load(computation, items, as_of, params, context)
    answers = computation.evaluate(inputs)
    return pack(items, declared(computation, answers), answers.item), inputs.digest()


def load(
    computation: Computation, items: Items, as_of: datetime, params: Mapping[str, Any], context: Mapping[str, Any]
) -> Inputs:
    keys = items.keys
    if items.refused and computation.rows_per_item(params) > 1:  # one row says what is wrong with an item
        keys = ["" if place in items.refused else key for place, key in enumerate(keys)]
    return computation.load(keys, items.overrides, as_of, params, context)
