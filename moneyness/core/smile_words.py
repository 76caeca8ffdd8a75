"""The words of smiles, each with its sentence: why a point does not count, and whether an expiry has a fitted smile.

Whoever only reads states loads these, and no kernel.
"""

from enum import IntEnum, IntFlag

MIN_POINTS = 6
"""SVI has five parameters: of fewer points the residual would say nothing."""
MOST_EVALUATIONS = 200
"""Of the residuals, in one run of the optimiser."""


class Gate(IntFlag):
    """Bits of `SmileColumns.refused`."""

    NO_VOLATILITY = 1
    NO_MARKET = 2
    NOT_TRADED = 4
    WIDE_MARKET = 8
    PARITY = 16
    MONOTONICITY = 32
    CONVEXITY = 64
    CALENDAR = 128

    @property
    def word(self) -> str:
        return str(self.name).lower()


GATE_REASONS: dict[Gate, str] = {
    Gate.NO_VOLATILITY: "no option of the strike has a volatility",
    Gate.NO_MARKET: "the expiry is quoted, and the option has no two-sided market",
    Gate.NOT_TRADED: "the expiry trades, and the option did not: nobody paid or quotes its price",
    Gate.WIDE_MARKET: "bid and ask are too far apart in volatility, or one of them has none",
    Gate.PARITY: "call and put disagree about the forward by more than their markets are wide",
    Gate.MONOTONICITY: "calls get dearer or puts cheaper with the strike, beside a neighbour",
    Gate.CONVEXITY: "a butterfly of the point and its neighbours costs less than nothing",
    Gate.CALENDAR: "total variance is below that of the earlier expiry at the same log-moneyness",
}

_WORDS = tuple(tuple(gate.word for gate in Gate if gate & bits) for bits in range(256))


def gate_words(refused: int) -> tuple[str, ...]:
    """Return the words of the bits, none for a point that is used.

    >>> gate_words(Gate.PARITY), gate_words(0)
    (('parity',), ())
    """
    return _WORDS[refused]


class FitStatus(IntEnum):
    """Whether an expiry has a fitted smile, and why not. Without one the parameters are NaN."""

    FITTED = 0
    NOT_ASKED = 1
    EXPIRED = 2
    NO_FORWARD = 3
    TOO_FEW_POINTS = 4
    ONE_SIDED = 5
    NOT_CONVERGED = 6
    REFUSED_FIT = 7

    @property
    def word(self) -> str:
        return self.name.lower()


FIT_REASONS: dict[FitStatus, str | None] = {
    FitStatus.FITTED: None,
    FitStatus.NOT_ASKED: "no fit was asked for",
    FitStatus.EXPIRED: "the expiry is at or past its moment",
    FitStatus.NO_FORWARD: "the expiry has no forward, so its strikes have no log-moneyness",
    FitStatus.TOO_FEW_POINTS: f"fewer than {MIN_POINTS} points passed the gates",
    FitStatus.ONE_SIDED: "all points are on one side of the forward",
    FitStatus.NOT_CONVERGED: f"the optimiser did not settle within {MOST_EVALUATIONS} evaluations",
    FitStatus.REFUSED_FIT: "the fitted smile is farther from its points than the parameters allow",
}
