"""What a layer shows, kept in its metadata, and how to ask for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from napari.layers import Layer

from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.units import unit_label

KEY = "napari_vit_tfm"
"""Where a layer's metadata keep its `FieldTag`."""

OUTLINE_OF = "napari_vit_tfm_outline_of"

Stack = DisplacementStack | TractionStack


@dataclass(frozen=True, eq=False)
class FieldTag:
    """What a layer shows; kept in the layer's metadata.

    Parameters
    ----------
    stack : DisplacementStack or TractionStack
        The field itself, whole and in its own unit.
    part : {"magnitude", "arrows"}
        Which of the field's two layers this is.
    quantity : str
        The field in words, the beginning of the layer's name.
    source : str
        For computed tractions, the `field_id` of the displacements that they
        were computed from.
    field_id : str
        Names the field on all its layers, whatever is said about its unit
        later.
    grid_steps_per_unit : float
        Length of an arrow, in steps of the vector grid, per unit of the field;
        0 for magnitudes.
    """

    stack: Stack
    part: Literal["magnitude", "arrows"]
    quantity: str
    source: str = ""
    field_id: str = field(default_factory=lambda: uuid4().hex)
    grid_steps_per_unit: float = 0.0

    def __deepcopy__(self, memo: dict[int, Any]) -> FieldTag:
        """Itself: a duplicated layer shows the same field, not another."""
        return self

    @property
    def layer_name(self) -> str:
        """Name of the layer, such as ``traction magnitude (Pa)``."""
        return f"{self.quantity} {self.part} ({unit_label(self.stack.unit)})"

    def has_named(self, layer: Layer) -> bool:
        """Whether a layer has this name and not one that the user gave.

        napari numbers layers that would be called the same: ``... (Pa) [1]``.
        """
        pattern = re.escape(self.layer_name) + r"( \[\d+\])?"
        return re.fullmatch(pattern, layer.name) is not None


def field_tag(layer: Layer) -> FieldTag | None:
    """What a layer shows, or None for layers that show no field."""
    tag = layer.metadata.get(KEY)
    return tag if isinstance(tag, FieldTag) else None


def layer_stack(layer: Layer) -> Stack:
    """The field that a layer shows.

    Raises
    ------
    KeyError
        If it shows none.
    """
    return tag_of(layer).stack


def tag_of(layer: Layer) -> FieldTag:
    """What a layer shows.

    Raises
    ------
    KeyError
        If it shows no field.
    """
    tag = field_tag(layer)
    if tag is None:
        raise KeyError(f"the layer {layer.name!r} shows no field")
    return tag


def show_same_field(one: Layer, other: Layer) -> bool:
    """Whether two layers, each of some field, are of one field."""
    return tag_of(one).field_id == tag_of(other).field_id


def displacement_stack(layer: Layer) -> DisplacementStack | None:
    """The displacements that a layer shows, or None."""
    tag = field_tag(layer)
    if tag is not None and isinstance(tag.stack, DisplacementStack):
        return tag.stack
    return None


def displacement_layers(layers: Iterable[Layer]) -> list[Layer]:
    """One layer for every displacement field, in the order of the layers."""
    found: dict[str, Layer] = {}
    for layer in layers:
        tag = field_tag(layer)
        if tag is not None and isinstance(tag.stack, DisplacementStack):
            found.setdefault(tag.field_id, layer)
    return list(found.values())
