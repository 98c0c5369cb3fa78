"""Displacement and traction stacks out of files of any format."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import ReadingConfig
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import (
    Displacement,
    DisplacementStack,
    DisplacementStream,
    TractionStack,
)
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io.attributes import (
    gel_of,
    known_length_of,
    length_of,
    unit_of_displacement,
    unit_of_traction,
)
from napari_vit_tfm.io.base import (
    DRIFT_NAME,
    SEGMENTATION_NAME,
    ArrayEntry,
)
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.frames import FileFrames
from napari_vit_tfm.io.registry import PathLike, open_field_file, opened
from napari_vit_tfm.io.series import Series, SeriesFrames, natural_order
from napari_vit_tfm.io.summary import choose
from napari_vit_tfm.units import DisplacementUnit, TractionUnit


class DisplacementOptions(TypedDict, total=False):
    """What the caller says about displacements; see `read_displacement`."""

    dataset: str | None
    unit: DisplacementUnit | None
    spacing_um: float | None
    pixel_size_um: float | None
    gel: Gel | None
    on_notice: Callable[[str], None] | None


def read_displacement(
    source: PathLike | FieldFile | Sequence[PathLike],
    *,
    dataset: str | None = None,
    unit: DisplacementUnit | None = None,
    spacing_um: float | None = None,
    pixel_size_um: float | None = None,
    gel: Gel | None = None,
    on_notice: Callable[[str], None] | None = None,
) -> DisplacementStack:
    """Read a displacement stack from a file, such as HDF5, MATLAB or NPZ.

    Parameters
    ----------
    source : path, FieldFile, or sequence of paths
        The file, whose format is found by its content, or a file that is open.
        Several files are one series, sorted by the numbers in their names: cell_2
        comes before cell_10.
    dataset : str, optional, keyword-only
        Name of the array; it is then believed to be a displacement, whatever
        its name says. Without it the array is found by its name.
    unit : {"um", "grid", "px", "field"}, optional, keyword-only
        Unit of the displacements. Without it a file that names its unit is
        believed, and the original work's unnamed ``data`` is in ``field``.
        Other units of length are converted to ``um``.
    spacing_um, pixel_size_um : float, optional, keyword-only
        Distance between vectors and size of a camera pixel, in micrometres;
        without them, what the file says.
    gel : Gel, optional, keyword-only
        What is known about the gel; the rest is what the file says.
    on_notice : callable, optional, keyword-only
        Called with a sentence for every value of the gel in the file that is
        impossible; the value is then left unknown. Without it such a value is an
        error. Also called if the outlines of a series differ; they are left out.

    Returns
    -------
    DisplacementStack
        The stack ``(T, H, W, 2)``. Its unit is None where nothing names it.

    Raises
    ------
    FieldFileError
        If the file is no displacement field or names a unit that is none of
        displacements, vectors in it are NaN or infinite, or there is no such
        gel; or if files of a series differ in grid, unit, lengths or gel.
    FieldError
        If `unit` is none of these, or a length is not positive.

    Examples
    --------
    A file of another program, whose array says nothing about itself:

    >>> import numpy as np
    >>> from napari_vit_tfm import read_displacement
    >>> np.savez("cell.npz", displacement=np.zeros((3, 16, 24, 2)))
    >>> read_displacement("cell.npz").unit is None
    True
    >>> stack = read_displacement("cell.npz", unit="px", pixel_size_um=0.1)
    >>> stack.n_frames, stack.grid_shape, stack.unit
    (3, (16, 24), 'px')

    A series of files:

    >>> for number in (10, 2):
    ...     np.savez(f"cell_{number}.npz", u=np.full((16, 24, 2), float(number)))
    >>> stack = read_displacement(["cell_10.npz", "cell_2.npz"], unit="px")
    >>> stack.data[:, 0, 0, 0]
    array([ 2., 10.], dtype=float32)
    """
    options = DisplacementOptions(
        dataset=dataset,
        unit=unit,
        spacing_um=spacing_um,
        pixel_size_um=pixel_size_um,
        gel=gel,
        on_notice=on_notice,
    )
    if not isinstance(source, str | os.PathLike | FieldFile):
        return _read_series(natural_order(source), options)
    with opened(source) as file:
        return _whole(_stream(file, options))


@contextmanager
def open_displacement(
    source: PathLike | FieldFile | Sequence[PathLike],
    *,
    in_memory_bytes: int = ReadingConfig.in_memory_bytes,
    **options: Unpack[DisplacementOptions],
) -> Iterator[Displacement]:
    """Open displacements that may be larger than memory, for use in a ``with`` block.

    Parameters
    ----------
    source : path, FieldFile, or sequence of paths
        As for `read_displacement`.
    in_memory_bytes : int, optional, keyword-only
        Stacks of up to this size are read, and so checked, as a whole.
    **options
        As for `read_displacement`.

    Yields
    ------
    Displacement
        A `DisplacementStack` if it is small, or if the file's format is always read
        whole; otherwise a `DisplacementStream`. Of a series only one file at a time
        is open or in memory.

    Raises
    ------
    FieldFileError, FieldError
        As `read_displacement`. Vectors that are NaN or infinite are found when
        they are read.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import io
    >>> values = np.zeros((100, 16, 24, 2))
    >>> io.write_arrays("long.h5", {"displacement": values}, {})
    >>> with io.open_displacement("long.h5", unit="px", in_memory_bytes=0) as stream:
    ...     stream.n_frames, stream.part(96, 100).data.shape
    (100, (4, 16, 24, 2))
    """
    if not isinstance(source, str | os.PathLike | FieldFile):
        with _open_series(natural_order(source), options) as stream:
            yield _whole(stream) if _size(stream) <= in_memory_bytes else stream
        return
    with opened(source) as file:
        stream = _stream(file, options)
        is_small = not file.reads_frames or _size(stream) <= in_memory_bytes
        yield _whole(stream) if is_small else stream


def read_traction(
    source: PathLike | FieldFile,
    *,
    dataset: str | None = None,
    unit: TractionUnit | None = None,
) -> TractionStack:
    """Read a traction stack from a file, such as HDF5, MATLAB or NPZ.

    Parameters
    ----------
    source : path or FieldFile
        The file, whose format is found by its content, or a file that is open.
    dataset : str, optional, keyword-only
        Name of the array; it is then believed to be a traction, whatever its
        name says. Without it the array is found by its name.
    unit : {"Pa", "1"}, optional, keyword-only
        Unit of the tractions. Without it a file that names its unit is
        believed, the original work's unnamed ``data`` is ``t / E``, unit "1",
        and ``trac`` in MATLAB files is in Pa.

    Returns
    -------
    TractionStack
        The stack ``(T, H, W, 2)`` with what the file says about its origin.

    Raises
    ------
    FieldFileError
        If the file is no traction field or nothing names its unit, vectors in
        it are NaN or infinite, or there is no such gel.
    FieldError
        If `unit` is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import TractionStack, read_traction, write_traction
    >>> write_traction("t.h5", TractionStack(np.zeros((3, 16, 24, 2)), unit="Pa"))
    >>> traction = read_traction("t.h5")
    >>> traction.n_frames, traction.grid_shape, traction.unit
    (3, (16, 24), 'Pa')
    """
    with opened(source) as file:
        entry = choose(file, "traction", dataset=dataset)
        data = FileFrames(file, entry).all()
        return TractionStack(
            data=data,
            unit=unit_of_traction(file.path, entry) if unit is None else unit,
            spacing_um=known_length_of(file.path, entry, "spacing_um"),
            gel=gel_of(file.path, entry, Gel(), None),
            model=str(entry.attributes.get("model", "")),
            model_sha256=str(entry.attributes.get("model_sha256", "")),
            outline=file.outline(),
            drift=_read_drift(file, n_frames=len(data)),
            metadata=_metadata(file, entry),
        )


def read_segmentation(
    source: PathLike | FieldFile,
) -> npt.NDArray[np.integer] | None:
    """Read where the patches are, from a file such as HDF5 or NPZ.

    Parameters
    ----------
    source : path or FieldFile
        The file, or one that is open; its array ``segmentation`` is read,
        ``(T, H, W)`` or ``(H, W)``.

    Returns
    -------
    array of whole numbers, shape (T, H, W), or None
        The patch's number at each node, 0 in the background. None where the
        file has no such array; MATLAB files are not asked.

    Raises
    ------
    FieldFileError
        If the array holds anything but whole numbers, or has another shape.
    """
    with opened(source) as file:
        names = [entry.name for entry in file.arrays]
        if not file.rows_first or SEGMENTATION_NAME not in names:
            return None
        labels = file.read(SEGMENTATION_NAME)
    if labels.dtype.kind not in "iu" or labels.ndim not in (2, 3):
        raise FieldFileError(
            f"{file.path}: {SEGMENTATION_NAME} holds {labels.dtype} numbers in the "
            f"shape {labels.shape}, expected whole numbers in the shape (T, H, W)"
        )
    return labels.reshape(-1, *labels.shape[-2:])


def _read_series(
    paths: Sequence[Path], options: DisplacementOptions
) -> DisplacementStack:
    """Read files of a series, each opened once."""
    series, stacks = Series(), []
    for path in paths:
        stacks.append(read_displacement(path, **options))
        series.add(path, stacks[-1])
    return DisplacementStack(
        np.concatenate([stack.data for stack in stacks]),
        **series.known(options.get("on_notice")),
    )


@contextmanager
def _open_series(
    paths: Sequence[Path], options: DisplacementOptions
) -> Iterator[DisplacementStream]:
    """Look inside all files of a series; each is opened again for its frames."""
    series = Series()
    for path in paths:
        with open_field_file(path) as file:
            series.add(path, _stream(file, options))
    known = series.known(options.get("on_notice"))
    if options.get("on_notice") is not None:
        # The user has been told already.
        options = {**options, "on_notice": lambda _notice: None}

    def open_file(path: Path) -> AbstractContextManager[Displacement]:
        return open_displacement(path, **options)

    with closing(
        SeriesFrames(series.paths, series.n_frames, series.grid_shape, open_file)
    ) as frames:
        yield DisplacementStream(frames, **known)


def _stream(file: FieldFile, options: DisplacementOptions) -> DisplacementStream:
    """Displacements of an open file, none of which are read yet."""
    entry = choose(file, "displacement", dataset=options.get("dataset"))
    unit, factor = options.get("unit"), 1.0
    if unit is None:
        unit, factor = unit_of_displacement(file.path, entry)

    def length(told: float | None, name: str) -> float | None:
        return length_of(file.path, entry, name) if told is None else told

    return DisplacementStream(
        FileFrames(file, entry, factor),
        unit=unit,
        spacing_um=length(options.get("spacing_um"), "spacing_um"),
        pixel_size_um=length(options.get("pixel_size_um"), "pixel_size_um"),
        gel=gel_of(
            file.path, entry, options.get("gel") or Gel(), options.get("on_notice")
        ),
        outline=file.outline(),
        metadata=_metadata(file, entry),
    )


def _whole(stream: DisplacementStream) -> DisplacementStack:
    return stream.part(0, stream.n_frames)


def _size(stream: DisplacementStream) -> int:
    """Size of all frames in float32, in bytes."""
    return stream.n_frames * math.prod(stream.grid_shape) * 2 * 4


def _read_drift(file: FieldFile, *, n_frames: int) -> npt.NDArray[np.float64] | None:
    """The mean displacements that were taken off, where a file has them.

    An array of this name that is not in grid steps is somebody else's.
    """
    entries = [
        entry
        for entry in file.arrays
        if entry.name == DRIFT_NAME and entry.attributes.get("units") == "grid"
    ]
    if not entries:
        return None
    drift = file.read(DRIFT_NAME)
    expected = (n_frames, 2)
    if (
        drift.shape != expected
        or drift.dtype.kind != "f"
        or not np.isfinite(drift).all()
    ):
        raise FieldFileError(
            f"{file.path}: {DRIFT_NAME} is not what was taken off: found {drift.dtype} "
            f"of shape {drift.shape}, expected finite numbers in the shape {expected}"
        )
    return drift


def _metadata(file: FieldFile, entry: ArrayEntry) -> dict[str, Any]:
    return {
        "source": str(file.path),
        "dataset": entry.name,
        "layout": entry.layout,
        "attributes": dict(entry.attributes),
    }
