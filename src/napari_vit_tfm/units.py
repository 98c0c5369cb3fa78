"""Units of displacements and tractions: names, spellings and conversion.

`DISPLACEMENT_UNITS` and `TRACTION_UNITS` map keys to units. A stack stores the key of
its unit. `LENGTHS` names the lengths that are required to convert some units.
"""

from __future__ import annotations

import re
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
"""Names of the lengths of a stack: the distance between neighbouring vectors, and the
size of a camera pixel in the specimen."""

LENGTH_TOLERANCE = 0.01
"""Allowed difference of two values of the same length, relative to it."""

_NOT_KNOWN = "unit not known"

_PER = re.compile(r"(.+?)\s*(?:/|\bper\b)\s*(.+)")
_PER_SECOND = re.compile(
    r"(.+?)[\s.*\u00b7]*\b(s|sec|min|h)\s*(?:\^?\(?-1\)?|\u207b\u00b9)"
)
_FRAME_WORDS = ("frame", "frames", "fr", "image", "image pair", "pair")
_TIME_WORDS = {
    **dict.fromkeys(["s", "sec", "second", "seconds"], "second"),
    **dict.fromkeys(["ms"], "millisecond"),
    **dict.fromkeys(["min", "minute", "minutes"], "minute"),
    **dict.fromkeys(["h", "hr", "hour", "hours"], "hour"),
}


@dataclass(frozen=True)
class Unit:
    """Names of a unit, and the lengths required to convert it.

    Parameters
    ----------
    label : str
        Name in layers, legends and messages, such as ``µm``.
    words : str
        Full name in menus, help and reports.
    spellings : tuple of str
        Other names in files, besides the key, the label and the full name. Case is
        ignored.
    multiples : mapping of str to float
        Other units of the same kind in files, with their value in this unit.
    needs : tuple of str
        Lengths required to convert the unit, keys of `LENGTHS`.
    """

    label: str
    words: str
    spellings: tuple[str, ...] = ()
    multiples: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    needs: tuple[Length, ...] = ()


def _spelt(prefixes: Iterable[str]) -> tuple[str, ...]:
    """British and American spellings of metre with prefixes, singular and plural."""
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
"""Displacement units by key."""

TRACTION_UNITS: Mapping[TractionUnit, Unit] = MappingProxyType(
    {
        "Pa": Unit("Pa", "Pa", spellings=("pascal", "pascals")),
        "1": Unit("t/E", "fractions of Young's modulus (t/E)"),
    }
)
"""Traction units by key."""

_UNITS: Mapping[DisplacementUnit | TractionUnit, Unit] = MappingProxyType(
    dict([*DISPLACEMENT_UNITS.items(), *TRACTION_UNITS.items()])
)


def unit_label(unit: DisplacementUnit | TractionUnit | None) -> str:
    """Short name of a unit, for layers, legends and messages.

    Parameters
    ----------
    unit : str, optional
        Key of a unit; None if it is unknown.

    Examples
    --------
    >>> unit_label("grid")
    'grid steps'
    >>> unit_label(None)
    'unit not known'
    """
    return _NOT_KNOWN if unit is None else _UNITS[unit].label


def unit_words(unit: DisplacementUnit | TractionUnit | None) -> str:
    """Full name of a unit, for menus, help and reports.

    Parameters
    ----------
    unit : str, optional
        Key of a unit; None if it is unknown.

    Examples
    --------
    >>> unit_words("px")
    'camera pixels'
    >>> unit_words("1")
    "fractions of Young's modulus (t/E)"
    """
    return _NOT_KNOWN if unit is None else _UNITS[unit].words


