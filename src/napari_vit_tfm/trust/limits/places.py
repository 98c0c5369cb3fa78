"""The smallest forces that could have been found, at places of all frames."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import PATCH_SIZE, LimitsConfig
from napari_vit_tfm.displacement.preparation import bridged
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.trust.limits.adhesions import reach
from napari_vit_tfm.trust.limits.one_frame import detection_limits
from napari_vit_tfm.trust.limits.trials import FALSE_ALARM, FOUND
from napari_vit_tfm.trust.noise import noise_of_field, size_of

FloatArray = npt.NDArray[np.float64]

_SIZE_STEPS = 4.0
"""Diameter of the test adhesion, in grid steps, if none is given."""

_LEAST_NOISE = 1e-3
"""Noise, relative to the displacement, that no measured field is below."""


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
            margin=reach(size_steps),
        )
        if place is None
        else (np.array([number]) for number in place)
    )
    if place is not None:
        _check_place(place, traction.grid_shape, reach(size_steps))
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
