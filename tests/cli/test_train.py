from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

Command = Callable[..., Result]
ErrorOf = Callable[..., str]


class Recorder:
    """Stands in for the training, which has tests of its own."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, dict[str, Any]]] = []

    def __call__(self, config: Any, **options: Any) -> Path:
        self.calls.append((config, options))
        return Path(options["output"]) / "vit.safetensors"


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    pytest.importorskip("lightning")
    recorder = Recorder()
    monkeypatch.setattr("napari_vit_tfm.training.train", recorder)
    return recorder


def test_a_configured_run(vit_tfm: Command, training: Recorder, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("steps = 7\n[network]\ndepth = 3\n")
    out = tmp_path / "run"
    result = vit_tfm("train", "--config", config, "-o", out, "--device", "cpu")
    ((run, options),) = training.calls
    assert (run.steps, run.network.depth) == (7, 3)
    assert options == {
        "output": out,
        "resume": False,
        "device": "cpu",
        "progress": False,
    }
    assert result.stdout == f"weights: {out / 'vit.safetensors'}\n"


def test_the_bundled_networks_run(
    vit_tfm: Command, training: Recorder, tmp_path: Path
) -> None:
    vit_tfm("train", "-o", tmp_path, "--resume")
    ((run, options),) = training.calls
    assert options["resume"] is True
    assert len(run.kinds) > 1


def test_configurations_that_are_none(
    error_of: ErrorOf, training: Recorder, tmp_path: Path
) -> None:
    config = tmp_path / "run.toml"
    arguments = ("train", "--config", config, "-o", tmp_path / "run")
    assert "run.toml: No such file" in error_of(*arguments)
    config.write_text("epochs = 7\n")
    assert "run.toml: TrainingConfig has no epochs" in error_of(*arguments)
    config.write_text("steps: 7\n")
    assert "run.toml: not a TOML file" in error_of(*arguments)
    assert training.calls == []


def test_nothing_to_resume(error_of: ErrorOf, tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    line = error_of("train", "-o", tmp_path / "run", "--resume", "--device", "cpu")
    assert "nothing to resume" in line


def test_without_its_packages(
    error_of: ErrorOf, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.startswith("napari_vit_tfm.tr")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning", None)
    line = error_of("train", "-o", tmp_path / "run")
    assert "pip install 'napari-vit-tfm[train]'" in line
