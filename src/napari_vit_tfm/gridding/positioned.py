"""`PositionedVectors`: positions and vectors of all frames, put on one grid."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import frames_in_words
from napari_vit_tfm.gridding.finding import are_finite, node_grid
from napari_vit_tfm.gridding.grid import NodeGrid
from napari_vit_tfm.gridding.interpolation import (
    FEWEST_BEADS,
    GAP,
    FloatArray,
    are_in_gaps,
    count_repeated,
    is_enough,
)


@dataclass(frozen=True, eq=False)
class PositionedVectors:
    """Vectors at positions, of one or more frames.

    All frames share one grid. It is found when it is first asked for, and frames are
    put on the grid when they are read.

    Parameters
    ----------
    positions, vectors : sequence of arrays of shape (N, 2)
        Positions and vectors ``(x, y)`` of each frame, in any order. The number may
        differ between frames. Vectors with NaN are holes.

    Examples
    --------
    One frame of six vectors, column by column:

    >>> import numpy as np
    >>> from napari_vit_tfm.gridding import PositionedVectors
    >>> positions = np.array([[x, y] for x in (4.0, 12.0, 20.0) for y in (4.0, 12.0)])
    >>> field = PositionedVectors([positions], [positions])
    >>> field.values().shape, field.values()[0, 1, 2]
    ((1, 2, 3, 2), array([20., 12.]))
    """

    positions: Sequence[FloatArray]
    vectors: Sequence[FloatArray]

    @cached_property
    def grid(self) -> NodeGrid:
        """The grid of the positions of all frames, see `node_grid`."""
        return node_grid(self.positions, self.vectors)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What a user must know about the grid and its empty nodes."""
        return (*self.grid.notes(), *self._notes_of_nodes(), *self._notes_of_lost())

    def _notes_of_nodes(self) -> Iterator[str]:
        if self.grid.is_scattered:
            yield from self._notes_of_scattered()
            return
        n_nodes = self.grid.shape[0] * self.grid.shape[1] * len(self.positions)
        # A vector that is NaN has a node; a position that is NaN has none.
        placed = (
            self.grid.nodes_of(points, np.zeros_like(points))[0]
            for points in self.positions
        )
        empty = n_nodes - sum(map(len, placed))
        if empty > 0:
            yield f"nodes of the grid without a vector: {empty}"

    def _notes_of_lost(self) -> Iterator[str]:
        lost = sum(
            np.count_nonzero(are_finite(vectors) & ~are_finite(points))
            for points, vectors in zip(self.positions, self.vectors, strict=True)
        )
        if lost:
            yield f"vectors without a position, which are left out: {lost}"

    def _notes_of_scattered(self) -> Iterator[str]:
        """Notes on frames with few vectors, gaps, and repeated positions."""
        nodes = [
            self.grid.nodes_of(points, values)[0]
            for points, values in zip(self.positions, self.vectors, strict=True)
        ]
        too_few = [number for number, at in enumerate(nodes) if not is_enough(at)]
        if too_few:
            yield (
                f"{frames_in_words(too_few)} "
                f"{'has' if len(too_few) == 1 else 'have'} fewer than {FEWEST_BEADS} "
                "vectors, or all on a line: all nodes are holes there"
            )
        enough = [at for at in nodes if is_enough(at)]
        shape = self.grid.shape
        in_gaps = sum(np.count_nonzero(are_in_gaps(at, shape)) for at in enough)
        if in_gaps:
            yield (
                f"{in_gaps} of {len(enough) * math.prod(shape)} nodes are further than "
                f"{GAP:g} steps from every vector: they are holes"
            )
        repeated = sum(map(count_repeated, enough))
        if repeated:
            yield (
                f"{repeated} vectors have the position of another vector: the mean is "
                "taken"
            )

    def values(self, frames: slice | None = None) -> FloatArray:
        """Frames on the grid, ``(T, H, W, 2)``; NaN where there is no vector.

        Raises
        ------
        FieldError
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
            if len(self.positions) == 1:
                raise
            raise FieldError(f"frame {number}: {error}") from error
