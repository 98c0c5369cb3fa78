"""Configuration files."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from napari_vit_tfm.fields import FieldError
from napari_vit_tfm.synthesis import DiscDistribution
from napari_vit_tfm.training import TrainingConfig


def test_the_bundled_configuration_is_one() -> None:
    path = files("napari_vit_tfm.training") / "configs" / "bundled.toml"
    config = TrainingConfig.from_toml(Path(str(path)))
    assert config.kinds[0].distribution == DiscDistribution()
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("stepps = 3", "stepps"),
        ("[network]\nlayers = 3", "layers"),
        ("[[kinds]]\ndiscs = {size = 1}", "size"),
        ("steps = = 3", "not a TOML file"),
        ('steps = "a"', "steps"),
        ("noise = 0.1", "noise"),
    ],
)
def test_what_no_run_understands(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(FieldError, match=reason):
        TrainingConfig.from_toml(path)
