"""Results: layers of the tractions that were computed from a displacement field.

Every run adds new layers. This module also changes the unit, the pixel size and the gel
on all layers of a field, and the spacing on those of its results, too.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
from napari.components import LayerList
from napari.layers import Image, Layer, Vectors

from napari_vit_tfm.config import (
    BUNDLED_MODEL,
    DisplayConfig,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement.preparation import options_in_use
from napari_vit_tfm.fields import Companions, DisplacementStack, Records, TractionStack
from napari_vit_tfm.gel import PA_PER_KPA, Gel
from napari_vit_tfm.models.registry import registered_methods
from napari_vit_tfm.napari.layers.drawing import (
    LayerData,
    field_layers,
    hide_colorbar,
    redraw,
    show_colorbar,
)
from napari_vit_tfm.napari.layers.metadata import (
    Description,
    description_in,
    is_outline_of,
    is_overlay,
    write_description,
)
from napari_vit_tfm.napari.layers.placing import (
    for_data_of,
    geometry_of,
    grid_of,
    set_spacing,
    spacing_of,
    without_frames,
)
from napari_vit_tfm.napari.layers.reading import FieldLayers, adopt, layer_stack
from napari_vit_tfm.napari.layers.registry import (
    Grid,
    checksum_of_vectors,
    description_of,
    entry_of,
    is_unchanged,
    remember_place,
)
from napari_vit_tfm.napari.method_cache import current_sha256
from napari_vit_tfm.provenance import KEY as PROVENANCE
from napari_vit_tfm.provenance import Provenance
from napari_vit_tfm.units import DisplacementUnit, consistent_lengths, unit_words


@dataclass(frozen=True, eq=False)
class ResultLayers:
    """The layers of the tractions of a run; None for a layer that was removed."""

    image: Image | None
    vectors: Vectors | None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers that have not been removed."""
        both = (self.image, self.vectors)
        return tuple(layer for layer in both if layer is not None)

    @property
    def description(self) -> Description:
        """The description of the tractions."""
        description = description_of(self.layers[0])
        assert description is not None
        return description

    @property
    def is_intact(self) -> bool:
        """Whether both layers exist and their data are unchanged."""
        return len(self.layers) == 2 and all(map(is_unchanged, self.layers))

    @property
    def provenance(self) -> Provenance | None:
        """What the tractions were computed from; None if it is not known."""
        entry = entry_of(self.layers[0])
        if entry is None or entry.arrays is None:
            return None
        known: Provenance | None = entry.arrays.metadata.get(PROVENANCE)
        return known

    @property
    def companions(self) -> Companions:
        """Vectors that belong to the tractions, by name."""
        entry = entry_of(self.layers[0])
        return {} if entry is None or entry.arrays is None else entry.arrays.companions

    @property
    def records(self) -> Records:
        """Values of the frames of the tractions, by name."""
        entry = entry_of(self.layers[0])
        return {} if entry is None or entry.arrays is None else entry.arrays.records

    def stack(self) -> TractionStack:
        """The tractions.

        Raises
        ------
        FieldError
            If the data of a layer have been changed, or if the layers contradict each
            other.
        """
        stack = layer_stack(*self.layers)
        assert isinstance(stack, TractionStack)
        return stack


# The description of a field


def describe_field(layers: Iterable[Layer], field: FieldLayers, **changes: Any) -> None:
    """Change the description of a displacement field on all its layers.

    If the spacing is not known, or followed from the description so far, and follows
    from the new one, it is set, too.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    field : FieldLayers
        The field.
    **changes
        New values of attributes of `Description`: `unit`, `pixel_size_um`, or a value
        of the gel.

    Raises
    ------
    FieldError
        If another program's layers cannot be adopted.
    """
    if field.adopted_parts:
        adopt(field, compare_data=False)
    before = _implied_spacing(field)
    for layer in field.layers:
        description = description_of(layer)
        assert description is not None
        write_description(layer, dataclasses.replace(description, **changes))
    implied = _implied_spacing(field)
    if implied != before:
        spacing_um = spacing_of(field.first, grid_of(field.first))
        if spacing_um is None or _is_equal(spacing_um, before):
            set_field_spacing(layers, field, implied)


