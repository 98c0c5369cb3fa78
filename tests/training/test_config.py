"""Configuration files."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

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
        ("stepps = 3", "stepps"),
        ("[network]\nlayers = 3", "layers"),
        ("[[kinds]]\noptions = {size = 1}", "DiscDistribution has no size"),
        ("[[kinds]]\nkind = 'dots'", "unknown kind of field 'dots': expected discs"),
        ("[[kinds]]\noptions = {margin = 'a'}", "margin is 'a'"),
        ("steps = = 3", "not a TOML file"),
        ("[loss]\nbackgrund = 1", "backgrund"),
        ("loss = 1", "loss"),
        ("network = 1", "network"),
        ('precision = "bf16"', "unknown precision 'bf16': expected 32, bf16-mixed"),
        ("validate_every = 0", "validate_every must be positive, not 0"),
        ("consistency = 1.5", "consistency must be from 0 to 1, not 1.5"),
        ("checkpoint_every = 0", "checkpoint_every must be positive, not 0"),
        ('steps = "a"', "steps"),
        ("noise = 0.1", "noise"),
    ],
)
def test_what_no_run_understands(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=reason):
        TrainingConfig.from_toml(path)
