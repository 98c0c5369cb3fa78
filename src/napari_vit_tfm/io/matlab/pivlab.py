"""PIVlab: cell arrays with a matrix of positions or components for every frame."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import frames_in_words
from napari_vit_tfm.io.matlab.field import MatField, positioned_field
from napari_vit_tfm.io.matlab.matrices import Matrices, matrices_field
from napari_vit_tfm.io.matlab.values import Value, frames_of, is_empty, text_of
from napari_vit_tfm.io.matlab.variables import Variables

_STAGES = ("smoothed", "filtered", "original")
"""Stages of the vectors in a file, the last first."""

_MASKED, _INTERPOLATED = 0, 2
"""Values of the type of a vector."""

_LENGTH = re.compile(r"\[\s*([^\W\d_]+)\s*\]")
_RATE = re.compile(r"([^\W\d_]+)\s*/\s*([^\W\d_]+)")


def fields(variables: Variables) -> Iterator[MatField]:
    """The vectors of the last stage, on one grid for all frames."""
    stages = [stage for stage in _STAGES if _has(variables, stage)]
    if not stages or not {"x", "y"} <= variables.headers.keys():
        return
    reading = _Reading(variables, stages)
    frames = [frame for frame in map(reading.frame, range(reading.n_frames)) if frame]
    if not frames:
        raise FieldFileError(
            f"{variables.path}: u and v of PIVlab are empty in all frames, expected "
            "vectors; analyse the images first"
        )
    field = matrices_field("u, v", frames, notes=reading.notes(), **_of_unit(variables))
    yield positioned_field(field)


def _has(variables: Variables, stage: str) -> bool:
    headers = [variables.headers.get(f"{part}_{stage}") for part in "uv"]
    return all(header is not None and header.dtype == "cell" for header in headers)


class _Reading:
    """Frames, and what has been noticed about them."""

    def __init__(self, variables: Variables, stages: list[str]) -> None:
        self._path = variables.path
        self._stages = stages
        names = ["x", "y", *(f"{part}_{stage}" for stage in stages for part in "uv")]
        names += [f"typevector_{stage}" for stage in _STAGES]
        self._values = {
            name: frames_of(variables.value(name))
            for name in names
            if name in variables.headers
        }
        self.n_frames = max(
            len(self._values[f"{part}_{stage}"]) for stage in stages for part in "uv"
        )
        self._used: dict[str, list[int]] = {}
        self._empty: list[int] = []
        self._n_interpolated = self._without_types = 0

    def frame(self, number: int) -> Matrices | None:
        """Positions and vectors of a frame; None if it is empty."""
        stage = self._stage(number)
        if stage is None:
            self._empty.append(number)
            return None
        self._used.setdefault(stage, []).append(number)
        x, y, u, v = (
            self._value(name, number) for name in ("x", "y", f"u_{stage}", f"v_{stage}")
        )
        where = f"{self._path}: frame {number} of PIVlab"
        frame = Matrices.of(where, x, y, u, v)
        return self._masked(frame, self._type(stage, number))

    def notes(self) -> tuple[str, ...]:
        """Which vectors have been read."""
        notes = []
        for stage, numbers in self._used.items():
            where = f" in {frames_in_words(numbers)}" if len(self._used) > 1 else ""
            notes.append(f"the {stage} vectors are read{where}")
        if self._empty:
            notes.append(
                f"without vectors, and left out: {frames_in_words(self._empty)}"
            )
        if self._n_interpolated:
            notes.append(f"vectors interpolated by PIVlab: {self._n_interpolated}")
        if self._without_types:
            notes.append(
                "frames whose types of vectors are not used, since they are not those "
                f"of the vectors: {self._without_types}; masked vectors are read there"
            )
        return tuple(notes)

    def _stage(self, number: int) -> str | None:
        for stage in self._stages:
            if not any(
                is_empty(self._value(f"{part}_{stage}", number)) for part in "uv"
            ):
                return stage
        return None

    def _value(self, name: str, number: int) -> Value:
        values = self._values.get(name, ())
        if name in ("x", "y") and len(values) == 1:
            return values[0]
        return values[number] if number < len(values) else np.empty((0, 0))

    def _type(self, stage: str, number: int) -> Value:
        """Types of the vectors: of this stage, or of the one before."""
        for name in _STAGES[_STAGES.index(stage) :]:
            types = self._value(f"typevector_{name}", number)
            if not is_empty(types):
                return types
        return np.empty((0, 0))

    def _masked(self, frame: Matrices, types: Value) -> Matrices:
        if is_empty(types):
            return frame
        if not isinstance(types, np.ndarray) or types.shape != frame.u.shape:
            self._without_types += 1
            return frame
        self._n_interpolated += int(np.count_nonzero(types == _INTERPOLATED))
        u, v = (
            np.where(types == _MASKED, np.nan, component)
            for component in (frame.u, frame.v)
        )
        return Matrices(frame.x, frame.y, u, v)


def _of_unit(variables: Variables) -> dict[str, Any]:
    """Kind and units according to a text such as ``[px] respectively [px/frame]``."""
    text = text_of(variables.value("units")) if "units" in variables.headers else ""
    rates = _RATE.findall(text)
    if not rates:
        return {"kind": "displacement"}
    unit, per = rates[-1]
    if not per.lower().startswith("fr"):
        return {
            "kind": "other",
            "what": f"a velocity: per {'second' if per == 's' else per}",
            "unit": f"{unit}/{per}",
        }
    of_positions = _LENGTH.search(text)
    return {
        "kind": "displacement",
        "unit": unit,
        "position_unit": None if of_positions is None else of_positions[1],
    }
