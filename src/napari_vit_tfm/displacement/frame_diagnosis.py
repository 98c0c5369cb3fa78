"""What is measured in one frame of displacements, as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.displacement.axes import AxesFit
from napari_vit_tfm.displacement.border import evidence_of_outside_forces
from napari_vit_tfm.displacement.checks import FrameChecks
from napari_vit_tfm.displacement.drift import without_motion
from napari_vit_tfm.displacement.holes import bridge
from napari_vit_tfm.fields import Checks, FloatArray

_CLEAR = 5.0
"""Gradients below this number of standard deviations of the noise are not judged."""

_ROUNDING = 1e-6
"""Rounding errors of displacements, relative to the drift that is subtracted."""

# Forces that do not balance also cause a mean displacement, which is not a drift. In
# synthetic fields, it is up to 4 times the root mean square of the remaining field at
# the free edge of a layer, and a tenth of it for balanced forces, as in cells.
NOTABLE_DRIFT = 6.0
"""Ratio of drift, or rotation at the border, to the root mean square of the remaining
field above which it is reported."""

SMALLEST_GRID = 9
"""Fewest vectors along a side with which border and moment are judged."""


@dataclass(frozen=True, slots=True)
class FrameDiagnosis:
    """What was found in one frame.

    Parameters
    ----------
    n_vectors : int
        Number of vectors of the grid.
    holes, outliers, marks, zeros : int
        Numbers of vectors that are missing, unlike their neighbours, marks for missing
        vectors, exactly zero.
    mark : float, optional
        The most frequent value of the marks.
    mark_in_both : bool
        Whether both components of all these vectors are marks.
    in_zero_regions : int
        Number of zeros in connected regions.
    strongest : tuple of int
        Row and column of the strongest outlier.
    drift : tuple of float
        Displacement ``(x, y)`` of the whole field, in the unit of the displacements.
    rotation : float
        In this unit per grid step.
    rest : float
        Root mean square of the displacement without drift and rotation.
    largest : float
        Length of the longest of these vectors, outliers left out.
    noise : float, optional
        Standard deviation of the noise per component; None if it is not known.
    gradient : float
        Largest gradient, in the unit per grid step, beyond what noise explains.
    outside : float
        Evidence for forces outside the field of view, the logarithm of a ratio of
        probabilities; 0 if the displacement cannot be told from noise.
    contraction : float
        Moment of the tractions, from -1 (all point outwards) to 1 (all point inwards).
    work : float
        Work of given tractions, from -1 to 1; 0 if there are none.
    fit : AxesFit, optional
        How well given tractions, and turned ones, fit; None if there are none.
    scale : float, optional
        Measured displacement over that of the given tractions; None if it is not known.
    """

    n_vectors: int
    holes: int
    outliers: int
    marks: int
    zeros: int
    mark: float | None
    mark_in_both: bool
    in_zero_regions: int
    strongest: tuple[int, int]
    drift: tuple[float, float]
    rotation: float
    rest: float
    largest: float
    noise: float | None
    gradient: float
    outside: float
    contraction: float = 0.0
    work: float = 0.0
    fit: AxesFit | None = None
    scale: float | None = None

    @property
    def relative_drift(self) -> float:
        """Length of the drift relative to the rest; infinite if there is no rest."""
        length = float(np.hypot(*self.drift))
        if self.rest == 0:
            return np.inf if length > 0 else 0.0
        return length / self.rest

    @property
    def is_at_rest(self) -> bool:
        """Whether all vectors that are there are zero."""
        return 0 < self.zeros == self.n_vectors - self.holes - self.marks

    @property
    def is_rotated(self) -> bool:
        """Whether the rotation is much larger than the rest at the field's border."""
        at_border = abs(self.rotation) * math.sqrt(self.n_vectors) / 2
        return at_border > NOTABLE_DRIFT * self.rest > 0


