"""Reads dates and moments: epochs of any unit, ISO 8601, and formats of strptime."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from signals.importers.core.columns import Columns
from signals.importers.core.mapping import EPOCH_SIZES, EPOCHS, BadMapping, Mapping
from timeframes.core.exchanges import exchange_named
from timeframes.core.sessions import session_close, session_open

MICROSECOND = timedelta(microseconds=1)
NO_TIME = np.iinfo(np.int64).min
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)
_ZONE_NAME = re.compile(r"\s+(?:(?P<name>[A-Z]{2,5})|(?P<offset>GMT[+-]\d{1,2}(?::?\d{2})?))(?P<rest>\s*\([^)]*\))?$")
_SHORT = "YYYY-MM-DD HH:MM:SS"
_SINCE_1980 = (datetime(1980, 1, 1, tzinfo=UTC) - _EPOCH) // MICROSECOND
_ISO_LENGTHS = (
    len("YYYY-MM-DD HH:MM"),
    len("YYYY-MM-DD HH:MM:SS"),
    *(len("YYYY-MM-DD HH:MM:SS") + n for n in (1, 5, 6)),
)
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?\s*(?:Z|[+-]\d{2}(?::?\d{2})?)?)?")


def micros(moment: datetime) -> int:
    """Return microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // MICROSECOND


def moment_of(value: int) -> datetime:
    return _EPOCH + value * MICROSECOND


def read_dates(columns: Columns, name: str, form: str, zone: ZoneInfo) -> tuple[list[date | None], NDArray[np.int64]]:
    """Return the distinct dates of a field and the place of each row's; -1 where there is none."""
    words = columns.words(name)
    return [read_date(text, form, zone) for text in words.values], words.codes


@lru_cache(maxsize=16_384)
def read_date(text: str, form: str, zone: ZoneInfo) -> date | None:
    for each in form.split("|"):
        try:
            if each in EPOCHS:
                day = _epoch(text, each).astimezone(zone).date()
            else:
                day = _iso(text, zone).date() if each == "iso" else datetime.strptime(text, each).date()  # noqa: DTZ007
        except (ValueError, OverflowError):
            continue
        if 1970 <= day.year <= 2199:
            return day
    return None


def _epoch(text: str, form: str) -> datetime:
    unit = EPOCHS[form] if form != "epoch" else next(unit for most, unit in EPOCH_SIZES if float(text) < most)
    return _EPOCH + timedelta(microseconds=float(text) * unit if unit > 0 else float(text) / -unit)


def _iso(text: str, zone: ZoneInfo) -> datetime:
    if not _ISO.fullmatch(text):
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is None else moment.astimezone(zone)


def read_times(columns: Columns, mapping: Mapping, exchange: str) -> NDArray[np.int64]:
    """Return the moment of each row in microseconds since 1970, NO_TIME for a rejected row."""
    zone = ZoneInfo(mapping.zone) if mapping.zone else exchange_named(exchange).zone
    if not columns.has("date"):
        found = _moments(columns, mapping, zone, exchange)
    elif not columns.has("time"):
        days, codes = read_dates(columns, "date", mapping.date_format, zone)
        found = _by_code([None if day is None else session_close(exchange, day) for day in days], codes)
    else:
        found = _days_and_clocks(columns, mapping, zone)
    name = "time" if columns.has("time") else "date"
    outside = (found < micros(_EARLIEST)) | (found > micros(_LATEST))
    if outside.any():
        texts = [columns.words(each).texts() for each in ("date", "time") if columns.has(each)]

        def shown(place: int) -> str:
            return " ".join(text[place] for text in texts)[:80]

        columns.reject(found == NO_TIME, f"{name} is not a moment", shown)
        columns.reject(outside, "time is not between 1970 and 2199", shown)
    return found


def _moments(columns: Columns, mapping: Mapping, zone: ZoneInfo, exchange: str) -> NDArray[np.int64]:
    form = mapping.time_format
    if form in EPOCHS and "time" in columns.names:
        number = columns.numbers("time", least=0.0)
        value = np.where(number < 1e19, number, np.nan)
        with np.errstate(invalid="ignore"):
            if form == "epoch":
                scale = np.select([value < most for most, _ in EPOCH_SIZES], [float(unit) for _, unit in EPOCH_SIZES])
            else:
                scale = np.full(len(value), float(EPOCHS[form]))
            value = np.round(np.where(scale > 0, value * scale, value / -scale))
            good = value < 9e18
        return np.where(good, np.where(good, value, 0).astype(np.int64), NO_TIME)
    formats = ("iso",) if columns.names.get("time") in columns.raw.iso else tuple(form.split("|"))
    if formats[0] == "iso" and "time" in columns.names:
        fast = _whole_iso(columns.column(columns.names["time"]))
        if fast is not None:
            moments, zoned = fast
            return moments if zoned else in_utc(moments, zone)
    words = columns.words("time")
    return _by_code([read_moment(text, formats, zone, exchange) for text in words.values], words.codes)


def _whole_iso(column: pa.Array) -> tuple[NDArray[np.int64], bool] | None:
    """Read a column of ISO 8601 moments of one length: (microseconds, whether they have offsets).

    None if they are not all such moments: then each is read by itself.
    """
    if not pa.types.is_string(column.type) or column.null_count or not len(column):
        return None
    lengths = pc.min_max(pc.binary_length(column)).as_py()
    if lengths["min"] != lengths["max"] or lengths["min"] not in _ISO_LENGTHS:
        return None
    zoned = lengths["min"] >= _ISO_LENGTHS[2]
    try:
        moments = pc.cast(column, pa.timestamp("us", "UTC" if zoned else None))
    except pa.ArrowInvalid:
        return None
    return moments.cast(pa.int64()).to_numpy(zero_copy_only=False), zoned


