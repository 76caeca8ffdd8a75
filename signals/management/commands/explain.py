"""Shows how one option's numbers are computed, beside py_vollib's."""

import argparse
import math
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from signals.computations.greeks import Greeks, GreeksInputs
from signals.greeks.core.carry import DividendSource, GroupCarry, RateSource
from signals.greeks.core.conventions import Model, Theta, VolatilitySource
from signals.greeks.core.exercise_rows import american_rows
from signals.greeks.core.parity import ParityForward
from signals.greeks.core.py_vollib_reference import py_vollib_greeks
from signals.greeks.core.snapshot import UNKNOWN_MARKET
from signals.greeks.greek_columns import EARLY_EXERCISE_COLUMNS, HIGHER_ORDER_COLUMNS
from signals.greeks.market import market_of
from signals.greeks.one_item import read_one
from signalsite.foundation.computations.options import add_options, given
from signalsite.foundation.errors import InvalidInput
from timeframes.core.keys import parse_key
from timeframes.core.sessions import parse_instant

UNITS = {
    "implied_volatility": "decimal",
    "delta": "per 1 of the underlying",
    "gamma": "per 1 of the underlying",
    "theta": "a calendar day",
    "vega": "per 0.01 of volatility",
    "rho": "per 0.01 of rate",
    **{column.name: column.help for column in (*HIGHER_ORDER_COLUMNS, *EARLY_EXERCISE_COLUMNS) if column.type is float},
}
WIDTH = max(map(len, UNITS))


