"""Vector fields whose two components are separate arrays, such as ``u`` and ``v``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from textwrap import shorten

import numpy as np

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.io.attributes import NUMBERS_OF_FIELDS, unit_name
from napari_vit_tfm.io.base import (
    MIN_SIDE,
    AnyArray,
    ArrayEntry,
    Kind,
    kind_of_name,
)
from napari_vit_tfm.units import displacement_unit

_TOKEN = re.compile(
    "(?<![A-Za-z])(?:[UuDdTt]?[XxYy]|[UuVv])(?![A-Za-z])"  # u_001, Ux, 01v, disp_x
    "|(?<=[a-z])[XYUV](?![A-Za-z])"  # dispX
)
_OTHER = {"u": "v", "v": "u", "x": "y", "y": "x"}
PAIR_SEPARATOR = ", "
"""Separates the names of two arrays in the name of their field."""

_POSITIONS = ("x", "y")


@dataclass(frozen=True)
class Component:
    """The component that an array has according to its name.

    Parameters
    ----------
    axis : {0, 1}
        0 is along x, 1 along y.
    partner : str
        Name of the other component.
    stem : str
        The name without the component.
    kind : {"displacement", "traction", "other"}, optional
        Kind of field that the name stands for; None if it does not tell.
    """

    axis: int
    partner: str
    stem: str
    kind: Kind | None


def component_of(name: str) -> Component | None:
    """Find out whether a name is that of one component.

    Parameters
    ----------
    name : str
        Name of an array, a layer, or a file without its extension.

    Returns
    -------
    Component or None
        None if it is not. The names ``x`` and ``y`` alone stand for positions.

    Examples
    --------
    >>> from napari_vit_tfm.io.components import component_of
    >>> component_of("disp_x")
    Component(axis=0, partner='disp_y', stem='disp', kind='displacement')
    >>> component_of("01v").partner, component_of("cell ty").kind
    ('01u', 'traction')
    >>> component_of("matrix") is None, component_of("x") is None
    (True, True)
    """
    found = list(_TOKEN.finditer(name))
    if not found or name.lower() in _POSITIONS:
        return None
    match = found[-1]
    letter = match[0][-1]
    other = _OTHER[letter.lower()]
    partner = other if letter.islower() else other.upper()
    renamed = name[: match.end() - 1] + partner + name[match.end() :]
    prefix = match[0][:-1].lower()
    kind, _ = kind_of_name(name)
    if kind is None and prefix == "t":
        kind = "traction"
    elif kind is None and (prefix or letter.lower() in "uv"):
        kind = "displacement"
    stem = (name[: match.start()] + name[match.end() :]).strip(" _-.:/")
    return Component(int(letter.lower() in "vy"), renamed, stem, kind)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two arrays that are the components of one vector field.

    Parameters
    ----------
    x, y : str
        Names of the arrays.
    has_frames_last : bool
        Whether the last of three axes is the axis of frames; else it is the first.
    """

    x: str
    y: str
    has_frames_last: bool

    def joined(self, x: AnyArray, y: AnyArray) -> AnyArray:
        """Both components, ``(T, H, W, 2)`` or ``(H, W, 2)``."""
        both = np.stack([x, y], axis=-1)
        return np.moveaxis(both, 2, 0) if self.has_frames_last else both


def find_pairs(
    entries: Iterable[ArrayEntry], *, frames_last: bool
) -> Iterator[tuple[ArrayEntry, Pair]]:
    """Find the pairs of components among the arrays of a file.

    Parameters
    ----------
    entries : iterable of ArrayEntry
        The arrays.
    frames_last : bool, keyword-only
        Whether the program that wrote the file puts the axis of frames last.

    Yields
    ------
    tuple of ArrayEntry and Pair
        The vector field, named after both arrays, and the names of the arrays.
    """
    scalars = {entry.name: entry for entry in entries if is_scalar_field(entry)}
    for name, x in scalars.items():
        component = component_of(name)
        if component is None or component.axis != 0:
            continue
        y = scalars.get(component.partner)
        if y is None or y.shape != x.shape or "other" in (x.kind, y.kind):
            continue
        x = with_common_unit(x, y)
        last = len(x.shape) == 3 and (
            frames_last or x.shape[2] < MIN_SIDE or _is_grid(x, scalars)
        )
        yield (
            paired_entry(x, y, component.kind, has_frames_last=last),
            Pair(x.name, y.name, last),
        )


