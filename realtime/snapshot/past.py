"""A chain as it stood at a past instant, from what is stored: the body of the live chain, made by the code of jobs."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from rest_framework.exceptions import NotFound

from moneyness.core.levels import at_the_money
from realtime.core.live_columns import INPUTS
from realtime.core.states import encode_answers
from realtime.snapshot.core.chain_request import StrikeWindow
from signals.greeks.core.contracts import ContractColumns
from signals.greeks.core.conventions import FORWARD_PRICE_WORDS, GreeksParams
from signals.greeks.core.prices import QuoteColumns
from signals.greeks.core.snapshot import NAN, ChainSnapshot, GroupMarket, find_markets
from signals.greeks.quoted import listed_options, quoted_expiries
from signals.greeks.selectors import load_chains, load_options
from signals.instruments.models import Underlying
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
    snapshot = load_chains([(underlying, chosen)], as_of, params)
    (group,) = find_markets(snapshot, params)
    options = snapshot.options
    priced = np.flatnonzero(np.isfinite(options.quotes.time))
    listed: list[float] = np.unique(options.strike[priced]).tolist()
    money = group.money
    strikes = window.choose(listed, money)
    places = priced[np.isin(options.strike[priced], strikes)]
    states = _states(underlying, chosen, snapshot, places, group, params, as_of)
    by_strike: dict[float, dict[bool, bytes]] = {strike: {} for strike in strikes}
    for strike, sign, state in zip(options.strike[places].tolist(), options.sign[places].tolist(), states, strict=True):
        by_strike[strike][sign > 0] = state
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
    underlying: str,
    expiry: date,
    snapshot: ChainSnapshot,
    places: np.ndarray,
    group: GroupMarket,
    params: GreeksParams,
    as_of: datetime,
) -> list[bytes]:
    """Return the state of each of the options at these places as JSON, in the shape of the live ones."""
    options, around, at = snapshot.options, snapshot.underlyings, as_of.timestamp()
    count = len(places)
    quotes = QuoteColumns(**{name: getattr(options.quotes, name)[places] for name in QuoteColumns.__slots__})
    contracts = ContractColumns(
        sign=options.sign[places],
        strike=options.strike[places],
        expires_at=np.repeat(snapshot.groups.expires_at, count),
        black76=np.full(count, _is_black76(underlying)),
        dividend_yield=np.repeat(around.dividend_yield, count),
        american=None if around.american is None else np.repeat(around.american, count),
        quotes=quotes,
    )
    from signals.greeks.core.answers import answer_options  # loads the kernels, which most requests never need

    columns = answer_options(contracts, np.zeros(count, np.intp), [group], {}, {}, at, params)
    inputs: dict[str, Any] = {
        "underlying_price": group.spot,
        "underlying_age_seconds": group.spot_age,
        "underlying_restored": False,
        "volatility_index": group.volatility_index,
        "volatility_index_age_seconds": group.volatility_index_age,
    }
    for column in INPUTS:
        columns[column.name] = [inputs[column.name]] * count
    listed = listed_options(underlying, expiry, as_of, params.max_quote_age_seconds)
    found = [listed[terms] for terms in zip(contracts.strike.tolist(), contracts.sign.tolist(), strict=True)]
    return _instruments([key for key, _ in found], quotes, [each for _, each in found], encode_answers(columns), at)


def _is_black76(underlying: str) -> bool:
    black76 = Underlying.PricingModel.BLACK76
    return Underlying.objects.filter(key=underlying, pricing_model=black76).exists()


def _instruments(
    keys: Sequence[str],
    quotes: QuoteColumns,
    interests: Sequence[float],
    answers: Sequence[bytes | None],
    at: float,
) -> list[bytes]:
    ticks = {member: getattr(quotes, name).tolist() for member, name in _TICK.items()} | {"oi": list(interests)}
    as_of, states = _instant(at), []
    for place, (key, time, answer) in enumerate(zip(keys, quotes.time.tolist(), answers, strict=True)):
        state = {
            "instrument_key": key,
            "entry_id": None,
            "time": _instant(time),
            "tick": {name: values[place] for name, values in ticks.items() if values[place] == values[place]},
            "as_of": as_of,
            "greeks": None if answer is None else orjson.Fragment(answer),
            "seq": None,
            "age_seconds": at - time,
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
    return _instruments([key], quotes, [NAN], [None], as_of.timestamp())[0] if np.isfinite(quotes.time[0]) else b"null"


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


@lru_cache(maxsize=256)  # the bars of a chain have one time
def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _known(value: float) -> float | None:
    return value if value == value else None
