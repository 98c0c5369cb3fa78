"""Training of the network, on synthetic fields generated during training."""

from napari_vit_tfm.training.config import FieldKind, LossConfig, TrainingConfig
from napari_vit_tfm.training.train import CONFIG_NAME, starting_weights, train

__all__ = [
    "CONFIG_NAME",
    "FieldKind",
    "LossConfig",
    "TrainingConfig",
    "starting_weights",
    "train",
]
