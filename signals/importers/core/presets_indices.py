"""Mappings for quotes of indices: the close of each bar is a quote at its end."""

from signals.importers.core.mapping import Mapping

INDICES = (
    Mapping(
        name="india_vix",
        summary="bars of India VIX by the minute (--bar): Date, Open, High, Low, Close",
        product="spot",
        constants={"exchange": "NSE", "symbol": "INDIAVIX"},
        columns={"time": "date|datetime|timestamp|ts", "last": "close"},
        bar="1m",
        bar_assumed=True,
        hours="within",
    ),
    Mapping(
        name="index_bars",
        summary="bars of an index by the minute (--bar); --set symbol=NIFTY where no column says so",
        product="spot",
        constants={"exchange": "NSE"},
        columns={"symbol": "Instrument|symbol", "time": "date|datetime|timestamp|ts", "last": "close"},
        bar="1m",
        bar_assumed=True,
        hours="within",
    ),
    Mapping(
        name="index_clock_bars",
        summary="the same with date and time of day in two columns: Instrument, Date, Time, Open, High, Low, Close",
        product="spot",
        constants={"exchange": "NSE"},
        columns={"symbol": "Instrument|symbol", "date": "date", "time": "time", "last": "close"},
        date_format="%Y%m%d|iso",
        bar="1m",
        bar_assumed=True,
        hours="within",
    ),
    Mapping(
        name="index_days",
        summary="days of an index, such as India VIX: the close at the session's close",
        product="spot",
        constants={"exchange": "NSE"},
        columns={"symbol": "Instrument|symbol", "date": "date", "close": "close"},
        date_format="iso|%Y%m%d|%d-%b-%Y",
    ),
)
