"""Why an item has no value, in a sentence with the numbers that show it."""

from signals.greeks.core.status import Status
from signalsite.foundation.computations.columns import BAD_INPUT, StatusWord

STATUS_WORDS = (
    StatusWord("below_intrinsic", "the price is under the discounted intrinsic value"),
    StatusWord("above_maximum", "the price is at or over the most the option can be worth"),
    StatusWord("no_time_value", "the price is the intrinsic value: volatility is undefined"),
    StatusWord("no_price", "no usable quote, or none young enough", retryable=True),
    StatusWord("no_underlying", "no forward from the source named", retryable=True),
    StatusWord(
        "strikes_disagree",
        "no majority of the expiry's strikes agrees about its forward, or a few strikes alone decide where it lies, "
        "and no future of it is there",
    ),
    StatusWord("expired", "at or past the moment of expiry"),
    BAD_INPUT,
    StatusWord("not_converged", "neither our solver nor py_vollib's found a volatility"),
)
"""One word for every Status but OK. A retry can help only where data may still arrive."""

_REASONS = {
    Status.BELOW_INTRINSIC: "price {price:.10g} is below the discounted intrinsic value {intrinsic:.10g}",
    Status.ABOVE_MAXIMUM: "price {price:.10g} is not below the most the option can be worth, {maximum:.10g}",
    Status.NO_TIME_VALUE: "price {price:.10g} equals the discounted intrinsic value: every low volatility explains it",
    Status.NO_PRICE: "no usable {wanted} price within the quote age allowed",
    Status.NO_UNDERLYING: "no forward from source {forward} for this expiry",
    Status.EXPIRED: "the contract expired at or before as_of",
    Status.BAD_INPUT: "an input is not a number that can be used",
    Status.NOT_CONVERGED: "no solver found a volatility for price {price:.10g}",
    Status.STRIKES_DISAGREE: "the strikes of this expiry disagree about its forward: the {strikes:.0f} of {pairs:.0f} "
    "that agree most are no majority, or a few of them alone decide where it lies",
}


def reason(
    status: Status,
    *,
    price: float,
    intrinsic: float,
    maximum: float,
    wanted: str,
    forward: str,
    strikes: float,
    pairs: float,
) -> str | None:
    """Return the sentence, None for OK.

    `wanted` and `forward` are the price and the forward source that the caller chose; `strikes` of `pairs` agree about
    the forward.
    """
    text = _REASONS.get(status)
    if text is None:
        return None
    return text.format(
        price=price,
        intrinsic=intrinsic,
        maximum=maximum,
        wanted=wanted,
        forward=forward,
        strikes=strikes,
        pairs=pairs,
    )
