"""Reader of displacement and traction files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_error, show_warning

from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldFileError, TFMError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.errors import in_one_line
from napari_vit_tfm.napari.layers.arrow_updates import follow_where_layers_arrive
from napari_vit_tfm.napari.layers.drawing import LayerData, field_layers, with_outline
from napari_vit_tfm.plain_text import without_tags

NOTHING = (None,)
"""What a reader returns so that napari adds no layer, and reports no error."""

_COMMON_SUFFIXES = (".npy", ".tif", ".tiff", ".txt", ".csv", ".tsv", ".dat")
"""Suffixes of files that mostly have no field, and that other readers open."""


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[Any]] | None:
    """Return a reader for files with fields.

    Parameters
    ----------
    path : str or sequence of str
        The file, a folder whose files are one film, or several files to be opened as
        one stack. Of several files, only the first is checked.

    Returns
    -------
    callable or None
        Function that reads the files. None if they have no field and are of a type
        that other readers open.
    """
    try:
        paths = _files(path)
        summary = io.summarise(paths[0])
        can_read = summary.has_field if len(paths) == 1 else summary.displacement
    except TFMError:
        can_read = False
    if can_read:
        return open_fields
    names = [path] if isinstance(path, str) else path
    suffixes = {Path(name).suffix.lower() for name in names}
    is_own = suffixes and suffixes <= _own_suffixes() and not Path(names[0]).is_dir()
    return open_fields if is_own else None


def _own_suffixes() -> set[str]:
    known = {suffix for reader in io.readers() for suffix in reader.suffixes}
    return known.difference(_COMMON_SUFFIXES)


def open_fields(path: str | Sequence[str]) -> list[Any]:
    """Read files as `read_fields` does, and show the reason if they cannot be read.

    napari shortens the message of an exception that a reader raises. The arrows in the
    viewer, if there is a window, follow its frame and its zoom.
    """
    try:
        layers = read_fields(path)
    except TFMError as error:
        show_error(in_one_line(error))
        return [NOTHING]
    follow_where_layers_arrive()
    return layers


def read_fields(path: str | Sequence[str]) -> list[LayerData]:
    """Read the fields in a file, or one field from several files, as layers.

    If a file has displacements and tractions, the tractions are hidden, below the
    displacements.

    Parameters
    ----------
    path : str or sequence of str
        A file, or a folder or several files that are one film of displacements, sorted
        by the numbers in their names.

    Raises
    ------
    FieldFileError
        If the field cannot be read. If only the tractions beside displacements cannot
        be read, they are left out with a warning. Impossible values of the gel are
        ignored with a warning.
    """
    paths = _files(path)
    notes: list[str] = []
    if len(paths) > 1:
        series = io.read_displacement(
            paths, ignore_gel_errors=True, on_notice=notes.append
        )
        layers = _layers(series, paths[0])
    else:
        with io.open_field_file(paths[0]) as file:
            layers = _layers_of_file(file, notes)
    if notes:
        show_warning(without_tags("\n".join(notes)))
    return layers


def _layers_of_file(file: io.FieldFile, notes: list[str]) -> list[LayerData]:
    summary = io.summarise(file)
    if summary.displacement is None and summary.traction is not None:
        traction = io.read_traction(file, on_notice=notes.append)
        return _layers(traction, file.path)
    displacement = io.read_displacement(
        file, ignore_gel_errors=True, on_notice=notes.append
    )
    layers = _layers(displacement, file.path)
    if summary.traction is None:
        return layers
    try:
        traction = io.read_traction(file)
    except FieldFileError as error:
        notes.append(f"The tractions are left out. {error}")
        return layers
    hidden = field_layers(traction, title=file.path.stem, visible=False)
    return [*hidden, *layers]


def _files(path: str | Sequence[str]) -> list[Path]:
    """The files to read, in order."""
    if isinstance(path, str):
        return io.series_in(path) or [Path(path)]
    return io.natural_order(path)


def _layers(stack: DisplacementStack | TractionStack, file: Path) -> list[LayerData]:
    return with_outline(stack, field_layers(stack, title=file.stem))
