"""Quantities of all cells and frames: from stacks to rows of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.displacement.drift import measure_motion, without_motion
from napari_vit_tfm.displacement.holes import bridge
from napari_vit_tfm.displacement.preparation import bridged
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import (
    Displacement,
    DisplacementStack,
    TractionStack,
    frames_in_words,
    without_drift,
)
from napari_vit_tfm.models.registry import balances_forces
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.quantities.cell import Cell, FloatArray
from napari_vit_tfm.quantities.intervals import (
    Interval,
    calibrated_method,
    intervals_of,
)
from napari_vit_tfm.quantities.regions import (
    Labels,
    Region,
    default_dilation_steps,
    regions_of,
    whole_field,
)
from napari_vit_tfm.quantities.registry import QUANTITIES
from napari_vit_tfm.quantities.units import Scale
from napari_vit_tfm.quantities.windows import Windows
from napari_vit_tfm.trust.conditions import Conditions
from napari_vit_tfm.trust.consistency import explained_share, squared_lengths
from napari_vit_tfm.trust.noise import estimated_noise, noise_records
from napari_vit_tfm.units import LENGTH_TOLERANCE

UNBALANCED = 0.05
"""Unbalanced share above which the strain energy depends on the reference."""

MOST_MISSING = 5
"""Most cells that a note about missing cells names."""


@dataclass(frozen=True)
class Row:
    """Quantities of one cell in one frame.

    Parameters
    ----------
    frame, cell : int
        Number of the frame, from 0, and of the cell.
    values : mapping of str to float
        Quantities by the name of their column.
    flags : tuple of str
        What limits their meaning, keys of `FLAGS`.
    intervals : mapping of str to Interval
        Intervals of the quantities by the name of their column, as far as they are
        known; see `intervals_of`.
    """

    frame: int
    cell: int
    values: Mapping[str, float]
    flags: tuple[str, ...]
    intervals: Mapping[str, Interval] = field(
        default_factory=lambda: MappingProxyType({})
    )


FLAGS: Mapping[str, str] = {
    "unbalanced": f"more than {UNBALANCED:.0%} of the force is unbalanced, so the "
    "strain energy depends on where the gel is taken to be at rest, and torque and "
    "moments on the origin",
    "border": "the region of the cell reaches the border of the field, so some of its "
    "forces may be missing",
    "holes": "tractions are missing in the region, and the sums are those of the rest",
    "balanced": "the method makes the forces of the whole field balance, so net force "
    "and unbalanced share say nothing about the cell",
}
"""Flags of a row in words."""


@dataclass(frozen=True, eq=False)
class Measurement:
    """How quantities are measured.

    Parameters
    ----------
    labels : array of int, shape (H, W) or (T, H, W), optional
        Number of the cell at each node; 0 is the background. The same number in every
        frame is the same cell. None takes the whole field as one cell.
    dilation_steps : float, optional
        Width of the surroundings of a cell, in grid steps. None is the larger of two
        steps and 2 um.
    measured : DisplacementStack, optional
        Measured displacements, for the strain energy that belongs to them.
    idle : array of shape (T, H, W), optional
        Mean magnitude of the tractions that are reconstructed where there is no force,
        in the unit of the tractions; see `control.force_free_magnitude`.
    """

    labels: Labels | None = None
    dilation_steps: float | None = None
    measured: DisplacementStack | None = None
    idle: npt.NDArray[np.floating] | None = None


def measure(traction: TractionStack, how: Measurement | None = None) -> Iterator[Row]:
    """Quantities of every cell in every frame.

    Parameters
    ----------
    traction : TractionStack
        Tractions. With a spacing and in Pa, quantities have SI units; else they are in
        grid steps or fractions of Young's modulus, as their columns say.
    how : Measurement, optional
        Cells, their surroundings, and measured displacements. By default the whole
        field is one cell.

    Yields
    ------
    Row
        Frame after frame; the cells of a frame in the order of their numbers.

    Raises
    ------
    FieldError
        If labels or displacements do not belong to the grid or the frames of the
        tractions, or there is no cell.

    Examples
    --------
    Two patches of 4 x 4 nodes, 2 um apart from each other, pull inwards:

    >>> import numpy as np
    >>> from napari_vit_tfm import Gel, TractionStack
    >>> from napari_vit_tfm.quantities import measure
    >>> t = np.zeros((32, 32, 2))
    >>> t[14:18, 8:12, 0], t[14:18, 20:24, 0] = 100.0, -100.0
    >>> stack = TractionStack(t, unit="Pa", spacing_um=0.5, gel=Gel(young_pa=5000.0))
    >>> (row,) = measure(stack)
    >>> round(row.values["total_force_nN"], 6), round(row.values["net_moment_nN_um"], 6)
    (0.8, 2.4)
    """
    if how is not None and how.labels is not None:
        check_cells(how.labels)
    for cells in cells_of(traction, how):
        yield from map(row_of, cells)


def cells_of(
    traction: TractionStack, how: Measurement | None = None
) -> Iterator[list[Cell]]:
    """The cells of every frame, from which quantities are computed.

    Parameters
    ----------
    traction, how
        As for `measure`, and so are the errors.

    Yields
    ------
    list of Cell
        The cells of a frame, in the order of their numbers.
    """
    how = how or Measurement()
    _check(traction, how)
    stack = in_pascal(traction)
    if how.idle is not None and stack.unit != traction.unit:
        assert stack.gel.young_pa is not None
        how = replace(how, idle=how.idle * stack.gel.young_pa)
    for frame in range(stack.n_frames):
        whole = _whole(stack, how, frame)
        yield [
            replace(
                whole,
                number=region.cell,
                core=region.core,
                region=region.dilated,
                ring=region.ring,
                is_field=region.is_field,
            )
            for region in _regions(how, frame, stack.grid_shape, stack.spacing_um)
        ]


def row_of(cell: Cell) -> Row:
    """All quantities of a cell; without tractions, only those of its geometry.

    Parameters
    ----------
    cell : Cell
        The cell.

    Returns
    -------
    Row
    """
    values = {
        quantity.column(cell.scale): quantity.value(cell)
        for quantity in QUANTITIES.values()
    }
    flags = {
        "unbalanced": values["unbalanced"] > UNBALANCED,
        "border": cell.touches_border,
        "holes": bool((cell.region & ~cell.known).any()),
        "balanced": cell.is_field and cell.is_balanced,
    }
    shown = tuple(name for name in FLAGS if flags[name])
    return Row(cell.frame, cell.number, values, shown, intervals_of(cell, values))


def scale_of(traction: TractionStack) -> Scale:
    """Units of the quantities of tractions, after `in_pascal`."""
    return Scale(
        "Pa" if traction.unit == "Pa" else "E",
        "steps" if traction.spacing_um is None else "um",
    )


def columns_of(traction: TractionStack) -> list[str]:
    """Columns of the quantities of tractions, in their order."""
    scale = scale_of(in_pascal(traction))
    return [quantity.column(scale) for quantity in QUANTITIES.values()]


def in_pascal(traction: TractionStack) -> TractionStack:
    """The tractions in Pa, if Young's modulus is known; else as they are."""
    young = traction.gel.young_pa
    if traction.unit == "Pa" or young is None:
        return traction
    return replace(traction, data=traction.data * np.float32(young), unit="Pa")


