"""The units of displacements and of tractions, with all that is known about them.

`DISPLACEMENT_UNITS` and `TRACTION_UNITS` hold the units by their keys. A stack keeps
the key of its unit. `LENGTHS` names the lengths, in micrometres, that some units
cannot be converted without.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from napari_vit_tfm.errors import FieldError

DisplacementUnit = Literal["um", "grid", "px", "field"]
TractionUnit = Literal["Pa", "1"]
Length = Literal["spacing_um", "pixel_size_um"]

LENGTHS: Mapping[Length, str] = MappingProxyType(
    {"spacing_um": "the vector spacing", "pixel_size_um": "the pixel size"}
)
"""Lengths that a stack may know, in words: the distance between neighbouring vectors
and the size of a camera pixel in the specimen."""

_NOT_KNOWN = "unit not known"


@dataclass(frozen=True)
class Unit:
    """A unit, with its names and what it takes to convert it.

    Parameters
    ----------
    label : str
        Name in layers, legends and messages, such as ``µm``.
    words : str
        Name in full, as lists of choices, help and reports put it.
    spellings : tuple of str
        What files may call it besides its key, its label and its words, in any
        case.
    multiples : mapping of str to float
        What files may call other units of the same kind, letter by letter, with
        how many of this unit one of them is.
    needs : tuple of str
        Lengths without which it cannot be converted, keys of `LENGTHS`.
    """

    label: str
    words: str
    spellings: tuple[str, ...] = ()
    multiples: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    needs: tuple[Length, ...] = ()


def _spelt(prefixes: Iterable[str]) -> tuple[str, ...]:
    """The word metre after some prefixes, British and American, one and several."""
    endings = ("metre", "metres", "meter", "meters")
    return tuple(prefix + ending for prefix in prefixes for ending in endings)


DISPLACEMENT_UNITS: Mapping[DisplacementUnit, Unit] = MappingProxyType(
    {
        "um": Unit(
            "\N{MICRO SIGN}m",
            "micrometres",
            spellings=(*_spelt(["micro"]), "micron", "microns"),
            multiples=MappingProxyType(
                {
                    **dict.fromkeys(("m", *_spelt([""])), 1e6),
                    **dict.fromkeys(("mm", *_spelt(["milli"])), 1e3),
                    **dict.fromkeys(("nm", *_spelt(["nano"])), 1e-3),
                }
            ),
            needs=("spacing_um",),
        ),
        "grid": Unit(
            "grid steps",
            "steps of the vector grid",
            spellings=("grid step", "step", "steps"),
        ),
        "px": Unit(
            "pixels",
            "camera pixels",
            spellings=("pix", "pixel", "camera pixel"),
            needs=("spacing_um", "pixel_size_um"),
        ),
        "field": Unit(
            "field widths",
            "fractions of the field's width",
            spellings=("field width",),
        ),
    }
)
"""Units of displacements by their keys."""

TRACTION_UNITS: Mapping[TractionUnit, Unit] = MappingProxyType(
    {
        "Pa": Unit("Pa", "Pa", spellings=("pascal", "pascals")),
        "1": Unit("t/E", "fractions of Young's modulus (t/E)"),
    }
)
"""Units of tractions by their keys."""

_UNITS: Mapping[DisplacementUnit | TractionUnit, Unit] = MappingProxyType(
    dict([*DISPLACEMENT_UNITS.items(), *TRACTION_UNITS.items()])
)


def unit_label(unit: DisplacementUnit | TractionUnit | None) -> str:
    """Name of a unit as it is written in layers, legends and messages.

    Parameters
    ----------
    unit : str, optional
        Key of a unit; None where it is not known.

    Examples
    --------
    >>> unit_label("grid")
    'grid steps'
    >>> unit_label(None)
    'unit not known'
    """
    return _NOT_KNOWN if unit is None else _UNITS[unit].label


def unit_words(unit: DisplacementUnit | TractionUnit | None) -> str:
    """Name of a unit in full.

    Parameters
    ----------
    unit : str, optional
        Key of a unit; None where it is not known.

    Examples
    --------
    >>> unit_words("px")
    'camera pixels'
    >>> unit_words("1")
    "fractions of Young's modulus (t/E)"
    """
    return _NOT_KNOWN if unit is None else _UNITS[unit].words


def displacement_unit(spelling: object) -> tuple[DisplacementUnit, float] | None:
    """Understand what a file calls the unit of its displacements.

    Parameters
    ----------
    spelling : object
        What the file says. Capitals do not matter, except in ``m``, ``mm`` and
        ``nm``, which mean something else with one.

    Returns
    -------
    unit : {"um", "grid", "px", "field"}
        The unit to keep the displacements in.
    factor : float
        What the file's numbers have to be multiplied by, to be in this unit.

        None instead of both for what is no unit of displacements.

    Examples
    --------
    >>> displacement_unit("Pixels")
    ('px', 1.0)
    >>> displacement_unit("nm")
    ('um', 0.001)
    >>> displacement_unit("Pa") is None
    True
    """
    for key, unit in DISPLACEMENT_UNITS.items():
        factor = _factor(key, unit, spelling)
        if factor is not None:
            return key, factor
    return None


def traction_unit(spelling: object) -> TractionUnit | None:
    """Understand what a file calls the unit of its tractions.

    Parameters
    ----------
    spelling : object
        What the file says.

    Returns
    -------
    {"Pa", "1"} or None
        The unit; None for what is no unit of tractions.

    Examples
    --------
    >>> traction_unit("pascal")
    'Pa'
    >>> traction_unit("kPa") is None
    True
    """
    for key, unit in TRACTION_UNITS.items():
        if _factor(key, unit, spelling) is not None:
            return key
    return None


def _factor(key: str, unit: Unit, spelling: object) -> float | None:
    """How many of a unit the spelt unit is; None where it is none of its kind."""
    if not isinstance(spelling, str):
        return None
    spelt = _normal(spelling)
    names = (key, unit.label, unit.words, *unit.spellings)
    if spelt.casefold() in [_normal(name).casefold() for name in names]:
        return 1.0
    if len(spelt) > len("mm"):
        spelt = spelt.casefold()
    return unit.multiples.get(spelt)


def _normal(spelling: str) -> str:
    """A spelling with single spaces, and one letter for micro sign and Greek mu."""
    return " ".join(unicodedata.normalize("NFKC", spelling).split())


def grid_steps_per_unit(
    unit: DisplacementUnit,
    *,
    n_columns: int,
    spacing_um: float | None = None,
    pixel_size_um: float | None = None,
) -> float:
    """How many steps of the vector grid one unit of displacement is.

    Parameters
    ----------
    unit : {"um", "grid", "px", "field"}
        Key of the unit.
    n_columns : int, keyword-only
        Number of vectors in a row of the field.
    spacing_um : float, keyword-only, optional
        Distance between neighbouring vectors, in um.
    pixel_size_um : float, keyword-only, optional
        Size of a camera pixel, in um.

    Raises
    ------
    FieldError
        If a length that the unit needs is not known.

    Examples
    --------
    >>> grid_steps_per_unit("field", n_columns=104)
    103.0
    >>> grid_steps_per_unit("px", n_columns=104, spacing_um=0.8, pixel_size_um=0.1)
    0.125
    """
    known = {"spacing_um": spacing_um, "pixel_size_um": pixel_size_um}
    um: dict[Length, float] = {}
    for name in DISPLACEMENT_UNITS[unit].needs:
        length = known[name]
        if length is None:
            raise FieldError(f"displacements in {unit} need {LENGTHS[name]} in um")
        um[name] = length
    if unit == "um":
        return 1.0 / um["spacing_um"]
    if unit == "px":
        return um["pixel_size_um"] / um["spacing_um"]
    return 1.0 if unit == "grid" else float(n_columns - 1)
