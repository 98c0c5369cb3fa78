"""Measurement of quantities in a thread, without Qt and layers."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import (
    ControlConfig,
    DisplayConfig,
    PreparationConfig,
    QuantitiesConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement.preparation import prepare
from napari_vit_tfm.errors import ConfigError, FieldError, ModelError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.quantities.measured import (
    Measured,
    MeasuredTractions,
    names_of,
)
from napari_vit_tfm.provenance import KEY as PROVENANCE
from napari_vit_tfm.provenance import Provenance
from napari_vit_tfm.quantities import (
    Cell,
    Comparison,
    ControlRow,
    Origin,
    Recorder,
    Scale,
    columns_of,
    compare,
    control_rows,
    occupied_by,
    reconstruction_of,
    scale_of,
)
from napari_vit_tfm.quantities.measure import in_pascal
from napari_vit_tfm.reconstruction import resolve_device
from napari_vit_tfm.units import unit_label

Numbers = npt.NDArray[np.integer]
Again = partial[TractionStack]
"""A method that is used again."""


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
    control : ControlConfig, optional
        How the control without force is computed. None computes none.
    control_frame : int, optional
        The only frame with a control. None computes it for all.
    """

    sources: tuple[Source, ...]
    config: QuantitiesConfig = field(default_factory=QuantitiesConfig)
    compares: bool = False
    control: ControlConfig | None = None
    control_frame: int | None = None

    @property
    def n_frames(self) -> int:
        """Number of frames of all tractions."""
        return sum(source.traction.n_frames for source in self.sources)

    @property
    def n_steps(self) -> int:
        """Number of steps: frames, and runs of the control of a frame."""
        steps = self.n_frames
        for source in self.sources if self.control is not None else ():
            assert self.control is not None
            frames = range(source.traction.n_frames)
            steps += self.control.n_runs * sum(map(self.has_control, frames))
        return steps

    def has_control(self, frame: int) -> bool:
        """Whether a frame has a control without force."""
        return self.control is not None and self.control_frame in (None, frame)


@dataclass(frozen=True)
class Step:
    """How far a request is.

    Parameters
    ----------
    done : int
        Number of steps that are done, of `Request.n_steps`.
    words : str
        What has been done.
    """

    done: int
    words: str


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


