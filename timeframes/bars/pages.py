"""Pages of bars as they are sent and kept: the bytes of an answer, and what they were made of."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

import timeframes
from timeframes.bars.changes import SNAPSHOT, Basis, Moment
from timeframes.bars.requests import Asked
from timeframes.bars.selectors import Page, read_page
from timeframes.bars.stored import Stored
from timeframes.core.exchanges import exchange_named
from timeframes.core.grid import Anchor, instant, microseconds
from timeframes.core.keys import parse_key
from timeframes.core.timeframe import format_timeframe, parse_timeframe

_NAMES = ("open", "high", "low", "close", "volume", "vwap", "open_interest")
_EPOCH = instant(0)
_PAGE = b',"page":'
_NEVER = 2**62


@dataclass(frozen=True, slots=True)
class BarsPage:
    """`following`: the next cursor. `basis`: None for a page that may not be kept."""

    body: bytes
    following: str | None
    basis: Basis | None
    etag: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "etag", f'"{hashlib.blake2b(self.body, digest_size=16).hexdigest()}"')

    def as_of(self, moment: Moment) -> "BarsPage":
        """Return the page with a later moment as of which it is unchanged."""
        assert self.basis is not None
        found = object.__new__(BarsPage)  # without a new digest
        for name in ("body", "following", "etag"):
            object.__setattr__(found, name, getattr(self, name))
        object.__setattr__(found, "basis", replace(self.basis, moment=moment))
        return found


def name_of(asked: Asked, limit: int) -> str:
    """Return the key of a page in the cache: S30's agg_data:{instrument_key}:{interval}, then what else decides it."""
    begin = asked.begin if asked.cursor is None else max(asked.begin, asked.cursor)
    end = "" if asked.end is None else microseconds(asked.end)
    timeframe = format_timeframe(asked.timeframe)
    return f"agg_data:{asked.key}:{timeframe}:{asked.anchor.value}:{microseconds(begin)}:{end}:{limit}"


def asked_of(name: str) -> tuple[Asked, int]:
    """Return the request and limit of a name."""
    key, timeframe, anchor, begin, end, limit = name.removeprefix("agg_data:").rsplit(":", 5)
    exchange = exchange_named(parse_key(key).exchange).name
    until = instant(int(end)) if end else None
    return Asked(key, exchange, parse_timeframe(timeframe), Anchor(anchor), instant(int(begin)), until), int(limit)


def make_page(asked: Asked, stored: Stored, limit: int, now: datetime, moment: Moment | None) -> BarsPage:
    """Make a page. `moment`: when reading began, before `stored` was read. Raises InvalidInput and ReadTooSlow."""
    wanted = asked.wanted(stored, now)
    found = read_page(wanted, limit=limit, now=now)
    head = {
        "instrument_key": wanted.key,
        "timeframe": format_timeframe(wanted.timeframe),
        "seconds": wanted.timeframe if isinstance(wanted.timeframe, int) else None,
        "anchor": wanted.anchor.value,
    }
    following = None if found.following is None else found.following.isoformat()
    body = orjson.dumps({**head, "next_cursor": following, "data": _rows(found)})
    basis = None
    if moment is not None and not found.early and found.complete.all():
        ends = following is not None or asked.end is not None
        if ends or _is_past(stored, now):
            basis = Basis(asked.key, found.first, found.last if ends else None, moment)
    return BarsPage(body, following, basis)


def _is_past(stored: Stored, now: datetime) -> bool:
    """Return whether all that is stored is of times before now: a bar that begins later would appear by itself."""
    extents = [*stored.bars.values(), *([stored.ticks] if stored.ticks else [])]
    return all(last < now - timedelta(microseconds=1) for _, last in extents)


def encode(page: BarsPage) -> bytes:
    """Return a page as one JSON object, for the cache."""
    assert page.basis is not None
    basis, moment = page.basis, page.basis.moment
    head = {
        "code": code_digest(),
        "cluster": moment.cluster,
        "snapshot": moment.snapshot,
        "at": moment.at,
        "first": basis.first,
        "last": basis.last,
        "following": page.following,
    }
    return orjson.dumps(head)[:-1] + _PAGE + page.body + b"}"


def decode(name: str, content: bytes) -> BarsPage | None:
    """Return the page of that name, None for what another version of the code has kept or what is no page."""
    head, mark, body = content.partition(_PAGE)
    try:
        found = orjson.loads(head + b"}")
    except orjson.JSONDecodeError:
        return None
    if not mark or not body.endswith(b"}") or not isinstance(found, dict) or not _is_head(found):
        return None
    key = asked_of(name)[0].key
    moment = Moment(found["cluster"], found["snapshot"], found["at"])
    return BarsPage(body[:-1], found["following"], Basis(key, found["first"], found["last"], moment))


def _is_head(found: dict[str, Any]) -> bool:
    numbers = [found.get("at"), found.get("first"), found.get("last") if found.get("last") is not None else 0]
    texts = [found.get("cluster"), found.get("snapshot"), found.get("following") or ""]
    return (
        found.get("code") == code_digest()
        and all(isinstance(each, int) and abs(each) < _NEVER for each in numbers)
        and all(isinstance(each, str) and len(each) < 1 << 16 for each in texts)
        and SNAPSHOT.fullmatch(found["snapshot"]) is not None
    )


@cache
def code_digest() -> str:
    """Return a digest of the code and calendars that make pages, so that what an older version kept is not served."""
    digest = hashlib.blake2b(digest_size=8)
    folder = Path(timeframes.__file__).parent
    for file in sorted([*folder.joinpath("core").glob("*.py"), *folder.joinpath("bars").glob("*.py")]):
        digest.update(file.read_bytes())
    digest.update(version("exchange_calendars").encode())
    return digest.hexdigest()


def _rows(found: Page) -> list[dict[str, Any]]:
    bars = found.bars
    columns = [getattr(bars, name).tolist() for name in _NAMES]  # orjson writes NaN as null
    rows = zip(
        bars.time.tolist(), *columns, bars.vwap_sources(), bars.trades.tolist(), found.complete.tolist(), strict=True
    )
    return [
        {
            "time": _EPOCH + timedelta(0, 0, time),
            "open": begins,
            "high": high,
            "low": low,
            "close": closes,
            "volume": volume,
            "vwap": vwap,
            "vwap_source": source,
            "open_interest": interest,
            "trades": None if trades != trades else int(trades),
            "complete": ended,
        }
        for time, begins, high, low, closes, volume, vwap, interest, source, trades, ended in rows
    ]
