"""Conversion of layers to stacks.

`find_displacements` finds the displacement fields among layers, both in this plugin's
layers and in those of other programs. `as_displacement` returns one of them as a stack.
`find_tractions` finds the tractions, and `layer_stack` returns them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from napari.layers import Layer

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.layers.adoption import (
    adoptable,
    are_swapped,
    check_same_place,
    read_adopted,
)
from napari_vit_tfm.napari.layers.metadata import (
    AdoptedPart,
    Description,
    Stack,
    has_plugin_metadata,
    new_id,
    write_description,
)
from napari_vit_tfm.napari.layers.placing import spacing_of
from napari_vit_tfm.napari.layers.registry import (
    FieldArrays,
    LayerEntry,
    description_of,
    entry_of,
    fingerprint,
    is_unchanged,
    register_layer,
)
from napari_vit_tfm.provenance import KEY as PROVENANCE
from napari_vit_tfm.provenance import Provenance
from napari_vit_tfm.units import unit_label


@dataclass(frozen=True, eq=False)
class FieldLayers:
    """The layers that together show one field.

    Parameters
    ----------
    layers : tuple of layers
        The layers. Results have the transform of the first one.
    adopted_parts : mapping of str to Layer
        Layers of another program, by the part of the field in each. Empty for layers
        of this plugin.
    title : str
        Title of the field, such as the name of its file.
    """

    layers: tuple[Layer, ...]
    adopted_parts: Mapping[AdoptedPart, Layer]
    title: str

    @property
    def first(self) -> Layer:
        """The first of the layers."""
        return self.layers[0]

    @property
    def label(self) -> str:
        """Name of the field in lists."""
        if len(self.adopted_parts) == 2:
            x, y = self.adopted_parts["x"], self.adopted_parts["y"]
            return f"{x.name} (x), {y.name} (y)"
        return str(self.first.name)


def show_same_field(one: Layer, other: Layer) -> bool:
    """Whether two layers show the same field."""
    description, other_description = description_of(one), description_of(other)
    if description is None or other_description is None:
        # Plugins get proxies of layers, which are equal but not identical.
        return bool(one == other)
    return description.field_id == other_description.field_id


def find_displacements(layers: Iterable[Layer]) -> list[FieldLayers]:
    """Find the displacement fields among layers, in the order of the layers.

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
            if not has_plugin_metadata(layer):
                free.append(layer)
        elif description.kind == "displacement":
            titles[description.field_id] = description.title
            if description.is_adopted:
                adopted.setdefault(description.field_id, {})[description.part] = layer  # type: ignore[index]
            else:
                own.setdefault(description.field_id, []).append(layer)
    found = [FieldLayers(tuple(one), {}, titles[key]) for key, one in own.items()]
    for key, parts in adopted.items():
        if set(parts) in ({"x"}, {"y"}) or are_swapped(parts):
            # A component without its partner may be combined with another layer, and
            # the names of components can be corrected.
            free += parts.values()
        else:
            found.append(_adopted_layers(parts, titles[key]))
    found += [_adopted_layers(one.parts, one.title) for one in adoptable(free)]
    return sorted(found, key=lambda field: layers.index(field.first))


def _adopted_layers(parts: Mapping[AdoptedPart, Layer], title: str) -> FieldLayers:
    ordered = {part: parts[part] for part in sorted(parts)}
    return FieldLayers(tuple(ordered.values()), ordered, title)


def find_tractions(layers: Iterable[Layer]) -> list[FieldLayers]:
    """Find the tractions among layers, in the order of the layers.

    Parameters
    ----------
    layers : iterable of layers
        Such as all layers of a viewer.
    """
    found: dict[str, list[Layer]] = {}
    titles: dict[str, str] = {}
    for layer in layers:
        description = description_of(layer)
        if description is not None and description.kind == "traction":
            titles[description.field_id] = description.title
            found.setdefault(description.field_id, []).append(layer)
    return [FieldLayers(tuple(one), {}, titles[key]) for key, one in found.items()]


def field_of(layers: Iterable[Layer], layer: Layer) -> FieldLayers | None:
    """The displacement field that a layer shows; None if it shows none.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    layer : Layer
        One of them.
    """
    fields = find_displacements(layers)
    return next((one for one in fields if layer in one.layers), None)


def source_files(layers: Iterable[Layer]) -> list[str]:
    """Files that the displacements in layers were read from."""
    files: list[str] = []
    for field in find_displacements(layers):
        entry = entry_of(field.first)
        if entry is not None and entry.arrays is not None:
            # The field of a series has several files.
            source = entry.arrays.metadata.get("source", [])
            files += [source] if isinstance(source, str) else source
    return files


