"""Nodes, weights and interpolation matrices of the exercise boundary and its integrals (kernel_american.py).

Time to expiry is in units of the option's own T throughout, so all of this is the same for every option.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import leggauss

NODES = 10
"""Where the boundary is solved for: Chebyshev points in the square root of time, without the point at expiry, where it
is known. One number for all schemes: the compiler unrolls loops over it."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How much work an option gets, and the tables for it.

    `node_root` (NODES): square root of time to expiry at each node. `share`, `weight` (points): each point's distance
    from the node as a share of the node's time, as its square root, and its weight. `boundary` (NODES, points, NODES):
    the interpolation at each point of each node. `price_share`, `price_weight`, `price` (price_points, NODES): the same
    for the premium's integral, whose node is T itself.
    """

    points: int
    price_points: int
    cold: int  # iterations from the first guess
    warm: int  # iterations from the boundary of a volatility nearby
    node_root: np.ndarray
    share: np.ndarray
    weight: np.ndarray
    boundary: np.ndarray
    price_share: np.ndarray
    price_weight: np.ndarray
    price: np.ndarray


def _interpolation(root: np.ndarray) -> np.ndarray:
    """Return the matrix from values at the nodes (0 at expiry) to values at these square roots of time: barycentric."""
    place = np.arange(NODES + 1)
    nodes, weights = np.cos(np.pi * place / NODES), (-1.0) ** place
    weights[[0, -1]] *= 0.5
    distance = (2.0 * root - 1.0)[..., None] - nodes
    hit = np.abs(distance) < 1e-14
    terms = weights / np.where(hit, 1.0, distance)
    matrix = np.where(hit.any(-1, keepdims=True), hit, terms / terms.sum(-1, keepdims=True))
    return np.ascontiguousarray(matrix[..., :NODES])


def scheme(*, points: int, price_points: int, cold: int, warm: int) -> Scheme:
    """Return the tables of a scheme.

    With v the time between a point and its node as a share of the node's time, both integrals run over g = sqrt(v),
    which takes the singularity at v = 0 away. At the other end, expiry, the boundary behaves like a square root, so g
    slows down there too: g = 1 - (1 - t)^2 for the boundary. The premium's integral needs more points near v = 0, for
    a spot just off the boundary: g = 3 t^2 - 2 t^3.
    """
    node_root = 0.5 * (1.0 + np.cos(np.pi * np.arange(NODES) / NODES))
    x, w = leggauss(points)
    t = 0.5 * (1.0 + x)
    share = 1.0 - (1.0 - t) ** 2
    weight = w * share * 2.0 * (1.0 - t)  # dv = 2 g dg, dt = dx / 2
    x, w = leggauss(price_points)
    t = 0.5 * (1.0 + x)
    price_share = t * t * (3.0 - 2.0 * t)
    price_weight = w * price_share * 6.0 * t * (1.0 - t)
    return Scheme(
        points=points,
        price_points=price_points,
        cold=cold,
        warm=warm,
        node_root=node_root,
        share=share,
        weight=weight,
        boundary=_interpolation(node_root[:, None] * np.sqrt(1.0 - share**2)),
        price_share=price_share,
        price_weight=price_weight,
        price=_interpolation(np.sqrt(1.0 - price_share**2)),
    )


EASY = scheme(points=6, price_points=16, cold=6, warm=2)
HARD = scheme(points=10, price_points=32, cold=10, warm=4)
