"""Reading displacement and traction stacks from files of any format."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import READING_OPTIONS, ReadingConfig, YDirection
from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.fields import (
    Displacement,
    DisplacementStack,
    DisplacementStream,
    TractionStack,
)
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io.attributes import (
    apart_by_positions,
    gel_of,
    lengths_of,
    text_attribute,
    unit_of_displacement,
    unit_of_traction,
)
from napari_vit_tfm.io.base import (
    POSITIONS_PX,
    POSITIONS_UM,
    SEGMENTATION_NAME,
    SPACING_IN_UNIT,
    ArrayEntry,
)
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.frames import FileFrames
from napari_vit_tfm.io.positioned import lengths_by_positions
from napari_vit_tfm.io.reading_notes import (
    notes_on_array,
    notes_on_overruled,
    notes_on_unit,
    tell,
)
from napari_vit_tfm.io.registry import PathLike, open_field_file, opened
from napari_vit_tfm.io.series import Series, SeriesFrames, series_in
from napari_vit_tfm.io.summary import choose
from napari_vit_tfm.io.traction_companions import (
    read_companions,
    read_drift,
    read_records,
)
from napari_vit_tfm.provenance import KEY as PROVENANCE
from napari_vit_tfm.provenance import Provenance
from napari_vit_tfm.units import LENGTHS, DisplacementUnit, TractionUnit


class DisplacementOptions(TypedDict, total=False):
    """Options of `read_displacement`."""

    dataset: str | None
    unit: DisplacementUnit | None
    spacing_um: float | None
    pixel_size_um: float | None
    gel: Gel | None
    y: YDirection | None
    components_first: bool
    allow_links: bool
    ignore_gel_errors: bool
    on_notice: Callable[[str], None] | None


def read_displacement(
    source: PathLike | FieldFile | Sequence[PathLike],
    *,
    dataset: str | None = None,
    unit: DisplacementUnit | None = None,
    spacing_um: float | None = None,
    pixel_size_um: float | None = None,
    gel: Gel | None = None,
    y: YDirection | None = None,
    components_first: bool = False,
    allow_links: bool = False,
    ignore_gel_errors: bool = False,
    on_notice: Callable[[str], None] | None = None,
) -> DisplacementStack:
    """Read a displacement stack from a file of any format.

    Parameters
    ----------
    source : path, FieldFile, or sequence of paths
        The file, whose format is recognised by its content, or a `FieldFile` that is
        open. Several files, and the files of a folder, are read as one series, sorted
        by the numbers in their names: cell_2 comes before cell_10. If two files have
        one component each, either of them stands for both.
    dataset : str, optional, keyword-only
        Name of the array, which is read as displacement whatever its name. By
        default, the array is found by its name, its unit or the file's name.
    unit : {"um", "grid", "px", "field"}, optional, keyword-only
        Unit of the displacements. The default is the unit in the file; an array
        ``data`` of the original work without a unit is in ``field``. Other units of
        length in a file are converted to ``um``.
    spacing_um, pixel_size_um : float, optional, keyword-only
        Distance between neighbouring vectors and size of a camera pixel, in um. The
        defaults are the values in the file.
    gel : Gel, optional, keyword-only
        Known values of the gel. The others are read from the file.
    y : {"down", "up"}, optional, keyword-only
        Direction of the y axis in the file, of positions or row numbers and of y
        components. The default is the direction that the format or the file
        specifies, and otherwise down.
    components_first : bool, keyword-only
        Whether an array ``(2, H, W)`` is one frame. It could also be two images.
    allow_links : bool, keyword-only
        Whether parts of the data may be in other files that an HDF5 file names:
        external links, external storage, sources of virtual datasets. A file that is
        missing is an error.
    ignore_gel_errors : bool, keyword-only
        Whether an impossible value of the gel in the file is ignored with a message;
        otherwise it is an error.
    on_notice : callable, optional, keyword-only
        Called with a message for everything that the user should know about how the
        file is read, such as an assumed direction of y, interpolated positions, an
        ignored third component, or different outlines in a series.

    Returns
    -------
    DisplacementStack
        The stack ``(T, H, W, 2)``. Its unit is None if it is not known. Vectors that
        are missing, or not finite, are NaN. The messages are in
        ``metadata["notes"]``, the direction of y in the file in ``metadata["y"]``, and
        unit, lengths and gel as they were read in ``metadata["as_read"]``.

    Raises
    ------
    FieldFileError
        If the file has no displacement field, the unit in the file is unknown, the
        gel is impossible, or lengths contradict each other; or if files of a series
        differ in grid, unit, lengths or gel.
    FieldError
        If `unit` is unknown, or a length is not positive.

    Examples
    --------
    A file of another program, without attributes:

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
    ...     field = np.full((16, 24, 2), float(number))
    ...     np.savez(f"cell_{number}.npz", displacement=field)
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
        y=y,
        components_first=components_first,
        allow_links=allow_links,
        ignore_gel_errors=ignore_gel_errors,
        on_notice=on_notice,
    )
    series = series_in(source)
    if series is not None:
        return _read_series(series, options)
    assert not isinstance(source, Sequence) or isinstance(source, str)
    with opened(source, allow_links=allow_links) as file:
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
        Maximum size of a stack, as float32, that is read and checked as a whole.
    **options
        As for `read_displacement`.

    Yields
    ------
    Displacement
        A `DisplacementStack` if the stack is small, or if single frames cannot be read
        from files of this format; otherwise a `DisplacementStream`. Only one file of
        a series at a time is open or in memory.

    Raises
    ------
    FieldFileError, FieldError
        As for `read_displacement`.

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
    series = series_in(source)
    if series is not None:
        with _open_series(series, options) as stream:
            yield _whole(stream) if _size(stream) <= in_memory_bytes else stream
        return
    assert not isinstance(source, Sequence) or isinstance(source, str)
    with opened(source, allow_links=options.get("allow_links", False)) as file:
        stream = _stream(file, options)
        is_small = not file.reads_frames or _size(stream) <= in_memory_bytes
        yield _whole(stream) if is_small else stream


