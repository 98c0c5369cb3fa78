"""Training of the bundled network, on fields made while it trains."""

from napari_vit_tfm.training.config import FieldKind, TrainingConfig
from napari_vit_tfm.training.train import train

__all__ = ["FieldKind", "TrainingConfig", "train"]
