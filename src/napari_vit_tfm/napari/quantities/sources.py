"""What tractions in layers are measured from."""

from __future__ import annotations

import math
from collections.abc import Iterable

from napari.layers import Layer

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.layers.metadata import Description
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
    as_displacement,
    find_displacements,
    layer_stack,
)
from napari_vit_tfm.napari.layers.registry import checksum_of_vectors, description_of
from napari_vit_tfm.napari.quantities.measuring import Numbers, Source
from napari_vit_tfm.quantities import Origin


def as_traction(field: FieldLayers, *, compare_data: bool = True) -> TractionStack:
    """Return the tractions that layers show.

    Parameters
    ----------
    field : FieldLayers
        The layers, from `find_tractions`.
    compare_data : bool, keyword-only
        As for `layer_stack`, and so are the errors.
    """
    stack = layer_stack(*field.layers, compare_data=compare_data)
    assert isinstance(stack, TractionStack)
    return stack


def source_of(
    layers: Iterable[Layer], field: FieldLayers, *, cells: Numbers | None
) -> Source:
    """Tractions to measure, with the displacements that they were computed from.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    field : FieldLayers
        The tractions.
    cells : array of int, keyword-only, optional
        As for `Source`.

    Raises
    ------
    FieldError
        If the data of their layers were changed.
    """
    description = description_of(field.first)
    assert description is not None
    return Source(
        Origin(description.title, description.method or description.quantity),
        description.field_id,
        as_traction(field),
        cells,
        displacement_of(layers, description),
        description.preparation,
    )


def displacement_of(
    layers: Iterable[Layer], traction: Description
) -> DisplacementStack | None:
    """The measured displacements that tractions were computed from.

    Parameters
    ----------
    layers : iterable of layers
        All layers of the viewer.
    traction : Description
        The tractions.

    Returns
    -------
    DisplacementStack or None
        None if they are not in the viewer, or have changed since the run.
    """
    for field in find_displacements(layers):
        description = description_of(field.first)
        if description is None or description.field_id != traction.source_id:
            continue
        try:
            stack = as_displacement(field, compare_data=False)
        except FieldError:
            return None
        is_same = (
            checksum_of_vectors(stack.data) == traction.computed_from
            and stack.unit == traction.computed_unit
            and stack.pixel_size_um == traction.computed_pixel_size_um
            and _is_same_spacing(stack.spacing_um, traction)
        )
        return stack if is_same else None
    return None


def _is_same_spacing(spacing_um: float | None, traction: Description) -> bool:
    computed_um = traction.computed_spacing_um
    if spacing_um is None or computed_um is None:
        return spacing_um is computed_um
    expected_um = spacing_um * traction.preparation.bin_size
    return math.isclose(expected_um, computed_um, rel_tol=1e-9)
