"""The book and the cycle: what a micro-batch produces, priced by the function that prices everything."""

import math
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from realtime.ticks.core.book import RECENT, Book, Recent, Terms
from realtime.ticks.core.cycle import Cycle
from realtime.ticks.core.sanity import Sanity
from signals.greeks.core.conventions import DEFAULT_RATE, ForwardSource, GreeksParams
from signals.greeks.core.engine import implied_greeks, model_greeks
from timeframes.core.keys import parse_key
from timeframes.core.sessions import expiry_moment

NOW = datetime(2026, 12, 1, 5, 0, tzinfo=UTC).timestamp()
SPOT, VIX = "NSE@NIFTY@equity_spot", "NSE@INDIAVIX@equity_spot"
EXPIRY = "2026-12-29"
RATE = DEFAULT_RATE


def call(strike, expiry=EXPIRY):
    return f"NSE@NIFTY@equity_options@{expiry}@call@{strike}"


def put(strike, expiry=EXPIRY):
    return f"NSE@NIFTY@equity_options@{expiry}@put@{strike}"


CREDULOUS = Sanity(refuse_zero=False, max_jump=0, jump_seconds=0, max_late=0, max_expiry_years=0, max_new_contracts=0)


class Market:
    """A cycle over a book with NIFTY, which numbers its ticks."""

    def __init__(self, params=GreeksParams(), computations=None, black76=False, sanity=CREDULOUS):  # noqa: B008 - frozen
        self.book = Book()
        self.book.add_underlying("NSE@NIFTY", Terms(SPOT, VIX, black76, 0.0))
        self.book.add_underlying("NSE@INDIAVIX", Terms(VIX, "", False, 0.0))
        self.cycle = Cycle(
            self.book,
            params,
            reprice_interval=0.25,
            window=2,
            max_bytes=1000,
            sanity=sanity,
            computations=computations or {},
        )
        self.number = 0

    def entry(self, key, ltp, at=NOW, **more):
        self.number += 1
        stream = f"tick_stream:{'@'.join(key.split('@')[:2])}"
        fields = {"instrument_key": key, "ltt": at, "ltp": ltp, **more}
        return stream, f"{self.number}-0", ["data", orjson.dumps(fields).decode()]

    def take(self, *entries, now=NOW):
        decoded = self.cycle.decode(entries, NOW + 60)
        assert not decoded.rejected
        return self.cycle.handle(decoded.ticks, now)


def published(frame, key):
    return orjson.loads(frame.topics["NSE@NIFTY"][key])


def fair(strike, right, volatility=0.15, spot=24_000.0, at=NOW, expiry=EXPIRY):
    key = parse_key((call if right == "call" else put)(strike, expiry))
    years = (expiry_moment(key).timestamp() - at) / (365 * 86_400)
    priced = model_greeks(
        volatility=volatility,
        underlying=spot,
        strike=float(strike),
        expiry_years=years,
        rate=RATE,
        dividend_yield=0.0,
        sign=1.0 if right == "call" else -1.0,
        black76=False,
    )
    return float(priced.price[0])


def test_an_option_is_priced_on_the_spot():
    market = Market()
    price = fair(24_000, "call")
    frame = market.take(market.entry(SPOT, 24_000.0), market.entry(VIX, 14.0), market.entry(call(24_000), price))
    greeks = published(frame, call(24_000))["greeks"]
    assert greeks["status"] == "ok"
    assert greeks["implied_volatility"] == pytest.approx(0.15)
    assert greeks["forward_source"] == "spot"
    assert (greeks["underlying_price"], greeks["underlying_age_seconds"]) == (24_000, 0)
    assert greeks["volatility_index"] == pytest.approx(0.14)
    assert published(frame, SPOT)["greeks"] is None


def test_the_door_of_ticks_gives_the_engines_very_numbers():
    market = Market()
    price = fair(24_100, "put")
    frame = market.take(market.entry(SPOT, 24_000.0), market.entry(put(24_100), price))
    greeks = published(frame, put(24_100))["greeks"]
    answer = implied_greeks(
        price=price,
        underlying=24_000.0,
        strike=24_100.0,
        expiry_years=greeks["expiry_years"],
        rate=RATE,
        dividend_yield=0.0,
        sign=-1.0,
        black76=False,
    )
    for name in ("implied_volatility", "delta", "gamma", "theta", "vega", "rho"):
        assert greeks[name] == getattr(answer, name)[0]


def test_parity_of_the_live_chain_comes_before_the_spot():
    market = Market()
    entries = [market.entry(SPOT, 23_500.0)]  # stale: futures trade while the cash market does not
    for strike in (23_900, 24_000, 24_100):
        entries += [market.entry(call(strike), fair(strike, "call")), market.entry(put(strike), fair(strike, "put"))]
    greeks = published(market.take(*entries), call(24_000))["greeks"]
    assert greeks["forward_source"] == "parity"
    assert greeks["forward"] == pytest.approx(24_000 * math.exp(RATE * greeks["expiry_years"]))


