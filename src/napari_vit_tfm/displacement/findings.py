"""What is unusual about displacements, in words, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.displacement.axes import TURNS
from napari_vit_tfm.displacement.frame_diagnosis import NOTABLE_DRIFT, FrameDiagnosis
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.gel import USUAL_YOUNG_PA, Gel
from napari_vit_tfm.units import unit_label

LARGE_STRAIN, IMPOSSIBLE_STRAIN = 0.3, 1.0
"""Largest gradients of the displacement above which it is doubted."""

SMALLEST_DISPLACEMENT = 1e-4
"""Largest displacement, in grid steps, below which it is doubted."""

_OTHER_SCALE = 4.0
"""Ratio of the measured displacements to those of the tractions above
which, or below the inverse of which, their units are doubted."""

_MOST_PIXELS = 64
"""Usual vector spacings are not larger, in camera pixels."""

_STRONG_EVIDENCE = 3.0
"""Evidence above which forces outside the field of view are reported; it is called
strong from about 20 to 1."""

_REVERSED_CONTRACTION = -0.5
_NEGATIVE_WORK = -0.1
"""Relative moment and work below which their sign is doubted."""

LEAST_CORRELATION = 0.5
"""Correlation from which on tractions fit displacements."""

_CLEARLY_BETTER, _UNEXPLAINED = 0.1, 0.6
"""A turn of the tractions is named if they fit after it, if the correlation is larger
than before by the first number, and if the share of the squared displacement that is
not explained falls below the second, relative to before."""


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
            LEAST_CORRELATION, as_given + _CLEARLY_BETTER
        ) or unexplained > _UNEXPLAINED * (1 - max(as_given, 0.0) ** 2):
            return ""
        return (
            f"with {TURNS[best].words}, the tractions would fit the displacements much "
            f"better (correlation {turned[best]:.2f} instead of {as_given:.2f}): turn "
            "one of the two"
        )


def drift_in_words(frame: FrameDiagnosis, known: Known) -> str:
    """Such as "a drift of up to 3 um, 12 times the remaining field"."""
    length = float(np.hypot(*frame.drift))
    size = f"a drift of up to {length:.3g} {unit_label(known.unit)}"
    if frame.rest > 0:
        return f"{size}, {length / frame.rest:.3g} times the remaining field"
    return f"{size} without any other displacement"
