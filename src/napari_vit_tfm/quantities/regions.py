"""Regions of cells: where quantities are summed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import skimage

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.quantities.cell import Mask

Labels = npt.NDArray[np.integer]

LEAST_DILATION_STEPS = 2.0
LEAST_DILATION_UM = 2.0


@dataclass(frozen=True, eq=False)
class Region:
    """Where the tractions of a cell are.

    Parameters
    ----------
    cell : int
        Number of the cell.
    core : array of bool, shape (H, W)
        The cell itself.
    dilated : array of bool, shape (H, W)
        The cell with its surroundings, where forces are summed.
    ring : array of bool, shape (H, W)
        The ring around `dilated`, as wide as the dilation.
    is_field : bool
        Whether the region is the whole field because no cell is known.
    """

    cell: int
    core: Mask
    dilated: Mask
    ring: Mask
    is_field: bool = False


def default_dilation_steps(spacing_um: float | None) -> float:
    """Dilation of a cell: the larger of two grid steps and 2 um, in grid steps.

    Displacements, and tractions that are computed from them, spread beyond the cell.

    Examples
    --------
    >>> default_dilation_steps(0.5), default_dilation_steps(4.0)
    (4.0, 2.0)
    """
    if spacing_um is None:
        return LEAST_DILATION_STEPS
    return max(LEAST_DILATION_STEPS, LEAST_DILATION_UM / spacing_um)


def dilation_in_steps(dilation_um: float | None, spacing_um: float | None) -> float:
    """Dilation of a cell in grid steps.

    Parameters
    ----------
    dilation_um : float, optional
        Dilation in um. None is that of `default_dilation_steps`.
    spacing_um : float, optional
        Distance between neighbouring vectors, in um.

    Raises
    ------
    FieldError
        If the dilation is given, and the spacing is not known.

    Examples
    --------
    >>> dilation_in_steps(3.0, 0.5), dilation_in_steps(None, 0.5)
    (6.0, 4.0)
    """
    if dilation_um is None:
        return default_dilation_steps(spacing_um)
    if spacing_um is None:
        raise FieldError("a dilation in um needs the vector spacing in um")
    return dilation_um / spacing_um


def regions_of(labels: Labels, *, dilation_steps: float) -> Iterator[Region]:
    """Regions of all cells of one frame.

    Parameters
    ----------
    labels : array of int, shape (H, W)
        Number of the cell at each node; 0 is the background.
    dilation_steps : float, keyword-only
        Width of the surroundings, in grid steps. Where those of two cells meet, each
        node belongs to the nearer cell.

    Yields
    ------
    Region
        In the order of the numbers.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((16, 16), dtype=int)
    >>> labels[6:10, 6:10] = 3
    >>> (region,) = regions_of(labels, dilation_steps=1.0)
    >>> region.cell, int(region.core.sum()), int(region.dilated.sum())
    (3, 16, 32)
    """
    expand_labels = skimage.segmentation.expand_labels
    dilated = expand_labels(labels, dilation_steps)  # type: ignore[no-untyped-call]
    wide = expand_labels(labels, 2 * dilation_steps)  # type: ignore[no-untyped-call]
    for cell in map(int, np.unique(labels)):
        if cell:
            inside = dilated == cell
            yield Region(cell, labels == cell, inside, (wide == cell) & ~inside)


def whole_field(shape: tuple[int, int]) -> Region:
    """The whole field as one cell, number 1, without a ring."""
    everywhere = np.ones(shape, dtype=np.bool_)
    return Region(1, everywhere, everywhere, ~everywhere, is_field=True)


def labels_of_outline(
    outline: npt.NDArray[np.floating], shape: tuple[int, int]
) -> Labels:
    """The inside of an outline as the labels of one cell, number 1.

    Parameters
    ----------
    outline : array of shape (N, 2)
        Corners ``(x, y)``, in grid steps from the first node.
    shape : tuple of int
        Rows and columns of the grid.

    Returns
    -------
    array of int, shape (H, W)

    Raises
    ------
    FieldError
        If the outline encloses no node.
    """
    labels = labels_of_polygons([outline], shape)
    if not labels.any():
        raise FieldError("the outline encloses none of the vectors")
    return labels


def labels_of_polygons(
    polygons: Iterable[npt.NDArray[np.floating]], shape: tuple[int, int]
) -> Labels:
    """The insides of polygons as labels of cells, numbered from 1 in their order.

    Parameters
    ----------
    polygons : iterable of arrays of shape (N, 2)
        Corners ``(x, y)``, in grid steps from the first node. Where polygons overlap,
        nodes belong to the last one.
    shape : tuple of int
        Rows and columns of the grid.

    Returns
    -------
    array of int, shape (H, W)
        0 where there is no polygon.

    Examples
    --------
    >>> import numpy as np
    >>> triangle = np.array([[1.0, 1.0], [4.0, 1.0], [1.0, 4.0]])
    >>> int(labels_of_polygons([triangle, triangle + 4], (8, 8)).max())
    2
    """
    labels = np.zeros(shape, dtype=np.int64)
    for number, polygon in enumerate(polygons, start=1):
        corners = np.asarray(polygon)[:, ::-1]
        inside = skimage.draw.polygon2mask(shape, corners)  # type: ignore[no-untyped-call]
        labels[inside] = number
    return labels
