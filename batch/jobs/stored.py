"""What is stored of a job and cannot be read any more, and what stands in its place."""

from batch.jobs.core.items import Items
from batch.jobs.models import Job
from signalsite.foundation.blocks import UNREADABLE_BLOCK
from signalsite.foundation.stored_json import Unreadable


def unreadable_fields(job: Job) -> dict[str, str]:
    """Field -> why. A job that has any can be shown, cancelled and removed, but not computed."""
    asked = {"params": job.params, "selector": job.selector}
    return {name: value.reason for name, value in asked.items() if isinstance(value, Unreadable)}


def stored_items(block: bytes | memoryview, size: int) -> Items:
    """A chunk's items; where they cannot be read, as many that are refused for that reason."""
    try:
        return Items.from_block(block)
    except UNREADABLE_BLOCK as error:
        return Items.all_refused(size, f"the stored item cannot be read: {error}")
