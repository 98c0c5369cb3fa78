"""Tractions of consecutive frames, and their collection into one stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from napari_vit_tfm.fields import Checks, DisplacementStack, TractionStack


@dataclass(frozen=True, eq=False)
class Batch:
    """Tractions of consecutive frames.

    Parameters
    ----------
    start, stop : int
        First frame, and the frame after the last.
    total : int
        Number of frames of the stack.
    traction : TractionStack
        Tractions of these frames, in Pa, or as ``t / E`` if Young's modulus is
        unknown.
    read_displacement : callable
        Returns the prepared displacements of these frames, see `displacement`.
    checks : structured array of shape (stop - start,), optional
        What the checks of the displacements found, see
        `displacement.frame_diagnosis.as_checks`; None if there were no checks.
    was_finished : bool
        Whether an earlier run computed them, which was interrupted.
    """

    start: int
    stop: int
    total: int
    traction: TractionStack
    read_displacement: Callable[[], DisplacementStack]
    checks: Checks | None = None
    was_finished: bool = False

    @cached_property
    def displacement(self) -> DisplacementStack:
        """Their prepared displacements, from which they were computed; holes are NaN.

        They are read and prepared again if an earlier run computed the tractions.
        """
        return self.read_displacement()


class Gathered:
    """Collects batches into one stack, whose memory is allocated once."""

    def __init__(self) -> None:
        self._last: Batch | None = None

    def add(self, batch: Batch) -> None:
        """Take the next batch; the first frames come first."""
        traction = batch.traction
        if self._last is None:
            self._data = np.empty(
                (batch.total, *traction.data.shape[1:]), dtype=np.float32
            )
            self._drift = np.empty((batch.total, 2))
            self._records, self._companions = (
                {
                    name: np.empty((batch.total, *values.shape[1:]), values.dtype)
                    for name, values in arrays.items()
                }
                for arrays in (traction.records, traction.companions)
            )
        self._data[batch.start : batch.stop] = traction.data
        if traction.drift is not None:
            self._drift[batch.start : batch.stop] = traction.drift
        for name, values in traction.records.items():
            self._records[name][batch.start : batch.stop] = values
        for name, vectors in traction.companions.items():
            self._companions[name][batch.start : batch.stop] = vectors
        self._last = batch

    def traction(self) -> TractionStack:
        """All of them, when the last one has come."""
        assert self._last is not None
        assert self._last.stop == self._last.total
        known = self._last.traction
        drift = None if known.drift is None else self._drift
        return replace(
            known,
            data=self._data,
            drift=drift,
            records=self._records,
            companions=self._companions,
        )
