"""What chains said at past instants, from what is stored: the bodies of the live answers, by the same evaluation."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from rest_framework.exceptions import NotFound

from moneyness.core.all_levels import level_states
from moneyness.core.chain_params import ChainParams
from moneyness.core.chain_states import analytics_state, atm_state, smile_state, term_state
from moneyness.core.evaluation import ChainEvaluation
from moneyness.core.level_grammar import read_level, with_level
from moneyness.core.smile_deltas import strike_at_delta
from moneyness.core.state_parts import expiry_of
from moneyness.core.told import tell
from moneyness.selectors import chain_params
from moneyness.stored_chains import load_stored
from realtime.core.states import encode, with_members
from realtime.core.topic_grammar import DEEPEST
from realtime.snapshot.chain_queries import ChainQuery
from realtime.snapshot.chain_reads import decode_smile, surface_body, surface_grid
from signals.greeks.core.conventions import GreeksParams

_NO_AGE = {"seq": None, "age_seconds": 0.0}

# Each raises NotFound.


def past_level(underlying: str, level: str, query: ChainQuery, as_of: datetime) -> bytes:
    own = chain_params([underlying])[underlying]
    found = _evaluation(
        underlying, query.expiry, as_of, replace(with_level(own, read_level(level, DEEPEST)), fit=False)
    )
    at = _group(found, query.expiry, as_of)
    for group, state in level_states(found, tell(found)):
        if group == at and state.level == level:
            return _answer(state)
    raise NotFound(f"{underlying} had no option at level {level} of {expiry_of(found, at)} at {as_of.isoformat()}")


def past_atm(underlying: str, query: ChainQuery, as_of: datetime) -> bytes:
    found, at = _of_expiry(underlying, query.expiry, as_of, fit=False)
    return _answer(atm_state(found, at, as_of.isoformat()))


def past_otm_delta(underlying: str, query: ChainQuery, as_of: datetime) -> bytes:
    found, at = _of_expiry(underlying, query.expiry, as_of, fit=False)
    smile = decode_smile(encode(smile_state(found, at, as_of.isoformat())))
    return _answer(strike_at_delta(smile, query.delta, query.call))


def past_smile(underlying: str, query: ChainQuery, as_of: datetime) -> bytes:
    found, at = _of_expiry(underlying, query.expiry, as_of)
    return _answer(smile_state(found, at, as_of.isoformat()))


def past_analytics(underlying: str, query: ChainQuery, as_of: datetime) -> bytes:
    found, at = _of_expiry(underlying, query.expiry, as_of)
    return _answer(analytics_state(found, at, as_of.isoformat()))


def past_term(underlying: str, query: ChainQuery, as_of: datetime) -> bytes:
    found = _evaluation(underlying, None, as_of, chain_params([underlying])[underlying], whole=True)
    return _answer(term_state(found, 0, as_of.isoformat()))


def past_surface(underlying: str, query: ChainQuery, as_of: datetime) -> bytes:
    found = _evaluation(underlying, None, as_of, chain_params([underlying])[underlying], whole=True)
    at = as_of.isoformat()
    states = tuple(encode(smile_state(found, group, at)) for group in range(len(found.chains.expiries.expiry)))
    grid = surface_grid(states, found.params.tenors)
    smiles = [with_members(state, _NO_AGE) for state in states]
    return surface_body(underlying, at, _answer(term_state(found, 0, at)), smiles, grid)


def _answer(state: Any) -> bytes:
    return with_members(encode(state), _NO_AGE)


def _of_expiry(
    underlying: str, expiry: date | None, as_of: datetime, *, fit: bool = True
) -> tuple[ChainEvaluation, int]:
    params = replace(chain_params([underlying])[underlying], fit=fit)
    found = _evaluation(underlying, expiry, as_of, params)
    return found, _group(found, expiry, as_of)


def _evaluation(
    underlying: str, expiry: date | None, as_of: datetime, params: ChainParams, *, whole: bool = False
) -> ChainEvaluation:
    """Evaluate the chains up to an expiry, by default the nearest, or all."""
    conventions = GreeksParams()
    nearest = 1 if expiry is None and not whole else None
    stored = load_stored([(underlying, as_of)], conventions, nearest=nearest, until=expiry)
    if stored is None:
        raise _nothing(underlying, expiry, as_of)
    from moneyness.core.evaluate_chain import evaluate_chain, price_chains  # loads the kernels, which most never need

    priced = price_chains(stored.snapshot, stored.keys, stored.black76, stored.interest, conventions)
    return evaluate_chain(priced, params)


def _group(found: ChainEvaluation, expiry: date | None, as_of: datetime) -> int:
    days = found.chains.expiries.expiry.tolist()
    if expiry is not None and expiry.toordinal() not in days:
        raise _nothing(found.chains.underlyings.key[0], expiry, as_of)
    return 0 if expiry is None else days.index(expiry.toordinal())


def _nothing(underlying: str, expiry: date | None, as_of: datetime) -> NotFound:
    on = f" that expire on {expiry}" if expiry else ""
    return NotFound(f"no option of {underlying}{on} has a price that was young enough at {as_of.isoformat()}")
