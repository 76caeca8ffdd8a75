"""Mappings for files of known kinds. docs/imports.md has an example of each."""

from types import MappingProxyType

from signals.importers.core.mapping import Mapping
from signals.importers.core.presets_india import INDIA
from signals.importers.core.presets_indices import INDICES
from signals.importers.core.presets_parts import GREEKS
from signals.importers.core.presets_world import WORLD

PLAIN = Mapping(
    name="plain",
    summary="the documented table: key, or exchange, symbol, expiry, strike, right; time; prices",
    columns={
        "key": "key|instrument_key",
        "exchange": "exchange",
        "symbol": "symbol|underlying",
        "expiry": "expiry",
        "strike": "strike",
        "right": "right|option_type",
        "time": "time",
        "date": "date",
        "bid": "bid",
        "ask": "ask",
        "last": "last",
        "settle": "settle",
        "close": "close",
        "volume": "volume",
        "open_interest": "open_interest",
        "lot_size": "lot_size",
        "spot_price": "spot_price|spot",
        "forward_price": "forward_price|forward",
        "implied_volatility": "implied_volatility|iv",
        "mark_price": "mark_price",
        **GREEKS,
    },
)

PRESETS = MappingProxyType({preset.name: preset for preset in (PLAIN, *INDIA, *WORLD, *INDICES)})
