"""The interface of all reconstruction methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

from napari_vit_tfm.config import MIN_SIDE, PATCH_SIZE
from napari_vit_tfm.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from napari_vit_tfm.models.layers import TokenisedField
    from napari_vit_tfm.models.solved import Solved
    from napari_vit_tfm.physics.noise import Noise


class ReconstructionMethod(ABC):
    """Computes tractions from displacements, both in the reference form.

    The reference form is dimensionless: displacement ``u / L``, where ``L`` is the
    width of the field, and traction ``t / E``, on an infinitely thick gel of Poisson
    ratio 0.49. Tensors are ``(N, 2, H, W)`` with the components ``(x, y)``.

    Attributes
    ----------
    name : str
        Name of the method in files and menus.
    sha256 : str
        SHA-256 of the weights file; empty for methods without weights.
    grid : tuple of int, optional
        The only grid ``(H, W)`` that the method works on; None if it works on any.
    min_side : int
        Fewest vectors along a side of a field.
    reliable_side : int
        Fewest vectors along a side with which the method chooses its regularisation
        reliably; smaller fields get a notice. 0 if it is reliable on every grid.
    max_whole_side : int, optional
        Most vectors along a side of a field that the method processes whole; larger
        fields are processed in windows, see `models.windows`. None if it processes
        any field whole.
    patch_size : int
        Side of an attention patch, in nodes of the grid that the method works on.
    ignores_drift : bool
        Whether the mean displacement of every frame is subtracted before any other
        processing. A drift of the microscope stage adds the same vector everywhere,
        which contains no information on tractions. It is False for published
        networks, so that their output is that of the original work.
    estimates_noise : bool
        Whether the method regularises according to the noise estimated from the
        field.
    balances_forces : bool
        Whether the method makes the mean traction of every field zero, as methods in
        Fourier space do. The net force of the field is then zero whatever the cell
        does.
    leaves_known_residual : bool
        Whether it was measured on simulated fields how much of a displacement the
        tractions of this method leave unexplained; see `trust.remainder`.
    """

    name: str
    sha256: str = ""
    grid: tuple[int, int] | None = None
    min_side: int = MIN_SIDE
    reliable_side: int = 0
    max_whole_side: int | None = None
    patch_size: int = PATCH_SIZE
    ignores_drift: bool = False
    estimates_noise: bool = False
    balances_forces: bool = False
    leaves_known_residual: bool = False

    @property
    def n_blocks(self) -> int:
        """Number of attention blocks; 0 for methods without attention."""
        return 0

    @property
    def n_heads(self) -> int:
        """Number of attention heads per block; 0 for methods without attention."""
        return 0

    @property
    def has_attention(self) -> bool:
        """Whether `attention` is available."""
        return self.n_blocks > 0

    def needs_windows(self, shape: tuple[int, int]) -> bool:
        """Whether fields of this many rows and columns are processed in windows."""
        return self.max_whole_side is not None and max(shape) > self.max_whole_side

    @abstractmethod
    def to(self, device: str | torch.device) -> ReconstructionMethod:
        """Move the method to a device, in place."""

    @abstractmethod
    def traction(self, displacement: Tensor) -> Tensor:
        """Compute tractions ``t / E`` from displacements ``u / L``.

        Parameters
        ----------
        displacement : tensor of shape (N, 2, H, W)
            Displacements ``(x, y)``.

        Returns
        -------
        tensor of shape (N, 2, H, W)
        """

    def traction_at_noise(self, displacement: Tensor, noise: Noise) -> Tensor:
        """Compute tractions from displacements whose noise is known.

        Methods that do not estimate the noise ignore it, and so do networks: they were
        trained with the noise that they estimate themselves.

        Parameters
        ----------
        displacement : tensor of shape (N, 2, H, W)
            Displacements ``u / L``.
        noise : Noise
            Their noise, in grid steps, with numpy arrays of shape (N,).

        Returns
        -------
        tensor of shape (N, 2, H, W)
        """
        return self.traction(displacement)

    @property
    def calibration(self) -> str:
        """Name of the calibration of its intervals; empty if it tells none."""
        return ""

    def halfwidths(self, solved: Solved) -> Tensor:
        """Half-widths of the intervals of tractions, before their calibration.

        Parameters
        ----------
        solved : Solved
            N displacements with the tractions that this method has computed from them.

        Returns
        -------
        tensor of shape (N, 2, 2, H, W)
            For each field, the levels 68% and 95%, and the components.

        Raises
        ------
        ModelError
            If the method tells none; its `calibration` is empty.
        """
        raise ModelError(f"{self.name} does not tell how sure its tractions are")

    def differentiable_at(self, displacement: Tensor) -> Callable[[Tensor], Tensor]:
        """The method as a differentiable function in the neighbourhood of one field.

        Parameters
        ----------
        displacement : tensor of shape (1, 2, H, W)
            The field. Parameters that a method chooses for each field, such as a
            regularisation, are chosen for this field and kept fixed.

        Returns
        -------
        callable
            Function from displacements to tractions, like `traction`. A method that
            averages over mirror images returns the function without averaging, to
            which its attention belongs.
        """
        return self.traction

    def attention(self, displacement: Tensor) -> list[Tensor]:
        """Softmax attention of one field.

        Parameters
        ----------
        displacement : tensor of shape (1, 2, H, W)
            The field.

        Returns
        -------
        list of tensors of shape (heads, P, P)
            One per block, for ``P = rows * columns`` patches in row-major order.

        Raises
        ------
        ModelError
            If the method has no attention.
        """
        return self.tokenised(displacement).attention()

    def tokenised(self, displacement: Tensor) -> TokenisedField:
        """One field as tokens, with the blocks and the rest of the network.

        A method that averages over mirror images returns the network without
        averaging.

        Parameters
        ----------
        displacement : tensor of shape (1, 2, H, W)
            The field.

        Returns
        -------
        TokenisedField

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
        Maps ``u / L`` to ``t / E``, both ``(N, 2, H, W)``. It is set to evaluation
        mode and its parameters no longer require gradients.
    name : str, keyword-only
        Name of the method.
    sha256 : str, keyword-only
        SHA-256 of the weights file.
    """

    network: nn.Module

    def __init__(self, network: nn.Module, *, name: str, sha256: str) -> None:
        self.network = network.eval().requires_grad_(False)
        self.name = name
        self.sha256 = sha256

    def to(self, device: str | torch.device) -> NetworkMethod:
        """Move the network to a device, in place."""
        self.network.to(device)
        return self

    def traction(self, displacement: Tensor) -> Tensor:
        """Compute tractions ``t / E`` from displacements ``u / L``."""
        out: Tensor = self.network(displacement)
        return out
