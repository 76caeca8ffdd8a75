"""A chain as it stood at a past instant, from what is stored: the body of the live chain, made by the code of jobs."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import orjson
from rest_framework.exceptions import NotFound

from moneyness.core.levels import at_the_money
from realtime.core.live_columns import INPUTS
from realtime.core.states import encode_answers
from realtime.snapshot.core.chain_request import StrikeWindow
from signals.greeks.core.conventions import FORWARD_PRICE_WORDS, GreeksParams
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import UNKNOWN_MARKET, GroupMarket
from signals.greeks.market import Market, load_market
from signals.greeks.quoted import load_interests, quoted_expiries
from signals.greeks.selectors import OptionRows, load_options
from signals.greeks.services import compute_greeks
from signals.instruments.models import Underlying
from signals.instruments.selectors import chain_columns, select_options
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import parse_key
from timeframes.core.sessions import local_date, parse_instant

_TICK = {"ltp": "last", "bid": "bid", "ask": "ask", "settle": "settle", "close": "close", "volume": "volume"}
"""Member of a state's tick -> column of a quote."""


def read_instant(text: str, exchange: str, now: datetime) -> datetime:
    """Read `as_of`. Raises InvalidInput, for an instant to come too."""
    found = parse_instant(text, exchange)
    if found > now:
        raise InvalidInput("as_of", f"{found.isoformat()} is to come; leave as_of out for the live chain")
    return found


def past_chain(underlying: str, expiry: date | None, window: StrikeWindow, as_of: datetime) -> bytes:
    """Return one expiry's options as they stood at `as_of`, calls and puts by strike, as a JSON object.

    An option's state is its newest quote, or where none is young enough the close of its last bar. The Greeks are those
    of `POST batch/greeks` with this `as_of`. Raises NotFound.
    """
    params = GreeksParams()
    exchange = parse_key(underlying).exchange
    today = local_date(exchange, as_of)
    known = quoted_expiries(underlying, as_of, params.max_quote_age_seconds)
    chosen = expiry if expiry is not None else min((each for each in known if each >= today), default=None)
    if chosen is None or chosen not in known:
        on = f" that expire on {expiry}" if expiry else ""
        raise NotFound(f"no option of {underlying}{on} has a price that was young enough at {as_of.isoformat()}")
    chain = select_options(underlying=underlying, exchange=None, expiries=[chosen])
    keys, *_ = chain_columns(chain)
    rows = load_options(keys, as_of, params.max_quote_age_seconds)
    market = load_market([(underlying, chosen)], as_of, params)
    group = market.get((underlying, chosen), UNKNOWN_MARKET)
    priced = np.isfinite(rows.quotes.time).tolist()
    listed = sorted({strike for strike, there in zip(rows.strike.tolist(), priced, strict=True) if there})
    money = group.money
    strikes = window.choose(listed, money)
    wanted = set(strikes)
    places = [place for place, strike in enumerate(rows.strike.tolist()) if priced[place] and strike in wanted]
    names = [keys[place] for place in places]
    states = _states(names, rows.take(places), group, market, as_of, params)
    by_strike: dict[float, dict[bool, bytes]] = {strike: {} for strike in strikes}
    for place, state in zip(places, states, strict=True):
        by_strike[float(rows.strike[place])][bool(rows.sign[place] > 0)] = state
    head = {
        "underlying": underlying,
        "expiry": chosen.isoformat(),
        "expiries": [each.isoformat() for each in sorted(known)],
        "at": as_of.isoformat(),
        "underlying_price": _known(group.spot),
        "unreadable": [],
        "at_the_money": listed[at_the_money(listed, money)] if money is not None and listed else None,
        **_forward(group),
    }
    found = [
        b'{"strike":%b,"call":%b,"put":%b}'
        % (orjson.dumps(strike), sides.get(True, b"null"), sides.get(False, b"null"))
        for strike, sides in by_strike.items()
    ]
    spot = _spot(underlying, as_of, params)
    return orjson.dumps(head)[:-1] + b',"spot":' + spot + b',"strikes":[' + b",".join(found) + b"]}"


def _states(
    keys: Sequence[str],
    rows: OptionRows,
    group: GroupMarket,
    market: Market,
    as_of: datetime,
    params: GreeksParams,
) -> list[bytes]:
    """Return the state of each option as JSON, in the shape of the live ones."""
    columns = compute_greeks(keys, rows, {}, as_of, params, market)
    inputs: dict[str, Any] = {
        "underlying_price": group.spot,
        "underlying_age_seconds": group.spot_age,
        "underlying_restored": False,
        "volatility_index": group.volatility_index,
        "volatility_index_age_seconds": group.volatility_index_age,
    }
    for column in INPUTS:
        columns[column.name] = [inputs[column.name]] * len(keys)
    answers = encode_answers(columns)
    return _instruments(keys, rows.quotes, answers, as_of)


def _instruments(
    keys: Sequence[str], quotes: QuoteColumns, answers: Sequence[bytes | None], as_of: datetime
) -> list[bytes]:
    interests = load_interests(keys, quotes.time)
    ticks = {member: getattr(quotes, name).tolist() for member, name in _TICK.items()} | {"oi": interests.tolist()}
    at, states = as_of.isoformat(), []
    for place, (key, time, answer) in enumerate(zip(keys, quotes.time.tolist(), answers, strict=True)):
        state = {
            "instrument_key": key,
            "entry_id": None,
            "time": datetime.fromtimestamp(time, UTC).isoformat(),
            "tick": {name: values[place] for name, values in ticks.items() if values[place] == values[place]},
            "as_of": at,
            "greeks": None if answer is None else orjson.Fragment(answer),
            "seq": None,
            "age_seconds": as_of.timestamp() - time,
            "computed_age_seconds": 0.0,
        }
        states.append(orjson.dumps(state))
    return states


def _spot(underlying: str, as_of: datetime, params: GreeksParams) -> bytes:
    """Return the state of the underlying's spot, null without one."""
    key = Underlying.objects.filter(key=underlying).values_list("spot_key", flat=True).first()
    if not key:
        return b"null"
    quotes = load_options([key], as_of, params.max_quote_age_seconds).quotes
    return _instruments([key], quotes, [None], as_of)[0] if np.isfinite(quotes.time[0]) else b"null"


def _forward(group: GroupMarket) -> dict[str, Any]:
    """Return the members of a slice about its forward."""
    found, parity = group.forward, group.forward.parity
    return {
        "forward": _known(found.value),
        "forward_source": str(found.source) if found.found else None,
        "forward_price_source": FORWARD_PRICE_WORDS[found.price_source],
        "forward_price_age_seconds": _known(found.price_age),
        "forward_bid": _known(parity.bid) if parity else None,
        "forward_ask": _known(parity.ask) if parity else None,
        "forward_residual": _known(parity.residual) if parity else None,
        "forward_strikes": parity.strikes if parity else None,
        "forward_excluded": list(parity.excluded) if parity else [],
    }


def _known(value: float) -> float | None:
    return value if value == value else None
