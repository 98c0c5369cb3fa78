"""Weights files of this project: safetensors with the configuration of the network."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from napari_vit_tfm.config import BUNDLED_MODEL, MAX_WHOLE_SIDE, ReconstructionConfig
from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.models.base import NetworkMethod
from napari_vit_tfm.models.intervals import scale_head_for
from napari_vit_tfm.models.layers import TokenisedField
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.tensor_files import read_tensors, write_tensors
from napari_vit_tfm.models.tensors import with_weights
from napari_vit_tfm.models.views import mean_over_views

if TYPE_CHECKING:
    from napari_vit_tfm.models.scale_head import ScaleHead
    from napari_vit_tfm.models.solved import Solved

_FORMAT = "napari-vit-tfm physics ViT 4"


class PhysicsViTMethod(NetworkMethod):
    """A physics-guided ViT as a reconstruction method, on any grid.

    Attributes
    ----------
    n_views : int
        Number of mirror images of each field over which tractions are averaged:
        1, 4 or 8.
    scale_head : ScaleHead, optional
        The head that tells the half-widths of this network's intervals; None if there
        is none for it. It is small and runs on the CPU.
    """

    network: PhysicsViT
    max_whole_side = MAX_WHOLE_SIDE
    ignores_drift = True
    estimates_noise = True
    n_views: int = ReconstructionConfig.n_views
    scale_head: ScaleHead | None = None

    @property
    def calibration(self) -> str:
        """Name of the calibration of its intervals; empty without a scale head.

        It holds for any number of views.
        """
        return "" if self.scale_head is None else BUNDLED_MODEL

    def halfwidths(self, solved: Solved) -> Tensor:
        """Half-widths of the intervals before their calibration, by the scale head."""
        if self.scale_head is None:
            return super().halfwidths(solved)
        found: Tensor = self.scale_head(solved)
        return found

    def traction(self, displacement: Tensor) -> Tensor:
        """Compute tractions ``t / E`` from displacements ``u / L``."""
        return mean_over_views(self.network, displacement, n_views=self.n_views)

    def differentiable_at(self, displacement: Tensor) -> Callable[[Tensor], Tensor]:
        """The network without averaging over views, to which `attention` belongs."""
        network: Callable[[Tensor], Tensor] = self.network
        return network

    @property
    def n_blocks(self) -> int:
        """Number of attention blocks."""
        return len(self.network.blocks)

    @property
    def n_heads(self) -> int:
        """Number of attention heads per block."""
        return self.network.config.heads

    def tokenised(self, displacement: Tensor) -> TokenisedField:
        """One field as tokens, with the blocks and what follows; without averaging."""
        return self.network.tokenised(displacement)


def save_network(
    path: str | Path, network: PhysicsViT, *, training: Mapping[str, Any]
) -> None:
    """Write a network and a record of its training as a safetensors file.

    Parameters
    ----------
    path : path
        File to write. An existing file is replaced only by a complete one.
    network : PhysicsViT
        The network. Its precision is kept.
    training : mapping, keyword-only
        Record of the training, stored as JSON in the header of the file.
    """
    header = {
        "format": _FORMAT,
        "network": json.dumps(network.config.to_dict()),
        "training": json.dumps(dict(training)),
    }
    write_tensors(path, network.state_dict(), header)


def load_network(path: str | Path, *, name: str | None = None) -> PhysicsViTMethod:
    """Read a network written by `save_network`.

    Parameters
    ----------
    path : path
        The safetensors file.
    name : str, keyword-only, optional
        Name of the method. None uses the name of the file.

    Raises
    ------
    ModelError
        If the file was not written by `save_network`, or is damaged.
    """
    path = Path(path)
    file = read_tensors(path, form=_FORMAT, what="a network of this project")
    try:
        config = PhysicsViTConfig.from_dict(json.loads(file.header["network"]))
        # A file may store half precision; the network always runs in float32.
        network = with_weights(lambda: PhysicsViT(config), file.tensors)
    # An error of the configuration or of the weights is a ValueError, too.
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path}: a network of this project, but damaged ({error})"
        ) from error
    method = PhysicsViTMethod(network, name=name or path.name, sha256=file.sha256)
    method.scale_head = scale_head_for(method.sha256)
    return method


def training_record(path: str | Path) -> dict[str, Any]:
    """The record of its training in a file written by `save_network`.

    Raises
    ------
    ModelError
        If the file was not written by `save_network`, or is damaged.
    """
    file = read_tensors(path, form=_FORMAT, what="a network of this project")
    try:
        record: dict[str, Any] = json.loads(file.header["training"])
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: no record of its training ({error})") from error
    return record
