"""Loss, optimiser and validation."""

from __future__ import annotations

import math

import lightning as lit
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor

from napari_vit_tfm.models.physics_vit import PhysicsViT
from napari_vit_tfm.training.config import TrainingConfig

VALIDATION_SIGMAS = (0.0, 1e-4, 1e-3)
"""Noise of the validation fields, in the reference form."""


def relative_error(traction: Tensor, truth: Tensor) -> Tensor:
    """Root of the relative squared error, field by field.

    ``sqrt(sum |t - t_true|^2 / sum |t_true|^2)``. The root keeps noisy fields,
    whose error is large whatever the network does, from drowning the others.

    Parameters
    ----------
    traction, truth : tensors of shape (N, 2, H, W)

    Returns
    -------
    tensor of shape (N,)
    """
    error = (traction - truth).square().sum(dim=(1, 2, 3))
    return (error / truth.square().sum(dim=(1, 2, 3)) + 1e-8).sqrt()


class TrainingModule(lit.LightningModule):
    """The network in training.

    Parameters
    ----------
    config : TrainingConfig
        The run.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.network = PhysicsViT(config.network)

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Mean relative error of a batch."""
        displacement, truth = batch
        loss = relative_error(self.network(displacement), truth).mean()
        self.log("train/relative_error", loss, prog_bar=True)
        return loss

    def validation_step(
        self, batch: tuple[Tensor, Tensor], _index: int, dataloader_idx: int = 0
    ) -> None:
        """Mean sum of squared errors on fixed disc fields."""
        displacement, truth = batch
        error = (self.network(displacement) - truth).square().sum(dim=(1, 2, 3))
        sigma = VALIDATION_SIGMAS[dataloader_idx]
        self.log(
            f"validation/sum_of_squared_errors_{sigma:g}",
            error.mean(),
            batch_size=len(truth),
            add_dataloader_idx=False,
        )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with linear warm-up and a cosine to zero."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.rate_factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def rate_factor(self, step: int) -> float:
        """Learning rate at a step over its peak."""
        warmup = min(1.0, (step + 1) / max(1, self.config.warmup_steps))
        progress = min(1.0, step / max(1, self.config.steps))
        return warmup * 0.5 * (1 + math.cos(math.pi * progress))
