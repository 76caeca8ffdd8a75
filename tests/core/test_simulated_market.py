"""The simulated market: one market per seed, and realistic except for its deliberate flaws."""

from collections import Counter
from datetime import UTC, date, datetime

import numpy as np
import pytest

from signals.instruments.core.underlyings import volatility_index_key
from signals.simulator.core.simulated_listing import list_underlyings, listed_until, symbols_for
from signals.simulator.core.simulated_market import RATE, SimulatedMarket, simulate_market
from signals.simulator.core.simulated_ticks import TickSource
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import Right, parse_key
from timeframes.core.quotes import QuoteRows
from timeframes.core.sessions import expiry_moment, is_session

AT = datetime(2026, 6, 11, 10, 0, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def market(seed: int = 1, contracts: int = 1_000, symbols: tuple[str, ...] = ("NIFTY", "BANKNIFTY")) -> SimulatedMarket:
    return simulate_market(seed=seed, at=AT, symbols=symbols, contracts=contracts, minutes=30)


def test_a_seed_gives_one_market() -> None:
    one, same, other = market(1), market(1), market(2)
    assert one.instruments == same.instruments
    assert one.instruments != other.instruments
    for name, column in one.quotes.numbers.items():
        np.testing.assert_array_equal(column, same.quotes.numbers[name])
    np.testing.assert_array_equal(one.path.numbers["last"], same.path.numbers["last"])


def test_it_has_what_was_asked_for() -> None:
    found = market(contracts=1_001)
    kinds = Counter(key.product.value for key in found.instruments)
    assert kinds == {"equity_options": 1_001, "equity_futures": 6, "equity_spot": 3}
    assert sum(found.counts.values()) == 1_001
    assert found.oddities == {"no price": 5, "one-sided": 10, "crossed": 5, "below intrinsic": 5}
    assert len(found.path) == 3 * 30
    assert set(found.path.instrument_key) == {f"SIM@{name}@equity_spot" for name in ("NIFTY", "BANKNIFTY", "INDIAVIX")}
    assert all(is_session("NSE", key.expiry) and expiry_moment(key) > AT for key in found.instruments if key.expiry)


def test_prices_are_those_of_a_market() -> None:
    found = market(contracts=2_400)
    numbers = found.quotes.numbers
    bid, ask, last = numbers["bid"], numbers["ask"], numbers["last"]
    options = np.array([key.product.is_option for key in found.instruments])
    prices = np.concatenate([bid[options], ask[options], last[options]])
    prices = prices[np.isfinite(prices)]
    assert prices.min() > 0
    np.testing.assert_allclose(prices, np.round(prices / 0.05) * 0.05, atol=1e-9)
    assert np.sum(bid[options] > ask[options]) == found.oddities["crossed"]
    nothing = np.isnan(bid) & np.isnan(ask) & np.isnan(last)
    assert nothing[options].sum() == found.oddities["no price"]
    assert (numbers["volume"][options] >= 0).all()
    # Put-call parity holds within the spread for pairs that are two-sided, and India VIX is near NIFTY's volatility.
    spot = last[found.quotes.instrument_key.index("SIM@NIFTY@equity_spot")]
    mid = {key: (b + a) / 2 for key, b, a in zip(found.instruments, bid, ask, strict=True) if b < a}
    forwards = []
    for key in mid:
        put = next(
            (
                k
                for k in mid
                if k.right is Right.PUT and (k.symbol, k.expiry, k.strike) == (key.symbol, key.expiry, key.strike)
            ),
            None,
        )
        if key.symbol == "NIFTY" and key.right is Right.CALL and put and abs(float(key.strike or 0) / spot - 1) < 0.01:
            years = (expiry_moment(key) - AT).total_seconds() / (365 * 86_400)
            implied = float(key.strike or 0) + (mid[key] - mid[put]) * np.exp(RATE * years)
            forwards.append(implied / (spot * np.exp((RATE - 0.012) * years)) - 1)
    assert len(forwards) > 20
    assert np.median(np.abs(forwards)) < 1e-4
    assert 8 < last[found.quotes.instrument_key.index("SIM@INDIAVIX@equity_spot")] < 25


def test_a_small_market_has_nothing_odd() -> None:
    assert set(market(contracts=50).oddities.values()) == {0}


def test_as_many_stocks_are_listed_as_the_contracts_need() -> None:
    assert symbols_for(2_400, None, AT.date()) == ["NIFTY", "BANKNIFTY"]
    assert symbols_for(10, 1, AT.date()) == ["NIFTY"]
    many = symbols_for(10_000, None, AT.date())
    assert many[2] == "STOCK001"
    found = simulate_market(seed=3, at=AT, symbols=many, contracts=10_000, minutes=0)
    assert sum(found.counts.values()) == 10_000
    stock = next(
        listing
        for listing in list_underlyings(many, AT.date(), np.random.default_rng(3))
        if listing.symbol == "STOCK001"
    )
    assert stock.expiries == (date(2026, 6, 30), date(2026, 7, 28), date(2026, 8, 25))


def test_an_expiry_on_a_holiday_is_moved_ahead() -> None:
    nifty, bank = list_underlyings(["NIFTY", "BANKNIFTY"], date(2026, 11, 20), np.random.default_rng(1))
    assert nifty.expiries[:2] == (date(2026, 11, 23), date(2026, 12, 1))  # Tuesday the 24th is a holiday
    assert bank.expiries[0] == date(2026, 11, 23)
    later = list_underlyings(["NIFTY"], date(2026, 11, 23), np.random.default_rng(1))[0]
    assert later.expiries[0] == date(2026, 12, 1)


def test_the_listing_changes_with_the_date_and_when_contracts_expire() -> None:
    keys = [parse_key(f"SIM@NIFTY@equity_options@{day}@call@24500") for day in ("2026-06-16", "2026-06-30")]
    assert listed_until([parse_key("SIM@NIFTY@equity_spot"), *keys], AT) == utc("2026-06-11 18:30")
    assert listed_until(keys, utc("2026-06-11 18:30")) == utc("2026-06-12 18:30")
    assert listed_until(keys, utc("2026-06-16 02:00")) == utc("2026-06-16 10:10")
    assert listed_until(keys[1:], utc("2026-06-16 10:10")) == utc("2026-06-16 18:30")


def test_the_market_goes_on_over_midnight_and_over_an_expiry() -> None:
    """What is listed stays until it expires, new expiries come, and prices and open interest go on."""

    def source(market: SimulatedMarket, at: datetime) -> TickSource:
        return TickSource(market, seed=1, at=at, flawed=False)

    def later(before: TickSource, at: datetime) -> SimulatedMarket:
        listed = before.market.instruments
        made = simulate_market(
            seed=1, at=at, symbols=["NIFTY"], contracts=400, minutes=0, spots=before.spots, listed=listed
        )
        before.continue_in(made, at)
        return made

    def column(market: SimulatedMarket, name: str) -> dict[str, float]:
        return dict(zip(market.quotes.instrument_key, np.nan_to_num(market.quotes.numbers[name]).tolist(), strict=True))

    evening = utc("2026-06-29 18:00")
    monday = source(simulate_market(seed=1, at=evening, symbols=["NIFTY"], contracts=400, minutes=0), evening)
    assert {"SIM@NIFTY@equity_futures@2026-06-30"} < set(monday.keys)
    monday.chain(utc("2026-06-29 18:29"))
    assert np.count_nonzero(monday.volume) > 300

    midnight = utc("2026-06-29 18:30")  # the day on which the month's contracts expire begins
    market = later(monday, midnight)
    assert set(monday.keys) <= set(market.quotes.instrument_key)
    assert not any(column(market, "volume").values())
    assert dict(zip(monday.keys, monday.oi.tolist(), strict=True)).items() <= column(market, "open_interest").items()
    tuesday = source(market, midnight)
    assert tuesday.spots == monday.spots
    ticked = {fields["instrument_key"] for _, fields in tuesday.chain(utc("2026-06-30 10:09"))}
    assert ticked >= set(monday.keys) | {"SIM@NIFTY@equity_futures@2026-09-29"}

    expired = utc("2026-06-30 10:10")
    market = later(tuesday, expired)
    (listing,) = list_underlyings(["NIFTY"], expired.date(), np.random.default_rng(1))
    assert {key.expiry for key in market.instruments} - {None} == set(listing.expiries)
    volumes = column(market, "volume")
    known = {key: volume for key, volume in zip(tuesday.keys, tuesday.volume.tolist(), strict=True) if key in volumes}
    assert len(known) > 300 and sum(known.values()) > 0 and known.items() <= volumes.items()


def test_what_cannot_be_listed_is_refused() -> None:
    with pytest.raises(InvalidInput, match="for 1 underlyings"):
        market(contracts=100_000, symbols=("NIFTY",))
    with pytest.raises(InvalidInput, match="contracts must be"):
        market(contracts=0)
    with pytest.raises(InvalidInput, match="underlyings must be"):
        symbols_for(10, 0, AT.date())


@pytest.mark.parametrize(
    ("exchange", "symbol", "key"),
    [
        ("NSE", "BANKNIFTY", "NSE@INDIAVIX@equity_spot"),
        ("NSE", "RELIANCE", ""),
        ("SIM", "STOCK001", "SIM@INDIAVIX@equity_spot"),
        ("DERIBIT", "BTC", ""),
    ],
)
def test_volatility_index(exchange: str, symbol: str, key: str) -> None:
    assert volatility_index_key(exchange, symbol) == key


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="last has 2 elements, instrument_key 1"):
        QuoteRows(instrument_key=["a"], time=AT, source="x", last=np.zeros(2))
