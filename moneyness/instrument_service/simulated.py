"""An instrument service of simulated chains: what `manage.py simulate_instruments` serves."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from moneyness.core.level_grammar import read_level
from moneyness.core.states import SmileState
from moneyness.instrument_service.contract import NothingKnown
from moneyness.instrument_service.core import smile_levels
from moneyness.instrument_service.core.answers import (
    AtmVolatility,
    DeltaStrikeFound,
    HistoryPoint,
    InstrumentMetadata,
    LevelInstruments,
    MoneynessHistory,
    MoneynessMapping,
    OptionMoneyness,
)
from moneyness.instrument_service.core.simulated_smile import SIDE, simulated_smile
from signals.instruments.core.terms import options_end
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import InstrumentKey, parse_key

LOT_SIZE, TICK_SIZE = 75.0, 0.05
_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SimulatedInstrumentService:
    """Every underlying of a known exchange has options that expire on the coming Thursdays, with 81 strikes."""

    now: Callable[[], datetime]

    def mapping(self, underlying: str, expiry: date | None = None) -> MoneynessMapping:
        return smile_levels.mapping(self._smile(underlying, expiry), SIDE)

    def level(self, underlying: str, level: str, expiry: date | None = None) -> LevelInstruments:
        asked = read_level(level, SIDE)
        return smile_levels.instruments(self._smile(underlying, expiry), asked)

    def moneyness(self, instrument_key: str) -> OptionMoneyness:
        key = _option(instrument_key)
        return smile_levels.option_moneyness(self._smile(key.underlying, key.expiry), key, SIDE)

    def atm_volatility(self, underlying: str, expiry: date | None = None) -> AtmVolatility:
        return smile_levels.atm_volatility(self._smile(underlying, expiry))

    def otm_delta(
        self, underlying: str, delta: float, option_type: str, expiry: date | None = None
    ) -> DeltaStrikeFound:
        return smile_levels.otm_delta(self._smile(underlying, expiry), delta, option_type == "call")

    def history(self, underlying: str, start: datetime, end: datetime) -> MoneynessHistory:
        """Return a point for each hour, of the expiry that was nearest then."""
        points, at = list[HistoryPoint](), start
        while at < end and len(points) < 1000:
            smile = self._smile(underlying, None, at)
            points.append(
                HistoryPoint(
                    time=at.astimezone(UTC).isoformat(),
                    expiry=smile.expiry,
                    spot=smile.spot,
                    forward=smile.receipt.forward,
                    atm_strike=smile.atm_strike,
                    atm_implied_volatility=smile.atm_implied_volatility,
                )
            )
            at += _EVERY
        return MoneynessHistory(underlying=underlying, data=points, complete=at >= end)

    def metadata(self, instrument_key: str) -> InstrumentMetadata:
        key = _option(instrument_key)
        ends = options_end(key.underlying, key.expiry) if key.expiry else float("nan")
        if ends != ends:
            raise NothingKnown(f"no instrument {instrument_key} is known")
        return InstrumentMetadata(
            instrument_key=str(key),
            underlying=key.underlying,
            product=str(key.product),
            expiry=str(key.expiry),
            expires_at=datetime.fromtimestamp(ends, UTC).isoformat(),
            strike=float(key.strike or 0),
            option_type=str(key.right),
            lot_size=LOT_SIZE,
            tick_size=TICK_SIZE,
        )

    def _smile(self, underlying: str, expiry: date | None, at: datetime | None = None) -> SmileState:
        key, now = parse_key(underlying).underlying, at or self.now()
        first = now.date() + timedelta(days=(3 - now.date().weekday()) % 7)
        wanted = [expiry] if expiry else [first, first + timedelta(days=7)]
        for day in wanted:
            if found := simulated_smile(key, day, now):
                return found
        raise NothingKnown(f"{underlying} has no options{f' that expire on {expiry}' if expiry else ''}")


def _option(text: str) -> InstrumentKey:
    key = parse_key(text)
    if not key.product.is_option:
        raise InvalidInput("instrument_key", f"{text} is no option")
    return key
