"""The instrument service of our own tables: newest live states where there are some, else what is stored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime

import msgspec
from django.conf import settings
from django.utils import timezone

from moneyness.core.level_grammar import read_level
from moneyness.core.states import SmileState
from moneyness.instrument_service.contract import NothingKnown
from moneyness.instrument_service.core import smile_levels
from moneyness.instrument_service.core.answers import (
    MOST_POINTS,
    AtmVolatility,
    DeltaStrikeFound,
    HistoryPoint,
    InstrumentMetadata,
    LevelInstruments,
    MoneynessHistory,
    MoneynessMapping,
    OptionMoneyness,
)
from moneyness.models import ChainReading
from moneyness.selectors import chain_params
from moneyness.stored_chains import load_stored
from signals.greeks.core.conventions import GreeksParams
from signals.instruments.models import Instrument
from signals.instruments.selectors import UnknownUnderlying, find_underlying
from signalsite.foundation.deadlines import within_time
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import parse_key

LIVE_SECONDS = 60.0
"""An older live state is no better than what is stored."""
_READ = msgspec.json.Decoder(SmileState)
NewestSmile = Callable[[str, date | None], SmileState | None]
"""The newest live state of a smile, by the underlying's key: live states belong to an app above this one."""


@dataclass(frozen=True, slots=True)
class OwnInstrumentService:
    newest: NewestSmile | None = None
    now: Callable[[], datetime] = timezone.now

    def mapping(self, underlying: str, expiry: date | None = None) -> MoneynessMapping:
        return smile_levels.mapping(self._smile(underlying, expiry), settings.CHAIN_STRIKES)

    def level(self, underlying: str, level: str, expiry: date | None = None) -> LevelInstruments:
        asked = read_level(level, settings.CHAIN_STRIKES)
        return smile_levels.instruments(self._smile(underlying, expiry), asked)

    def moneyness(self, instrument_key: str) -> OptionMoneyness:
        key = parse_key(instrument_key)
        if not key.product.is_option:
            raise InvalidInput("instrument_key", f"{instrument_key} is no option")
        return smile_levels.option_moneyness(self._smile(key.underlying, key.expiry), key, settings.CHAIN_STRIKES)

    def atm_volatility(self, underlying: str, expiry: date | None = None) -> AtmVolatility:
        return smile_levels.atm_volatility(self._smile(underlying, expiry))

    def otm_delta(
        self, underlying: str, delta: float, option_type: str, expiry: date | None = None
    ) -> DeltaStrikeFound:
        return smile_levels.otm_delta(self._smile(underlying, expiry), delta, option_type == "call")

    def history(self, underlying: str, start: datetime, end: datetime) -> MoneynessHistory:
        key = self._key(underlying)
        with within_time("the history takes too long to read, try again"):
            data = list(self._points(key, start, end))
        return MoneynessHistory(underlying=key, data=data[:MOST_POINTS], complete=len(data) <= MOST_POINTS)

    def _points(self, key: str, start: datetime, end: datetime) -> Iterator[HistoryPoint]:
        rows = (
            ChainReading.objects.filter(underlying=key, expiry__isnull=False, time__gte=start, time__lt=end)
            .order_by("time", "expiry")
            .values_list("time", "expiry", "spot", "forward", "atm_strike", "implied_volatility")[: MOST_POINTS + 1]
        )
        for time, expiry, spot, forward, atm_strike, volatility in rows:
            yield HistoryPoint(
                time=time.isoformat(),
                expiry=str(expiry),
                spot=spot,
                forward=forward,
                atm_strike=atm_strike,
                atm_implied_volatility=volatility,
            )

    def metadata(self, instrument_key: str) -> InstrumentMetadata:
        key = str(parse_key(instrument_key))
        row = Instrument.objects.filter(key=key).first()
        if row is None:
            raise NothingKnown(f"no instrument {key} is known")
        return InstrumentMetadata(
            instrument_key=row.key,
            underlying=row.underlying_id,
            product=row.product,
            expiry=row.expiry.isoformat() if row.expiry else None,
            expires_at=row.expires_at.isoformat() if row.expires_at else None,
            strike=float(row.strike) if row.strike is not None else None,
            option_type=row.right or None,
            lot_size=row.lot_size,
            tick_size=float(row.tick_size) if row.tick_size is not None else None,
        )

    def _key(self, underlying: str) -> str:
        try:
            return find_underlying(underlying, "underlying").key
        except UnknownUnderlying as error:
            raise NothingKnown(str(error)) from error

    def _smile(self, underlying: str, expiry: date | None) -> SmileState:
        key = self._key(underlying)
        now = self.now()
        found = self.newest(key, expiry) if self.newest else None
        if found is not None and (now - datetime.fromisoformat(found.as_of)).total_seconds() <= LIVE_SECONDS:
            return found
        with within_time("the chain takes too long to read, try again"):
            return self._stored(key, expiry, now)

    def _stored(self, key: str, expiry: date | None, as_of: datetime) -> SmileState:
        from moneyness.core.chain_states import smile_state  # these load the kernels
        from moneyness.core.evaluate_chain import evaluate_chain, price_chains

        conventions = GreeksParams()
        nearest = 1 if expiry is None else None
        stored = load_stored([(key, as_of)], conventions, nearest=nearest, until=expiry)
        days = [] if stored is None else stored.snapshot.groups.expiry.tolist()
        if stored is None or (expiry is not None and expiry.toordinal() not in days):
            on = f" that expires on {expiry}" if expiry else ""
            raise NothingKnown(f"no option of {key}{on} has a price that is young enough")
        priced = price_chains(stored.snapshot, stored.keys, stored.black76, stored.interest, conventions)
        evaluation = evaluate_chain(priced, replace(chain_params([key])[key], fit=False))
        group = 0 if expiry is None else days.index(expiry.toordinal())
        state = smile_state(evaluation, group, as_of.isoformat())
        return _READ.decode(msgspec.json.encode(state))  # as readers get it: with null for NaN
