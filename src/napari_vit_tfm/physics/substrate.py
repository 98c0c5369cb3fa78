"""The gel: stiffness, Poisson ratio, thickness, and the way to the reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.fields import FieldError
from napari_vit_tfm.physics.halfspace import (
    REFERENCE_RESPONSE,
    Array,
    Response,
    filter_modes,
    half_space_response,
    layer_response,
)


@dataclass(frozen=True)
class Substrate:
    """An elastic gel.

    Parameters
    ----------
    young : float, optional
        Young's modulus in Pa; None gives tractions over Young's modulus.
    poisson : float
        Poisson ratio, from 0 to 0.5.
    thickness : float
        Thickness of the layer on its rigid base, in um; infinite for a
        half-space.

    Raises
    ------
    FieldError
        For values that no gel has.
    """

    young: float | None = None
    poisson: float = REFERENCE_POISSON
    thickness: float = math.inf

    def __post_init__(self) -> None:
        if self.young is not None and not 0 < self.young < math.inf:
            raise FieldError(
                f"Young's modulus must be a positive number, not {self.young}"
            )
        if not self.thickness > 0:
            raise FieldError(
                f"the thickness must be a positive number, not {self.thickness}"
            )
        if not 0 <= self.poisson <= 0.5:
            raise FieldError(
                f"the Poisson ratio must lie between 0 and 0.5, not {self.poisson}"
            )

    @property
    def is_reference(self) -> bool:
        """Whether the gel is the reference gel but for its stiffness."""
        return self.poisson == REFERENCE_POISSON and not self.is_layer

    @property
    def is_layer(self) -> bool:
        """Whether its thickness is finite."""
        return math.isfinite(self.thickness)

    def response(self, *, spacing: float | None = None) -> Response:
        """How far tractions ``t / E`` displace this gel, wave by wave.

        Parameters
        ----------
        spacing : float, keyword-only, optional
            Distance between neighbouring vectors in um; needed with a
            thickness.

        Raises
        ------
        FieldError
            If the spacing is needed and missing.
        """
        if not self.is_layer:
            return partial(half_space_response, poisson=self.poisson)
        if spacing is None:
            raise FieldError(
                "a gel of finite thickness needs the distance between "
                "neighbouring vectors in um"
            )
        return partial(
            layer_response, poisson=self.poisson, thickness=self.thickness / spacing
        )

    def to_reference(
        self, displacement: npt.NDArray[np.floating], *, spacing: float | None = None
    ) -> npt.NDArray[np.floating]:
        """The displacement that the same tractions make on the reference gel.

        Exact in Fourier space, mode by mode. Around the field, which is
        finite, the mean of its border goes on, half a field wide: far from
        the forces a displacement fades out, and what is left is drift, which
        stays as it is. On disc fields more than nine
        tenths of the squared difference between two gels go. FTTC with this
        gel's own response is not better than after this: its errors differ by
        a few percent, either way, down to gels of five grid steps.

        Parameters
        ----------
        displacement : array of shape (..., H, W, 2)
            Measured on this gel, in any unit.
        spacing : float, keyword-only, optional
            Distance between neighbouring vectors in um; needed with a
            thickness.

        Returns
        -------
        array of shape (..., H, W, 2)
            Same unit.

        Raises
        ------
        FieldError
            If the spacing is needed and missing.
        """
        if self.is_reference:
            return displacement
        response = self.response(spacing=spacing)

        def gains(k: Array) -> tuple[Array, Array]:
            safe = np.where(k > 0, k, 1.0)
            reference, own = REFERENCE_RESPONSE(safe), response(safe)
            along, across = (r / o for r, o in zip(reference, own, strict=True))
            # The mean has no direction and no length: it is left alone.
            return np.where(k > 0, along, 1.0), np.where(k > 0, across, 1.0)

        field = displacement.astype(np.float64)
        border = np.concatenate(
            [
                field[..., [0, -1], :, :],
                np.swapaxes(field[..., 1:-1, [0, -1], :], -3, -2),
            ],
            axis=-2,
        )
        offset = border.mean(axis=(-3, -2), keepdims=True)
        x, y = np.moveaxis(field - offset, -1, 0)
        filtered = np.stack(filter_modes(x, y, gains, pad=True), axis=-1)
        out: npt.NDArray[np.floating] = (filtered + offset).astype(displacement.dtype)
        return out