@pytest.mark.parametrize(
    ("future", "source"), [("2026-12-29", ForwardSource.FUTURE), ("2027-01-26", ForwardSource.CARRIED_FUTURE)]
)
def test_a_future_serves_where_parity_cannot(future, source):
    market = Market()
    frame = market.take(market.entry(f"NSE@NIFTY@equity_futures@{future}", 24_100.0), market.entry(call(24_000), 400.0))
    greeks = published(frame, call(24_000))["greeks"]
    assert (greeks["status"], greeks["forward_source"]) == ("ok", source)


def test_nothing_is_made_up_without_an_underlying():
    market = Market()
    greeks = published(market.take(market.entry(call(24_000), 400.0)), call(24_000))["greeks"]
    assert (greeks["status"], greeks["delta"]) == ("no_underlying", None)


def test_a_future_without_a_price_is_none():
    market = Market()
    frame = market.take(market.entry(f"NSE@NIFTY@equity_futures@{EXPIRY}", 0.0), market.entry(call(24_000), 400.0))
    assert published(frame, call(24_000))["greeks"]["status"] == "no_underlying"


def test_an_old_price_is_no_price():
    market = Market(GreeksParams(max_quote_age_seconds=10))
    frame = market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0, at=NOW - 11))
    assert published(frame, call(24_000))["greeks"]["status"] == "no_price"
    frame = market.take(market.entry(call(24_000), 400.0, at=NOW + 11), now=NOW + 11)
    assert published(frame, call(24_000))["greeks"]["status"] == "no_underlying"


def test_an_expired_contract_has_no_greeks():
    market = Market(GreeksParams(dividend_yield=0.0))
    frame = market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000, "2026-11-24"), 400.0))
    assert published(frame, call(24_000, "2026-11-24"))["greeks"]["status"] == "expired"


def test_a_late_tick_is_priced_and_kept_but_changes_nothing():
    market = Market()
    market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 410.0, at=NOW))
    frame = market.take(market.entry(call(24_000), 400.0, at=NOW - 5))
    assert call(24_000) not in frame.topics["NSE@NIFTY"]
    assert len(frame.ticks) == len(frame.raw[call(24_000)]) == 1
    assert orjson.loads(frame.computed["NIFTY"][0])["greeks"]["price_used"] == 400
    assert market.book.last[market.book.rows[call(24_000)]] == 410


def test_of_equally_old_ticks_the_later_in_the_stream_wins():
    market = Market()
    frame = market.take(market.entry(call(24_000), 1.0), market.entry(call(24_000), 2.0))
    assert published(frame, call(24_000))["entry_id"] == "2-0"
    assert len(frame.computed["NIFTY"]) == 2


def test_recent_prices_are_found_by_time_whatever_order_they_came_in():
    recent = Recent()
    for seconds in (3.0, 1.0, 2.0):
        recent.add(seconds, seconds * 10)
    assert recent.at(2.5) == (2.0, 20.0)
    assert recent.at(9.0) == (3.0, 30.0)
    assert math.isnan(recent.at(0.5)[0])
    for number in range(RECENT):
        recent.add(10.0 + number, 1.0)
    assert len(recent.samples) == RECENT
    assert math.isnan(recent.at(3.0)[1])


def test_the_middle_of_a_market_comes_before_the_last_trade_of_an_underlying():
    market = Market()
    market.take(market.entry(SPOT, 24_000.0, bid=24_010.0, ask=24_012.0))
    assert market.book.recent[SPOT].at(NOW) == (NOW, 24_011.0)


def test_a_chain_follows_its_underlying_at_a_steady_beat():
    market = Market()
    market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0))
    assert market.cycle.due_in(NOW) == math.inf
    frame = market.take(market.entry(SPOT, 24_050.0, at=NOW + 0.1), now=NOW + 0.1)
    assert call(24_000) not in frame.topics["NSE@NIFTY"]
    assert market.cycle.due_in(NOW) == pytest.approx(0.25)
    frame = market.take(now=NOW + 0.26)
    repriced = published(frame, call(24_000))
    assert repriced["greeks"]["underlying_price"] == 24_050
    assert repriced["tick"]["ltp"] == 400
    assert not frame.ticks
    assert not market.take(now=NOW + 0.6).topics


def test_a_clock_that_is_set_back_delays_no_chain():
    market = Market()
    market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0))
    market.take(market.entry(SPOT, 24_050.0, at=NOW + 0.1), now=NOW + 0.1)
    assert market.cycle.due_in(NOW - 600) == 0
    assert call(24_000) in market.take(now=NOW - 600).topics["NSE@NIFTY"]
    assert market.cycle.due_in(NOW - 600) == math.inf


