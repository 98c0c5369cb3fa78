"""What is unusual about displacements, in words, with what to do about it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.displacement.axes import TURNS, AxesFit, fit_axes
from napari_vit_tfm.displacement.border import evidence_of_outside_forces
from napari_vit_tfm.displacement.checks import FrameChecks, check_frame
from napari_vit_tfm.displacement.drift import without_motion
from napari_vit_tfm.displacement.holes import bridge
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import Checks, Displacement, FloatArray, TractionStack
from napari_vit_tfm.gel import USUAL_YOUNG_PA, Gel
from napari_vit_tfm.physics.halfspace import REFERENCE_RESPONSE, Response
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.physics.tikhonov import (
    choose_regularisation,
    fttc,
    periodic_component,
)
from napari_vit_tfm.units import unit_label

# Forces that do not balance also cause a mean displacement, which is not a drift. In
# synthetic fields, it is up to 4 times the root mean square of the remaining field at
# the free edge of a layer, and a tenth of it for balanced forces, as in cells.
NOTABLE_DRIFT = 6.0
"""Ratio of drift, or rotation at the border, to the root mean square of the remaining
field above which it is reported."""

LARGE_STRAIN, IMPOSSIBLE_STRAIN = 0.3, 1.0
"""Largest gradients of the displacement above which it is doubted."""

SMALLEST_DISPLACEMENT = 1e-4
"""Largest displacement, in grid steps, below which it is doubted."""

_OTHER_SCALE = 4.0
"""Ratio of the measured displacements to those of the tractions above
which, or below the inverse of which, their units are doubted."""

_MOST_PIXELS = 64
"""Usual vector spacings are not larger, in camera pixels."""

_CLEAR = 5.0
"""Gradients below this number of standard deviations of the noise are not judged."""

_STRONG_EVIDENCE = 3.0
"""Evidence above which forces outside the field of view are reported; it is called
strong from about 20 to 1."""

_REVERSED_CONTRACTION = -0.5
_NEGATIVE_WORK = -0.1
"""Relative moment and work below which their sign is doubted."""

_FITS, _CLEARLY_BETTER, _UNEXPLAINED = 0.5, 0.1, 0.6
"""A turn of the tractions is named if the correlation after it is at least the first
number, larger than before by the second, and if the share of the squared displacement
that is not explained falls below the third, relative to before."""

_STRONG_TRACTION = 0.2
"""Tractions above this share of the largest count for the moment."""

_ROUNDING = 1e-6
"""Rounding errors of displacements, relative to the drift that is subtracted."""

_SMALLEST_GRID = 9
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


@dataclass(frozen=True)
class Known:
    """What is known about displacements besides their vectors.

    Parameters
    ----------
    unit : str, optional
        Key of the unit.
    steps_per_unit : float, optional
        Conversion factor from the unit to grid steps; None if it is not known.
    spacing_um, pixel_size_um : float, optional
        Lengths in um.
    gel : Gel
        The gel.
    """

    unit: Any
    steps_per_unit: float | None
    spacing_um: float | None
    pixel_size_um: float | None
    gel: Gel

    @classmethod
    def about(cls, displacement: Displacement) -> Known:
        """What is known about displacements."""
        try:
            steps: float | None = displacement.grid_steps_per_unit()
        except FieldError:
            steps = None
        return cls(
            displacement.unit,
            steps,
            displacement.spacing_um,
            displacement.pixel_size_um,
            displacement.gel,
        )


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What was found in displacements.

    Parameters
    ----------
    n_frames : int
        Number of frames.
    grid_shape : tuple of int
        Rows and columns.
    y : str, optional
        Direction of the second axis in the file, as far as the reader tells it.
    known : Known
        Unit, lengths and gel.
    frames : tuple of FrameDiagnosis
        What was found in each frame.
    """

    n_frames: int
    grid_shape: tuple[int, int]
    y: str | None
    known: Known
    frames: tuple[FrameDiagnosis, ...]

    @property
    def warnings(self) -> list[str]:
        """Sentences about what is unusual; empty where all is well."""
        return list(findings(dict(enumerate(self.frames)), self.known).values())

    def measured_in_words(self) -> list[str]:
        """Drift, noise and numbers of vectors that are not used, one per line."""
        label = unit_label(self.known.unit)
        if self.known.unit is None:
            label = f"({label})"
        drift = max(float(np.hypot(*frame.drift)) for frame in self.frames)
        lines = [f"drift: up to {drift:.3g} {label}"]
        noise = [frame.noise for frame in self.frames if frame.noise is not None]
        size = f"up to {max(noise):.3g} {label}" if noise else "unknown"
        lines.append(f"noise: {size}")
        for name in ("holes", "outliers", "marks", "zeros"):
            total = sum(getattr(frame, name) for frame in self.frames)
            if total:
                lines.append(f"{name}: {total} of {self._n_vectors} vectors")
        return lines

    @property
    def _n_vectors(self) -> int:
        return sum(frame.n_vectors for frame in self.frames)

    def as_json(self) -> dict[str, Any]:
        """Plain values of ``vit-tfm info --json``.

        Returns
        -------
        dict
            ``frames``, ``grid``, ``unit``, ``spacing_um``, ``pixel_size_um``, ``y``
            and ``warnings``; and for each frame in lists ``holes``, ``outliers``,
            ``marks``, ``zeros`` (numbers), ``drift`` (x, y) and ``noise`` (grid steps,
            None if they are not known).
        """
        steps = self.known.steps_per_unit

        def in_steps(value: float | None) -> float | None:
            return None if steps is None or value is None else value * steps

        return {
            "frames": self.n_frames,
            "grid": list(self.grid_shape),
            "unit": self.known.unit,
            "spacing_um": self.known.spacing_um,
            "pixel_size_um": self.known.pixel_size_um,
            "y": self.y,
            "holes": [frame.holes for frame in self.frames],
            "outliers": [frame.outliers for frame in self.frames],
            "marks": [frame.marks for frame in self.frames],
            "zeros": [frame.zeros for frame in self.frames],
            "drift": [
                [in_steps(part) for part in frame.drift] for frame in self.frames
            ],
            "noise": [in_steps(frame.noise) for frame in self.frames],
            "warnings": self.warnings,
        }


