"""Reconstruction methods behind one interface."""

from napari_vit_tfm.models.base import ModelError, ReconstructionMethod
from napari_vit_tfm.models.registry import load
from napari_vit_tfm.models.rollout import rollout
from napari_vit_tfm.models.weights import PhysicsViTMethod

__all__ = ["ModelError", "PhysicsViTMethod", "ReconstructionMethod", "load", "rollout"]