class Command(BaseCommand):
    requires_system_checks = []  # they take half a second
    help = "Show an option's inputs, model, forward and its source, T, and the engine's results beside py_vollib's."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "instrument",
            metavar="ITEM",
            help="an option's key (NSE@NIFTY@equity_options@2026-12-29@call@26000), or an item as JSON, as the API "
            'takes it: {"underlying": "NIFTY", "expiry": "2026-12-29", "strike": 26000, "option_type": "call", '
            '"volatility": 0.2}',
        )
        parser.add_argument(
            "--at", metavar="INSTANT", help="ISO instant or a date for its close; default: newest quote"
        )
        add_options(parser, Greeks.parameters)

    def handle(self, **options: Any) -> None:
        greeks = Greeks()
        params = greeks.defaults | given(options, greeks.parameters)
        try:
            text, overrides = read_one(options["instrument"], greeks.bounds)
            key = str(parse_key(text))
            at = parse_instant(options["at"], greeks.exchange([key], None)) if options["at"] else None
        except InvalidInput as error:
            raise CommandError(str(error)) from error
        # The same steps as of a request.
        prepared = greeks.prepare([[key]], at, params)
        as_of = prepared.as_of or timezone.now()
        places = {name: {0: value} for name, value in overrides.items()}
        inputs = greeks.load([key], places, as_of, params, prepared.context)
        rows = inputs.rows
        if rows.underlying[0] is None or rows.expiry[0] is None or not math.isfinite(rows.sign[0]):
            raise CommandError(f"{key} is no option")
        answer: dict[str, Any] = {name: column[0] for name, column in greeks.evaluate(inputs).columns.items()}
        group = (rows.underlying[0], rows.expiry[0])
        around = (market_of(prepared.context, [group]) | inputs.unshared).get(group, UNKNOWN_MARKET)
        self._inputs(key, as_of, rows, around, answer)
        self._numbers(answer, inputs, american=bool(american_rows(rows.american, inputs.params, 1)[0]))

    def _numbers(self, answer: dict[str, Any], inputs: GreeksInputs, *, american: bool) -> None:
        rows = inputs.rows
        if american:
            self.stdout.write(f"{'exercise':<12} american; py_vollib prices european options only, so it is left out")
            self._table(answer, None)
            return
        own = answer["iv_source"] in (None, VolatilitySource.PRICE)
        theirs = py_vollib_greeks(
            # A volatility from elsewhere prices this option at another price than its own.
            price=answer["price_used" if own else "theoretical_price"],
            underlying=answer["underlying_used"],
            strike=float(rows.strike[0]),
            expiry_years=answer["expiry_years"],
            rate=answer["rate"],
            dividend_yield=answer["dividend_yield"],
            sign=float(rows.sign[0]),
            black76=answer["model"] == Model.BLACK76,
        )
        if inputs.params.theta is Theta.NEXT_DAY and isinstance(theirs, dict):
            del theirs["theta"]  # the derivative, which is another quantity
        if isinstance(theirs, str):
            self.stdout.write(f"{'py_vollib':<12} {theirs}")
        else:
            self._table(answer, theirs)

    def _inputs(self, key: str, as_of: Any, rows: Any, around: Any, answer: dict[str, Any]) -> None:
        prices = (
            f"{name} {_text(getattr(rows.quotes, name)[0])}" for name in ("bid", "ask", "last", "settle", "close")
        )
        price, age = _text(answer["price_used"]), _text(answer["price_age_seconds"])
        used = f"{price} ({answer['price_source']}, {age} s old)" if answer["price_source"] else "none"
        lines = [
            ("instrument", f"{key} (not listed: its terms are those of the key)" if rows.unlisted else key),
            ("as of", as_of.isoformat()),
            ("quote", "  ".join(prices)),
            ("price used", used),
            ("spot", _text(around.spot)),
            ("forward", f"{_text(answer['forward'])} (from {answer['forward_source']}{_priced(answer)})"),
            *_strikes(around.forward.parity),
            ("model", f"{answer['model']} on {_text(answer['underlying_used'])}"),
            ("strike", _text(rows.strike[0])),
            ("T", f"{_text(answer['expiry_years'])} years, {_text(answer['expiry_years'] * 365)} days"),
            ("rate", f"{_text(answer['rate'])} ({_rate(answer, around.carry)})"),
            ("yield", f"{_text(answer['dividend_yield'])} ({_dividends(answer, around.carry)})"),
            ("status", answer["status"] + (f": {answer['reason']}" if answer["reason"] else "")),
        ]
        for name, text in lines:
            self.stdout.write(f"{name:<12} {text}")

    def _table(self, answer: dict[str, Any], theirs: dict[str, float] | None) -> None:
        """Print our numbers, beside py_vollib's where there are any."""
        heads = f"{'py_vollib':>18} {'difference':>12}  "
        self.stdout.write(f"\n{'':<{WIDTH}} {'engine':>18} {heads if theirs is not None else ' '}unit")
        for name, unit in UNITS.items():
            if (ours := answer.get(name)) is None:  # not asked for
                continue
            beside = " "
            if theirs is not None:
                other = theirs.get(name)
                beside = f"{'-':>18} {'-':>12}  " if other is None else f"{other:>18.12g} {ours - other:>12.2g}  "
            value = "-" if math.isnan(ours) else f"{ours:.12g}"
            self.stdout.write(f"{name:<{WIDTH}} {value:>18} {beside}{unit}")


def _rate(answer: dict[str, Any], carry: GroupCarry) -> str:
    if answer["rate_source"] != RateSource.CURVE or carry.curve_day is None:
        return str(answer["rate_source"])
    return f"{answer['rate_source']} of {date.fromordinal(carry.curve_day)}"


def _dividends(answer: dict[str, Any], carry: GroupCarry) -> str:
    if answer["dividend_source"] != DividendSource.DISCRETE:
        return str(answer["dividend_source"])
    count = sum(each.years <= answer["expiry_years"] for each in carry.dividends)
    return f"{answer['dividend_source']}: {count} before expiry, worth {_text(answer['dividend_value'])}"


def _priced(answer: dict[str, Any]) -> str:
    source = answer["forward_price_source"]
    return f": {source}, {_text(answer['forward_price_age_seconds'])} s old" if source else ""


def _strikes(parity: ParityForward | None) -> Iterator[tuple[str, str]]:
    """Yield what put-call parity says of the forward, if it was asked."""
    if parity is None or not parity.strikes:
        return
    known = math.isfinite(parity.bid)
    spread = f"bid {_text(parity.bid)}  ask {_text(parity.ask)}" if known else f"residual {_text(parity.residual)}"
    yield "parity", f"{spread}, {parity.strikes} strikes"
    if parity.excluded:
        yield "left out", " ".join(map(_text, parity.excluded))


def _text(value: float) -> str:
    return f"{value:.10g}" if math.isfinite(value) else "-"