def read_traction(
    source: PathLike | FieldFile,
    *,
    dataset: str | None = None,
    unit: TractionUnit | None = None,
    y: YDirection | None = None,
    components_first: bool = False,
    allow_links: bool = False,
    on_notice: Callable[[str], None] | None = None,
) -> TractionStack:
    """Read a traction stack from a file of any format.

    Parameters
    ----------
    source : path or FieldFile
        The file, whose format is recognised by its content, or a `FieldFile` that is
        open.
    dataset : str, optional, keyword-only
        Name of the array, which is read as traction whatever its name. By default,
        the array is found by its name, its unit or the file's name.
    unit : {"Pa", "1"}, optional, keyword-only
        Unit of the tractions. The default is the unit in the file; an array ``data``
        of the original work without a unit is ``t / E``, unit "1", and the tractions
        of other programs are in Pa.
    y, components_first, allow_links, on_notice : optional, keyword-only
        As for `read_displacement`.

    Returns
    -------
    TractionStack
        The stack ``(T, H, W, 2)``, with gel and model as far as they are in the file.
        Tractions that are missing, or not finite, are NaN. The `Provenance` in a file
        of this package is in ``metadata["provenance"]``.

    Raises
    ------
    FieldFileError
        If the file has no traction field, its unit is missing or unknown, or the gel
        is impossible.
    FieldError
        If `unit` is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import TractionStack, read_traction, write_traction
    >>> write_traction("t.h5", TractionStack(np.zeros((3, 16, 24, 2)), unit="Pa"))
    >>> traction = read_traction("t.h5")
    >>> traction.n_frames, traction.grid_shape, traction.unit
    (3, (16, 24), 'Pa')
    """
    with opened(source, allow_links=allow_links) as file:
        entry = choose(
            file, "traction", dataset=dataset, components_first=components_first
        )
        direction = y or entry.y or "down"
        spacing_um, length_notes = _traction_spacing(file, entry)
        notes = [*notes_on_array(file, entry, "traction", y), *length_notes]
        data = FileFrames(file, entry, y=direction).all()
        tell(file, notes, on_notice)
        known = Provenance.in_attributes(entry.attributes, file.path.parent)
        companions, displacement_unit = read_companions(file, data.shape, direction)
        return TractionStack(
            data=data,
            unit=unit_of_traction(file.path, entry) if unit is None else unit,
            spacing_um=spacing_um,
            gel=gel_of(file.path, entry, Gel())[0],
            model=text_attribute(entry, "model"),
            model_sha256=text_attribute(entry, "model_sha256"),
            outline=_outline(file, entry, direction),
            drift=read_drift(file, n_frames=len(data)),
            records=read_records(file, n_frames=len(data)),
            companions=companions,
            displacement_unit=displacement_unit,
            metadata={
                **_metadata(file, entry, direction, notes),
                **({} if known is None else {PROVENANCE: known}),
            },
        )


