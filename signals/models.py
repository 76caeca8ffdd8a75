"""The models of the app, imported here for Django to find."""

from signals.instruments.models import Instrument, Underlying
from signals.rates.models import DatedYield, Dividend, ZeroRate

__all__ = ["DatedYield", "Dividend", "Instrument", "Underlying", "ZeroRate"]
