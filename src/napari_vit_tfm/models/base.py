"""What every reconstruction method offers, whatever is behind it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_vit_tfm.config import PATCH_SIZE
from napari_vit_tfm.errors import FieldError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


class ModelError(FieldError):
    """A model cannot be loaded or used; the message says why."""


class ReconstructionMethod(ABC):
    """Displacements in, tractions out, both in the reference form.

    The reference form is dimensionless: displacement ``u / L``, where ``L`` is
    the field's width, traction ``t / E``, Poisson ratio 0.49, an infinitely
    thick gel. Tensors are ``(N, 2, H, W)`` with the components ``(x, y)``.

    Attributes
    ----------
    name : str
        How the method is called in files and menus.
    sha256 : str
        SHA-256 of the weights' file; empty for methods without weights.
    grid : tuple of int, optional
        The only grid ``(H, W)`` the method takes; None where it takes any.
    patch_size : int
        Side of the attention's patches, in nodes of the grid it works on.
    ignores_drift : bool
        Whether the mean displacement of every frame is taken off before the
        method, or any filter, sees the field. A drift of the microscope's stage
        adds the same vector everywhere, which says nothing about tractions.
        False for published networks, which get the field as it is and give
        their own numbers.
    estimates_noise : bool
        Whether the method regularises by the noise that it finds in the field.
    """

    name: str
    sha256: str = ""
    grid: tuple[int, int] | None = None
    patch_size: int = PATCH_SIZE
    ignores_drift: bool = False
    estimates_noise: bool = False

    @property
    def n_blocks(self) -> int:
        """Number of blocks with attention; 0 for methods without attention."""
        return 0

    @property
    def n_heads(self) -> int:
        """Attention heads of a block; 0 for methods without attention."""
        return 0

    @property
    def has_attention(self) -> bool:
        """Whether `attention` can be asked for."""
        return self.n_blocks > 0

    @abstractmethod
    def to(self, device: str | torch.device) -> ReconstructionMethod:
        """Move to a device, in place."""

    @abstractmethod
    def traction(self, displacement: Tensor) -> Tensor:
        """Tractions ``t / E``, ``(N, 2, H, W)``, of displacements ``u / L``."""

    def differentiable_at(self, displacement: Tensor) -> Callable[[Tensor], Tensor]:
        """The method as torch can differentiate it, around one field.

        Parameters
        ----------
        displacement : tensor of shape (1, 2, H, W)
            The field. Whatever a method chooses for every field anew, such as a
            regularisation, is chosen for this one and held.

        Returns
        -------
        callable
            As `traction`; of a method that averages over mirror images, that of
            the field itself, whose attention is looked at.
        """
        return self.traction

    def attention(self, displacement: Tensor) -> list[Tensor]:
        """Softmax attention of one field ``(1, 2, H, W)``.

        Returns
        -------
        list of tensors of shape (heads, P, P)
            One per block; ``P = rows * columns`` patches in row-major order.

        Raises
        ------
        ModelError
            If the method has no attention.
        """
        raise ModelError(f"{self.name} has no attention")


class NetworkMethod(ReconstructionMethod):
    """A network as a reconstruction method.

    Parameters
    ----------
    network : torch.nn.Module
        Maps ``u / L`` to ``t / E``, both ``(N, 2, H, W)``; put into evaluation
        mode, for good.
    name : str, keyword-only
        How it is called.
    sha256 : str, keyword-only
        SHA-256 of the weights' file.
    """

    network: nn.Module

    def __init__(self, network: nn.Module, *, name: str, sha256: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.name = name
        self.sha256 = sha256

    def to(self, device: str | torch.device) -> NetworkMethod:
        """Move to a device, in place."""
        self.network.to(device)
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        """Tractions ``t / E``, ``(N, 2, H, W)``, of displacements ``u / L``."""
        out: Tensor = self.network(displacement)
        return out
