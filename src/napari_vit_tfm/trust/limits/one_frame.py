"""The smallest forces that could have been found at places of one frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import LimitsConfig
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.trust.limits.adhesions import (
    adhesion_tractions,
    directions,
    far_apart,
    forces_at,
)
from napari_vit_tfm.trust.limits.experiment import Experiment, Progress, Reconstruct
from napari_vit_tfm.trust.limits.trials import Trials, threshold_of
from napari_vit_tfm.trust.noise import estimated_noise

FloatArray = npt.NDArray[np.float64]

_APART = 24
"""Distance between adhesions that are added to the same field, in grid steps; at least
three of their diameters."""

_ROUNDS = (
    np.repeat([1.0, 2.0, 4.0, 8.0, 16.0], 2),
    np.repeat([0.5, 0.7, 0.9, 1.1, 1.4, 2.0], 2),
    np.repeat([0.6, 0.8, 0.9, 1.0, 1.1, 1.3], 2),
)
"""Forces of each round of trials, relative to the limit as far as it is known; in the
first round it is the threshold."""

_WIDER = np.array([0.7, 1.0, 1.4, 2.0, 3.0, 5.0])
"""Forces of further rounds, relative to the limit as far as it is known, for places
where it is beyond the forces of the other rounds. A network can suppress weak forces,
so that its threshold is far below the force that is needed."""

_MOST_WIDER = 6
"""Number of further rounds after which no force counts as found."""


@dataclass(frozen=True, eq=False)
class DetectionLimits:
    """What could have been found at places of a field.

    Forces are in ``E`` times a squared grid step.

    Parameters
    ----------
    place : array of shape (P, 2)
        Row and column of each place, in grid steps.
    smallest_force : array of shape (P,)
        Smallest force of an adhesion that is found with probability 0.9; infinite if no
        force was found, however strong.
    surviving_share : array of shape (P,)
        Share of this force that is reconstructed in the adhesion and around it.
    resolution_steps : array of shape (P,)
        Diameter of the disc that is as large as the area in which the reconstructed
        traction is above half of its maximum, in grid steps.
    threshold : array of shape (P,)
        A force is found if it is above the threshold: 95% of the forces that are
        reconstructed without an adhesion are below it.
    expected_force : array of shape (P, 2)
        Mean force that is reconstructed at the place without the adhesion, components
        x and y. It is subtracted before the comparison with the threshold.
    size_steps : float
        Diameter of the adhesion, in grid steps.
    without : array of shape (n, H, W, 2)
        Tractions ``t / E`` that were reconstructed without an adhesion, float32. They
        do not depend on the places.
    """

    place: npt.NDArray[np.int_]
    smallest_force: FloatArray
    surviving_share: FloatArray
    resolution_steps: FloatArray
    threshold: FloatArray
    expected_force: FloatArray
    size_steps: float
    without: npt.NDArray[np.float32]

    def found(
        self, traction: npt.NDArray[np.floating], direction: npt.NDArray[np.floating]
    ) -> npt.NDArray[np.bool_]:
        """Whether a force along a direction is found at each place.

        Parameters
        ----------
        traction : array of shape (H, W, 2)
            Reconstructed tractions ``t / E``.
        direction : array of shape (P, 2) or (2,)
            Unit vector ``(x, y)`` of each place.

        Returns
        -------
        array of bool, shape (P,)
        """
        force = forces_at(traction[None], self.place, self.size_steps)[0]
        along = ((force - self.expected_force) * direction).sum(axis=-1)
        return np.asarray(along > self.threshold)


def detection_limits(
    steps: npt.NDArray[np.floating],
    traction: npt.NDArray[np.floating],
    place: npt.NDArray[np.integer],
    *,
    reconstruct: Reconstruct,
    size_steps: float,
    substrate: Substrate | None = None,
    spacing_um: float | None = None,
    noise: Noise | None = None,
    config: LimitsConfig | None = None,
    without: npt.NDArray[np.float32] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> DetectionLimits:
    """Smallest forces that could have been found at places of one frame.

    Parameters
    ----------
    steps : array of shape (H, W, 2)
        Measured displacement, in grid steps, finite.
    traction : array of shape (H, W, 2)
        The tractions ``t / E`` that were reconstructed from it, finite.
    place : array of int, shape (P, 2)
        Row and column of each place.
    reconstruct : callable, keyword-only
        Computes tractions as those in `traction` were computed.
    size_steps : float, keyword-only
        Diameter of the adhesion, in grid steps.
    substrate : Substrate, keyword-only, optional
        The gel; by default the reference gel.
    spacing_um : float, keyword-only, optional
        Distance between neighbouring vectors; required for a gel of finite thickness.
    noise : Noise, keyword-only, optional
        Noise of the displacement, in grid steps, with arrays of shape (1,); estimated
        by default.
    config : LimitsConfig, keyword-only, optional
        Direction of the force, number of reconstructions without adhesion, seed.
    without : array of shape (n, H, W, 2), keyword-only, optional
        `DetectionLimits.without` for other places of the same field; it must be
        computed with the same `config`. The limits are the same as without it.
    on_progress : callable, keyword-only, optional
        Called with the numbers of finished and of all steps, which are about as many
        as reconstructions.
    is_cancelled : callable, keyword-only, optional
        Called before every batch. If it returns True, the computation stops.

    Returns
    -------
    DetectionLimits

    Raises
    ------
    Cancelled
        If `is_cancelled` returned True.

    Notes
    -----
    The field is simulated: it is the displacement that the tractions cause, plus new
    noise as strong as that of the measured displacement. What else is wrong with the
    measurement, such as outliers or forces outside the field, does not enter. The
    directions of the adhesion's force are random, unless one is given. The probability
    that a force is found is fitted as a normal distribution of the logarithm of the
    force.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.physics import bayesian_fttc, surface_displacement
    >>> from napari_vit_tfm.trust.limits import detection_limits
    >>> def reconstruct(steps):
    ...     return np.stack(bayesian_fttc(steps[..., 0], steps[..., 1]), axis=-1)
    >>> traction = np.zeros((48, 48, 2))
    >>> traction[8:14, 8:14, 0], traction[8:14, 34:40, 0] = 0.05, -0.05
    >>> noise = np.random.default_rng(0).normal(0, 0.01, traction.shape)
    >>> steps = surface_displacement(traction) + noise
    >>> place = np.array([[34, 24]])
    >>> limits = detection_limits(
    ...     steps, traction, place, reconstruct=reconstruct, size_steps=4.0
    ... )
    >>> bool(0.03 < limits.smallest_force[0] < 0.5)
    True
    """
    config = config or LimitsConfig()
    experiment = Experiment(
        estimated_noise(steps[None]) if noise is None else noise,
        surface_displacement(traction, substrate, spacing_um=spacing_um),
        partial(surface_displacement, substrate=substrate, spacing_um=spacing_um),
        reconstruct,
        config,
    )
    groups = list(far_apart(place, max(_APART, 3 * size_steps)))
    n_first = len(groups) * sum(factors.size for factors in _ROUNDS)
    n_first += config.n_without if without is None else 0
    progress = Progress(n_first + len(groups) * _WIDER.size, on_progress)
    progress.expect(n_first, n_first)
    experiment.on_done, experiment.is_cancelled = progress.add, is_cancelled

    if without is None:
        nothing = np.zeros((config.n_without, *traction.shape))
        # Noise of its own, so that the trials are the same if it is given.
        without = experiment.tractions(nothing, np.random.default_rng([config.seed, 0]))
    rng = np.random.default_rng([config.seed, 1])
    forces = forces_at(without, place, size_steps)
    mean = without.mean(axis=0, dtype=np.float64)
    expected = forces.mean(axis=0)
    trials = Trials(threshold_of(forces - expected, config.direction_deg), size_steps)

    def try_forces(factors: FloatArray, group: npt.NDArray[np.int_]) -> None:
        force = factors[:, None] * limit[group]
        along = directions(force.shape, config.direction_deg, rng)  # (n, G, 2)
        added = adhesion_tractions(
            force[..., None] * along, place[group], size_steps, traction.shape
        )
        change = experiment.tractions(added, rng) - mean
        trials.add(group, place[group], force, along, change)

    for factors in _ROUNDS:
        limit = trials.limit()
        for group in groups:
            try_forces(factors, group)
    for _ in range(_MOST_WIDER):
        limit = trials.limit()
        unknown = np.isinf(trials.checked(limit))
        wider = [group[unknown[group]] for group in groups if unknown[group].any()]
        progress.expect(len(wider) * _WIDER.size, (progress.total - progress.done) / 2)
        for group in wider:
            try_forces(_WIDER, group)
    progress.finish()
    limit = trials.checked(trials.limit())
    share, width = trials.response(limit)
    return DetectionLimits(
        place=np.asarray(place, dtype=np.int_),
        smallest_force=limit,
        surviving_share=share,
        resolution_steps=width,
        threshold=trials.threshold,
        expected_force=expected,
        size_steps=size_steps,
        without=without,
    )
