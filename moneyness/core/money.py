"""Where the money is: the ATM strike, the volatility there, the straddle and the expected move.

Formulas: docs/chain.md.
"""

import numpy as np

from moneyness.core.chain_params import AtmVolatility, ChainParams
from moneyness.core.evaluation import MoneyColumns
from moneyness.core.layout import StrikeRows, at_money, at_places
from moneyness.core.priced import Floats, PricedChains, Rows
from signals.greeks.core import engine
from signals.greeks.core.status import Status


def find_money(
    chains: PricedChains, strikes: StrikeRows, params: ChainParams, atm_before: Floats | None
) -> MoneyColumns:
    expiries, options = chains.expiries, chains.options
    nearest = nearest_places(strikes, at_money(chains))
    place, switched = nearest, np.zeros(len(nearest), np.bool_)
    if atm_before is not None:
        place = _held(strikes, at_money(chains), nearest, atm_before, params.hysteresis)
        strike = at_places(strikes.strike, place)
        switched = np.isfinite(atm_before) & np.isfinite(strike) & (strike != atm_before)
    atm_strike = at_places(strikes.strike, place)
    calls, puts = at_places_of(strikes.call, place), at_places_of(strikes.put, place)
    straddle = at_places(options.price, calls) + at_places(options.price, puts)
    both = mean_of_known(
        at_places(options.implied_volatility, strikes.call), at_places(options.implied_volatility, strikes.put)
    )
    found = {
        AtmVolatility.INTERPOLATED: _interpolated(chains, strikes, both),
        AtmVolatility.NEAREST: at_places(both, place),
        AtmVolatility.STRADDLE: _by_straddle(chains, atm_strike, straddle),
    }
    volatility = found[params.atm_volatility]
    return MoneyColumns(
        atm_strike=atm_strike,
        atm_place=np.where(place >= 0, place - strikes.offsets[:-1], -1),
        atm_before=np.full(len(nearest), np.nan) if atm_before is None else atm_before,
        atm_switched=switched,
        atm_volatility=volatility,
        interpolated=found[AtmVolatility.INTERPOLATED],
        nearest=found[AtmVolatility.NEAREST],
        by_straddle=found[AtmVolatility.STRADDLE],
        straddle=straddle,
        expected_move=expiries.forward * volatility * np.sqrt(expiries.years),
    )


def nearest_places(strikes: StrikeRows, price: Floats) -> Rows:
    """Return the strike nearest to each group's price, the lower of two as near, -1 where there is none."""
    distance = np.abs(strikes.strike - price[strikes.group])
    distance[np.isnan(distance)] = np.inf
    least = strikes.least(distance, np.inf)
    return strikes.first((distance == least[strikes.group]) & (distance < np.inf))


def _held(strikes: StrikeRows, price: Floats, nearest: Rows, before: Floats, hysteresis: float) -> Rows:
    """Return the ATM strikes with those before held until the price is `hysteresis` of the way to the next strike.

    A strike that is not listed any more is not held.
    """
    held = strikes.first(strikes.strike == before[strikes.group])
    usable = np.flatnonzero((held >= 0) & (nearest >= 0))
    place, money = held[usable], price[usable]
    own = strikes.strike[place]
    up = money > own
    following = np.where(up, np.minimum(place + 1, strikes.offsets[1:][usable] - 1), place - 1)
    following = np.maximum(following, strikes.offsets[:-1][usable])
    room = np.abs(strikes.strike[following] - own)
    stays = (room == 0.0) | (np.abs(money - own) <= hysteresis * room)
    found = nearest.copy()
    found[usable[stays]] = place[stays]
    return found


def at_places_of(places: Rows, chosen: Rows) -> Rows:
    """Return `places[chosen]`, -1 where `chosen` is -1."""
    if not len(places):
        return np.full(len(chosen), -1, np.intp)
    return np.where(chosen >= 0, places[chosen], -1)


def mean_of_known(one: Floats, other: Floats) -> Floats:
    """Return the mean of two columns, or the one that is known."""
    mean: Floats = np.where(np.isnan(one), other, np.where(np.isnan(other), one, 0.5 * (one + other)))
    return mean


def brackets(chains: PricedChains, strikes: StrikeRows, volatility: Floats) -> tuple[Rows, Rows]:
    """Return the strikes with a volatility around each group's forward, below (or at) and above (or at); -1 for none.

    These are the listed strikes next to the forward, or farther ones within one standard deviation of it: a line over
    a longer gap would say nothing of the forward.
    """
    forward = chains.expiries.forward
    money, years = forward[strikes.group], chains.expiries.years[strikes.group]
    known = volatility > 0
    near = np.abs(np.log(strikes.strike / money)) <= volatility * np.sqrt(years)
    under, over = strikes.strike <= money, strikes.strike >= money
    found = []
    for side, choose in ((under, strikes.last), (over, strikes.first)):
        next_one, chosen = choose(side), choose(side & known)
        good = (chosen >= 0) & ((chosen == next_one) | near[np.maximum(chosen, 0)]) if len(near) else chosen >= 0
        found.append(np.where(good, chosen, -1))
    return found[0], found[1]


def _interpolated(chains: PricedChains, strikes: StrikeRows, volatility: Floats) -> Floats:
    """Return the volatility at each forward, linear in total variance over log-moneyness.

    T is the same at both strikes, so this is linear in the squared volatility.
    """
    below, above = brackets(chains, strikes, volatility)
    forward = chains.expiries.forward
    low = np.log(at_places(strikes.strike, below) / forward)
    high = np.log(at_places(strikes.strike, above) / forward)
    share = np.where(below == above, 0.0, -low / (high - low))
    first, second = np.square(at_places(volatility, below)), np.square(at_places(volatility, above))
    found: Floats = np.sqrt(first + share * (second - first))
    return found


def _by_straddle(chains: PricedChains, strike: Floats, straddle: Floats) -> Floats:
    """Return the volatility at which call and put at the strike are together worth the straddle (Black).

    By parity C + P = 2 OTM + D |F - K|, so it is the volatility of the option out of the money at half of the rest. For
    American options parity is no equation, and there is none.
    """
    expiries = chains.expiries
    european = np.array([not market.american for market in expiries.markets], np.bool_)
    intrinsic = np.abs(expiries.forward - strike) * np.exp(-expiries.rate * expiries.years)
    price = np.where(european, 0.5 * (straddle - intrinsic), np.nan)
    found = engine.implied_greeks(
        price=price,
        underlying=expiries.forward,
        strike=strike,
        expiry_years=expiries.years,
        rate=expiries.rate,
        dividend_yield=np.zeros(len(price)),
        sign=np.where(strike >= expiries.forward, 1.0, -1.0),
        black76=np.ones(len(price), np.bool_),
    )
    implied: Floats = np.where(found.status == Status.OK, found.implied_volatility, np.nan)
    return implied
