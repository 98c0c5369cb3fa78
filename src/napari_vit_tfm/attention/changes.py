"""The traction in a patch, and how much it changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.errors import FieldError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PatchTraction:
    """The undisturbed traction in a patch, with which others are compared.

    Parameters
    ----------
    nodes : tuple of slice
        Rows and columns of the patch's nodes.
    values : array of shape (2, rows, columns)
        Traction ``t / E`` at these nodes.
    rms : float
        Root mean square of all its components, ``t / E``.
    strength : float
        The root mean square relative to that of the patch where it is largest, from 0
        to 1. For a weak traction, relative changes mean little.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.attention.changes import PatchTraction
    >>> from napari_vit_tfm.attention.patches import PatchGrid
    >>> field = np.ones((2, 8, 16))
    >>> traction = PatchTraction.of(field, PatchGrid((8, 16)), (0, 1))
    >>> traction.rms, traction.relative_change(1.5 * field)
    (1.0, 0.5)
    """

    nodes: tuple[slice, slice]
    values: FloatArray
    rms: float
    strength: float

    @classmethod
    def of(cls, traction: FloatArray, grid: PatchGrid, patch: Patch) -> PatchTraction:
        """The traction in a patch of a field.

        Parameters
        ----------
        traction : array of shape (2, h, w)
            Traction ``t / E`` on the network's grid.
        grid : PatchGrid
            The patches.
        patch : tuple of int
            Row and column of the patch.

        Raises
        ------
        FieldError
            If there is no traction in the patch.
        IndexError
            If the patch does not exist.
        """
        nodes = grid.nodes(*patch)
        # A copy: a view would keep the whole field in memory.
        values = traction[:, *nodes].copy()
        rms = _rms(values)
        if rms == 0:
            raise FieldError(
                f"there is no traction in patch {patch[0]},{patch[1]} of this frame, "
                "so its relative change cannot be measured"
            )
        sizes = grid.sums(np.ones(traction.shape[1:]))
        squares = grid.sums(np.square(traction).sum(axis=0)) / sizes
        return cls(nodes, values, rms, float(np.sqrt(squares[patch] / squares.max())))

    def relative_change(self, traction: FloatArray) -> float:
        """Root mean square of the difference in the patch, relative to `rms`.

        Parameters
        ----------
        traction : array of shape (2, h, w)
            Another traction of the field.
        """
        return _rms(traction[:, *self.nodes] - self.values) / self.rms


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.square(values).mean()))
