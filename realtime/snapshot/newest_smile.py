"""The newest live state of a smile, for apps below this one."""

from datetime import date

from rest_framework.exceptions import NotFound

from moneyness.core.states import SmileState
from realtime.core.states import BadState
from realtime.snapshot import chain_reads
from realtime.snapshot.selectors import run
from signalsite.foundation.errors import RedisConnectionError


def newest_smile(underlying: str, expiry: date | None) -> SmileState | None:
    """Return the newest state of an underlying (its key), None if there is none that can be read.

    `expiry`: the nearest one if None.
    """
    asked = {} if expiry is None else {"expiry": expiry.isoformat()}
    try:
        return chain_reads.decode_smile(run(chain_reads.smile(underlying, asked)))
    except (NotFound, BadState, RedisConnectionError):
        return None
