"""The method and the device of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_vit_tfm.config import Device, ReconstructionConfig
from napari_vit_tfm.errors import ConfigError

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod


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
