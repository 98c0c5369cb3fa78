"""What is kept of a training run: its best weights and its checkpoints."""

from __future__ import annotations

import json
import math
import signal
import threading
from pathlib import Path
from typing import Any

import lightning as lit
from lightning.pytorch.callbacks import Callback, Checkpoint
from lightning.pytorch.trainer.states import TrainerFn
from safetensors import safe_open

from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.models.weights import save_network
from napari_vit_tfm.training.module import TrainingModule

_ERRORS = "validation/"
SCORE = "score"
"""Mean logarithm of the validation errors over kinds of fields and noise levels; low
is good."""


class KeepBest(Callback):
    """Writes the averaged weights when they are the best so far.

    Stands before the averaging in the list of callbacks: at the end of a
    validation it then finds the averaged weights still in place. The best score
    is read off the file itself, so no resumed run replaces it by a worse one.

    Parameters
    ----------
    path : Path
        The weights' file.
    resume : bool, keyword-only
        Whether the file that is there belongs to the run.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        self.score, self.step = math.inf, 0
        if resume and path.exists():
            with safe_open(path, framework="pt") as file:
                training = json.loads(file.metadata()["training"])
            self.score, self.step = training["score"], training["step"]

    def on_validation_epoch_end(
        self, trainer: lit.Trainer, module: lit.LightningModule
    ) -> None:
        """Compare the score with the best; stop a run that is none the better."""
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
                f"the training has come to nothing by step {step}: its error is not "
                "finite; a lower learning_rate may help"
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


class KeepCheckpoint(Checkpoint):
    """Writes a checkpoint from which the run goes on as if it had not stopped.

    Every so many steps, after every validation, at the last step, and after the
    step in which the process is interrupted or asked to end. As a `Checkpoint`
    it is called after the other callbacks: the average is up to date.

    Parameters
    ----------
    path : Path
        The checkpoint's file.
    every : int, keyword-only
        Steps between checkpoints.
    """

    def __init__(self, path: Path, *, every: int) -> None:
        self.path = path
        self.every = every
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: lit.Trainer, module: lit.LightningModule) -> None:
        """Let interruptions wait until the step is done; a second one does not."""
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
        """Write if it is time; then give in to an interruption."""
        step = trainer.global_step
        # All processes of a run must agree, whichever of them was interrupted.
        interrupted = trainer.strategy.reduce_boolean_decision(
            self._signal is not None, all=False
        )
        if interrupted or step % self.every == 0 or step >= trainer.max_steps:
            trainer.save_checkpoint(self.path)
        if interrupted:
            if trainer.is_global_zero:
                print(f"interrupted: to be resumed after step {step}", flush=True)
            raise SystemExit(128 + (self._signal or signal.SIGTERM))

    def on_validation_end(
        self, trainer: lit.Trainer, module: lit.LightningModule
    ) -> None:
        """Write, unless the run is over."""
        if trainer.state.fn == TrainerFn.FITTING:
            trainer.save_checkpoint(self.path)

    def on_train_end(self, trainer: lit.Trainer, module: lit.LightningModule) -> None:
        """Leave interruptions to whoever had them."""
        self._restore_handlers()

    def on_exception(
        self, trainer: lit.Trainer, module: lit.LightningModule, exception: Any
    ) -> None:
        """Leave interruptions to whoever had them."""
        self._restore_handlers()
