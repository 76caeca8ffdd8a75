"""The models of the app, imported here for Django to find."""

from signals.instruments.models import Instrument, Underlying

__all__ = ["Instrument", "Underlying"]
