"""Greeks of options at the open, high, low and close of their bars: several rows an item."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from signals.computations.bars import ANCHOR, DAYS, DEFAULT_ANCHOR, TIMEFRAME
from signals.computations.greeks import (
    DAY_COUNT,
    DIVIDEND_VALUE,
    DIVIDEND_YIELD,
    EXERCISE,
    FALLBACK_VOLATILITY,
    FORWARD,
    MODEL,
    RATE,
    RATE_SOURCE,
)
from signals.greeks.core.conventions import (
    DayCount,
    Exercise,
    FallbackVolatility,
    ForwardSource,
    GreeksParams,
    Model,
    Theta,
)
from signals.greeks.core.reasons import STATUS_WORDS
from signals.greeks.greek_columns import EARLY_EXERCISE_COLUMNS, GREEKS, HIGHER_ORDER_COLUMNS, THETA
from signals.greeks.selection import InstrumentComputation, options_of, select
from signals.greeks.selectors import newest_quote_time
from signals.history.core.points import POINTS, Extremes
from signals.history.selectors import stored_between
from signals.history.services import HistoryInputs, answer_history, load_history
from signalsite.foundation.computations.columns import OK, Column, StatusWord
from signalsite.foundation.computations.contract import Answers, Context, Overrides, Parameter, Params, Prepared, Runs
from timeframes.bars.stored import newest_moment
from timeframes.core.exchanges import EXCHANGES
from timeframes.core.grid import Anchor, bars_at_most
from timeframes.core.timeframe import parse_timeframe


class HistoricalGreeks(InstrumentComputation):
    """Each option's bars that begin in the `days` before `as_of`, with the market of the same bars around them.

    What the option, its underlying and the volatility index did in one bar is taken together. Prices of other bars take
    no part: where one is missing, the value is null, with the reason.
    """

    name = "historical_greeks"
    version = 1
    summary = "Greeks of options at the open, high, low and close of their bars"
    parameters = (
        TIMEFRAME,
        DAYS,
        ANCHOR,
        Parameter(
            name="points",
            type=str,
            default=POINTS,
            choices=POINTS,
            most=len(POINTS),
            help="The prices of a bar to answer, a row each: open at the bar's beginning, close at its end, high and "
            "low in its middle.",
        ),
        Parameter(
            name="extremes",
            type=str,
            default=Extremes.BY_RIGHT.value,
            choices=[each.value for each in Extremes],
            help="by_right: a call's high and a put's low go with the underlying's high, a call's low and a put's high "
            "with its low; same: high with high and low with low, whatever the right.",
        ),
        *(MODEL, EXERCISE, FORWARD, RATE, DIVIDEND_YIELD, DAY_COUNT, FALLBACK_VOLATILITY, GREEKS, THETA),
    )
    columns = (
        Column("bar_time", str, "The beginning of the bar, ISO 8601 in UTC; of a session without bars, its opening."),
        Column("point", str, "Which price of the bar: open, high, low or close."),
        Column("instant", str, "The moment that T counts from, ISO 8601 in UTC."),
        Column("implied_volatility", float, "Annual, as a decimal."),
        Column("delta", float, "Per 1 of the underlying (of the forward for black76)."),
        Column("gamma", float, "Delta per 1 of the underlying."),
        Column("theta", float, "Per calendar day; `theta` says how."),
        Column("vega", float, "Per 0.01 of volatility."),
        Column("rho", float, "Per 0.01 of rate."),
        *HIGHER_ORDER_COLUMNS,
        *EARLY_EXERCISE_COLUMNS,
        Column("theoretical_price", float, "The model's price at that volatility."),
        Column("price_used", float, "The option's price at this point of the bar."),
        Column("volume", float, "Traded in the bar, in units of the underlying; 0: the prices are older ones."),
        Column("underlying_price", float, "The spot that goes with it."),
        Column("underlying_used", float, "Input of the model: spot for bsm, forward for black76."),
        Column("volatility_index", float, "As a decimal: its open or close; at high and low half-way between."),
        Column("forward", float, "The forward of the expiry."),
        Column("forward_source", str, "parity, future, spot or carried_future."),
        Column("forward_residual", float, "Mean distance of the strikes from the forward, by parity."),
        Column("forward_strikes", int, "How many strikes took part in parity."),
        Column("expiry_years", float, "T, in years of 365 days."),
        Column("rate", float, "Continuous, annual, as a decimal."),
        RATE_SOURCE,
        Column("dividend_yield", float, "Continuous, annual, as a decimal; 0 for discrete."),
        Column("dividend_source", str, "parameter, discrete, dated, underlying or none."),
        DIVIDEND_VALUE,
        Column("model", str, "bsm or black76."),
        Column("iv_source", str, "price or vix."),
    )
    most_rows = 100_000
    rows_a_chunk = 200_000  # by the bound, which is three times what a day of NSE has
    statuses = (
        *STATUS_WORDS,
        StatusWord("no_bars", "nothing is stored from which a bar in the range, or of that day, can be made", True),
        StatusWord("unfit", "bars of this timeframe and anchor cannot be made of what is stored", retryable=True),
    )

    def conventions(self, params: Params) -> GreeksParams:
        return GreeksParams(
            model=Model(params["model"]),
            exercise=Exercise(params["exercise"]),
            forward=ForwardSource(params["forward"]),
            rate=params["rate"],
            dividend_yield=params["dividend_yield"],
            day_count=DayCount(params["day_count"]),
            fallback_volatility=FallbackVolatility(params["fallback_volatility"]),
            greeks=tuple(params["greeks"]),
            theta=Theta(params["theta"]),
        )

    def rows_per_item(self, params: Params) -> int:
        return self._rows(params, None)

    def rows_per_item_of(self, params: Params, keys: Iterable[str]) -> int:
        exchanges = {key.partition("@")[0] for key in keys}
        known = [self._rows(params, each) for each in exchanges if each in EXCHANGES]
        return max(known, default=self._rows(params, None))

    def _rows(self, params: Params, exchange: str | None) -> int:
        timeframe = parse_timeframe(params["timeframe"])
        anchor = None if params["anchor"] == DEFAULT_ANCHOR else Anchor(params["anchor"])
        return bars_at_most(exchange, timeframe, anchor, params["days"]) * len(params["points"])

    def prepare(self, runs: Runs, as_of: datetime | None, params: Params) -> Prepared:
        if as_of is None:
            moments = [newest_quote_time(runs), *(newest_moment(run) for run in runs)]
            as_of = max((moment for moment in moments if moment is not None), default=None)
        return Prepared(as_of, {})

    def prepare_selector(self, selector: Mapping[str, Any], as_of: datetime | None, params: Params) -> Prepared:
        """Select the options of which a bar or a tick is stored in the range."""
        if as_of is None:
            keys = list(options_of(selector).values_list("key", flat=True))
            as_of = newest_moment(keys) if keys else None
            if as_of is None:
                return Prepared(None, {}, [])
        known = partial(stored_between, begin=as_of - timedelta(days=params["days"]))
        chosen = select(selector, as_of, self.conventions(params), known)
        return Prepared(as_of, {}, chosen.keys, chosen.newest)

    def load(
        self, keys: Sequence[str], overrides: Overrides, as_of: datetime, params: Params, context: Context
    ) -> HistoryInputs:
        return load_history(
            keys,
            begin=as_of - timedelta(days=params["days"]),
            as_of=as_of,
            timeframe=parse_timeframe(params["timeframe"]),
            anchor=None if params["anchor"] == DEFAULT_ANCHOR else Anchor(params["anchor"]),
            params=self.conventions(params),
            asked=params,
        )

    def evaluate(self, inputs: HistoryInputs) -> Answers:
        asked = inputs.asked
        names = [each.name for each in self.columns_for(asked) if each.name != "retryable"]
        return Answers(
            *answer_history(inputs, self.conventions(asked), asked["points"], Extremes(asked["extremes"]), names)
        )


STATUSES = [OK, *(each.word for each in HistoricalGreeks().words)]
"""Pages have them too, so the schema needs a name for them (settings/web.py)."""
