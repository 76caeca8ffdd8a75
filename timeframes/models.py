"""Django finds the models of the rooms here."""

from timeframes.quotes.models import Quote
from timeframes.ticks.models import AbstractTick, BacktestTick, Tick

__all__ = ["AbstractTick", "BacktestTick", "Quote", "Tick"]
