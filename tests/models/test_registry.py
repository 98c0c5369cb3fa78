"""Names and files to methods."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_vit_tfm.config import MODEL_NAMES
from napari_vit_tfm.models import ModelError, load
from napari_vit_tfm.models.tensors import to_stack, to_tensor
from napari_vit_tfm.synthesis import synthesise


@pytest.mark.parametrize("name", MODEL_NAMES)
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
