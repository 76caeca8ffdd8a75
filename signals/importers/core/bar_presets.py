"""Mappings for files of bars (`import_bars`)."""

from dataclasses import replace
from types import MappingProxyType

from signals.importers.core.mapping import Mapping

_OHLC = {"open": "open", "high": "high", "low": "low", "close": "close"}
_KLINE = ("open_time", *_OHLC, "volume", "close_time", "quote_volume", "trades")
_KITE = Mapping(
    name="kite",
    summary="candles of Zerodha's Kite Connect, JSON: data.candles of time, open, high, low, close, volume, oi",
    product="any",
    columns={"time": "time", **_OHLC, "volume": "volume", "open_interest": "oi"},
    names=("time", *_OHLC, "volume", "oi"),
    optional=1,
    records=("data.candles.*",),
)
_LEAN = Mapping(
    name="lean",
    summary="LEAN's minutes of indices, crypto or futures: milliseconds of the day; the date is in the file's name",
    product="any",
    columns={"time": "time", **_OHLC, "volume": "volume"},
    names=("time", *_OHLC, "volume"),
    time_format="ms_of_day",
    date_format="%Y%m%d",
    name_dates=True,
)
_PRESETS = (
    Mapping(
        name="plain",
        summary="a table with a header: a moment, or date and time; open, high, low, close; volume, open interest",
        product="any",
        columns={
            "key": "key|instrument_key",
            "exchange": "exchange",
            "symbol": "symbol|underlying|ticker|tradingsymbol|instrument",
            "expiry": "expiry|expiry_date|expiration",
            "strike": "strike|strike_price",
            "right": "right|option_type|call_put",
            "time": "time|timestamp|datetime|date_time|open_time|start_time|ts",
            "date": "date|day|trade_date",
            "open": "open|o",
            "high": "high|h",
            "low": "low|l",
            "close": "close|c",
            "volume": "volume|vol|v",
            "vwap": "vwap",
            "turnover": "turnover|quote_volume|quote_asset_volume",
            "trades": "trades|trade_count|number_of_trades",
            "open_interest": "open_interest|oi|openinterest",
        },
        # Where --instrument says whose the bars are, a column is only compared with it.
        overruled={"symbol": "instrument|symbol|ticker|tradingsymbol"},
        time_format="iso|%Y%m%d %H:%M|%Y%m%d %H:%M:%S",
        date_format="iso|%Y%m%d",
        expiry_format="iso|%d-%b-%Y|%Y%m%d",
    ),
    Mapping(
        name="binance",
        summary="Binance's kline files with or without a header, plain or zip, and its API's lists; any unit of epochs",
        product="any",
        asset="crypto",
        columns={"time": "open_time", **_OHLC, "volume": "volume", "turnover": "quote_volume", "trades": "trades"},
        names=(*_KLINE, "taker_volume", "taker_quote_volume", "ignore"),
        zone="UTC",
        time_format="epoch",
    ),
    _KITE,
    replace(_KITE, name="upstox", summary="candles of Upstox, JSON: data.candles of the same"),
    replace(
        _KITE,
        name="fyers",
        summary="candles of Fyers, JSON: candles of seconds since 1970, open, high, low, close, volume, oi",
        records=("candles.*", "data.candles.*"),
        time_format="epoch",
    ),
    _LEAN,
    replace(
        _LEAN, name="lean_equity", summary="the same of equities and options, in 1/10,000 dollars", price_factor=1e-4
    ),
    Mapping(
        name="histdata",
        summary="HistData.com's ASCII minutes: 20120201 000000;open;high;low;close;volume, at UTC-5 all the year",
        product="any",
        columns={"time": "time", **_OHLC, "volume": "volume"},
        names=("time", *_OHLC, "volume"),
        delimiter=";",
        time_format="%Y%m%d %H%M%S",
        zone="Etc/GMT+5",
    ),
)
BAR_PRESETS = MappingProxyType({preset.name: preset for preset in _PRESETS})