def measure_request(
    methods: MethodCache, request: Request, is_cancelled: Callable[[], bool]
) -> Generator[Step, None, Outcome]:
    """Measure tractions, frame by frame.

    Parameters
    ----------
    methods : MethodCache
        Loads the methods for the correction of the total force and the control.
    request : Request
        The request.
    is_cancelled : callable
        Whether the request has been cancelled; checked before every frame that is
        reconstructed.

    Yields
    ------
    Step
        After every frame, and every few runs of a control. Here, it is stopped if it
        is cancelled.

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
    prepared, tractions = _Prepared(), []
    done = n_measured = 0
    for source in sources:
        again, reason = _method_of(methods, request, source, is_cancelled)
        measuring = _Measuring(request, source, prepared.of(source), again)
        for frame in range(source.traction.n_frames):
            cells_of_frame = measuring.add(frame)
            if source is sources[0]:
                _draw(regions[frame], cells_of_frame, ring_offset)
            done += 1
            n_measured += 1
            words = f"{n_measured} of {request.n_frames} frames measured."
            yield Step(done, words)
            if again is not None and request.has_control(frame):
                assert request.control is not None
                n_runs = request.control.n_runs
                parts = measuring.control(frame, cells_of_frame, is_cancelled)
                for share, words in parts:
                    yield Step(done + round(share * n_runs), words)
                done += n_runs
        tractions.append(measuring.result(reason))
    measured = Measured(
        tuple(tractions),
        columns_of(chosen),
        scale_of(in_pascal(chosen)),
        regions,
        ring_offset,
        "" if comparison is None else _in_words(comparison, sources),
    )
    return Outcome(measured, None if comparison is None else comparison.difference)


class _Measuring:
    """Measures the frames of a source.

    Parameters
    ----------
    request : Request
        The request.
    source : Source
        The source.
    displacement : DisplacementStack, optional
        Its prepared displacements.
    again : callable, optional
        Its method; None if it cannot be used again, or is not needed.
    """

    def __init__(
        self,
        request: Request,
        source: Source,
        displacement: DisplacementStack | None,
        again: Again | None,
    ) -> None:
        self._source, self._displacement = source, displacement
        self._again, self._control = again, request.control
        self._controls: list[ControlRow] = []
        self._recorder = Recorder(
            request.config,
            n_frames=source.traction.n_frames,
            labels=source.cells,
            with_adhesions=True,
            with_changes=True,
        )

    def add(self, frame: int) -> list[Cell]:
        """Measure the next frame, whose cells are returned."""
        (cells,) = self._recorder.add(
            self._source.traction.part(frame, frame + 1),
            displacement=self._measured(frame),
            reconstruct=self._again,
        )
        return cells

    def _measured(self, frame: int) -> DisplacementStack | None:
        found = self._displacement
        return None if found is None else found.part(frame, frame + 1)

    def control(
        self, frame: int, cells: list[Cell], is_cancelled: Callable[[], bool]
    ) -> Generator[tuple[float, str], None, None]:
        """Compute the control of a frame; yields the share that is done, and words."""
        displacement, control = self._measured(frame), self._control
        assert displacement is not None
        assert control is not None
        assert self._again is not None
        for number, cell in enumerate(cells):
            steps = control_rows(
                cell,
                in_pascal(self._source.traction.part(frame, frame + 1)),
                displacement,
                frame=0,
                occupied=occupied_by(cells),
                reconstruct=self._again,
                n_runs=control.n_runs,
                is_cancelled=is_cancelled,
            )
            for n_done in iter(partial(self._next_step, steps), None):
                share = (number + n_done / control.n_runs) / len(cells)
                words = f"frame {frame}, cell {cell.number}: {n_done}"
                yield share, f"Control, {words} of {control.n_runs} runs."

    def _next_step(self, steps: Generator[int, None, list[ControlRow]]) -> int | None:
        """The number of finished runs; None at the end, when the rows are kept."""
        try:
            return next(steps)
        except StopIteration as end:
            self._controls += end.value
            return None

    def result(self, reason: str) -> MeasuredTractions:
        """All that was measured; `reason` is why the method was not used again."""
        recorder = self._recorder
        return MeasuredTractions(
            self._source.origin,
            self._source.field_id,
            self._source.traction.n_frames,
            recorder.rows,
            recorder.adhesions,
            recorder.changes,
            self._controls,
            [*filter(None, [reason]), *recorder.notes()],
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
            names = names_of([sources[0].origin, source.origin])
            raise FieldError(
                f"the tractions {names[0]} are in {_units(first)}, "
                f"{names[1]} in {_units(other)}: only tractions in the "
                "same units can be measured side by side"
            )


def _units(scale: Scale) -> str:
    traction = "Pa" if scale.traction == "Pa" else "fractions of Young's modulus"
    length = "grid steps" if scale.length == "steps" else "\N{MICRO SIGN}m"
    return f"{traction} and {length}"


def _method_of(
    methods: MethodCache,
    request: Request,
    source: Source,
    is_cancelled: Callable[[], bool],
) -> tuple[Again | None, str]:
    """The method that computed the tractions, to use it again.

    None if it is not needed, or cannot be used; then also what is missing, and why.
    """
    missing = {
        "the total force is not corrected for noise": request.config.n_controls > 0,
        "there is no control without force": request.control is not None,
    }
    why = " and ".join(words for words, is_asked in missing.items() if is_asked)
    if not why:
        return None, ""
    known: Provenance | None = source.traction.metadata.get(PROVENANCE)
    if known is None:
        return None, f"{why}: it is not known how the tractions were computed"
    if source.displacement is None:
        return None, f"{why}: the displacements are not open, or changed since the run"
    try:
        config = known.options("reconstruction", ReconstructionConfig)
        if resolve_device(config.device) == "cpu":
            # Small batches, so that it can be cancelled soon.
            config = replace(config, batch_size=DisplayConfig.cpu_batch_size)
        again = reconstruction_of(source.traction, config, load=methods.load)
    except (ModelError, ConfigError) as error:
        return None, f"{why}: {error}"
    return partial(again, is_cancelled=is_cancelled), ""


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
