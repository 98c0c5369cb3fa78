"""Which force is found with a given probability, from trials with other forces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.trust.limits.adhesions import AROUND, forces_at, reach

FloatArray = npt.NDArray[np.float64]

FOUND = 0.9
"""Probability with which the smallest force is found."""

_AIM = 0.93
"""Probability for which the force is computed. The forces that are needed are not quite
lognormal: aimed at 0.9, fewer are found (``benchmarks/limits.py``)."""

FALSE_ALARM = 0.05
"""Probability with which a force is found where there is none."""

_DIRECTIONS = 16
"""Directions along which a force that is reconstructed without adhesion is taken."""

_LEAST_NEAR = 6
"""Number of trials that a limit must have around it."""

_SPREADS = (0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
"""Candidate standard deviations of the logarithm of the force that is needed."""

_AT_LIMIT = (0.7, 3.0)
"""Forces, in limits, at which surviving share and resolution are measured."""

_LAPSE = 0.01
"""Share of the trials whose result is taken for accidental."""


class Trials:
    """The adhesions that were added so far, and what was reconstructed of them.

    Parameters
    ----------
    threshold : array of shape (P,)
        Force above which an adhesion is found.
    size_steps : float
        Diameter of the adhesions.
    """

    def __init__(self, threshold: FloatArray, size_steps: float) -> None:
        self.threshold = threshold
        self._size_steps = size_steps
        n = len(threshold)
        self._force: list[list[float]] = [[] for _ in range(n)]
        self._seen: list[list[float]] = [[] for _ in range(n)]
        self._around: list[list[FloatArray]] = [[] for _ in range(n)]

    def add(
        self,
        group: npt.NDArray[np.int_],
        place: npt.NDArray[np.integer],
        force: FloatArray,
        along: FloatArray,
        change: FloatArray,
    ) -> None:
        """Take the tractions ``(n, H, W, 2)`` that adhesions add, at places (G, 2)."""
        seen = (forces_at(change, place, self._size_steps) * along).sum(axis=-1)
        half = reach(self._size_steps) + AROUND
        padded = np.pad(change, [(0, 0), (half, half), (half, half), (0, 0)])
        for g, (number, (row, column)) in enumerate(zip(group, place, strict=True)):
            view = padded[:, row : row + 2 * half + 1, column : column + 2 * half + 1]
            self._force[number] += force[:, g].tolist()
            self._seen[number] += seen[:, g].tolist()
            self._around[number] += list((view * along[:, g, None, None]).sum(axis=-1))

    def limit(self) -> FloatArray:
        """Force that is found with probability 0.9, ``(P,)``; at first a threshold."""
        return np.array(
            [
                _limit(np.array(force), np.array(seen) > threshold, threshold)
                for force, seen, threshold in zip(
                    self._force, self._seen, self.threshold, strict=True
                )
            ]
        )

    def checked(self, limit: FloatArray) -> FloatArray:
        """The limits; infinite if there are no forces around that were found."""
        checked = np.full(limit.shape, np.inf)
        for number, is_near in enumerate(self._near(limit)):
            found = np.array(self._seen[number])[is_near] > self.threshold[number]
            if found.size >= _LEAST_NEAR and found.mean() >= 0.5:
                checked[number] = limit[number]
        return checked

    def _near(self, limit: FloatArray) -> Iterator[npt.NDArray[np.bool_]]:
        """Which trials of each place have forces near its limit."""
        for forces, most in zip(self._force, limit, strict=True):
            force = np.array(forces)
            yield (force >= _AT_LIMIT[0] * most) & (force <= _AT_LIMIT[1] * most)

    def response(self, limit: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Surviving share and width, in grid steps, of forces near the limit."""
        share, width = np.full((2, len(limit)), np.nan)
        for number, is_near in enumerate(self._near(limit)):
            if not is_near.any():
                continue
            force = np.array(self._force[number])
            seen = np.array(self._seen[number])[is_near]
            share[number] = seen.sum() / force[is_near].sum()
            mean = np.array(self._around[number])[is_near].mean(axis=0)
            above = np.count_nonzero(mean > mean.max() / 2)
            width[number] = 2 * np.sqrt(above / np.pi)
        return share, width


def _limit(force: FloatArray, found: npt.NDArray[np.bool_], start: float) -> float:
    """Force that is found with probability 0.9, from trials; `start` without any.

    The logarithm of the force that is needed is normal. Its mean and standard deviation
    have a uniform prior between bounds, and the probability that a force is found is
    the mean over their posterior.
    """
    if not len(force):
        return start
    trials = np.log(force)
    mean = np.linspace(trials.min() - 0.7, trials.max() + 0.7, 80)[:, None, None]
    spread = np.array(_SPREADS)[:, None]
    chance = _LAPSE / 2 + (1 - _LAPSE) * scipy.special.ndtr((trials - mean) / spread)
    fit = np.log(np.where(found, chance, 1 - chance)).sum(axis=-1)
    weight = np.exp(fit - fit.max())
    candidates = np.linspace(mean.min(), mean.max() + 1, 300)
    # Its axes are means, spreads and candidates.
    is_found = scipy.special.ndtr((candidates - mean) / spread)
    probability = np.tensordot(weight, is_found, 2) / weight.sum()
    return float(np.exp(candidates[np.searchsorted(probability, _AIM)]))


def threshold_of(deviation: FloatArray, direction_deg: float | None) -> FloatArray:
    """Force below which 95% of ``(n, P, 2)`` are, along one direction or all."""
    turn = (
        2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
        if direction_deg is None
        else np.radians([direction_deg])
    )
    along = deviation @ np.stack([np.cos(turn), np.sin(turn)])  # (n, P, directions)
    flat = np.moveaxis(along, 1, 0).reshape(deviation.shape[1], -1)
    return np.asarray(np.quantile(flat, 1 - FALSE_ALARM, axis=1))
