"""Displacement stacks in, traction stacks out.

Everything here is plain: arrays, a configuration, callbacks. No layer, no
viewer, no Qt. torch is imported only when something is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import (
    BUNDLED_MODEL,
    MAX_GRID,
    MIN_GRID,
    Device,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import (
    DisplacementStack,
    TractionStack,
    drift_of,
    without_drift,
)
from napari_vit_tfm.physics.spectrum import estimate_noise
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.resample import resample_nodes
from napari_vit_tfm.units import unit_label

if TYPE_CHECKING:
    from torch import Tensor

    from napari_vit_tfm.models import ReconstructionMethod

FloatArray = npt.NDArray[np.float32]
Notify = Callable[[str], None]

# Forces that do not balance displace the field on the whole, too, and that is no
# drift: of 2000 disc fields of the original work's kind, a fifth have a mean longer
# than the root mean square of the rest, but none one of 1.9 times that. Where the
# forces balance, as a cell's do, it is about a tenth or less.
NOTABLE_DRIFT = 2.0
"""How many times the root mean square of the rest a mean displacement has to be
longer than, in any frame, to be told as a drift."""


class Cancelled(Exception):
    """The reconstruction was cancelled between two batches."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Tractions of consecutive frames.

    Parameters
    ----------
    start, stop : int
        First frame, and the one after the last.
    total : int
        Frames of the whole stack.
    data : array of shape (stop - start, H, W, 2)
        Pa where Young's modulus is known, else ``t / E``.
    """

    start: int
    stop: int
    total: int
    data: FloatArray


def resolve_device(device: Device) -> str:
    """The device that a choice stands for on this machine.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` is the GPU where there is one.

    Returns
    -------
    str
        "cpu", "cuda" or "mps".

    Raises
    ------
    FieldError
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
        raise FieldError(f"there is no {device} device here; the device can be auto")
    return device


def reconstruct(
    stack: DisplacementStack,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify | None = None,
) -> TractionStack:
    """Compute the tractions behind every frame of a displacement stack.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements; 16 to 256 vectors along either side.
    substrate : Substrate, keyword-only, optional
        The gel; None is the reference gel of unknown stiffness. The gel that
        the displacements' file names is ``Substrate(stack.gel)``.
    config : ReconstructionConfig, keyword-only, optional
        Model, device, batch size.
    method : ReconstructionMethod, keyword-only, optional
        A loaded method, instead of the one that `config` names.
    on_progress : callable, keyword-only, optional
        Called after every batch with the frames done and the frames in all.
    is_cancelled : callable, keyword-only, optional
        Asked before every batch.
    on_notice : callable, keyword-only, optional
        Told, in a sentence, what the user should know about the run.

    Returns
    -------
    TractionStack
        On the stack's own grid; Pa where Young's modulus is known, else
        ``t / E``.

    Raises
    ------
    FieldError
        If the field cannot be used as it is, or the model not be loaded.
    Cancelled
        If `is_cancelled` said so.

    Examples
    --------
    Two simulated fields on a gel of 10 kPa, reconstructed with Bayesian FTTC:

    >>> from napari_vit_tfm import ReconstructionConfig, Substrate, reconstruct
    >>> from napari_vit_tfm.synthesis import synthesise
    >>> fields = synthesise(2, seed=0, shape=(48, 64))
    >>> displacement, truth = fields.on_gel(young_pa=10_000, spacing_um=0.8)
    >>> traction = reconstruct(
    ...     displacement,
    ...     substrate=Substrate(displacement.gel),
    ...     config=ReconstructionConfig(model="bayesian-fttc", device="cpu"),
    ... )
    >>> traction.data.shape, traction.unit, traction.model
    ((2, 48, 64, 2), 'Pa', 'bayesian-fttc')

    The squared error, relative to that of predicting zero, is small:

    >>> from napari_vit_tfm.benchmark.metrics import relative_squared_error
    >>> bool((relative_squared_error(traction.data, truth.data) < 0.1).all())
    True
    """
    batches = reconstruct_batches(
        stack, substrate=substrate, config=config, method=method, on_notice=on_notice
    )
    while True:
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        try:
            batch = next(batches)
        except StopIteration as end:
            traction: TractionStack = end.value
            return traction
        if on_progress is not None:
            on_progress(batch.stop, batch.total)


def reconstruct_batches(
    stack: DisplacementStack,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    on_notice: Notify | None = None,
) -> Generator[Batch, None, TractionStack]:
    """As `reconstruct`, batch by batch, for callers that do other things between.

    Parameters
    ----------
    stack, substrate, config, method, on_notice
        As for `reconstruct`.

    Yields
    ------
    Batch
        Tractions of the next frames, in order.

    Returns
    -------
    TractionStack
        As `reconstruct`, once the last batch has been yielded.

    Raises
    ------
    FieldError
        As `reconstruct`.
    """
    config = config or ReconstructionConfig()
    substrate = substrate or Substrate()
    method = method or load_method(config)
    notify = on_notice or _ignore
    check_grid(stack, method)
    _check_finite(stack)
    device = resolve_device(config.device)
    method.to(device)
    for notice in notices(stack, method):
        notify(notice)
    data = np.empty_like(stack.data)
    start, size = 0, max(1, config.batch_size)
    while start < stack.n_frames:
        stop = min(start + size, stack.n_frames)
        found = _reconstruct_frames(
            stack, slice(start, stop), substrate, method, device
        )
        if found is None:
            if size == 1:
                raise FieldError("one frame alone does not fit the GPU's memory")
            size = max(1, (stop - start) // 2)
            notify(f"out of GPU memory: going on with batches of {size}")
            continue
        data[start:stop] = found
        yield Batch(start, stop, stack.n_frames, found)
        start = stop
    return traction_stack(stack, data, substrate=substrate, method=method)


def traction_stack(
    stack: DisplacementStack,
    data: npt.NDArray[np.floating],
    *,
    substrate: Substrate,
    method: ReconstructionMethod,
) -> TractionStack:
    """Wrap reconstructed tractions with all that is known about them.

    Parameters
    ----------
    stack : DisplacementStack
        What they were reconstructed from.
    data : array of shape (T, H, W, 2)
        As `reconstruct_batches` yields them.
    substrate : Substrate, keyword-only
        The gel.
    method : ReconstructionMethod, keyword-only
        What reconstructed them.
    """
    drift = None
    if method.ignores_drift:
        drift = drift_of(stack.data) * stack.grid_steps_per_unit()
    return TractionStack(
        np.asarray(data, dtype=np.float32),
        unit="1" if substrate.gel.young_pa is None else "Pa",
        spacing_um=stack.spacing_um,
        gel=substrate.gel,
        model=method.name,
        model_sha256=method.sha256,
        outline=stack.outline,
        drift=drift,
    )


def load_method(config: ReconstructionConfig | None = None) -> ReconstructionMethod:
    """Load the method that a configuration names; None is the default one.

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
    return method


def _reconstruct_frames(
    stack: DisplacementStack,
    frames: slice,
    substrate: Substrate,
    method: ReconstructionMethod,
    device: str,
) -> FloatArray | None:
    """Tractions of some frames; None where the GPU's memory is too small."""
    import torch

    from napari_vit_tfm.models.precision import full_float32
    from napari_vit_tfm.models.tensors import to_stack

    inputs = reference_displacement(stack, frames, substrate, method)
    try:
        with torch.inference_mode(), full_float32():
            outputs = method.traction(inputs.to(device)).cpu()
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None
    data = to_stack(outputs)
    if is_resampled(stack, method):
        data = np.stack([resample_nodes(field, stack.grid_shape) for field in data])
    return np.ascontiguousarray(data * np.float32(substrate.gel.young_pa or 1.0))


def reference_displacement(
    stack: DisplacementStack,
    frames: slice,
    substrate: Substrate,
    method: ReconstructionMethod,
) -> Tensor:
    """Frames in the reference form, on the method's grid, ``(n, 2, H, W)``.

    A drift is taken off first, if the method ignores it: the substrate's filter
    sees zeros around the field, and would make a mean a jump at the border.
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


def check_grid(stack: DisplacementStack, method: ReconstructionMethod) -> None:
    """Raise a FieldError if a method cannot work on a stack's grid."""
    height, width = stack.grid_shape
    if min(height, width) < MIN_GRID or max(height, width) > MAX_GRID:
        raise FieldError(
            f"the field has {height} x {width} vectors; it can have from "
            f"{MIN_GRID} x {MIN_GRID} to {MAX_GRID} x {MAX_GRID}"
        )
    if method.grid is not None and height != width:
        raise FieldError(
            f"{method.name} takes square fields only; this one is {height} x {width}"
        )


def _check_finite(stack: DisplacementStack) -> None:
    if not np.isfinite(stack.data).all():
        bad = np.unique(np.nonzero(~np.isfinite(stack.data))[0])
        raise FieldError(
            f"{len(bad)} of {stack.n_frames} frames hold vectors that are not finite "
            f"(first: frame {bad[0]}); fill them before the reconstruction"
        )


def is_resampled(stack: DisplacementStack, method: ReconstructionMethod) -> bool:
    """Whether a stack has to be brought to a method's own grid."""
    return method.grid is not None and method.grid != stack.grid_shape


def notices(
    stack: DisplacementStack,
    method: ReconstructionMethod,
    frames: slice = slice(None),
) -> Iterator[str]:
    """What the user should know before a method works on frames of a stack."""
    if is_resampled(stack, method):
        yield resampling_notice(stack, method)
    about_drift = drift_notice(stack, method, frames)
    if about_drift is not None:
        yield about_drift
    about_noise = noise_notice(stack, method, frames)
    if about_noise is not None:
        yield about_noise


def noise_notice(
    stack: DisplacementStack,
    method: ReconstructionMethod,
    frames: slice = slice(None),
) -> str | None:
    """What the user should know about noise that cannot be estimated; else None.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements.
    method : ReconstructionMethod
        What is to reconstruct them.
    frames : slice
        Those that are looked at; finite.
    """
    if not method.estimates_noise:
        return None
    data, numbers = stack.data[frames], range(stack.n_frames)[frames]
    unknown = [
        number
        for number, (x, y) in zip(numbers, np.moveaxis(data, -1, 1), strict=True)
        if np.ptp(x) + np.ptp(y) > 0 and not estimate_noise(x, y).is_known
    ]
    if not unknown:
        return None
    return (
        f"the noise of {len(unknown)} of {len(data)} frames cannot be estimated "
        f"(first: frame {unknown[0]}): nearly all vectors are the same; "
        f"{method.name} takes the others for exact"
    )


def drift_notice(
    stack: DisplacementStack,
    method: ReconstructionMethod,
    frames: slice = slice(None),
) -> str | None:
    """What the user should know about a drift; None where none is notable.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements.
    method : ReconstructionMethod
        What is to reconstruct them.
    frames : slice
        Those that are looked at; finite.
    """
    data = stack.data[frames]
    drift = drift_of(data)
    # Frame by frame: in double precision a long stack may not fit into memory.
    rest = np.array(
        [
            np.sqrt(np.square(field - mean).sum(axis=-1).mean())
            for field, mean in zip(data, drift, strict=True)
        ]
    )
    lengths = np.hypot(drift[:, 0], drift[:, 1])
    notable = lengths > NOTABLE_DRIFT * rest
    if not notable.any():
        return None
    frame = np.argmax(np.where(notable, lengths, 0.0))
    size = f"a drift of up to {lengths[frame]:.3g} {unit_label(stack.unit)}"
    if rest[frame] > 0:
        size += f", {lengths[frame] / rest[frame]:.3g} times the rest of the field"
    else:
        size += " and nothing else"
    if method.ignores_drift:
        return f"taken off: {size}; a uniform displacement makes no traction"
    return (
        f"{method.name} gets the field as it is, with {size}, and may take it for "
        "traction: subtract the mean of every frame before, or choose a model that "
        f"does, such as {BUNDLED_MODEL}"
    )


def resampling_notice(stack: DisplacementStack, method: ReconstructionMethod) -> str:
    """What the user should know about a stack that is resampled."""
    assert method.grid is not None
    return (
        f"{method.name} works on {method.grid[0]} x {method.grid[1]} vectors only: "
        f"the field of {stack.grid_shape[0]} x {stack.grid_shape[1]} is resampled, "
        "and adhesions of a few grid steps lose much of their traction"
    )


def _ignore(_message: str) -> None:
    pass
