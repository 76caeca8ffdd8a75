"""The models of the app, imported here for Django to find."""

from signals.configs.models import (
    ComputationMetadata,
    Configuration,
    ConfigurationChange,
    ConfigurationResult,
    ConfigurationRun,
    ConfigurationVersion,
)
from signals.functions.models import FunctionRun, FunctionVersion, UserFunction
from signals.instruments.models import Instrument, Underlying
from signals.rates.models import DatedYield, Dividend, ZeroRate

__all__ = [
    "ComputationMetadata",
    "Configuration",
    "ConfigurationChange",
    "ConfigurationResult",
    "ConfigurationRun",
    "ConfigurationVersion",
    "DatedYield",
    "Dividend",
    "FunctionRun",
    "FunctionVersion",
    "Instrument",
    "Underlying",
    "UserFunction",
    "ZeroRate",
]
