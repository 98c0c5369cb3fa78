"""Results of some of the frames of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields.tractions import Companions, Records
from napari_vit_tfm.fields.vectors import FloatArray

Checks = npt.NDArray[np.void]
"""What checks found in each frame, ``(T,)``; see
`displacement.frame_diagnosis.as_checks`."""


@dataclass(frozen=True, eq=False)
class FrameResults:
    """What a reconstruction finds in each of some frames.

    Parameters
    ----------
    data : array of shape (n, H, W, 2)
        Their tractions, float32, in the unit of the run.
    drift : array of shape (n, 2), optional
        As in `TractionStack`.
    records : mapping of str to array
        As in `TractionStack`.
    companions : mapping of str to array of shape (n, H, W, 2)
        As in `TractionStack`.
    checks : structured array of shape (n,), optional
        What the checks of the displacements found; None if there were none.
    """

    data: FloatArray
    drift: npt.NDArray[np.float64] | None
    records: Records
    companions: Companions
    checks: Checks | None = None


class FinishedFrames(Protocol):
    """The first frames of a run, which were computed before."""

    @property
    def n_frames(self) -> int:
        """Their number."""

    def results(self, start: int, stop: int) -> FrameResults:
        """Results of the frames from `start` to before `stop`.

        They are all there: ``0 <= start < stop <= n_frames``.
        """


def frames_in_words(numbers: Iterable[int]) -> str:
    """Numbers of frames in a sentence.

    Parameters
    ----------
    numbers : iterable of int
        At least one number; counted from 0, in increasing order.

    Examples
    --------
    >>> frames_in_words([1, 2, 3, 7])
    'frames 1 to 3, 7'
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], number]
        else:
            ranges.append([number])
    words = ", ".join(" to ".join(map(str, ends)) for ends in ranges)
    is_one = len(ranges) == len(ranges[0]) == 1
    return f"frame {words}" if is_one else f"frames {words}"
