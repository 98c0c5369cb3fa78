"""Notices about fields whose tractions have to be read with care."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_vit_tfm.config import (
    BUNDLED_MODEL,
    MOST_FILLED_HOLES,
    MOST_HOLES,
    PreparationConfig,
    ReconstructionConfig,
    WindowConfig,
)
from napari_vit_tfm.displacement.checks import FrameChecks
from napari_vit_tfm.displacement.doctor import contraction
from napari_vit_tfm.displacement.findings import Known, drift_in_words, findings
from napari_vit_tfm.displacement.frame_diagnosis import (
    NOTABLE_DRIFT,
    FrameDiagnosis,
    as_checks,
    diagnose,
    from_checks,
)
from napari_vit_tfm.fields import (
    Checks,
    Displacement,
    FrameResults,
    TractionStack,
)
from napari_vit_tfm.trust.gauge import (
    Familiarity,
    familiarity_in,
    unfamiliar_in_words,
)
from napari_vit_tfm.trust.intervals import reason_without
from napari_vit_tfm.trust.verdict import Verdict, verdicts_in_words, verdicts_of

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

NOTABLE_FOR_OTHERS = 2.0
"""Ratio of the drift to the remaining field above which it is reported for methods that
do not ignore it."""

OF_ALL_FRAMES = "all frames together: "
"""Beginning of a notice at the end, if an earlier one was about fewer frames."""

_OF_THE_WHOLE_FILM = {"border", "contraction", "residual"}
"""Topics on which all frames together decide."""


class FrameNotices:
    """Notices about the frames of a field, collected batch by batch.

    They are those of `displacement.findings`, with what they mean for a method,
    frames that are left out, noise that cannot be estimated if the method uses such an
    estimate, and what the tractions leave unexplained, if it was computed.

    Parameters
    ----------
    method : ReconstructionMethod
        Method of the reconstruction.
    displacement : Displacement
        The displacements, before their preparation.
    preparation : PreparationConfig, optional
        The preparation; None is the default one.
    noise_is_given : bool, keyword-only
        Whether the method does not estimate the noise, since it is given.
    """

    def __init__(
        self,
        method: ReconstructionMethod,
        displacement: Displacement,
        preparation: PreparationConfig | None = None,
        *,
        noise_is_given: bool = False,
    ) -> None:
        self._method = method
        self._noise_is_given = noise_is_given
        self._known = Known.about(displacement)
        self._preparation = preparation or PreparationConfig()
        self._frames: dict[int, FrameDiagnosis] = {}
        self._left_out: dict[int, float] = {}
        self._verdicts: dict[int, Verdict] = {}
        self._traction: TractionStack | None = None
        self._familiarity: dict[int, Familiarity] = {}
        self._given: dict[str, str] = {}

    def add(self, number: int, checks: FrameChecks) -> None:
        """Take what was found in a frame; a frame that comes again counts once."""
        if number not in self._frames:
            self._frames[number] = diagnose(checks)

    def add_finished(self, start: int, results: FrameResults) -> None:
        """Take what was found before in frames from number `start` on."""
        if results.checks is not None:
            self._frames |= dict(enumerate(from_checks(results.checks), start))

    def checks(self, start: int, stop: int) -> Checks | None:
        """What was found in frames, to be stored; None if they were not checked."""
        frames = [self._frames.get(number) for number in range(start, stop)]
        found = [frame for frame in frames if frame is not None]
        return as_checks(found) if len(found) == len(frames) else None

    def add_left_out(self, number: int, share: float) -> None:
        """Take a frame that is not computed, with its share of holes."""
        self._left_out[number] = share

    def add_tractions(self, start: int, traction: TractionStack) -> None:
        """Take the tractions of frames from number `start` on."""
        for number, vectors in enumerate(traction.data, start):
            if number in self._frames:
                self._frames[number] = replace(
                    self._frames[number], contraction=contraction(vectors)
                )
        self._verdicts |= verdicts_of(traction, first=start)
        self._familiarity |= dict(enumerate(familiarity_in(traction.records), start))
        self._traction = self._traction or traction.first(1)

    def new(self) -> Iterator[str]:
        """The notices about topics on which there was none so far."""
        for topic, notice in self._notices().items():
            if topic not in self._given and topic not in _OF_THE_WHOLE_FILM:
                self._given[topic] = notice
                yield notice

    def totals(self) -> Iterator[str]:
        """The notices that are new or have changed since they were given.

        Those that have changed say that they now count all frames.
        """
        for topic, notice in self._notices().items():
            if topic not in self._given:
                yield notice
            elif notice != self._given[topic]:
                yield f"{OF_ALL_FRAMES}{notice}"

    def _notices(self) -> dict[str, str]:
        notices = findings(self._frames, self._known, self._preparation)
        notices.pop("drift", None)
        of_method = {
            "left out": self._about_left_out(),
            "drift": self._about_drift(),
            "noise": self._about_noise(),
            "residual": self._about_residual(),
            "unfamiliar": self._about_familiarity(),
        }
        return notices | {topic: text for topic, text in of_method.items() if text}

    def _about_left_out(self) -> str:
        if not self._left_out:
            return ""
        first = min(self._left_out)
        fills = self._preparation.fill_holes
        limit = MOST_FILLED_HOLES if fills else MOST_HOLES
        one = len(self._left_out) == 1
        when = " after binning" if self._preparation.bin_size > 1 else ""
        return (
            f"{len(self._left_out)} of {len(self._frames)} frames "
            f"{'is' if one else 'are'} left out, since more than {limit:.0%} of "
            f"{'its' if one else 'their'} vectors are missing{when} "
            f"(first: frame {first}, {self._left_out[first]:.0%})"
            + (
                ""
                if fills
                else "; to compute up to "
                f"{MOST_FILLED_HOLES:.0%}, use Fill holes (--fill-holes)"
            )
        )

    def _about_drift(self) -> str:
        subtracts = self._method.ignores_drift or self._preparation.remove_drift
        notable = NOTABLE_DRIFT if subtracts else NOTABLE_FOR_OTHERS
        drifted = [x for x in self._frames.values() if x.relative_drift > notable]
        if not drifted:
            return ""
        worst = max(drifted, key=lambda frame: float(np.hypot(*frame.drift)))
        size = drift_in_words(worst, self._known)
        if self._preparation.remove_drift:
            return f"removed {size}, measured where the field is quiet"
        if self._method.ignores_drift:
            return f"subtracted {size}; a uniform displacement causes no traction"
        return (
            f"the field has {size}, which {self._method.name} may interpret as "
            "traction: use Remove drift (--remove-drift), or a model that ignores it, "
            f"such as {BUNDLED_MODEL}"
        )

    def _about_familiarity(self) -> str:
        return unfamiliar_in_words(self._familiarity, self._method.name)

    def _about_noise(self) -> str:
        if not self._method.estimates_noise or self._noise_is_given:
            return ""
        unknown = [
            number
            for number, frame in self._frames.items()
            if frame.noise is None and number not in self._left_out
        ]
        if not unknown:
            return ""
        return (
            f"the noise of {len(unknown)} of {len(self._frames)} frames cannot be "
            f"estimated (first: frame {unknown[0]}) because nearly all vectors are "
            f"equal; {self._method.name} assumes that there is no noise"
        )

    def _about_residual(self) -> str:
        if self._traction is None:
            return ""
        return verdicts_in_words(self._verdicts, self._traction)


def is_resampled(displacement: Displacement, method: ReconstructionMethod) -> bool:
    """Whether displacements must be resampled to the grid of a method."""
    return method.grid is not None and method.grid != displacement.grid_shape


def grid_notices(
    displacement: Displacement, method: ReconstructionMethod
) -> Iterator[str]:
    """Notices about a field that is resampled, small, or processed in windows."""
    rows, columns = displacement.grid_shape
    if is_resampled(displacement, method):
        assert method.grid is not None
        yield (
            f"{method.name} works only on {method.grid[0]} x {method.grid[1]} vectors: "
            f"the field of {rows} x {columns} is resampled, and adhesions of a few "
            "grid steps lose much of their traction"
        )
    if min(rows, columns) < method.reliable_side:
        yield (
            f"with {rows} x {columns} vectors, details of the displacement can hardly "
            f"be told from noise: the tractions of {method.name} may be much too weak"
        )
    if method.needs_windows((rows, columns)):
        side = WindowConfig.side
        yield (
            f"the field of {rows} x {columns} vectors is reconstructed in overlapping "
            f"windows of up to {side} x {side}"
        )


def trust_notices(
    method: ReconstructionMethod, config: ReconstructionConfig
) -> Iterator[str]:
    """Notices about what is asked for and not known about the trust in tractions."""
    if config.uncertainty and (reason := reason_without(method)):
        yield reason
