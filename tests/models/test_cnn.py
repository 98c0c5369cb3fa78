"""The published CNN, out of a Keras file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from napari_vit_tfm.benchmark.evaluate import evaluate
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.models import load
from napari_vit_tfm.models.cnn import UNet
from napari_vit_tfm.models.tensors import to_stack, to_tensor
from napari_vit_tfm.reconstruction import reconstruct


def write_keras(path: Path, network: UNet) -> None:
    """Write a network as Keras does, kernels as (height, width, in, out)."""
    names = {f"encoder.{i}": 2 * i + 2 for i in range(3)}
    names |= {"bottom": 8} | {f"decoder.{i}": 2 * i + 10 for i in range(3)}
    plain = {f"{part}.conv": f"conv2d_{number}" for part, number in names.items()}
    plain |= {f"up.{i}": f"conv2d_transpose_{i + 1}" for i in range(3)}
    plain |= {"output": "conv2d_15"}
    with h5py.File(path, "w") as file:
        for ours, keras in plain.items():
            layer = network.get_submodule(ours)
            group = file.create_group(f"model_weights/{keras}/{keras}")
            group["kernel:0"] = layer.weight.detach().numpy().transpose(2, 3, 1, 0)
            group["bias:0"] = layer.bias.detach().numpy()
        for part, number in names.items():
            norm = network.get_submodule(f"{part}.norm")
            keras = f"batch_normalization_{number}"
            group = file.create_group(f"model_weights/{keras}/{keras}")
            group["gamma:0"] = norm.weight.detach().numpy()
            group["beta:0"] = norm.bias.detach().numpy()
            group["moving_mean:0"] = norm.running_mean.numpy()
            group["moving_variance:0"] = norm.running_var.numpy()


def test_every_weight_finds_its_place(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = UNet((3, 4, 5), 7)
    with torch.no_grad():
        for value in [*network.parameters(), *network.buffers()]:
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.1)
    path = tmp_path / "cnn.h5"
    write_keras(path, network)
    method = load(path)
    field = 0.01 * torch.randn(2, 2, 104, 104)
    with torch.no_grad():
        torch.testing.assert_close(method.traction(field), network.eval()(field))
    assert method.grid == (104, 104)
    assert not method.has_attention
    assert len(method.sha256) == 64


def test_the_field_is_given_as_it_is_and_a_drift_is_told(tmp_path: Path) -> None:
    torch.manual_seed(0)
    write_keras(tmp_path / "cnn.h5", UNet((3, 4, 5), 7))
    method, notices = load(tmp_path / "cnn.h5"), []
    data = (torch.randn(1, 104, 104, 2) + 50).numpy()
    found = reconstruct(
        DisplacementStack(data, unit="field"),
        config=ReconstructionConfig(device="cpu"),
        method=method,
        on_notice=notices.append,
    )
    with torch.no_grad():
        expected = to_stack(method.traction(to_tensor(data)))
    np.testing.assert_array_equal(found.data, expected)
    assert found.drift is None
    (notice,) = notices
    assert "which cnn.h5 may interpret as traction" in notice


def test_files_that_are_none(tmp_path: Path) -> None:
    text, other = tmp_path / "text.h5", tmp_path / "other.h5"
    text.write_text("no network")
    with h5py.File(other, "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(ModelError, match="not an HDF5 file"):
        load(text)
    with pytest.raises(ModelError, match="published CNN"):
        load(other)


KERNEL = "model_weights/conv2d_2/conv2d_2/kernel:0"
VARIANCE = "model_weights/batch_normalization_2/batch_normalization_2/moving_variance:0"


def replaced(name: str, **options: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, **options)

    return change


def elsewhere(file: h5py.File) -> None:
    del file["model_weights/conv2d_2"]
    file["model_weights/conv2d_2"] = h5py.ExternalLink("other.h5", "/conv2d_2")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (replaced(KERNEL, data=np.full((3, 3, 2, 3), np.nan)), "not finite"),
        (
            replaced(KERNEL, data=np.ones((3, 3, 2, 3), dtype=complex)),
            "expected floats",
        ),
        (replaced(KERNEL, data=np.ones((3, 3, 2, 4))), "has the shape"),
        (replaced(KERNEL, data=b"text"), "expected floats"),
        (replaced(KERNEL, shape=(10**6, 10**6), dtype="f4", chunks=(9, 9)), "that fit"),
        (replaced(KERNEL, data=np.full((3, 3, 2, 3), 1e300)), "not finite"),
        (replaced(VARIANCE, data=np.full(3, -1.0)), "negative variances"),
        (lambda file: file.__delitem__(KERNEL), "conv2d_2/kernel is missing"),
        (elsewhere, "is in another file"),
    ],
)
def test_weights_that_no_network_has(
    tmp_path: Path, change: Callable[[h5py.File], None], message: str
) -> None:
    path = tmp_path / "cnn.h5"
    write_keras(path, UNet((3, 4, 5), 7))
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(ModelError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("name", "sigma", "error"), [("1e-4", 1e-4, 1.83), ("1e-3", 1e-3, 4.75)]
)
def test_the_published_networks_have_their_published_accuracy(
    reference: Path, name: str, sigma: float, error: float
) -> None:
    with np.load(reference / "discs_dev.npz") as file:
        displacement, traction = file["displacement"], file["traction"]
    cnn, _ = evaluate(
        DisplacementStack(displacement, unit="field"),
        TractionStack(traction),
        methods=[str(reference / "cnn" / f"model_noise_{name}.h5")],
        sigmas=[sigma],
        config=ReconstructionConfig(device="cpu"),
    )
    assert cnn.noise[sigma]["sum_of_squared_errors"] == pytest.approx(error, rel=0.01)


def test_a_weight_that_was_never_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cnn.h5"
    write_keras(path, UNet((3, 4, 5), 7))
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        file.create_dataset(KERNEL, (3, 3, 2, 3), "f4", chunks=(3, 3, 1, 1))
    with pytest.raises(ModelError, match="was not written completely"):
        load(path)
