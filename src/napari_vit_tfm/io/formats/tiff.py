"""TIFF and OME-TIFF files of floating-point numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any
from xml.etree import ElementTree

import numpy as np
import tifffile

from napari_vit_tfm import __version__
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import COMPANION_NAMES
from napari_vit_tfm.io.base import (
    MIN_SIDE,
    TRACTION_NAME,
    AnyArray,
    ArrayEntry,
    Attributes,
    Layout,
    check_size,
    field_layout,
)
from napari_vit_tfm.io.exporter import Append, Exporter
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.json_text import from_json, to_json

SUFFIXES = (".tif", ".tiff")

_CREATOR = f"napari-vit-tfm {__version__}"
_CHANNELS = ("traction x", "traction y", "traction magnitude")
_VALUES = "values"
"""Key of the numbers of a small array in the description."""

_BIG_TIFF_BYTES = 2**32 - 2**26
"""Size of the pixels from which the file is a BigTIFF."""

_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class TiffFile(FieldFile):
    """Arrays are image series.

    The axis of channels has the components. If the file does not name its axes, three
    axes whose first or last has the length 2 are one frame. In files of this
    package, a third channel has the magnitude.
    """

    name = "TIFF"
    suffixes = SUFFIXES
    expects = (
        "floating-point images with two channels, or two files with one component each"
    )
    may_be_component = True

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the file begins as TIFF files do."""
        return head.startswith(_SIGNATURES)

    def open(self, resources: ExitStack) -> None:
        """Open the file; other files that its description names are not opened."""
        others: dict[str, Any] = {
            f"is_{kind}": False
            for kind in ("mmstack", "ndtiff")
            if kind in tifffile.TIFF.FILE_FLAGS
        }
        self._tiff = resources.enter_context(
            tifffile.TiffFile(self.path, _multifile=False, **others)
        )

    def entries(self) -> tuple[ArrayEntry, ...]:
        """All image series, without axes of length 1, except that of the frames."""
        self._check_pages()
        if self._own:
            return tuple(map(self._own_entry, self._own))
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
        if self._own:
            array = self._own_values(name)
            return array if frames is None else array[frames]
        names = [self._name(number) for number in range(len(self._tiff.series))]
        series = self._tiff.series[names.index(name)]
        self._check_size(name, series)
        shape, axes = _kept(series)
        array = np.asarray(series.asarray()).reshape(shape)
        if _has_channels_first(axes):
            array = array.swapaxes(0, 1)
        return array if frames is None else array[frames]

    def _check_pages(self) -> None:
        """Raise an error if the list of images breaks off, as in a file that is cut."""
        pages, n_bytes = self._tiff.pages, self._tiff.tiff.offsetsize
        n_pages = len(pages)
        stream, at = self._tiff.filehandle, pages.next_page_offset
        if at is None:
            return
        stream.seek(at)
        if any(stream.read(n_bytes)):
            raise FieldFileError(
                f"{self.path}: the list of images breaks off after {n_pages}: the file "
                "is damaged or incomplete"
            )

    def _check_size(self, name: str, series: Any) -> None:
        """Raise an error if the pixels cannot be in the file."""
        check_size(self.path, name, series.nbytes, self._tiff.filehandle.size)
        page = series.keyframe
        if page.compression == 1 and sum(page.databytecounts) < page.nbytes:
            raise FieldFileError(
                f"{self.path}: {name} has {page.nbytes} bytes for each image according "
                f"to its header, but {sum(page.databytecounts)} are in the file"
            )

    def _name(self, number: int) -> str:
        series = len(self._tiff.series)
        return self.path.stem if series == 1 else f"{self.path.stem} {number}"

    @cached_property
    def _own(self) -> dict[str, dict[str, Any]]:
        """What the description of a file of this package says about its arrays."""
        if not self._tiff.is_ome:
            return {}
        root = ElementTree.fromstring(self._tiff.ome_metadata or "")
        if not root.get("Creator", "").startswith("napari-vit-tfm "):
            return {}
        description = root.findtext("{*}Image/{*}Description")
        found = from_json(description or "{}")
        return found if TRACTION_NAME in found else {}

    def _own_entry(self, name: str) -> ArrayEntry:
        about = self._own[name]
        if name != TRACTION_NAME:
            array = self._own_values(name)
            attributes = {key: x for key, x in about.items() if key != _VALUES}
            return ArrayEntry(
                name, array.shape, array.dtype.name, attributes=attributes
            )
        n_frames, _, height, width = self._own_shape
        return ArrayEntry(
            name,
            (n_frames, height, width, 2),
            np.dtype(np.float32).name,
            layout="(T, H, W, 2)",
            attributes=about,
        )

    def _own_values(self, name: str) -> AnyArray:
        if name != TRACTION_NAME:
            return np.array(self._own[name][_VALUES])
        series = self._tiff.series[0]
        self._check_size(name, series)
        planes = np.asarray(self._tiff.series[0].asarray()).reshape(self._own_shape)
        return np.moveaxis(planes[:, :2], 1, -1)

    @property
    def _own_shape(self) -> tuple[int, int, int, int]:
        """Shape ``(T, 3, H, W)`` of the images in a file of this package."""
        series = self._tiff.series[0]
        height, width = map(int, series.shape[-2:])
        n_planes = int(series.size) // (height * width)
        return n_planes // len(_CHANNELS), len(_CHANNELS), height, width


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