def examine(
    displacement: Displacement, traction: TractionStack | None = None
) -> Diagnosis:
    """Examine displacements, frame by frame.

    Parameters
    ----------
    displacement : DisplacementStack or DisplacementStream
        Measured displacements. Vectors that are NaN or infinite are holes.
    traction : TractionStack, optional
        Tractions of the same frames, for the signs of their moment and work, and for
        their axes. Without them, the moment is that of FTTC.

    Returns
    -------
    Diagnosis

    Raises
    ------
    FieldError
        If the tractions have another grid or number of frames.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import DisplacementStack
    >>> from napari_vit_tfm.displacement import examine
    >>> from napari_vit_tfm.synthesis import CellDistribution, synthesise
    >>> cell = synthesise(1, seed=0, shape=(64, 64), distribution=CellDistribution())
    >>> measured = cell.displacement.copy()
    >>> measured[0, 4, 9] *= -20
    >>> diagnosis = examine(DisplacementStack(measured, unit="field"))
    >>> diagnosis.frames[0].outliers
    1
    >>> print(diagnosis.warnings[0])  # doctest: +ELLIPSIS
    1 vector in frame 0 is unlike its neighbours; the strongest at row 4, column 9...
    """
    if traction is not None and (
        (traction.n_frames, *traction.grid_shape)
        != (displacement.n_frames, *displacement.grid_shape)
    ):
        raise FieldError("tractions and displacements differ in frames or grid")
    frames = []
    for number in range(displacement.n_frames):
        checks = check_frame(displacement.frames(number, number + 1)[0])
        clean = bridge(checks.usable)
        found = diagnose(checks, clean)
        if traction is None:
            of_frame = _quick_traction(clean)
        else:
            of_frame = traction.data[number]
            fit = fit_axes(clean, of_frame, response=_response(displacement, traction))
            found = replace(
                found,
                work=_work(clean, of_frame),
                fit=fit,
                scale=_scale(displacement, traction, fit),
            )
        frames.append(replace(found, contraction=contraction(of_frame)))
    return Diagnosis(
        displacement.n_frames,
        displacement.grid_shape,
        displacement.metadata.get("y"),
        Known.about(displacement),
        tuple(frames),
    )


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
            if min(rest.shape[:2]) >= _SMALLEST_GRID
            else 0.0
        ),
    )


