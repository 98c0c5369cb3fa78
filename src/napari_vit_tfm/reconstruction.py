"""Reconstruction of traction stacks from displacement stacks.

The functions take stacks, a configuration and callbacks. torch is imported only when
tractions are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

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
from napari_vit_tfm.errors import ConfigError, FieldError
from napari_vit_tfm.fields import (
    DISPLACEMENT_COMPANIONS,
    Displacement,
    DisplacementStack,
    Records,
    TractionStack,
    drift_of,
    without_drift,
)
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
from napari_vit_tfm.trust.assessment import assess
from napari_vit_tfm.units import unit_label

if TYPE_CHECKING:
    from torch import Tensor

    from napari_vit_tfm.models import ReconstructionMethod

FloatArray = npt.NDArray[np.float32]
Notify = Callable[[str], None]


class Cancelled(Exception):
    """The reconstruction was cancelled between two batches of frames or windows."""


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
    """

    start: int
    stop: int
    total: int
    traction: TractionStack


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
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify | None = None,
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

    Yields
    ------
    Batch
        Tractions of the next frames, in order.

    Raises
    ------
    FieldError, ModelError, ConfigError, Cancelled
        As `reconstruct`.
    """
    config = config or _config_of(method)
    preparation = preparation or PreparationConfig()
    substrate = substrate or Substrate(displacement.gel)
    method = method or load_method(config)
    notify = on_notice or _ignore
    notices = FrameNotices(method, displacement, preparation)
    # The checks take time, and are not needed if nobody reads about them.
    on_checks = None if on_notice is None else notices.add
    frames = PreparedFrames(displacement, preparation, on_checks)
    prepared = frames.stream()
    check_grid(prepared, method)
    device = resolve_device(config.device)
    method.to(device)
    provenance = Provenance.of(
        displacement,
        gel=substrate.gel,
        preparation=preparation,
        config=config,
        device=device,
    )
    for notice in (*grid_notices(prepared, method), *trust_notices(method, config)):
        notify(notice)

    def check() -> None:
        if is_cancelled is not None and is_cancelled():
            raise Cancelled

    in_windows = method.needs_windows(prepared.grid_shape)
    start, size, total = 0, max(1, config.batch_size), prepared.n_frames
    while start < total:
        check()
        n_frames = 1 if in_windows else size
        data, records = frames.with_records(start, min(start + n_frames, total))
        part = prepared.with_data(data)
        for frame, share in _left_out(part, preparation).items():
            notices.add_left_out(start + frame, share)
        for notice in notices.new():
            notify(notice)
        compute = partial(
            _tractions,
            substrate=substrate,
            method=method,
            device=device,
            batch_size=size,
            check=check,
        )
        traction = _reconstruct_part(
            part, records, compute, substrate, method, preparation, config
        )
        if traction is None:
            size = (size if in_windows else part.n_frames) // 2
            if size == 0:
                raise FieldError("a single frame does not fit into the GPU memory")
            notify(f"out of GPU memory: continuing with batches of {size}")
            continue
        traction = replace(
            traction, metadata={**traction.metadata, PROVENANCE: provenance}
        )
        notices.add_tractions(start, traction.data)
        stop = start + part.n_frames
        yield Batch(start, stop, total, traction)
        start = stop
    for notice in notices.totals():
        notify(notice)


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


def _reconstruct_part(
    part: DisplacementStack,
    records: Records,
    compute: Callable[[DisplacementStack], FloatArray | None],
    substrate: Substrate,
    method: ReconstructionMethod,
    preparation: PreparationConfig,
    config: ReconstructionConfig,
) -> TractionStack | None:
    """Tractions of some frames; None if the GPU memory is too small."""
    left_out = list(_left_out(part, preparation))
    computed = part.data.copy() if left_out else part.data
    # A frame without displacement costs less than its bridge, and has no traction.
    computed[left_out] = 0
    whole, holes = bridged(part.with_data(computed))
    data = compute(whole)
    if data is None:
        return None
    assessment = assess(
        whole,
        data,
        substrate=substrate,
        method=method,
        config=config,
        reconstruct=lambda other: _all_of(compute, other),
    )
    young = np.float32(substrate.gel.young_pa or 1.0)
    companions = dict(assessment.companions)
    for name in set(companions) - set(DISPLACEMENT_COMPANIONS):
        companions[name] = companions[name] * young
    for vectors in (data, *companions.values()):
        if not preparation.fill_holes:
            vectors[holes] = np.nan
        vectors[left_out] = np.nan
    drift = None
    if method.ignores_drift:
        drift = drift_of(whole.data) * whole.grid_steps_per_unit()
    n_holes = np.count_nonzero(holes_of(part.data), axis=(1, 2))
    done = options_in_use(preparation)
    return TractionStack(
        np.ascontiguousarray(data * young),
        unit="1" if substrate.gel.young_pa is None else "Pa",
        spacing_um=part.spacing_um,
        gel=substrate.gel,
        model=method.name,
        model_sha256=method.sha256,
        outline=part.outline,
        drift=drift,
        records={"holes": n_holes, **records, **assessment.records},
        companions=companions,
        displacement_unit=part.unit if companions else None,
        metadata={"preparation": done} if done else {},
    )


def _all_of(
    compute: Callable[[DisplacementStack], FloatArray | None], part: DisplacementStack
) -> FloatArray:
    """Tractions of frames; in two halves if the GPU memory is too small."""
    data = compute(part)
    if data is not None:
        return data
    if part.n_frames == 1:
        raise FieldError("a single frame does not fit into the GPU memory")
    middle = part.n_frames // 2
    halves = part.part(0, middle), part.part(middle, part.n_frames)
    return np.concatenate([_all_of(compute, half) for half in halves])


def _tractions(
    part: DisplacementStack,
    *,
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
    try:
        with torch.inference_mode(), full_float32():
            outputs = traction_of(
                method, inputs.to(device), batch_size=batch_size, check=check
            ).cpu()
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None
    data = to_stack(outputs)
    if not np.isfinite(data).all():
        raise FieldError(
            f"{method.name} gives tractions that are not finite: the displacements, up "
            f"to {part.longest():.3g} {unit_label(part.unit)}, are too large"
        )
    if is_resampled(part, method):
        data = np.stack([resample_nodes(field, part.grid_shape) for field in data])
    return np.array(data)


def _left_out(
    part: DisplacementStack, preparation: PreparationConfig
) -> dict[int, float]:
    """Frames with too many holes to be computed, with the share of their holes."""
    limit = MOST_FILLED_HOLES if preparation.fill_holes else MOST_HOLES
    shares = holes_of(part.data).mean(axis=(1, 2))
    return {n: float(share) for n, share in enumerate(shares) if share > limit}


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


def _ignore(_message: str) -> None:
    pass
