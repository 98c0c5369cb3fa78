"""Opens displacement and traction files, and leaves all others to other readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari.utils.notifications import show_warning

from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.layers.drawing import LayerData, field_layers, with_outline


def get_reader(
    path: str | Sequence[str],
) -> Callable[[str | Sequence[str]], list[LayerData]] | None:
    """Decide, by looking inside, whether a file holds fields.

    Parameters
    ----------
    path : str or sequence of str
        The file. Several files that are to become one stack are declined.

    Returns
    -------
    callable or None
        Reads the file; None where there is no field in it.
    """
    if not isinstance(path, str):
        return None
    try:
        summary = io.summarise(path)
    except FieldFileError:
        return None
    if summary.displacement is None and summary.traction is None:
        return None
    return read_fields


def read_fields(path: str | Sequence[str]) -> list[LayerData]:
    """Read every field of a file as layers.

    Tractions lie below displacements and are hidden where there are both: what
    one opens the file for is the displacements.

    Parameters
    ----------
    path : str
        A file that `get_reader` has not declined.

    Raises
    ------
    FieldFileError
        If a field cannot be read after all, such as for vectors that are NaN.
        Tractions beside displacements are then left out, with a warning; so is
        what the file says about the gel that no gel can have.
    """
    file = Path(str(path))
    summary = io.summarise(file)
    if summary.displacement is None:
        return _layers(io.read_traction(file), file)
    layers = _layers(io.read_displacement(file, on_notice=show_warning), file)
    if summary.traction is None:
        return layers
    try:
        traction = io.read_traction(file)
    except FieldFileError as error:
        show_warning(f"The tractions are left out. {error}")
        return layers
    return [*field_layers(traction, title=file.stem, visible=False), *layers]


def _layers(stack: DisplacementStack | TractionStack, file: Path) -> list[LayerData]:
    return with_outline(stack, field_layers(stack, title=file.stem))