def displacement_unit(spelling: object) -> tuple[DisplacementUnit, float] | None:
    """Identify the unit of displacements in a file.

    Parameters
    ----------
    spelling : object
        Name of the unit in the file. Case is ignored, except for ``m``, ``mm`` and
        ``nm``, because ``M`` and ``MM`` are other units.

    Returns
    -------
    unit : {"um", "grid", "px", "field"}
        Key of the unit of the stack.
    factor : float
        Factor that converts the values in the file to this unit.

        The result is None if `spelling` is not a displacement unit.

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


def without_time(spelling: str) -> tuple[str, str | None]:
    """Split a unit in a file into a length and the time of a velocity.

    Parameters
    ----------
    spelling : str
        Name of the unit in the file.

    Returns
    -------
    length : str
        The unit without "per frame" or a unit of time.
    per_time : str or None
        The unit of time, such as "second"; None if it is not a velocity. A length per
        frame is a displacement.

    Examples
    --------
    >>> from napari_vit_tfm.units import without_time
    >>> without_time("px/frame"), without_time("m s^-1"), without_time("um")
    (('px', None), ('m', 'second'), ('um', None))
    """
    match = _PER.fullmatch(spelling) or _PER_SECOND.fullmatch(spelling)
    if match is not None:
        if match[2].lower() in _FRAME_WORDS:
            return match[1], None
        if match[2].lower() in _TIME_WORDS:
            return match[1], _TIME_WORDS[match[2].lower()]
    return spelling, None


def traction_unit(spelling: object) -> TractionUnit | None:
    """Identify the unit of tractions in a file.

    Parameters
    ----------
    spelling : object
        Name of the unit in the file.

    Returns
    -------
    {"Pa", "1"} or None
        Key of the unit; None if `spelling` is not a traction unit.

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
    """Value of a spelt unit in another unit; None if they are of different kinds."""
    if not isinstance(spelling, str):
        return None
    name = _normalised(spelling)
    names = (key, unit.label, unit.words, *unit.spellings)
    if name.casefold() in [_normalised(known).casefold() for known in names]:
        return 1.0
    if len(name) > len("mm"):
        name = name.casefold()
    return unit.multiples.get(name)


def _normalised(spelling: str) -> str:
    """A spelling with single spaces, and with the micro sign as Greek mu."""
    return " ".join(unicodedata.normalize("NFKC", spelling).split())


def grid_steps_per_unit(
    unit: DisplacementUnit,
    *,
    n_columns: int,
    spacing_um: float | None = None,
    pixel_size_um: float | None = None,
) -> float:
    """Conversion factor from a unit of displacement to grid steps.

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
        If a length required to convert the unit is unknown.

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


def consistent_lengths(
    unit: DisplacementUnit | None,
    spacing_in_unit: float | None,
    spacing_um: float | None,
    pixel_size_um: float | None,
) -> tuple[float | None, float | None]:
    """Vector spacing and pixel size, as far as they follow from the other lengths.

    Parameters
    ----------
    unit : {"um", "grid", "px", "field"}, optional
        Unit of the displacements.
    spacing_in_unit : float, optional
        Distance between neighbouring vectors in this unit, where it is known.
    spacing_um, pixel_size_um : float, optional
        Vector spacing and pixel size, in um, where they are given.

    Returns
    -------
    spacing_um, pixel_size_um : float or None
        The lengths; None if they are not known.

    Raises
    ------
    FieldError
        If the lengths contradict each other by more than 1%.

    Examples
    --------
    >>> consistent_lengths("px", 8.0, None, 0.25)
    (2.0, 0.25)
    >>> consistent_lengths("px", 8.0, 2.0, None)
    (2.0, 0.25)
    >>> consistent_lengths("um", 8.0, 2.0, None)
    Traceback (most recent call last):
    ...
    napari_vit_tfm.errors.FieldError: according to their positions, the vectors are \
8 um apart, but the vector spacing is 2 um: check the spacing and the unit
    """
    if spacing_in_unit is None or unit not in ("px", "um"):
        return spacing_um, pixel_size_um
    if unit == "um":
        expected, check = spacing_in_unit, "the unit"
        apart = f"{spacing_in_unit:g} um apart"
    elif pixel_size_um is not None:
        expected = spacing_in_unit * pixel_size_um
        apart = (
            f"{spacing_in_unit:g} px apart, which is {expected:g} um with the pixel "
            f"size of {pixel_size_um:g} um"
        )
        check = "the pixel size"
    elif spacing_um is not None:
        return spacing_um, spacing_um / spacing_in_unit
    else:
        return None, None
    if spacing_um is None:
        return expected, pixel_size_um
    if abs(spacing_um - expected) > LENGTH_TOLERANCE * expected:
        raise FieldError(
            f"according to their positions, the vectors are {apart}, but the vector "
            f"spacing is {spacing_um:g} um: check the spacing and {check}"
        )
    return spacing_um, pixel_size_um