def _implied_spacing(field: FieldLayers) -> float | None:
    """Spacing that follows from the positions in the file, unit and pixel size."""
    description = description_of(field.first)
    assert description is not None
    spacing_um, _ = consistent_lengths(
        cast("DisplacementUnit | None", description.unit),
        description.spacing_in_unit,
        None,
        description.pixel_size_um,
    )
    return spacing_um


def set_field_spacing(
    layers: Iterable[Layer], field: FieldLayers, spacing_um: float | None
) -> None:
    """Set the spacing of all layers of a field: displacements, outline and results.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    field : FieldLayers
        The displacement field.
    spacing_um : float, optional
        Distance between neighbouring vectors, in um. None is the spacing that follows
        from the positions in the file, if it does; otherwise, it is not known.

    Raises
    ------
    FieldError
        If another program's layers cannot be adopted, or rows and columns have
        different spacings: one number cannot correct two.
    """
    if field.adopted_parts:
        adopt(field, compare_data=False)
    for layer in field.layers:
        spacing_of(layer, grid_of(layer))
    if spacing_um is None:
        spacing_um = _implied_spacing(field)
    before = geometry_of(field.first)
    description = description_of(field.first)
    assert description is not None
    layers = list(layers)
    results = [
        layer
        for result in results_of(layers, field)
        for layer in result.layers
        # A result that the user has moved is not changed.
        if _is_same_place(geometry_of(layer), before)
    ]
    for layer in field.layers:
        set_spacing(layer, grid_of(layer), spacing_um)
    for layer in layers:
        if is_outline_of(layer, description.field_id):
            set_spacing(layer, Grid((None, 0, 1)), spacing_um)
    after = geometry_of(field.first)
    for layer in results:
        _place(layer, after)


_TRANSFORM = ("scale", "translate", "rotate", "shear", "affine")


