"""Names and files to methods."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from napari_vit_tfm.errors import ConfigError, ModelError
from napari_vit_tfm.models import load
from napari_vit_tfm.models.registry import register, registered_methods
from napari_vit_tfm.models.tensors import to_stack, to_tensor
from napari_vit_tfm.synthesis import synthesise


@pytest.mark.parametrize("name", registered_methods())
def test_every_name_loads_and_reconstructs(name: str) -> None:
    method = load(name)
    assert method.name == name
    discs = synthesise(1, seed=0, shape=(48, 48))
    field = to_tensor(discs.displacement)
    with torch.no_grad():
        found = to_stack(method.traction(field))
    error = ((found - discs.traction) ** 2).sum() / (discs.traction**2).sum()
    assert error < 0.3


@pytest.mark.parametrize("name", ["fttc", "bayesian-fttc"])
def test_classical_methods_have_no_attention(name: str) -> None:
    method = load(name)
    assert not method.has_attention
    with pytest.raises(ModelError, match="no attention"):
        method.attention(torch.zeros(1, 2, 16, 16))


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match="neither a file nor one of vit, fttc, bayesian-fttc"
    ):
        load("resnet")
    other = tmp_path / "weights.onnx"
    other.write_bytes(b"")
    with pytest.raises(ModelError, match="safetensors"):
        load(other)


@pytest.mark.parametrize(
    ("model", "options", "reason"),
    [
        (
            "vit",
            {"regularisation": 1.0},
            "vit has no option .* an option of fttc",
        ),
        ("fttc", {"gain": 1.0}, "fttc has no option gain$"),
        (
            "fttc",
            {"regularisation": 0.0},
            "regularisation must be above 0 and at most 1e.06, not 0",
        ),
        ("fttc", {"regularisation": float("nan")}, "not nan"),
        (__file__, {"regularisation": 1.0}, "test_registry.py has no option"),
    ],
)
def test_options_that_a_method_does_not_take(
    model: str, options: dict[str, float], reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason):
        load(model, options=options)


def test_what_is_chosen_is_used_and_in_the_method_s_name() -> None:
    field = to_tensor(synthesise(1, seed=1).displacement)
    weak, strong = (
        load("fttc", options={"regularisation": weight}) for weight in (0.5, 50)
    )
    assert (weak.name, load("fttc").name) == ("fttc (regularisation 0.5)", "fttc")
    assert weak.traction(field).norm() > strong.traction(field).norm()


def test_two_methods_of_one_name_are_refused() -> None:
    registered_methods()
    with pytest.raises(ValueError, match="two methods with the name 'fttc'"):
        register("fttc", words="another")(lambda: load("vit"))


TOY = """
from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from napari_vit_tfm.models.base import ReconstructionMethod
from napari_vit_tfm.models.registry import register
from napari_vit_tfm.options import Number


@dataclass(frozen=True)
class ToyOptions:
    gain: Annotated[
        float | None, Number(label="Gain", help="How much", otherwise="one", maximum=9)
    ] = None


@register("toy", words="Toy (a multiple)", options=ToyOptions)
class Toy(ReconstructionMethod):
    name = "toy"

    def __init__(self, options):
        self.gain = options.gain or 1.0

    def to(self, device):
        return self

    def traction(self, displacement):
        return self.gain * displacement
"""

USE = """
import sys

import numpy as np
from click.testing import CliRunner

from napari_vit_tfm.models import methods

folder = sys.argv[1]
methods.__path__.append(folder)

from napari_vit_tfm.cli.main import main
from napari_vit_tfm.io import read_displacement, read_traction
from napari_vit_tfm.models.registry import load, registered_methods

assert list(registered_methods()) == ["vit", "fttc", "bayesian-fttc", "toy"]
for command in ("predict", "benchmark"):
    told = CliRunner().invoke(main, [command, "--help"]).output
    assert "toy" in told
    if command == "predict":
        assert "toy: Toy (a multiple)" in " ".join(told.split())
        assert "--gain X" in told
assert "torch" not in sys.modules
assert load("toy").gain == 1

np.savez(f"{folder}/u.npz", displacement=np.ones((1, 16, 16, 2)) * np.arange(2.0))
arguments = f"{folder}/u.npz -o {folder}/t.npz --units field --model toy --gain 3"
done = CliRunner().invoke(main, ["predict", *arguments.split()])
assert done.exit_code == 0, done.output
assert read_traction(f"{folder}/t.npz").model == "toy (gain 3)"
"""


def test_a_new_method_is_one_module(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
