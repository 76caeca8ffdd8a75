"""One quantity at a time, stateless, for arrays or scalars: thin names over the engine, which computes all at once.

Arguments of calculate_iv as engine.implied_greeks, of the others as engine.model_greeks; each returns one array, NaN
where there is no answer. Whoever needs two quantities or the reason calls the engine.
"""

import numpy as np
from numpy.typing import ArrayLike

from signals.greeks.core.engine import implied_greeks, model_greeks


def calculate_iv(**inputs: ArrayLike) -> np.ndarray:
    return implied_greeks(**inputs).implied_volatility


def calculate_delta(**inputs: ArrayLike) -> np.ndarray:
    return model_greeks(**inputs).delta


def calculate_gamma(**inputs: ArrayLike) -> np.ndarray:
    return model_greeks(**inputs).gamma


def calculate_theta(**inputs: ArrayLike) -> np.ndarray:
    return model_greeks(**inputs).theta


def calculate_vega(**inputs: ArrayLike) -> np.ndarray:
    return model_greeks(**inputs).vega


def calculate_rho(**inputs: ArrayLike) -> np.ndarray:
    return model_greeks(**inputs).rho
