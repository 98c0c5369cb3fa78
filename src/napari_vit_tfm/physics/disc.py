"""Closed-form displacement of a disc of uniform traction on a half-space.

The three radial functions of the formula depend only on the distance in disc radii.
They are tabulated once, and a field is computed by table look-up.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from array_api_compat import array_namespace, device

from napari_vit_tfm.config import REFERENCE_POISSON

_TABLE_SIZE = 4097

Array = Any
"""A numpy array or a torch tensor."""


def radial_functions(
    z: npt.ArrayLike,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Radial functions ``N``, ``A``, ``B`` of a disc's displacement.

    Parameters
    ----------
    z : array
        Distance from the centre in disc radii, not negative.

    Returns
    -------
    N, A, B : arrays of z's shape
        Dimensionless. ``N, A, B = 2 pi, pi, 0`` at the centre and
        ``4, 2, 2/3`` on the rim.
    """
    z = np.asarray(z, dtype=np.float64)
    # The formulas are singular at z = 0 and z = 1, but their limits are finite:
    # evaluate them slightly beside these points.
    inner = np.clip(np.where(z < 1, z, 0.5), 1e-4, 1 - 1e-12)
    e, k = scipy.special.ellipe(inner**2), scipy.special.ellipk(inner**2)
    n_in, a_in = 4 * e, 2 * e
    b_in = 4 * ((inner**2 + 1) * e + (inner**2 - 1) * k) / (3 * inner**2) - 2 * e
    outer = np.maximum(np.where(z < 1, 2.0, z), 1 + 1e-12)
    e, k = scipy.special.ellipe(outer**-2), scipy.special.ellipk(outer**-2)
    n_out = 4 * (outer**2 * e + (1 - outer**2) * k) / outer
    a_out = n_out / 2
    b_out = (-2 * (outer**2 - 2) * e + 2 * (outer**2 - 1) * k) / (3 * outer)
    return (
        np.where(z < 1, n_in, n_out),
        np.where(z < 1, a_in, a_out),
        np.where(z < 1, b_in, b_out),
    )


def _node_position(z: Array, xp: Any) -> Array:
    """Position of ``z`` in the table, from 0 to 2.

    The nodes are densest at the rim, ``z = 1``, where the slopes of the functions
    diverge logarithmically. As functions of this coordinate they are smooth enough
    for linear interpolation.
    """
    inside = z < 1
    nearness = xp.sqrt(1 - xp.where(inside, z, 1 / xp.where(inside, 1.0, z)))
    return xp.where(inside, 1 - nearness, 1 + nearness)


@cache
def _tables(poisson: float) -> npt.NDArray[np.float32]:
    """Isotropic and directional part at the nodes of the table, ``(2, size)``."""
    position = np.linspace(0, 2, _TABLE_SIZE)
    with np.errstate(divide="ignore"):
        z = np.where(
            position < 1, 1 - (1 - position) ** 2, 1 / (1 - (position - 1) ** 2)
        )
    z[-1] = 1e12
    n, a, b = radial_functions(z)
    # Far away all three functions fall off as 1/z. Outside the disc the table holds
    # z f(z), which is smooth up to infinity.
    weight = np.maximum(z, 1)
    tables = np.stack([(1 - poisson) * n + poisson * a, poisson * b]) * weight
    return tables.astype(np.float32)


def disc_displacement(
    x: Array,
    y: Array,
    centre: Array,
    radius: Array,
    traction: Array,
    *,
    poisson: float = REFERENCE_POISSON,
) -> Array:
    """Displacement of the surface under discs of uniform traction.

    Parameters
    ----------
    x : array of shape (W,)
        Positions of the columns, in any unit of length.
    y : array of shape (H,)
        Positions of the rows, in the same unit.
    centre : array of shape (..., D, 2)
        Centres ``(x, y)`` of D discs, in the same unit.
    radius : array of shape (..., D)
        Radii, in the same unit, positive.
    traction : array of shape (..., D, 2)
        Traction ``(x, y)`` of each disc over Young's modulus.
    poisson : float, keyword-only
        Poisson ratio of the half-space.

    Returns
    -------
    array of shape (..., H, W, 2)
        Displacement ``(x, y)``, in the same unit, with the namespace (numpy or
        torch), device and precision of the arguments.

    Notes
    -----
    The formula is from [1]_. Linear interpolation in the table adds an error below
    1e-6 of the largest displacement of the disc.

    References
    ----------
    .. [1] F. S. Kratz, L. Möllerherm, J. Kierfeld, "Enhancing robustness, precision,
       and speed of traction force microscopy with machine learning", Biophys. J. 122,
       3489-3505 (2023).

    Examples
    --------
    The centre of a disc moves by ``(1 + nu) (2 - nu) R t / E`` along the traction:

    >>> import numpy as np
    >>> from napari_vit_tfm.physics import disc_displacement
    >>> nodes = np.linspace(0, 1, 65)
    >>> u = disc_displacement(
    ...     nodes,
    ...     nodes,
    ...     centre=np.array([[0.5, 0.5]]),
    ...     radius=np.array([0.1]),
    ...     traction=np.array([[0.2, 0.0]]),
    ...     poisson=0.5,
    ... )
    >>> u.shape
    (65, 65, 2)
    >>> u[32, 32].round(4).tolist(), round((1 + 0.5) * (2 - 0.5) * 0.1 * 0.2, 4)
    ([0.045, 0.0], 0.045)
    """
    xp = array_namespace(x, y, centre, radius, traction)
    tables = xp.asarray(_tables(poisson), dtype=x.dtype, device=device(x))
    radius = radius[..., None, None]
    dx = x - centre[..., 0, None, None]
    dy = y[:, None] - centre[..., 1, None, None]
    distance = xp.sqrt(dx * dx + dy * dy)
    z = distance / radius
    isotropic, directional = _look_up(tables, z, xp)
    distance = xp.where(distance > 0, distance, 1.0)
    dx, dy = dx / distance, dy / distance
    cosine = dx * dx - dy * dy
    sine = 2 * dx * dy
    t = traction * (1 + poisson) / np.pi
    t_x = t[..., 0, None, None] * radius
    t_y = t[..., 1, None, None] * radius
    u_x = (isotropic + directional * cosine) * t_x + directional * sine * t_y
    u_y = directional * sine * t_x + (isotropic - directional * cosine) * t_y
    return xp.stack([xp.sum(u_x, axis=-3), xp.sum(u_y, axis=-3)], axis=-1)


def _look_up(tables: Array, z: Array, xp: Any) -> tuple[Array, Array]:
    position = _node_position(z, xp) * ((_TABLE_SIZE - 1) / 2)
    index = xp.clip(xp.astype(position, xp.int32), 0, _TABLE_SIZE - 2)
    fraction = position - xp.astype(index, position.dtype)
    falloff = 1 / xp.where(z < 1, 1.0, z)
    flat = xp.reshape(index, (-1,))
    parts = []
    for table in (tables[0], tables[1]):
        low = xp.reshape(xp.take(table, flat), z.shape)
        high = xp.reshape(xp.take(table, flat + 1), z.shape)
        parts.append((low + fraction * (high - low)) * falloff)
    return parts[0], parts[1]
