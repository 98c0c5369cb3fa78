"""TFM-UQ: `U` and `V` in um with the struct `TFMUQ`, or the struct `out` in pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from napari_vit_tfm.io.matlab.field import MatField, positioned_field, variable_field
from napari_vit_tfm.io.matlab.matrices import frames_of_matrices, matrices_field
from napari_vit_tfm.io.matlab.values import Value, is_empty
from napari_vit_tfm.io.matlab.variables import Variables


def fields(variables: Variables) -> Iterator[MatField]:
    """The fields of both kinds of files."""
    has_components = {"U", "V"} <= variables.headers.keys()
    if has_components and variables.struct_fields("TFMUQ") >= {"X", "Y"}:
        yield from _input(variables)
    if variables.struct_fields("out") >= {"xvec", "yvec", "U", "V"}:
        yield from _output(variables)


def _input(variables: Variables) -> Iterator[MatField]:
    """One field of `U` and `V`, which are not listed as fields of their own."""
    grid = variables.struct("TFMUQ").elements[0]
    values = (grid["X"], grid["Y"], variables.value("U"), variables.value("V"))
    yield _field(variables, "U, V", [values], unit="um", kind="displacement")
    for name in ("U", "V"):
        yield variable_field(variables, name, kind="other", what="one component")


def _output(variables: Variables) -> Iterator[MatField]:
    """The field without drift; if there is none, that with drift."""
    out = variables.struct("out")
    without_drift = ("UPost", "VPost")
    if not out.has(*without_drift) or is_empty(out.elements[0]["UPost"]):
        yield _output_field(variables, ("U", "V"), kind="displacement")
        return
    note = "UPost and VPost are read, from which the drift was removed"
    yield _output_field(variables, without_drift, kind="displacement", notes=(note,))
    yield _output_field(
        variables, ("U", "V"), kind="other", what="displacements with drift"
    )


def _output_field(
    variables: Variables, components: tuple[str, str], **header: Any
) -> MatField:
    names = ("xvec", "yvec", *components)
    frames = [
        tuple(element[name] for name in names)
        for element in variables.struct("out").elements
    ]
    name = ", ".join(f"out.{component}" for component in components)
    return _field(variables, name, frames, unit="px", **header)


def _field(
    variables: Variables,
    name: str,
    elements: Iterable[tuple[Value, ...]],
    *,
    unit: str,
    **header: Any,
) -> MatField:
    """The field of x, y, u and v, of the elements of a struct array."""
    where = f"{variables.path}: {name}"
    frames = [
        frame
        for x, y, u, v in elements
        for frame in frames_of_matrices(where, x, y, u, v)
    ]
    field = matrices_field(name, frames, unit=unit, position_unit=unit, **header)
    return positioned_field(field)