def with_common_unit(one: ArrayEntry, other: ArrayEntry) -> ArrayEntry:
    """The first of two components, with the unit of the second if it has none.

    Raises
    ------
    FieldError
        If they have different units, lengths or gels.
    """
    for name in NUMBERS_OF_FIELDS[1:]:
        values = [repr(entry.attributes.get(name)) for entry in (one, other)]
        if values[0] != values[1] and repr(None) not in values:
            raise FieldError(
                f"{one.name} and {other.name} are the components of a field, but have "
                f"{name} = {shorten(values[0], 40)} and {shorten(values[1], 40)}, "
                "expected the same"
            )
    units = unit_name(one), unit_name(other)
    if units[1] is None:
        return one
    if units[0] is None:
        notes = tuple(dict.fromkeys((*one.notes, *other.notes)))
        attributes = {**one.attributes, "units": units[1]}
        return replace(one, notes=notes, attributes=attributes)
    if not _are_same_unit(*units):
        raise FieldError(
            f"{one.name} and {other.name} are the components of a field, but have the "
            f"units {units[0]} and {units[1]}, expected the same unit"
        )
    return one


def _are_same_unit(one: object, other: object) -> bool:
    """Whether two units are the same, also in other spellings."""
    known = displacement_unit(one)
    return one == other or (known is not None and known == displacement_unit(other))


def _is_grid(component: ArrayEntry, arrays: Mapping[str, ArrayEntry]) -> bool:
    """Whether the first two of three axes are those of the positions in the file."""
    group, slash, _ = component.name.rpartition("/")
    names = [f"{group}{slash}{name}" for name in "xX"]
    shapes = {arrays[name].shape for name in names if name in arrays}
    return component.shape[:2] in shapes and component.shape[1:] not in shapes


def paired_entry(
    x: ArrayEntry, y: ArrayEntry, kind: Kind | None, *, has_frames_last: bool
) -> ArrayEntry:
    """The vector field of two scalar arrays of the same shape."""
    shape = x.shape[2:] + x.shape[:2] if has_frames_last else x.shape
    return replace(
        x,
        name=f"{x.name}{PAIR_SEPARATOR}{y.name}",
        shape=(*shape, 2),
        layout="(H, W, 2)" if len(shape) == 2 else "(T, H, W, 2)",
        kind=x.kind or kind,
        what=x.what or kind_of_name(x.name)[1],
        is_original=False,
    )


def is_scalar_field(entry: ArrayEntry) -> bool:
    """Whether an array can be one component of a vector field."""
    return (
        "float" in entry.dtype
        and len(entry.shape) in (2, 3)
        and sum(side >= MIN_SIDE for side in entry.shape) >= 2
    )


def lone_components(
    entries: Iterable[ArrayEntry],
) -> Iterator[tuple[ArrayEntry, str, tuple[int, ...] | None]]:
    """Find components whose field cannot be read, since the other does not fit.

    Yields
    ------
    tuple
        The component, the name of the other one, and the shape of the other one; None
        if the other one is missing.
    """
    known = {entry.name: entry for entry in entries}
    for name, entry in known.items():
        if PAIR_SEPARATOR in name or not is_scalar_field(entry):
            continue
        component = component_of(name.rpartition("/")[2])
        if component is None or kind_of_name(name)[0] == "other":
            continue
        group, slash, _ = name.rpartition("/")
        partner = f"{group}{slash}{component.partner}"
        other = known.get(partner)
        if other is None or other.shape != entry.shape:
            yield entry, partner, None if other is None else other.shape


def without_lone_components(entries: Iterable[ArrayEntry]) -> Iterator[ArrayEntry]:
    """Mark arrays of three axes that are one component: their frames are no vectors."""
    for entry in entries:
        component = component_of(entry.name.rpartition("/")[2])
        is_one = component is not None and PAIR_SEPARATOR not in entry.name
        if (
            is_one
            and len(entry.shape) == 3
            and entry.layout is not None
            and entry.kind != "other"
        ):
            yield replace(entry, kind="other", what="one component")
        else:
            yield entry
