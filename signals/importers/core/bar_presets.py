"""Mappings for files of bars (`import_bars`)."""

from types import MappingProxyType

from signals.importers.core.mapping import Mapping

_KLINE = ("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume", "trades")
_PRESETS = (
    Mapping(
        name="plain",
        summary="a table with a header: a moment, or date and time; open, high, low, close; volume, open interest",
        product="spot",
        columns={
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
        # Not `symbol`, which must be in a file: only compared with the instrument that the bars are stored under.
        overruled={"symbol": "instrument|symbol|ticker|tradingsymbol"},
        time_format="iso|%Y%m%d %H:%M|%Y%m%d %H:%M:%S",
        date_format="iso|%Y%m%d",
    ),
    Mapping(
        name="binance",
        summary="Binance's kline files without a header, and its API's lists: times in milliseconds since 1970",
        product="spot",
        columns={
            "time": "open_time",
            "open": "open",
            "high": "high",
            "low": "low",
            "close": "close",
            "volume": "volume",
            "turnover": "quote_volume",
            "trades": "trades",
        },
        names=(*_KLINE, "taker_volume", "taker_quote_volume", "ignore"),
        zone="UTC",
        time_format="epoch_ms",
    ),
)
BAR_PRESETS = MappingProxyType({preset.name: preset for preset in _PRESETS})
