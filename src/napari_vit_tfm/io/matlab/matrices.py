"""Fields whose positions and components are matrices (rows, columns)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.base import AnyArray, header_of_rows
from napari_vit_tfm.io.matlab.values import Value, frames_of
from napari_vit_tfm.io.positioned import PositionedField


@dataclass(frozen=True, eq=False)
class Matrices:
    """One frame: positions and components, all of the same shape.

    Parameters
    ----------
    x, y, u, v : array of shape (rows, columns)
        Positions and components.
    """

    x: AnyArray
    y: AnyArray
    u: AnyArray
    v: AnyArray

    @classmethod
    def of(cls, where: str, x: Value, y: Value, u: Value, v: Value) -> Matrices:
        """One frame; `x` and `y` may also be the positions of columns and rows.

        Raises
        ------
        FieldFileError
            If they do not have the same shape. The message begins with `where`.
        """
        arrays = [value for value in (x, y, u, v) if _is_matrix(value)]
        if len(arrays) == 4:
            x, y, u, v = arrays
            if (y.size, x.size) == u.shape:
                x, y = np.meshgrid(x.ravel(), y.ravel())
            if x.shape == y.shape == u.shape == v.shape:
                return cls(x, y, u, v)
        raise FieldFileError(
            f"{where} has x, y, u and v of {', '.join(map(_described, (x, y, u, v)))}; "
            "expected numbers in the same rows and columns"
        )


def matrices_field(
    name: str, frames: Iterable[Matrices], **header: Any
) -> PositionedField:
    """Vectors at the positions, with the direction of y, see `header_of_rows`."""
    frames = tuple(frames)
    return PositionedField.of(
        name,
        [_columns(frame.x, frame.y) for frame in frames],
        [_columns(frame.u, frame.v) for frame in frames],
        **header_of_rows(frames[0].y),
        **header,
    )


def frames_of_matrices(
    where: str, x: Value, y: Value, u: Value, v: Value
) -> Iterator[Matrices]:
    """All frames: from cell arrays, or from arrays whose last axis is that of frames.

    Positions of one frame are those of all frames.
    """
    frames = [_matrices(value) for value in (x, y, u, v)]
    number = len(frames[2])
    frames = [values * number if len(values) == 1 else values for values in frames]
    if any(len(values) != number for values in frames):
        raise FieldFileError(
            f"{where} has x, y, u and v of {', '.join(str(len(f)) for f in frames)} "
            "frames, expected as many"
        )
    for values in zip(*frames, strict=True):
        yield Matrices.of(where, *values)


def _matrices(value: Value) -> tuple[Value, ...]:
    if isinstance(value, np.ndarray) and value.ndim == 3:
        return tuple(np.moveaxis(value, -1, 0))
    return frames_of(value)


def _columns(x: AnyArray, y: AnyArray) -> AnyArray:
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _is_matrix(value: Value) -> TypeGuard[AnyArray]:
    return (
        isinstance(value, np.ndarray) and value.ndim == 2 and value.dtype.kind in "fiu"
    )


def _described(value: Value) -> str:
    if isinstance(value, np.ndarray):
        return f"shape {value.shape}"
    return "no numbers"
