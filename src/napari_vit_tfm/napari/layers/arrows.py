"""Arrows of a field: of all its frames, or of a window of one frame.

napari can show the arrows of all frames without code of the plugin, but a long
time-lapse then has few arrows in each frame. The arrows of a window have a stride that
suits the zoom. All frames have the same length factor, so that arrows can be compared
over time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import DisplayConfig
from napari_vit_tfm.fields import (
    DISPLACEMENT_COMPANIONS,
    Companions,
    FloatArray,
    TractionStack,
)
from napari_vit_tfm.napari.layers.axes import swap_components
from napari_vit_tfm.napari.layers.metadata import Stack
from napari_vit_tfm.trust.certainty import deviation_of_magnitude

_STRIDES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
"""Strides that suit a zoom: few, so that arrows do not change at every small zoom."""

_FEWEST_BLOCKS = 4
"""Fewest arrows along a side, unless there are fewer where all frames are drawn."""

_VECTORS_TO_SCALE_BY = 300_000
"""Vectors by which arrows are scaled; all of a long time-lapse would take too long."""


@dataclass(frozen=True)
class Window:
    """A part of one frame, with one arrow for each block of vectors.

    Parameters
    ----------
    frame : int
        The frame.
    stride : int
        Side of the blocks, in vectors.
    rows, columns : tuple of int
        First vector, a multiple of the stride, and the one after the last.
    """

    frame: int
    stride: int
    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Arrows:
    """Arrows of a stack; each is the mean of a block of vectors.

    Parameters
    ----------
    data : array of shape (n, 2, 3)
        Start and projection ``(frame, row, column)``, as in napari, in frames and
        grid steps.
    vectors : array of shape (n, 2)
        The mean vectors, components ``(x, y)``, in the unit of the stack.
    grid_steps_per_unit : float
        Length of the arrow of a vector of one unit.
    halfwidths : mapping of str to array of shape (n, 2)
        Mean half-widths of the intervals of tractions, by name. Errors of neighbouring
        vectors are similar, so they are not smaller for a mean.
    """

    data: FloatArray
    vectors: FloatArray
    grid_steps_per_unit: float
    halfwidths: Companions

    @property
    def magnitude(self) -> FloatArray:
        """Lengths of the mean vectors, ``(n,)``, in the unit of the stack."""
        return np.hypot(self.vectors[:, 0], self.vectors[:, 1])

    @property
    def features(self) -> dict[str, FloatArray]:
        """Magnitude of every arrow, and its standard deviation if it is known."""
        features = {"magnitude": self.magnitude}
        if "halfwidth_68" in self.halfwidths:
            features["standard deviation"] = deviation_of_magnitude(
                self.vectors, self.halfwidths["halfwidth_68"]
            )
        return features


class ArrowField:
    """A field that is drawn as arrows.

    Arrows are means over blocks and not every n-th vector, so that adhesions smaller
    than a block also have an arrow.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field.
    config : DisplayConfig
        Number and length of the arrows.
    """

    def __init__(self, stack: Stack, config: DisplayConfig) -> None:
        self._vectors = stack.data
        companions = stack.companions if isinstance(stack, TractionStack) else {}
        self._halfwidths = {
            name: vectors
            for name, vectors in companions.items()
            if name not in DISPLACEMENT_COMPANIONS
        }
        self._config = config
        self._scales: dict[int, _Scale] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of frames, rows and columns."""
        n_frames, n_rows, n_columns, _ = self._vectors.shape
        return n_frames, n_rows, n_columns

    @property
    def stride(self) -> int:
        """Side of the blocks of the arrows of all frames, in vectors.

        It is the configured stride, or larger if a long time-lapse would otherwise have
        more arrows than the configured maximum.
        """
        config, n_vectors = self._config, self._vectors.size / 2
        least = int(np.ceil(np.sqrt(n_vectors / config.max_arrows)))
        return max(config.arrow_stride, least)

    @property
    def strides(self) -> tuple[int, ...]:
        """All strides at which the field may be drawn."""
        _, n_rows, n_columns = self.shape
        largest = max(self.stride, min(n_rows, n_columns) // _FEWEST_BLOCKS)
        return tuple(stride for stride in _STRIDES if stride <= largest)

    def in_all_frames(self) -> Arrows:
        """The arrows of all frames. A block without a finite vector has none."""
        n_frames, n_rows, n_columns = self.shape
        found = self._arrows(
            slice(0, n_frames), self.stride, (0, n_rows), (0, n_columns)
        )
        has_arrow = np.isfinite(found.magnitude)
        halfwidths = {name: one[has_arrow] for name, one in found.halfwidths.items()}
        return Arrows(
            found.data[has_arrow],
            found.vectors[has_arrow],
            found.grid_steps_per_unit,
            halfwidths,
        )

    def in_window(self, window: Window) -> Arrows:
        """The arrows of a window.

        Their number does not depend on the frame: a block without a finite vector has
        one of length zero, whose vector is NaN.
        """
        frame = slice(window.frame, window.frame + 1)
        return self._arrows(frame, window.stride, window.rows, window.columns)

    def _arrows(
        self,
        frames: slice,
        stride: int,
        rows: tuple[int, int],
        columns: tuple[int, int],
    ) -> Arrows:
        part = frames, slice(*rows), slice(*columns)
        means = _block_means(self._vectors[part], stride).reshape(-1, 2)
        start = np.meshgrid(
            np.arange(frames.start, frames.stop),
            _block_centres(rows, stride),
            _block_centres(columns, stride),
            indexing="ij",
        )
        factor = self._scale(stride).grid_steps_per_unit
        data = np.zeros((len(means), 2, 3), dtype=np.float32)
        data[:, 0] = np.stack(start, axis=-1).reshape(-1, 3)
        data[:, 1, 1:] = np.nan_to_num(swap_components(means) * factor)
        halfwidths = {
            name: _block_means(vectors[part], stride).reshape(-1, 2)
            for name, vectors in self._halfwidths.items()
        }
        return Arrows(data, means, factor, halfwidths)

    @property
    def corners(self) -> FloatArray:
        """First and last ``(frame, row, column)`` of arrows at any stride, ``(2, 3)``.

        Those of some frames of a long time-lapse.
        """
        n_frames, *_ = self.shape
        ends = np.stack([self._scale(one).ends for one in {*self.strides, self.stride}])
        return np.array(
            [
                (0, *ends[:, 0].min(axis=0)),
                (n_frames - 1, *ends[:, 1].max(axis=0)),
            ],
            dtype=np.float32,
        )

    def _scale(self, stride: int) -> _Scale:
        """The scale that all frames have at a stride.

        The longest arrow is no longer at larger strides than where all frames are
        drawn, so that none reaches far beyond the field.
        """
        if stride not in self._scales:
            n_frames, n_rows, n_columns = self.shape
            n_looked_at = max(1, _VECTORS_TO_SCALE_BY // (n_rows * n_columns))
            some = self._vectors[:: int(np.ceil(n_frames / n_looked_at))]
            centres = np.meshgrid(
                _block_centres((0, n_rows), stride),
                _block_centres((0, n_columns), stride),
                indexing="ij",
            )
            self._scales[stride] = _Scale.of(
                _block_means(some, stride),
                np.stack(centres, axis=-1),
                self._config.longest_arrow * min(stride, self.stride),
            )
        return self._scales[stride]


@dataclass(frozen=True, eq=False)
class _Scale:
    """Length factor of the arrows at a stride, and first and last row and column."""

    grid_steps_per_unit: float
    ends: npt.NDArray[np.float64]

    @classmethod
    def of(
        cls, means: FloatArray, centres: npt.NDArray[np.float64], longest_arrow: float
    ) -> _Scale:
        """The scale at which the longest mean has a length.

        Parameters
        ----------
        means : array of shape (T, h, w, 2)
            Means of blocks.
        centres : array of shape (h, w, 2)
            Row and column of their centres.
        longest_arrow : float
            The length, in vectors.
        """
        lengths = np.hypot(means[..., 0], means[..., 1])
        longest = float(lengths.max(where=np.isfinite(lengths), initial=0.0))
        factor = longest_arrow / longest if longest > 0 else 1.0
        tips = centres + np.nan_to_num(swap_components(means) * factor)
        low = np.minimum(tips.min(axis=(0, 1, 2)), centres[0, 0])
        high = np.maximum(tips.max(axis=(0, 1, 2)), centres[-1, -1])
        return cls(factor, np.stack([low, high]))


def _block_means(data: FloatArray, stride: int) -> FloatArray:
    """Means of the finite vectors of blocks; NaN for blocks without any.

    Blocks at the lower and right border may be smaller.
    """
    finite = np.isfinite(data).all(axis=-1, keepdims=True)
    if stride == 1:
        return np.where(finite, data, np.nan).astype(np.float32)
    sums, counts = np.where(finite, data, 0).astype(np.float64), finite.astype(float)
    for axis in (1, 2):
        starts = np.arange(0, data.shape[axis], stride)
        sums = np.add.reduceat(sums, starts, axis=axis)
        counts = np.add.reduceat(counts, starts, axis=axis)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return means.astype(np.float32)


def _block_centres(span: tuple[int, int], stride: int) -> npt.NDArray[np.float64]:
    starts = np.arange(*span, stride)
    centres: npt.NDArray[np.float64] = (starts + np.append(starts[1:], span[1]) - 1) / 2
    return centres


@dataclass(frozen=True, eq=False)
class ArrowSource:
    """Where the data of a layer of arrows, or of lines at the arrows, come from.

    Parameters
    ----------
    field : ArrowField
        The field.
    has_frames : bool
        Whether the layer has an axis of frames.
    lines : callable, optional
        Function from arrows to lines that are drawn instead, some of length zero.
    """

    field: ArrowField
    has_frames: bool
    lines: Callable[[Arrows], FloatArray] | None = None

    def in_all_frames(self) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Data and features of a layer with the arrows of all frames."""
        arrows = self.field.in_all_frames()
        if self.lines is None:
            return self._along_axes(arrows.data), arrows.features
        lines = self.lines(arrows)
        return self._along_axes(lines[lines[:, 1].any(axis=-1)]), {}

    def in_window(self, window: Window) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Data and features of a layer with the arrows of a window."""
        arrows = self.field.in_window(window)
        if self.lines is None:
            return self._along_axes(arrows.data), arrows.features
        return self._along_axes(self.lines(arrows)), {}

    @property
    def corners(self) -> FloatArray:
        """First and last point of the arrows in the layer, ``(2, ndim)``."""
        corners = self.field.corners
        return corners if self.has_frames else corners[:, 1:]

    def _along_axes(self, data: FloatArray) -> FloatArray:
        return data if self.has_frames else np.ascontiguousarray(data[..., 1:])
