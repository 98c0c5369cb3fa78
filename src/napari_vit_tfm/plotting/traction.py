"""`TractionPlot`: the tractions of a frame as image and arrows, with scales."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = "inferno"
_MISSING = "#808080"
_ARROWS_ALONG = 26
"""Arrows along the longer side of the field, at most."""

_SHORTEST_ARROW = 0.05
"""Magnitude from which a vector has an arrow, relative to the limit."""

_LONGEST_ARROW = 1.8
"""Length of the longest arrow, in distances of two arrows, but at most `_MOST_LENGTH`
of the longer side of the field."""

_MOST_LENGTH = 0.08

_WIDTH = 5.0
"""Width of the field in the figure, in inches."""


class TractionPlot:
    """The tractions of one frame: magnitude as image, and arrows.

    The colour scale and the lengths of the arrows are the same for all frames; both
    end at the limit. Every arrow is the strongest vector in a square of vectors. x
    points to the right and y downwards, as in an image. The bar below the image is a
    length in the specimen, or in steps of the vector grid if the spacing is not known.
    Nodes without a traction are grey.

    Parameters
    ----------
    traction : TractionStack
        The tractions.
    limit : float, keyword-only, optional
        Magnitude at the end of the colour scale, in the unit of the tractions. None is
        the largest of all frames.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        The figure, which shows the first frame until `show` is called.
    limit : float
        Magnitude at the end of the colour scale.

    Raises
    ------
    FieldError
        If the limit is not positive, or all tractions are missing.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import TractionStack
    >>> from napari_vit_tfm.plotting.traction import TractionPlot
    >>> data = np.full((2, 16, 16, 2), 300.0)
    >>> data[1] *= 2
    >>> plot = TractionPlot(TractionStack(data, unit="Pa", spacing_um=0.5))
    >>> plot.show(1)
    >>> round(plot.limit)
    849
    """

    def __init__(self, traction: TractionStack, *, limit: float | None = None) -> None:
        if limit is not None and not (math.isfinite(limit) and limit > 0):
            raise FieldError(f"the limit must be a positive number, not {limit}")
        if np.isnan(traction.data).all():
            raise FieldError("there is nothing to draw: all tractions are missing")
        from matplotlib.figure import Figure

        self._traction = traction
        longest = traction.longest()
        self.limit = limit or longest or 1.0
        self._step = traction.spacing_um or 1.0
        height, width = traction.grid_shape
        # The colour bar and the scale bar need room, too.
        size = (_WIDTH + 1.3, max(_WIDTH * height / width, 1.5) + 0.8)
        self.figure: Figure = Figure(figsize=size, layout="constrained")
        self._axes = self.figure.subplots()
        self._draw_image(is_cut_off=longest > self.limit)
        self._draw_arrows()
        self._draw_scale_bar()
        self.show(0)

    def show(self, frame: int) -> None:
        """Show a frame.

        Parameters
        ----------
        frame : int
            Number of the frame, from 0.

        Raises
        ------
        FieldError
            If there is no such frame.
        """
        n_frames = self._traction.n_frames
        if not 0 <= frame < n_frames:
            raise FieldError(
                f"there is no frame {frame}: the frames are 0 to {n_frames - 1}"
            )
        vectors = self._traction.data[frame]
        self._image.set_data(np.hypot(vectors[..., 0], vectors[..., 1]))
        rows, columns = strongest_nodes(vectors, self._stride)
        x, y = vectors[rows, columns].T
        lengths = np.hypot(x, y)
        is_short = ~(lengths >= _SHORTEST_ARROW * self.limit)
        x, y = np.stack([x, y]) * np.minimum(1, self.limit / np.fmax(lengths, 1e-30))
        self._arrows.set_offsets(np.stack([columns, rows], axis=1) * self._step)
        self._arrows.set_UVC(
            np.ma.masked_array(x, is_short), np.ma.masked_array(y, is_short)
        )
        if n_frames > 1:
            self._axes.set_title(f"frame {frame} (0 to {n_frames - 1})", fontsize=10)

    def _draw_image(self, *, is_cut_off: bool) -> None:
        import matplotlib as mpl

        axes: Axes = self._axes
        height, width = self._traction.grid_shape
        colours = mpl.colormaps[_COLOURS].with_extremes(bad=_MISSING)
        self._image = axes.imshow(
            np.zeros((height, width)),
            cmap=colours,
            vmin=0.0,
            vmax=self.limit,
            origin="upper",
            # A node is in the middle of its square.
            extent=(
                -0.5 * self._step,
                (width - 0.5) * self._step,
                (height - 0.5) * self._step,
                -0.5 * self._step,
            ),
            interpolation="nearest",
        )
        axes.set_xticks([])
        axes.set_yticks([])
        is_pascal = self._traction.unit == "Pa"
        self.figure.colorbar(
            self._image,
            ax=axes,
            label="traction (Pa)" if is_pascal else "traction / Young's modulus",
            extend="max" if is_cut_off else "neither",
        )

    def _draw_arrows(self) -> None:
        longer_side = max(self._traction.grid_shape)
        self._stride = max(1, math.ceil(longer_side / _ARROWS_ALONG))
        longest = min(_LONGEST_ARROW * self._stride, _MOST_LENGTH * longer_side)
        rows, columns = strongest_nodes(self._traction.data[0], self._stride)
        self._arrows = self._axes.quiver(
            columns * self._step,
            rows * self._step,
            np.zeros(rows.size),
            np.zeros(rows.size),
            facecolor="white",
            # Visible on the brightest colours, too.
            edgecolor="black",
            linewidth=0.5,
            # Directions in the coordinates of the axes, whose y points downwards.
            angles="xy",
            scale_units="xy",
            scale=self.limit / (longest * self._step),
            width=0.004,
        )

    def _draw_scale_bar(self) -> None:
        width = self._traction.grid_shape[1] * self._step
        length = round_length(width / 3)
        unit = "grid steps" if self._traction.spacing_um is None else "\N{MICRO SIGN}m"
        # x in the coordinates of the field, y in those of the axes: below the image.
        at = self._axes.get_xaxis_transform()
        left = -0.5 * self._step
        self._axes.plot(
            [left, left + length],
            [-0.03, -0.03],
            transform=at,
            color="black",
            linewidth=3,
            solid_capstyle="butt",
            clip_on=False,
        )
        self._axes.set_xlim(left, left + width)
        self._axes.text(
            left + length / 2,
            -0.05,
            f"{length:g} {unit}",
            transform=at,
            ha="center",
            va="top",
        )


def strongest_nodes(
    vectors: npt.NDArray[np.floating], stride: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The node with the longest vector in every square of a field.

    Parameters
    ----------
    vectors : array of shape (H, W, 2)
        Vectors; NaN where one is missing.
    stride : int
        Side of a square. Squares at the right and the bottom may be smaller.

    Returns
    -------
    rows, columns : array of shape (N,)
        One node for each square.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.plotting.traction import strongest_nodes
    >>> vectors = np.zeros((2, 4, 2))
    >>> vectors[1, 2] = 5.0
    >>> [index.tolist() for index in strongest_nodes(vectors, 2)]
    [[0, 1], [0, 2]]
    """
    height, width = vectors.shape[:2]
    n_rows, n_columns = -(-height // stride), -(-width // stride)
    lengths = np.full((n_rows * stride, n_columns * stride), -1.0)
    known = np.nan_to_num(np.hypot(vectors[..., 0], vectors[..., 1]), nan=-0.5)
    lengths[:height, :width] = known
    squares = lengths.reshape(n_rows, stride, n_columns, stride).swapaxes(1, 2)
    inside = squares.reshape(n_rows, n_columns, -1).argmax(axis=2)
    rows = np.arange(n_rows)[:, None] * stride + inside // stride
    columns = np.arange(n_columns) * stride + inside % stride
    return rows.ravel(), columns.ravel()


def round_length(longest: float) -> float:
    """The largest length 1, 2 or 5 times a power of ten up to a length.

    Examples
    --------
    >>> from napari_vit_tfm.plotting.traction import round_length
    >>> round_length(27.0), round_length(0.7), round_length(10.0)
    (20.0, 0.5, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(longest))
    return max(factor * power for factor in (1, 2, 5) if factor * power <= longest)