def read_segmentation(
    source: PathLike | FieldFile,
) -> npt.NDArray[np.integer] | None:
    """Read the segmentation into adhesions from a file such as HDF5 or NPZ.

    Parameters
    ----------
    source : path or FieldFile
        The file, or a `FieldFile` that is open. Its array ``segmentation``,
        ``(T, H, W)`` or ``(H, W)``, is read.

    Returns
    -------
    array of int, shape (T, H, W), or None
        Number of the adhesion at each node, 0 in the background. None if the file has
        no such array, and for MATLAB files.

    Raises
    ------
    FieldFileError
        If the array does not have whole numbers, or has another shape.
    """
    with opened(source) as file:
        names = [entry.name for entry in file.arrays]
        if file.frames_last or SEGMENTATION_NAME not in names:
            return None
        labels = file.read(SEGMENTATION_NAME)
    if labels.dtype.kind not in "iu" or labels.ndim not in (2, 3):
        raise FieldFileError(
            f"{file.path}: {SEGMENTATION_NAME} has {labels.dtype} numbers in the "
            f"shape {labels.shape}, expected whole numbers in the shape (T, H, W)"
        )
    return labels.reshape(-1, *labels.shape[-2:])


def _read_series(
    paths: Sequence[Path], options: DisplacementOptions
) -> DisplacementStack:
    """Read the files of a series; each is opened once."""
    series, stacks = Series(paths), []
    for path in series.files:
        stacks.append(read_displacement(path, **_silent(options)))
        series.add(path, stacks[-1])
    return DisplacementStack(
        np.concatenate([stack.data for stack in stacks]),
        **series.common_values(options.get("on_notice")),
    )


@contextmanager
def _open_series(
    paths: Sequence[Path], options: DisplacementOptions
) -> Iterator[DisplacementStream]:
    """Check the files of a series; each is opened again when its frames are read."""
    series = Series(paths)
    for path in series.files:
        links = options.get("allow_links", False)
        with open_field_file(path, allow_links=links) as file:
            series.add(path, _stream(file, _silent(options)))
    common = series.common_values(options.get("on_notice"))

    def open_file(path: Path) -> AbstractContextManager[Displacement]:
        return open_displacement(path, **_silent(options))

    with closing(
        SeriesFrames(series.paths, series.n_frames, series.grid_shape, open_file)
    ) as frames:
        yield DisplacementStream(frames, **common)


def _silent(options: DisplacementOptions) -> DisplacementOptions:
    """The options for one file of a series; notices are given for all files at once."""
    return {**options, "on_notice": None}


