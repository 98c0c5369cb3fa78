"""A run from a configuration to weights, small but whole."""

from __future__ import annotations

import csv
import errno
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as lit
import pytest
import torch
from torch import Tensor

from napari_vit_tfm.errors import ConfigError, FieldFileError, ModelError
from napari_vit_tfm.models.weights import (
    PhysicsViTMethod,
    load_network,
    training_record,
)
from napari_vit_tfm.training import TrainingConfig, starting_weights
from napari_vit_tfm.training import train as train_anywhere
from napari_vit_tfm.training.data import TrainingFields
from napari_vit_tfm.training.losses import traction_loss
from napari_vit_tfm.training.module import TrainingModule

# Lightning asks torch for names that torch has since renamed.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*LeafSpec.*", "ignore:.*does not have many workers.*"
)

Patch = pytest.MonkeyPatch


def train(config: TrainingConfig, **options: Any) -> Path:
    weights = train_anywhere(config, device="cpu", progress=False, **options)
    assert weights is not None
    return weights


def header(weights: Path) -> dict[str, Any]:
    return training_record(weights)


def checkpoint(run: Path) -> dict[str, Any]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same_state(one: Path, other: Path) -> None:
    """Weights, averages and optimiser agree to the last bit."""
    first, second = checkpoint(one), checkpoint(other)
    assert first["global_step"] == second["global_step"]
    for name in ("state_dict", "current_model_state", "averaging_state"):
        for key, value in first[name].items():
            assert torch.equal(value, second[name][key]), (name, key)
    moments = [saved["optimizer_states"][0]["state"] for saved in (first, second)]
    for key, state in moments[0].items():
        for name, value in state.items():
            assert torch.equal(value, moments[1][key][name]), (name, key)


@pytest.fixture
def each_step(monkeypatch: Patch) -> Callable[[Callable[[int], None]], None]:
    """Have a function called with the number of every step before it is done."""

    def call(before: Callable[[int], None]) -> None:
        done = TrainingModule.training_step

        def step(self: TrainingModule, batch: Any, index: int) -> Tensor:
            before(self.global_step)
            return done(self, batch, index)

        monkeypatch.setattr(TrainingModule, "training_step", step)

    return call


@pytest.fixture
def errors(monkeypatch: Patch) -> list[float]:
    """Errors that the validations are to find, one after the other."""
    given: list[float] = []

    def step(
        self: TrainingModule, batch: Any, index: int, dataloader_idx: int = 0
    ) -> None:
        name = f"validation/{dataloader_idx}"
        error = given[0] if dataloader_idx < 2 else given.pop(0)
        self.log(name, error, add_dataloader_idx=False, batch_size=1)

    monkeypatch.setattr(TrainingModule, "validation_step", step)
    return given


@pytest.mark.parametrize(("stop", "consistency"), [(2, 0.0), (3, 0.0), (3, 0.6)])
def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    tmp_path: Path,
    tiny: TrainingConfig,
    each_step: Any,
    stop: int,
    consistency: float,
) -> None:
    tiny = replace(tiny, consistency=consistency)
    train(tiny, output=tmp_path / "straight")
    seen: list[int] = []

    def interrupt(step: int) -> None:
        seen.append(step)
        if step == stop - 1 and len(seen) == stop:
            signal.raise_signal(signal.SIGINT)

    each_step(interrupt)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as ended:
        train(tiny, output=tmp_path / "stopped")
    assert ended.value.code == 130
    assert signal.getsignal(signal.SIGINT) is before
    assert checkpoint(tmp_path / "stopped")["global_step"] == stop
    train(tiny, output=tmp_path / "stopped", resume=True)
    assert seen == [0, 1, 2, 3, 4, 5]
    assert_same_state(tmp_path / "straight", tmp_path / "stopped")


