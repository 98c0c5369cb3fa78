"""The training run: data, trainer, checkpoints, exported weights."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import lightning as lit
import torch
from lightning.pytorch.callbacks import (
    Callback,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
)
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader, TensorDataset

from napari_vit_tfm.fields import FieldError
from napari_vit_tfm.models.weights import save_network
from napari_vit_tfm.training.config import TrainingConfig
from napari_vit_tfm.training.data import TrainingFields, validation_fields
from napari_vit_tfm.training.module import VALIDATION_SIGMAS, TrainingModule


class _Export(Callback):
    """Writes the averaged weights after every validation.

    Stands before the averaging in the list of callbacks: at the end of a
    validation it then finds the averaged weights still in place.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_validation_epoch_end(
        self, trainer: lit.Trainer, module: lit.LightningModule
    ) -> None:
        assert isinstance(module, TrainingModule)
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        errors = {
            name: round(float(value), 4)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("validation/")
        }
        training = {
            "config": module.config.to_dict(),
            "step": trainer.global_step,
            "validation": errors,
        }
        save_network(self.path, module.network, training=training)
        print(f"step {trainer.global_step}: {errors}", flush=True)


def train(
    config: TrainingConfig,
    *,
    output: str | Path,
    resume: bool = False,
    device: str = "auto",
    progress: bool = True,
) -> Path:
    """Train a network and write its weights.

    Parameters
    ----------
    config : TrainingConfig
        The run; stored as ``config.json`` beside the weights.
    output : path, keyword-only
        Folder for weights, checkpoints and logs.
    resume : bool, keyword-only
        Whether to go on from the folder's last checkpoint.
    device : str, keyword-only
        Lightning's accelerator: "auto", "cpu", "cuda" or "mps".
    progress : bool, keyword-only
        Whether to draw a progress bar.

    Returns
    -------
    path
        The weights' file, ``vit.safetensors`` in `output`.

    Raises
    ------
    FieldError
        If there is nothing to resume, or something would be overwritten.
    """
    output = Path(output)
    checkpoint = output / "checkpoints" / "last.ckpt"
    if resume and not checkpoint.exists():
        raise FieldError(f"nothing to resume: {checkpoint} is not there")
    if not resume and checkpoint.exists():
        raise FieldError(f"{output} holds a run already: resume it or name another")
    output.mkdir(parents=True, exist_ok=True)
    (output / "config.json").write_text(json.dumps(config.to_dict(), indent=2) + "\n")
    lit.seed_everything(config.seed)
    weights = output / "vit.safetensors"
    trainer = lit.Trainer(
        accelerator={"cuda": "gpu"}.get(device, device),
        devices=1,
        max_steps=config.steps,
        gradient_clip_val=config.gradient_clip,
        val_check_interval=config.validate_every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_progress_bar=progress,
        enable_model_summary=progress,
        log_every_n_steps=min(50, config.validate_every),
        logger=[TensorBoardLogger(output, name="logs"), CSVLogger(output, name="csv")],
        callbacks=[
            _Export(weights),
            EMAWeightAveraging(decay=config.ema_decay),
            LearningRateMonitor("step"),
            ModelCheckpoint(
                output / "checkpoints",
                save_last=True,
                save_top_k=0,
                every_n_train_steps=config.validate_every,
            ),
        ],
    )
    fields = TrainingFields(config, start=_step_of(checkpoint) if resume else 0)
    module, validation = TrainingModule(config), _validation_loaders(config)
    trainer.fit(
        module,
        DataLoader(fields, batch_size=None, num_workers=_n_workers(trainer)),
        validation,
        ckpt_path=checkpoint if resume else None,
        weights_only=True,
    )
    if trainer.global_step % config.validate_every:
        # The averaged weights of the last step are in place by now.
        trainer.validate(module, validation, verbose=False)
    return weights


def _n_workers(trainer: lit.Trainer) -> int:
    """Processes that make fields: none on the CPU, where they would only compete."""
    if trainer.strategy.root_device.type == "cpu":
        return 0
    return min(12, os.cpu_count() or 1)


def _step_of(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, weights_only=True)["global_step"])


def _validation_loaders(config: TrainingConfig) -> list[DataLoader[Any]]:
    return [
        DataLoader(
            TensorDataset(*validation_fields(config.validation_fields, sigma)),
            batch_size=config.batch_size,
        )
        for sigma in VALIDATION_SIGMAS
    ]
