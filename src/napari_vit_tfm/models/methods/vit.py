"""The bundled network as a reconstruction method."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from napari_vit_tfm.config import BUNDLED_MODEL
from napari_vit_tfm.models.registry import register

if TYPE_CHECKING:
    from napari_vit_tfm.models.base import ReconstructionMethod


@register(BUNDLED_MODEL, words="ViT (Vision Transformer, bundled)")
def bundled_network() -> ReconstructionMethod:
    """Load the network whose weights are part of the package."""
    from napari_vit_tfm.models.weights import load_network

    weights = files("napari_vit_tfm") / "weights" / "vit.safetensors"
    with as_file(weights) as path:
        method = load_network(path, name=BUNDLED_MODEL)
    method.leaves_known_residual = True
    return method
