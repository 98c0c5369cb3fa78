"""The description of a field in the metadata of its layers.

Every key starts with ``napari_vit_tfm.``, and every value is a str or a float. A
missing key means that the value is not known. The vectors are in
`napari.layers.registry`. The spacing is the layer's scale.

=========================  ==================================  =========  ===========
key                        meaning                             set by     read by
=========================  ==================================  =========  ===========
``field_id``               identifier of the field, equal on   drawing,   everything
                           all its layers                      adoption
``part``                   part of the field in the layer:     drawing,   everything
                           ``magnitude``, ``arrows``; in       adoption
                           layers of other programs
                           ``vectors``, ``components``,
                           ``x``, ``y``; ``outline`` and
                           ``overlay`` for layers over a
                           field
``kind``                   ``displacement`` or ``traction``    drawing,   everything
                                                               adoption
``quantity``               name of the quantity                drawing    names
``title``                  title of the field, such as the     drawing,   names
                           name of its file                    adoption
``unit``                   key of the unit                     file,      runs, names
                                                               dock
``pixel_size_um``          size of a camera pixel              file,      runs
                                                               dock
``spacing_in_unit``        distance between neighbouring       file       runs,
                           vectors in the unit of the                     spacing
                           displacements, if the file has
                           their positions
``y``                      direction of y in the file that     dock       dock, runs
                           the user has chosen, ``down`` or
                           ``up``, instead of the one in
                           the file
``young_pa``,              the gel; for tractions, the gel     file,      dock,
``poisson``,               that they were computed with        dock, run  inspector,
``thickness_um``                                                          writer
``source_id``              for a result: ``field_id`` of its   run        results
                           displacements
``model``,                 method and SHA-256 of its weights   file, run  inspector,
``model_sha256``                                                          dock, writer
``method``                 the method in the result's name     run        names, dock
``computed_at``            time of the run, ISO 8601           run        results
``computed_spacing_um``,   spacing, unit and pixel size of     run        dock, writer
``computed_unit``,         the displacements in that run
``computed_pixel_size_um``
``computed_from``          checksum of these displacements     run        docks
``computed_with``,         name or path of the model in that   run        dock
``computed_options``,      run, its options as JSON, and the
``computed_views``         number of views
``computed_preparation``   preparation of the displacements    run        docks
                           in that run, as JSON
``copied_from``            for a duplicate: ``field_id`` of    registry   registry
                           the original
=========================  ==================================  =========  ===========
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypeGuard, get_args
from uuid import uuid4

from napari.layers import Layer

from napari_vit_tfm.config import PreparationConfig, YDirection
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.units import (
    DISPLACEMENT_UNITS,
    TRACTION_UNITS,
    DisplacementUnit,
    TractionUnit,
    unit_label,
)

PREFIX = "napari_vit_tfm."
"""Prefix of the keys in a layer's metadata."""

Stack = DisplacementStack | TractionStack
Kind = Literal["displacement", "traction"]
OwnPart = Literal["magnitude", "arrows"]
AdoptedPart = Literal["vectors", "components", "x", "y"]
Part = OwnPart | AdoptedPart

_OWN: tuple[str, ...] = get_args(OwnPart)
_ADOPTED: tuple[str, ...] = get_args(AdoptedPart)


def new_id() -> str:
    """A new, unique identifier of a field."""
    return uuid4().hex


@dataclass(frozen=True)
class Description:
    """Description of a field in the metadata of one of its layers.

    Parameters
    ----------
    **parameters
        The values of the keys in this module's table.
    """

    field_id: str
    part: Part
    kind: Kind
    quantity: str
    title: str = ""
    unit: DisplacementUnit | TractionUnit | None = None
    pixel_size_um: float | None = None
    spacing_in_unit: float | None = None
    y: YDirection | None = None
    young_pa: float | None = None
    poisson: float | None = None
    thickness_um: float | None = None
    source_id: str | None = None
    model: str = ""
    model_sha256: str = ""
    method: str = ""
    computed_at: str | None = None
    computed_spacing_um: float | None = None
    computed_unit: DisplacementUnit | None = None
    computed_pixel_size_um: float | None = None
    computed_from: str | None = None
    computed_with: str | None = None
    computed_options: str | None = None
    computed_views: float | None = None
    computed_preparation: str | None = None
    copied_from: str | None = None

    @property
    def gel(self) -> Gel:
        """The gel, as far as it is known.

        Raises
        ------
        FieldError
            If the gel is impossible.
        """
        return Gel(self.young_pa, self.poisson, self.thickness_um)

    @property
    def is_adopted(self) -> bool:
        """Whether the layer is from another program."""
        return self.part in _ADOPTED

    @property
    def is_result(self) -> bool:
        """Whether the layer shows tractions of a run, or a copy of them."""
        return self.computed_at is not None

    @property
    def preparation(self) -> PreparationConfig:
        """What was done to the displacements before a result was computed."""
        return PreparationConfig(**json.loads(self.computed_preparation or "{}"))

    @property
    def layer_name(self) -> str:
        """Name of the layer, such as ``cell_07: traction arrows, ViT (Pa)``."""
        title = f"{self.title}: " if self.title else ""
        return f"{title}{self.contents}"

    @property
    def contents(self) -> str:
        """What the layer shows, such as ``traction arrows, ViT (Pa)``."""
        arrows = " arrows" if self.part == "arrows" else ""
        method = f", {self.method}" if self.method else ""
        return f"{self.quantity}{arrows}{method} ({unit_label(self.unit)})"

    def renamed(self, name: str, contents: str) -> str:
        """A layer's name after its contents have changed.

        A name that the user has set is not changed. napari numbers layers with equal
        names, ``... (Pa) [1]``, and calls a duplicate ``... (Pa) copy``.

        Parameters
        ----------
        name : str
            The layer's name so far.
        contents : str
            Its new contents.
        """
        title = re.escape(f"{self.title}: ") if self.title else ""
        marks = r"( \[\d+\])?"
        if self.copied_from is not None:
            # The title in the name is that of the original.
            original = re.escape(re.sub("( copy)+$", "", self.title))
            title = f"({original}( copy)*: )?" if self.title else ""
            marks = r"( \[\d+\]| copy)*"
        pattern = f"(?P<title>{title}){re.escape(self.contents)}(?P<marks>{marks})"
        match = None if self.is_adopted else re.fullmatch(pattern, name)
        if match is None:
            return name
        return match["title"] + contents + re.sub(r" \[\d+\]$", "", match["marks"])

    def as_metadata(self) -> dict[str, str | float]:
        """The known values, under the keys of a layer's metadata."""
        values = {name: getattr(self, name) for name in _NAMES}
        return {
            PREFIX + name: float(value) if name in _NUMBERS else value
            for name, value in values.items()
            if value is not None and value != ""
        }


