"""`PositionedField`: frames of vectors at positions, put on one grid."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.gridding import NodeGrid, node_grid
from napari_vit_tfm.io.base import (
    FIRST_POSITION,
    SPACING_IN_UNIT,
    ArrayEntry,
    Attributes,
)

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PositionedField:
    """Vectors at positions, of one or more frames.

    All frames share one grid. It is found when it is first asked for, and frames are
    put on the grid when they are read.

    Parameters
    ----------
    path : Path
        The file, for messages.
    name : str
        Name of the field in the file.
    positions, vectors : sequence of arrays of shape (N, 2)
        Positions and vectors ``(x, y)`` of each frame. The number may differ between
        frames. Vectors with NaN are holes.
    notes : tuple of str
        What a user must know about the vectors.

    Examples
    --------
    One frame of six vectors, column by column:

    >>> from pathlib import Path
    >>> import numpy as np
    >>> from napari_vit_tfm.io.positioned import PositionedField
    >>> positions = np.array([[x, y] for x in (4, 12, 20) for y in (4, 12)])
    >>> field = PositionedField.of(Path("cell.mat"), "u", [positions], [positions])
    >>> field.values().shape, field.values()[0, 1, 2]
    ((1, 2, 3, 2), array([20., 12.]))
    """

    path: Path
    name: str
    positions: Sequence[FloatArray]
    vectors: Sequence[FloatArray]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, path: Path, name: str, positions: Sequence[Any], vectors: Sequence[Any]
    ) -> PositionedField:
        """The field of arrays ``(N, 2)``, ``(N, 3)``, or their transposes.

        Raises
        ------
        FieldFileError
            If they are other arrays, or do not belong together.
        """
        if not positions or len(positions) != len(vectors):
            raise FieldFileError(
                f"{path}: {name} has positions of {len(positions)} frames and vectors "
                f"of {len(vectors)} frames, expected both of every frame"
            )
        frames = [
            _frame(f"{path}: frame {number} of {name}", points, values)
            for number, (points, values) in enumerate(
                zip(positions, vectors, strict=True)
            )
        ]
        has_third = any(values.shape[1] == 3 for _, values in frames)
        return cls(
            path,
            name,
            [points[:, :2] for points, _ in frames],
            [values[:, :2] for _, values in frames],
            notes=("the third component is left out",) if has_third else (),
        )

    @cached_property
    def grid(self) -> NodeGrid:
        """The grid of the positions of all frames.

        Raises
        ------
        FieldFileError
            If the positions are not those of a field.
        """
        try:
            return node_grid(self.positions)
        except FieldError as error:
            raise FieldFileError(f"{self.path}: {self.name}: {error}") from error

    def entry(
        self, *, attributes: Attributes | None = None, **header: Any
    ) -> ArrayEntry:
        """The header of the field.

        Parameters
        ----------
        attributes : mapping, optional, keyword-only
            Attributes besides the distance between neighbouring vectors.
        **header
            Other parameters of `ArrayEntry`.
        """
        notes = (*header.pop("notes", ()), *self.notes, *self.grid.notes())
        return ArrayEntry(
            name=self.name,
            shape=(len(self.positions), *self.grid.shape, 2),
            dtype="float64",
            layout="(T, H, W, 2)",
            notes=notes,
            attributes={
                SPACING_IN_UNIT: self.grid.step,
                FIRST_POSITION: self.grid.first_position,
                **(attributes or {}),
            },
            **header,
        )

    def values(self, frames: slice | None = None) -> FloatArray:
        """Frames on the grid, ``(T, H, W, 2)``; NaN where there is no vector.

        Raises
        ------
        FieldFileError
            If the vectors of a frame cannot be put on the grid.
        """
        numbers = range(len(self.positions))[frames or slice(None)]
        # Interpolation of scattered positions takes 0.2 s a frame of 20,000 vectors.
        # SciPy releases Python's lock during this time.
        with ThreadPoolExecutor() as pool:
            return np.stack(list(pool.map(self._placed, numbers)))

    def _placed(self, number: int) -> FloatArray:
        try:
            return self.grid.place(self.positions[number], self.vectors[number])
        except FieldError as error:
            raise FieldFileError(
                f"{self.path}: {self.name}, frame {number}: {error}"
            ) from error


def _frame(where: str, positions: Any, vectors: Any) -> tuple[FloatArray, FloatArray]:
    """Positions and vectors of one frame, one row each."""
    points, values = _rows(positions), _rows(vectors)
    if points is None or values is None:
        wrong = positions if points is None else vectors
        found = (
            f"{wrong.dtype} numbers of shape {wrong.shape}"
            if isinstance(wrong, np.ndarray)
            else "no numbers"
        )
        raise FieldFileError(
            f"{where} has {found} as {'positions' if points is None else 'vectors'}, "
            "expected one row (x, y) for every vector"
        )
    if len(points) != len(values):
        raise FieldFileError(
            f"{where} has {len(points)} positions and {len(values)} vectors, expected "
            "one position for every vector"
        )
    return points, values


def _rows(array: Any) -> FloatArray | None:
    """One row per vector, as float64; None if it is another array."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        return None
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2:
        return None
    if array.shape[1] not in (2, 3) and array.shape[0] in (2, 3):
        array = array.T
    return array.astype(np.float64) if array.shape[1] in (2, 3) else None
