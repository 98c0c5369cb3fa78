"""Lightning module: training step, optimiser and validation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import lightning as lit
import torch
from pytorch_optimizer import Muon
from torch import Tensor

from napari_vit_tfm.models.physics_vit import PhysicsViT
from napari_vit_tfm.models.precision import without_autocast
from napari_vit_tfm.models.views import N_VIEWS, from_view
from napari_vit_tfm.training.config import TrainingConfig
from napari_vit_tfm.training.data import TrainingBatch, validation_kinds
from napari_vit_tfm.training.losses import relative_squared_error, traction_loss

VALIDATION_NOISE = (0.0, 0.05, 0.3)
"""Noise levels of the validation fields, relative to their root mean square."""


class TrainingModule(lit.LightningModule):
    """A network with its training and validation steps.

    Parameters
    ----------
    config : TrainingConfig
        The run.

    Attributes
    ----------
    validation_sets : list of tuples
        Kind and noise level of each set of validation fields.
    start : mapping, optional
        Name and SHA-256 of the starting weights, which are stored in checkpoints.
    teacher : callable, optional
        The network with averaged weights, from displacements ``u / L`` to tractions
        ``t / E``. Runs with consistency need it.
    """

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.network = PhysicsViT(config.network)
        self.validation_sets = list(product(validation_kinds(config), VALIDATION_NOISE))
        self.start: Mapping[str, str] | None = None
        self.teacher: Callable[[Tensor], Tensor] | None = None

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Compute the fields of a training batch on the device."""
        return batch.fields() if isinstance(batch, TrainingBatch) else batch

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Set the learning rate and weight decay of this step.

        They depend only on the step and the configuration. A run that is resumed with
        a changed configuration therefore follows it, not the optimiser state in the
        checkpoint.
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
            loss = traction_loss(
                traction,
                truth,
                displacement,
                self.config.loss,
                target=self.target(displacement, truth),
            ).mean()
            error = relative_squared_error(traction.detach(), truth).sqrt().mean()
        self.log("train/loss", loss)
        self.log("train/relative_error", error, prog_bar=True)
        self.log(
            "train/learning_rate",
            self.config.learning_rate * self.rate_factor(self.global_step),
        )
        return loss

    @torch.no_grad()
    def target(self, displacement: Tensor, truth: Tensor) -> Tensor:
        """Tractions that the network is to give.

        They are the true ones, blended with those that the averaged network gives for
        another view of the field (a mean teacher [1]_). Noise leaves the true traction
        uncertain; the average is closer to its mean, which is the best answer, than
        one true traction is. It also teaches the network to give the same for every
        view. The view changes from step to step.

        Parameters
        ----------
        displacement, truth : tensors of shape (N, 2, H, W)
            Displacements ``u / L`` and true tractions ``t / E``.

        Returns
        -------
        tensor of shape (N, 2, H, W)

        References
        ----------
        .. [1] A. Tarvainen and H. Valpola, "Mean teachers are better role models",
           NeurIPS 30 (2017), arXiv:1703.01780.
        """
        if not self.config.consistency:
            return truth
        assert self.teacher is not None
        view = 1 + self.global_step % (N_VIEWS - 1)
        taught = from_view(self.teacher, displacement, view)
        return truth.lerp(taught.to(truth.dtype), self.config.consistency)

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
        """Create the optimiser: Muon for matrices [1]_, AdamW for other parameters.

        Both have the learning rate set by `on_train_batch_start`, because the steps of
        Muon are scaled to the size of those of AdamW [2]_.

        References
        ----------
        .. [1] K. Jordan et al., "Muon: an optimizer for hidden layers in neural
           networks" (2024), https://kellerjordan.github.io/posts/muon/.
        .. [2] J. Liu et al., "Muon is scalable for LLM training", arXiv:2502.16982
           (2025).
        """
        # A depthwise convolution has one filter per channel, not a matrix.
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
        """Learning rate relative to its peak: linear warm-up times cosine decay."""
        warmup = min(1.0, (step + 1) / max(1, self.config.warmup_steps))
        progress = min(1.0, step / max(1, self.config.steps))
        return warmup * 0.5 * (1 + math.cos(math.pi * progress))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the network configuration and the starting weights to the checkpoint."""
        checkpoint["network"] = self.config.network.to_dict()
        checkpoint["start"] = self.start

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the name and SHA-256 of the starting weights."""
        self.start = checkpoint["start"]