def files_behind(layers: Iterable[Layer]) -> list[str]:
    """Files that fields in layers were read or computed from, which are never replaced.

    They are the files of displacements, and for tractions those of their input and of
    the model.
    """
    layers = list(layers)
    files = source_files(layers)
    for layer in layers:
        entry = entry_of(layer)
        if entry is not None and entry.arrays is not None:
            known: Provenance | None = entry.arrays.metadata.get(PROVENANCE)
            files += [] if known is None else map(str, known.read)
    return files


def adopt(field: FieldLayers, *, compare_data: bool = True) -> Description:
    """Read a field from layers of another program, unless it is known and unchanged.

    When layers are read for the first time, a description is added to their metadata.
    Nothing else about the layers changes.

    Parameters
    ----------
    field : FieldLayers
        The field.
    compare_data : bool, keyword-only
        Whether to look for edits in place; see `registry.is_unchanged`.

    Raises
    ------
    FieldError
        If vectors have no grid, or components do not fit together.
    """
    descriptions = [description_of(layer) for layer in field.layers]
    known = [one for one in descriptions if one is not None]
    is_one_field = (
        len(known) == len(descriptions) and len({one.field_id for one in known}) == 1
    )
    is_known = is_one_field and [one.part for one in known] == [*field.adopted_parts]
    if not is_known or not all(
        is_unchanged(layer, compare_data=compare_data) for layer in field.layers
    ):
        vectors, grid, notes = read_adopted(field.adopted_parts)
        arrays = FieldArrays(vectors, metadata={"notes": notes})
        common = known[0] if is_one_field else _new_description(field)
        for part, layer in field.adopted_parts.items():
            described = dataclasses.replace(common, part=part)
            register_layer(
                layer, LayerEntry(described, arrays, fingerprint(layer.data), grid)
            )
            if not is_known:
                write_description(layer, described)
    description = description_of(field.first)
    assert description is not None
    return description


def _new_description(field: FieldLayers) -> Description:
    """Description of a field in layers of another program that are read first."""
    return Description(
        field_id=new_id(),
        part=next(iter(field.adopted_parts)),
        kind="displacement",
        quantity="displacement",
        title=field.title,
    )


def as_displacement(
    field: FieldLayers, *, compare_data: bool = True
) -> DisplacementStack:
    """Return the displacements that layers show, with unit, lengths and gel.

    Parameters
    ----------
    field : FieldLayers
        The field's layers. Layers of another program are adopted.
    compare_data : bool, keyword-only
        Whether to look for edits in place, which napari does not report. It takes as
        long as reading the data. False for what follows events, such as a text that is
        updated.

    Returns
    -------
    DisplacementStack
        The displacements; the same object as long as nothing about the field changes.

    Raises
    ------
    FieldError
        If the data of the plugin's own layers were changed, if layers of another
        program cannot be read, if the layers contradict each other, or if rows and
        columns have different spacings.
    """
    if field.adopted_parts:
        adopt(field, compare_data=compare_data)
        check_same_place(field.adopted_parts)
        # They have just been compared.
        compare_data = False
    stack = layer_stack(*field.layers, compare_data=compare_data)
    assert isinstance(stack, DisplacementStack)
    return stack


def layer_stack(*layers: Layer, compare_data: bool = True) -> Stack:
    """Return the field that layers of this plugin show.

    Parameters
    ----------
    *layers : Layer
        Layers of one field.
    compare_data : bool, keyword-only
        As for `as_displacement`.

    Raises
    ------
    FieldError
        If a layer shows no field, if its data were changed, or if the layers
        contradict each other.
    """
    descriptions = [
        _checked_description(layer, compare_data=compare_data) for layer in layers
    ]
    _check_agreement(descriptions)
    entry = entry_of(layers[0])
    assert entry is not None
    assert entry.arrays is not None
    spacing_um = descriptions[0].computed_spacing_um
    if not descriptions[0].is_result:
        spacing_um = _spacing_of_all(layers)
    return entry.arrays.stack(descriptions[0], spacing_um)


def _checked_description(layer: Layer, *, compare_data: bool) -> Description:
    description = description_of(layer)
    if description is None:
        raise FieldError(f"the layer “{layer.name}” shows no field")
    if not is_unchanged(layer, compare_data=compare_data):
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
    for name in ("unit", "pixel_size_um", "spacing_in_unit", "gel"):
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
    """The common spacing of layers; layers in pixels are ignored."""
    spacings: list[tuple[Layer, float]] = []
    for layer in layers:
        entry = entry_of(layer)
        assert entry is not None
        spacing_um = spacing_of(layer, entry.grid)
        if spacing_um is not None:
            spacings.append((layer, spacing_um))
    for layer, spacing_um in spacings:
        first, first_um = spacings[0]
        if abs(spacing_um - first_um) > 1e-6 * first_um:
            raise FieldError(
                f"the layers “{first.name}” and “{layer.name}” of one field have "
                f"different scales, spacings of {first_um:.6g} µm and of "
                f"{spacing_um:.6g} µm: set the vector spacing, which scales "
                "all of them"
            )
    return spacings[0][1] if spacings else None
