"""The names of the indicators that kernels serve, without loading the kernels."""

from signals.indicators.core import formulas_averages, formulas_momentum, formulas_ranges
from signals.indicators.core.formulas import KERNELS

KERNEL_NAMES = frozenset(KERNELS)
FORMULAS = (formulas_averages, formulas_momentum, formulas_ranges)