def test_a_longer_run_goes_on_from_the_end(
    tmp_path: Path, tiny: TrainingConfig
) -> None:
    run = tmp_path / "run"
    weights = train(tiny, output=run)
    assert load_network(weights).network.config == tiny.network
    with pytest.raises(ConfigError, match="already holds a run"):
        train(tiny, output=run)
    with pytest.raises(ConfigError, match="6 of 6 steps"):
        train(tiny, output=run, resume=True)
    other = replace(tiny, network=replace(tiny.network, width=8), steps=9)
    with pytest.raises(ConfigError, match="width 16 instead of 8"):
        train(other, output=run, resume=True)
    longer = replace(tiny, steps=8, learning_rate=0.02, weight_decay=0.5)
    train(longer, output=run, resume=True)
    assert TrainingConfig.from_toml(run / "config.toml") == longer
    saved = checkpoint(run)
    assert saved["global_step"] == 8
    expected = 0.02 * TrainingModule(longer).rate_factor(7)
    for group in saved["optimizer_states"][0]["param_groups"]:
        assert (group["lr"], group["weight_decay"]) == pytest.approx((expected, 0.5))


def test_nothing_to_resume(tmp_path: Path, tiny: TrainingConfig) -> None:
    with pytest.raises(ConfigError, match="nothing to resume"):
        train(tiny, output=tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    torch.save({"global_step": 1}, tmp_path / "run" / "checkpoints" / "last.ckpt")
    with pytest.raises(ModelError, match="not a checkpoint"):
        train(tiny, output=tmp_path / "run", resume=True)


def test_a_checkpoint_that_lacks_something_is_refused(
    tmp_path: Path, tiny: TrainingConfig
) -> None:
    run = tmp_path / "run"
    train(tiny, output=run)
    path = run / "checkpoints" / "last.ckpt"
    longer = replace(tiny, steps=9)
    for name, value, message in [
        ("global_step", -1, "the step is -1"),
        ("global_step", True, "the step is True"),
        ("global_step", "4", "the step is '4'"),
        ("state_dict", {}, "state_dict is no dict, or empty"),
        ("state_dict", {"a": torch.tensor([torch.nan])}, "that are not finite"),
        ("optimizer_states", "none", "optimizer_states is no list"),
        ("loops", {}, "loops is no dict, or empty"),
    ]:
        torch.save({**checkpoint(run), name: value}, path.with_name("other.ckpt"))
        before = path.read_bytes()
        path.with_name("other.ckpt").replace(path)
        with pytest.raises(ModelError, match=f"not a checkpoint .*{message}"):
            train(longer, output=run, resume=True)
        path.write_bytes(before)


def test_a_checkpoint_with_tensors_of_other_shapes_is_refused(
    tmp_path: Path, tiny: TrainingConfig
) -> None:
    run = tmp_path / "run"
    train(tiny, output=run)
    path = run / "checkpoints" / "last.ckpt"
    longer = replace(tiny, steps=9)
    for name in ("state_dict", "current_model_state", "optimizer_states"):
        saved = checkpoint(run)
        tensors = saved[name]
        if name == "optimizer_states":
            tensors = tensors[0]["state"][0]
        key = next(iter(tensors))
        tensors[key] = tensors[key][:1].clone()
        before = path.read_bytes()
        torch.save(saved, path)
        with pytest.raises(ModelError, match=r"last\.ckpt: not a checkpoint .*has not"):
            train(longer, output=run, resume=True)
        path.write_bytes(before)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pytorch-lightning_version", "1.0.0"),
        ("pytorch-lightning_version", "none"),
        ("loops", {"fit_loop": {"epoch_loop.batch_progress": 1}}),
    ],
)
def test_a_checkpoint_that_lightning_cannot_restore_is_refused(
    tmp_path: Path, tiny: TrainingConfig, name: str, value: Any
) -> None:
    run = tmp_path / "run"
    train(tiny, output=run)
    path = run / "checkpoints" / "last.ckpt"
    torch.save({**checkpoint(run), name: value}, path.with_name("other.ckpt"))
    path.with_name("other.ckpt").replace(path)
    with pytest.raises(ModelError, match=r"last\.ckpt: the run cannot go on from"):
        train(replace(tiny, steps=9), output=run, resume=True)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")