def contraction(traction: npt.NDArray[np.floating]) -> float:
    """Moment of tractions about their centre, relative to its largest possible value.

    Parameters
    ----------
    traction : array of shape (H, W, 2)
        Tractions in any unit; NaN is left out, and so are weak tractions.

    Returns
    -------
    float
        From -1, if all point away from their centre, to 1, if all point towards it.
    """
    t = np.nan_to_num(np.asarray(traction, dtype=np.float64))
    size = np.hypot(t[..., 0], t[..., 1])
    strong = size > _STRONG_TRACTION * size.max()
    if not strong.any():
        return 0.0
    row, column = np.nonzero(strong)
    size, t = size[strong], t[strong]
    share = size / size.sum()
    t = t - share[:, None] * t.sum(axis=0)
    x, y = column - (share * column).sum(), row - (share * row).sum()
    largest = (np.hypot(x, y) * size).sum()
    moment = -(x * t[:, 0] + y * t[:, 1]).sum()
    return float(moment / largest) if largest > 0 else 0.0


def findings(
    frames: Mapping[int, FrameDiagnosis],
    known: Known,
    preparation: PreparationConfig | None = None,
) -> dict[str, str]:
    """Sentences about what is unusual, by topic.

    Parameters
    ----------
    frames : mapping of int to FrameDiagnosis
        What was found in the frames, by their numbers.
    known : Known
        Unit, lengths and gel.
    preparation : PreparationConfig, optional
        What has been done; None if nothing has been computed yet.

    Returns
    -------
    dict of str to str
    """
    words = _Findings(frames, known, preparation or PreparationConfig())
    return {topic: sentence for topic, sentence in words.all() if sentence}


