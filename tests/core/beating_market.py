"""A market whose chains are evaluated at beats, and the same chains as one snapshot."""

from datetime import UTC, date, datetime

import msgspec
import numpy as np

from moneyness.core.chain_params import Band, ChainParams
from moneyness.core.chain_rules import ChainRules
from moneyness.core.priced import InterestColumns
from realtime.ticks.core.chain_beat import ChainBeat
from realtime.ticks.core.cycle_result import CycleResult
from signals.greeks.core.conventions import GreeksParams
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import ChainColumns, ChainSnapshot, ExpiryColumns, UnderlyingColumns
from tests.core.test_book import EXPIRY, NOW, Market, call, fair, put
from timeframes.core.keys import parse_key
from timeframes.core.sessions import expiry_moment

LATER = "2027-01-26"
STRIKES = range(23_600, 24_500, 100)
NIFTY = "NSE@NIFTY"
BANDS = (Band(low=0.0, high=1.0, logarithmic=False, out_of=True),)
PARAMS = ChainParams(strikes=2, bands=BANDS)
UNKNOWN = -1  # of a price source


class BeatingMarket(Market):
    def __init__(self, params=PARAMS, interval=1.0, record_seconds=60, records=True, smile_interval=5.0):
        super().__init__()
        self.beat = ChainBeat(
            self.book,
            GreeksParams(),
            interval=interval,
            smile_interval=smile_interval,
            defaults=ChainRules(params, record_seconds),
            records=records,
        )
        self.cycle.beat = self.beat

    def take(self, *entries, now=NOW):
        decoded = self.cycle.decode(entries, now + 60)
        assert not decoded.rejected
        return self.cycle.handle(decoded.ticks, now)

    def evaluate(self, now=NOW):
        result = CycleResult()
        self.beat.evaluate(self.beat.choose(now), now, result)
        return result

    def options(self, expiry=EXPIRY, strikes=STRIKES, spot=24_000.0, at=NOW, skip=()):
        return [
            self.entry(key(strike, expiry), price, at=at, bid=price - 0.5, ask=price + 0.5, oi=strike, volume=7.0)
            for strike in strikes
            for right, key in (("call", call), ("put", put))
            if (right, strike) not in skip
            for price in [fair(strike, right, spot=spot, expiry=expiry, at=at)]
        ]


def told(frame, topic):
    return msgspec.json.decode(frame.topics[NIFTY][topic])


def nothing(count):
    return np.full(count, np.nan)


def snapshot_of(expiries, strikes=STRIKES):
    """The same quotes as columns, made without any book."""
    groups, signs, of_strike, price = [], [], [], []
    for number, expiry in enumerate(expiries):
        for strike in strikes:
            for right, sign in (("call", 1.0), ("put", -1.0)):
                groups.append(number)
                signs.append(sign)
                of_strike.append(float(strike))
                price.append(fair(strike, right, expiry=expiry))
    last, count = np.array(price), len(price)
    moments = [expiry_moment(parse_key(call(24_000, expiry))).timestamp() for expiry in expiries]
    none = QuoteColumns(**{name: np.empty(0) for name in QuoteColumns.__slots__})
    snapshot = ChainSnapshot(
        at=NOW,
        underlyings=UnderlyingColumns(
            spot=np.array([24_000.0]),
            spot_source=np.array([1], np.int8),
            spot_time=np.array([NOW]),
            volatility_index=nothing(1),
            volatility_index_time=nothing(1),
            dividend_yield=np.zeros(1),
            american=np.zeros(1, np.bool_),
            today=np.array([datetime.fromtimestamp(NOW, UTC).date().toordinal()]),
        ),
        groups=ExpiryColumns(
            underlying=np.zeros(len(expiries), np.intp),
            expiry=np.array([date.fromisoformat(expiry).toordinal() for expiry in expiries]),
            expires_at=np.array(moments),
        ),
        options=ChainColumns(
            group=np.array(groups, np.intp),
            sign=np.array(signs),
            strike=np.array(of_strike),
            quotes=QuoteColumns(
                bid=last - 0.5,
                ask=last + 0.5,
                last=last,
                settle=nothing(count),
                close=nothing(count),
                volume=np.full(count, 7.0),
                time=np.full(count, NOW),
            ),
        ),
        futures=ExpiryColumns(underlying=np.empty(0, np.intp), expiry=np.empty(0, np.int64), expires_at=np.empty(0)),
        future_quotes=none,
    )
    interest = InterestColumns(open_interest=np.array(of_strike), open_interest_before=nothing(count))
    return snapshot, interest
