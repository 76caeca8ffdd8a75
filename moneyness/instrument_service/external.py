"""The instrument service at INSTRUMENT_SERVICE_URL (S10), whose contract docs/instrument-service.md describes."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

import msgspec
from django.conf import settings
from prometheus_client import Counter

from moneyness.instrument_service.contract import InstrumentServiceError, NothingKnown
from moneyness.instrument_service.core.answers import (
    AtmVolatility,
    DeltaStrikeFound,
    InstrumentMetadata,
    LevelInstruments,
    MoneynessHistory,
    MoneynessMapping,
    OptionMoneyness,
)
from signalsite.foundation.outside_service import LeftAlone, OutsideService, Refused, ServiceFailed

logger = logging.getLogger(__name__)
T = TypeVar("T", bound=msgspec.Struct)
MOST_BYTES = 4 << 20
REQUESTS = Counter("signal_service_instrument_requests", "Requests to the instrument service, by outcome.", ["outcome"])
service = OutsideService(MOST_BYTES)


@dataclass(frozen=True, slots=True)
class ExternalInstrumentService:
    url: str
    token: str

    def mapping(self, underlying: str, expiry: date | None = None) -> MoneynessMapping:
        return self._ask("mapping", {"underlying": underlying, **_expiry(expiry)}, MoneynessMapping)

    def level(self, underlying: str, level: str, expiry: date | None = None) -> LevelInstruments:
        return self._ask("level", {"underlying": underlying, "level": level, **_expiry(expiry)}, LevelInstruments)

    def moneyness(self, instrument_key: str) -> OptionMoneyness:
        return self._ask("moneyness", {"instrument_key": instrument_key}, OptionMoneyness)

    def atm_volatility(self, underlying: str, expiry: date | None = None) -> AtmVolatility:
        return self._ask("atm-iv", {"underlying": underlying, **_expiry(expiry)}, AtmVolatility)

    def otm_delta(
        self, underlying: str, delta: float, option_type: str, expiry: date | None = None
    ) -> DeltaStrikeFound:
        asked = {"underlying": underlying, "delta": repr(delta), "option_type": option_type, **_expiry(expiry)}
        return self._ask("otm-delta", asked, DeltaStrikeFound)

    def history(self, underlying: str, start: datetime, end: datetime) -> MoneynessHistory:
        asked = {"underlying": underlying, "start_time": start.isoformat(), "end_time": end.isoformat()}
        return self._ask("history", asked, MoneynessHistory)

    def metadata(self, instrument_key: str) -> InstrumentMetadata:
        return self._ask("metadata", {"instrument_key": instrument_key}, InstrumentMetadata)

    def _ask(self, path: str, parameters: Mapping[str, str], kind: type[T]) -> T:
        def read(body: bytes | None) -> T | None:
            if body is None:
                return None
            try:
                return msgspec.json.decode(body, type=kind)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Refused(f"{path}: {error}") from error

        try:
            found = service.ask(
                f"{self.url}/{path}",
                parameters,
                read,
                deadline=time.monotonic() + settings.INSTRUMENT_SERVICE_SECONDS,
                token=self.token,
            )
        except LeftAlone as error:
            REQUESTS.labels("breaker_open").inc()
            raise InstrumentServiceError(f"the instrument service is away: {error}") from error
        except ServiceFailed as error:
            REQUESTS.labels("failed").inc()
            logger.warning("the instrument service failed: %s", error)
            raise InstrumentServiceError(f"the instrument service failed: {error}") from error
        REQUESTS.labels("nothing" if found is None else "answered").inc()
        if found is None:
            raise NothingKnown(f"the instrument service knows nothing of {next(iter(parameters.values()))[:120]}")
        return found


def _expiry(expiry: date | None) -> dict[str, str]:
    return {} if expiry is None else {"expiry": expiry.isoformat()}
