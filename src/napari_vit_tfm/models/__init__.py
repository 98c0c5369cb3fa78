"""Reconstruction methods behind one interface."""

from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.models.registry import load
from napari_vit_tfm.models.rollout import rollout

__all__ = ["ReconstructionMethod", "load", "rollout"]
