"""Checks of one frame that its preparation and the doctor share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.displacement.drift import RigidMotion, measure_motion
from napari_vit_tfm.displacement.holes import Mask, holes_of
from napari_vit_tfm.displacement.outliers import Outliers, find_outliers
from napari_vit_tfm.displacement.zeros import zero_regions, zeros_of
from napari_vit_tfm.fields import FloatArray


@dataclass(frozen=True, eq=False)
class FrameChecks:
    """What was found in one frame. Lengths are in the unit of the frame.

    Parameters
    ----------
    holes, zeros, zero_regions : arrays of bool, shape (H, W)
        Where vectors are missing, where they are exactly zero, and where the zeros
        form regions.
    outliers : Outliers
        Vectors that are unlike their neighbours, outside the regions of zeros.
    motion : RigidMotion
        Drift and rotation.
    noise : float, optional
        Standard deviation of the noise per component; None if it cannot be estimated.
    usable : array of shape (H, W, 2)
        The vectors that are none of these; NaN elsewhere.
    """

    holes: Mask
    zeros: Mask
    zero_regions: Mask
    outliers: Outliers
    motion: RigidMotion
    noise: float | None
    usable: FloatArray


def check_frame(field: npt.NDArray[np.floating]) -> FrameChecks:
    """Check one frame.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors in any unit. Vectors that are NaN or infinite are holes.

    Returns
    -------
    FrameChecks

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement.checks import check_frame
    >>> field = np.random.default_rng(0).normal(0.3, 0.01, (32, 32, 2))
    >>> field[2, 3], field[20:24, 20:24], field[9, 9] = np.nan, 0, 2
    >>> checks = check_frame(field)
    >>> int(checks.holes.sum()), int(checks.zeros.sum()), checks.outliers.count
    (1, 16, 1)
    >>> round(checks.motion.x, 2), round(checks.noise, 3)
    (0.3, 0.01)
    """
    holes, regions = holes_of(field), zero_regions(field)
    usable = np.asarray(field, dtype=np.float32).copy()
    usable[holes | regions] = np.nan
    outliers = find_outliers(usable)
    usable[outliers.mask] = np.nan
    return FrameChecks(
        holes=holes,
        zeros=zeros_of(field),
        zero_regions=regions,
        outliers=outliers,
        motion=measure_motion(usable),
        noise=outliers.noise,
        usable=usable,
    )
