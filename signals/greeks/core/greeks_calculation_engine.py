"""One quantity at a time, for arrays or scalars. The engine computes all of them at once; each function here picks one.

`calculate_iv` takes the arguments of engine.implied_greeks, the others those of engine.model_greeks. Each returns one
array, NaN where there is no result. Call the engine if you need two quantities, or the reason for a NaN.
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
