"""The cache of the method that was used last."""

from __future__ import annotations

import os
import shutil

import torch

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.models.weights import load_network, save_network
from napari_vit_tfm.napari.method_cache import MethodCache


def test_a_file_of_weights_that_changed_is_loaded_again(weights, tmp_path):
    path = tmp_path / "mine.safetensors"
    shutil.copy(weights, path)
    methods, config = MethodCache(), ReconstructionConfig(model=str(path))
    first = methods.load(config)
    assert methods.load(config) is first
    written = path.stat().st_mtime_ns
    network = load_network(path).network
    for parameter in network.parameters():
        parameter.add_(1)
    save_network(path, network, training={})
    # Independent of the time resolution of the file system.
    os.utime(path, ns=(written, written + 10**9))
    second = methods.load(config)
    assert second.sha256 != first.sha256
    field = torch.randn(1, 2, 16, 16)
    assert not torch.equal(second.traction(field), first.traction(field))
    assert methods.load(config) is second


def test_another_model_is_another_method():
    methods = MethodCache()
    first = methods.load(ReconstructionConfig(model="fttc"))
    other = methods.load(ReconstructionConfig(model="bayesian-fttc"))
    assert (first.name, other.name) == ("fttc", "bayesian-fttc")


def test_other_options_are_another_method():
    methods = MethodCache()
    weak, strong = (
        ReconstructionConfig(model="fttc", options={"regularisation": weight})
        for weight in (0.5, 5)
    )
    assert methods.load(weak) is methods.load(weak)
    assert methods.load(strong).regularisation == 5


def test_other_views_are_another_method(weights):
    methods = MethodCache()
    one, eight = (
        methods.load(ReconstructionConfig(model=str(weights), n_views=n_views))
        for n_views in (1, 8)
    )
    field = torch.randn(1, 2, 16, 16)
    assert not torch.equal(one.traction(field), eight.traction(field))
    assert eight.name == f"{one.name} (8 views)"
