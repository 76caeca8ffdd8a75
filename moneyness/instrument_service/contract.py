"""What an instrument service can be asked. Our own tables and an external service answer the same."""

from datetime import date, datetime
from typing import Protocol

from moneyness.instrument_service.core.answers import (
    AtmVolatility,
    DeltaStrikeFound,
    InstrumentMetadata,
    LevelInstruments,
    MoneynessHistory,
    MoneynessMapping,
    OptionMoneyness,
)
from signalsite.foundation.errors import ExternalServiceError, SignalServiceError


class NothingKnown(SignalServiceError):
    """The service knows no such underlying, expiry or instrument."""


class InstrumentServiceError(ExternalServiceError):
    """The external instrument service did not answer, or not with what it should."""


class InstrumentServiceClient(Protocol):
    """`expiry`: the nearest one if None. Levels are those of `moneyness.core.level_grammar`.

    Every method raises NothingKnown, InvalidInput for a level or a key that is none, and InstrumentServiceError.
    """

    def mapping(self, underlying: str, expiry: date | None = None) -> MoneynessMapping: ...

    def level(self, underlying: str, level: str, expiry: date | None = None) -> LevelInstruments: ...

    def moneyness(self, instrument_key: str) -> OptionMoneyness: ...

    def atm_volatility(self, underlying: str, expiry: date | None = None) -> AtmVolatility: ...

    def otm_delta(
        self, underlying: str, delta: float, option_type: str, expiry: date | None = None
    ) -> DeltaStrikeFound: ...

    def history(self, underlying: str, start: datetime, end: datetime) -> MoneynessHistory: ...

    def metadata(self, instrument_key: str) -> InstrumentMetadata: ...


def get_strikes_by_moneyness(service: InstrumentServiceClient, underlying: str, level: str) -> list[str]:
    """Return the strikes of one level of the nearest expiry, as texts: 24000, 102.5."""
    return [f"{strike:.6f}".rstrip("0").rstrip(".") for strike in service.level(underlying, level).strikes]


def get_moneyness_mapping(service: InstrumentServiceClient, underlying: str) -> dict[str, list[float]]:
    """Return the strikes of each level of the nearest expiry, integers where they are whole."""
    return {
        level: [int(strike) if strike.is_integer() else strike for strike in strikes]
        for level, strikes in service.mapping(underlying).levels.items()
    }
