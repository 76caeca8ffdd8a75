"""The columns of each kind of answer of the computation `moneyness`."""

from moneyness.core.chain_rows import GREEKS, What
from signalsite.foundation.computations.columns import Column


def _numbers(*names_and_help: tuple[str, str]) -> list[Column]:
    return [Column(name, float, help_text) for name, help_text in names_and_help]


_GREEK_COLUMNS = [
    Column(f"{greek}_{kind}", float, help_text)
    for kind, help_text in (
        ("mean", "Mean of the priced options."),
        ("by_open_interest", "Sum, weighted by open interest."),
        ("by_volume", "Sum, weighted by volume."),
    )
    for greek in GREEKS
]
_ALWAYS = (
    Column("chain_as_of", str, "The instant of the chain, ISO 8601 in UTC."),
    Column("expiry", str, "YYYY-MM-DD; null for a constant maturity."),
    Column("spot", float, "The underlying's price."),
)
_ATM_STRIKE = Column("atm_strike", float, "The strike nearest to the forward, the lower of two as near.")
_VOLATILITY = Column(
    "implied_volatility", float, "Of the level (mean of the priced options), the delta, the strike or the maturity."
)
_INTEREST = _numbers(
    ("call_open_interest", "In units of the underlying."),
    ("put_open_interest", "In units of the underlying."),
    ("call_open_interest_change", "Since the session before."),
    ("put_open_interest_change", "Since the session before."),
    ("call_volume", "In units of the underlying."),
    ("put_volume", "In units of the underlying."),
    ("gamma_exposure", "Net, by gamma_formula and dealer_sign."),
)
_OPTION_TYPE = Column("option_type", str, "call or put; of a strike, the option that stands for it.")
_DELTA = Column("delta", float, "The absolute delta asked for; of a strike, its option's.")
_STRIKE = Column("strike", float, "Of a delta by interpolation: no contract has it. Null beyond the chain.")
_OF: dict[What, tuple[Column, ...]] = {
    What.SUMMARY: (
        *_numbers(("expiry_years", "In years of 365 days."), ("forward", "Of the expiry.")),
        Column("forward_source", str, "parity, future, spot or carried_future."),
        Column("forward_price_source", str, "Which price the forward came from."),
        Column("rate", float, "Continuous, annual, as a decimal."),
        _ATM_STRIKE,
        *_numbers(
            ("atm_implied_volatility", "By atm_volatility; annual, as a decimal."),
            ("atm_interpolated", "At the forward, linear in total variance over log-moneyness."),
            ("atm_nearest", "Mean of call and put at atm_strike."),
            ("atm_straddle_implied", "What the straddle implies."),
            ("straddle", "Price of call and put at atm_strike."),
            ("expected_move", "One standard deviation until expiry: forward x volatility x sqrt(T)."),
            ("risk_reversal_25", "Volatility of the 25-delta call less that of the put."),
            ("butterfly_25", "Their mean less the volatility at the money."),
            ("slope", "Of volatility over log-moneyness, at the forward."),
        ),
        Column("skew_from", str, "fit or chain."),
        *_numbers(
            ("implied_mean", "Of S_T / F, by the distribution that prices imply."),
            ("implied_deviation", "Of ln(S_T / F)."),
            ("implied_skewness", "Of ln(S_T / F)."),
            ("implied_kurtosis", "Of ln(S_T / F), over the normal distribution's."),
            ("max_pain", "The strike at which all options together are worth least."),
            ("put_call_ratio_open_interest", "Puts over calls."),
            ("put_call_ratio_volume", "Puts over calls."),
        ),
        *_INTEREST,
        *_numbers(
            ("call_gamma_exposure", "Of the calls."),
            ("put_gamma_exposure", "Of the puts."),
            ("gamma_flip", "The spot at which net gamma exposure is zero, nearest to the spot."),
        ),
        Column("fit_status", str, "fitted, or why the smile has no fit."),
        *_numbers(*((f"fit_{name}", f"SVI's {name}.") for name in ("a", "b", "rho", "m", "sigma"))),
        Column("fit_residual", float, "Root mean square, in volatility."),
        Column("quotes_used", int, "Options with a volatility."),
        Column("quotes_refused", int, "Options with a quote and no volatility, or refused by a gate."),
    ),
    What.LEVELS: (
        _ATM_STRIKE,
        Column("level", str, "ATM, ITM1, OTM1, OTM25D, ..."),
        Column("side", str, "both, calls or puts."),
        Column("options", int, "How many the level has."),
        Column("priced", int, "How many of them have a volatility."),
        *_numbers(
            ("strike_low", "The lowest strike of the level."),
            ("strike_high", "The highest one."),
            ("open_interest", "Sum, in units of the underlying."),
            ("volume", "Sum, in units of the underlying."),
            ("premium", "Sum of price x open interest."),
        ),
        _VOLATILITY,
        Column("implied_volatility_by_open_interest", float, "Weighted by open interest."),
        Column("quality", float, "Share of the options that are priced from a two-sided market that is not wide."),
        *_GREEK_COLUMNS,
    ),
    What.DELTAS: (
        _ATM_STRIKE,
        _OPTION_TYPE,
        _DELTA,
        _STRIKE,
        _VOLATILITY,
        Column("nearest_instrument_key", str, "The option whose delta is nearest."),
        *_numbers(
            ("nearest_strike", "Its strike."),
            ("nearest_delta", "Its delta."),
            ("nearest_implied_volatility", "Its volatility."),
            ("nearest_price", "Its price."),
        ),
    ),
    What.STRIKES: (
        _ATM_STRIKE,
        _STRIKE,
        _OPTION_TYPE,
        Column("log_moneyness", float, "ln(K / F)."),
        Column("bid_volatility", float, "What the bid implies."),
        _VOLATILITY,
        Column("ask_volatility", float, "What the ask implies."),
        _DELTA,
        *_numbers(("call_volatility", "The call's own."), ("put_volatility", "The put's own.")),
        Column("refused", str, "The gates that refuse the point, with commas; null if it counts."),
        *_INTEREST,
        *_numbers(
            ("pain", "What all options are worth if the underlying settles at the strike."),
            ("probability_above", "Risk-neutral probability that it settles above."),
        ),
    ),
    What.TERM: (
        Column("days", float, "Of the constant maturity."),
        _VOLATILITY,
        Column("from_expiry", str, "The expiry before it."),
        Column("to_expiry", str, "The expiry after it."),
    ),
}
COLUMNS = tuple(
    {column.name: column for column in (*_ALWAYS, *(one for each in _OF.values() for one in each))}.values()
)
COLUMNS_OF: dict[What, tuple[Column, ...]] = {what: (*_ALWAYS, *columns) for what, columns in _OF.items()}
"""The columns of each kind of answer."""
PICKED = {column.name for column in COLUMNS} - {column.name for column in _ALWAYS}