def diagnose(checks: FrameChecks, clean: FloatArray | None = None) -> FrameDiagnosis:
    """Diagnose a frame that has been checked, without its tractions.

    Parameters
    ----------
    checks : FrameChecks
        What was found in the frame.
    clean : array of shape (H, W, 2), optional
        ``bridge(checks.usable)``, if it has been computed.
    """
    clean = bridge(checks.usable) if clean is None else clean
    rest = without_motion(clean, checks.motion)
    drift = math.hypot(checks.motion.x, checks.motion.y)
    # What remains of a mere drift are rounding errors.
    rest[np.abs(rest) < _ROUNDING * drift] = 0
    noise = checks.noise or 0.0
    lengths = np.hypot(rest[..., 0], rest[..., 1])
    return FrameDiagnosis(
        n_vectors=checks.holes.size,
        holes=int(np.count_nonzero(checks.holes)),
        outliers=checks.outliers.count - checks.outliers.marks.count,
        marks=checks.outliers.marks.count,
        mark=checks.outliers.marks.value,
        mark_in_both=checks.outliers.marks.in_both,
        zeros=int(np.count_nonzero(checks.zeros)),
        in_zero_regions=int(np.count_nonzero(checks.zero_regions)),
        strongest=checks.outliers.strongest,
        drift=(checks.motion.x, checks.motion.y),
        rotation=checks.motion.rotation,
        rest=float(np.sqrt(np.square(lengths, dtype=np.float64).mean())),
        largest=float(lengths.max()),
        noise=checks.noise,
        gradient=_gradient(rest, noise),
        outside=(
            evidence_of_outside_forces(clean, noise=noise)
            if min(rest.shape[:2]) >= SMALLEST_GRID
            else 0.0
        ),
    )


def _gradient(field: FloatArray, noise: float) -> float:
    """Largest central difference of a component, beyond what noise explains."""
    largest = 0.0
    for axis in (0, 1):
        if field.shape[axis] > 2:
            ahead = np.take(field, range(2, field.shape[axis]), axis=axis)
            behind = np.take(field, range(field.shape[axis] - 2), axis=axis)
            largest = max(largest, float(np.abs(ahead - behind).max()) / 2)
    return max(largest - _CLEAR * noise / math.sqrt(2), 0.0)


_STORED = np.dtype(
    [
        ("n_vectors", "<i8"),
        ("holes", "<i8"),
        ("outliers", "<i8"),
        ("marks", "<i8"),
        ("zeros", "<i8"),
        ("mark", "<f8"),
        ("mark_in_both", "?"),
        ("in_zero_regions", "<i8"),
        ("strongest", "<i8", (2,)),
        ("drift", "<f8", (2,)),
        ("rotation", "<f8"),
        ("rest", "<f8"),
        ("largest", "<f8"),
        ("noise", "<f8"),
        ("gradient", "<f8"),
        ("outside", "<f8"),
        ("contraction", "<f8"),
    ]
)
"""What is stored of a `FrameDiagnosis`: all that is found without given tractions."""


def as_checks(frames: Sequence[FrameDiagnosis]) -> Checks:
    """What was found in frames without given tractions, as an array.

    Parameters
    ----------
    frames : sequence of FrameDiagnosis
        What was found in ``n`` frames.

    Returns
    -------
    structured array of shape (n,)
        A field for each value; NaN for numbers that are not known.
    """
    checks = np.zeros(len(frames), dtype=_STORED)
    for name in _STORED.names or ():
        values = [getattr(frame, name) for frame in frames]
        checks[name] = [np.nan if value is None else value for value in values]
    return checks


def from_checks(checks: Checks) -> list[FrameDiagnosis]:
    """What was found in frames, from the array of `as_checks`."""
    found = []
    for row in checks:
        values = {name: row[name].tolist() for name in _STORED.names or ()}
        for name in ("strongest", "drift"):
            values[name] = tuple(values[name])
        for name in ("mark", "noise"):
            values[name] = None if np.isnan(values[name]) else values[name]
        found.append(FrameDiagnosis(**values))
    return found
