"""Smooth adhesions of all sizes, round or elongated."""

from __future__ import annotations

from dataclasses import dataclass

from napari_vit_tfm.constraints import FewRange, Flag, Ratio, Share, StepsRange
from napari_vit_tfm.synthesis.adhesions import AdhesionDistribution


@dataclass(frozen=True)
class PadDistribution(AdhesionDistribution):
    """Smooth adhesions with tractions in any direction; see the base class."""

    count: FewRange = (2, 50)
    semi_axis: StepsRange = (1.0, 14.0)
    elongation: Ratio = 3.0
    dome_share: Share = 0.2
    bell_share: Share = 0.4
    gaussian_share: Share = 0.4
    is_pulled: Flag = False
