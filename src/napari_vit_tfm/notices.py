"""What a user should know about a field before trusting what a method makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from napari_vit_tfm.config import BUNDLED_MODEL
from napari_vit_tfm.fields import Displacement, DisplacementStack, drift_of
from napari_vit_tfm.physics.spectrum import estimate_noise
from napari_vit_tfm.units import DisplacementUnit, unit_label

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

# Forces that do not balance displace the field on the whole, too, and that is no
# drift: of 2000 disc fields of the original work's kind, a fifth have a mean longer
# than the root mean square of the rest, but none one of 1.9 times that. Where the
# forces balance, as a cell's do, it is about a tenth or less.
NOTABLE_DRIFT = 2.0
"""How many times the root mean square of the rest a mean displacement has to be
longer than, in any frame, to be told as a drift."""


class FrameNotices:
    """What a user should know about the frames of a field, gathered batch by batch.

    There is a sentence about a drift that is notable, and one about noise that cannot
    be estimated, if the method uses such an estimate.

    Parameters
    ----------
    method : ReconstructionMethod
        What is to reconstruct them.
    """

    def __init__(self, method: ReconstructionMethod) -> None:
        self._method = method
        self._n_frames, self._stop = 0, 0
        self._drift: tuple[float, float] | None = None
        self._unit: DisplacementUnit | None = None
        self._unknown_noise: list[int] = []
        self._told: dict[str, str] = {}

    def add(self, part: DisplacementStack, start: int) -> Iterator[str]:
        """Look at the next frames; a sentence comes with the first frame it is about.

        Parameters
        ----------
        part : DisplacementStack
            Frames, finite. Those that have been looked at before are passed over.
        start : int
            Number of the first one.

        Yields
        ------
        str
            A sentence.
        """
        new = max(self._stop - start, 0)
        if new < part.n_frames:
            self._look_at(part.part(new, part.n_frames), start + new)
        for topic, sentence in self._sentences():
            if topic not in self._told:
                self._told[topic] = sentence
                yield sentence

    def totals(self) -> Iterator[str]:
        """The sentences once more that have changed since, because of later frames."""
        for topic, sentence in self._sentences():
            if sentence != self._told[topic]:
                yield sentence

    def _look_at(self, part: DisplacementStack, start: int) -> None:
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

    def _sentences(self) -> Iterator[tuple[str, str]]:
        if self._drift is not None:
            yield "drift", self._about_drift(*self._drift)
        if self._unknown_noise:
            yield "noise", self._about_noise()

    def _about_drift(self, length: float, rest: float) -> str:
        size = f"a drift of up to {length:.3g} {unit_label(self._unit)}"
        if rest > 0:
            size += f", {length / rest:.3g} times the rest of the field"
        else:
            size += " and nothing else"
        if self._method.ignores_drift:
            return f"taken off: {size}; a uniform displacement makes no traction"
        return (
            f"{self._method.name} gets the field as it is, with {size}, and may take "
            "it for traction: subtract the mean of every frame before, or choose a "
            f"model that does, such as {BUNDLED_MODEL}"
        )

    def _about_noise(self) -> str:
        return (
            f"the noise of {len(self._unknown_noise)} of {self._n_frames} frames "
            f"cannot be estimated (first: frame {self._unknown_noise[0]}): nearly all "
            f"vectors are the same; {self._method.name} takes the others for exact"
        )


def is_resampled(displacement: Displacement, method: ReconstructionMethod) -> bool:
    """Whether displacements have to be brought to a method's own grid."""
    return method.grid is not None and method.grid != displacement.grid_shape


def resampling_notice(displacement: Displacement, method: ReconstructionMethod) -> str:
    """What the user should know about a field that is resampled."""
    assert method.grid is not None
    rows, columns = displacement.grid_shape
    return (
        f"{method.name} works on {method.grid[0]} x {method.grid[1]} vectors only: "
        f"the field of {rows} x {columns} is resampled, and adhesions of a few grid "
        "steps lose much of their traction"
    )


def _drifts(part: DisplacementStack) -> Iterator[tuple[float, float]]:
    """Length of the mean vector and root mean square of the rest, for every frame."""
    # Frame by frame: in double precision a long stack may not fit into memory.
    for field, mean in zip(part.data, drift_of(part.data), strict=True):
        rest = np.sqrt(np.square(field - mean).sum(axis=-1).mean())
        yield float(np.hypot(*mean)), float(rest)