def test_a_checkpoint_that_does_not_fit_on_the_disk_is_named(
    tmp_path: Path, tiny: TrainingConfig
) -> None:
    import resource

    run = tmp_path / "run"
    train(tiny, output=run)
    path = run / "checkpoints" / "last.ckpt"
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        with pytest.raises(FieldFileError, match=r"last\.ckpt: cannot be written"):
            train(replace(tiny, steps=9), output=run, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("writes", "named"),
    [
        ("lightning.fabric.loggers.csv_logs._ExperimentWriter.save", "metrics.csv"),
        ("torch.utils.tensorboard.SummaryWriter.add_scalar", "run"),
    ],
)
def test_a_log_that_does_not_fit_on_the_disk_is_named(
    tmp_path: Path, tiny: TrainingConfig, monkeypatch: Patch, writes: str, named: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writes, full)
    message = f"{named}: cannot be written .No space left on device"
    with pytest.raises(FieldFileError, match=message):
        train(tiny, output=tmp_path / "run")


@pytest.mark.parametrize("steps", [2, 5])
def test_the_last_step_counts(
    tmp_path: Path, tiny: TrainingConfig, errors: list[float], steps: int
) -> None:
    errors += [2.0, 1.0]
    weights = train(replace(tiny, steps=steps, checkpoint_every=99), output=tmp_path)
    assert header(weights)["step"] == steps
    assert checkpoint(tmp_path)["global_step"] == steps


def test_the_weights_are_the_best_ones(
    tmp_path: Path, tiny: TrainingConfig, errors: list[float]
) -> None:
    errors += [3.0, 2.0, 4.0]
    weights = train(replace(tiny, steps=9), output=tmp_path)
    found = header(weights)
    assert found["step"] == 6
    assert found["score"] == pytest.approx(math.log(2))
    assert found["validation"] == {"0": 2.0, "1": 2.0, "2": 2.0}
    assert found["config"]["steps"] == 9
    # What is better than the last score may still be worse than the best.
    errors += [2.5, 1.5]
    train(replace(tiny, steps=12), output=tmp_path, resume=True)
    assert header(weights) == found
    train(replace(tiny, steps=15), output=tmp_path, resume=True)
    assert header(weights)["step"] == 15


def test_a_run_that_gets_no_better_is_stopped(
    tmp_path: Path, tiny: TrainingConfig, errors: list[float]
) -> None:
    errors += [3.0, 2.0, 2.0, 2.5, 1.0]
    weights = train(replace(tiny, steps=99, patience=2), output=tmp_path)
    assert errors == [1.0]
    assert checkpoint(tmp_path)["global_step"] == 12
    assert header(weights)["step"] == 6


def test_a_run_that_diverges_says_so(
    tmp_path: Path, tiny: TrainingConfig, errors: list[float]
) -> None:
    errors += [math.nan]
    with pytest.raises(ConfigError, match="diverged by step 3"):
        train(tiny, output=tmp_path)


def test_a_run_starts_from_weights(tmp_path: Path, tiny: TrainingConfig) -> None:
    first = load_network(train(tiny, output=tmp_path / "first"))
    still = replace(tiny, learning_rate=0.0, seed=7)
    weights = train(still, output=tmp_path / "second", start=first)
    second = load_network(weights)
    for name, tensor in first.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], tensor)
    # It survives a pause, and counts from its own beginning.
    train(replace(still, steps=9), output=tmp_path / "second", resume=True)
    assert checkpoint(tmp_path / "second")["start"] == header(weights)["start"]
    assert header(weights)["start"] == {
        "model": "vit.safetensors",
        "sha256": first.sha256,
    }
    with pytest.raises(ConfigError, match="cannot start from other weights"):
        train(still, output=tmp_path / "second", start=first, resume=True)
    other = replace(tiny, network=replace(tiny.network, depth=2))
    with pytest.raises(ConfigError, match="depth 1 instead of 2"):
        train(other, output=tmp_path / "third", start=first)


