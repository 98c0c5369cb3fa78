"""The noise of displacements: estimated, given, or recorded with their tractions.

It is worked out once for each frame, by a `NoiseSource`, and passed on to everything
that depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import NoiseConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack, Records
from napari_vit_tfm.io.vector_noise import read_vector_noise
from napari_vit_tfm.physics import estimate_noise
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.trust.force_free import noise_in_region, region_from_text
from napari_vit_tfm.trust.whitening import clear_noise, noise_of_modes
from napari_vit_tfm.units import DisplacementUnit

Float64Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FrameNoise:
    """The noise of some frames.

    Parameters
    ----------
    noise : Noise
        Noise of each frame, in grid steps, with arrays of shape (T,).
    local : array of shape (T, H, W), optional
        Standard deviation at every vector, relative to the root mean square of its
        frame; None if it is the same everywhere.
    is_given : bool
        Whether it is known from something else than the whole field. Methods that
        regularise according to the noise then use it instead of their own estimate.
    """

    noise: Noise
    local: Float64Array | None = None
    is_given: bool = False

    def __getitem__(self, frames: slice) -> FrameNoise:
        """The noise of some of the frames."""
        local = None if self.local is None else self.local[frames]
        return replace(self, noise=self.noise[frames], local=local)


class NoiseSource:
    """Works out the noise of frames as a configuration says.

    Parameters
    ----------
    config : NoiseConfig
        Where the noise is known from.
    shape : tuple of int
        Rows and columns of the displacements that are reconstructed.
    n_frames : int
        Their number of frames.
    unit : str, optional, keyword-only
        Their unit, which that of the noise of every vector must be.

    Raises
    ------
    FieldError
        If the region or the noise of every vector does not belong to this grid or these
        frames.
    FieldFileError
        If the file with the noise of every vector cannot be read.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import DisplacementStack
    >>> from napari_vit_tfm.config import NoiseConfig
    >>> from napari_vit_tfm.trust.noise import NoiseSource
    >>> steps = np.random.default_rng(0).normal(0, 0.02, (1, 64, 64, 2))
    >>> stack = DisplacementStack(steps, unit="grid")
    >>> for config in (NoiseConfig(), NoiseConfig(sd=0.05, length=0.0)):
    ...     found = NoiseSource(config, (64, 64), 1).of_frames(stack)
    ...     print(round(float(found.noise.standard_deviation()[0]), 2))
    0.02
    0.05
    """

    def __init__(
        self,
        config: NoiseConfig,
        shape: tuple[int, int],
        n_frames: int,
        *,
        unit: DisplacementUnit | None = None,
    ) -> None:
        self._config = config
        self._inside = None
        self._per_vector = None
        if config.region:
            self._inside = region_from_text(config.region)
            if self._inside.shape != shape:
                raise FieldError(
                    "the region without force has "
                    f"{self._inside.shape[0]} x {self._inside.shape[1]} vectors, the "
                    f"tractions have {shape[0]} x {shape[1]}"
                )
        if config.per_vector:
            self._per_vector = read_vector_noise(config.per_vector, unit=unit)
            if self._per_vector.shape not in ((1, *shape), (n_frames, *shape)):
                raise FieldError(
                    f"{config.per_vector}: the noise of every vector has the shape "
                    f"{self._per_vector.shape}, expected {(1, *shape)} for all frames, "
                    f"or {(n_frames, *shape)}"
                )

    def of_frames(
        self, whole: DisplacementStack, holes: Mask | None = None, *, first: int = 0
    ) -> FrameNoise:
        """The noise of some frames.

        Parameters
        ----------
        whole : DisplacementStack
            The displacements that are reconstructed, finite.
        holes : array of bool, shape (T, H, W), optional
            Where they were not measured.
        first : int, keyword-only
            Number of the first of these frames.

        Returns
        -------
        FrameNoise

        Raises
        ------
        FieldError
            If the region without force has too few vectors, or vectors that are all
            equal.
        """
        steps = whole.in_grid_steps()
        known = None if holes is None or not holes.any() else ~holes
        estimated = estimated_noise(steps, known)
        if not self._config.is_given:
            return FrameNoise(estimated)
        if self._inside is not None:
            return FrameNoise(self._in_region(steps, known, estimated), is_given=True)
        per_unit = whole.grid_steps_per_unit()
        if self._per_vector is None:
            assert self._config.sd is not None
            sd = np.full(len(steps), self._config.sd * per_unit)
            return FrameNoise(self._of_sd(sd, estimated), is_given=True)
        chosen = np.arange(first, first + len(steps)) % len(self._per_vector)
        each = self._per_vector[chosen] * per_unit
        if known is not None:
            each = np.where(known, each, np.nan)
        sd = np.sqrt(np.nanmean(np.square(each), axis=(1, 2)))
        local = np.nan_to_num(each / sd[:, None, None], nan=1.0)
        return FrameNoise(self._of_sd(sd, estimated), local, is_given=True)

    def _of_sd(self, sd: Float64Array, estimated: Noise) -> Noise:
        """Noise of standard deviations, with the length that is given or estimated."""
        length = estimated.length
        if self._config.length is not None:
            length = np.full(sd.shape, self._config.length)
        return noise_of_sd(sd, length)

    def _in_region(
        self, steps: npt.NDArray[np.floating], known: Mask | None, estimated: Noise
    ) -> Noise:
        assert self._inside is not None
        variance, length = estimated.variance.copy(), estimated.length.copy()
        for frame, field in enumerate(steps):
            if not field.any():
                continue
            inside = self._inside if known is None else self._inside & known[frame]
            found = noise_in_region(field, inside)
            variance[frame], length[frame] = found.variance, found.length
        return Noise(variance, length, estimated.is_known | (variance > 0))


def noise_of_sd(sd: Float64Array, length: Float64Array) -> Noise:
    """Noise with standard deviations and correlation lengths ``(T,)``, in grid steps.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.noise import noise_of_sd
    >>> noise = noise_of_sd(np.array([0.1, 0.2]), np.array([0.0, 1.0]))
    >>> noise.standard_deviation().round(6).tolist()
    [0.1, 0.2]
    """
    unit = Noise(np.ones(sd.shape), np.asarray(length), sd > 0)
    return Noise(np.square(sd / unit.standard_deviation()), np.asarray(length), sd > 0)


def estimated_noise(
    steps: npt.NDArray[np.floating], known: Mask | None = None
) -> Noise:
    """Estimate the noise of each frame of displacements from the whole field.

    Parameters
    ----------
    steps : array of shape (T, H, W, 2)
        Displacements in grid steps, finite; at least 4 nodes along each side.
    known : array of bool, shape (T, H, W), optional
        Vectors that were measured; by default all.

    Returns
    -------
    Noise
        As from `estimate_noise`, with arrays of shape (T,).
    """
    x, y = np.moveaxis(steps.astype(np.float64), -1, 0)
    parts = [None] * len(steps) if known is None else list(known)
    found = [
        estimate_noise(*components, known=part)
        for *components, part in zip(x, y, parts, strict=True)
    ]
    variance, length, is_known = (
        np.array([getattr(noise, name) for noise in found])
        for name in ("variance", "length", "is_known")
    )
    return Noise(variance, length, is_known)


def noise_of_residual(
    noise: Noise, residual: npt.NDArray[np.floating], *, tells_noise: bool
) -> Noise:
    """The noise relative to which the size of residuals is given as chi squared.

    Parameters
    ----------
    noise : Noise
        Noise of each frame of the displacements, with arrays of shape (T,).
    residual : array of shape (T, H, W, 2)
        Residuals in grid steps, finite.
    tells_noise : bool, keyword-only
        Whether the residual tells how strong the noise is: that of the bundled network
        does, since it hardly explains noise of short waves, but that of FTTC is much
        smaller than the noise where details are strong. A noise that is given is not
        replaced.

    Returns
    -------
    Noise
        As from `clear_noise`. Where displacements vary from one vector to the next, an
        estimate from them is too large. An estimate from what the tractions do not
        explain is nearer to the truth; the smaller one is taken.
    """
    shape = residual.shape[1], residual.shape[2]
    own = clear_noise(noise, shape)
    if not tells_noise:
        return own
    of_rest = clear_noise(estimated_noise(residual), shape)
    is_less = of_rest.is_known & (
        of_rest.standard_deviation() < own.standard_deviation()
    )
    return Noise(
        np.where(is_less, of_rest.variance, own.variance),
        np.where(is_less, of_rest.length, own.length),
        own.is_known,
    )


def noise_records(steps: npt.NDArray[np.floating], noise: Noise) -> Records:
    """The noise of displacements, as records of their tractions.

    Parameters
    ----------
    steps : array of shape (T, H, W, 2)
        Displacements in grid steps, finite.
    noise : Noise
        Their noise, with arrays of shape (T,).

    Returns
    -------
    mapping of str to array of shape (T,)
        ``relative_noise`` and ``noise_length``, see `fields.RECORD_NAMES`. The noise of
        a frame without displacement is NaN.
    """
    size = np.array([size_of(field) for field in steps])
    moved = (size > 0) & noise.is_known
    relative = noise.standard_deviation() / np.where(moved, size, 1.0)
    return {
        "relative_noise": np.where(moved, relative, np.nan),
        "noise_length": np.asarray(noise.length, dtype=np.float64),
    }


def noise_of_field(
    steps: npt.NDArray[np.floating], records: Records, frame: int
) -> Noise:
    """The noise of one frame: that in the records of its tractions, else estimated.

    Parameters
    ----------
    steps : array of shape (H, W, 2)
        Displacement of the frame, in grid steps, finite.
    records : mapping of str to array of shape (T,)
        Records of the tractions, see `fields.RECORD_NAMES`.
    frame : int
        Number of the frame in the records.

    Returns
    -------
    Noise
        In grid steps, with arrays of shape (1,).
    """
    if {"relative_noise", "noise_length"} <= records.keys():
        relative = float(records["relative_noise"][frame])
        length = float(records["noise_length"][frame])
        if np.isfinite(relative):
            kept = float(noise_of_modes(1.0, length, steps.shape[:2]).mean())
            variance = (relative * size_of(steps)) ** 2 / kept
            return Noise(
                np.array([variance]), np.array([length]), np.array([variance > 0])
            )
    return estimated_noise(steps[None])


def size_of(steps: npt.NDArray[np.floating]) -> float:
    """Root mean square of the components ``(H, W, 2)`` of a frame about their mean."""
    squares = [steps[..., i].var(dtype=np.float64) for i in (0, 1)]
    return float(np.sqrt(np.mean(squares)))
