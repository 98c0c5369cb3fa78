"""Units of quantities: SI units where lengths and tractions are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dimension = Literal[
    "ratio",
    "angle",
    "length",
    "area",
    "traction",
    "force",
    "moment",
    "energy",
    "energy density",
]
"""Kind of a quantity, from which its unit follows."""

_SI: dict[Dimension, tuple[str, float]] = {
    "ratio": ("", 1.0),
    "angle": ("deg", 1.0),
    "length": ("um", 1.0),
    "area": ("um2", 1.0),
    "traction": ("Pa", 1.0),
    # 1 Pa um2 = 1e-12 N, 1 Pa um3 = 1e-18 N m = 1e-18 J, 1 Pa um = 1e-6 J/m2.
    "force": ("nN", 1e-3),
    "moment": ("nN_um", 1e-3),
    "energy": ("fJ", 1e-3),
    "energy density": ("fJ_per_um2", 1e-3),
}
"""Name of the unit, and its factor from Pa and um."""

_POWERS: dict[Dimension, tuple[int, int]] = {
    "ratio": (0, 0),
    "length": (0, 1),
    "area": (0, 2),
    "traction": (1, 0),
    "force": (1, 2),
    "moment": (1, 3),
    "energy": (1, 3),
    "energy density": (1, 1),
}
"""Powers of the traction and of the length."""


@dataclass(frozen=True)
class Scale:
    """Units of tractions and lengths, from which those of all quantities follow.

    Parameters
    ----------
    traction : {"Pa", "E"}
        Pascal, or fractions of Young's modulus.
    length : {"um", "steps"}
        Micrometres, or steps of the vector grid.

    Examples
    --------
    >>> Scale("Pa", "um").unit("force"), Scale("E", "steps").unit("force")
    (('nN', 0.001), ('E_steps2', 1.0))
    """

    traction: Literal["Pa", "E"]
    length: Literal["um", "steps"]

    def unit(self, dimension: Dimension) -> tuple[str, float]:
        """Name of the unit of a quantity, and the factor from the basic units to it.

        Parameters
        ----------
        dimension : str
            Kind of the quantity.

        Returns
        -------
        name : str
            Name at the end of a column; empty for a ratio.
        factor : float
            Value in this unit of a quantity of 1 in the units of tractions and lengths.
        """
        if dimension == "angle" or (self.traction, self.length) == ("Pa", "um"):
            return _SI[dimension]
        powers = zip((self.traction, self.length), _POWERS[dimension], strict=True)
        named = (
            "" if n == 0 else name if n == 1 else f"{name}{n}" for name, n in powers
        )
        return "_".join(filter(None, named)), 1.0

    def has_error_of_gel(self, dimension: Dimension) -> bool:
        """Whether a quantity is proportional to Young's modulus, and so to its error.

        Ratios, angles and lengths are not, nor are numbers in fractions of it.

        Examples
        --------
        >>> from napari_vit_tfm.quantities import Scale
        >>> scale = Scale("Pa", "um")
        >>> scale.has_error_of_gel("force"), scale.has_error_of_gel("ratio")
        (True, False)
        >>> Scale("E", "um").has_error_of_gel("force")
        False
        """
        power, _ = _POWERS.get(dimension, (0, 0))
        return self.traction == "Pa" and power != 0


SCALES = (
    Scale("Pa", "um"),
    Scale("Pa", "steps"),
    Scale("E", "um"),
    Scale("E", "steps"),
)
"""All combinations of units; the first one has SI units."""
