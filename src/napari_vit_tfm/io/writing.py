"""Writing stacks and arrays to files, which appear only when they are complete."""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_vit_tfm import __version__
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io.base import (
    DRIFT_NAME,
    OUTLINE_NAME,
    SPACING_IN_UNIT,
    TRACTION_NAME,
    AnyArray,
    Attributes,
)
from napari_vit_tfm.io.exporter import Append
from napari_vit_tfm.io.outputs import check_output, exporter_for
from napari_vit_tfm.io.replacing import errors_about, replacing_quietly, unwritable
from napari_vit_tfm.provenance import KEY as PROVENANCE
from napari_vit_tfm.provenance import MADE_BY, Provenance


def write_traction(path: str | os.PathLike[str], traction: TractionStack) -> None:
    """Write a traction stack, in the format of the file name's extension.

    The array is ``traction``, ``(T, H, W, 2)``, float32, with the attributes
    ``units``, ``spacing_um``, ``young_pa``, ``poisson``, ``thickness_um``
    (infinite for a half-space), ``model``, ``model_sha256`` and ``version``,
    the version of this package. Unknown numbers are NaN. If the tractions have a
    `Provenance`, its attributes are written, too. An outline is the array
    ``outline``. The mean displacements that were subtracted are the array ``drift``,
    ``(T, 2)``, with the attribute ``units``, "grid". Numbers of the frames are arrays
    with the names of `fields.RECORD_NAMES`, and vectors that belong to the tractions
    those of `fields.COMPANION_NAMES`, with the attribute ``units``. The options of the
    preparation are attributes such as ``reverse`` and ``bin_size``.

    Parameters
    ----------
    path : path
        The file, with the extension of a format that can be written, such as .h5,
        .npz, .ome.tif, .csv or .mat. An existing file is replaced.
    traction : TractionStack
        The tractions.

    Raises
    ------
    FieldFileError
        If the extension is unknown, or the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import Gel, TractionStack, write_traction
    >>> gel = Gel(young_pa=5_000, poisson=0.45)
    >>> traction = TractionStack(np.zeros((1, 16, 16, 2)), unit="Pa", gel=gel)
    >>> write_traction("traction.npz", traction)
    >>> with np.load("traction.npz") as file:
    ...     file["traction"].shape
    (1, 16, 16, 2)
    """
    with open_traction(path) as sink:
        sink.append(traction)


@contextmanager
def open_traction(path: str | os.PathLike[str]) -> Iterator[TractionSink]:
    """Write tractions batch by batch, in the form of `write_traction`.

    Parameters
    ----------
    path : path
        As for `write_traction`. The file appears when the block ends, and not at all
        if the block fails. Frames are written to HDF5, OME-TIFF and CSV files
        immediately; the content of NPZ and MATLAB files is kept in memory until the
        end.

    Yields
    ------
    TractionSink
        The open file, to which tractions are appended.

    Raises
    ------
    FieldFileError
        If the extension is unknown, or the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import io, TractionStack
    >>> with io.open_traction("long.h5") as sink:
    ...     for _ in range(10):
    ...         sink.append(TractionStack(np.zeros((8, 16, 24, 2)), unit="Pa"))
    >>> io.read_traction("long.h5").n_frames
    80
    """
    target = check_output(path)
    with _open_output(target, {}) as append:
        sink = TractionSink(append, target.parent)
        yield sink
        sink.finish()


class TractionSink:
    """Appends tractions to a file in a folder; see `open_traction`."""

    def __init__(self, append: Append, folder: Path) -> None:
        self._append = append
        self._folder = folder
        self._first: TractionStack | None = None
        self._drifts: list[npt.NDArray[np.float64]] = []
        self._records: dict[str, list[AnyArray]] = {}

    def append(self, traction: TractionStack) -> None:
        """Append the next frames.

        Raises
        ------
        ValueError
            If unit, spacing, gel or model differ from those of the previous frames, or
            if the drift is known only for some frames.
        FieldFileError
            If the frames cannot be written.
        """
        if self._first is None:
            self._first = traction.first(1)
        check_same_field(traction, self._first)
        self._append(
            TRACTION_NAME, traction.data, traction_attributes(traction, self._folder)
        )
        for name, vectors in traction.companions.items():
            self._append(name, vectors, companion_attributes(traction, name))
        if traction.drift is not None:
            self._drifts.append(traction.drift)
        for name, values in traction.records.items():
            self._records.setdefault(name, []).append(values)

    def finish(self) -> None:
        """Write outline, drift and records after the last frame."""
        if self._first is None:
            raise ValueError("there are no tractions to write")
        if self._first.outline is not None:
            self._append(OUTLINE_NAME, self._first.outline, {})
        if self._drifts:
            self._append(DRIFT_NAME, np.concatenate(self._drifts), {"units": "grid"})
        for name, parts in self._records.items():
            self._append(name, np.concatenate(parts), {"is_record": 1})


