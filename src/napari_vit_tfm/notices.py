"""Notices about fields whose tractions have to be read with care."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_vit_tfm.config import BUNDLED_MODEL, WindowConfig
from napari_vit_tfm.fields import Displacement, DisplacementStack, drift_of
from napari_vit_tfm.physics.spectrum import estimate_noise
from napari_vit_tfm.units import DisplacementUnit, unit_label

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

# Forces that do not balance also cause a mean displacement, which is not a drift. Of
# 2000 disc fields as in the original work, a fifth have a mean longer than the root
# mean square of the remaining field, but none has a ratio of 1.9 or more. For balanced
# forces, as in cells, the ratio is about a tenth or less.
NOTABLE_DRIFT = 2.0
"""Ratio of the mean displacement to the root mean square of the remaining field above
which a drift is reported."""


class FrameNotices:
    """Notices about the frames of a field, collected batch by batch.

    There is a notice about a notable drift, and one about noise that cannot be
    estimated, if the method uses such an estimate.

    Parameters
    ----------
    method : ReconstructionMethod
        Method of the reconstruction.
    """

    def __init__(self, method: ReconstructionMethod) -> None:
        self._method = method
        self._n_frames, self._stop = 0, 0
        self._drift: tuple[float, float] | None = None
        self._unit: DisplacementUnit | None = None
        self._unknown_noise: list[int] = []
        self._given: dict[str, str] = {}

    def add(self, part: DisplacementStack, start: int) -> Iterator[str]:
        """Check the next frames. A notice is given for the first frame it is about.

        Parameters
        ----------
        part : DisplacementStack
            Finite frames. Frames that have been checked before are skipped.
        start : int
            Number of the first frame.

        Yields
        ------
        str
            A notice.
        """
        new = max(self._stop - start, 0)
        if new < part.n_frames:
            self._check(part.part(new, part.n_frames), start + new)
        for topic, notice in self._notices():
            if topic not in self._given:
                self._given[topic] = notice
                yield notice

    def totals(self) -> Iterator[str]:
        """The notices that later frames have changed since they were given."""
        for topic, notice in self._notices():
            if notice != self._given[topic]:
                yield notice

    def _check(self, part: DisplacementStack, start: int) -> None:
        self._n_frames += part.n_frames
        self._stop = start + part.n_frames
        self._unit = part.unit
        for length, rest in _drifts(part):
            is_notable = length > NOTABLE_DRIFT * rest
            if is_notable and (self._drift is None or length > self._drift[0]):
                self._drift = length, rest
        if self._method.estimates_noise:
            self._unknown_noise += [
                start + number
                for number, (x, y) in enumerate(np.moveaxis(part.data, -1, 1))
                if np.ptp(x) + np.ptp(y) > 0 and not estimate_noise(x, y).is_known
            ]

    def _notices(self) -> Iterator[tuple[str, str]]:
        if self._drift is not None:
            yield "drift", self._about_drift(*self._drift)
        if self._unknown_noise:
            yield "noise", self._about_noise()

    def _about_drift(self, length: float, rest: float) -> str:
        size = f"a drift of up to {length:.3g} {unit_label(self._unit)}"
        if rest > 0:
            size += f", {length / rest:.3g} times the remaining field"
        else:
            size += " without any other displacement"
        if self._method.ignores_drift:
            return f"subtracted {size}; a uniform displacement causes no traction"
        return (
            f"the field has {size}, which {self._method.name} may interpret as "
            "traction: subtract the mean of every frame first, or use a model that "
            f"does it, such as {BUNDLED_MODEL}"
        )

    def _about_noise(self) -> str:
        return (
            f"the noise of {len(self._unknown_noise)} of {self._n_frames} frames "
            f"cannot be estimated (first: frame {self._unknown_noise[0]}) because "
            f"nearly all vectors are equal; {self._method.name} assumes that there is "
            "no noise"
        )


def is_resampled(displacement: Displacement, method: ReconstructionMethod) -> bool:
    """Whether displacements must be resampled to the grid of a method."""
    return method.grid is not None and method.grid != displacement.grid_shape


def grid_notices(
    displacement: Displacement, method: ReconstructionMethod
) -> Iterator[str]:
    """Notices about a field that is resampled, or processed in windows."""
    rows, columns = displacement.grid_shape
    if is_resampled(displacement, method):
        assert method.grid is not None
        yield (
            f"{method.name} works only on {method.grid[0]} x {method.grid[1]} vectors: "
            f"the field of {rows} x {columns} is resampled, and adhesions of a few "
            "grid steps lose much of their traction"
        )
    if method.needs_windows((rows, columns)):
        side = WindowConfig.side
        yield (
            f"the field of {rows} x {columns} vectors is reconstructed in overlapping "
            f"windows of up to {side} x {side}"
        )


def _drifts(part: DisplacementStack) -> Iterator[tuple[float, float]]:
    """Length of the mean vector and root mean square of the rest of every frame."""
    # One frame at a time: a long stack may not fit into memory in double precision.
    for field, mean in zip(part.data, drift_of(part.data), strict=True):
        rest = np.sqrt(np.square(field - mean).sum(axis=-1).mean())
        yield float(np.hypot(*mean)), float(rest)
