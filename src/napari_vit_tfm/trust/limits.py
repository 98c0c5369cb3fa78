"""Limits of detection: the smallest force that an experiment could have found.

A test adhesion is added to the displacement of a field by the exact response of the
gel, with new noise, and the tractions are reconstructed. This is repeated with other
forces, directions and noise until the force is known that is found with a probability
of 0.9.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.config import PATCH_SIZE, LimitsConfig
from napari_vit_tfm.displacement.preparation import bridged
from napari_vit_tfm.errors import Cancelled, ConfigError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.physics.spectrum import Noise
from napari_vit_tfm.trust.new_noise import new_noise
from napari_vit_tfm.trust.noise import estimated_noise, noise_of_field, size_of

FloatArray = npt.NDArray[np.float64]

Reconstruct = Callable[[FloatArray], npt.NDArray[np.floating]]
"""Function from displacements in grid steps to tractions ``t / E``, (n, H, W, 2)."""

FOUND = 0.9
"""Probability with which the smallest force is found."""

_AIM = 0.93
"""Probability for which the force is computed. The forces that are needed are not quite
lognormal: aimed at 0.9, fewer are found (``benchmarks/limits.py``)."""

FALSE_ALARM = 0.05
"""Probability with which a force is found where there is none."""

_DIRECTIONS = 16
"""Directions along which a force that is reconstructed without adhesion is taken."""

_AROUND = 2
"""Grid steps around the adhesion in which its force is counted."""

_APART = 24
"""Distance between adhesions that are added to the same field, in grid steps; at least
three of their diameters."""

_SIZE_STEPS = 4.0
"""Diameter of the test adhesion, in grid steps, if none is given."""

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

_LEAST_NEAR = 6
"""Number of trials that a limit must have around it."""

_SPREADS = (0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
"""Candidate standard deviations of the logarithm of the force that is needed."""

_AT_LIMIT = (0.7, 3.0)
"""Forces, in limits, at which surviving share and resolution are measured."""

_LEAST_NOISE = 1e-3
"""Noise, relative to the displacement, that no measured field is below."""

_LAPSE = 0.01
"""Share of the trials whose result is taken for accidental."""


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
        force = _forces(traction[None], self.place, self.size_steps)[0]
        along = ((force - self.expected_force) * direction).sum(axis=-1)
        return np.asarray(along > self.threshold)


@dataclass(frozen=True, eq=False)
class DetectionMap:
    """What could have been found in each frame, at places of a grid.

    Parameters
    ----------
    row, column : arrays of int, shapes (h,) and (w,)
        Places of the test adhesions, in grid steps from the first vector.
    smallest_force : array of shape (T, h, w)
        As in `DetectionLimits`, in ``E`` times a squared grid step. NaN in holes.
    surviving_share, resolution_steps : arrays of shape (T, h, w)
        As in `DetectionLimits`.
    noise_share : array of shape (T,)
        Standard deviation of the noise, relative to the root mean square of the
        displacement. NaN in frames without places.
    size_steps : float
        Diameter of the test adhesion, in grid steps.
    direction_deg : float, optional
        Direction of its force; None is all directions. See `LimitsConfig`.
    spacing_um : float, optional
        Distance between neighbouring vectors.
    gel : Gel
        The gel. Forces are in nN if its Young's modulus and the spacing are known.
    model, model_sha256 : str
        The method, and the checksum of its weights.
    """

    row: npt.NDArray[np.int_]
    column: npt.NDArray[np.int_]
    smallest_force: FloatArray
    surviving_share: FloatArray
    resolution_steps: FloatArray
    noise_share: FloatArray
    size_steps: float
    direction_deg: float | None = None
    spacing_um: float | None = None
    gel: Gel = field(default_factory=Gel)
    model: str = ""
    model_sha256: str = ""

    @property
    def nn_per_unit(self) -> float | None:
        """One unit of `smallest_force` in nN; None if it is not known."""
        if self.gel.young_pa is None or self.spacing_um is None:
            return None
        # 1 Pa um^2 is 1e-3 nN.
        return self.gel.young_pa * self.spacing_um**2 * 1e-3

    def in_known_units(self) -> tuple[FloatArray, str]:
        """The smallest forces and their unit: nN, or ``E`` times a squared grid step.

        Returns
        -------
        force : array of shape (T, h, w)
        unit : str
            As in sentences.
        """
        if self.nn_per_unit is None:
            return self.smallest_force, "E times a squared grid step"
        return self.smallest_force * self.nn_per_unit, "nN"

    def sentence(self) -> str:
        """What could have been found, for the methods section of a paper."""
        force, unit = self.in_known_units()
        known = force[np.isfinite(force)]
        if not known.size:
            return "No force would have been found."
        turn = self.direction_deg
        along = "" if turn is None else f" at {turn:g}\N{DEGREE SIGN} to x, clockwise"
        return (
            f"An adhesion of {self.length(self.size_steps)} in diameter would have "
            f"been found with a probability of {FOUND:.0%} if it had pulled with "
            f"{np.median(known):.2g} {unit}{along}{_spread_in_words(known)}, where "
            f"{FALSE_ALARM:.0%} of the places without an adhesion are taken for one."
            f"{self._response_in_words()}{self._exceptions_in_words()}"
        )

    def in_short(self) -> str:
        """The most important numbers of `sentence`."""
        force, unit = self.in_known_units()
        known = force[np.isfinite(force)]
        if not known.size:
            return "no force would have been found."
        return (
            f"{np.median(known):.2g} {unit}{_spread_in_words(known)}."
            f"{self._response_in_words()}{self._exceptions_in_words()}"
        )

    def _exceptions_in_words(self) -> str:
        words = ""
        n_blind = np.count_nonzero(np.isinf(self.smallest_force))
        if n_blind:
            places = "place" if n_blind == 1 else "places"
            words += f" At {n_blind} more {places}, no force would have been found."
        noise = np.nanmedian(self.noise_share)
        if noise < _LEAST_NOISE:
            words += (
                f" The displacement has hardly any noise ({noise:.2g} of its root mean "
                "square), so these numbers mean nothing for an experiment."
            )
        return words

    def _response_in_words(self) -> str:
        is_known = np.isfinite(self.surviving_share)
        if not is_known.any():
            return ""
        share = np.median(self.surviving_share[is_known])
        width = np.median(self.resolution_steps[is_known])
        return (
            f" {share:.0%} of this force is reconstructed, and its traction appears "
            f"{self.length(float(width))} wide."
        )

    def length(self, steps: float) -> str:
        """A length in grid steps, in words: in um if the spacing is known."""
        if self.spacing_um is None:
            return f"{steps:.2g} grid steps"
        return f"{steps * self.spacing_um:.2g} \N{MICRO SIGN}m"


def _spread_in_words(force: FloatArray) -> str:
    if force.size == 1:
        return ""
    low, high = np.quantile(force, [0.05, 0.95])
    return f" (median of {force.size} places; 5% to 95%: {low:.2g} to {high:.2g})"


def detection_map(
    displacement: DisplacementStack,
    traction: TractionStack,
    *,
    reconstruct: Callable[[DisplacementStack], TractionStack],
    config: LimitsConfig | None = None,
    place: tuple[int, int] | None = None,
    kept: MutableMapping[int, npt.NDArray[np.float32]] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> DetectionMap:
    """Smallest forces that could have been found, on a coarse grid of places.

    Parameters
    ----------
    displacement : DisplacementStack
        The measured displacements, as they were reconstructed.
    traction : TractionStack
        Their tractions.
    reconstruct : callable, keyword-only
        Computes tractions as those in `traction` were computed, in the same unit.
    config : LimitsConfig, keyword-only, optional
        Size and direction of the test adhesion, distance of the places.
    place : tuple of int, keyword-only, optional
        Row and column of the only place, instead of the grid.
    kept : mutable mapping of int to array, keyword-only, optional
        `DetectionLimits.without` of each frame. Those that are missing are added, so
        that the limits at other places of the same field take less time.
    on_progress, is_cancelled : callable, keyword-only, optional
        As for `detection_limits`; for the reconstructions of all frames.

    Returns
    -------
    DetectionMap

    Raises
    ------
    ConfigError
        If the size of the adhesion is in um, and the spacing is not known; if the
        adhesion is smaller than a grid step or larger than half of the field; or if it
        would reach beyond the border at the chosen place.
    Cancelled
        If `is_cancelled` returned True.
    """
    config = config or LimitsConfig()
    spacing_um = traction.spacing_um or displacement.spacing_um
    size_steps = _size_steps(config, spacing_um, traction.grid_shape)
    row, column = (
        grid_of_places(
            traction.grid_shape,
            PATCH_SIZE * config.step_patches,
            # The whole adhesion is in the field.
            margin=_reach(size_steps),
        )
        if place is None
        else (np.array([number]) for number in place)
    )
    if place is not None:
        _check_place(place, traction.grid_shape, _reach(size_steps))
    places = np.stack(np.meshgrid(row, column, indexing="ij"), axis=-1).reshape(-1, 2)
    young = traction.gel.young_pa if traction.unit == "Pa" else None
    to_steps = displacement.grid_steps_per_unit()
    whole, _ = bridged(displacement)

    def tractions_of(steps: FloatArray) -> npt.NDArray[np.floating]:
        found = reconstruct(whole.with_data(steps / to_steps)).data
        return np.nan_to_num(found) / (young or 1.0)

    shape = (traction.n_frames, len(row), len(column))
    force, share, width = np.full((3, *shape), np.nan)
    noise = np.full(traction.n_frames, np.nan)
    for frame in range(traction.n_frames):
        holes = ~np.isfinite(traction.data[frame]).all(axis=-1)
        is_known = ~holes[places[:, 0], places[:, 1]]
        steps = whole.data[frame] * to_steps
        of_frame = noise_of_field(steps, traction.records, frame)
        size = size_of(steps)
        noise[frame] = of_frame.standard_deviation().item() / size if size else 0.0
        # A frame without displacement has no noise that could hide a force.
        if not is_known.any() or noise[frame] == 0:
            continue
        limits = detection_limits(
            steps,
            np.nan_to_num(traction.data[frame]) / (young or 1.0),
            places[is_known],
            reconstruct=tractions_of,
            size_steps=size_steps,
            substrate=Substrate(traction.gel),
            spacing_um=spacing_um,
            noise=of_frame,
            config=replace(config, seed=config.seed + frame),
            without=None if kept is None else kept.get(frame),
            on_progress=_of_frame(on_progress, frame, traction.n_frames),
            is_cancelled=is_cancelled,
        )
        if kept is not None:
            kept[frame] = limits.without
        known = is_known.reshape(shape[1:])
        force[frame][known] = limits.smallest_force
        share[frame][known] = limits.surviving_share
        width[frame][known] = limits.resolution_steps
    return DetectionMap(
        *(row, column, force, share, width, noise, size_steps),
        direction_deg=config.direction_deg,
        spacing_um=spacing_um,
        gel=replace(traction.gel, young_pa=young),
        model=traction.model,
        model_sha256=traction.model_sha256,
    )


def _check_place(place: tuple[int, int], shape: tuple[int, int], reach: int) -> None:
    if any(not reach <= at < n - reach for at, n in zip(place, shape, strict=True)):
        raise ConfigError(
            f"a test adhesion in row {place[0]}, column {place[1]} would reach beyond "
            "the border of the field: choose another place, or a smaller adhesion"
        )


def _size_steps(
    config: LimitsConfig, spacing_um: float | None, shape: tuple[int, int]
) -> float:
    """Diameter of the test adhesion, if the field can have it."""
    if config.size_um is not None and spacing_um is None:
        raise ConfigError(
            "the size of the test adhesion is in um, but the vector spacing is not "
            "known: give the spacing, or leave out the size"
        )
    size_steps = _SIZE_STEPS
    if config.size_um is not None and spacing_um is not None:
        size_steps = config.size_um / spacing_um
    if not 1 <= size_steps <= min(shape) / 2:
        raise ConfigError(
            f"the test adhesion has a diameter of {size_steps:.3g} grid steps, but in "
            f"this field it must have 1 to {min(shape) / 2:g}: not less than a vector, "
            "and not more than half of the field"
        )
    return size_steps


def _of_frame(
    on_progress: Callable[[int, int], None] | None, frame: int, n_frames: int
) -> Callable[[int, int], None] | None:
    """Progress of all frames, from that of one."""
    if on_progress is None:
        return None

    def show(done: int, total: int) -> None:
        on_progress(frame * total + done, n_frames * total)

    return show


def grid_of_places(
    shape: tuple[int, int], step: int, *, margin: int = 0
) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """Rows and columns of a coarse grid of places, centred in a field.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the field.
    step : int
        Distance between neighbouring places, in grid steps.
    margin : int, keyword-only
        Least distance of a place from the border, in grid steps.

    Returns
    -------
    row, column : arrays of int

    Examples
    --------
    >>> from napari_vit_tfm.trust.limits import grid_of_places
    >>> row, column = grid_of_places((40, 64), 16)
    >>> row.tolist(), column.tolist()
    ([3, 19, 35], [7, 23, 39, 55])
    """
    row, column = (
        np.arange(margin + (n - 1 - 2 * margin) % step // 2, n - margin, step)
        for n in shape
    )
    return row, column


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
    experiment = _Experiment(
        estimated_noise(steps[None]) if noise is None else noise,
        surface_displacement(traction, substrate, spacing_um=spacing_um),
        partial(surface_displacement, substrate=substrate, spacing_um=spacing_um),
        reconstruct,
        config,
    )
    groups = list(_far_apart(place, max(_APART, 3 * size_steps)))
    n_first = len(groups) * sum(factors.size for factors in _ROUNDS)
    n_first += config.n_without if without is None else 0
    progress = _Progress(n_first + len(groups) * _WIDER.size, on_progress)
    progress.expect(n_first, n_first)
    experiment.on_done, experiment.is_cancelled = progress.add, is_cancelled

    if without is None:
        nothing = np.zeros((config.n_without, *traction.shape))
        # Noise of its own, so that the trials are the same if it is given.
        without = experiment.tractions(nothing, np.random.default_rng([config.seed, 0]))
    rng = np.random.default_rng([config.seed, 1])
    forces = _forces(without, place, size_steps)
    mean = without.mean(axis=0, dtype=np.float64)
    expected = forces.mean(axis=0)
    trials = _Trials(_threshold(forces - expected, config.direction_deg), size_steps)

    def try_forces(factors: FloatArray, group: npt.NDArray[np.int_]) -> None:
        force = factors[:, None] * limit[group]
        along = _directions(force.shape, config.direction_deg, rng)  # (n, G, 2)
        added = _adhesions(
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


@dataclass(eq=False)
class _Progress:
    """Progress that never goes back, although more work may turn up.

    Parameters
    ----------
    total : int
        Number of steps in all.
    on_progress : callable, optional
        Called with the numbers of finished and of all steps.
    """

    total: int
    on_progress: Callable[[int, int], None] | None
    done: float = 0.0
    _per_run: float = 1.0

    def expect(self, n_runs: int, steps: float) -> None:
        """The next reconstructions count for this many steps together."""
        self._per_run = steps / max(n_runs, 1)

    def add(self, n_runs: int) -> None:
        """Some reconstructions are finished."""
        self.done += n_runs * self._per_run
        self._show()

    def finish(self) -> None:
        """Everything is finished."""
        self.done = self.total
        self._show()

    def _show(self) -> None:
        if self.on_progress is not None:
            self.on_progress(min(int(self.done + 1e-6), self.total), self.total)


@dataclass(eq=False)
class _Experiment:
    """A simulated field, to which adhesions can be added.

    Parameters
    ----------
    noise : Noise
        Noise of the measured displacement, in grid steps.
    still : array of shape (H, W, 2)
        Displacement that its tractions cause, in grid steps.
    caused_by : callable
        Displacement of tractions.
    reconstruct : callable
        Tractions of displacements.
    config : LimitsConfig
        Reconstructions at once.
    """

    noise: Noise
    still: FloatArray
    caused_by: Callable[[FloatArray], FloatArray]
    reconstruct: Reconstruct
    config: LimitsConfig
    on_done: Callable[[int], None] | None = None
    is_cancelled: Callable[[], bool] | None = None

    def tractions(
        self, added: FloatArray, rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Tractions of the field with others added, ``(n, H, W, 2)``, and new noise."""
        found = np.empty(added.shape, dtype=np.float32)
        for start in range(0, len(added), self.config.batch_size):
            if self.is_cancelled is not None and self.is_cancelled():
                raise Cancelled
            part = slice(start, start + self.config.batch_size)
            noise = new_noise(self.noise, added.shape[1:3], len(added[part]), rng)
            found[part] = self.reconstruct(
                self.still + self.caused_by(added[part]) + noise
            )
            if self.on_done is not None:
                self.on_done(len(added[part]))
        return found


