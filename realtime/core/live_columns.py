"""What the live Greeks of an option say besides the computation's columns: the market that it was priced in."""

from signalsite.foundation.computations.columns import Column

INPUTS = (
    Column("underlying_price", float, "The spot that the option was priced with."),
    Column("underlying_age_seconds", float, "Its age then."),
    Column("underlying_restored", bool, "Whether an earlier consumer left it."),
    Column("volatility_index", float, "The volatility index of the underlying."),
    Column("volatility_index_age_seconds", float, "Its age then."),
)
