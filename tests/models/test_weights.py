"""Weights written and read again, and files that are none."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.tensor_files import write_tensors
from napari_vit_tfm.models.weights import load_network, save_network

Change = Callable[[dict[str, str], dict[str, torch.Tensor]], object]

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


def with_config(**changes: object) -> Change:
    def change(header: dict[str, str], tensors: dict[str, torch.Tensor]) -> None:
        header["network"] = json.dumps(SMALL.to_dict() | changes)

    return change


def infinite(header: dict[str, str], tensors: dict[str, torch.Tensor]) -> None:
    tensors["norm.weight"][3] = math.inf


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda header, tensors: tensors.popitem(), "is missing"),
        (lambda header, tensors: tensors.update(more=torch.zeros(2)), "is unknown"),
        (lambda header, tensors: header.pop("network"), "network"),
        (lambda header, tensors: header.update(network='{"size": 3}'), "regularis"),
        (lambda header, tensors: header.update(network="not JSON"), "Expecting"),
        (lambda header, tensors: header.update(network="[" * 9999), "damaged"),
        (infinite, "norm.weight has values that are not finite"),
        (with_config(heads=0), "heads must be at least 1 and at most 4096, not 0"),
        (with_config(heads=-8), "heads must be at least 1 and at most 4096, not -8"),
        (with_config(heads=8.0), "heads must be a whole number, not 8.0"),
        (with_config(heads="8"), "heads must be a whole number, not '8'"),
        (with_config(heads=True), "heads must be a whole number, not True"),
        (with_config(heads=3), "3 heads do not divide a width of 16"),
        (with_config(refinements=100_000), "refinements must be at least 0 and at"),
        (with_config(depth=10**6), "depth must be at least 1 and at most 64"),
        (with_config(depth=2), "is missing"),
        (with_config(width=4096), "has the shape"),
        (with_config(regularisations=[]), "regularisations must be 1 to 64 values"),
        (with_config(regularisations=3), "not iterable"),
        (with_config(regularisations=[math.nan]), "of above 0"),
        (with_config(traction_scale=None), "traction_scale must be a number"),
        (with_config(more=3), "unexpected keyword argument"),
    ],
)
def test_damaged_files(tmp_path: Path, change: Change, reason: str) -> None:
    path = tmp_path / "net.safetensors"
    save_network(path, PhysicsViT(SMALL), training={})
    with safe_open(path, framework="pt") as file:
        header = dict(file.metadata())
    tensors = load_file(path)
    del header["checksum"]
    change(header, tensors)
    write_tensors(path, tensors, header)
    with pytest.raises(ModelError, match="damaged.*" + re.escape(reason)):
        load_network(path)


def test_sizes_that_do_not_fit_take_no_memory(tmp_path: Path) -> None:
    # 550 GB, if it were made.
    path = tmp_path / "net.safetensors"
    config = SMALL.to_dict() | {"width": 4096, "depth": 64, "mlp_ratio": 64}
    header = {
        "format": "napari-vit-tfm physics ViT 4",
        "network": json.dumps(config),
        "training": "{}",
    }
    write_tensors(path, PhysicsViT(SMALL).state_dict(), header)
    with pytest.raises(ModelError, match=r"and \d+ more"):
        load_network(path)


def test_half_precision_is_for_storage_only(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    save_network(path, PhysicsViT(SMALL).half(), training={})
    method = load_network(path)
    assert {p.dtype for p in method.network.parameters()} == {torch.float32}
