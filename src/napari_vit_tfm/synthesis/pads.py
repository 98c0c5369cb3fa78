"""Smooth adhesions of all sizes, round or elongated."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vit_tfm.synthesis.adhesions import AdhesionDistribution


@dataclass(frozen=True)
class PadDistribution(AdhesionDistribution):
    """Smooth adhesions with tractions in any direction; see the base class."""

    count: tuple[int, int] = (2, 50)
    semi_axis: tuple[float, float] = (1.0, 14.0)
    elongation: float = 3.0
    dome_share: float = 0.2
    bell_share: float = 0.4
    gaussian_share: float = 0.4
    is_pulled: bool = False
