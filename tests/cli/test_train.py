from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from napari_vit_tfm.errors import ConfigError, FieldFileError

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


def plain(options: dict[str, Any]) -> dict[str, Any]:
    """Options that are not what they are without being said."""
    usual = {
        "resume": False,
        "start": None,
        "device": "auto",
        "devices": 1,
        "nodes": 1,
        "progress": False,
    }
    others = {k: v for k, v in options.items() if k != "before_writing"}
    assert others.keys() == {*usual, "output"}
    return {k: v for k, v in others.items() if k not in usual or v != usual[k]}


def test_a_configured_run(vit_tfm: Command, training: Recorder, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("steps = 7\n[network]\ndepth = 3\n")
    out = tmp_path / "run"
    result = vit_tfm("train", "--config", config, "-o", out, "--device", "cpu")
    ((run, options),) = training.calls
    assert (run.steps, run.network.depth) == (7, 3)
    assert plain(options) == {"output": out, "device": "cpu"}
    assert result.stdout == f"weights: {out / 'vit.safetensors'}\n"


def test_the_bundled_networks_run(
    vit_tfm: Command, training: Recorder, tmp_path: Path
) -> None:
    vit_tfm("train", "-o", tmp_path, "--resume")
    ((run, options),) = training.calls
    assert plain(options) == {"output": tmp_path, "resume": True}
    assert len(run.kinds) > 1


def test_a_run_goes_on_with_its_folder_s_configuration(
    vit_tfm: Command, training: Recorder, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_text("steps = 7\n")
    vit_tfm("train", "-o", tmp_path, "--resume")
    assert training.calls[-1][0].steps == 7
    config = tmp_path / "longer.toml"
    config.write_text("steps = 9\n")
    vit_tfm("train", "-o", tmp_path, "--resume", "--config", config)
    assert training.calls[-1][0].steps == 9
    vit_tfm("train", "-o", tmp_path)
    assert training.calls[-1][0].steps > 9


def test_many_devices_and_reduced_precision(
    vit_tfm: Command, training: Recorder, tmp_path: Path
) -> None:
    options = ("--devices", "2", "--nodes", "3", "--precision", "bf16-mixed")
    vit_tfm("train", "-o", tmp_path, *options)
    ((run, passed),) = training.calls
    assert run.precision == "bf16-mixed"
    assert plain(passed) == {"output": tmp_path, "devices": 2, "nodes": 3}


def test_a_run_from_weights_has_their_size(
    vit_tfm: Command, training: Recorder, tmp_path: Path, network: Path
) -> None:
    config = tmp_path / "run.toml"
    config.write_text("steps = 7\n[network]\nwidth = 24\n")
    vit_tfm("train", "-o", tmp_path, "--weights", network)
    vit_tfm("train", "-o", tmp_path, "--weights", network, "--config", config)
    (bundled, options), (described, _) = training.calls
    size = options["start"].network.config
    assert bundled.network == size
    # What the file says is kept; it is the training that says no.
    assert described.network == replace(size, width=24)


def test_options_that_exclude_each_other(
    error_of: ErrorOf, training: Recorder, tmp_path: Path
) -> None:
    run = ("train", "-o", tmp_path)
    assert "on one device" in error_of(*run, "--measure", "3", "--devices", "2")
    assert "cannot start from fttc" in error_of(*run, "--weights", "fttc")
    assert training.calls == []


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*", "ignore:.*many workers.*")
def test_the_throughput(vit_tfm: Command, tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    config = tmp_path / "run.toml"
    config.write_text(
        "batch_size = 1\n[network]\nwidth = 16\ndepth = 1\nheads = 2\nchannels = 8\n"
        "[[kinds]]\nshapes = [[24, 24]]\noptions = {count = [3, 6]}\n"
    )
    run = ("train", "--config", config, "-o", tmp_path / "run", "--device", "cpu")
    result = vit_tfm(*run, "--measure", "2")
    assert "2 steps of 1 fields on cpu" in result.stdout
    written = json.loads((tmp_path / "run" / "throughput.json").read_text("utf-8"))
    assert set(written["fields_per_second"]) == {"generation", "training", "both"}
    assert not (tmp_path / "run" / "vit.safetensors").exists()


def test_configurations_that_are_none(
    error_of: ErrorOf, training: Recorder, tmp_path: Path
) -> None:
    config = tmp_path / "run.toml"
    arguments = ("train", "--config", config, "-o", tmp_path / "run")
    assert "run.toml: no such file" in error_of(*arguments)
    config.write_text("epochs = 7\n")
    assert "run.toml: epochs is not known" in error_of(*arguments)
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


def test_files_of_others_are_not_replaced_by_a_run(
    vit_tfm: Command, training: Recorder, tmp_path: Path
) -> None:
    config, weights = tmp_path / "config.toml", tmp_path / "vit.safetensors"

    def begin(*options: object) -> None:
        vit_tfm("train", "-o", tmp_path, "--device", "cpu", *options)
        _, passed = training.calls[-1]
        passed["before_writing"]()

    begin()
    weights.write_text("precious")
    with pytest.raises(ConfigError, match=r"vit\.safetensors: already exists"):
        begin()
    begin("--overwrite")
    begin("--resume")
    run, _ = training.calls[-1]
    config.write_text(run.to_toml())
    begin()
    config.write_text("steps = 7\n")
    with pytest.raises(FieldFileError, match=r"config\.toml: .* is an input file"):
        begin("--config", config, "--overwrite")
    assert (config.read_text(), weights.read_text()) == ("steps = 7\n", "precious")