@pytest.mark.parametrize("refinements", [0, 1])
def test_a_run_may_add_refinements(
    tmp_path: Path, tiny: TrainingConfig, refinements: int
) -> None:
    small = replace(tiny, network=replace(tiny.network, refinements=refinements))
    first = load_network(train(small, output=tmp_path / "first"))
    more = replace(tiny, network=replace(tiny.network, refinements=2))
    still = replace(more, learning_rate=0.0)
    second = load_network(train(still, output=tmp_path / "second", start=first))
    displacement = torch.rand(1, 2, 24, 32)
    before = first.network(displacement)
    difference = (second.network(displacement) - before).square().sum()
    assert difference < 0.01 * before.square().sum()
    moved = load_network(train(more, output=tmp_path / "third", start=first))
    assert moved.network.refinements[1].head[1].weight.abs().sum() > 0
    with pytest.raises(ConfigError, match="refinements 2 instead of 1"):
        train(tiny, output=tmp_path / "fourth", start=second)


def test_what_a_run_starts_from() -> None:
    assert isinstance(starting_weights("vit"), PhysicsViTMethod)
    with pytest.raises(ModelError, match="cannot start from fttc"):
        starting_weights("fttc")


def test_mixed_precision(
    tmp_path: Path, tiny: TrainingConfig, monkeypatch: Patch
) -> None:
    dtypes: set[torch.dtype] = set()

    def watch(module: torch.nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            dtypes.add(output.dtype)

    handle = torch.nn.modules.module.register_module_forward_hook(watch)
    try:
        mixed = replace(tiny, precision="bf16-mixed", steps=1)
        network = load_network(train(mixed, output=tmp_path)).network
    finally:
        handle.remove()
    assert dtypes == {torch.float32, torch.bfloat16}
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    half = replace(tiny, precision="16-mixed")
    with pytest.raises(ConfigError, match="does not support the precision"):
        train(half, output=tmp_path / "half")


def test_two_processes_share_a_step(tmp_path: Path, tiny: TrainingConfig) -> None:
    config = replace(tiny, steps=1)
    (tmp_path / "run.toml").write_text(config.to_toml())
    run = ["train", "--config", "run.toml", "-o", "run"]
    done = subprocess.run(
        [sys.executable, "-m", "napari_vit_tfm", *run, "--device=cpu", "--devices=2"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.count("weights: ") == 1
    # Each has drawn a batch of its own, and both gradients count.
    lit.seed_everything(config.seed, verbose=False)
    module = TrainingModule(config)
    network = module.network
    for number in range(2):
        batch = TrainingFields(config).batch(number).to(torch.device("cpu"))
        displacement, truth = batch.fields()
        traction = network(displacement)
        loss = traction_loss(traction, truth, displacement, config.loss).mean()
        (loss / 2).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
    state = checkpoint(tmp_path / "run")["optimizer_states"][0]["state"]
    matrices, rest = (
        group["params"] for group in module.configure_optimizers().param_groups
    )
    for index, parameter in enumerate([*matrices, *rest]):
        is_matrix = index < len(matrices)
        momentum = state[index]["momentum_buffer" if is_matrix else "exp_avg"]
        expected = (0.05 if is_matrix else 0.1) * parameter.grad
        torch.testing.assert_close(momentum, expected, rtol=1e-4, atol=1e-7)


def test_what_is_logged(tmp_path: Path, tiny: TrainingConfig) -> None:
    train(replace(tiny, validate_every=1, steps=2), output=tmp_path)
    (log,) = (tmp_path / "csv").rglob("metrics.csv")
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    logged = {name for row in rows for name, value in row.items() if value}
    assert logged >= {
        "train/loss",
        "train/relative_error",
        "train/learning_rate",
        "score",
        "validation/discs_0.05",
    }
    assert list((tmp_path / "logs").rglob("events*"))
