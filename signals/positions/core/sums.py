"""Sums whose last digit does not depend on the order of the terms."""

import numpy as np


def grouped_sums(values: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Return the sum of each group of terms: `values` is C x N without NaN, `group` (intp, ascending) is of length N.

    The answer is C x groups, 0 for a group without terms. Sums are made in pairs, and what each addition rounds away is
    kept and added at the end (Ogita, Rump, Oishi 2005, "Accurate sum and dot product"), as `math.fsum` does it exactly.
    """
    found = np.zeros((len(values), groups))
    counts = np.bincount(group, minlength=groups)
    begins = np.cumsum(counts) - counts
    padded = np.concatenate([values, np.zeros((len(values), 1))], axis=1)
    levels = np.ceil(np.log2(np.maximum(counts, 1))).astype(np.intp)
    for level in np.unique(levels[counts > 0]).tolist():
        some = np.flatnonzero((levels == level) & (counts > 0))
        offsets = np.arange(1 << level)
        places = np.where(offsets < counts[some, None], begins[some, None] + offsets, values.shape[1])
        found[:, some] = _sum_pairs(padded[:, places])
    return found


def _sum_pairs(terms: np.ndarray) -> np.ndarray:
    """Return the sum over the last axis, whose length is a power of two."""
    total, lost = terms, np.zeros(terms.shape)
    while total.shape[-1] > 1:
        half = total.shape[-1] // 2
        a, b = total[..., :half], total[..., half:]
        total = a + b
        of_b = total - a
        lost = lost[..., :half] + lost[..., half:]
        lost += b - of_b
        lost += a - (total - of_b)
    answer: np.ndarray = total[..., 0] + lost[..., 0]
    return answer
