"""The published convolutional neural network (CNN), read from its Keras HDF5 file.

It is a U-Net with three levels. The file is read with h5py, without Keras and
TensorFlow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_vit_tfm.errors import FieldFileError, ModelError
from napari_vit_tfm.guard.child import HDF5
from napari_vit_tfm.guard.hdf5 import SIGNATURE, datasets_of
from napari_vit_tfm.guard.process import look_first
from napari_vit_tfm.models.base import NetworkMethod
from napari_vit_tfm.models.tensors import with_weights
from napari_vit_tfm.provenance import file_sha256

# Numbers of the layers in the Keras file.
_ENCODER = (2, 4, 6)
_BOTTOM = 8
_DECODER = (10, 12, 14)
_OUTPUT = 15
_LEAK = 0.3
_NORM_EPS = 1e-3
_GRID = (104, 104)
_WEIGHT = re.compile(r"model_weights/([^/]+)/([^/]+)/([^/]+):0")


class Convolution(nn.Module):
    """A 3 x 3 convolution, batch normalisation and a leaky ReLU."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.norm = nn.BatchNorm2d(n_out, eps=_NORM_EPS)

    def forward(self, maps: Tensor) -> Tensor:
        """Feature maps ``(N, n_in, H, W)`` to ``(N, n_out, H, W)``."""
        return functional.leaky_relu(self.norm(self.conv(maps)), _LEAK)


class UNet(nn.Module):
    """U-Net from displacements to tractions, both in the reference form.

    Parameters
    ----------
    filters : tuple of int
        Number of filters at each encoder level, from the finest.
    bottom : int
        Number of filters at the coarsest level.
    """

    def __init__(self, filters: tuple[int, ...], bottom: int) -> None:
        super().__init__()
        widths = (2, *filters)
        self.encoder = nn.ModuleList(
            Convolution(n_in, n_out)
            for n_in, n_out in zip(widths, filters, strict=False)
        )
        self.bottom = Convolution(filters[-1], bottom)
        above = (bottom, *reversed(filters))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1)
            for n_in, n_out in zip(above, reversed(filters), strict=False)
        )
        self.decoder = nn.ModuleList(Convolution(2 * n, n) for n in reversed(filters))
        self.output = nn.Conv2d(filters[0], 2, 1)

    def forward(self, displacement: Tensor) -> Tensor:
        """Tractions ``t / E``, ``(N, 2, H, W)``, of displacements ``u / L``."""
        maps, skips = displacement, []
        for level in self.encoder:
            maps = level(maps)  # (N, filters, h, w)
            skips.append(maps)
            maps = functional.max_pool2d(maps, 2)  # (N, filters, h / 2, w / 2)
        maps = self.bottom(maps)  # (N, bottom, H / 8, W / 8)
        for up, level in zip(self.up, self.decoder, strict=True):
            maps = level(torch.cat([up(maps), skips.pop()], dim=1))
        out: Tensor = self.output(maps)  # (N, 2, H, W)
        return out


class CNNMethod(NetworkMethod):
    """The published CNN as a reconstruction method."""

    network: UNet
    grid = _GRID


def load_cnn(path: str | Path) -> CNNMethod:
    """Read the published CNN from its Keras HDF5 file.

    Parameters
    ----------
    path : path
        A file written by ``model.save`` of Keras.

    Raises
    ------
    ModelError
        If the file is not HDF5, or does not hold this network.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            is_hdf5 = stream.read(len(SIGNATURE)) == SIGNATURE
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    if not is_hdf5:
        raise ModelError(f"{path}: not an HDF5 file")
    try:
        look_first(path, HDF5)
        with h5py.File(path, "r") as file:
            network = _network(_datasets(path, file))
    except FieldFileError as error:
        # It names the file.
        raise ModelError(str(error)) from error
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{path}: an HDF5 file that does not hold the published CNN: {reason}"
        ) from error
    return CNNMethod(network, name=path.name, sha256=file_sha256(path))


def _datasets(path: Path, file: h5py.File) -> dict[str, h5py.Dataset]:
    """The weights by name, such as ``conv2d_2/bias``."""
    found = {}
    most = 2 * path.stat().st_size
    for name, dataset in datasets_of(path, file).items():
        # Keras writes model_weights/LAYER/LAYER/NAME:0.
        match = _WEIGHT.fullmatch(name)
        if match is None or match[1] != match[2]:
            continue
        if dataset.dtype.kind != "f" or dataset.nbytes > most:
            raise ValueError(
                f"{name} has {dataset.nbytes} bytes of type {dataset.dtype}, expected "
                "floats that fit into the file"
            )
        # Keras compresses nothing; a part that was never written is read as zeros.
        if dataset.id.get_storage_size() < dataset.nbytes:
            raise ValueError(f"{name} was not written completely")
        found[f"{match[1]}/{match[3]}"] = dataset
    return found


def _network(weights: Mapping[str, h5py.Dataset]) -> UNet:
    def tensor(layer: str, name: str) -> Tensor:
        key = f"{layer}/{name}"
        if key not in weights:
            raise ValueError(f"{key} is missing")
        # Values that are too large become infinite, and are refused.
        with np.errstate(over="ignore"):
            values = np.asarray(weights[key][()], dtype=np.float32)
        if values.ndim == 4:
            # Keras: (height, width, in, out), or (height, width, out, in) in
            # transposed convolutions. torch uses the reverse order of both.
            values = values.transpose(3, 2, 0, 1)
        return torch.tensor(values)

    def plain(layer: str) -> dict[str, Tensor]:
        return {"weight": tensor(layer, "kernel"), "bias": tensor(layer, "bias")}

    def level(number: int) -> dict[str, Tensor]:
        norm = f"batch_normalization_{number}"
        found = {
            f"conv.{key}": value for key, value in plain(f"conv2d_{number}").items()
        }
        names = {
            "weight": "gamma",
            "bias": "beta",
            "running_mean": "moving_mean",
            "running_var": "moving_variance",
        }
        found |= {f"norm.{key}": tensor(norm, keras) for key, keras in names.items()}
        found["norm.num_batches_tracked"] = torch.tensor(0)
        return found

    parts = {f"encoder.{i}": level(number) for i, number in enumerate(_ENCODER)}
    parts["bottom"] = level(_BOTTOM)
    for i, number in enumerate(_DECODER):
        parts[f"up.{i}"] = plain(f"conv2d_transpose_{i + 1}")
        parts[f"decoder.{i}"] = level(number)
    parts["output"] = plain(f"conv2d_{_OUTPUT}")
    levels = range(len(_ENCODER))
    filters = tuple(len(parts[f"encoder.{i}"]["conv.bias"]) for i in levels)
    bottom = len(parts["bottom"]["conv.bias"])
    state = {
        f"{part}.{key}": value
        for part, tensors in parts.items()
        for key, value in tensors.items()
    }
    network = with_weights(lambda: UNet(filters, bottom), state)
    for name, values in network.named_buffers():
        if bool((values < 0).any()) and name.endswith("running_var"):
            raise ValueError(f"{name} has negative variances")
    return network
