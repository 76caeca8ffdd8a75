"""What the builders of states share: the receipt, and values out of columns."""

from datetime import date

from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.priced import Floats, Rows
from moneyness.core.states import ChainReceipt
from signals.greeks.core.conventions import FORWARD_PRICE_WORDS


def receipt(evaluation: ChainEvaluation, group: int) -> ChainReceipt:
    """Return what the group's numbers are based on."""
    expiries, interest = evaluation.chains.expiries, evaluation.interest
    market = expiries.markets[group]
    forward = market.forward
    found = forward.found
    words = FORWARD_PRICE_WORDS[forward.price_source] if found else None
    return ChainReceipt(
        forward=value(expiries.forward, group),
        forward_source=str(forward.source) if found else None,
        forward_price_source=words and str(words),
        forward_price_age_seconds=forward.price_age if found else None,
        forward_strikes=forward.parity.strikes if found and forward.parity else None,
        rate=value(expiries.rate, group),
        expiry_years=value(expiries.years, group),
        quotes_used=int(interest.quotes_used[group]),
        quotes_refused=int(interest.quotes_refused[group]),
    )


def value(column: Floats | Rows, row: int) -> float:
    return float(column[row])


def spot_of(evaluation: ChainEvaluation, group: int) -> float:
    return value(evaluation.chains.underlyings.spot, int(evaluation.chains.expiries.underlying[group]))


def underlying_of(evaluation: ChainEvaluation, group: int) -> str:
    return evaluation.chains.underlyings.key[int(evaluation.chains.expiries.underlying[group])]


def expiry_of(evaluation: ChainEvaluation, group: int) -> str:
    return date.fromordinal(int(evaluation.chains.expiries.expiry[group])).isoformat()
