"""Properties of a gel: Young's modulus, Poisson ratio and thickness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.constraints import check
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.options import Number
from napari_vit_tfm.units import Length

PA_PER_KPA = 1000.0

USUAL_YOUNG_PA = 50.0, 1e6
"""Range of usual Young's moduli, in Pa."""


@dataclass(frozen=True)
class Gel:
    """Known properties of a gel.

    None means that a value is unknown. A gel with unknown values, such as ``Gel()``,
    differs from a gel with the values of the reference gel.

    Parameters
    ----------
    young_pa : float, optional
        Young's modulus, in Pa. If it is unknown, tractions are dimensionless,
        ``t / E``.
    poisson : float, optional
        Poisson ratio, from 0 to 0.5.
    thickness_um : float, optional
        Thickness of the layer on its rigid base, in um; infinite for a
        half-space.

    Raises
    ------
    FieldError
        If a value is not physical.

    Examples
    --------
    >>> typed = Gel(young_pa=10_000.0)
    >>> in_file = Gel(young_pa=2_000.0, poisson=0.45)
    >>> typed.filled_from(in_file)
    Gel(young_pa=10000.0, poisson=0.45, thickness_um=None)
    """

    young_pa: Annotated[
        float | None,
        Number(
            label="Young's modulus",
            help="Young's modulus of the gel. Tractions are proportional to it",
            unit="Pa",
            form_unit="kPa",
            per_form_unit=PA_PER_KPA,
            step=PA_PER_KPA,
            minimum=1e-3,
            maximum=1e13,
            usual=USUAL_YOUNG_PA,
            otherwise="unknown: result is t/E",
        ),
    ] = None
    poisson: Annotated[
        float | None,
        Number(
            label="Poisson ratio",
            help="Poisson ratio of the gel; 0.5 is incompressible",
            maximum=0.5,
            excludes_minimum=False,
            step=0.01,
            usual=(0.2, 0.5),
            otherwise=f"{REFERENCE_POISSON}",
        ),
    ] = None
    thickness_um: Annotated[
        float | None,
        Number(
            label="Gel thickness",
            help="Thickness of the gel on its rigid base. It matters if it is smaller "
            "than the region that the cell deforms, and then needs the vector spacing",
            unit="\N{MICRO SIGN}m",
            minimum=1e-3,
            maximum=1e7,
            may_be_infinite=True,
            step=1.0,
            usual=(5.0, 5000.0),
            otherwise="infinite",
        ),
    ] = None

    def __post_init__(self) -> None:
        check(self, FieldError, by_label=True)

    @property
    def is_layer(self) -> bool:
        """Whether the thickness is known to be finite."""
        return self.thickness_um is not None and math.isfinite(self.thickness_um)

    @property
    def needs(self) -> tuple[Length, ...]:
        """Lengths required to compute the response of the gel on a grid."""
        return ("spacing_um",) if self.is_layer else ()

    def filled_from(self, other: Gel) -> Gel:
        """Replace unknown values by those of another gel.

        Parameters
        ----------
        other : Gel
            Source of the missing values.

        Returns
        -------
        Gel
        """

        def known(own: float | None, fallback: float | None) -> float | None:
            return fallback if own is None else own

        return Gel(
            known(self.young_pa, other.young_pa),
            known(self.poisson, other.poisson),
            known(self.thickness_um, other.thickness_um),
        )


REFERENCE_GEL = Gel(poisson=REFERENCE_POISSON, thickness_um=math.inf)
"""The gel of the reference form: a half-space of any Young's modulus."""