@dataclass(frozen=True)
class _Findings:
    """Makes the sentences."""

    frames: Mapping[int, FrameDiagnosis]
    known: Known
    done: PreparationConfig

    def all(self) -> Iterator[tuple[str, str]]:
        """All topics with their sentences; empty where all is well."""
        if not self.frames:
            return
        yield "holes", self._holes()
        yield "marks", self._marks()
        yield "outliers", self._outliers()
        yield "zeros", self._zeros()
        yield "rest", self._rest()
        yield "drift", self._drift()
        yield "rotation", self._rotation()
        yield "strain", self._strain()
        yield "size", self._size()
        yield "spacing", self._spacing()
        yield "gel", self._gel()
        yield "border", self._border()
        yield "contraction", self._contraction()
        yield "work", self._work()
        yield "axes", self._axes()
        yield "scale", self._scale()

    def _counted(self, name: str, verbs: tuple[str, str] = ("is", "are")) -> str:
        """Such as "12 vectors in frame 3 are"; empty if there are none."""
        counts = {n: int(getattr(frame, name)) for n, frame in self.frames.items()}
        there = {n: count for n, count in counts.items() if count}
        total = sum(there.values())
        if not there:
            return ""
        vectors = "vector" if total == 1 else "vectors"
        verb = verbs[total != 1]
        when = "before binning, " if self.done.bin_size > 1 else ""
        if len(there) == 1:
            return f"{when}{total} {vectors} in frame {next(iter(there))} {verb}"
        most = max(there, key=lambda n: there[n])
        return (
            f"{when}{total} {vectors} in {len(there)} of {len(self.frames)} frames, "
            f"most ({there[most]}) in frame {most}, {verb}"
        )

    def _holes(self) -> str:
        counted = self._counted("holes")
        if not counted:
            return ""
        kept = (
            "their tractions are interpolations"
            if self.done.fill_holes
            else "their tractions are NaN; to keep these, use Fill holes (--fill-holes)"
        )
        if self.done.bin_size > 1:
            return (
                f"{counted} missing; bins with fewer than half of their vectors are "
                f"bridged smoothly for the computation, and {kept}"
            )
        return f"{counted} missing and bridged smoothly for the computation; {kept}"

    def _marks(self) -> str:
        counted = self._counted("marks", ("has", "have"))
        if not counted:
            return ""
        marked = [frame for frame in self.frames.values() if frame.mark is not None]
        value = " or ".join(
            f"{x:g}" for x in sorted({x.mark for x in marked if x.mark})
        )
        where = (
            "both components" if all(x.mark_in_both for x in marked) else "a component"
        )
        done = (
            "they are replaced as outliers"
            if self.done.replace_outliers
            else "to interpolate them, use Replace outliers (--replace-outliers); to "
            "leave them out, write NaN to the file"
        )
        return (
            f"{counted} the value {value} in {where}, far outside all others; this "
            f"looks like a mark for missing vectors: {done}"
        )

    def _outliers(self) -> str:
        counted = self._counted("outliers")
        if not counted:
            return ""
        worst = max(self.frames, key=lambda n: self.frames[n].outliers)
        row, column = self.frames[worst].strongest
        is_one = sum(frame.outliers for frame in self.frames.values()) == 1
        their, them = ("its", "it") if is_one else ("their", "them")
        place = f"row {row}, column {column}"
        if "frames" in counted:
            place += f" of frame {worst}"
        done = (
            f"replaced by interpolation from {their} neighbours"
            if self.done.replace_outliers
            else f"if wrong, replace {them} with Replace outliers (--replace-outliers)"
        )
        return f"{counted} unlike {their} neighbours; the strongest at {place}; {done}"

    def _zeros(self) -> str:
        counted = self._counted("in_zero_regions")
        if not counted:
            return ""
        if self.done.zeros_are_holes:
            return f"{counted} exactly zero in whole regions, and taken as holes"
        return (
            f"{counted} exactly zero in whole regions: were they masked? The edge of "
            "such a region causes large wrong tractions; to take it as a hole, use "
            "Zeros are holes (--zeros-are-holes)"
        )

    def _rest(self) -> str:
        resting = [n for n, frame in self.frames.items() if frame.is_at_rest]
        if not resting:
            return ""
        if len(self.frames) == 1:
            return f"nothing moved: all displacements of frame {resting[0]} are zero"
        return (
            f"nothing moved in {len(resting)} of {len(self.frames)} frames: all "
            f"displacements are zero (first: frame {resting[0]})"
        )

    def _drift(self) -> str:
        drifted = [x for x in self.frames.values() if x.relative_drift > NOTABLE_DRIFT]
        if not drifted:
            return ""
        worst = max(drifted, key=lambda frame: float(np.hypot(*frame.drift)))
        size = drift_in_words(worst, self.known)
        return (
            f"the field has {size}; FTTC and the networks of this project ignore it, "
            "others need Remove drift (--remove-drift)"
        )

    def _rotation(self) -> str:
        turned = [frame for frame in self.frames.values() if frame.is_rotated]
        steps = self.known.steps_per_unit
        if not turned or steps is None:
            return ""
        angle = max((frame.rotation * steps for frame in turned), key=abs)
        size = f"a rotation of up to {abs(np.degrees(angle)):.2g} degrees"
        if self.done.remove_drift:
            return f"removed {size}"
        return (
            f"the field has {size}; to subtract it, use Remove drift (--remove-drift)"
        )

    def _strain(self) -> str:
        steps = self.known.steps_per_unit
        if steps is None:
            return ""
        worst = max(self.frames, key=lambda n: self.frames[n].gradient)
        strain = self.frames[worst].gradient * steps
        if strain <= LARGE_STRAIN:
            return ""
        text = f"the largest strain is {strain:.2g}, in frame {worst}"
        if strain > IMPOSSIBLE_STRAIN:
            return (
                f"{text}: no gel is strained so much; check the unit (now "
                f"{unit_label(self.known.unit)}) and the spacing"
            )
        return (
            f"{text}: linear elasticity holds for small strains only; check unit and "
            "spacing, and read large tractions with care"
        )

    def _size(self) -> str:
        steps = self.known.steps_per_unit
        if steps is None:
            return ""
        largest = max(frame.largest for frame in self.frames.values()) * steps
        if not 0 < largest < SMALLEST_DISPLACEMENT:
            return ""
        return (
            f"no displacement is longer than {largest:.2g} grid steps; check the unit "
            f"(now {unit_label(self.known.unit)}) and the spacing"
        )

    def _spacing(self) -> str:
        spacing, pixel = self.known.spacing_um, self.known.pixel_size_um
        if spacing is None or pixel is None:
            return ""
        if spacing > _MOST_PIXELS * pixel:
            return (
                f"the vector spacing ({spacing:g} um) is {spacing / pixel:.3g} camera "
                "pixels, which is unusual: check whether it is in um and not in pixels"
            )
        if spacing >= pixel:
            return ""
        return (
            f"the vector spacing ({spacing:g} um) is smaller than a camera pixel "
            f"({pixel:g} um): check both lengths"
        )

    def _gel(self) -> str:
        young, (low, high) = self.known.gel.young_pa, USUAL_YOUNG_PA
        if young is None or low <= young <= high:
            return ""
        return (
            f"Young's modulus is {young:g} Pa; gels have {low:g} to {high:g} Pa: give "
            "it in Pa (1 kPa is 1000 Pa)"
        )

    def _border(self) -> str:
        acted_on = [
            n for n, frame in self.frames.items() if frame.outside > _STRONG_EVIDENCE
        ]
        # A layer that fills the field does so in most frames.
        if 2 * len(acted_on) <= len(self.frames):
            return ""
        return (
            "the displacement does not fade towards the border: tractions reach the "
            "border or lie beyond it, and those near it are unreliable; leave them "
            "out, or measure a larger field of view"
        )

    def _contraction(self) -> str:
        values = [frame.contraction for frame in self.frames.values()]
        if np.median(values) >= _REVERSED_CONTRACTION:
            return ""
        advice = (
            "if it was taken from the relaxed to the strained state, do not use Reverse"
            if self.done.reverse
            else "if it was taken from the strained to the relaxed state, use Reverse"
        )
        return (
            "the tractions point outwards (negative net contractile moment), but cells "
            f"pull inwards; check the displacement: {advice} (--reverse)"
        )

    def _work(self) -> str:
        if np.median([frame.work for frame in self.frames.values()]) >= _NEGATIVE_WORK:
            return ""
        return (
            "the tractions do negative work on the displacements: an axis or a sign "
            "differs between them; check the directions of x and y in both files"
        )

    def _scale(self) -> str:
        scales = [x.scale for x in self.frames.values() if x.scale is not None]
        if not scales:
            return ""
        scale = float(np.median(scales))
        if 1 / _OTHER_SCALE < scale < _OTHER_SCALE:
            return ""
        return (
            f"the displacements are {scale:.3g} times as large as the tractions would "
            "make them: check the units of both files, Young's modulus and the spacing"
        )

    def _axes(self) -> str:
        fits = [frame.fit for frame in self.frames.values() if frame.fit is not None]
        if not fits:
            return ""
        as_given = float(np.mean([fit.as_given for fit in fits]))
        turned = np.mean([fit.turned for fit in fits], axis=0)
        best = int(np.argmax(turned))
        unexplained = 1 - turned[best] ** 2
        if turned[best] < max(
            _FITS, as_given + _CLEARLY_BETTER
        ) or unexplained > _UNEXPLAINED * (1 - max(as_given, 0.0) ** 2):
            return ""
        return (
            f"with {TURNS[best].words}, the tractions would fit the displacements much "
            f"better (correlation {turned[best]:.2f} instead of {as_given:.2f}): turn "
            "one of the two"
        )


