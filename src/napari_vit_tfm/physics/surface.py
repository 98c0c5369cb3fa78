"""Displacement of a gel's surface under known tractions, without periodic images."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.physics.halfspace import filter_modes
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.physics.substrate import Substrate

_REACH = 4.0
"""Distance at which a layer hardly moves any more, in thicknesses."""

_THICK = 20.0
"""Thickness of a layer that is computed as a half-space, in field widths."""

_UNIFORM = 1e-6
"""Wave number, in radians per grid step, that stands for a uniform traction."""


def surface_displacement(
    traction: npt.NDArray[np.floating],
    substrate: Substrate | None = None,
    *,
    spacing_um: float | None = None,
) -> npt.NDArray[np.float64]:
    """Displacement that tractions cause at the nodes of their grid.

    Parameters
    ----------
    traction : array of shape (..., H, W, 2)
        Tractions ``t / E``, each uniform in the square of its node.
    substrate : Substrate, optional
        The gel; by default the reference gel.
    spacing_um : float, keyword-only, optional
        Distance between neighbouring vectors, in um; required for a gel of finite
        thickness.

    Returns
    -------
    array of shape (..., H, W, 2)
        Displacement in grid steps. It is zero far from the tractions.

    Raises
    ------
    FieldError
        If the spacing is required and missing.

    Notes
    -----
    On a half-space it is exact. The response of a layer is known in Fourier space; the
    tractions are surrounded by zeros as far as the layer moves. Its strain energy is
    within 1% of the exact one. A layer that is thicker than 20 field widths is computed
    as a half-space.

    Examples
    --------
    A thin layer moves less:

    >>> import numpy as np
    >>> from napari_vit_tfm.gel import Gel
    >>> from napari_vit_tfm.physics import Substrate, surface_displacement
    >>> traction = np.zeros((32, 32, 2))
    >>> traction[12:20, 12:20, 0] = 0.1
    >>> thick = surface_displacement(traction)
    >>> layer = Substrate(Gel(thickness_um=4.0))
    >>> thin = surface_displacement(traction, layer, spacing_um=1.0)
    >>> bool(thin[16, 16, 0] < 0.7 * thick[16, 16, 0])
    True
    """
    substrate = substrate or Substrate()
    gel = substrate.gel
    assert gel.poisson is not None
    x, y = np.ascontiguousarray(np.moveaxis(traction, -1, 0), dtype=np.float64)
    response = substrate.response(spacing_um=spacing_um)
    side = max(x.shape[-2:])
    if not gel.is_layer:
        return np.stack(raster_displacement(x, y, poisson=gel.poisson), axis=-1)
    assert gel.thickness_um is not None
    assert spacing_um is not None
    thickness = gel.thickness_um / spacing_um
    if thickness > _THICK * side:
        return np.stack(raster_displacement(x, y, poisson=gel.poisson), axis=-1)
    shape = x.shape[-2:]
    padded = tuple(
        scipy.fft.next_fast_len(n + math.ceil(_REACH * thickness), real=True)
        for n in shape
    )
    room = [(0, 0)] * (x.ndim - 2) + [
        (0, full - n) for full, n in zip(padded, shape, strict=True)
    ]
    made = filter_modes(
        np.pad(x, room),
        np.pad(y, room),
        lambda k: response(np.maximum(k, _UNIFORM)),
        pad=False,
    )
    height, width = shape
    return np.stack([part[..., :height, :width] for part in made], axis=-1)