class _Trials:
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
        seen = (_forces(change, place, self._size_steps) * along).sum(axis=-1)
        half = _reach(self._size_steps) + _AROUND
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


def _directions(
    shape: tuple[int, ...], direction_deg: float | None, rng: np.random.Generator
) -> FloatArray:
    """Unit vectors ``(x, y)`` of a shape: random, or all along one direction."""
    turn = (
        rng.uniform(0, 2 * np.pi, shape)
        if direction_deg is None
        else np.full(shape, np.radians(direction_deg))
    )
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1)


def _threshold(deviation: FloatArray, direction_deg: float | None) -> FloatArray:
    """Force below which 95% of ``(n, P, 2)`` are, along one direction or all."""
    turn = (
        2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
        if direction_deg is None
        else np.radians([direction_deg])
    )
    along = deviation @ np.stack([np.cos(turn), np.sin(turn)])  # (n, P, directions)
    flat = np.moveaxis(along, 1, 0).reshape(deviation.shape[1], -1)
    return np.asarray(np.quantile(flat, 1 - FALSE_ALARM, axis=1))


def _reach(size_steps: float) -> int:
    """Grid steps from the centre of an adhesion to the last node that it touches."""
    return int(np.ceil(size_steps / 2 + 0.5))


def _disc(size_steps: float) -> FloatArray:
    """Share of an adhesion's force at the nodes around its centre, ``(n, n)``."""
    n, finer = _reach(size_steps), 8
    fine = (np.arange((2 * n + 1) * finer) + 0.5) / finer - n - 0.5
    inside = np.hypot(fine[:, None], fine) < size_steps / 2
    share = inside.reshape(2 * n + 1, finer, 2 * n + 1, finer).mean(axis=(1, 3))
    return np.asarray(share / share.sum())