def in_utc(local: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Return the moments of clock times in a zone, both in microseconds; the first of an hour that occurs twice.

    Times out of range stay as they are.
    """
    good = (local >= micros(_EARLIEST)) & (local <= micros(_LATEST))
    if not good.any():
        return local
    # Since 1980, zones have changed their offsets at whole quarters of an hour.
    step = 900_000_000 if int(local[good].min()) >= _SINCE_1980 else 60_000_000
    blocks, codes = np.unique(local[good] // step, return_inverse=True)
    offsets = [moment_of(block * step).replace(tzinfo=zone).utcoffset() or timedelta() for block in blocks.tolist()]
    found = local.copy()
    found[good] -= np.array([offset // MICROSECOND for offset in offsets], dtype=np.int64)[codes]
    return found


def read_moment(text: str, formats: tuple[str, ...], zone: ZoneInfo, exchange: str) -> datetime | None:
    """Read one moment. A date alone means the close of that session; a name such as EDT must be the zone's own."""
    for each in formats:
        try:
            if each in EPOCHS:
                return _epoch(text, each)
            if each == "iso":
                if not _ISO.fullmatch(text):
                    continue
                found = datetime.fromisoformat(text)
                if len(text) == len("YYYY-MM-DD"):
                    return session_close(exchange, found.date())
            else:
                found = _strptime(text, each, zone)
            return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            continue
    return None


def _strptime(text: str, form: str, zone: ZoneInfo) -> datetime:
    named = _ZONE_NAME.search(text)
    if named is None or named["name"] in ("AM", "PM"):
        return datetime.strptime(text, form)  # noqa: DTZ007  the caller gives it a zone
    found = datetime.strptime(text[: named.start()], form).replace(tzinfo=zone)
    if named["name"] in ("UTC", "GMT"):
        return found.replace(tzinfo=UTC)
    if named["offset"]:
        hours = named["offset"][3:].replace(":", "")
        sign = -1 if hours[0] == "-" else 1
        digits = hours[1:].rjust(2, "0").ljust(4, "0")
        offset = sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        if found.utcoffset() != offset:
            raise ValueError(f"{named['offset']} is not the offset of {zone} then")
    elif found.tzname() != named["name"] and not (found.tzname() or "").startswith(("+", "-")):
        raise ValueError(f"{named['name']} is not the time of {zone} then")
    return found


def _days_and_clocks(columns: Columns, mapping: Mapping, zone: ZoneInfo) -> NDArray[np.int64]:
    days, day_codes = read_dates(columns, "date", mapping.date_format, zone)
    clocks, clock_codes = columns.words("time").mapped(_clock_reader(mapping.time_format))
    midnights = [NO_TIME if day is None else (day - _EPOCH.date()) // MICROSECOND for day in days]
    midnight = np.array([*midnights, NO_TIME], dtype=np.int64)[day_codes]
    after = [NO_TIME if clock is None else clock // MICROSECOND for clock in clocks]
    clock = np.array([*after, NO_TIME], dtype=np.int64)[clock_codes]
    known = (midnight != NO_TIME) & (clock != NO_TIME)
    return np.where(known, in_utc(np.where(known, midnight + np.where(known, clock, 0), 0), zone), NO_TIME)


def _clock_reader(form: str) -> Callable[[str], timedelta | None]:
    def read(text: str) -> timedelta | None:
        for each in form.split("|"):
            try:
                if each == "ms_of_day":
                    found = timedelta(milliseconds=float(text))
                elif each in EPOCHS:
                    raise BadMapping(f"time_format {each} is a whole moment: leave out the column of the date")
                else:
                    forms = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f") if each == "iso" else (each,)
                    found = next(clock for one in forms if (clock := _clock(text, one)) is not None)
            except (ValueError, OverflowError, StopIteration):
                continue
            if timedelta(0) <= found < timedelta(days=1):
                return found
        return None

    return read


def _clock(text: str, form: str) -> timedelta | None:
    try:
        found = datetime.strptime(text, form)  # noqa: DTZ007  a time of day
    except ValueError:
        return None
    return timedelta(hours=found.hour, minutes=found.minute, seconds=found.second, microseconds=found.microsecond)


def _by_code(moments: list[datetime | None], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    values = np.array([NO_TIME if each is None else micros(each) for each in moments] + [NO_TIME], dtype=np.int64)
    return values[codes]


def outside_hours(
    exchange: str, begins: NDArray[np.int64], ends: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return (begins before the opening, ends after the close) of the session of the day on which each begins."""
    zone = exchange_named(exchange).zone
    halves, codes = np.unique(begins // 1_800_000_000, return_inverse=True)
    local = [moment_of(half * 1_800_000_000).astimezone(zone).date() for half in halves.tolist()]
    # By half hours, since local midnights are at whole and half hours of UTC.
    opens = np.array([micros(session_open(exchange, day)) for day in local], dtype=np.int64)
    closes = np.array([micros(session_close(exchange, day)) for day in local], dtype=np.int64)
    return begins < opens[codes], ends > closes[codes]
