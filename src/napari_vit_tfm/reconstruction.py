"""Reconstruction of traction stacks from displacement stacks.

The functions take stacks, a configuration and callbacks. torch is imported only when
tractions are computed.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import (
    MOST_FILLED_HOLES,
    MOST_HOLES,
    Device,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement.holes import holes_of
from napari_vit_tfm.displacement.preparation import (
    PreparedFrames,
    bridged,
    options_in_use,
)
from napari_vit_tfm.errors import (
    Cancelled,
    ConfigError,
    FieldError,
    ModelError,
    TFMError,
)
from napari_vit_tfm.fields import (
    DISPLACEMENT_COMPANIONS,
    Checks,
    Displacement,
    DisplacementStack,
    DisplacementStream,
    FinishedFrames,
    FrameResults,
    Records,
    TractionStack,
    drift_of,
    without_drift,
)
from napari_vit_tfm.io import ResumableSink, open_resumable_traction
from napari_vit_tfm.io.frames import LARGEST
from napari_vit_tfm.notices import (
    FrameNotices,
    grid_notices,
    is_resampled,
    trust_notices,
)
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.provenance import KEY as PROVENANCE
from napari_vit_tfm.provenance import Provenance
from napari_vit_tfm.resample import resample_nodes
from napari_vit_tfm.trust.assessment import Assessment, assess
from napari_vit_tfm.trust.noise import FrameNoise, NoiseSource
from napari_vit_tfm.units import unit_label

if TYPE_CHECKING:
    from torch import Tensor

    from napari_vit_tfm.models import ReconstructionMethod
    from napari_vit_tfm.physics.spectrum import Noise

FloatArray = npt.NDArray[np.float32]
Notify = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Batch:
    """Tractions of consecutive frames.

    Parameters
    ----------
    start, stop : int
        First frame, and the frame after the last.
    total : int
        Number of frames of the stack.
    traction : TractionStack
        Tractions of these frames, in Pa, or as ``t / E`` if Young's modulus is
        unknown.
    read_displacement : callable
        Returns the prepared displacements of these frames, see `displacement`.
    checks : structured array of shape (stop - start,), optional
        What the checks of the displacements found, see
        `displacement.frame_diagnosis.as_checks`; None if there were no checks.
    was_finished : bool
        Whether an earlier run computed them, which was interrupted.
    """

    start: int
    stop: int
    total: int
    traction: TractionStack
    read_displacement: Callable[[], DisplacementStack]
    checks: Checks | None = None
    was_finished: bool = False

    @cached_property
    def displacement(self) -> DisplacementStack:
        """Their prepared displacements, from which they were computed; holes are NaN.

        They are read and prepared again if an earlier run computed the tractions.
        """
        return self.read_displacement()


class Gathered:
    """Collects batches into one stack, whose memory is allocated once."""

    def __init__(self) -> None:
        self._last: Batch | None = None

    def add(self, batch: Batch) -> None:
        """Take the next batch; the first frames come first."""
        traction = batch.traction
        if self._last is None:
            self._data = np.empty(
                (batch.total, *traction.data.shape[1:]), dtype=np.float32
            )
            self._drift = np.empty((batch.total, 2))
            self._records, self._companions = (
                {
                    name: np.empty((batch.total, *values.shape[1:]), values.dtype)
                    for name, values in arrays.items()
                }
                for arrays in (traction.records, traction.companions)
            )
        self._data[batch.start : batch.stop] = traction.data
        if traction.drift is not None:
            self._drift[batch.start : batch.stop] = traction.drift
        for name, values in traction.records.items():
            self._records[name][batch.start : batch.stop] = values
        for name, vectors in traction.companions.items():
            self._companions[name][batch.start : batch.stop] = vectors
        self._last = batch

    def traction(self) -> TractionStack:
        """All of them, when the last one has come."""
        assert self._last is not None
        assert self._last.stop == self._last.total
        known = self._last.traction
        drift = None if known.drift is None else self._drift
        return replace(
            known,
            data=self._data,
            drift=drift,
            records=self._records,
            companions=self._companions,
        )


def resolve_device(device: Device) -> str:
    """Select the device on this machine.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        Device; ``auto`` is the GPU if there is one.

    Returns
    -------
    str
        "cpu", "cuda" or "mps".

    Raises
    ------
    ConfigError
        If the machine has no such device.
    """
    import torch

    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if device == "auto":
        return next(name for name, there in available.items() if there)
    if not available[device]:
        raise ConfigError(f"there is no {device} device; set the device to auto")
    return device


def reconstruct(
    displacement: Displacement,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    preparation: PreparationConfig | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify | None = None,
) -> TractionStack:
    """Reconstruct the tractions of every frame of a displacement stack.

    Parameters
    ----------
    displacement : DisplacementStack or DisplacementStream
        Displacements, of any size from 8 x 8 vectors on; for FTTC from 4 x 4. Vectors
        that are NaN or infinite are holes: they are bridged smoothly for the
        computation.
    substrate : Substrate, keyword-only, optional
        The gel. None is ``Substrate(displacement.gel)``, the gel of the displacements.
    config : ReconstructionConfig, keyword-only, optional
        Model, device and batch size.
    method : ReconstructionMethod, keyword-only, optional
        The loaded model of `config`, so that it is not loaded again. Without `config`,
        any loaded method.
    preparation : PreparationConfig, keyword-only, optional
        What is done to the displacements first. None does nothing but bridge holes.
    on_progress : callable, keyword-only, optional
        Called after every batch with the number of finished frames and of all frames.
    is_cancelled : callable, keyword-only, optional
        Called before every batch, and in large fields before every batch of windows.
        If it returns True, the reconstruction stops.
    on_notice : callable, keyword-only, optional
        Called with notices for the user, one sentence each.

    Returns
    -------
    TractionStack
        Tractions on the grid of the prepared displacements, in Pa, or as ``t / E`` if
        Young's modulus is unknown. They are NaN in holes, unless `preparation` fills
        these, and in frames with more than 10% of holes (50% if they are filled). The
        `Provenance` is in ``metadata["provenance"]``.

    Raises
    ------
    FieldError
        If the field cannot be used.
    ModelError
        If the model cannot be loaded.
    ConfigError
        If the machine has no such device.
    Cancelled
        If `is_cancelled` returned True.

    Examples
    --------
    Two simulated fields on a gel of 10 kPa, reconstructed with Bayesian FTTC:

    >>> from napari_vit_tfm import ReconstructionConfig, reconstruct
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> fields = synthesise(2, seed=0, shape=(48, 64))
    >>> displacement, truth = fields.on_gel(young_pa=10_000, spacing_um=0.8)
    >>> config = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    >>> traction = reconstruct(displacement, config=config)
    >>> traction.data.shape, traction.unit, traction.model
    ((2, 48, 64, 2), 'Pa', 'bayesian-fttc')

    The squared error is small relative to that of predicting zero:

    >>> from napari_vit_tfm.benchmark.metrics import relative_squared_error
    >>> bool((relative_squared_error(traction.data, truth.data) < 0.1).all())
    True
    """
    batches = reconstruct_batches(
        displacement,
        substrate=substrate,
        config=config,
        method=method,
        preparation=preparation,
        is_cancelled=is_cancelled,
        on_notice=on_notice,
    )
    gathered = Gathered()
    for batch in batches:
        gathered.add(batch)
        if on_progress is not None:
            on_progress(batch.stop, batch.total)
    return gathered.traction()


def reconstruct_batches(
    displacement: Displacement,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    preparation: PreparationConfig | None = None,
    finished: FinishedFrames | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify | None = None,
    made_by: str = "",
) -> Iterator[Batch]:
    """Reconstruct tractions batch by batch.

    Only one batch of a `DisplacementStream` is in memory. Fields that the method
    processes in windows are batches of their own, and the batch size is the number of
    windows. A notice about frames, such
    as a drift, is given with the first batch that it is about, and again at the end if
    later batches have changed it.

    Parameters
    ----------
    displacement, substrate, config, method, preparation, is_cancelled, on_notice
        As for `reconstruct`.
    finished : FinishedFrames, keyword-only, optional
        The first frames, if the same run computed them before it was interrupted.
        They are yielded, too, but neither checked nor computed again.
    made_by : str, keyword-only
        The command that computes, for the `Provenance`.

    Yields
    ------
    Batch
        Tractions of the next frames, in order.

    Raises
    ------
    FieldError, ModelError, ConfigError, Cancelled
        As `reconstruct`.
    """
    run = _Run(
        *(displacement, substrate, config, method, preparation),
        is_cancelled=is_cancelled,
        on_notice=on_notice,
        made_by=made_by,
    )
    yield from run.batches(finished)


def reconstruct_to_file(
    displacement: Displacement,
    path: str | os.PathLike[str],
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    preparation: PreparationConfig | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify,
    made_by: str = "",
) -> Generator[Batch, None, None]:
    """Reconstruct tractions batch by batch, and write them to a file.

    The file appears after the last batch. If there are several batches, they are
    written to a partial file first, see `io.open_resumable_traction`. After an
    interruption, the same call goes on from it.

    Parameters
    ----------
    displacement, substrate, config, method, preparation, is_cancelled, on_notice
        As for `reconstruct`. Device and batch size may be others than before the
        interruption.
    path : path
        The file to write, as for `io.write_traction`.
    made_by : str, keyword-only
        The command that computes, which is written into the file.

    Yields
    ------
    Batch
        Tractions of the next frames, in order, beginning with those that were
        computed before the interruption. Close the iterator if you do not use it up.

    Raises
    ------
    FieldError, ModelError, ConfigError, Cancelled
        As `reconstruct`.
    FieldFileError
        If the file cannot be written, or there is a partial file that cannot be
        continued.

    Examples
    --------
    >>> from napari_vit_tfm import ReconstructionConfig, read_traction
    >>> from napari_vit_tfm.reconstruction import reconstruct_to_file
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> displacement, _ = synthesise(3, seed=0, shape=(32, 32)).on_gel(
    ...     young_pa=5_000, spacing_um=0.8
    ... )
    >>> notices = []
    >>> config = ReconstructionConfig(model="fttc", device="cpu", batch_size=2)
    >>> for batch in reconstruct_to_file(
    ...     displacement, "film.h5", config=config, on_notice=notices.append
    ... ):
    ...     print(f"{batch.stop} of {batch.total} frames")
    2 of 3 frames
    3 of 3 frames
    >>> read_traction("film.h5").n_frames
    3
    """
    run = _Run(
        *(displacement, substrate, config, method, preparation),
        is_cancelled=is_cancelled,
        on_notice=on_notice,
        made_by=made_by,
    )
    sink: ResumableSink | None = None
    try:
        with open_resumable_traction(
            path, n_frames=displacement.n_frames, run=run.determined_by()
        ) as sink:
            if sink.n_kept:
                on_notice(f"continuing {sink.path}, which has {sink.kept_in_words}")
            for batch in run.batches(sink.finished):
                sink.append(batch.traction, batch.checks)
                yield batch
    except BaseException:
        if sink is not None and sink.n_kept:
            on_notice(
                f"{sink.path} has {sink.kept_in_words}: the same command continues it"
            )
        raise


class _Run:
    """A reconstruction, batch by batch; see `reconstruct_batches`."""

    def __init__(
        self,
        displacement: Displacement,
        substrate: Substrate | None,
        config: ReconstructionConfig | None,
        method: ReconstructionMethod | None,
        preparation: PreparationConfig | None,
        *,
        is_cancelled: Callable[[], bool] | None,
        on_notice: Notify | None,
        made_by: str,
    ) -> None:
        self._substrate = substrate or Substrate(displacement.gel)
        self._config = config or _config_of(method)
        self._method = method or load_method(self._config)
        self._preparation = preparation or PreparationConfig()
        self._is_cancelled = is_cancelled
        self._notify = on_notice or _ignore
        self._notices = FrameNotices(
            self._method,
            displacement,
            self._preparation,
            noise_is_given=self._config.noise.is_given,
        )
        # What is found takes time, and is not needed if nobody reads about it.
        on_checks = None if on_notice is None else self._notices.add
        self._on_traction = (
            _ignore if on_notice is None else self._notices.add_tractions
        )
        self._frames = PreparedFrames(displacement, self._preparation, on_checks)
        self._prepared = self._frames.stream()
        check_grid(self._prepared, self._method)
        self._device = resolve_device(self._config.device)
        self._method.to(self._device)
        self._provenance = Provenance.of(
            displacement,
            gel=self._substrate.gel,
            preparation=self._preparation,
            config=self._config,
            device=self._device,
            made_by=made_by,
        )
        self._noise = NoiseSource(
            self._config.noise,
            self._prepared.grid_shape,
            self._prepared.n_frames,
            unit=self._prepared.unit,
        )
        self._size = max(1, self._config.batch_size)
        self._in_windows = self._method.needs_windows(self._prepared.grid_shape)

    def determined_by(self) -> dict[str, Any]:
        """What determines the tractions, without device and batch size."""
        known = self._provenance.determining(
            model=self._method.name, model_sha256=self._method.sha256
        )
        displacement = self._frames.displacement
        if known["input"] and isinstance(displacement, DisplacementStream):
            return known
        # The vectors in memory may be others than those in the file.
        digest = hashlib.sha256()
        for number in range(displacement.n_frames):
            digest.update(displacement.frames(number, number + 1).tobytes())
        return {**known, "input": [known["input"], digest.hexdigest()]}

    def batches(self, finished: FinishedFrames | None) -> Iterator[Batch]:
        """The batches that are finished, and then the others."""
        _tell(self._notify, grid_notices(self._prepared, self._method))
        _tell(self._notify, trust_notices(self._method, self._config))
        start, total = 0, self._prepared.n_frames
        n_finished = 0 if finished is None else finished.n_frames
        while start < total:
            self._check()
            stop = start + (1 if self._in_windows else self._size)
            was_finished = start < n_finished
            if finished is not None and was_finished:
                results = finished.results(start, min(stop, n_finished))
                read = partial(self._prepared.part, start, start + len(results.data))
                self._notices.add_finished(start, results)
                self._tell_about_frames(start, results.records["holes"])
            else:
                part, results = self._computed(start, min(stop, total))
                read = partial(_same, part)
            stop, traction = start + len(results.data), self._as_stack(results)
            self._on_traction(start, traction)
            _tell(self._notify, self._notices.new())
            yield Batch(
                start,
                stop,
                total,
                traction,
                read,
                self._notices.checks(start, stop),
                was_finished,
            )
            start = stop
        _tell(self._notify, self._notices.totals())

    # What becomes infinite is an error of `_check_finite` and `_tractions`.
    @np.errstate(over="ignore", invalid="ignore")
    def _computed(
        self, start: int, stop: int
    ) -> tuple[DisplacementStack, FrameResults]:
        """Frames and their results, or fewer if the GPU memory is too small."""
        while True:
            data, records = self._frames.with_records(start, stop)
            part = self._prepared.with_data(data)
            n_holes = np.count_nonzero(holes_of(part.data), axis=(1, 2))
            self._tell_about_frames(start, n_holes)
            results = self._results(part, start, {"holes": n_holes, **records})
            if results is not None:
                return part, results
            self._size = (self._size if self._in_windows else part.n_frames) // 2
            if self._size == 0:
                raise FieldError("a single frame does not fit into the GPU memory")
            self._notify(f"out of GPU memory: continuing with batches of {self._size}")
            self._check()
            stop = start + 1 if self._in_windows else start + self._size

    def _results(
        self, part: DisplacementStack, start: int, records: Records
    ) -> FrameResults | None:
        """Results of some frames; None if the GPU memory is too small."""
        left_out = list(self._left_out(records["holes"]))
        computed = part.data.copy() if left_out else part.data
        # A frame without displacement costs less than its bridge, and has no traction.
        computed[left_out] = 0
        whole, holes = bridged(part.with_data(computed))
        noise = self._noise_of(whole, holes, start)
        data = self._tractions(whole, noise)
        if data is None:
            return None
        assessment = Assessment()
        if noise is not None:
            assessment = assess(
                whole,
                data,
                noise=noise,
                substrate=self._substrate,
                method=self._method,
                config=self._config,
                reconstruct=partial(self._tractions_of, noise=noise),
            )
        young_pa = np.float32(self._substrate.gel.young_pa or 1.0)
        companions = {
            name: vectors * (1 if name in DISPLACEMENT_COMPANIONS else young_pa)
            for name, vectors in assessment.companions.items()
        }
        traction = np.ascontiguousarray(data * young_pa)
        self._check_finite({"tractions": traction, **companions})
        for vectors in (traction, *companions.values()):
            if not self._preparation.fill_holes:
                vectors[holes] = np.nan
            vectors[left_out] = np.nan
        drift = None
        if self._method.ignores_drift:
            drift = drift_of(whole.data) * whole.grid_steps_per_unit()
        judged = {
            name: _nan_where(values, left_out)
            for name, values in assessment.records.items()
        }
        return FrameResults(traction, drift, {**records, **judged}, companions)

    def _noise_of(
        self, whole: DisplacementStack, holes: npt.NDArray[np.bool_], start: int
    ) -> FrameNoise | None:
        """The noise of frames, if something depends on it."""
        config = self._config
        if not (config.noise.is_given or config.residual or config.uncertainty):
            return None
        return self._noise.of_frames(whole, holes, first=start)

    def _check_finite(self, results: Mapping[str, FloatArray]) -> None:
        """Raise an error for results that are not known, or that no file may have.

        They are those of displacements without holes, so all must be there.
        """
        for name, vectors in results.items():
            if not (np.abs(vectors) <= LARGEST).all():
                young_pa = self._substrate.gel.young_pa
                stiffness = (
                    "" if young_pa is None else f"Young's modulus ({young_pa:g} Pa), "
                )
                raise FieldError(
                    f"{name.replace('_', ' ')} of {self._method.name} are too large "
                    f"for any field: check {stiffness}the unit and the spacing of the "
                    "displacements"
                )

    def _tractions_of(
        self, whole: DisplacementStack, noise: FrameNoise | None
    ) -> FloatArray:
        """Tractions ``t / E`` of frames, in halves if the GPU memory is too small."""
        data = self._tractions(whole, noise)
        if data is not None:
            return data
        if whole.n_frames == 1:
            raise FieldError("a single frame does not fit into the GPU memory")
        middle = whole.n_frames // 2
        halves = slice(0, middle), slice(middle, whole.n_frames)
        return np.concatenate(
            [
                self._tractions_of(
                    whole.part(half.start, half.stop),
                    None if noise is None else noise[half],
                )
                for half in halves
            ]
        )

    def _tractions(
        self, whole: DisplacementStack, noise: FrameNoise | None
    ) -> FloatArray | None:
        return _tractions(
            whole,
            noise=noise.noise if noise is not None and noise.is_given else None,
            substrate=self._substrate,
            method=self._method,
            device=self._device,
            batch_size=self._size,
            check=self._check,
        )

    def _as_stack(self, results: FrameResults) -> TractionStack:
        """Results with what is known about all frames."""
        gel = self._substrate.gel
        done = options_in_use(self._preparation)
        return TractionStack(
            results.data,
            unit="1" if gel.young_pa is None else "Pa",
            spacing_um=self._prepared.spacing_um,
            gel=gel,
            model=self._method.name,
            model_sha256=self._method.sha256,
            outline=self._prepared.outline,
            drift=results.drift,
            records=results.records,
            companions=results.companions,
            displacement_unit=self._prepared.unit if results.companions else None,
            metadata={
                **({"preparation": done} if done else {}),
                PROVENANCE: self._provenance,
            },
        )

    def _tell_about_frames(self, start: int, n_holes: npt.NDArray[np.integer]) -> None:
        """Give the notices that are new with frames from number `start` on."""
        for frame, share in self._left_out(n_holes).items():
            self._notices.add_left_out(start + frame, share)
        _tell(self._notify, self._notices.new())

    def _left_out(self, n_holes: npt.NDArray[np.integer]) -> dict[int, float]:
        """Frames with too many holes to be computed, with the share of their holes."""
        limit = MOST_FILLED_HOLES if self._preparation.fill_holes else MOST_HOLES
        shares = n_holes / math.prod(self._prepared.grid_shape)
        return {n: float(share) for n, share in enumerate(shares) if share > limit}

    def _check(self) -> None:
        if self._is_cancelled is not None and self._is_cancelled():
            raise Cancelled


def _config_of(method: ReconstructionMethod | None) -> ReconstructionConfig:
    """The default configuration, with the name of a method that is given without."""
    default = ReconstructionConfig()
    return default if method is None else replace(default, model=method.name)


def load_method(config: ReconstructionConfig | None = None) -> ReconstructionMethod:
    """Load the method of a configuration.

    Parameters
    ----------
    config : ReconstructionConfig, optional
        The configuration. None uses the default one.

    Returns
    -------
    ReconstructionMethod

    Raises
    ------
    ModelError
        If there is no such model, or it cannot be loaded.
    ConfigError
        If an option of the method is not valid.

    Examples
    --------
    >>> from napari_vit_tfm import ReconstructionConfig, load_method
    >>> method = load_method(ReconstructionConfig(model="fttc"))
    >>> method.name, method.has_attention
    ('fttc', False)
    """
    from napari_vit_tfm.models import load
    from napari_vit_tfm.models.weights import PhysicsViTMethod

    config = config or ReconstructionConfig()
    method = load(config.model, heads=config.heads, options=config.options)
    if isinstance(method, PhysicsViTMethod):
        method.n_views = config.n_views
        if config.n_views > 1:
            method.name = f"{method.name} ({config.n_views} views)"
    return method


def _tractions(
    part: DisplacementStack,
    *,
    noise: Noise | None,
    substrate: Substrate,
    method: ReconstructionMethod,
    device: str,
    batch_size: int,
    check: Callable[[], None],
) -> FloatArray | None:
    """Tractions ``t / E`` of finite frames; None if the GPU memory is too small."""
    import torch

    from napari_vit_tfm.models.precision import full_float32
    from napari_vit_tfm.models.tensors import to_stack
    from napari_vit_tfm.models.windows import traction_of

    inputs = reference_displacement(part, slice(None), substrate, method)
    if noise is not None:
        noise = noise.scaled(substrate.noise_in_reference(spacing_um=part.spacing_um))
    try:
        with torch.inference_mode(), full_float32():
            outputs = traction_of(
                method,
                inputs.to(device),
                noise=noise,
                batch_size=batch_size,
                check=check,
            ).cpu()
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None
    data = to_stack(outputs)
    if not np.isfinite(data).all():
        raise _not_finite(part, method, device)
    if is_resampled(part, method):
        data = np.stack([resample_nodes(field, part.grid_shape) for field in data])
    return np.array(data)


def _not_finite(
    part: DisplacementStack, method: ReconstructionMethod, device: str
) -> TFMError:
    """The error for tractions that are not finite, with the most probable cause."""
    import torch

    height, width = method.grid or (32, 32)
    with torch.inference_mode():
        of_zero = method.traction(torch.zeros(1, 2, height, width, device=device))
    if not of_zero.isfinite().all():
        return ModelError(
            f"{method.name} gives tractions that are not finite for a field without "
            "displacements: its weights are damaged"
        )
    spacing = "" if part.spacing_um is None else f" of {part.spacing_um:g} um"
    return FieldError(
        f"{method.name} gives tractions that are not finite: the displacements, up to "
        f"{part.longest():.3g} {unit_label(part.unit)}, are too large, or the spacing"
        f"{spacing} is too small"
    )


def reference_displacement(
    stack: DisplacementStack,
    frames: slice,
    substrate: Substrate,
    method: ReconstructionMethod,
) -> Tensor:
    """Frames in the reference form on the grid of the method, ``(n, 2, H, W)``.

    If the method ignores drift, the mean displacement is subtracted before any other
    step.
    """
    from napari_vit_tfm.models.tensors import to_tensor

    to_width = stack.grid_steps_per_unit() / (stack.grid_shape[1] - 1)
    data = stack.data[frames]
    if method.ignores_drift:
        data = without_drift(data)
    data = substrate.to_reference(
        data * np.float32(to_width), spacing_um=stack.spacing_um
    )
    if method.grid is not None and is_resampled(stack, method):
        data = np.stack([resample_nodes(field, method.grid) for field in data])
    return to_tensor(data)


def check_size(displacement: Displacement, min_side: int, *, model: str) -> None:
    """Raise a FieldError if there are too few vectors along a side for a method."""
    height, width = displacement.grid_shape
    if min(height, width) < min_side:
        raise FieldError(
            f"the field has {height} x {width} vectors; {model} needs at least "
            f"{min_side} x {min_side}"
        )


def check_grid(displacement: Displacement, method: ReconstructionMethod) -> None:
    """Raise a FieldError if a method cannot work on the displacements' grid."""
    check_size(displacement, method.min_side, model=method.name)
    height, width = displacement.grid_shape
    if method.grid is not None and height != width:
        raise FieldError(
            f"{method.name} works only on square fields; this one is {height} x {width}"
        )


def _nan_where(values: npt.NDArray[Any], frames: list[int]) -> npt.NDArray[Any]:
    """Values of frames, NaN in some of them, or 0 if they are whole numbers."""
    values = values.copy()
    values[frames] = np.nan if values.dtype.kind == "f" else 0
    return values


def _same(part: DisplacementStack) -> DisplacementStack:
    return part


def _tell(notify: Notify, notices: Iterator[str]) -> None:
    for notice in notices:
        notify(notice)


def _ignore(*_: object) -> None:
    pass
