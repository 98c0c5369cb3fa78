"""Training of the network, on synthetic fields generated during training."""

from napari_vit_tfm.training.config import FieldKind, LossConfig, TrainingConfig
from napari_vit_tfm.training.train import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    is_run_of,
    starting_weights,
    train,
)

__all__ = [
    "CONFIG_NAME",
    "WEIGHTS_NAME",
    "FieldKind",
    "LossConfig",
    "TrainingConfig",
    "is_run_of",
    "starting_weights",
    "train",
]