_NAMES = tuple(one.name for one in dataclasses.fields(Description))
_REQUIRED = ("field_id", "part", "kind", "quantity")
_NUMBERS = (
    "pixel_size_um",
    "spacing_in_unit",
    "young_pa",
    "poisson",
    "thickness_um",
    "computed_spacing_um",
    "computed_pixel_size_um",
    "computed_views",
)


def description_in(metadata: dict[str, Any]) -> Description | None:
    """The description in a layer's metadata; None if there is none."""
    values: dict[str, Any] = {}
    for name in _NAMES:
        value = metadata.get(PREFIX + name)
        # A value of a wrong type is ignored.
        if name in _NUMBERS and _is_number(value):
            values[name] = float(value)
        elif name not in _NUMBERS and isinstance(value, str):
            values[name] = value
    if any(name not in values for name in _REQUIRED):
        return None
    if values["part"] not in _OWN + _ADOPTED or values["kind"] not in get_args(Kind):
        return None
    for name, kind in (("unit", values["kind"]), ("computed_unit", "displacement")):
        known = DISPLACEMENT_UNITS if kind == "displacement" else TRACTION_UNITS
        if values.get(name) not in known:
            values.pop(name, None)
    if values.get("y") not in get_args(YDirection):
        values.pop("y", None)
    return Description(**values)


def _is_number(value: Any) -> TypeGuard[float]:
    return not isinstance(value, bool) and isinstance(value, Real)


def write_description(layer: Layer, description: Description) -> None:
    """Write a description into a layer's metadata, and rename the layer.

    A name that was set by the user is kept.
    """
    before = description_in(layer.metadata)
    if before is not None and before.contents != description.contents:
        layer.name = before.renamed(layer.name, description.contents)
    own = {PREFIX + name for name in _NAMES}
    others = {key: value for key, value in layer.metadata.items() if key not in own}
    layer.metadata = {**others, **description.as_metadata()}


def overlay_metadata(
    field_id: str, part: Literal["outline", "overlay"]
) -> dict[str, Any]:
    """Metadata of a layer over a field, which shows no field itself."""
    return {PREFIX + "part": part, PREFIX + "field_id": field_id}


def is_outline_of(layer: Layer, field_id: str) -> bool:
    """Whether a layer is the cell outline of a field."""
    marks = overlay_metadata(field_id, "outline")
    return {key: layer.metadata.get(key) for key in marks} == marks


def is_overlay(layer: Layer) -> bool:
    """Whether a layer is drawn over a field by a dock."""
    return bool(layer.metadata.get(PREFIX + "part") == "overlay")


def is_same_overlay(layer: Layer, new: Layer) -> bool:
    """Whether a layer shows the same of the same field as a new overlay."""
    key = PREFIX + "field_id"
    # napari numbers layers of the same name.
    name = re.sub(r" \[\d+\]$", "", layer.name)
    is_same_field = layer.metadata.get(key) == new.metadata.get(key)
    return is_overlay(layer) and is_same_field and name == new.name


def has_plugin_metadata(layer: Layer) -> bool:
    """Whether a layer was created or adopted by this plugin."""
    return PREFIX + "part" in layer.metadata


def may_be_copy(layer: Layer, other: Layer) -> bool:
    """Whether the metadata of a layer say that it may be a copy of another one."""
    part, field = PREFIX + "part", PREFIX + "field_id"
    origins = {layer.metadata.get(key) for key in (field, PREFIX + "copied_from")}
    is_same_part = layer.metadata.get(part) == other.metadata.get(part)
    return is_same_part and other.metadata.get(field) in origins
