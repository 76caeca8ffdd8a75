"""Read stored data of jobs that may be unreadable."""

from typing import Any

from batch.jobs.core.items import Items
from batch.jobs.models import Job
from signalsite.foundation.blocks import UNREADABLE_BLOCK
from signalsite.foundation.computations.contract import Params
from signalsite.foundation.stored_json import Unreadable


def unreadable_fields(job: Job) -> dict[str, str]:
    """Map each unreadable field to the reason. Such a job can be shown, cancelled and deleted, but not computed."""
    asked = {"params": job.params, "selector": job.selector}
    return {name: value.reason for name, value in asked.items() if isinstance(value, Unreadable)}


def readable_params(stored: Any) -> Params:
    """Return a job's parameters; where they are unreadable, none, which means the defaults."""
    return {} if isinstance(stored, Unreadable) else stored


def stored_items(block: bytes | memoryview, size: int) -> Items:
    """Return a chunk's items. If they are unreadable, return as many refused items with the reason."""
    try:
        return Items.from_block(block)
    except UNREADABLE_BLOCK as error:
        return Items.all_refused(size, f"the stored item cannot be read: {error}")
