"""Measurement of the training speed, and of what limits it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import lightning as lit
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.flop_counter import FlopCounterMode

from napari_vit_tfm.config import Device
from napari_vit_tfm.models.precision import full_float32
from napari_vit_tfm.training.callbacks import AverageWeights
from napari_vit_tfm.training.config import TrainingConfig
from napari_vit_tfm.training.losses import traction_loss
from napari_vit_tfm.training.module import TrainingModule
from napari_vit_tfm.training.train import trainer_for, training_loader

Fields = tuple[Tensor, Tensor]

_DTYPES = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
_MATMUL_SIDES = {"cpu": 1024, "cuda": 8192, "mps": 4096}
_REPEATS = 5


@dataclass(frozen=True)
class Throughput:
    """Result of `measure`.

    Parameters
    ----------
    device, precision : str
        Device, and precision of the encoder blocks.
    steps, batch_size : int
        Number of timed steps, and of fields per step.
    generation, training, both : float
        Fields per second: generation alone, training alone on fields generated
        before, and both together.
    flops : float
        Floating-point operations per second of the matrix products and convolutions
        in training alone.
    matmul_flops : dict of str to float
        Floating-point operations per second of a large matrix product on the device,
        by data type.
    """

    device: str
    precision: str
    steps: int
    batch_size: int
    generation: float
    training: float
    both: float
    flops: float
    matmul_flops: dict[str, float]

    @property
    def share(self) -> dict[str, float]:
        """Rate of training alone relative to the matrix product, by data type."""
        return {name: self.flops / rate for name, rate in self.matmul_flops.items()}

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can store."""
        return {
            "device": self.device,
            "precision": self.precision,
            "steps": self.steps,
            "batch_size": self.batch_size,
            "fields_per_second": {
                "generation": self.generation,
                "training": self.training,
                "both": self.both,
            },
            "training_flops": self.flops,
            "matmul_flops": self.matmul_flops,
            "share_of_matmul": self.share,
        }


def measure(
    config: TrainingConfig, *, steps: int, device: Device = "auto"
) -> Throughput:
    """Time the generation of fields, the training, and both together.

    All three use the same batches. A quarter as many steps are run before as a warm-up.
    TensorFloat-32 is disabled, as in a training run.

    Parameters
    ----------
    config : TrainingConfig
        The run. It writes no files.
    steps : int, keyword-only
        Number of timed steps. It should be several times the number of batches that
        worker processes generate ahead, which is at most 24.
    device : {"auto", "cpu", "cuda", "mps"}, keyword-only
        Device; ``auto`` is the GPU if there is one.

    Returns
    -------
    Throughput

    Raises
    ------
    ConfigError
        If there is no such device, or it does not support the precision.
    """
    warmup = max(1, steps // 4)
    config = replace(config, steps=warmup + steps)
    with full_float32():
        generation, batches = _generate(config, warmup, device)
        training = _train(config, warmup, device, batches)
        both = _train(config, warmup, device)
        where = batches[0][0].device
        flops = _training_flops(config, batches[warmup:])
        dtypes = [torch.float32]
        if config.precision in _DTYPES:
            dtypes.append(_DTYPES[config.precision])
        rates = {
            str(dtype).removeprefix("torch."): _matmul_flops(where, dtype)
            for dtype in dtypes
        }
    n_fields = steps * config.batch_size
    return Throughput(
        device=_name_of(where),
        precision=config.precision,
        steps=steps,
        batch_size=config.batch_size,
        generation=n_fields / generation,
        training=n_fields / training,
        both=n_fields / both,
        flops=flops / training,
        matmul_flops=rates,
    )


class _Stopwatch(Callback):
    """Time from the end of the warm-up to the end of the run."""

    def __init__(self, warmup: int) -> None:
        self.warmup = warmup
        self.started = self.seconds = 0.0

    def on_train_batch_end(
        self,
        trainer: lit.Trainer,
        module: lit.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if trainer.global_step == self.warmup:
            _wait_for(module.device)
            self.started = perf_counter()
        elif trainer.global_step == trainer.max_steps:
            _wait_for(module.device)
            self.seconds = perf_counter() - self.started


class _GeneratedBatches(IterableDataset[Fields]):
    """Batches that have been generated before."""

    def __init__(self, batches: list[Fields]) -> None:
        self.batches = batches

    def __iter__(self) -> Any:
        return iter(self.batches)


def _trainer(config: TrainingConfig, device: Device, *callbacks: Callback) -> Any:
    return trainer_for(
        config,
        device=device,
        devices=1,
        callbacks=list(callbacks),
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def _generate(
    config: TrainingConfig, warmup: int, device: Device
) -> tuple[float, list[Fields]]:
    """Seconds to generate the batches after the warm-up, and all batches."""
    trainer = _trainer(config, device)
    where = trainer.strategy.root_device
    stream = iter(training_loader(config, trainer, start=0))
    batches: list[Fields] = []
    started = 0.0
    for step in range(config.steps):
        if step == warmup:
            _wait_for(where)
            started = perf_counter()
        batches.append(next(stream).to(where).fields())
    _wait_for(where)
    return perf_counter() - started, batches


def _train(
    config: TrainingConfig,
    warmup: int,
    device: Device,
    batches: list[Fields] | None = None,
) -> float:
    """Seconds of the training steps after the warm-up."""
    watch = _Stopwatch(warmup)
    average = AverageWeights(config.ema_decay)
    trainer = _trainer(config, device, average, watch)
    if batches is None:
        loader = training_loader(config, trainer, start=0)
    else:
        loader = DataLoader(_GeneratedBatches(batches), batch_size=None)
    trainer.fit(TrainingModule(config), loader, [])
    return watch.seconds


def _training_flops(config: TrainingConfig, batches: list[Fields]) -> float:
    """Floating-point operations of forward and backward passes over all batches."""
    network = TrainingModule(config).network.to(batches[0][0].device)
    shapes = Counter(displacement.shape for displacement, _ in batches)
    total = 0.0
    for displacement, truth in batches:
        times = shapes.pop(displacement.shape, 0)
        if not times:
            continue
        # The explicit computation of attention is counted on every device.
        counter = FlopCounterMode(display=False)
        with counter, sdpa_kernel(SDPBackend.MATH):
            loss = traction_loss(
                network(displacement), truth, displacement, config.loss
            )
            torch.autograd.backward(loss.mean())
        total += times * counter.get_total_flops()
    return total


def _matmul_flops(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of a large square matrix product, best of several runs."""
    side = _MATMUL_SIDES[device.type]
    matrix = torch.randn(side, side, device=device).to(dtype)
    seconds = []
    for _ in range(_REPEATS):
        _wait_for(device)
        started = perf_counter()
        matrix @ matrix
        _wait_for(device)
        seconds.append(perf_counter() - started)
    return 2 * side**3 / min(seconds)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _name_of(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"cpu, {torch.get_num_threads()} threads"
    return device.type
