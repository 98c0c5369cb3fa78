"""Configuration files."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.models.physics_vit import PhysicsViTConfig
from napari_vit_tfm.synthesis import DiscDistribution, NoiseDistribution
from napari_vit_tfm.training import FieldKind, LossConfig, TrainingConfig


def test_the_bundled_configuration_is_one() -> None:
    path = files("napari_vit_tfm.training") / "configs" / "bundled.toml"
    config = TrainingConfig.from_toml(Path(str(path)))
    assert config.kinds[0].distribution == DiscDistribution()
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_what_is_stored_is_what_is_read(tmp_path: Path) -> None:
    bundled = files("napari_vit_tfm.training") / "configs" / "bundled.toml"
    config = replace(
        TrainingConfig.from_toml(Path(str(bundled))),
        loss=LossConfig(exponent=1.0, background=0.1),
        precision="bf16-mixed",
        patience=3,
        kinds=(FieldKind(noise=NoiseDistribution(clean_share=0.5)), FieldKind("pads")),
    )
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())
    assert TrainingConfig.from_toml(path) == config


def test_the_network_is_what_the_file_says_and_else_the_given_one() -> None:
    given = PhysicsViTConfig(width=24, depth=3, regularisations=(1.0,))
    config = TrainingConfig.from_dict({"network": {"depth": 5}}, network=given)
    assert config.network == replace(given, depth=5)
    assert TrainingConfig.from_dict({}, network=given).network == given


def test_whole_numbers_are_numbers() -> None:
    config = TrainingConfig.from_dict({"gradient_clip": 2, "loss": {"exponent": 1}})
    assert (config.gradient_clip, config.loss.exponent) == (2, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("stepps = 3", "stepps is not known: expected one of network, kinds, steps"),
        ("[network]\nlayers = 3", "network.layers is not known: expected one of width"),
        (
            "[[kinds]]\noptions = {size = 1}",
            r"kinds\[0\].options.size is not known: .* margin",
        ),
        (
            "[[kinds]]\nkind = 'dots'",
            r"kinds\[0\].kind must be one of discs, .*, not 'dots'",
        ),
        (
            "[[kinds]]\noptions = {margin = 'a'}",
            "options.margin must be a number, not 'a'",
        ),
        ("steps = = 3", "not a TOML file"),
        ("[loss]\nbackgrund = 1", "loss.backgrund is not known: expected one of exp"),
        ("loss = 1", "loss must be a table, not 1"),
        ("network = 1", "network must be a table, not 1"),
        (
            'precision = "bf16"',
            "precision must be '32', 'bf16-mixed' or '16-mixed', not 'bf16'",
        ),
        (
            "validate_every = 0",
            "validate_every must be at least 1 and at most 1e.09, not 0",
        ),
        ("consistency = 1.5", "consistency must be at least 0 and at most 1, not 1.5"),
        ("checkpoint_every = 0", "checkpoint_every must be at least 1"),
        ('steps = "a"', "steps must be a whole number, not 'a'"),
        ("steps = -5", "steps must be at least 1"),
        ("steps = 1.0", "steps must be a whole number, not 1.0"),
        ("steps = true", "steps must be a whole number, not True"),
        ("steps = 0x" + "f" * 5000, "cannot be read"),
        ("steps = " + "9" * 5000, "not a TOML file"),
        ("steps = 1979-05-27", "steps must be a whole number, not '1979-05-27'"),
        ("batch_size = 0", "batch_size must be at least 1"),
        ("learning_rate = nan", "learning_rate must be a finite number, not nan"),
        ("learning_rate = -inf", "learning_rate must be a finite number, not -inf"),
        ("learning_rate = true", "learning_rate must be a number, not True"),
        ("kinds = [1]", r"kinds\[0\] must be a table, not 1"),
        ("kinds = []", "kinds must be 1 to 1000 values"),
        ("kinds = 1", "kinds must be a list, not 1"),
        ("[[kinds]]\nshapes = [[8]]", r"kinds\[0\].shapes\[0\] has the wrong length"),
        ("[[kinds]]\nshapes = [[64, 7]]", r"shapes\[0\]\[1\] must be at least 8"),
        ("[[kinds]]\nwindows = [1.0]", "windows must be 0 for discs"),
        ("[[kinds]]\nshare = 0", "the share of every kind is 0"),
        ("[[kinds]]\nkind = 'spots'\noptions = {spots = 1}", "options.spots must be a"),
        ("[[kinds]]\noptions = {margin = 0.5}", "do not fit into 104 x 104 vectors"),
        ("[[kinds]]\nkind = 'pads'\noptions = {dome_share = 1.0}", "exceed 1"),
        ("[noise]\nstrength = [1.0, 0.1]", "noise.strength must be two numbers, the"),
        ("[noise]\nstrength = [1, 2, 3]", "noise.strength has the wrong length"),
        ("[network]\nheads = 7", "7 heads do not divide a width of 128"),
        ("[network]\ndepth = 1000000", "network.depth must be at least 1 and at mos"),
        ("a = " + "[" * 5000, "not a TOML file"),
        ("noise = 0.1", "noise must be a table, not 0.1"),
    ],
)
def test_what_no_run_understands(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        TrainingConfig.from_toml(path)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        "steps = -5\nstepps = 3\n[network]\nheads = 8.0\n"
        "[[kinds]]\n[[kinds]]\nnoise = {length = [1, 'a']}\noptions = {margin = nan}\n"
    )
    with pytest.raises(ConfigError) as error:
        TrainingConfig.from_toml(path)
    for fault in (
        "steps must be at least 1",
        "stepps is not known",
        "network.heads must be a whole number, not 8.0",
        "kinds[1].noise.length[1] must be a number, not 'a'",
    ):
        assert fault in str(error.value)


def test_many_faults_are_counted() -> None:
    with pytest.raises(ConfigError, match="and 190 more faults"):
        TrainingConfig.from_dict({"kinds": [1] * 200})


@pytest.mark.parametrize("values", [{"steps": 0}, {"loss": 3}, {"kinds": [1]}])
def test_a_configuration_in_python_is_checked_too(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        TrainingConfig(**values)


def test_what_is_no_configuration_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        TrainingConfig.from_toml(tmp_path)
    large = tmp_path / "large.toml"
    large.write_text("#" * 2**20 + "\n")
    with pytest.raises(ConfigError, match="larger than"):
        TrainingConfig.from_toml(large)