def _adhesions(
    force: FloatArray,
    place: npt.NDArray[np.integer],
    size_steps: float,
    shape: tuple[int, ...],
) -> FloatArray:
    """Tractions ``(n, H, W, 2)`` of adhesions with forces ``(n, G, 2)`` at places."""
    disc = _disc(size_steps)[..., None]
    n = _reach(size_steps)
    padded = np.zeros((len(force), shape[0] + 2 * n, shape[1] + 2 * n, 2))
    for g, (row, column) in enumerate(place):
        view = padded[:, row : row + 2 * n + 1, column : column + 2 * n + 1]
        view += disc * force[:, g, None, None]
    return padded[:, n : n + shape[0], n : n + shape[1]]


def _forces(
    traction: npt.NDArray[np.floating],
    place: npt.NDArray[np.integer],
    size_steps: float,
) -> FloatArray:
    """Force ``(n, G, 2)`` in the adhesion at each place, and in a ring around it."""
    row, column = np.indices(traction.shape[1:3])
    forces = []
    for r, c in place:
        inside = np.hypot(row - r, column - c) <= size_steps / 2 + _AROUND
        forces.append(traction[:, inside].sum(axis=1, dtype=np.float64))
    return np.stack(forces, axis=1)


def _far_apart(
    place: npt.NDArray[np.integer], distance: float
) -> Iterator[npt.NDArray[np.int_]]:
    """Numbers of places, in groups of places that are far from each other."""
    groups: list[list[int]] = []
    for number, one in enumerate(place):
        for group in groups:
            if np.hypot(*(place[group] - one).T).min() >= distance:
                group.append(number)
                break
        else:
            groups.append([number])
    for group in groups:
        yield np.array(group)