def _scale(
    displacement: Displacement, traction: TractionStack, fit: AxesFit | None
) -> float | None:
    """Measured displacement over that of the tractions; None if it is not known."""
    young = displacement.gel.young_pa or traction.gel.young_pa
    if traction.unit != "Pa":
        young = 1.0
    if fit is None or young is None or fit.as_given < _FITS:
        return None
    try:
        return fit.factor * young * displacement.grid_steps_per_unit()
    except FieldError:
        return None


def drift_in_words(frame: FrameDiagnosis, known: Known) -> str:
    """Such as "a drift of up to 3 um, 12 times the remaining field"."""
    length = float(np.hypot(*frame.drift))
    size = f"a drift of up to {length:.3g} {unit_label(known.unit)}"
    if frame.rest > 0:
        return f"{size}, {length / frame.rest:.3g} times the remaining field"
    return f"{size} without any other displacement"


def _gradient(field: FloatArray, noise: float) -> float:
    """Largest central difference of a component, beyond what noise explains."""
    largest = 0.0
    for axis in (0, 1):
        if field.shape[axis] > 2:
            ahead = np.take(field, range(2, field.shape[axis]), axis=axis)
            behind = np.take(field, range(field.shape[axis] - 2), axis=axis)
            largest = max(largest, float(np.abs(ahead - behind).max()) / 2)
    return max(largest - _CLEAR * noise / math.sqrt(2), 0.0)


