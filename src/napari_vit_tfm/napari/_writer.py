"""Saves the tractions that layers show, with all that is known about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari.layers.tags import KEY, FieldTag


def write_tractions(
    path: str, layer_data: Sequence[tuple[Any, dict[str, Any], str]]
) -> list[str]:
    """Save the one traction field among some layers.

    What is saved is the field itself, with its unit, parameters and the
    weights' SHA-256, not the magnitude or the arrows that are drawn.

    Parameters
    ----------
    path : str
        The file; its ending says the format.
    layer_data : sequence of (data, options, type)
        The layers as napari hands them over.

    Returns
    -------
    list of str
        The file that was written.

    Raises
    ------
    FieldError
        If the layers show no tractions, or those of several fields.
    """
    found: dict[int, TractionStack] = {}
    for _, options, _ in layer_data:
        tag = options["metadata"].get(KEY)
        if isinstance(tag, FieldTag) and isinstance(tag.stack, TractionStack):
            found[id(tag.stack)] = tag.stack
    if len(found) != 1:
        amount = "several traction fields" if found else "no tractions"
        raise FieldError(
            f"the layers to save show {amount}: select the magnitude or the arrows "
            "of one traction field"
        )
    (stack,) = found.values()
    io.write_traction(path, stack)
    return [path]
