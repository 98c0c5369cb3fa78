"""The project's own weights: safetensors with everything needed to rebuild."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.io.writing import replacing
from napari_vit_tfm.models.base import NetworkMethod
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.views import mean_over_views

_FORMAT = "napari-vit-tfm physics ViT 4"


class PhysicsViTMethod(NetworkMethod):
    """A physics-guided ViT as a reconstruction method, on any grid.

    Attributes
    ----------
    n_views : int
        Mirror images of each field whose tractions are averaged: 1, 4
        or 8.
    """

    network: PhysicsViT
    ignores_drift = True
    estimates_noise = True
    n_views: int = ReconstructionConfig.n_views

    def traction(self, displacement: Tensor) -> Tensor:
        """Tractions ``t / E``, ``(N, 2, H, W)``, of displacements ``u / L``."""
        return mean_over_views(self.network, displacement, n_views=self.n_views)

    def differentiable_at(self, displacement: Tensor) -> Callable[[Tensor], Tensor]:
        """The network on the field as it is, which is what `attention` is that of."""
        network: Callable[[Tensor], Tensor] = self.network
        return network

    @property
    def n_blocks(self) -> int:
        """Number of blocks with attention."""
        return len(self.network.blocks)

    @property
    def n_heads(self) -> int:
        """Attention heads of a block."""
        return self.network.config.heads

    def attention(self, displacement: Tensor) -> list[Tensor]:
        """Softmax attention of one field, not mirrored: ``(heads, P, P)`` per block."""
        return self.network.attention(displacement)


def save_network(
    path: str | Path, network: PhysicsViT, *, training: Mapping[str, Any]
) -> None:
    """Write a network and what it was trained with as safetensors.

    Parameters
    ----------
    path : path
        File to write; replaced whole or not at all.
    network : PhysicsViT
        The network; written in the precision it has.
    training : mapping, keyword-only
        How it was trained; kept as JSON in the file's header.
    """
    header = {
        "format": _FORMAT,
        "network": json.dumps(network.config.to_dict()),
        "training": json.dumps(dict(training)),
    }
    tensors = {
        key: tensor.detach().cpu().contiguous()
        for key, tensor in network.state_dict().items()
    }
    with replacing(Path(path)) as temporary:
        save_file(tensors, temporary, metadata=header)


def load_network(path: str | Path, *, name: str | None = None) -> PhysicsViTMethod:
    """Read a network written by `save_network`.

    Parameters
    ----------
    path : path
        The safetensors file.
    name : str, keyword-only, optional
        How to call it; None takes the file's name.

    Raises
    ------
    ModelError
        If the file is not such a file, or damaged.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ModelError(f"{path}: not a safetensors file ({error})") from error
    if header.get("format") != _FORMAT:
        raise ModelError(
            f"{path}: a safetensors file, but not one of this project's networks "
            f"(its header says {header.get('format')!r}, expected {_FORMAT!r})"
        )
    try:
        network = PhysicsViT(PhysicsViTConfig.from_dict(json.loads(header["network"])))
        # Half precision may be how a file is kept small, never how it is used.
        network.load_state_dict({key: t.float() for key, t in tensors.items()})
    except (KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{path}: one of this project's networks, damaged ({reason})"
        ) from error
    return PhysicsViTMethod(network, name=name or path.name, sha256=file_sha256(path))


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
