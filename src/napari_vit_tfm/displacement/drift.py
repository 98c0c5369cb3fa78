"""Drift and rotation of a whole field, measured where the field is quiet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.displacement.holes import holes_of
from napari_vit_tfm.fields import FloatArray

Float64Array = npt.NDArray[np.float64]

_QUIET_SHARE = 1 / 3
"""Share of the vectors, the quietest ones, that determine the motion."""

_BORDER_SHARE = 1 / 8
"""Width of the border where the first estimate is made, as a share of a side."""

_MOST_STEPS = 20


@dataclass(frozen=True)
class RigidMotion:
    """Motion of a whole field.

    Parameters
    ----------
    x, y : float
        Displacement of the centre of the field, in the unit of the field.
    rotation : float
        Difference in displacement between vectors that are one grid step apart, in
        the unit of the field; in grid steps it is the angle in radians. Positive from
        x to y, which is clockwise in an image.
    """

    x: float
    y: float
    rotation: float

    def on_grid(self, shape: tuple[int, int]) -> Float64Array:
        """Displacement at every node of a grid.

        Parameters
        ----------
        shape : tuple of int
            Rows and columns.

        Returns
        -------
        array of shape (H, W, 2)
            In the unit of the motion.
        """
        x, y = _about_centre(shape)
        return np.stack([self.x - self.rotation * y, self.y + self.rotation * x], -1)


def measure_motion(field: npt.NDArray[np.floating]) -> RigidMotion:
    """Measure drift and rotation of one frame where it is quiet.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors in any unit. Holes (NaN) are not used.

    Returns
    -------
    RigidMotion
        In the unit of the field. It is zero if there are no vectors.

    Notes
    -----
    The third of the vectors that a rigid motion explains best determines it, by least
    trimmed squares [1]_ that start at the border. Elsewhere, the cell moves the gel.

    References
    ----------
    .. [1] P. J. Rousseeuw, K. Van Driessen, "Computing LTS regression for large data
       sets", Data Min. Knowl. Discov. 12, 29-45 (2006).

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement import measure_motion
    >>> field = np.full((32, 32, 2), (0.5, -0.25))
    >>> field[8:20, 8:20] += 3.0
    >>> motion = measure_motion(field)
    >>> round(motion.x, 6), round(motion.y, 6), round(abs(motion.rotation), 6)
    (0.5, -0.25, 0.0)
    """
    known = ~holes_of(field)
    if not known.any():
        return RigidMotion(0.0, 0.0, 0.0)
    x, y = (part[known] for part in _about_centre(known.shape))
    vectors = field[known].astype(np.float64)
    # Sums of a small field on a large drift would lose accuracy.
    middle = np.median(vectors, axis=0)
    vectors -= middle
    border = _border(known.shape)[known]
    start = np.median(vectors[border] if border.any() else vectors, axis=0)
    motion = RigidMotion(float(start[0]), float(start[1]), 0.0)
    n_quiet = max(1, round(_QUIET_SHARE * len(vectors)))
    chosen = np.zeros(len(vectors), dtype=np.bool_)
    for _ in range(_MOST_STEPS):
        rest_x = vectors[:, 0] - motion.x + motion.rotation * y
        rest_y = vectors[:, 1] - motion.y - motion.rotation * x
        rest = rest_x**2 + rest_y**2
        quiet = rest <= np.partition(rest, n_quiet - 1)[n_quiet - 1]
        if np.array_equal(quiet, chosen):
            break
        chosen = quiet
        motion = _least_squares(x[quiet], y[quiet], vectors[quiet])
    return RigidMotion(
        motion.x + float(middle[0]), motion.y + float(middle[1]), motion.rotation
    )


def without_motion(field: npt.NDArray[np.floating], motion: RigidMotion) -> FloatArray:
    """Subtract a motion from one frame, in double precision.

    Parameters
    ----------
    field : array of shape (H, W, 2)
        Displacement vectors.
    motion : RigidMotion
        In the same unit.

    Returns
    -------
    array of shape (H, W, 2)
        float32.
    """
    height, width = field.shape[:2]
    return (field - motion.on_grid((height, width))).astype(np.float32)


def _least_squares(x: Float64Array, y: Float64Array, u: Float64Array) -> RigidMotion:
    """Rigid motion with the smallest squared difference from vectors, ``(n, 2)``."""
    mean_x, mean_y, mean = x.mean(), y.mean(), u.mean(axis=0)
    dx, dy, du = x - mean_x, y - mean_y, u - mean
    inertia = float((dx * dx + dy * dy).sum())
    turn = float((dx * du[:, 1] - dy * du[:, 0]).sum())
    rotation = turn / inertia if inertia > 0 else 0.0
    return RigidMotion(
        float(mean[0] + rotation * mean_y), float(mean[1] - rotation * mean_x), rotation
    )


def _about_centre(shape: tuple[int, ...]) -> tuple[Float64Array, Float64Array]:
    """Columns and rows counted from the centre, both ``(H, W)``."""
    y, x = np.indices(shape, dtype=np.float64)
    return x - (shape[1] - 1) / 2, y - (shape[0] - 1) / 2


def _border(shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    border = np.ones(shape, dtype=np.bool_)
    rows, columns = (max(1, round(_BORDER_SHARE * n)) for n in shape)
    border[rows:-rows, columns:-columns] = False
    return border
