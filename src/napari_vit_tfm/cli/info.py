"""``vit-tfm info``: contents of a file, and what is unusual about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from napari_vit_tfm.cli.parameters import FILE
from napari_vit_tfm.cli.reporting import echo
from napari_vit_tfm.cli.source import DisplacementSource, displacement_source
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.units import DISPLACEMENT_UNITS, unit_words

if TYPE_CHECKING:
    from napari_vit_tfm.displacement import Diagnosis
    from napari_vit_tfm.gel import Gel
    from napari_vit_tfm.io import FieldFile, FileSummary

MOST_ARRAYS = 12
"""Number of arrays that are listed."""

_RECORDS_SHOWN = "explained", "chi_squared", "unfamiliar", "unfamiliar_score"
"""What JSON has of each frame of tractions."""


@click.command("info")
@displacement_source
@click.option(
    "--traction",
    "traction_path",
    type=FILE,
    metavar="FILE",
    help="File with tractions of these displacements, to check their signs and axes. "
    "By default, tractions in INPUT are checked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of words.")
def command(
    *, source: DisplacementSource, traction_path: Path | None, as_json: bool
) -> None:
    """Show the contents of INPUT, and check them.

    Shows how the file, or the film of several files or of a folder, is read.
    Displacements are checked for missing vectors, outliers, regions of zeros, drift,
    noise, and unlikely units, lengths, gels and signs.
    """
    from napari_vit_tfm.displacement import examine
    from napari_vit_tfm.io import read_traction

    notes: list[str] = []
    if not source.is_film and _show_limits(source, as_json=as_json):
        return
    traction: TractionStack | None = None
    displacement: DisplacementStack | None
    if source.is_film:
        displacement = source.read_as_is(notes.append)
        if not as_json:
            echo(f"{source}: a film of several files")
    else:
        traction, displacement = _read_file(source, notes, is_shown=not as_json)
    if displacement is None:
        assert traction is not None
        if as_json:
            echo(json.dumps({"traction": _traction_values(traction)}))
        return
    if traction_path is None:
        diagnosis = _examined(displacement, traction)
    else:
        traction = read_traction(traction_path)
        diagnosis = examine(displacement, traction)
    if as_json:
        values = {**diagnosis.as_json(), "notes": notes}
        if traction is not None:
            values["traction"] = _traction_values(traction)
        echo(json.dumps(values))
    else:
        _show_displacement(displacement, diagnosis, notes)


def _show_limits(source: DisplacementSource, *, as_json: bool) -> bool:
    """Show the limits of detection in a file; False if it has none."""
    from napari_vit_tfm.io import open_field_file, summarise
    from napari_vit_tfm.trust.limits_file import detection_map_in, has_detection_map

    with open_field_file(source.path, allow_links=source.allow_links) as file:
        if not has_detection_map(file):
            return False
        found = detection_map_in(file)
        if as_json:
            echo(json.dumps({"limits": found.sentence()}))
        else:
            _show_arrays(summarise(file))
            echo(f"limits: {found.sentence()}")
    return True


def _read_file(
    source: DisplacementSource, notes: list[str], *, is_shown: bool
) -> tuple[TractionStack | None, DisplacementStack | None]:
    """Tractions and displacements of a file, as far as it has them."""
    from napari_vit_tfm.io import open_field_file, summarise

    with open_field_file(source.path, allow_links=source.allow_links) as file:
        summary = summarise(file)
        if is_shown:
            _show_arrays(summary)
        traction = _read_traction(file, summary, is_shown=is_shown)
        # For a file with neither, reading raises an error that lists its contents.
        is_traction = summary.displacement is None and summary.traction is not None
        if is_traction and not source.dataset and not source.components_first:
            return traction, None
        return traction, source.read_as_is(notes.append, file=file)


def _show_arrays(summary: FileSummary) -> None:
    echo(f"{summary.path}: {summary.format}")
    for entry in summary.arrays[:MOST_ARRAYS]:
        echo(f"  {entry}")
    if len(summary.arrays) > MOST_ARRAYS:
        echo(f"  and {len(summary.arrays) - MOST_ARRAYS} more arrays")


def _read_traction(
    file: FieldFile, summary: FileSummary, *, is_shown: bool
) -> TractionStack | None:
    """The tractions; None if there are none, or if they cannot be read."""
    from napari_vit_tfm.cli.reporting import model_in_words, note, stack_in_words
    from napari_vit_tfm.io import read_traction
    from napari_vit_tfm.trust.gauge import familiarity_in, unfamiliar_in_words
    from napari_vit_tfm.trust.verdict import residual_in_words

    if summary.traction is None:
        return None
    try:
        traction = read_traction(file, on_notice=note if is_shown else None)
    except FieldFileError as error:
        # The displacements can be used even if the tractions cannot.
        if summary.displacement is None:
            raise
        if is_shown:
            echo(f"traction: {summary.traction}, not readable: {error}")
        return None
    if is_shown:
        echo(f"traction: {summary.traction}, {stack_in_words(traction)}")
        _show_lengths(traction)
        gel = _gel_in_words(traction.gel)
        if gel:
            echo(f"  gel: {gel}")
        if traction.model:
            echo(f"  model: {model_in_words(traction)}")
        judged = dict(enumerate(familiarity_in(traction.records)))
        unfamiliar = unfamiliar_in_words(judged, traction.model or "the network")
        if unfamiliar:
            echo(f"  unfamiliar: {unfamiliar}")
        residual = residual_in_words(traction)
        if residual:
            echo(f"  residual: {residual}")
    return traction


def _examined(
    displacement: DisplacementStack, traction: TractionStack | None
) -> Diagnosis:
    """The diagnosis; tractions of other frames or another grid do not matter."""
    from napari_vit_tfm.displacement import examine

    if traction is not None and traction.data.shape != displacement.data.shape:
        traction = None
    return examine(displacement, traction)


def _show_displacement(
    displacement: DisplacementStack, diagnosis: Diagnosis, notes: list[str]
) -> None:
    from napari_vit_tfm.cli.reporting import stack_in_words

    in_words = stack_in_words(displacement)
    echo(f"displacement: {displacement.metadata['dataset']}, {in_words}")
    _show_lengths(displacement)
    if diagnosis.y is not None:
        echo(f"  y direction in the file: {diagnosis.y}")
    gel = _gel_in_words(displacement.gel)
    if gel:
        echo(f"  gel: {gel}")
    for line in diagnosis.measured_in_words():
        echo(f"  {line}")
    if displacement.unit is None:
        echo(f"  to use it, add --units {'|'.join(DISPLACEMENT_UNITS)}")
    for text in notes:
        echo(f"note: {text}")
    for warning in diagnosis.warnings:
        echo(f"warning: {warning}")
    if any("(--" in warning for warning in diagnosis.warnings):
        echo("the options in brackets are those of vit-tfm predict")
    if not diagnosis.warnings:
        echo("nothing unusual was found")


def _gel_in_words(gel: Gel) -> str:
    """The known properties; empty if there are none."""
    parts = {
        "Young's modulus {:g} Pa": gel.young_pa,
        "Poisson ratio {:g}": gel.poisson,
        "{:g} um thick": gel.thickness_um if gel.is_layer else None,
    }
    return ", ".join(
        text.format(value) for text, value in parts.items() if value is not None
    )


def _show_lengths(stack: DisplacementStack | TractionStack) -> None:
    x, y = np.abs(stack.data).max(
        axis=(0, 1, 2), where=np.isfinite(stack.data), initial=0.0
    )
    echo(f"  largest: {x:.4g} along x, {y:.4g} along y")
    if stack.spacing_um is not None:
        echo(f"  spacing: {stack.spacing_um:g} um")
    if isinstance(stack, DisplacementStack):
        if stack.pixel_size_um is not None:
            echo(f"  pixel size: {stack.pixel_size_um:g} um")
        if stack.spacing_in_unit is not None and stack.unit != "um":
            unit = unit_words(stack.unit)
            echo(f"  distance of the positions: {stack.spacing_in_unit:g} ({unit})")
    if stack.outline is not None:
        echo(f"  outline: {len(stack.outline)} points")


def _traction_values(traction: TractionStack) -> dict[str, Any]:
    """Plain values about tractions, for JSON."""
    return {
        "frames": traction.n_frames,
        "grid": list(traction.grid_shape),
        "unit": traction.unit,
        "spacing_um": traction.spacing_um,
        "model": traction.model,
        **{
            name: [None if np.isnan(value) else float(value) for value in values]
            for name, values in traction.records.items()
            if name in _RECORDS_SHOWN
        },
    }
