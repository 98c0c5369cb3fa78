"""Weights written and read again, and files that are none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.weights import load_network, save_network

SMALL = PhysicsViTConfig(
    width=16, depth=1, heads=2, mlp_ratio=1, channels=4, stem_layers=0, decoder_layers=0
)


def test_round_trip(tmp_path: Path) -> None:
    network = PhysicsViT(SMALL)
    path = tmp_path / "net.safetensors"
    save_network(path, network, training={"steps": 3})
    method = load_network(path)
    field = 0.01 * torch.randn(1, 2, 16, 24)
    with torch.no_grad():
        method.n_views = 1
        torch.testing.assert_close(method.traction(field), network.eval()(field))
    assert method.name == "net.safetensors"
    assert method.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert method.n_blocks == 1
    assert method.has_attention
    assert [file.name for file in tmp_path.iterdir()] == ["net.safetensors"]


def test_files_that_are_none(tmp_path: Path) -> None:
    text = tmp_path / "text.safetensors"
    text.write_text("not weights at all")
    with pytest.raises(ModelError, match="not a safetensors file"):
        load_network(text)
    other = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(2)}, other)
    with pytest.raises(ModelError, match="not a network of this project"):
        load_network(other)


@pytest.mark.parametrize(
    "change",
    [
        lambda header, tensors: tensors.popitem(),
        lambda header, tensors: header.pop("network"),
        lambda header, tensors: header.update(network='{"size": 3}'),
        lambda header, tensors: header.update(network="not JSON"),
    ],
)
def test_damaged_files(
    tmp_path: Path, change: Callable[[dict[str, str], dict[str, torch.Tensor]], object]
) -> None:
    path = tmp_path / "net.safetensors"
    save_network(path, PhysicsViT(SMALL), training={})
    with safe_open(path, framework="pt") as file:
        header = dict(file.metadata())
    tensors = load_file(path)
    change(header, tensors)
    save_file(tensors, path, metadata=header)
    with pytest.raises(ModelError, match="damaged"):
        load_network(path)


def test_half_precision_is_for_storage_only(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_network(path, PhysicsViT(SMALL).half(), training={})
    method = load_network(path)
    assert {p.dtype for p in method.network.parameters()} == {torch.float32}
