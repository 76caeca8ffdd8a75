"""The forward by parity on the simulated market, where the truth is known: with quotes as they are, and spoiled."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import pytest

from signals.greeks.core.conventions import PriceSource
from signals.greeks.core.engine import implied_greeks
from signals.greeks.core.parity import ParityColumns, ParityForward, parity_forwards
from signals.greeks.core.prices import QuoteColumns, choose_price
from signals.greeks.core.status import Status
from signals.simulator.core.simulated_listing import list_underlyings
from signals.simulator.core.simulated_market import EXCHANGE, RATE, TICK, simulate_market
from timeframes.core.keys import InstrumentKey, Product, Right
from timeframes.core.sessions import expiry_moment, local_date

AT = datetime(2026, 11, 24, 9, 56, tzinfo=UTC)
SYMBOLS = ("NIFTY", "BANKNIFTY", "STOCK001", "STOCK002")
Floats = np.ndarray
Quotes = dict[str, Floats]


@dataclass(frozen=True)
class Expiry:
    symbol: str
    expiry: date
    years: float
    truth: float
    strike: Floats
    calls: Floats  # rows of the market, side by side with `puts`
    puts: Floats


def market(
    seed: int, *, at: datetime = AT, symbols: tuple[str, ...] = SYMBOLS, contracts: int = 2_400
) -> tuple[Quotes, list[Expiry]]:
    """Quotes by name, and the expiries with their true forwards: spot with carry."""
    made = simulate_market(seed=seed, at=at, symbols=symbols, contracts=contracts, minutes=0)
    listings = list_underlyings(symbols, local_date(EXCHANGE, at), np.random.default_rng(seed))
    listed = {listing.symbol: listing for listing in listings}
    legs: dict[tuple[str, date], dict[float, list[int]]] = {}
    for row, key in enumerate(made.instruments):
        if key.product.is_option and key.expiry is not None and key.strike is not None:
            pair = legs.setdefault((key.symbol, key.expiry), {}).setdefault(float(key.strike), [-1, -1])
            pair[key.right is Right.PUT] = row
    found = []
    for (symbol, expiry), strikes in legs.items():
        whole = {strike: pair for strike, pair in sorted(strikes.items()) if min(pair) >= 0}
        calls, puts = np.array(list(whole.values())).T
        moment = expiry_moment(InstrumentKey(EXCHANGE, symbol, Product.EQUITY_FUTURES, expiry))
        years = (moment - at).total_seconds() / (365 * 86_400)
        listing = listed[symbol]
        truth = listing.spot * math.exp((RATE - listing.dividend_yield) * years)
        found.append(Expiry(symbol, expiry, years, truth, np.array(list(whole)), calls, puts))
    return {name: column.copy() for name, column in made.quotes.numbers.items()}, found


def forwards(
    quotes: Quotes, expiries: list[Expiry], wanted: PriceSource = PriceSource.AUTO, rate: float = RATE
) -> list[ParityForward]:
    nothing = np.full(len(quotes["bid"]), np.nan)
    named = {name: quotes[name] for name in ("bid", "ask", "last", "volume")}
    price, source = choose_price(QuoteColumns(**named, settle=nothing, close=nothing, time=nothing), wanted)
    spread = np.where(source == 0, quotes["ask"] - quotes["bid"], np.nan)
    calls, puts = (np.concatenate([getattr(each, side) for each in expiries]) for side in ("calls", "puts"))
    columns = ParityColumns(
        strike=np.concatenate([each.strike for each in expiries]),
        call=price[calls],
        put=price[puts],
        call_spread=spread[calls],
        put_spread=spread[puts],
        call_volume=quotes["volume"][calls],
        put_volume=quotes["volume"][puts],
        call_time=nothing[calls],
        put_time=nothing[puts],
    )
    sizes = np.array([len(each.strike) for each in expiries])
    return parity_forwards(columns, sizes, rate=rate, expiry_years=np.array([each.years for each in expiries]))


def spoil(quotes: Quotes, expiries: list[Expiry], share: float, rng: np.random.Generator) -> None:
    """Make a share of all quotes bad: wrong by a lot or by a little, one tick wide, crossed, without a bid, empty."""
    options = np.concatenate([side for each in expiries for side in (each.calls, each.puts)])
    bid, ask = quotes["bid"], quotes["ask"]
    for row in rng.choice(options, round(share * len(options)), replace=False).tolist():
        half = max(0.5 * (ask[row] - bid[row]), TICK) if math.isfinite(ask[row] - bid[row]) else TICK
        match rng.integers(7):
            case 0:
                bid[row], ask[row] = np.array([bid[row], ask[row]]) * rng.uniform(0.2, 4.0)
            case 1:
                bid[row], ask[row] = np.array([bid[row], ask[row]]) + half * rng.uniform(-3, 3)
            case 2:
                bid[row] += 2 * half * rng.uniform(-1, 1)
                ask[row] = bid[row] + TICK
            case 3:
                bid[row], ask[row] = ask[row], bid[row]
            case 4:
                bid[row] = 0.0
            case 5:
                bid[row] = ask[row] = 0.0
            case _:
                ask[row] *= 50.0


def misses(share: float, seeds: int = 20) -> tuple[list[str], int]:
    """Expiries without a forward within half of its own bid-ask and a tick of the truth, and how many there were."""
    missed, count = [], 0
    for seed in range(seeds):
        quotes, expiries = market(seed)
        spoil(quotes, expiries, share, np.random.default_rng(1_000 + seed))
        for each, found in zip(expiries, forwards(quotes, expiries), strict=True):
            count += 1
            if not abs(found.value - each.truth) <= 0.5 * (found.ask - found.bid) + TICK:
                missed.append(f"seed {seed} {each.symbol} {each.expiry}: {found} for {each.truth}")
    return missed, count


@pytest.mark.parametrize("share", [0.0, 0.05, 0.10])
def test_the_truth_lies_within_the_forwards_own_bid_and_ask(share: float) -> None:
    missed, count = misses(share)
    assert count > 300
    assert len(missed) <= 0.01 * count, "\n".join(missed)


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_the_forwards_bid_and_ask_are_near(share: float) -> None:
    """A forward with a spread of a thousand points would pass the test above."""
    for seed in range(5):
        quotes, expiries = market(seed)
        spoil(quotes, expiries, share, np.random.default_rng(seed))
        for each, found in zip(expiries, forwards(quotes, expiries), strict=True):
            near = np.argsort(np.abs(each.strike - each.truth))[:5]
            widths = (quotes["ask"] - quotes["bid"])[[*each.calls[near], *each.puts[near]]]
            typical = np.median(widths[widths > 0])
            assert 0 < found.ask - found.bid < 5 * typical + 4 * TICK, (each.symbol, each.expiry, found)


def test_the_demos_market_has_no_forward_that_is_off() -> None:
    """Its default seed and size, every day of a month: in the demo of 2026-11-27 four of nine NIFTY forwards were 40 to
    117 points off."""
    for day in range(1, 29):
        at = datetime(2026, 11, day, 7, 43, tzinfo=UTC)
        quotes, expiries = market(1, at=at, symbols=("NIFTY", "BANKNIFTY"))
        for each, found in zip(expiries, forwards(quotes, expiries), strict=True):
            assert abs(found.value - each.truth) < 1e-4 * each.truth, (at, each.symbol, each.expiry, found)


def last_trades_only(share: float) -> list[float]:
    """How far each forward is from the truth, in its residuals, where a share of the trades is wrong."""
    off = []
    for seed in range(5):
        quotes, expiries = market(seed)
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(quotes["last"]), round(share * len(quotes["last"])), replace=False)
        quotes["last"][rows] *= rng.uniform(0.2, 4.0, len(rows))
        for each, found in zip(expiries, forwards(quotes, expiries, PriceSource.LAST), strict=True):
            assert found.residual > 0 and math.isnan(found.bid) and math.isnan(found.ask)
            off.append((found.value - each.truth) / (found.residual + TICK))
    return off


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_from_trades_the_residual_tells_how_far_the_truth_may_be(share: float) -> None:
    off = np.abs(last_trades_only(share))
    assert np.quantile(off, 0.99) < 3.0


def test_many_expiries_at_once_are_as_each_alone() -> None:
    quotes, expiries = market(3)
    spoil(quotes, expiries, 0.1, np.random.default_rng(3))
    together = forwards(quotes, expiries)
    for each, found in zip(expiries, together, strict=True):
        (alone,) = forwards(quotes, [each])
        assert (alone.strikes, alone.excluded, alone.disagree) == (found.strikes, found.excluded, found.disagree)
        np.testing.assert_allclose([alone.value, alone.bid, alone.ask], [found.value, found.bid, found.ask], rtol=1e-12)


def test_the_demos_market_has_no_false_answer_and_one_volatility_a_strike() -> None:
    """In the demo 39 of 1,000 items had a false below_intrinsic, and a call had 0.128 and its put 0.167."""
    quotes, expiries = market(1, at=datetime(2026, 11, 27, 7, 43, tzinfo=UTC), symbols=("NIFTY", "BANKNIFTY"))
    middle = 0.5 * (quotes["bid"] + quotes["ask"])
    mid = np.where(quotes["ask"] >= quotes["bid"], middle, np.nan)
    false, near, apart = [], 0, []
    for each, found in zip(expiries, forwards(quotes, expiries), strict=True):
        answers = {
            (forward, sign): implied_greeks(
                price=mid[rows],
                underlying=forward,
                strike=each.strike,
                expiry_years=each.years,
                rate=RATE,
                dividend_yield=0.0,
                sign=sign,
                black76=True,
            )
            for forward in (each.truth, found.value)
            for sign, rows in ((1.0, each.calls), (-1.0, each.puts))
        }
        for sign in (1.0, -1.0):
            true, ours = answers[each.truth, sign].status, answers[found.value, sign].status
            false += each.strike[(ours == Status.BELOW_INTRINSIC) & (true == Status.OK)].tolist()
        call, put = (answers[found.value, sign].implied_volatility for sign in (1.0, -1.0))
        money = np.abs(each.strike / each.truth - 1.0) < 0.02
        gap = np.abs(call - put)[money]
        near += int(np.isfinite(gap).sum())
        apart += gap[gap > 0.003].tolist()
    assert not false
    assert near > 250
    assert len(apart) <= 3, apart  # some of the quotes made odd on purpose lie there