def _stream(file: FieldFile, options: DisplacementOptions) -> DisplacementStream:
    """Displacements of an open file; no frames are read yet."""
    entry = choose(
        file,
        "displacement",
        dataset=options.get("dataset"),
        components_first=options.get("components_first", False),
    )
    y = options.get("y")
    direction = y or entry.y or "down"
    given: dict[str, float | None] = {name: options.get(name) for name in LENGTHS}
    lengths, length_notes = lengths_of(file.path, entry, given)
    notes = [*notes_on_array(file, entry, "displacement", y), *length_notes]
    notes += notes_on_overruled(file, entry, given, options.get("gel") or Gel())
    unit, factor = options.get("unit"), 1.0
    if unit is None:
        unit, factor = unit_of_displacement(file.path, entry)
    else:
        notes += notes_on_unit(entry, unit)
    gel, gel_notes = gel_of(
        file.path,
        entry,
        options.get("gel") or Gel(),
        ignore_errors=options.get("ignore_gel_errors", False),
    )
    notes += gel_notes
    tell(file, notes, options.get("on_notice"))

    apart = lengths[SPACING_IN_UNIT]
    lengths[SPACING_IN_UNIT] = None if apart is None else apart * factor
    lengths = lengths_by_positions(entry, unit, given, lengths)
    stream = DisplacementStream(
        FileFrames(file, entry, factor, direction),
        unit=unit,
        spacing_um=lengths["spacing_um"],
        pixel_size_um=lengths["pixel_size_um"],
        gel=gel,
        spacing_in_unit=lengths[SPACING_IN_UNIT],
        outline=_outline(file, entry, direction),
        metadata={
            **_metadata(file, entry, direction, notes),
            "reading": {name: options.get(name) for name in READING_OPTIONS},
        },
    )
    return replace(
        stream, metadata={**stream.metadata, "as_read": _as_read(stream, entry)}
    )


def _as_read(stream: DisplacementStream, entry: ArrayEntry) -> dict[str, Any]:
    """What was known when the file was read; the plugin may change it later."""
    units = {POSITIONS_PX: "px", POSITIONS_UM: "um"}
    return {
        "unit": stream.unit,
        "spacing_um": stream.spacing_um,
        "pixel_size_um": stream.pixel_size_um,
        "spacing_in_unit": stream.spacing_in_unit,
        "unit_of_positions": next(
            (unit for name, unit in units.items() if name in entry.attributes), None
        ),
        "gel": asdict(stream.gel),
    }


def _outline(
    file: FieldFile, entry: ArrayEntry, y: YDirection
) -> npt.NDArray[np.float64] | None:
    """The cell outline, with rows counted downwards."""
    outline = file.outline()
    if outline is not None and y == "up":
        outline = outline.copy()
        outline[:, 1] = entry.grid_shape[0] - 1 - outline[:, 1]
    return outline


def _traction_spacing(
    file: FieldFile, entry: ArrayEntry
) -> tuple[float | None, list[str]]:
    """Vector spacing of tractions, in um: given, or from positions."""
    lengths, notes = lengths_of(file.path, entry, {}, nan_is_unknown=True)
    spacing, pixel_size = lengths["spacing_um"], lengths["pixel_size_um"]
    try:
        px = apart_by_positions(entry, POSITIONS_PX)
        um = apart_by_positions(entry, POSITIONS_UM)
    except FieldError as error:
        raise FieldFileError(f"{file.path}: {error}") from error
    if px is None:
        px = lengths[SPACING_IN_UNIT]
    if spacing is None and pixel_size is not None and px is not None:
        return float(px * pixel_size), notes
    return um if spacing is None else spacing, notes


def _whole(stream: DisplacementStream) -> DisplacementStack:
    stack = stream.part(0, stream.n_frames)
    if np.isnan(stack.data).all():
        raise FieldFileError(
            f"{stack.metadata['source']}: all vectors of {stack.metadata['dataset']} "
            "are missing, or not finite"
        )
    return stack


def _size(stream: DisplacementStream) -> int:
    """Size of all frames in float32, in bytes."""
    return stream.n_frames * math.prod(stream.grid_shape) * 2 * 4


def _metadata(
    file: FieldFile, entry: ArrayEntry, y: YDirection, notes: Iterable[str]
) -> dict[str, Any]:
    return {
        "source": str(file.path),
        "files": tuple(map(str, file.files)),
        "dataset": entry.name,
        "layout": entry.layout,
        "y": y,
        "notes": tuple(notes),
        "attributes": dict(entry.attributes),
    }
