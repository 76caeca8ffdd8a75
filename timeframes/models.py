"""The models of the app, imported here for Django to find."""

from timeframes.bars.models import Bar, BarChange, CustomTimeframe
from timeframes.quotes.models import Quote
from timeframes.storage.models import Retention
from timeframes.ticks.models import AbstractTick, BacktestTick, Tick

__all__ = [
    "AbstractTick",
    "BacktestTick",
    "Bar",
    "BarChange",
    "CustomTimeframe",
    "Quote",
    "Retention",
    "Tick",
]
