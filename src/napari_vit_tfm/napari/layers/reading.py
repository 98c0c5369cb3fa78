"""The fields that layers show, as stacks.

`find_displacements` lists the displacement fields among layers, this plugin's own and
those in layers of other programs. `as_displacement` makes the stack of one of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from napari.layers import Layer

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.layers.adoption import adoptable, check_place, read_adopted
from napari_vit_tfm.napari.layers.metadata import (
    AdoptedPart,
    Description,
    Stack,
    is_marked,
    new_id,
    write_description,
)
from napari_vit_tfm.napari.layers.placing import spacing_of
from napari_vit_tfm.napari.layers.registry import (
    FieldArrays,
    Held,
    description_of,
    fingerprint,
    held_by,
    is_unchanged,
    keep,
)
from napari_vit_tfm.units import unit_label


@dataclass(frozen=True, eq=False)
class FieldLayers:
    """The layers that together show one displacement field.

    Parameters
    ----------
    layers : tuple of layers
        The first one is where results lie.
    parts : mapping of str to Layer
        For layers of another program, what each of them holds; else empty.
    title : str
        What the field belongs to.
    """

    layers: tuple[Layer, ...]
    parts: Mapping[AdoptedPart, Layer]
    title: str

    @property
    def lead(self) -> Layer:
        """The first of the layers."""
        return self.layers[0]

    @property
    def words(self) -> str:
        """What lists call the field."""
        if len(self.parts) == 2:
            return f"{self.parts['x'].name} (x), {self.parts['y'].name} (y)"
        return str(self.lead.name)

    def is_same(self, other: FieldLayers) -> bool:
        """Whether both are one field, some of its layers may have been removed."""
        return show_same_field(self.lead, other.lead)


def show_same_field(one: Layer, other: Layer) -> bool:
    """Whether two layers are of one field."""
    description, other_description = description_of(one), description_of(other)
    if description is None or other_description is None:
        # Plugins get proxies of layers, which are equal but not identical.
        return bool(one == other)
    return description.field_id == other_description.field_id


def find_displacements(layers: Iterable[Layer]) -> list[FieldLayers]:
    """The displacement fields among layers, in the layers' order.

    Parameters
    ----------
    layers : iterable of layers
        Such as all layers of a viewer.
    """
    layers = list(layers)
    own: dict[str, list[Layer]] = {}
    adopted: dict[str, dict[AdoptedPart, Layer]] = {}
    titles: dict[str, str] = {}
    free: list[Layer] = []
    for layer in layers:
        description = description_of(layer)
        if description is None:
            if not is_marked(layer):
                free.append(layer)
        elif description.kind == "displacement":
            titles[description.field_id] = description.title
            if description.is_adopted:
                adopted.setdefault(description.field_id, {})[description.part] = layer  # type: ignore[index]
            else:
                own.setdefault(description.field_id, []).append(layer)
    found = [FieldLayers(tuple(one), {}, titles[key]) for key, one in own.items()]
    for key, parts in adopted.items():
        if set(parts) in ({"x"}, {"y"}):
            # A component whose partner was removed may get another one.
            free += parts.values()
        else:
            found.append(_adopted_layers(parts, titles[key]))
    found += [_adopted_layers(one.parts, one.title) for one in adoptable(free)]
    return sorted(found, key=lambda field: layers.index(field.lead))


def _adopted_layers(parts: Mapping[AdoptedPart, Layer], title: str) -> FieldLayers:
    ordered = {part: parts[part] for part in sorted(parts)}
    return FieldLayers(tuple(ordered.values()), ordered, title)


def field_of(layers: Iterable[Layer], layer: Layer) -> FieldLayers | None:
    """The displacement field that a layer shows among others; None if it shows none.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    layer : Layer
        One of them.
    """
    fields = find_displacements(layers)
    return next((one for one in fields if layer in one.layers), None)


def adopt(field: FieldLayers) -> Description:
    """Read a field of another program's layers anew where their data were changed.

    Layers that are adopted for the first time get their description in their
    metadata; nothing else of them changes.

    Parameters
    ----------
    field : FieldLayers
        The field.

    Raises
    ------
    FieldError
        If the layers do not have one vector for every node of a regular grid.
    """
    described = [description_of(layer) for layer in field.layers]
    known = [one for one in described if one is not None]
    is_known = (
        len(known) == len(described) and len({one.field_id for one in known}) == 1
    )
    if not is_known or not all(map(is_unchanged, field.layers)):
        vectors, grid = read_adopted(field.parts)
        arrays = FieldArrays(vectors)
        common = known[0] if is_known else _new_description(field)
        for part, layer in field.parts.items():
            description = dataclasses.replace(common, part=part)
            keep(layer, Held(description, arrays, fingerprint(layer.data), grid))
            if not is_known:
                write_description(layer, description)
    lead = description_of(field.lead)
    assert lead is not None
    return lead


def _new_description(field: FieldLayers) -> Description:
    """Description of a field in another program's layers, which nothing is known of."""
    return Description(
        field_id=new_id(),
        part=next(iter(field.parts)),
        kind="displacement",
        quantity="displacement",
        title=field.title,
    )


