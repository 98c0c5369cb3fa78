"""Training step, optimiser and validation."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from typing import Any

import lightning as lit
import torch
from pytorch_optimizer import Muon
from torch import Tensor

from napari_vit_tfm.models.physics_vit import PhysicsViT
from napari_vit_tfm.models.precision import without_autocast
from napari_vit_tfm.training.config import TrainingConfig
from napari_vit_tfm.training.data import TrainingBatch, validation_kinds
from napari_vit_tfm.training.losses import relative_squared_error, traction_loss

VALIDATION_NOISE = (0.0, 0.05, 0.3)
"""Noise of the validation fields, over their root mean square."""


class TrainingModule(lit.LightningModule):
    """The network in training.

    Parameters
    ----------
    config : TrainingConfig
        The run.

    Attributes
    ----------
    validation_sets : list of tuples
        Kind and noise of the fields that it is validated on.
    start : mapping, optional
        Name and SHA-256 of the weights the run started from; kept in its
        checkpoints.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.network = PhysicsViT(config.network)
        self.validation_sets = list(product(validation_kinds(config), VALIDATION_NOISE))
        self.start: Mapping[str, str] | None = None

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Compute a training batch's fields where they are needed."""
        return batch.fields() if isinstance(batch, TrainingBatch) else batch

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set what the configuration says about this step.

        It depends on the step alone, so that a run which goes on with another
        configuration follows that one, not what its checkpoint remembers.
        """
        factor = self.rate_factor(self.global_step)
        optimizer = self.optimizers()
        assert isinstance(optimizer, torch.optim.Optimizer)
        for group in optimizer.param_groups:
            group["lr"] = self.config.learning_rate * factor
            group["weight_decay"] = self.config.weight_decay

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> Tensor:
        """Mean loss of a batch."""
        displacement, truth = batch
        traction = self.network(displacement)
        with without_autocast(traction):
            loss = traction_loss(traction, truth, displacement, self.config.loss).mean()
            error = relative_squared_error(traction.detach(), truth).sqrt().mean()
        self.log("train/loss", loss)
        self.log("train/relative_error", error, prog_bar=True)
        self.log(
            "train/learning_rate",
            self.config.learning_rate * self.rate_factor(self.global_step),
        )
        return loss

    def validation_step(
        self, batch: tuple[Tensor, Tensor], _index: int, dataloader_idx: int = 0
    ) -> None:
        """Mean relative squared error on fixed fields, in full precision."""
        displacement, truth = batch
        with without_autocast(displacement):
            error = relative_squared_error(self.network(displacement), truth)
        kind, noise = self.validation_sets[dataloader_idx]
        self.log(
            f"validation/{kind}_{noise:g}",
            error.mean(),
            batch_size=len(truth),
            add_dataloader_idx=False,
            sync_dist=True,
        )

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Muon for the matrices, AdamW for the rest.

        `on_train_batch_start` sets their rate, one for both: Muon's steps are
        scaled to have the size of AdamW's (Jordan et al., Muon, 2024; Liu et al.,
        Muon is scalable for LLM training, 2025).
        """
        # A filter of its own for every channel has no matrix to speak of.
        depthwise = {id(parameter) for parameter in self.network.position.parameters()}
        matrices: list[Tensor] = []
        rest: list[Tensor] = []
        for parameter in self.network.parameters():
            is_matrix = parameter.ndim > 1 and id(parameter) not in depthwise
            (matrices if is_matrix else rest).append(parameter)
        return Muon(
            [
                {"params": matrices, "use_muon": True, "use_adjusted_lr": True},
                {"params": rest, "use_muon": False, "betas": (0.9, 0.999)},
            ]
        )

    def rate_factor(self, step: int) -> float:
        """Learning rate at a step over its peak: warm-up, then a cosine to zero."""
        warmup = min(1.0, (step + 1) / max(1, self.config.warmup_steps))
        progress = min(1.0, step / max(1, self.config.steps))
        return warmup * 0.5 * (1 + math.cos(math.pi * progress))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what a resumed run must agree with, and where this one began."""
        checkpoint["network"] = self.config.network.to_dict()
        checkpoint["start"] = self.start

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember where the run began."""
        self.start = checkpoint["start"]
