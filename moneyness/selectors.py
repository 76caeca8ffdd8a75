"""Reads how chains are evaluated."""

import logging
import math
from collections.abc import Iterable

from django.conf import settings

from moneyness.core.chain_params import AtmVolatility, ChainParams, DealerSign, GammaFormula
from moneyness.core.chain_rules import RECORD_SECONDS, ChainRules
from moneyness.core.settings_texts import parse_bands, parse_deltas, parse_tenors
from moneyness.models import MOST_WALLS, ChainSettings

logger = logging.getLogger(__name__)


def chain_params(underlyings: Iterable[str]) -> dict[str, ChainParams]:
    """Return how each of these underlyings (keys) is evaluated: by its settings, or else by the defaults."""
    return {key: rules.params for key, rules in chain_rules(underlyings).items()}


def chain_rules(underlyings: Iterable[str]) -> dict[str, ChainRules]:
    """Return the same with what only the consumer needs. One query. A row that cannot be read counts as absent."""
    keys = list(underlyings)
    found = dict.fromkeys(keys, default_rules())
    for row in ChainSettings.objects.filter(underlying__in=keys):
        try:
            found[row.underlying_id] = _rules(row)
        except (ValueError, TypeError) as error:
            logger.error("the chain settings of %s cannot be read, the defaults count: %s", row.underlying_id, error)
    return found


def default_rules() -> ChainRules:
    return ChainRules(ChainParams(strikes=settings.CHAIN_STRIKES), settings.MONEYNESS_RECORD_SECONDS)


def _rules(row: ChainSettings) -> ChainRules:
    """Raises ValueError for what a form refuses."""
    strikes = settings.CHAIN_STRIKES if row.strikes is None else row.strikes
    every = settings.MONEYNESS_RECORD_SECONDS if row.record_seconds is None else row.record_seconds
    if not (0.5 <= row.hysteresis <= 1.0 and 0.0 < row.worst_fit < math.inf):
        raise ValueError(f"hysteresis {row.hysteresis}, worst_fit {row.worst_fit}")
    if not (1 <= strikes <= 1000 and row.walls <= MOST_WALLS and every in RECORD_SECONDS):
        raise ValueError(f"strikes {strikes}, walls {row.walls}, record_seconds {every}")
    params = ChainParams(
        strikes=strikes,
        bands=parse_bands(row.bands),
        deltas=parse_deltas(row.deltas),
        tenors=parse_tenors(row.tenors),
        hysteresis=row.hysteresis,
        atm_volatility=AtmVolatility(row.atm_volatility),
        gamma_formula=GammaFormula(row.gamma_formula),
        dealer_sign=DealerSign(row.dealer_sign),
        walls=row.walls,
        worst_fit=row.worst_fit,
    )
    return ChainRules(params, every)