def _response(displacement: Displacement, traction: TractionStack) -> Response:
    """Response of the gel, as far as the gel is known."""
    substrate = Substrate(displacement.gel.filled_from(traction.gel))
    spacing_um = displacement.spacing_um or traction.spacing_um
    if spacing_um is None and substrate.gel.is_layer:
        return REFERENCE_RESPONSE
    return substrate.response(spacing_um=spacing_um)


def _quick_traction(clean: FloatArray) -> FloatArray:
    """Tractions by FTTC, in any unit; zero for fields that are too small."""
    if min(clean.shape[:2]) < _SMALLEST_GRID or not np.ptp(clean, axis=(0, 1)).any():
        return np.zeros_like(clean)
    x, y = np.moveaxis(clean.astype(np.float64), -1, 0)
    found = fttc(
        periodic_component(x),
        periodic_component(y),
        regularisation=choose_regularisation(x, y),
    )
    return np.stack(found, axis=-1).astype(np.float32)


def _work(clean: FloatArray, traction: npt.NDArray[np.floating]) -> float:
    """Work of tractions relative to its largest possible value.

    The mean of the displacement is subtracted, since a drift does no work.
    """
    t = np.nan_to_num(np.asarray(traction, dtype=np.float64))
    weight = np.hypot(t[..., 0], t[..., 1])
    if weight.sum() == 0:
        return 0.0
    u = clean - clean.mean(axis=(0, 1), dtype=np.float64)
    t = t - t.mean(axis=(0, 1))
    largest = (np.hypot(t[..., 0], t[..., 1]) * np.hypot(u[..., 0], u[..., 1])).sum()
    return float((t * u).sum() / largest) if largest > 0 else 0.0
