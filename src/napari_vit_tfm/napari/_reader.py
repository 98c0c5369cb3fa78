"""Opens displacement and traction files, and leaves all others to other readers."""

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
    """Decide, by looking inside, whether files hold fields.

    Parameters
    ----------
    path : str or sequence of str
        The file, or files that are to become one stack. Of several files only the
        first is looked into, and it has to hold displacements.

    Returns
    -------
    callable or None
        Reads the files; None where there is no field in them.
    """
    try:
        paths = _in_order(path)
        summary = io.summarise(paths[0])
    except TFMError:
        return None
    is_readable = summary.has_field if len(paths) == 1 else summary.displacement
    return read_fields if is_readable else None


def read_fields(path: str | Sequence[str]) -> list[LayerData]:
    """Read every field of a file, or one field out of several files, as layers.

    Tractions lie below displacements and are hidden where there are both: what
    one opens the file for is the displacements.

    Parameters
    ----------
    path : str or sequence of str
        What `get_reader` has not declined. Several files are one time-lapse of
        displacements, in the order of the numbers in their names.

    Raises
    ------
    FieldFileError
        If a field cannot be read after all, such as for vectors that are NaN.
        Tractions beside displacements are then left out, with a warning; so is
        what the file says about the gel that no gel can have.
    """
    paths = _in_order(path)
    if len(paths) > 1:
        series = io.read_displacement(paths, on_notice=show_warning)
        return _layers(series, paths[0])
    with io.open_field_file(paths[0]) as file:
        summary = io.summarise(file)
        if summary.displacement is None:
            return _layers(io.read_traction(file), paths[0])
        displacement = io.read_displacement(file, on_notice=show_warning)
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
