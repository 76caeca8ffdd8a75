"""The Greeks that callers can ask for by name: their parameter, their columns, and the choice of theta."""

from signals.greeks.core.conventions import EARLY_EXERCISE, FIRST_ORDER, HIGHER_ORDER, Theta
from signalsite.foundation.computations.columns import Column
from signalsite.foundation.computations.contract import Parameter

GREEKS = Parameter(
    name="greeks",
    type=str,
    default=FIRST_ORDER,
    choices=(*FIRST_ORDER, *HIGHER_ORDER, *EARLY_EXERCISE),
    most=len(FIRST_ORDER) + len(HIGHER_ORDER) + len(EARLY_EXERCISE),
    picks_columns=True,
    help="The Greeks wanted, `exercise` and `early_exercise_premium`. Answers have exactly these, in the order of the "
    "columns.",
)
THETA = Parameter(
    name="theta",
    type=str,
    default=Theta.INSTANTANEOUS.value,
    choices=[each.value for each in Theta],
    help="instantaneous: the derivative, / 365; next_day: the model's price a calendar day later less the price now, "
    "the rest held; on the last day the value at expiry less the price now.",
)
HIGHER_ORDER_COLUMNS = (
    Column("vanna", float, "Delta per 0.01 of volatility."),
    Column("volga", float, "Vega per 0.01 of volatility; also vomma."),
    Column("charm", float, "Delta per calendar day that passes."),
    Column("speed", float, "Gamma per 1 of the underlying."),
    Column("zomma", float, "Gamma per 0.01 of volatility."),
    Column("color", float, "Gamma per calendar day that passes."),
    Column("veta", float, "Vega per calendar day that passes; also DvegaDtime."),
    Column("ultima", float, "Volga per 0.01 of volatility; also DvommaDvol."),
    Column("dividend_rho", float, "Per 0.01 of dividend yield; 0 for black76. Also epsilon, psi, phi, rho-2."),
    Column("elasticity", float, "Percent of the price per percent of the underlying; also lambda, omega."),
)
EARLY_EXERCISE_COLUMNS = (
    Column("exercise", str, "european or american: how the option was priced."),
    Column("early_exercise_premium", float, "The price less the European one at that volatility; null for european."),
)
