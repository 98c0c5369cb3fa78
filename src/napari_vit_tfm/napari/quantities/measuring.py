"""Measurement of quantities in a thread, without Qt and layers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import (
    DisplayConfig,
    PreparationConfig,
    QuantitiesConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement.preparation import prepare
from napari_vit_tfm.errors import ConfigError, FieldError, ModelError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.provenance import KEY as PROVENANCE
from napari_vit_tfm.provenance import Provenance
from napari_vit_tfm.quantities import (
    Adhesion,
    Cell,
    Comparison,
    Origin,
    Recorder,
    Row,
    Scale,
    Table,
    columns_of,
    compare,
    reconstruction_of,
    scale_of,
    side_by_side,
)
from napari_vit_tfm.quantities.measure import in_pascal
from napari_vit_tfm.reconstruction import resolve_device
from napari_vit_tfm.units import unit_label

Numbers = npt.NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Source:
    """Tractions to measure.

    Parameters
    ----------
    origin : Origin
        Field and method.
    field_id : str
        Identifier of the tractions.
    traction : TractionStack
        The tractions.
    cells : array of int, shape (H, W) or (T, H, W), optional
        Number of the cell at each vector. None takes the region of the request.
    displacement : DisplacementStack, optional
        The measured displacements that they were computed from, before their
        preparation.
    preparation : PreparationConfig
        Preparation of the displacements.
    """

    origin: Origin
    field_id: str
    traction: TractionStack
    cells: Numbers | None = None
    displacement: DisplacementStack | None = None
    preparation: PreparationConfig = field(default_factory=PreparationConfig)


@dataclass(frozen=True, eq=False)
class Request:
    """A request to measure tractions.

    Parameters
    ----------
    sources : tuple of Source
        The tractions: first those that were chosen, then others side by side.
    config : QuantitiesConfig
        Region, dilation, and number of controls.
    compares : bool
        Whether the first two are compared.
    """

    sources: tuple[Source, ...]
    config: QuantitiesConfig = field(default_factory=QuantitiesConfig)
    compares: bool = False

    @property
    def n_frames(self) -> int:
        """Number of frames of all tractions."""
        return sum(source.traction.n_frames for source in self.sources)


@dataclass(frozen=True, eq=False)
class MeasuredTractions:
    """Quantities of all frames of one stack of tractions.

    Parameters
    ----------
    origin, field_id
        As for `Source`.
    n_frames : int
        Number of frames.
    rows : list of Row
        One for every frame and cell.
    adhesions : list of Adhesion
        The adhesions of all of them.
    notes : list of str
        What limits their meaning, one sentence each.
    """

    origin: Origin
    field_id: str
    n_frames: int
    rows: list[Row]
    adhesions: list[Adhesion]
    notes: list[str]


@dataclass(frozen=True, eq=False)
class Measured:
    """Quantities of one or several stacks of tractions.

    Parameters
    ----------
    tractions : tuple of MeasuredTractions
        Those that were chosen come first.
    table, adhesion_table : Table
        All rows and all adhesions. Field and method have columns if there are several
        tractions.
    columns : list of str
        Columns of the quantities.
    scale : Scale
        Their units.
    regions : array of int, shape (T, H, W)
        Of the chosen tractions: the number of the cell in its region, this number plus
        `ring_offset` in its ring, and 0 elsewhere.
    ring_offset : int
        A number larger than that of any cell.
    comparison : str
        Where two tractions disagree, in words; empty if none are compared.
    """

    tractions: tuple[MeasuredTractions, ...]
    table: Table
    adhesion_table: Table
    columns: list[str]
    scale: Scale
    regions: npt.NDArray[np.int32]
    ring_offset: int
    comparison: str = ""

    @property
    def rows(self) -> list[Row]:
        """The rows of the tractions that were chosen."""
        return self.tractions[0].rows

    @property
    def n_frames(self) -> int:
        """Number of frames of the tractions that were chosen."""
        return len(self.regions)

    @property
    def cells(self) -> list[int]:
        """Numbers of the cells of the tractions that were chosen."""
        return sorted({row.cell for row in self.rows})

    @property
    def names(self) -> list[str]:
        """Names of the tractions, which are different."""
        return names_of([one.origin for one in self.tractions])

    def adhesions(self) -> list[tuple[MeasuredTractions, Adhesion]]:
        """The adhesions in the order of the lines of `adhesion_table`."""
        found = [(one, found) for one in self.tractions for found in one.adhesions]
        return sorted(found, key=lambda pair: (pair[1].frame, pair[1].cell))

    def notes(self) -> list[str]:
        """What limits the meaning of the rows, one sentence each."""
        has_names = len(self.tractions) > 1
        return [
            f"{name}: {note}" if has_names else note
            for name, one in zip(self.names, self.tractions, strict=True)
            for note in one.notes
        ]


@dataclass(frozen=True, eq=False)
class Outcome:
    """The result of a request.

    Parameters
    ----------
    measured : Measured
        The quantities.
    difference : TractionStack, optional
        The tractions minus those that they are compared with.
    """

    measured: Measured
    difference: TractionStack | None


def names_of(origins: Sequence[Origin]) -> list[str]:
    """Names of tractions: their methods, with the fields if these are not the same.

    Examples
    --------
    >>> from napari_vit_tfm.quantities import Origin
    >>> names_of([Origin("cell_07", "ViT"), Origin("cell_07", "FTTC")])
    ['ViT', 'FTTC']
    >>> names_of([Origin("cell_07", "ViT"), Origin("cell_08", "ViT")])
    ['cell_07, ViT', 'cell_08, ViT']
    """
    if len({origin.field for origin in origins}) == 1:
        return [origin.method for origin in origins]
    return [", ".join(filter(None, (one.field, one.method))) for one in origins]


def measure_request(
    methods: MethodCache, request: Request, is_cancelled: Callable[[], bool]
) -> Generator[int, None, Outcome]:
    """Measure tractions, frame by frame.

    Parameters
    ----------
    methods : MethodCache
        Loads the methods for the correction of the total force.
    request : Request
        The request.
    is_cancelled : callable
        Whether the request has been cancelled; checked before every frame that is
        reconstructed for the correction.

    Yields
    ------
    int
        Number of frames that are done, of all tractions. Here, it is stopped if it is
        cancelled.

    Returns
    -------
    Outcome
        The quantities, and the difference of the tractions.

    Raises
    ------
    FieldError
        As for `napari_vit_tfm.quantities.Recorder`, and `compare`; or if the units of
        the tractions are not the same.
    Cancelled
        If `is_cancelled` returned True.
    """
    sources = request.sources
    chosen = sources[0].traction
    # First, since it notices tractions that do not fit together.
    comparison = compare(chosen, sources[1].traction) if request.compares else None
    _check_units(sources)
    cells = sources[0].cells
    ring_offset = 2 if cells is None else int(cells.max()) + 1
    regions = np.zeros(chosen.data.shape[:3], dtype=np.int32)
    prepared = _Prepared()
    measured: list[MeasuredTractions] = []
    tables: list[tuple[Table, Table]] = []
    done = 0
    for source in sources:
        recorder = Recorder(
            request.config,
            n_frames=source.traction.n_frames,
            labels=source.cells,
            with_adhesions=True,
        )
        displacement = prepared.of(source)
        reconstruct, reason = None, ""
        if request.config.n_controls:
            try:
                again = _method_of(methods, source)
                reconstruct = partial(again, is_cancelled=is_cancelled)
            except (ModelError, ConfigError) as error:
                reason = f"the total force is not corrected for noise: {error}"
        for frame in range(source.traction.n_frames):
            ends = frame, frame + 1
            (cells_of_frame,) = recorder.add(
                source.traction.part(*ends),
                displacement=None if displacement is None else displacement.part(*ends),
                reconstruct=reconstruct,
            )
            if source is sources[0]:
                _draw(regions[frame], cells_of_frame, ring_offset)
            done += 1
            yield done
        origin = source.origin if len(sources) > 1 else None
        tables.append((recorder.table(origin), recorder.adhesion_table(origin)))
        measured.append(
            MeasuredTractions(
                source.origin,
                source.field_id,
                source.traction.n_frames,
                recorder.rows,
                recorder.adhesions,
                [*filter(None, [reason]), *recorder.notes()],
            )
        )
    of_cells, of_adhesions = zip(*tables, strict=True)
    return Outcome(
        Measured(
            tuple(measured),
            side_by_side(of_cells),
            side_by_side(of_adhesions),
            columns_of(chosen),
            scale_of(in_pascal(chosen)),
            regions,
            ring_offset,
            "" if comparison is None else _in_words(comparison, sources),
        ),
        None if comparison is None else comparison.difference,
    )


class _Prepared:
    """Prepares the displacements of sources, those of several methods only once."""

    def __init__(self) -> None:
        self._known: dict[
            tuple[int, PreparationConfig], tuple[DisplacementStack, DisplacementStack]
        ] = {}

    def of(self, source: Source) -> DisplacementStack | None:
        """The displacements as they were given to the method."""
        measured = source.displacement
        if measured is None:
            return None
        key = id(measured), source.preparation
        if key not in self._known:
            found = prepare(measured, source.preparation)
            assert isinstance(found, DisplacementStack)
            # With the original, whose identity is the key.
            self._known[key] = measured, found
        return self._known[key][1]


def _check_units(sources: Sequence[Source]) -> None:
    """Raise an error if the units are not the same: a column has one unit."""
    first = scale_of(in_pascal(sources[0].traction))
    for source in sources[1:]:
        other = scale_of(in_pascal(source.traction))
        if other != first:
            raise FieldError(
                f"the tractions {sources[0].origin.method} are in {_units(first)}, "
                f"{source.origin.method} in {_units(other)}: only tractions in the "
                "same units can be measured side by side"
            )


def _units(scale: Scale) -> str:
    traction = "Pa" if scale.traction == "Pa" else "fractions of Young's modulus"
    length = "grid steps" if scale.length == "steps" else "\N{MICRO SIGN}m"
    return f"{traction} and {length}"


def _method_of(methods: MethodCache, source: Source) -> partial[TractionStack]:
    """The method that computed tractions.

    Raises
    ------
    ModelError, ConfigError
        Why it cannot be used again.
    """
    known: Provenance | None = source.traction.metadata.get(PROVENANCE)
    if known is None:
        raise ModelError("it is not known how the tractions were computed")
    if source.displacement is None:
        raise ModelError(
            "the displacements are not open, or have changed since the run"
        )
    config = ReconstructionConfig(**known.parameters["reconstruction"])
    if resolve_device(config.device) == "cpu":
        # Small batches, so that it can be cancelled soon.
        config = replace(config, batch_size=DisplayConfig.cpu_batch_size)
    return reconstruction_of(source.traction, config, load=methods.load)


def _in_words(found: Comparison, sources: Sequence[Source]) -> str:
    """Where two tractions differ most, and by how much in all."""
    names = names_of([source.origin for source in sources[:2]])
    stack = found.difference
    step, unit = stack.spacing_um or 1.0, unit_label(stack.unit)
    length = "steps" if stack.spacing_um is None else "\N{MICRO SIGN}m"
    one, other = found.magnitudes
    return (
        f"{names[0]} and {names[1]} differ most in frame {found.frame} at "
        # With no-break spaces.
        f"x\N{NO-BREAK SPACE}{found.column * step:.4g}, "
        f"y\N{NO-BREAK SPACE}{found.row * step:.4g}\N{NO-BREAK SPACE}{length}: "
        f"{one:.4g} and {other:.4g} {unit}, difference {found.largest:.4g} {unit}. "
        "The root mean square of the difference is "
        f"{found.relative:.0%} of that of the tractions."
    )


def _draw(image: npt.NDArray[np.int32], cells: list[Cell], ring_offset: int) -> None:
    # Regions over rings: the ring of a cell may reach into the region of another one.
    for cell in cells:
        image[cell.ring] = cell.number + ring_offset
    for cell in cells:
        image[cell.region] = cell.number
