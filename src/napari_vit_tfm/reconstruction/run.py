"""A reconstruction, batch by batch: preparation, tractions, trust and notices."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import (
    MOST_FILLED_HOLES,
    MOST_HOLES,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement.holes import holes_of
from napari_vit_tfm.displacement.preparation import (
    PreparedFrames,
    bridged,
    options_in_use,
)
from napari_vit_tfm.errors import Cancelled, FieldError
from napari_vit_tfm.fields import (
    DISPLACEMENT_COMPANIONS,
    Displacement,
    DisplacementStack,
    DisplacementStream,
    FinishedFrames,
    FrameResults,
    Records,
    TractionStack,
    drift_of,
)
from napari_vit_tfm.io.frames import LARGEST
from napari_vit_tfm.notices import FrameNotices, grid_notices, trust_notices
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.provenance import KEY as PROVENANCE
from napari_vit_tfm.provenance import Provenance
from napari_vit_tfm.reconstruction.batches import Batch
from napari_vit_tfm.reconstruction.loading import load_method, resolve_device
from napari_vit_tfm.reconstruction.tractions import check_grid, compute_tractions
from napari_vit_tfm.trust.assessment import Assessment, assess
from napari_vit_tfm.trust.noise import FrameNoise, NoiseSource

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

FloatArray = npt.NDArray[np.float32]

Notify = Callable[[str], None]


class Run:
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

    # What becomes infinite is an error of `_check_finite` and `compute_tractions`.
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
        return compute_tractions(
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