def notes_of(rows: Sequence[Row], *, n_frames: int) -> list[str]:
    """What limits the meaning of rows, one sentence each.

    Parameters
    ----------
    rows : sequence of Row
        The quantities of all cells and frames.
    n_frames : int, keyword-only
        Number of frames that were measured.

    Returns
    -------
    list of str
        The flags of the rows, with their number and their meaning, and the cells that
        are not in every frame.
    """
    notes = []
    for flag, words in FLAGS.items():
        n = sum(flag in row.flags for row in rows)
        if n:
            notes.append(f"rows with the flag {flag}: {n} of {len(rows)}; {words}")
    missing = _missing_cells(rows, n_frames)
    if missing:
        shown = [
            f"cell {cell} in {frames_in_words(frames)}"
            for cell, frames in list(missing.items())[:MOST_MISSING]
        ]
        if len(missing) > MOST_MISSING:
            shown.append(f"{len(missing) - MOST_MISSING} other cells in some frames")
        notes.append(
            "cells that are not in every frame have no rows in the others: "
            + "; ".join(shown)
        )
    return notes


def _missing_cells(rows: Sequence[Row], n_frames: int) -> dict[int, list[int]]:
    """Frames without a cell that is in another frame, by the number of the cell."""
    there: dict[int, set[int]] = {}
    for row in rows:
        there.setdefault(row.cell, set()).add(row.frame)
    return {
        cell: [frame for frame in range(n_frames) if frame not in there[cell]]
        for cell in sorted(there)
        if len(there[cell]) < n_frames
    }


def _whole(stack: TractionStack, how: Measurement, frame: int) -> Cell:
    """The whole field of one frame as a cell."""
    traction = stack.data[frame].astype(np.float64)
    spacing = stack.spacing_um or 1.0
    region = whole_field(stack.grid_shape)
    displacement = _model_displacement(stack, traction)
    part = None
    if how.measured is not None:
        part = how.measured.part(frame, frame + 1)
    measured = None if part is None else _without_motion(part.in_grid_steps()[0])
    conditions = Conditions.of_records(stack.records, frame)
    if conditions is None:
        conditions = _conditions(part, displacement)
    return Cell(
        traction=traction,
        core=region.core,
        region=region.dilated,
        ring=region.ring,
        frame=frame,
        number=region.cell,
        spacing=spacing,
        scale=scale_of(stack),
        is_balanced=balances_forces(stack.model),
        displacement=None if displacement is None else displacement * spacing,
        measured=None if measured is None else measured * spacing,
        squares=_squares(stack, frame, part, displacement),
        idle=None if how.idle is None else np.asarray(how.idle[frame], np.float64),
        conditions=conditions,
        windows=_windows(stack, frame, part, conditions),
        method=calibrated_method(stack),
    )