def _is_same_place(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two results of `geometry_of` are equal, apart from the axis labels."""
    has_same_units = tuple(one["units"]) == tuple(other["units"])
    return has_same_units and all(
        np.allclose(one[name], other[name]) for name in _TRANSFORM
    )


def _place(layer: Layer, place: Mapping[str, Any]) -> None:
    """Give a result's layer the place of its displacements, and remember it."""
    before = geometry_of(layer)
    own = for_data_of(layer, place)
    own = own if _has_frames(layer) else without_frames(own)
    if any(not np.array_equal(before[name], place[name]) for name in _TRANSFORM):
        for name in _TRANSFORM:
            setattr(layer, name, own[name])
    if tuple(before["units"]) != tuple(place["units"]):
        layer.units = own["units"]
    remember_place(layer, geometry_of(layer))


def _has_frames(layer: Layer) -> bool:
    return grid_of(layer).axes[0] is not None


# Results of a field


def results_of(layers: Iterable[Layer], field: FieldLayers) -> list[ResultLayers]:
    """The results of a displacement field, from the first to the last.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer. Copies of results are not included.
    field : FieldLayers
        The displacement field.
    """
    description = description_of(field.first)
    return [] if description is None else _results_of(layers, description.field_id)


def _results_of(layers: Iterable[Layer], field_id: str) -> list[ResultLayers]:
    found: dict[str, dict[str, Layer]] = {}
    times: dict[str, str] = {}
    for layer in layers:
        description = description_of(layer)
        if (
            description is None
            or description.source_id != field_id
            or description.kind != "traction"
        ):
            continue
        found.setdefault(description.field_id, {})[description.part] = layer
        times[description.field_id] = description.computed_at or ""
    return [
        ResultLayers(found[key].get("magnitude"), found[key].get("arrows"))
        for key in sorted(found, key=times.__getitem__)
    ]


def result_of(layers: Iterable[Layer], layer: Layer | None) -> ResultLayers | None:
    """The result, or the copy of a result, that a layer shows; None for other layers.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    layer : Layer, optional
        One of them.
    """
    found = tractions_of(layers, layer)
    return found if found is not None and found.description.is_result else None


def tractions_of(layers: Iterable[Layer], layer: Layer | None) -> ResultLayers | None:
    """The tractions that a layer shows, of a run or from a file; None for other layers.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    layer : Layer, optional
        One of them.
    """
    description = None if layer is None else description_of(layer)
    if description is None or description.kind != "traction":
        return None
    parts: dict[str, Layer] = {}
    for other in layers:
        other_description = description_of(other)
        if (
            other_description is not None
            and other_description.field_id == description.field_id
        ):
            parts[other_description.part] = other
    return ResultLayers(parts.get("magnitude"), parts.get("arrows"))


def layers_of_run(layers: Iterable[Layer], member: Layer) -> list[Layer]:
    """The layers of a displacement field and of the tractions computed from it.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    member : Layer
        A layer of the displacements or tractions, which may have been removed.
    """
    own = description_in(member.metadata)
    if own is None:
        return []
    run = own.source_id or own.field_id
    described = ((layer, description_of(layer)) for layer in layers)
    return [
        layer
        for layer, one in described
        if one and run in (one.field_id, one.source_id)
    ]


def last_result(layers: Iterable[Layer], source: Layer) -> ResultLayers | None:
    """The last result of the field that a layer shows; None if there is none.

    Parameters
    ----------
    layers : iterable of layers
        The layers of the run, from `layers_of_run`.
    source : Layer
        A layer of the displacement field.
    """
    description = description_in(source.metadata)
    results = [] if description is None else _results_of(layers, description.field_id)
    return results[-1] if results else None


# Showing a result


def method_words(config: ReconstructionConfig) -> str:
    """Name of a method with its options, for the names of results.

    Parameters
    ----------
    config : ReconstructionConfig
        The method and its options.

    Examples
    --------
    >>> from napari_vit_tfm import ReconstructionConfig
    >>> method_words(ReconstructionConfig(model="bayesian-fttc"))
    'Bayesian FTTC'
    >>> options = {"regularisation": 0.5}
    >>> method_words(ReconstructionConfig(model="fttc", options=options))
    'FTTC, regularisation 0.5'
    >>> method_words(ReconstructionConfig(n_views=8))
    'ViT, 8 views'
    """
    method = registered_methods().get(config.model)
    name = Path(config.model).stem if method is None else method.words.split(" (")[0]
    chosen = [f"{option} {value:.6g}" for option, value in config.options.items()]
    if config.heads is not None:
        chosen.append(f"{config.heads} heads")
    if _n_views(config) > 1:
        chosen.append(f"{_n_views(config)} views")
    return ", ".join([name, *chosen])


def _n_views(config: ReconstructionConfig) -> int:
    """Number of views of a method; 1 for all but the networks of this project."""
    is_file = Path(config.model).suffix.lower() == ".safetensors"
    has_views = config.model == BUNDLED_MODEL or is_file
    return config.n_views if has_views else 1


def _method_attributes(config: ReconstructionConfig) -> dict[str, Any]:
    """The attributes of `Description` that identify a method and its options."""
    options = {**config.options, "heads": config.heads}
    return {
        "method": method_words(config),
        "computed_with": config.model,
        "computed_options": json.dumps(options, sort_keys=True),
        "computed_views": float(_n_views(config)),
    }


def show_tractions(
    layers: LayerList,
    stack: TractionStack,
    field: FieldLayers,
    *,
    source: DisplacementStack,
    config: ReconstructionConfig,
    update_last: bool = False,
    display: DisplayConfig | None = None,
) -> ResultLayers:
    """Show tractions computed from a displacement field, and hide earlier results.

    Parameters
    ----------
    layers : napari.components.LayerList
        The viewer's layers.
    stack : TractionStack
        The tractions, on the grid of the field.
    field : FieldLayers
        The displacement field. New layers have its transform, and an axis of frames
        if it has one.
    source : DisplacementStack, keyword-only
        The displacements that the run was given.
    config : ReconstructionConfig, keyword-only
        The method of the run, and its options.
    update_last : bool, keyword-only
        Whether to replace the tractions in the layers of the last result. They get the
        transform of the field, unless the user has moved them. New layers are added if
        these have been removed or changed.
    display : DisplayConfig, keyword-only, optional
        Colours and arrows.

    Returns
    -------
    ResultLayers
        The layers.
    """
    # The layers are not read again: their data may have changed since the run started.
    description = description_of(field.first)
    assert description is not None
    results = results_of(layers, field)
    last = results[-1] if results else None
    has_frames = _has_frames(field.first)
    updated = last if update_last and last and last.is_intact else None
    if updated and _has_frames(updated.layers[0]) != has_frames:
        updated = None
    preparation = stack.metadata.get("preparation", {})
    computed: dict[str, Any] = {
        "source_id": description.field_id,
        **_method_attributes(config),
        "computed_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "computed_spacing_um": stack.spacing_um,
        "computed_unit": source.unit,
        "computed_pixel_size_um": source.pixel_size_um,
        "computed_from": checksum_of_vectors(source.data),
        "computed_preparation": json.dumps(preparation, sort_keys=True),
    }
    if updated is not None:
        computed["field_id"] = updated.description.field_id
    place = geometry_of(field.first)
    image, vectors = field_layers(
        stack,
        has_frames=has_frames,
        title=description.title,
        attributes=computed,
        bin_size=preparation.get("bin_size", 1),
        config=display,
        **place,
    )
    if updated is not None:
        unmoved = [layer for layer in updated.layers if not _is_moved(layer)]
        _update_image(updated.image, image)
        _update_vectors(updated.vectors, vectors)
        for layer in unmoved:
            _place(layer, place)
        return updated
    for result in results:
        for layer in result.layers:
            layer.visible = False
    new = Layer.create(*image), Layer.create(*vectors)
    index = _below_overlays(layers)
    for offset, layer in enumerate(new):
        _place(layer, place)
        layers.insert(index + offset, layer)
    _raise_outline(layers, description.field_id)
    _hide_other_colorbars(layers, description.field_id)
    show_colorbar(new[0])
    return ResultLayers(*new)


def _is_moved(layer: Layer) -> bool:
    """Whether the user has changed the transform of a result's layer."""
    entry = entry_of(layer)
    place = None if entry is None else entry.place
    return place is None or not _is_same_place(geometry_of(layer), place)


def _below_overlays(layers: Sequence[Layer]) -> int:
    """Index above all layers but the map and the patches of an inspection."""
    index = len(layers)
    while index and is_overlay(layers[index - 1]):
        index -= 1
    return index


def _raise_outline(layers: LayerList, field_id: str) -> None:
    """Move the cell outline of a field above the result that has just been added."""
    outlines = [layer for layer in layers if is_outline_of(layer, field_id)]
    for outline in outlines:
        layers.move(layers.index(outline), _below_overlays(layers))


def _hide_other_colorbars(layers: Iterable[Layer], field_id: str) -> None:
    """Hide the colour bars of results of other fields: the canvas has room for one."""
    for layer in layers:
        description = description_of(layer)
        if (
            isinstance(layer, Image)
            and description is not None
            and description.kind == "traction"
            and description.source_id != field_id
        ):
            hide_colorbar(layer)


def _update_image(image: Image, new: LayerData) -> None:
    _, options, _ = new
    _replace(image, new)
    image.contrast_limits_range = options["contrast_limits"]
    image.contrast_limits = options["contrast_limits"]


def _update_vectors(vectors: Vectors, new: LayerData) -> None:
    _, options, _ = new
    _replace(vectors, new)
    vectors.edge_contrast_limits = options["edge_contrast_limits"]
    vectors.refresh_colors()


def _replace(layer: Layer, new: LayerData) -> None:
    description = description_in(new[1]["metadata"])
    assert description is not None
    redraw(layer, new)
    write_description(layer, description)


# Differences between a result and the settings of the dock


def differences(
    result: Description,
    stack: DisplacementStack,
    gel: Gel,
    config: ReconstructionConfig,
    preparation: PreparationConfig | None = None,
) -> list[str]:
    """Compare the settings that a result was computed with to the current ones.

    Parameters
    ----------
    result : Description
        The result.
    stack : DisplacementStack
        The current displacements.
    gel : Gel
        The current gel.
    config : ReconstructionConfig
        The current method and its options.
    preparation : PreparationConfig, optional
        The current preparation; None is the default one.

    Returns
    -------
    list of str
        The differences, such as "computed for 5 kPa, now 10 kPa". Empty if another run
        would have the same result.
    """
    spacing_um = result.computed_spacing_um
    if spacing_um is not None:
        spacing_um /= result.preparation.bin_size
    compared: list[tuple[Any, Any, Callable[[Any], str]]] = [
        (result.young_pa, gel.young_pa, _stiffness),
        (result.poisson, gel.poisson, "a Poisson ratio of {:.6g}".format),
        (result.thickness_um, gel.thickness_um, _thickness),
        (result.computed_unit, stack.unit, _displacements_in),
        (spacing_um, stack.spacing_um, _spacing),
    ]
    if result.computed_unit == stack.unit == "px":
        sizes = result.computed_pixel_size_um, stack.pixel_size_um
        compared.append((*sizes, _pixel_size))
    found = [
        f"computed for {words(then)}, now {words(now)}"
        for then, now, words in compared
        if not _is_equal(then, now)
    ]
    found += _differences_of_methods(result, config)
    now = options_in_use(preparation or PreparationConfig())
    if json.loads(result.computed_preparation or "{}") != now:
        found.append("computed with another preparation of the displacements")
    if result.computed_from != checksum_of_vectors(stack.data):
        # A duplicate does not say of which field it was a result.
        found.append(
            "computed from other displacements"
            if result.source_id is None
            else "computed before the displacements were changed"
        )
    return found


def _differences_of_methods(
    result: Description, config: ReconstructionConfig
) -> list[str]:
    now = _method_attributes(config)
    if result.method != now["method"]:
        return [f"computed with {result.method}, now {now['method']}"]
    if result.computed_with != now["computed_with"]:
        # Files of the same name in different folders.
        return [f"computed with {result.computed_with}, now {now['computed_with']}"]
    if any(getattr(result, name) != value for name, value in now.items()):
        return ["computed with other options of the method"]
    if current_sha256(config.model) not in (None, result.model_sha256):
        return ["computed before the file of the model was changed"]
    return []


def _is_equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


def _stiffness(young_pa: float | None) -> str:
    if young_pa is None:
        return "an unknown Young's modulus (t/E)"
    return f"{young_pa / PA_PER_KPA:.6g} kPa"


def _thickness(thickness_um: float | None) -> str:
    if thickness_um is None or math.isinf(thickness_um):
        return "a gel of infinite thickness"
    return f"a gel {thickness_um:.6g} µm thick"


def _displacements_in(unit: DisplacementUnit | None) -> str:
    return f"displacements in {unit_words(unit)}"


def _spacing(spacing_um: float | None) -> str:
    return _length("spacing", spacing_um)


def _pixel_size(pixel_size_um: float | None) -> str:
    return _length("pixel size", pixel_size_um)


def _length(name: str, um: float | None) -> str:
    return f"an unknown {name}" if um is None else f"a {name} of {um:.6g} µm"
