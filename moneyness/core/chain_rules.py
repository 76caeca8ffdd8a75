"""How the chains of one underlying are evaluated live."""

from dataclasses import dataclass

from moneyness.core.chain_params import ChainParams

RECORD_SECONDS = (0, 1, 5, 10, 15, 30, 60, 300, 900, 1800, 3600)
"""How often evaluations may be kept. All divide an hour, so that instants of any of them meet. 0: never."""


@dataclass(frozen=True, slots=True)
class ChainRules:
    """`record_seconds`: one of RECORD_SECONDS."""

    params: ChainParams
    record_seconds: int
