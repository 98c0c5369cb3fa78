"""How wide the interrogation windows of a displacement are, as far as it tells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.displacement.drift import measure_motion, without_motion
from napari_vit_tfm.trust.conditions import Conditions
from napari_vit_tfm.trust.noise import size_of

FloatArray = npt.NDArray[np.float64]

_WIDTHS = np.arange(0, 3.5, 0.5)
"""Sides of square windows that are compared, in grid steps."""

_PRIOR = np.array([1 / 3, *np.full(6, 1 / 9)])
"""Probabilities of the sides before the displacement is looked at: a third without
windows, as for tracked beads."""

_TRUST = 1 / 30
"""Share of the evidence that counts. Forces need not be as strong along the axes as
between them, and neighbouring waves of a tapered field are alike."""

_WAVES = (0.12, 0.54)
"""Wave numbers that are looked at, in cycles per grid step. Windows hardly change
longer waves."""

_RING = 0.02
"""Width of the rings of wave numbers, in cycles per grid step."""

_LEAST_POWER = 1e-9
"""Power that is not looked at, relative to the strongest wave."""

_LEAST_EXCESS = 1.05
"""Power of a ring that is looked at, relative to the noise."""

_LEAST_PASSED = 1e-6
"""Share of the power of a wave that windows leave at least."""

_MAX_NOISE_LENGTH = 1.5
_ITERATIONS = 3


@dataclass(frozen=True)
class SquaredWidth:
    """What is known about the squared side of the windows.

    Parameters
    ----------
    mean, deviation : float
        Expected value and standard deviation, in squared grid steps.
    """

    mean: float
    deviation: float

    @classmethod
    def of_probabilities(cls, probabilities: FloatArray) -> SquaredWidth:
        """That of sides with these probabilities, ``(7,)``."""
        squares = _WIDTHS**2
        mean = float(probabilities @ squares)
        variance = float(probabilities @ (squares - mean) ** 2)
        return cls(mean, float(np.sqrt(variance)))


UNKNOWN = SquaredWidth.of_probabilities(_PRIOR)
"""What is known without the displacement."""


@dataclass(frozen=True, eq=False)
class Windows:
    """The interrogation windows of the displacement of a frame.

    Parameters
    ----------
    displacement : array of shape (H, W, 2)
        Measured displacement in any unit, finite.
    conditions : Conditions
        Its noise.

    Notes
    -----
    An average over square windows weakens waves along the axes of the grid more than
    waves of the same length between the axes. Forces of a cell have no such preference
    for the axes of a grid. So in every ring of wave numbers the power is compared with
    one unknown number, times what windows of a width leave of each wave, plus the
    noise. Sides of 0 to 3 grid steps are compared.
    """

    displacement: npt.NDArray[np.floating]
    conditions: Conditions

    @cached_property
    def squared_width(self) -> SquaredWidth:
        """What the displacement tells of the width; `UNKNOWN` if it tells nothing."""
        evidence = _TRUST * self._log_likelihoods()
        weights = _PRIOR * np.exp(evidence - evidence.max())
        return SquaredWidth.of_probabilities(weights / weights.sum())

    def _log_likelihoods(self) -> FloatArray:
        """Logarithms of the likelihoods of the sides, up to a constant, ``(7,)``."""
        steps = without_motion(self.displacement, measure_motion(self.displacement))
        steps = np.asarray(steps - steps.mean(axis=(0, 1)), dtype=np.float64)
        shape = steps.shape[0], steps.shape[1]
        rings = _rings(shape)
        tapered = steps * _taper(shape)[..., None]
        modes = np.fft.rfft2(tapered, axes=(0, 1))
        power = np.square(np.abs(modes)).sum(axis=-1) / (2 * steps[..., 0].size)
        # It is relative to the displacement with its rotation.
        noise = self._noise_power(shape) * size_of(self.displacement) ** 2
        noise = noise + _LEAST_POWER * power.max()
        power, noise = power.ravel()[rings.modes], noise.ravel()[rings.modes]
        if not len(power):
            return np.zeros_like(_WIDTHS)
        is_seen = rings.sum(power) > _LEAST_EXCESS * rings.sum(noise)
        if not is_seen.any():
            return np.zeros_like(_WIDTHS)
        # The unknown number of each ring is the most probable one.
        passed, excess = rings.passed, power - noise
        strength = rings.sum(excess) / rings.sum(passed)
        for _ in range(_ITERATIONS):
            expected = rings.of_modes(np.maximum(strength, 0)) * passed + noise
            weights = passed / expected**2
            strength = rings.sum(weights * excess) / rings.sum(weights * passed)
        expected = rings.of_modes(np.maximum(strength, 0)) * passed + noise
        found = -rings.sum(np.log(expected) + power / expected)
        return np.asarray(found[:, is_seen].sum(axis=1))

    def _noise_power(self, shape: tuple[int, int]) -> FloatArray:
        """Power of the noise in each mode, relative to that of the displacement."""
        length = min(self.conditions.noise_length, _MAX_NOISE_LENGTH)
        rows, columns = (
            np.exp(-((2 * np.pi * length * np.fft.fftfreq(n)) ** 2)) for n in shape
        )
        rows, columns = rows / rows.mean(), columns / columns.mean()
        kept = rows[:, None] * columns[: shape[1] // 2 + 1]
        return np.asarray(self.conditions.noise**2 * kept)


@dataclass(frozen=True, eq=False)
class _Rings:
    """The modes of the real Fourier transform on a grid, in rings of wave numbers.

    Parameters
    ----------
    modes : array of int, shape (M,)
        Places of the modes in the flat transform, ring after ring.
    starts : array of int, shape (R,)
        First mode of each ring.
    passed : array of shape (7, M)
        Share of the power of each mode that windows of each of the sides leave.
    """

    modes: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]
    passed: FloatArray

    def sum(self, values: FloatArray) -> FloatArray:
        """Sums over the modes of each ring, ``(..., R)``."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=-1))

    def of_modes(self, values: FloatArray) -> FloatArray:
        """Values of rings, ``(..., R)``, for each of their modes."""
        counts = np.diff(self.starts, append=self.modes.size)
        return np.repeat(values, counts, axis=-1)


@lru_cache(maxsize=8)
def _rings(shape: tuple[int, int]) -> _Rings:
    k_x = np.fft.rfftfreq(shape[1])[None, :]
    k_y = np.fft.fftfreq(shape[0])[:, None]
    k = np.hypot(k_x, k_y).ravel()
    first, last = _WAVES
    number = np.floor((k - first) / _RING).astype(np.int64)
    chosen = np.flatnonzero((k >= first) & (k < last))
    modes = chosen[np.argsort(number[chosen], kind="stable")]
    starts = np.flatnonzero(np.diff(number[modes], prepend=-1))
    passed = [
        (np.sinc(side * k_x) * np.sinc(side * k_y)).ravel()[modes] ** 2
        for side in _WIDTHS
    ]
    return _Rings(modes, starts, np.maximum(passed, _LEAST_PASSED))


@lru_cache(maxsize=8)
def _taper(shape: tuple[int, int]) -> FloatArray:
    """Weights that fall to zero at the border, with a mean square of one."""
    rows, columns = (scipy.signal.windows.hann(n + 2)[1:-1] for n in shape)
    weights = rows[:, None] * columns
    return np.asarray(weights / np.sqrt(np.square(weights).mean()))
