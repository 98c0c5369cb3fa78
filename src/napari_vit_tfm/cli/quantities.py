"""``vit-tfm quantities``: energies, forces and moments of cells, as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_vit_tfm.cli.options import (
    device_option,
    poisson_option,
    thickness_option,
    young_option,
)
from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import FILE, command_option, with_options
from napari_vit_tfm.cli.reporting import echo, note, step_counter
from napari_vit_tfm.cli.rerun import tell_unknown
from napari_vit_tfm.cli.source import allow_links_option
from napari_vit_tfm.config import (
    ControlConfig,
    Device,
    PreparationConfig,
    QuantitiesConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError, ModelError
from napari_vit_tfm.fields import Displacement, DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.options import flag_of, options_of
from napari_vit_tfm.provenance import KEY, Provenance
from napari_vit_tfm.units import LENGTH_TOLERANCE, DisplacementUnit

if TYPE_CHECKING:
    from napari_vit_tfm.quantities import Recorder
    from napari_vit_tfm.quantities.control import Reconstruct
    from napari_vit_tfm.quantities.tables import TableKind
    from napari_vit_tfm.reconstruction import Batch

_QUANTITIES = options_of(QuantitiesConfig)
_CONTROL = options_of(ControlConfig)
_DISPLACEMENT = options_of(Displacement)


@dataclass(frozen=True)
class TableOptions:
    """Options of the tables of quantities.

    Parameters
    ----------
    mask : Path, optional
        File with the numbers of the cells.
    config : QuantitiesConfig
        Regions and controls.
    adhesions, changes, control : Path, optional
        Tables to write: of the adhesions, of the changes from frame to frame, and of
        the control without force.
    control_config : ControlConfig
        How the control is computed.
    """

    mask: Path | None
    config: QuantitiesConfig
    adhesions: Path | None
    changes: Path | None
    control: Path | None
    control_config: ControlConfig

    @property
    def further(self) -> dict[TableKind, Path | None]:
        """Tables besides that of the quantities."""
        return {
            "adhesions": self.adhesions,
            "changes": self.changes,
            "control": self.control,
        }

    def check(
        self, table: Path | None, outputs: Outputs, *, beside: Path | None = None
    ) -> None:
        """Raise an error before the computation if a table cannot be written.

        Parameters
        ----------
        table : Path, optional
            The table of quantities.
        outputs : Outputs
            The files that will be written, to which the tables are added.
        beside : Path, keyword-only, optional
            Tractions that the command writes, too. Existing tables are only replaced
            together with them.
        """
        if table is None:
            given = (self.mask, *self.further.values())
            configured = (self.config, self.control_config)
            if any(value is not None for value in given) or configured != (
                QuantitiesConfig(),
                ControlConfig(),
            ):
                raise ConfigError(
                    "--mask, --region, --dilate, --controls, --young-error, "
                    "--adhesions, --changes, --control-table and --control-runs "
                    "belong to the table of quantities: add --quantities TABLE.csv"
                )
            return
        from napari_vit_tfm.quantities.tables import check_table, is_table_of

        is_same_run = beside is None or outputs.maker.has_made(beside)
        tables: dict[TableKind, Path | None] = {"quantities": table, **self.further}
        for kind, path in tables.items():
            if path is not None:
                source = outputs.maker.inputs[0]
                is_own = is_same_run and is_table_of(path, kind, source)
                outputs.add(check_table(path), is_own=is_own)

    def recorder(self, n_frames: int, source: Path) -> Recorder:
        """A recorder of the quantities of a stack in a file, with the mask."""
        from napari_vit_tfm.io import read_labels
        from napari_vit_tfm.quantities import Recorder

        return Recorder(
            self.config,
            n_frames=n_frames,
            labels=None
            if self.mask is None
            else read_labels(self.mask, on_notice=note),
            with_adhesions=self.adhesions is not None,
            with_changes=self.changes is not None,
            control=None if self.control is None else self.control_config,
            source=source,
        )

    def write(self, recorder: Recorder, path: Path) -> None:
        """Write the tables, and print what limits their meaning."""
        recorder.write(path)
        echo(f"quantities: {path} ({len(recorder.rows)} rows)")
        if self.adhesions is not None:
            recorder.write_adhesions(self.adhesions)
            echo(f"adhesions: {self.adhesions} ({len(recorder.adhesions)} rows)")
        if self.changes is not None:
            recorder.write_changes(self.changes)
            echo(f"changes: {self.changes}")
        if self.control is not None:
            recorder.write_controls(self.control)
            echo(f"control: {self.control} ({len(recorder.controls)} rows)")
        for sentence in recorder.notes():
            note(sentence)


def quantities_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of regions and controls; the command takes one `quantities`."""

    @wraps(command)
    def bundled(**given: Any) -> Any:
        chosen = {name: given.pop(name) for name in _QUANTITIES}
        return command(quantities=QuantitiesConfig(**chosen), **given)

    return with_options(tuple(map(command_option, _QUANTITIES.values())), bundled)


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the tables; the command takes one parameter `tables`."""
    options = (
        click.option(
            "--mask",
            type=FILE,
            metavar="LABELS",
            help="TIFF, PNG, NPY or HDF5 file with the number of the cell at each "
            "vector, 0 for the background, for all frames or for each.",
        ),
        quantities_config,
        click.option(
            "--adhesions",
            type=FILE,
            metavar="TABLE.csv",
            help="Write a table of the adhesions, too.",
        ),
        click.option(
            "--changes",
            type=FILE,
            metavar="TABLE.csv",
            help="Write a table of the changes from each frame to the next, with their "
            "intervals, too.",
        ),
        click.option(
            "--control-table",
            "control",
            type=FILE,
            metavar="TABLE.csv",
            help="Write a table of the control without force, too: noise floor and p "
            "of every quantity.",
        ),
        command_option(_CONTROL["n_runs"]),
    )

    @wraps(command)
    def bundled(
        *,
        mask: Path | None,
        quantities: QuantitiesConfig,
        adhesions: Path | None,
        changes: Path | None,
        control: Path | None,
        n_runs: int,
        **rest: Any,
    ) -> Any:
        tables = TableOptions(
            mask, quantities, adhesions, changes, control, ControlConfig(n_runs)
        )
        return command(tables=tables, **rest)

    return with_options(options, bundled)


@click.command("quantities")
@click.argument("path", type=FILE, metavar="TRACTION")
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="TABLE.csv",
    help="Table to write, one row for each frame and cell.",
)
@click.option("--dataset", metavar="KEY", help="Name of the array of tractions.")
@click.option(
    "--displacement",
    "displacement_path",
    type=FILE,
    metavar="FILE",
    help="The measured displacements: the strain energy that belongs to them, the "
    "total force without what noise adds, and the intervals of all quantities are in "
    "the table, too.",
)
@command_option(_DISPLACEMENT["unit"], otherwise="the value in the file")
@command_option(_DISPLACEMENT["spacing_um"], otherwise="the value in the file")
@command_option(_DISPLACEMENT["pixel_size_um"], otherwise="the value in the file")
@table_options
@young_option
@poisson_option
@thickness_option
@device_option
@allow_links_option
@overwrite_option
def command(
    *,
    path: Path,
    output: Path,
    dataset: str | None,
    displacement_path: Path | None,
    unit: DisplacementUnit | None,
    spacing_um: float | None,
    pixel_size_um: float | None,
    tables: TableOptions,
    young_pa: float | None,
    poisson: float | None,
    thickness_um: float | None,
    device: Device,
    allow_links: bool,
    overwrite: bool,
) -> None:
    """Measure energies, forces and moments of cells.

    Writes a CSV table of the tractions in TRACTION, with one row for each frame and
    cell. The names of its columns end with the unit. x points to the right and y
    downwards; a clockwise torque is positive.
    """
    from napari_vit_tfm.io import read_traction
    from napari_vit_tfm.quantities.measure import in_pascal

    inputs = [path] if displacement_path is None else [path, displacement_path]
    outputs = Outputs.of(
        "quantities", overwrite=overwrite, inputs=inputs, others=[tables.mask]
    )
    tables.check(output, outputs)
    if displacement_path is None and (unit, pixel_size_um) != (None, None):
        raise ConfigError(
            "--units and --pixel-size are those of the displacements: add "
            "--displacement FILE"
        )
    traction = read_traction(path, dataset=dataset, on_notice=note)
    gel = _same_gel(traction, Gel(young_pa, poisson, thickness_um))
    spacing = _same_spacing(traction.spacing_um, spacing_um)
    known: Provenance | None = traction.metadata.get(KEY)
    traction = in_pascal(replace(traction, gel=gel, spacing_um=spacing))
    displacement = None
    if displacement_path is not None:
        given = {"unit": unit, "spacing_um": spacing_um, "pixel_size_um": pixel_size_um}
        displacement = _measured(
            displacement_path, given, gel, known, allow_links=allow_links
        )
        if known is None and displacement.spacing_um is None and spacing is not None:
            displacement = replace(displacement, spacing_um=spacing)
    recorder = tables.recorder(traction.n_frames, path)
    recorder.add(
        traction,
        displacement=displacement,
        reconstruct=_same_method(traction, known, device) if displacement else None,
        on_progress=step_counter("runs of the control"),
    )
    tables.write(recorder, output)


def _same_spacing(in_file: float | None, given: float | None) -> float | None:
    if in_file is None or given is None:
        return given or in_file
    if abs(in_file - given) > LENGTH_TOLERANCE * in_file:
        raise ConfigError(
            f"the vector spacing is {in_file:g} um in the file, but {given:g} um in "
            "--spacing"
        )
    return in_file


def _same_gel(traction: TractionStack, given: Gel) -> Gel:
    """The gel in the file, with given values where it has none."""
    in_file = traction.gel
    for name, option in options_of(Gel).items():
        known, value = getattr(in_file, name), getattr(given, name)
        if None in (known, value) or known == value:
            continue
        if abs(known - value) > LENGTH_TOLERANCE * abs(known):
            raise ConfigError(
                f"{option.about.label} is {known:g} in the file, for which its "
                f"tractions were computed, but {value:g} in {flag_of(option)}: compute "
                "the tractions again with vit-tfm predict"
            )
    return given.filled_from(in_file)


def _measured(
    path: Path,
    given: dict[str, Any],
    gel: Gel,
    known: Provenance | None,
    *,
    allow_links: bool,
) -> DisplacementStack:
    """The displacements, read and prepared as they were for the tractions."""
    from napari_vit_tfm.displacement import prepare
    from napari_vit_tfm.io import read_displacement

    reading: dict[str, Any] = {"allow_links": allow_links}
    if known is not None:
        reading = known.reading(allow_links=allow_links, on_unknown=tell_unknown)
    reading |= {name: value for name, value in given.items() if value is not None}
    stack = read_displacement(path, **{**reading, "gel": gel, "on_notice": note})
    if known is None:
        return stack
    preparation = known.options("preparation", PreparationConfig, tell_unknown)
    prepared = prepare(stack, preparation)
    return prepared.part(0, prepared.n_frames)


def _same_method(
    traction: TractionStack, known: Provenance | None, device: Device
) -> Reconstruct | None:
    """The method that computed the tractions, if it is here; else a note."""
    from napari_vit_tfm.quantities import reconstruction_of

    without = "so the total force is not corrected for noise"
    if known is None:
        note(f"the file does not say how its tractions were computed, {without}")
        return None
    config = known.options("reconstruction", ReconstructionConfig, tell_unknown)
    try:
        return reconstruction_of(traction, replace(config, device=device))
    except ModelError as error:
        note(f"{error}, {without}")
        return None


class MeasuredRun:
    """Measures the tractions of a run, batch by batch.

    Parameters
    ----------
    tables : TableOptions
        Masks, regions and tables.
    n_frames : int
        Number of frames of the run.
    source : Path
        The displacements.
    reconstruct : callable
        Computes tractions as the run does.
    """

    def __init__(
        self,
        tables: TableOptions,
        n_frames: int,
        source: Path,
        reconstruct: Reconstruct,
    ) -> None:
        self._tables = tables
        self._reconstruct = reconstruct
        self._recorder = tables.recorder(n_frames, source)

    def add(self, batch: Batch) -> None:
        """Measure the tractions of the next frames."""
        self._recorder.add(
            batch.traction,
            displacement=batch.displacement,
            reconstruct=self._reconstruct,
            on_progress=step_counter("runs of the control"),
        )

    def write(self, path: Path) -> None:
        """Write the tables, and print what limits their meaning."""
        self._tables.write(self._recorder, path)