class OmeTiffExporter(Exporter):
    """Tractions as images: axes TCYX, and the channels x, y and magnitude.

    The description of the image is JSON with the attributes and the other arrays. The
    number of frames is at the beginning of the file, so frames are collected in a
    temporary file.
    """

    name = "OME-TIFF"
    suffixes = SUFFIXES
    only_tractions = True
    has_companions = False

    @classmethod
    @contextmanager
    def open(cls, path: Path, attributes: Attributes) -> Iterator[Append]:
        """Create a file, which is written when the block ends."""
        about: dict[str, dict[str, Any]] = {}
        grid: list[tuple[int, ...]] = []
        with TemporaryFile(dir=path.parent) as spool:

            def append(name: str, array: AnyArray, attributes: Attributes) -> None:
                if name in COMPANION_NAMES:
                    return
                described = about.setdefault(name, dict(attributes))
                if name != TRACTION_NAME:
                    described[_VALUES] = array
                    return
                grid.append(array.shape[1:3])
                spool.write(_planes(array).data)

            yield append
            about = {TRACTION_NAME: about.pop(TRACTION_NAME), **about}
            _write_ome(path, spool, grid[0], {**attributes, **about})


def _planes(vectors: AnyArray) -> AnyArray:
    """Frames ``(T, 3, H, W)`` with the components and the magnitude, as float32."""
    x, y = np.moveaxis(vectors, -1, 0)
    return np.stack([x, y, np.hypot(x, y)], axis=1).astype("<f4")


def _write_ome(
    path: Path, spool: IO[bytes], grid: tuple[int, ...], about: dict[str, Any]
) -> None:
    """Write the collected frames, with spacing, names of channels and description."""
    spool.flush()
    planes = np.memmap(spool, dtype="<f4", mode="r").reshape(-1, len(_CHANNELS), *grid)
    unit = "Pa" if about[TRACTION_NAME]["units"] == "Pa" else "t/E"
    metadata: dict[str, Any] = {
        "axes": "TCYX",
        "Creator": _CREATOR,
        "Name": "tractions",
        "Description": to_json(about),
        "Channel": {"Name": [f"{channel} ({unit})" for channel in _CHANNELS]},
    }
    tags: dict[str, Any] = {}
    spacing_um = about[TRACTION_NAME]["spacing_um"]
    if np.isfinite(spacing_um):
        for axis in "XY":
            metadata[f"PhysicalSize{axis}"] = spacing_um
            metadata[f"PhysicalSize{axis}Unit"] = "\N{MICRO SIGN}m"
        # Programs that do not read the OME metadata use these tags.
        tags = {"resolution": (1e4 / spacing_um,) * 2, "resolutionunit": "CENTIMETER"}
    with tifffile.TiffWriter(
        path, ome=True, bigtiff=planes.nbytes > _BIG_TIFF_BYTES
    ) as tiff:
        tiff.write(planes, photometric="minisblack", metadata=metadata, **tags)
