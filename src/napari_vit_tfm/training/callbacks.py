"""Callbacks that save the best weights and the checkpoints of a training run."""

from __future__ import annotations

import io
import math
import signal
import threading
from pathlib import Path
from typing import Any

import lightning as lit
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, EMAWeightAveraging
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn

from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.io.replacing import create_folder, write_bytes
from napari_vit_tfm.models.weights import save_network, training_record
from napari_vit_tfm.training.module import TrainingModule

_ERRORS = "validation/"
SCORE = "score"
"""Name of the score: mean logarithm of the validation errors over kinds of fields and
noise levels. Lower is better."""


class KeepBest(Callback):
    """Saves the averaged weights when their score is the best so far.

    It precedes the averaging callback in the list of callbacks, so that the network
    still has the averaged weights when its validation ends. The best score is read
    from the weights file, so a resumed run does not replace it by a worse network.

    Parameters
    ----------
    path : Path
        The weights file.
    resume : bool, keyword-only
        Whether an existing file belongs to the run.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        self.score, self.step = math.inf, 0
        if resume and path.exists():
            training = training_record(path)
            self.score, self.step = training["score"], training["step"]

    def on_validation_epoch_end(
        self, trainer: lit.Trainer, module: lit.LightningModule
    ) -> None:
        """Save the weights if they are the best; stop a run that no longer improves."""
        assert isinstance(module, TrainingModule)
        step, config = trainer.global_step, module.config
        errors = {
            name.removeprefix(_ERRORS): float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith(_ERRORS)
        }
        score = sum(math.log(error) for error in errors.values()) / len(errors)
        if not math.isfinite(score):
            raise ConfigError(
                f"the training has diverged by step {step}: the validation error is "
                "not finite; a lower learning_rate may help"
            )
        module.log(SCORE, score, sync_dist=True)
        is_best = score < self.score
        if is_best:
            self.score, self.step = score, step
            if trainer.is_global_zero:
                self._write(module, errors)
        elif config.patience:
            stale = step - self.step >= config.patience * config.validate_every
            trainer.should_stop = trainer.should_stop or stale
        if trainer.is_global_zero:
            shown = ", ".join(f"{name} {error:.3g}" for name, error in errors.items())
            best = " (best)" if is_best else ""
            print(f"step {step}: score {score:.4f}{best}; {shown}", flush=True)

    def _write(self, module: TrainingModule, errors: dict[str, float]) -> None:
        training = {
            "config": module.config.to_dict(),
            "start": module.start,
            "step": self.step,
            "score": self.score,
            "validation": errors,
        }
        save_network(self.path, module.network, training=training)


class AverageWeights(EMAWeightAveraging):
    """Averages the weights; the averaged network teaches that which is trained.

    Parameters
    ----------
    decay : float
        Decay of the exponential moving average.
    """

    def __init__(self, decay: float) -> None:
        super().__init__(decay=decay)

    def on_train_start(self, trainer: lit.Trainer, module: lit.LightningModule) -> None:
        """Give the averaged network to the module."""
        assert isinstance(module, TrainingModule)
        assert self._average_model is not None
        averaged = self._average_model.module
        assert isinstance(averaged, TrainingModule)
        # A function, since a network would become a part of the module.
        module.teacher = averaged.network.forward


class WholeCheckpoints(TorchCheckpointIO):
    """Writes checkpoints as all files are written: an old one stays until it is whole.

    Lightning would copy it from another disk, where it may end in the middle.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; an error about the file is raised if it cannot be."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        create_folder(Path(path).parent)
        write_bytes(path, content.getbuffer())


class KeepCheckpoint(Checkpoint):
    """Saves checkpoints from which a run can be resumed without any difference.

    A checkpoint is saved every `every` steps, after every validation, at the last
    step, and after a step in which the process receives SIGINT or SIGTERM. As a
    subclass of `Checkpoint` it runs after the other callbacks, when the averaged
    weights are up to date.

    Parameters
    ----------
    path : Path
        The checkpoint file.
    every : int, keyword-only
        Steps between checkpoints.

    Attributes
    ----------
    has_begun : bool
        Whether the first step is about to be done, with all that a checkpoint has.
    """

    def __init__(self, path: Path, *, every: int) -> None:
        self.path = path
        self.every = every
        self.has_begun = False
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: lit.Trainer, module: lit.LightningModule) -> None:
        """Delay an interruption to the end of the step; a second one acts at once."""
        self.has_begun = True
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: object) -> None:
        self._signal = number
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        while self._handlers:
            signal.signal(*self._handlers.popitem())

    def on_train_batch_end(
        self,
        trainer: lit.Trainer,
        module: lit.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save a checkpoint if it is due; then exit if there was an interruption."""
        step = trainer.global_step
        # All processes of a run stop if one of them was interrupted.
        interrupted = trainer.strategy.reduce_boolean_decision(
            self._signal is not None, all=False
        )
        if interrupted or step % self.every == 0 or step >= trainer.max_steps:
            trainer.save_checkpoint(self.path)
        if interrupted:
            if trainer.is_global_zero:
                print(f"interrupted after step {step}; it can be resumed", flush=True)
            raise SystemExit(128 + (self._signal or signal.SIGTERM))

    def on_validation_end(
        self, trainer: lit.Trainer, module: lit.LightningModule
    ) -> None:
        """Save a checkpoint during training."""
        if trainer.state.fn == TrainerFn.FITTING:
            trainer.save_checkpoint(self.path)

    def on_train_end(self, trainer: lit.Trainer, module: lit.LightningModule) -> None:
        """Restore the previous signal handlers."""
        self._restore_handlers()

    def on_exception(
        self, trainer: lit.Trainer, module: lit.LightningModule, exception: Any
    ) -> None:
        """Restore the previous signal handlers."""
        self._restore_handlers()
