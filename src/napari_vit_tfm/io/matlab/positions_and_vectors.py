"""Structs with positions `pos` and vectors `vec`, (N, 2), of several packages.

`input_data` and `TFM_results` are from Bayesian FTTC packages (Easy-to-use TFM),
`displField` and `forceField` from u-inferforce.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from napari_vit_tfm.errors import FieldError, FieldFileError
from napari_vit_tfm.gridding import NodeGrid
from napari_vit_tfm.io.base import ArrayEntry
from napari_vit_tfm.io.matlab.field import MatField, positioned_field
from napari_vit_tfm.io.matlab.values import Struct, number_of
from napari_vit_tfm.io.matlab.variables import Variables
from napari_vit_tfm.io.positioned import PositionedField

_INPUT = "input_data"
_RESULTS, _SETTINGS = "TFM_results", "TFM_settings"


def fields(variables: Variables) -> Iterator[MatField]:
    """The fields of all such structs."""
    for name in variables.headers:
        names = variables.struct_fields(name)
        if name == _INPUT and names:
            yield from _input(variables)
        elif name == _RESULTS and names >= {"pos"}:
            yield from _results(variables, variables.struct(name))
        elif names >= {"pos", "vec"}:
            yield _vectors(variables, name, variables.struct(name))


def _input(variables: Variables) -> Iterator[MatField]:
    """Displacements in pixels, and displacements outside of the cell as noise."""
    struct = variables.struct(_INPUT)
    frames = _nested(struct, "displacement")
    if frames is None:
        raise FieldFileError(
            f"{variables.path}: the struct {_INPUT} does not have displacement.pos "
            "and displacement.vec, as in the input of Bayesian FTTC packages"
        )
    yield positioned_field(
        PositionedField.of(
            f"{_INPUT}.displacement",
            frames.frames("pos"),
            frames.frames("vec"),
            kind="displacement",
            unit="px",
            position_unit="px",
        )
    )
    noise = _nested(struct, "noise")
    if noise is not None:
        yield _noise(variables, noise)


def _nested(struct: Struct, name: str) -> Struct | None:
    """A field with positions and vectors, of all elements; None if it is missing."""
    values = [element.get(name) for element in struct.elements]
    parts = [value for value in values if isinstance(value, Struct)]
    if not parts or not all(part.has("pos", "vec") for part in parts):
        return None
    return Struct(tuple(element for part in parts for element in part.elements))


def _noise(variables: Variables, noise: Struct) -> MatField:
    """Often a few vectors in a corner, which are no field."""
    name = f"{_INPUT}.noise"
    try:
        return positioned_field(
            PositionedField.of(
                name,
                noise.frames("pos"),
                noise.frames("vec"),
                kind="other",
                what="noise",
                unit="px",
                position_unit="px",
            )
        )
    except FieldError:
        entry = ArrayEntry(name, (len(noise.elements),), "struct")
        return MatField(entry, lambda: variables.array(_INPUT))


def _results(variables: Variables, results: Struct) -> Iterator[MatField]:
    """Displacements in pixels and tractions in Pa, with gel and lengths."""
    for part, kind, unit in (
        ("displacement", "displacement", "px"),
        ("traction", "traction", "Pa"),
    ):
        if results.has(part):
            field = PositionedField.of(
                f"{_RESULTS}.{part}",
                results.frames("pos"),
                results.frames(part),
                kind=kind,
                unit=unit,
                position_unit="px",
            )
            settings = _settings(variables, field.grid)
            yield positioned_field(replace(field, attributes=settings))


def _settings(variables: Variables, grid: NodeGrid) -> dict[str, float]:
    """Gel and lengths according to the settings."""
    elements = variables.struct(_SETTINGS).elements
    settings = elements[0] if elements else {}
    pixel_size = number_of(settings.get("micrometer_per_pix"))
    step = number_of(settings.get("meshsize"))
    values = {
        "young_pa": number_of(settings.get("young")),
        "poisson": number_of(settings.get("poisson")),
        "pixel_size_um": pixel_size,
    }
    # The reader compares this to the step of the positions.
    if pixel_size is not None and step is not None and not grid.is_scattered:
        values["spacing_um"] = step * pixel_size
    return {name: value for name, value in values.items() if value is not None}


def _vectors(variables: Variables, name: str, struct: Struct) -> MatField:
    """A struct of u-inferforce, or one of another name."""
    field = PositionedField.of(
        name, struct.frames("pos"), struct.frames("vec"), **_header(name)
    )
    return positioned_field(field)


def _header(name: str) -> dict[str, Any]:
    if name == "displField":
        return {"kind": "displacement", "unit": "px", "position_unit": "px"}
    if name == "forceField":
        return {"kind": "traction", "unit": "Pa", "position_unit": "px"}
    if name.removesuffix("Shifted") in ("displField", "forceField"):
        return {"kind": "other", "what": "a copy for display"}
    return {}