def write_displacement(
    path: str | os.PathLike[str], displacement: DisplacementStack
) -> None:
    """Write a displacement stack, in the format of the file name's extension.

    The array is ``displacement``, ``(T, H, W, 2)``, float32, with the attributes
    ``units``, ``spacing_um``, ``pixel_size_um``, ``spacing_in_unit``, ``young_pa``,
    ``poisson`` and ``thickness_um``, as far as they are known, and ``version``, the
    version of this package. An outline is the array ``outline``.

    Parameters
    ----------
    path : path
        The file, with the extension of a format that can be written, such as .h5 or
        .npz. An existing file is replaced.
    displacement : DisplacementStack
        The displacements.

    Raises
    ------
    FieldFileError
        If the extension is unknown, or the file cannot be written.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm import DisplacementStack, read_displacement
    >>> from napari_vit_tfm.io import write_displacement
    >>> stack = DisplacementStack(np.zeros((1, 16, 24, 2)), unit="um", spacing_um=0.8)
    >>> write_displacement("displacement.h5", stack)
    >>> read_displacement("displacement.h5").spacing_um
    0.8
    """
    attributes: dict[str, str | float | None] = {
        "units": displacement.unit,
        "spacing_um": displacement.spacing_um,
        "pixel_size_um": displacement.pixel_size_um,
        SPACING_IN_UNIT: displacement.spacing_in_unit,
        **dataclasses.asdict(displacement.gel),
        "version": __version__,
    }
    arrays: dict[str, npt.ArrayLike] = {"displacement": displacement.data}
    if displacement.outline is not None:
        arrays[OUTLINE_NAME] = displacement.outline
    known = {name: value for name, value in attributes.items() if value is not None}
    write_arrays(path, arrays, {"displacement": known})


def gel_attributes(gel: Gel) -> dict[str, float]:
    """Attributes of a gel in a file; unknown values are NaN.

    Parameters
    ----------
    gel : Gel
        The gel.

    Returns
    -------
    dict of str to float
        ``young_pa``, ``poisson`` and ``thickness_um`` (infinite for a half-space).
    """
    return {
        name: math.nan if value is None else value
        for name, value in dataclasses.asdict(gel).items()
    }


def write_arrays(
    path: str | os.PathLike[str],
    arrays: Mapping[str, npt.ArrayLike],
    attributes: Mapping[str, Attributes],
) -> None:
    """Write named arrays, in the format of the file name's extension.

    The file is written under a temporary name and renamed when it is complete.

    Parameters
    ----------
    path : path
        The file, with the extension of a format that can be written, such as .h5 or
        .npz. An existing file is replaced.
    arrays : mapping of str to array
        The arrays, by name. Arrays of objects are refused.
    attributes : mapping of str to mapping
        Attributes of the arrays, strings and numbers, by the name of the array; those
        under the name ``""`` belong to the whole file. In NPZ files, they are
        zero-dimensional arrays named ``array.attribute``.

    Raises
    ------
    FieldFileError
        If the extension is unknown, or the file cannot be written.
    """
    target = check_output(path, any_array=True)
    with _open_output(target, attributes.get("", {})) as append:
        for name, array in arrays.items():
            append(name, np.asarray(array), attributes.get(name, {}))


@contextmanager
def _open_output(target: Path, attributes: Attributes) -> Iterator[Append]:
    """Write a checked file in several steps; it appears when the block ends."""
    exporter = exporter_for(target)
    errors_in_block: list[OSError] = []
    try:
        with (
            replacing_quietly(target) as temporary,
            exporter.open(temporary, attributes) as append,
        ):
            try:
                yield partial(_append, target, append)
            except OSError as error:
                errors_in_block.append(error)
                raise
    except OSError as error:
        if error in errors_in_block:
            raise
        raise unwritable(target, error) from error


def _append(
    target: Path,
    append: Append,
    name: str,
    frames: AnyArray,
    attributes: Attributes,
) -> None:
    with errors_about(target):
        append(name, frames, attributes)


def check_same_field(traction: TractionStack, other: TractionStack) -> None:
    """Raise a ValueError if two tractions cannot be in one file."""
    if _common_values(traction) != _common_values(other):
        raise ValueError(
            "all tractions in a file must have the same grid, unit, spacing, gel, "
            "model, records and companions"
        )


def _common_values(traction: TractionStack) -> tuple[object, ...]:
    """The values that all frames of a file must have in common."""
    return (
        traction.grid_shape,
        traction.unit,
        traction.spacing_um,
        traction.gel,
        traction.model,
        traction.model_sha256,
        traction.drift is None,
        frozenset(traction.records),
        frozenset(traction.companions),
        traction.displacement_unit,
    )


def traction_attributes(traction: TractionStack, folder: Path) -> Attributes:
    """Attributes of tractions; unknown numbers are NaN, so that none is missing.

    Parameters
    ----------
    traction : TractionStack
        The tractions.
    folder : Path
        Folder of the file, from which it names the input.
    """
    attributes: dict[str, str | float | None] = {
        "units": traction.unit,
        "spacing_um": traction.spacing_um,
        **gel_attributes(traction.gel),
        "model": traction.model,
        "model_sha256": traction.model_sha256,
        **traction.metadata.get("preparation", {}),
        "version": __version__,
    }
    if MADE_BY in traction.metadata:
        attributes[MADE_BY] = traction.metadata[MADE_BY]
    provenance: Provenance | None = traction.metadata.get(PROVENANCE)
    if provenance is not None:
        attributes |= provenance.attributes(folder)
    return {
        name: math.nan if value is None else value for name, value in attributes.items()
    }


def companion_attributes(traction: TractionStack, name: str) -> Attributes:
    """Attributes of a companion of tractions, such as the residual."""
    unit = traction.companion_unit(name)
    return {} if unit is None else {"units": unit}
