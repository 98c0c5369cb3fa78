"""Training runs: data, trainer, checkpoints and weights."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as lit
import torch
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader, TensorDataset

from napari_vit_tfm.config import Device
from napari_vit_tfm.errors import ConfigError, ModelError, TFMError, out_of_memory
from napari_vit_tfm.io.replacing import (
    create_folder,
    errors_about,
    unwritable,
    write_bytes,
)
from napari_vit_tfm.models.checkpoint import check_zip
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig, Refinement
from napari_vit_tfm.models.precision import full_float32
from napari_vit_tfm.models.registry import load
from napari_vit_tfm.models.weights import PhysicsViTMethod
from napari_vit_tfm.reconstruction import resolve_device
from napari_vit_tfm.training.callbacks import (
    AverageWeights,
    KeepBest,
    KeepCheckpoint,
    WholeCheckpoints,
)
from napari_vit_tfm.training.config import TrainingConfig
from napari_vit_tfm.training.data import (
    TrainingFields,
    validation_fields,
    validation_kinds,
)
from napari_vit_tfm.training.module import TrainingModule

CONFIG_NAME = "config.toml"
"""Name of the configuration file in the folder of a run."""

WEIGHTS_NAME = "vit.safetensors"
"""Name of the file with the weights."""


def train(
    config: TrainingConfig,
    *,
    output: str | Path,
    resume: bool = False,
    start: PhysicsViTMethod | None = None,
    device: Device = "auto",
    devices: int = 1,
    nodes: int = 1,
    progress: bool = True,
    before_writing: Callable[[], None] | None = None,
) -> Path | None:
    """Train a network and write its weights.

    Parameters
    ----------
    config : TrainingConfig
        The run. It is stored as ``config.toml`` in `output`.
    output : path, keyword-only
        Folder for weights, checkpoint and logs.
    resume : bool, keyword-only
        Whether to resume from the checkpoint in `output`. With the same configuration
        the result is that of an uninterrupted run. A changed configuration applies
        from the checkpoint on.
    start : PhysicsViTMethod, keyword-only, optional
        Starting weights, instead of random ones. The new network may have more
        refinements; the added ones have no effect at first.
    device : {"auto", "cpu", "cuda", "mps"}, keyword-only
        Device; ``auto`` is the GPU if there is one.
    devices, nodes : int, keyword-only
        Number of devices per node and of nodes. Each device draws its own batches. The
        calling process starts the others on its node by running its own command line
        again.
    progress : bool, keyword-only
        Whether to show a progress bar.
    before_writing : callable, keyword-only, optional
        Called in the first process before anything is written; it may raise an error.

    Returns
    -------
    path
        The weights file, ``vit.safetensors`` in `output`, with the averaged weights of
        the best validation score. None in all processes except the first, which
        writes it.

    Raises
    ------
    ConfigError
        If there is nothing to resume, an earlier run would be overwritten, the
        networks differ in size, a resumed run is given starting weights, or the
        device is missing or does not support the precision.
    ModelError
        If the checkpoint was not written by a training run, is damaged, or belongs to
        another version of Lightning that this one cannot go on from.
    FieldFileError
        If a file cannot be written, for example because the disk is full.
    """
    if resume and start is not None:
        raise ConfigError("a resumed run cannot start from other weights")
    output = Path(output)
    checkpoint = output / "checkpoints" / "last.ckpt"
    first_step = _first_step(checkpoint, config, resume=resume)
    module = _module(config, start)
    keep = KeepCheckpoint(checkpoint, every=config.checkpoint_every)
    with full_float32(), _documented_errors(keep, output, resume=resume):
        best = KeepBest(output / WEIGHTS_NAME, resume=resume)
        trainer = trainer_for(
            config,
            device=device,
            devices=devices,
            num_nodes=nodes,
            val_check_interval=config.validate_every,
            check_val_every_n_epoch=None,
            num_sanity_val_steps=0,
            # Every process validates on all fields, so that all have the same score.
            use_distributed_sampler=False,
            enable_progress_bar=progress,
            enable_model_summary=progress,
            log_every_n_steps=min(50, config.validate_every),
            logger=[
                TensorBoardLogger(output, name="logs"),
                _CsvLog(output, name="csv"),
            ],
            callbacks=[best, AverageWeights(config.ema_decay), keep],
            plugins=[WholeCheckpoints()],
        )
        if trainer.is_global_zero:
            create_folder(output)
            if before_writing is not None:
                before_writing()
            # The file may have comments.
            if not is_run_of(output, config):
                write_bytes(output / CONFIG_NAME, config.to_toml().encode())
        validation = _validation_loaders(config, module.validation_sets)
        trainer.fit(
            module,
            training_loader(config, trainer, start=first_step),
            validation,
            ckpt_path=checkpoint if resume else None,
            weights_only=True,
        )
        if trainer.global_step % config.validate_every:
            # The network has the averaged weights of the last step now.
            trainer.validate(module, validation, verbose=False, weights_only=True)
    return best.path if trainer.is_global_zero else None


class _CsvLog(CSVLogger):
    """A table of what is logged; an error names the file."""

    def save(self) -> None:
        """Write the table."""
        with errors_about(Path(self.log_dir) / "metrics.csv"):
            super().save()


@contextmanager
def _documented_errors(
    keep: KeepCheckpoint, output: Path, *, resume: bool
) -> Iterator[None]:
    """Name the file for which Lightning fails."""
    try:
        yield
    except TFMError:
        raise
    except Exception as error:
        full = _full_disk(error)
        if full is not None:
            raise unwritable(Path(full.filename or output), full) from error
        # Before the first step, it restores what is in the checkpoint.
        if not resume or keep.has_begun or out_of_memory(error):
            raise
        raise ModelError(
            f"{keep.path}: the run cannot go on from this checkpoint with Lightning "
            f"{lit.__version__}: it is damaged, or was written with another version "
            f"({type(error).__name__}: {error})"
        ) from error


def _full_disk(error: BaseException | None) -> OSError | None:
    """The error of a full disk that has led to an error, if there is one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        error = error.__cause__
    return None


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors of a full disk."""


def is_run_of(folder: Path, config: TrainingConfig) -> bool:
    """Whether the configuration of the run in a folder is this one."""
    try:
        return TrainingConfig.from_toml(folder / CONFIG_NAME) == config
    except (TFMError, OSError):
        return False


def starting_weights(name_or_path: str | Path) -> PhysicsViTMethod:
    """Load the starting weights of a run.

    Parameters
    ----------
    name_or_path : str or path
        A registered name ("vit") or a ``.safetensors`` file.

    Raises
    ------
    ModelError
        If the weights cannot be loaded, or are not those of a physics-guided ViT.
    """
    method = load(name_or_path)
    if not isinstance(method, PhysicsViTMethod):
        raise ModelError(
            f"a run cannot start from {method.name}: use vit, or a .safetensors file "
            "written by vit-tfm train"
        )
    return method


def trainer_for(
    config: TrainingConfig, *, device: Device, **options: Any
) -> lit.Trainer:
    """Create a trainer for the steps of a configuration.

    Raises
    ------
    ConfigError
        If there is no such device, or it does not support the precision.
    """
    resolved = resolve_device(device)
    if resolved == "cpu" and config.precision == "16-mixed":
        raise ConfigError(
            "the CPU does not support the precision 16-mixed: use bf16-mixed or 32"
        )
    return lit.Trainer(
        accelerator={"cuda": "gpu"}.get(resolved, resolved),
        precision=config.precision,
        max_steps=config.steps,
        gradient_clip_val=config.gradient_clip,
        **options,
    )


def training_loader(
    config: TrainingConfig, trainer: lit.Trainer, *, start: int
) -> DataLoader[Any]:
    """Data loader of the batches from step `start` on."""
    # On the CPU, worker processes would compete with the training.
    n_workers = 0
    if trainer.strategy.root_device.type != "cpu":
        n_workers = min(12, (os.cpu_count() or 1) // trainer.num_devices)
    fields = TrainingFields(
        config, start=start, rank=trainer.global_rank, n_ranks=trainer.world_size
    )
    return DataLoader(fields, batch_size=None, num_workers=n_workers)


def _first_step(checkpoint: Path, config: TrainingConfig, *, resume: bool) -> int:
    """First step of the run; raises an error if the run cannot start."""
    if not resume:
        if checkpoint.exists():
            folder = checkpoint.parents[1]
            raise ConfigError(
                f"{folder} already holds a run: resume it, or choose another folder"
            )
        return 0
    if not checkpoint.exists():
        raise ConfigError(f"nothing to resume: {checkpoint} does not exist")
    with checkpoint.open("rb") as stream:
        check_zip(checkpoint, stream)
    try:
        saved = torch.load(checkpoint, weights_only=True, map_location="cpu", mmap=True)
        step = _checked_step(saved)
        found = PhysicsViTConfig.from_dict(saved["network"])
    except Exception as error:  # another file can fail in any way
        raise _no_checkpoint(checkpoint, error) from error
    _check_same_network(found, config.network, f"{checkpoint}")
    try:
        _check_shapes(saved, config)
    except Exception as error:
        raise _no_checkpoint(checkpoint, error) from error
    if step >= config.steps:
        raise ConfigError(
            f"the run is complete: {step} of {config.steps} steps are done; increase "
            "steps in the configuration to continue"
        )
    return step


def _no_checkpoint(checkpoint: Path, error: Exception) -> ModelError:
    reason = f" ({error})" if isinstance(error, ValueError) else ""
    return ModelError(
        f"{checkpoint}: not a checkpoint written by vit-tfm train{reason}"
    )


def _check_shapes(saved: dict[str, Any], config: TrainingConfig) -> None:
    """Raise an error if tensors do not have the shapes of the network."""
    with torch.device("meta"):
        module = TrainingModule(config)
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    for name in ("state_dict", "current_model_state"):
        found = {key: tensor.shape for key, tensor in saved[name].items()}
        if found != expected:
            raise ValueError(f"{name} has not the tensors of the network")
    groups = module.configure_optimizers().param_groups
    parameters = [parameter for group in groups for parameter in group["params"]]
    for number, state in saved["optimizer_states"][0]["state"].items():
        for name, tensor in state.items():
            if tensor.shape != parameters[number].shape:
                raise ValueError(f"{name} {number} has not the shape of its weights")


_SAVED: dict[str, type] = {
    "state_dict": dict,
    "current_model_state": dict,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
}
"""What a checkpoint has, none of which is empty."""


def _checked_step(saved: dict[str, Any]) -> int:
    """The step of a checkpoint that has all that a run goes on from."""
    for name, kind in _SAVED.items():
        if not isinstance(saved[name], kind) or not saved[name]:
            raise ValueError(f"{name} is no {kind.__name__}, or empty")
    for name in ("state_dict", "current_model_state"):
        for tensor in saved[name].values():
            if not (tensor.is_floating_point() and tensor.isfinite().all()):
                raise ValueError(f"{name} has weights that are not finite")
    step = saved["global_step"]
    if type(step) is not int or step < 0:
        raise ValueError(f"the step is {step!r}")
    return step


def _module(config: TrainingConfig, start: PhysicsViTMethod | None) -> TrainingModule:
    lit.seed_everything(config.seed, verbose=False)
    module = TrainingModule(config)
    if start is not None:
        _begin_from(start.network, module.network, start.name)
        module.start = {"model": start.name, "sha256": start.sha256}
    return module


def _begin_from(start: PhysicsViT, network: PhysicsViT, name: str) -> None:
    """Copy the weights of a network to one that may have more refinements.

    Each added refinement starts with the features of the last one and an output of
    zero.
    """
    n_start = len(start.refinements)
    n_refinements = max(n_start, len(network.refinements))
    grown = replace(start.config, refinements=n_refinements)
    _check_same_network(grown, network.config, name)
    network.load_state_dict(start.state_dict(), strict=n_refinements == n_start)
    for refinement in network.refinements[n_start:]:
        assert isinstance(refinement, Refinement)
        if n_start:
            refinement.load_state_dict(start.refinements[-1].state_dict())
        refinement.reset_head()


def _check_same_network(
    found: PhysicsViTConfig, expected: PhysicsViTConfig, where: str
) -> None:
    wanted = asdict(expected)
    differences = [
        f"{name} {value} instead of {wanted[name]}"
        for name, value in asdict(found).items()
        if value != wanted[name]
    ]
    if differences:
        raise ConfigError(
            f"{where} does not have the network size of the configuration: "
            + ", ".join(differences)
        )


def _validation_loaders(
    config: TrainingConfig, sets: list[tuple[str, float]]
) -> list[DataLoader[Any]]:
    kinds = validation_kinds(config)
    return [
        DataLoader(
            TensorDataset(
                *validation_fields(kinds[kind], config.validation_fields, noise)
            ),
            batch_size=config.batch_size,
        )
        for kind, noise in sets
    ]