def _squares(
    stack: TractionStack,
    frame: int,
    measured: DisplacementStack | None,
    model: FloatArray | None,
) -> FloatArray | None:
    """Squared displacement and residual; see `Cell.squares`.

    They are those that were computed with the tractions, if they were.
    """
    known = _model_and_residual(stack, frame)
    if known is None:
        if measured is None or model is None:
            return None
        known = model, measured.in_grid_steps()[0] - model
    return np.concatenate(squared_lengths(*(part[None] for part in known)))


def _model_and_residual(
    stack: TractionStack, frame: int
) -> tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]] | None:
    """Both parts of the measured displacement, if they belong to the tractions."""
    names = "displacement_model", "residual"
    if not stack.companions.keys() >= set(names):
        return None
    model, residual = (stack.companions[name][frame] for name in names)
    return model, residual


def _conditions(
    measured: DisplacementStack | None, model: FloatArray | None
) -> Conditions | None:
    """What the errors depend on, from measured displacement and model, if known."""
    if measured is None or model is None:
        return None
    # Without drift, and with holes bridged, as for the tractions.
    whole = without_drift(bridged(measured)[0].in_grid_steps())
    noise = noise_records(whole, estimated_noise(whole))
    explained = explained_share(whole, model[None])
    return Conditions.of_records({**noise, "explained": explained}, 0)


def _windows(
    stack: TractionStack,
    frame: int,
    measured: DisplacementStack | None,
    conditions: Conditions | None,
) -> Windows | None:
    """Windows of the displacement from which the tractions were computed, if known."""
    if conditions is None:
        return None
    known = _model_and_residual(stack, frame)
    if known is not None:
        model, residual = known
        return Windows(bridge(model + residual), conditions)
    if measured is None:
        return None
    return Windows(bridged(measured)[0].in_grid_steps()[0], conditions)


def _regions(
    how: Measurement, frame: int, shape: tuple[int, int], spacing_um: float | None
) -> Iterator[Region]:
    if how.labels is None:
        yield whole_field(shape)
        return
    labels = how.labels if how.labels.ndim == 2 else how.labels[frame]
    dilation = how.dilation_steps
    if dilation is None:
        dilation = default_dilation_steps(spacing_um)
    yield from regions_of(labels, dilation_steps=dilation)


def _model_displacement(
    stack: TractionStack, traction: FloatArray
) -> FloatArray | None:
    """Displacement that tractions cause, in grid steps; holes have no traction."""
    young = stack.gel.young_pa if stack.unit == "Pa" else 1.0
    if young is None or (stack.gel.is_layer and stack.spacing_um is None):
        return None
    relative = np.nan_to_num(traction / young)
    substrate = Substrate(stack.gel)
    return surface_displacement(relative, substrate, spacing_um=stack.spacing_um)


def _without_motion(steps: npt.NDArray[np.floating]) -> FloatArray:
    """Measured displacement of a frame without drift and rotation."""
    return without_motion(steps, measure_motion(steps)).astype(np.float64)


def check_cells(labels: Labels) -> None:
    """Raise an error if no frame has a cell.

    Raises
    ------
    FieldError
        Says so.
    """
    if not (labels != 0).any():
        raise FieldError("the mask has no cell: all of its numbers are 0")


def check_labels(labels: Labels, traction: TractionStack) -> None:
    """Raise an error if labels do not belong to the grid and the frames.

    Raises
    ------
    FieldError
        Says what is expected.
    """
    shape, n_frames = traction.grid_shape, traction.n_frames
    if labels.shape not in (shape, (n_frames, *shape)):
        raise FieldError(
            f"the mask has the shape {labels.shape}, expected one number for each "
            f"vector: {shape}, or {(n_frames, *shape)} for all frames"
        )


def check_displacement(displacement: Displacement, traction: TractionStack) -> None:
    """Raise an error if displacements are not on the grid and frames of tractions.

    Raises
    ------
    FieldError
        Says what both have.
    """
    measured, shape, n_frames = displacement, traction.grid_shape, traction.n_frames
    if (measured.n_frames, measured.grid_shape) != (n_frames, shape):
        raise FieldError(
            f"the displacements have {measured.n_frames} frames of "
            f"{measured.grid_shape[0]} x {measured.grid_shape[1]} vectors, the "
            f"tractions {n_frames} of {shape[0]} x {shape[1]}"
        )
    own, other = measured.spacing_um, traction.spacing_um
    if own is None or other is None:
        return
    if abs(own - other) > LENGTH_TOLERANCE * other:
        raise FieldError(
            f"the vector spacing of the displacements is {own:g} um, that of the "
            f"tractions {other:g} um"
        )


def _check(traction: TractionStack, how: Measurement) -> None:
    if how.labels is not None:
        check_labels(how.labels, traction)
    if how.measured is not None:
        check_displacement(how.measured, traction)
