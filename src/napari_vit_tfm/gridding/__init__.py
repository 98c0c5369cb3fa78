"""Vectors at positions, in any order, on a regular grid of square cells.

`PositionedVectors` has the positions and vectors of all frames. `node_grid` finds their
grid, a `NodeGrid`. Positions on a regular grid, apart from rounding, are put on its
nodes; nodes without a vector are holes. Other positions, such as those of tracked
beads, are scattered: their vectors are interpolated.
"""

from napari_vit_tfm.gridding.finding import node_grid
from napari_vit_tfm.gridding.grid import NodeGrid
from napari_vit_tfm.gridding.interpolation import FloatArray
from napari_vit_tfm.gridding.positioned import PositionedVectors

__all__ = ["FloatArray", "NodeGrid", "PositionedVectors", "node_grid"]
