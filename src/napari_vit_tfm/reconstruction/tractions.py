"""Tractions of a batch: from displacements to the form of the method, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import FieldError, ModelError, TFMError
from napari_vit_tfm.fields import Displacement, DisplacementStack, without_drift
from napari_vit_tfm.notices import is_resampled
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.resample import resample_nodes
from napari_vit_tfm.units import unit_label

if TYPE_CHECKING:
    from torch import Tensor

    from napari_vit_tfm.models import ReconstructionMethod
    from napari_vit_tfm.physics.noise import Noise

FloatArray = npt.NDArray[np.float32]


def compute_tractions(
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