def as_displacement(field: FieldLayers) -> DisplacementStack:
    """The displacements that layers show, with all that is known about them.

    Parameters
    ----------
    field : FieldLayers
        The field's layers; those of another program are adopted.

    Returns
    -------
    DisplacementStack
        The same object while nothing about the field changes.

    Raises
    ------
    FieldError
        If the layers' data were changed and cannot be read anew, if the layers
        contradict each other, or if their grid is not square.
    """
    if field.parts:
        adopt(field)
        check_place(field.parts)
    stack = _stack_of(field.layers)
    assert isinstance(stack, DisplacementStack)
    return stack


def layer_stack(layer: Layer) -> Stack:
    """The field that a layer of this plugin shows.

    Raises
    ------
    FieldError
        If it shows none, or if its data were changed.
    """
    return _stack_of((layer,))


def _stack_of(layers: Sequence[Layer]) -> Stack:
    descriptions = [_checked_description(layer) for layer in layers]
    _check_agreement(descriptions)
    held = held_by(layers[0])
    assert held is not None
    assert held.arrays is not None
    spacing_um = descriptions[0].computed_spacing_um
    if not descriptions[0].is_result:
        spacing_um = _spacing_of_all(layers)
    return held.arrays.stack(descriptions[0], spacing_um)


def _checked_description(layer: Layer) -> Description:
    description = description_of(layer)
    if description is None:
        raise FieldError(f"the layer “{layer.name}” shows no field")
    if not is_unchanged(layer):
        shown = (
            "magnitudes"
            if description.part == "magnitude"
            else "arrows of a few vectors"
        )
        raise FieldError(
            f"the data of the layer “{layer.name}” were changed: it shows {shown}, "
            "from which the field cannot be computed. Remove the layer, and crop or "
            "filter the field before it is opened"
        )
    return description


def _check_agreement(descriptions: Sequence[Description]) -> None:
    """Raise a FieldError if layers of one field are described differently."""
    for name in ("unit", "pixel_size_um", "gel"):
        values = [getattr(one, name) for one in descriptions]
        for value in values:
            if value != values[0]:
                one, other = (
                    unit_label(v) if name == "unit" else v for v in (values[0], value)
                )
                raise FieldError(
                    "the layers of the field have different values of "
                    f"{name.replace('_', ' ')} in their metadata: {one} and {other}"
                )


def _spacing_of_all(layers: Sequence[Layer]) -> float | None:
    """The spacing that layers agree on; those in pixels do not count."""
    spacings: list[tuple[Layer, float]] = []
    for layer in layers:
        held = held_by(layer)
        assert held is not None
        spacing_um = spacing_of(layer, held.grid)
        if spacing_um is not None:
            spacings.append((layer, spacing_um))
    for layer, spacing_um in spacings:
        first, first_um = spacings[0]
        if abs(spacing_um - first_um) > 1e-6 * first_um:
            raise FieldError(
                f"the layers “{first.name}” and “{layer.name}” of one field have "
                f"different scales, spacings of {first_um:.6g} µm and of "
                f"{spacing_um:.6g} µm: type the vector spacing, which scales "
                "all of them"
            )
    return spacings[0][1] if spacings else None
