"""What the residual of tractions says about them, in numbers and in sentences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.displacement.preparation import bridged
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.trust.noise import noise_of_field
from napari_vit_tfm.trust.points import PointOfDivergence
from napari_vit_tfm.trust.remainder import (
    LongWaves,
    Place,
    Remainder,
    remainder_of,
    unexplained_map,
)
from napari_vit_tfm.trust.whitening import clear_noise
from napari_vit_tfm.units import unit_label

Float64Array = npt.NDArray[np.float64]

_NEEDED = ("explained", "chi_squared", "relative_noise", "noise_length", "allowance")
"""Records that a verdict is based on."""

_AS_NOISE = 1.5
"""Chi squared up to which the residual is called noise."""

_NO_NOISE = 1000.0
"""Chi squared above which the noise is called negligible."""


@dataclass(frozen=True)
class Verdict:
    """What is known about the residual of one frame.

    Parameters
    ----------
    explained : float
        Share of the squared displacement that the tractions explain.
    chi_squared : float
        Reduced chi squared of the residual; NaN if the noise is not known.
    displacement : float
        Root mean square length of the displacement about its mean, in its unit.
    remainder : Remainder
        What there is beyond the noise and the error of the method; lengths of vectors
        are in the unit of the displacement, not in grid steps.
    """

    explained: float
    chi_squared: float
    displacement: float
    remainder: Remainder

    @property
    def is_unexplained(self) -> bool:
        """Whether something is left that noise and method do not explain."""
        return self.remainder.is_unexplained


def verdicts_of(traction: TractionStack, *, first: int = 0) -> dict[int, Verdict]:
    """Judge the residual of each frame.

    Parameters
    ----------
    traction : TractionStack
        Tractions that were computed with the option `residual`, or read from a file
        of such tractions.
    first : int, keyword-only
        Number of the first frame.

    Returns
    -------
    dict of int to Verdict
        By number of the frame. Frames without displacement, and those that were left
        out, are missing. Empty if the tractions do not have their residual.

    Examples
    --------
    A cell with 5% of noise:

    >>> from napari_vit_tfm import DisplacementStack, ReconstructionConfig, reconstruct
    >>> from napari_vit_tfm.benchmark.held_out import simulate, with_noise
    >>> from napari_vit_tfm.trust.verdict import verdicts_of
    >>> displacement, _ = simulate("adhesions", 1, seed=0, shape=(64, 64))
    >>> noisy = with_noise(displacement, "5%", seed=0)
    >>> config = ReconstructionConfig(device="cpu", residual=True)
    >>> traction = reconstruct(DisplacementStack(noisy, unit="field"), config=config)
    >>> verdict = verdicts_of(traction)[0]
    >>> verdict.is_unexplained, round(verdict.chi_squared)
    (False, 1)
    """
    found: dict[int, Verdict] = {}
    for frame in range(traction.n_frames):
        fields = _fields(traction, frame)
        if fields is None:
            continue
        records = {name: float(traction.records[name][frame]) for name in _NEEDED}
        remainder = remainder_of(
            fields.model,
            fields.residual,
            variance=fields.variance,
            length=fields.noise_length,
            allowance=records["allowance"],
        )
        found[first + frame] = Verdict(
            records["explained"],
            records["chi_squared"],
            fields.displacement,
            remainder,
        )
    return found


def unexplained_of(traction: TractionStack, frame: int) -> Float64Array:
    """Map of what is unexplained in a frame, beyond noise and error of the method.

    Parameters
    ----------
    traction : TractionStack
        As for `verdicts_of`.
    frame : int
        Number of the frame.

    Returns
    -------
    array of shape (H, W)
        As from `remainder.unexplained_map`, in the unit of the displacement. NaN if the
        residual of the frame is not known.
    """
    fields = _fields(traction, frame)
    if fields is None:
        return np.full(traction.grid_shape, np.nan)
    return unexplained_map(
        fields.model,
        fields.residual,
        variance=fields.variance,
        length=fields.noise_length,
        allowance=float(traction.records["allowance"][frame]),
    )


@dataclass(frozen=True, eq=False)
class _Fields:
    """Displacements ``(H, W, 2)`` of a frame without holes, and their noise."""

    model: Float64Array
    residual: Float64Array
    displacement: float
    variance: float
    noise_length: float


def _fields(traction: TractionStack, frame: int) -> _Fields | None:
    """The displacements of a frame; None if its residual cannot be judged."""
    records, companions = traction.records, traction.companions
    if not all(name in records for name in _NEEDED):
        return None
    if not {"displacement_model", "residual"} <= set(companions):
        return None
    model, residual = (
        companions[name][frame] for name in ("displacement_model", "residual")
    )
    if not np.isfinite(records["explained"][frame]) or not np.isfinite(model).any():
        return None
    both = DisplacementStack(np.stack([model, residual]), unit="grid")
    filled = bridged(both)[0].data.astype(np.float64)
    measured = filled.sum(axis=0)
    # The mean square of a component, and the length of vectors, about their mean.
    size = float(np.sqrt(measured.var(axis=(0, 1)).mean()))
    noise = clear_noise(noise_of_field(measured, records, frame), traction.grid_shape)
    return _Fields(
        filled[0],
        filled[1],
        math.sqrt(2) * size,
        float(noise.variance[0]),
        float(noise.length[0]),
    )


def verdicts_in_words(verdicts: Mapping[int, Verdict], traction: TractionStack) -> str:
    """Say what the tractions explain of the displacement, and what is left.

    Parameters
    ----------
    verdicts : mapping of int to Verdict
        Verdicts by frame, from `verdicts_of`.
    traction : TractionStack
        Any frames of the tractions, with unit, spacing and gel.

    Returns
    -------
    str
        A sentence without a full stop; empty if there is no verdict.

    Notes
    -----
    A large share alone is no merit: a method that puts tractions into the noise
    explains more of it.
    """
    if not verdicts:
        return ""
    many = len(verdicts) > 1
    shares = _range([100 * one.explained for one in verdicts.values()], "{:.1f}".format)
    share = f"the tractions explain {shares}% of the squared displacement"
    chi = _chi_squared_in_words([one.chi_squared for one in verdicts.values()])
    wrong = {n: one for n, one in verdicts.items() if one.is_unexplained}
    if not wrong:
        is_noise = all(one.chi_squared <= _AS_NOISE for one in verdicts.values())
        reason = "the noise allows" if is_noise else "noise and method allow"
        where = f" in each of {len(verdicts)} frames" if many else ""
        return f"{share}{where}, as far as {reason} ({chi})"
    worst = min(wrong, key=lambda n: wrong[n].explained)
    where = f" in {len(wrong)} of {len(verdicts)} frames" if many else ""
    most = f", least in frame {worst}" if many else ""
    left = _left_in_words(wrong[worst], traction)
    return f"something is unexplained{where}: {share} ({chi}){most}; {left}"


def residual_in_words(traction: TractionStack) -> str:
    """Say what all frames of tractions explain; see `verdicts_in_words`.

    Parameters
    ----------
    traction : TractionStack
        As for `verdicts_of`.

    Returns
    -------
    str
        Empty if the tractions do not have their residual.
    """
    return verdicts_in_words(verdicts_of(traction), traction)


def _chi_squared_in_words(values: list[float]) -> str:
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "the noise is not known"
    if min(known) > _NO_NOISE:
        return "the noise is negligible"
    return f"chi squared {_range(known, _number)}"


def _range(values: list[float], in_words: Callable[[float], str]) -> str:
    """The smallest and the largest of numbers."""
    low, high = in_words(min(values)), in_words(max(values))
    return low if low == high else f"{low} to {high}"


def _number(value: float, digits: int = 2) -> str:
    """A number with the digits that count; a large one not as a power of ten."""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.{digits}g}"


def _left_in_words(verdict: Verdict, traction: TractionStack) -> str:
    """What is left of a displacement, where, and what may be its cause."""
    remainder, lengths = verdict.remainder, _Lengths(traction)
    parts = []
    if remainder.point is not None:
        parts.append(_point_in_words(remainder.point, traction, lengths))
    if remainder.long_waves.is_unexplained:
        share = remainder.long_waves.size / verdict.displacement
        size = lengths.of_vector(remainder.long_waves.size)
        waves = f"long waves of {size}, {share:.0%} of the displacement"
        if remainder.point is None:
            waves += f": {_cause(remainder.long_waves, lengths)}"
        parts.append(waves)
    if remainder.places:
        parts.append(_places_in_words(remainder.places, lengths))
    return "; ".join(parts)


def _cause(long: LongWaves, lengths: _Lengths) -> str:
    if long.rotation:
        angle = lengths.of_gradient(long.rotation)
        by = "" if angle is None else f" by {_degrees(angle)}"
        return f"a rotation{by} of the sample or the camera"
    if long.strain:
        strain = lengths.of_gradient(long.strain)
        by = "" if strain is None else f" of {_number(100 * abs(strain))}%"
        return (
            f"a uniform strain or shear{by}, such as a gel that is stretched or "
            "swells, or another magnification"
        )
    if long.side:
        return f"strongest at the {long.side} border, as with forces beyond it"
    return (
        "perhaps a gel of another thickness, forces beyond the border, or a distortion "
        "of the image"
    )


def _degrees(radians: float) -> str:
    return f"{_number(abs(math.degrees(radians)))}\N{DEGREE SIGN}"


def _places_in_words(places: tuple[Place, ...], lengths: _Lengths) -> str:
    first = places[0]
    where = lengths.of_position(first.x, first.y)
    width, size = lengths.of_distance(first.width), lengths.of_vector(first.size)
    if first.side:
        where += f" at the {first.side} border"
    about = f"at {where}, {width} wide, with {size}"
    if len(places) == 1:
        return f"a place {about}"
    return f"{len(places)} places, the strongest {about}"


def _point_in_words(
    point: PointOfDivergence, traction: TractionStack, lengths: _Lengths
) -> str:
    direction = "away from" if point.strength > 0 else "towards"
    where = lengths.of_position(point.x, point.y)
    words = (
        f"most of what is left points {direction} {where}, as "
        "with a change of focus, swelling, a tracking fault or, around a cell, a gel "
        "that is thinner than said"
    )
    gel, strength = Substrate(traction.gel).gel, lengths.of_gradient(point.strength)
    if gel.young_pa is None or traction.spacing_um is None or strength is None:
        return words
    assert gel.poisson is not None
    in_steps = PointOfDivergence(point.x, point.y, strength, point.core)
    force = in_steps.normal_force_nn(
        young_pa=gel.young_pa, poisson=gel.poisson, spacing_um=traction.spacing_um
    )
    pushes = "push" if force > 0 else "pull"
    return (
        f"{words} (a normal force would have to {pushes} with {_number(abs(force))} nN "
        "or more)"
    )


class _Lengths:
    """Words for lengths in a field."""

    def __init__(self, traction: TractionStack) -> None:
        self._spacing_um = traction.spacing_um
        self._unit = traction.displacement_unit
        self._steps: float | None = None
        with suppress(FieldError):
            self._steps = DisplacementStack(
                traction.data[:1], unit=self._unit, spacing_um=traction.spacing_um
            ).grid_steps_per_unit()

    def of_vector(self, length: float) -> str:
        """Length of a displacement."""
        return f"{_number(length)} {unit_label(self._unit)}"

    def of_gradient(self, gradient: float) -> float | None:
        """Displacement in grid steps; None if pixels cannot be converted."""
        return None if self._steps is None else gradient * self._steps

    def of_distance(self, steps: float) -> str:
        """Distance between places."""
        if self._spacing_um is None:
            return f"{steps:.0f} grid steps"
        return f"{_number(steps * self._spacing_um)} \N{MICRO SIGN}m"

    def of_position(self, x: float, y: float) -> str:
        """A place in the field."""
        if self._spacing_um is None:
            return f"x = {x:.0f}, y = {y:.0f} grid steps"
        x, y = x * self._spacing_um, y * self._spacing_um
        return f"x = {_number(x, 3)}, y = {_number(y, 3)} \N{MICRO SIGN}m"
