"""Gates: why a point of a smile does not count. A refused point stays visible, with the words of its gates.

The gates stand in this order, and a point that one refuses takes no part in the later ones: volatility, market or
trade, parity, then monotonicity and convexity together, then calendar. So a point may have two bits only of the fourth
step.

A point is a range of volatility: from the volatility of the bid to that of the ask where its market is two-sided, else
TRADE_DOUBT on both sides of its volatility. A later gate refuses what no prices within these ranges can repair.
"""

import numpy as np
from numpy.typing import NDArray

from moneyness.core.kernel_gates import refuse_arbitrage
from moneyness.core.priced import Floats, OptionRows, PricedChains, Rows
from moneyness.core.smile_words import Gate
from signals.greeks.core.parity import RATE_DOUBT

MIN_QUOTED = 3
"""An expiry counts as quoted if so many of its points have a two-sided market. Then the others do not count. Else it
counts as traded if so many have volume, and those without any do not count: an exchange settles what did not trade at a
price of its own model, which does not lie on the smile of what did."""

WIDEST = 0.25
"""The widest market that counts: ask less bid, in volatility, as a share of the point's volatility."""

TRADE_DOUBT = 0.02
"""How far off the volatility of a price without two-sided market may be, as a share of it: trades at different strikes
are of different moments. At the money it is 2 % of the price, in the wings more."""

TRADE_TICK = 2e-5
"""What such a price may be off besides, as a share of the forward: far from the money a tick is most of the price."""

ROUNDING = 1e-12
"""The same for two-sided prices: their range is known, but not exactly computed."""

PARITY_DOUBT = 0.1
"""How far apart call and put without two-sided markets may be, as a share of the price of an option at the money."""


def refuse_points(
    chains: PricedChains,
    *,
    group: Rows,
    call: Rows,
    put: Rows,
    option: Rows,
    log_moneyness: Floats,
    bid_volatility: Floats,
    volatility: Floats,
    ask_volatility: Floats,
) -> NDArray[np.uint8]:
    """Return the bits of Gate of each point, 0 for one that is used. Points are ordered as SmileColumns.

    `call` and `put` are places among the options, -1 for none, and `option` that of the one which stands for the point.
    """
    expiries, options = chains.expiries, chains.options
    count = len(expiries.years)
    two_sided = _two_sided(options)
    sided = (option >= 0) & two_sided[option] if len(option) else np.zeros(0, np.bool_)
    quoted = (np.bincount(group[sided], minlength=count) >= MIN_QUOTED)[group]
    usable = np.isfinite(log_moneyness) & (volatility > 0) & (volatility < np.inf)
    refused = np.where(usable, 0, int(Gate.NO_VOLATILITY)).astype(np.uint8)
    usable &= sided | ~quoted
    refused[(refused == 0) & ~usable] = Gate.NO_MARKET
    volume = options.volume[option] if len(option) else np.zeros(0)
    dead = ~sided & (volume == 0)
    traded = np.bincount(group[usable & (volume > 0)], minlength=count) >= MIN_QUOTED
    refused[usable & dead & traded[group]] = Gate.NOT_TRADED
    with np.errstate(invalid="ignore", over="ignore"):
        narrow = ask_volatility - bid_volatility <= WIDEST * volatility
    refused[(refused == 0) & sided & ~narrow] = Gate.WIDE_MARKET
    refused[(refused == 0) & _disagrees(chains, two_sided, group, call, put, option, volatility)] = Gate.PARITY
    with np.errstate(invalid="ignore", over="ignore"):
        low = np.where(sided, np.fmin(bid_volatility, volatility), volatility * (1.0 - TRADE_DOUBT))
        high = np.where(sided, np.fmax(ask_volatility, volatility), volatility * (1.0 + TRADE_DOUBT))
    in_the_money = np.where(option == call, log_moneyness < 0.0, log_moneyness > 0.0)
    strength = np.select((sided, dead, in_the_money), (3, 0, 1), 2)
    starts = np.searchsorted(group, np.arange(count + 1)).astype(np.int64)
    refuse_arbitrage(
        starts,
        expiries.underlying.astype(np.int64),
        np.ascontiguousarray(expiries.years, np.float64),
        np.ascontiguousarray(log_moneyness, np.float64),
        low,
        np.ascontiguousarray(volatility, np.float64),
        high,
        np.where(sided, ROUNDING, TRADE_TICK),
        strength.astype(np.int64),
        refused,
    )
    return refused


def _two_sided(options: OptionRows) -> NDArray[np.bool_]:
    two_sided: NDArray[np.bool_] = (options.bid > 0) & (options.ask >= options.bid) & (options.ask < np.inf)
    return two_sided


def _disagrees(
    chains: PricedChains,
    two_sided: NDArray[np.bool_],
    group: Rows,
    call: Rows,
    put: Rows,
    option: Rows,
    volatility: Floats,
) -> NDArray[np.bool_]:
    """Return where call and put disagree, C - P = exp(-rT) (F - K), and the point's own option is not the better one.

    The tolerance is half of both spreads; without two-sided markets PARITY_DOUBT of the option at the money,
    0.4 x volatility x F x sqrt(T) x exp(-rT). To both come half of the forward's own bid and ask, and what an error of
    the rate by RATE_DOUBT does. A leg without two-sided market never refuses one with it, and of two trades the one
    with less volume does not refuse the other. American options have no parity.
    """
    expiries, options = chains.expiries, chains.options
    found = np.zeros(len(group), np.bool_)
    european = np.array([not market.american for market in expiries.markets], np.bool_)
    rows = np.flatnonzero((call >= 0) & (put >= 0))
    rows = rows[european[group[rows]]]
    if not len(rows):
        return found
    half = np.array([_forward_half(market.forward.parity) for market in expiries.markets])
    of, one, other = group[rows], call[rows], put[rows]
    years = expiries.years[of]
    with np.errstate(invalid="ignore", over="ignore"):
        discount = np.exp(-expiries.rate[of] * years)
        forward = expiries.forward[of]
        apart = discount * (forward - options.strike[one])
        gap = np.abs(options.price[one] - options.price[other] - apart)
        trade = PARITY_DOUBT * 0.4 * volatility[rows] * forward * np.sqrt(years) * discount
        spreads = 0.5 * (options.ask[one] - options.bid[one] + options.ask[other] - options.bid[other])
        allowed = np.where(two_sided[one] & two_sided[other], spreads, trade)
        allowed = allowed + discount * half[of] + RATE_DOUBT * years * np.abs(apart) + ROUNDING * forward
        beyond = gap > allowed
    own = option[rows]
    twin = np.where(own == one, other, one)
    volume = np.nan_to_num(options.volume)
    found[rows] = beyond & np.where(two_sided[own], two_sided[twin], two_sided[twin] | (volume[twin] >= volume[own]))
    return found


def _forward_half(parity: object) -> float:
    """Return half of the bid and ask of a forward by parity, 0 where it has none."""
    half = 0.5 * (getattr(parity, "ask", np.nan) - getattr(parity, "bid", np.nan))
    return half if half > 0 else 0.0
