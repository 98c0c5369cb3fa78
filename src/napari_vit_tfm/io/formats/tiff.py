"""TIFF and OME-TIFF files of floating-point numbers."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from napari_vit_tfm.io.base import (
    MIN_SIDE,
    AnyArray,
    ArrayEntry,
    Layout,
    field_layout,
)
from napari_vit_tfm.io.field_file import FieldFile

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class TiffFile(FieldFile):
    """Arrays are image series.

    The axis of channels has the components. If the file does not name its axes, three
    axes whose first or last has the length 2 are one frame.
    """

    name = "TIFF"
    suffixes = (".tif", ".tiff")
    expects = (
        "floating-point images with two channels, or two files with one component each"
    )
    may_be_component = True

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the file begins as TIFF files do."""
        return head.startswith(_SIGNATURES)

    def open(self, resources: ExitStack) -> None:
        """Open the file."""
        self._tiff = resources.enter_context(tifffile.TiffFile(self.path))

    def entries(self) -> tuple[ArrayEntry, ...]:
        """All image series, without axes of length 1, except that of the frames."""
        return tuple(
            ArrayEntry(
                name=self._name(number),
                shape=shape,
                dtype=np.dtype(series.dtype).name,
                layout=_layout(shape, axes, np.dtype(series.dtype)),
            )
            for number, series in enumerate(self._tiff.series)
            for shape, axes in [_squeezed(series)]
        )

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Pixels of an image series."""
        names = [self._name(number) for number in range(len(self._tiff.series))]
        series = self._tiff.series[names.index(name)]
        shape, axes = _kept(series)
        array = np.asarray(series.asarray()).reshape(shape)
        if _has_channels_first(axes):
            array = array.swapaxes(0, 1)
        return array if frames is None else array[frames]

    def _name(self, number: int) -> str:
        series = len(self._tiff.series)
        return self.path.stem if series == 1 else f"{self.path.stem} {number}"


def _squeezed(series: Any) -> tuple[tuple[int, ...], str]:
    """Shape and axes without axes of length 1, and with channels after frames."""
    shape, axes = _kept(series)
    if _has_channels_first(axes):
        return (shape[1], shape[0], *shape[2:]), axes[1] + axes[0] + axes[2:]
    return shape, axes


def _has_channels_first(axes: str) -> bool:
    return len(axes) == 4 and axes[0] in "CS" and axes[1] not in "CS"


def _kept(series: Any) -> tuple[tuple[int, ...], str]:
    """Shape and axes of an image series without axes of length 1."""
    kept = [number for number, side in enumerate(series.shape) if side > 1]
    shape = tuple(int(series.shape[number]) for number in kept)
    return shape, "".join(series.axes[number] for number in kept)


def _layout(shape: tuple[int, ...], axes: str, dtype: np.dtype[Any]) -> Layout | None:
    if dtype.kind != "f" or axes[-2:] not in ("YX", "XS"):
        return None
    if len(shape) == 3 and shape[0] == 2 and axes[0] in "CQIS":
        return "(2, H, W)" if min(shape[1:]) >= MIN_SIDE else None
    if len(shape) == 4 and axes[1] in "TZ":
        return None
    return field_layout(shape, dtype)
