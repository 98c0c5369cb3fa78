"""Reader of displacement and traction files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari.utils.notifications import show_warning

from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldFileError, TFMError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.layers.drawing import LayerData, field_layers, with_outline


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Return a reader for files with fields.

    Parameters
    ----------
    path : str or sequence of str
        The file, or several files to be opened as one stack. Of several files, only the
        first is checked; it must have displacements.

    Returns
    -------
    callable or None
        Function that reads the files; None if they have no field.
    """
    try:
        paths = _in_order(path)
        summary = io.summarise(paths[0])
    except TFMError:
        return None
    is_readable = summary.has_field if len(paths) == 1 else summary.displacement
    return read_fields if is_readable else None


def read_fields(path: str | Sequence[str]) -> list[LayerData]:
    """Read the fields in a file, or one field from several files, as layers.

    If a file has displacements and tractions, the tractions are hidden, below the
    displacements.

    Parameters
    ----------
    path : str or sequence of str
        Files that `get_reader` has accepted. Several files are one time-lapse of
        displacements, sorted by the numbers in their names.

    Raises
    ------
    FieldFileError
        If the field cannot be read, for example because vectors are NaN. If only the
        tractions beside displacements cannot be read, they are left out with a warning.
        Impossible values of the gel are ignored with a warning.
    """
    paths = _in_order(path)
    if len(paths) > 1:
        series = io.read_displacement(
            paths, ignore_gel_errors=True, on_notice=show_warning
        )
        return _layers(series, paths[0])
    with io.open_field_file(paths[0]) as file:
        summary = io.summarise(file)
        if summary.displacement is None:
            return _layers(io.read_traction(file), paths[0])
        displacement = io.read_displacement(
            file, ignore_gel_errors=True, on_notice=show_warning
        )
        layers = _layers(displacement, paths[0])
        if summary.traction is None:
            return layers
        try:
            traction = io.read_traction(file)
        except FieldFileError as error:
            show_warning(f"The tractions are left out. {error}")
            return layers
    return [*field_layers(traction, title=paths[0].stem, visible=False), *layers]


def _in_order(path: str | Sequence[str]) -> list[Path]:
    return io.natural_order([path] if isinstance(path, str) else path)


def _layers(stack: DisplacementStack | TractionStack, file: Path) -> list[LayerData]:
    return with_outline(stack, field_layers(stack, title=file.stem))