def test_the_chain_of_what_is_only_heard_is_not_repriced():
    market = Market()
    market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0))
    heard = market.cycle.decode([market.entry(SPOT, 24_050.0, at=NOW + 1)], NOW + 60)
    market.cycle.observe(heard.ticks, NOW + 1)
    assert market.cycle.due_in(NOW + 1) == math.inf and not market.take(now=NOW + 2).topics
    assert market.book.recent[SPOT].at(NOW + 1) == (NOW + 1, 24_050.0)


def test_a_tick_that_comes_with_the_beat_is_told_of_once():
    market = Market()
    market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0), market.entry(call(24_100), 350.0))
    frame = market.take(
        market.entry(SPOT, 24_050.0, at=NOW + 1), market.entry(call(24_000), 420.0, at=NOW + 1), now=NOW + 1
    )
    assert published(frame, call(24_000))["tick"]["ltp"] == 420
    assert published(frame, call(24_100))["greeks"]["underlying_price"] == 24_050
    assert frame.priced == 2


def test_with_the_ticks_own_time_none_sees_a_later_one():
    market = Market()
    early, late = NOW - 3600, NOW - 1800
    frame = market.take(
        market.entry(SPOT, 24_000.0, at=early),
        market.entry(call(24_000), 400.0, at=early),
        market.entry(SPOT, 25_000.0, at=late),
        market.entry(call(24_000), 1_200.0, at=late),
        now=None,
    )
    states = [orjson.loads(text) for text in frame.computed["NIFTY"]]
    priced = [state["greeks"] for state in states if state["greeks"]]
    assert [each["underlying_price"] for each in priced] == [24_000, 25_000]
    assert [datetime.fromisoformat(state["as_of"]).timestamp() for state in states] == [early, early, late, late]


def test_a_restored_underlying_is_said_to_be_one():
    market = Market()
    market.book.recent[SPOT].add(NOW - 60, 24_000.0)
    market.book.recent[SPOT].restored = NOW - 60
    greeks = published(market.take(market.entry(call(24_000), 400.0)), call(24_000))["greeks"]
    assert (greeks["underlying_restored"], greeks["underlying_age_seconds"]) == (True, 60)


def test_what_others_tell_is_heard():
    market = Market()
    market.cycle.observe([], NOW)
    market.cycle.observe(market.cycle.decode([market.entry(VIX, 15.0)], NOW).ticks, NOW)
    greeks = published(market.take(market.entry(call(24_000), 400.0)), call(24_000))["greeks"]
    assert greeks["volatility_index"] == 0.15


def test_new_terms_replace_old_ones():
    market = Market()
    market.book.add_underlying("NSE@NIFTY", Terms(SPOT, VIX, True, 0.012))
    frame = market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0))
    greeks = published(frame, call(24_000))["greeks"]
    assert (greeks["model"], greeks["dividend_yield"]) == ("black76", 0.012)


def test_the_book_grows():
    market = Market()
    frame = market.take(*(market.entry(call(10_000 + number), 1.0) for number in range(600)))
    assert len(frame.ticks) == 600
    assert len(market.book.live_options(market.book.underlyings["NSE@NIFTY"], NOW)) == 600


def test_copies_and_bad_ticks_are_told_apart():
    market = Market()
    good = market.entry(SPOT, 1.0)
    copy = (good[0], "9-0", [*good[2], "state", "P"])
    inner = (good[0], "9-1", ["data", orjson.dumps({"state": "P"}).decode()])
    bad = (good[0], "9-2", ["data", "{"])
    decoded = market.cycle.decode([good, copy, inner, bad], NOW)
    assert (len(decoded.ticks), decoded.skipped, len(decoded.rejected)) == (1, 2, 1)
    assert (decoded.rejected[0].entry_id, decoded.rejected[0].reason) == ("9-2", "malformed")


def test_computations_join_the_cycle_and_fail_alone():
    def broken(due):
        raise ZeroDivisionError("no")

    computations = {
        "doubled": lambda due: [orjson.dumps(2 * tick.fields.ltp) for tick in due.ticks],
        "broken": broken,
        "short": lambda due: [],
    }
    market = Market(computations=computations)
    frame = market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0))
    state = published(frame, call(24_000))
    assert (state["doubled"], state["broken"], state["short"]) == (800, None, None)
    assert state["greeks"]["status"] == "ok"
    assert [(name, type(error)) for name, error in frame.failures] == [
        ("broken", ZeroDivisionError),
        ("short", ValueError),
    ]


def test_quotes_are_what_changed():
    market = Market()
    market.take(market.entry(call(24_000), 400.0, oi=75, volume=10, at=NOW - timedelta(seconds=1).total_seconds()))
    (row,) = market.book.unrecorded
    assert (market.book.oi[row], market.book.volume[row], market.book.time[row]) == (75, 10, NOW - 1)


def test_an_underlying_without_a_volatility_index():
    market = Market()
    market.book.add_underlying("NSE@NIFTY", Terms(SPOT, "", False, 0.0))
    greeks = published(market.take(market.entry(SPOT, 24_000.0), market.entry(call(24_000), 400.0)), call(24_000))
    assert greeks["greeks"]["volatility_index"] is None
