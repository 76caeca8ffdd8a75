"""Live reads: the newest states, as HTTP gives them."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from urllib.parse import quote

from ..core.effects import Flow
from ..core.service import Service

ROOT = "/api/v2/signals/realtime"
KEYS_AT_ONCE = 500
LONGEST_QUERY = 4000  # characters of keys in an address; more go into a body
_KEY_CHARACTERS = "@&/"  # left as they are: the service reads such addresses without a thread


def live_greeks(service: Service, instrument_key: str) -> Flow[dict[str, Any]]:
    """Return the newest state of an instrument: its tick, its Greeks and their ages. ApiError 404: it is not live."""
    return _get(service, f"greeks/{quote(instrument_key, safe=_KEY_CHARACTERS)}", {})


def live_greeks_many(service: Service, instrument_keys: Sequence[str]) -> Flow[list[dict[str, Any]]]:
    """Return the newest state of each instrument, in the order of the keys.

    One that is not live has `"status": "not_found"`. The client asks for 500 at a time.
    """
    if isinstance(instrument_keys, str):
        raise TypeError("instrument_keys is one text: give a list, or call live_greeks")
    found: list[dict[str, Any]] = []
    for start in range(0, len(instrument_keys), KEYS_AT_ONCE):
        keys = list(instrument_keys[start : start + KEYS_AT_ONCE])
        if sum(len(key) + 1 for key in keys) <= LONGEST_QUERY and not any("," in key for key in keys):
            page = yield from _get(service, "greeks", {"keys": ",".join(keys)})
        else:
            page = (yield from service.call("POST", f"{ROOT}/greeks", body={"instrument_keys": keys})).json()
        found += page["data"]
    return found


def live_chain(
    service: Service,
    underlying: str,
    *,
    expiry: str | date | None = None,
    strikes: int | str | None = None,
) -> Flow[dict[str, Any]]:
    """Return the live chain of an underlying: its forward and, for each strike, call and put.

    `expiry`: the nearest by default. `strikes`: how many on each side of the money, `all`, or `LOWEST:HIGHEST`.
    """
    query = {"expiry": expiry and str(expiry), "strikes": strikes}
    chosen = {name: value for name, value in query.items() if value is not None}
    return _get(service, f"chain/{quote(underlying, safe=_KEY_CHARACTERS)}", chosen)


def _get(service: Service, path: str, query: dict[str, Any]) -> Flow[dict[str, Any]]:
    reply = yield from service.call("GET", f"{ROOT}/{path}", query=query)
    found: dict[str, Any] = reply.json()
    return found
