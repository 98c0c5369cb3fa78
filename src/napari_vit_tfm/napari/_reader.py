"""Opens displacement and traction files, and leaves all others to other readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_vit_tfm import io
from napari_vit_tfm.napari.layers import LayerData, field_layers, outline_layer


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
    except io.FieldFileError:
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
    """
    file = Path(str(path))
    summary = io.summarise(file)
    layers: list[LayerData] = []
    both = summary.displacement is not None and summary.traction is not None
    if summary.traction is not None:
        traction = io.read_traction(file)
        layers += field_layers(traction, visible=not both)
        layers += outline_layer(traction)
    if summary.displacement is not None:
        displacement = io.read_displacement(file)
        layers += field_layers(displacement)
        layers += [] if both else outline_layer(displacement)
    return layers
