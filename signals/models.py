"""Django finds the models of the feature folders here."""

from signals.instruments.models import Instrument, Underlying

__all__ = ["Instrument", "Underlying"]
