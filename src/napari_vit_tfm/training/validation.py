"""Dataclasses from the plain values of a TOML or JSON file.

pydantic compares the values with the annotations of the dataclass, and finds all faults
at once. A fault is named by its place in the file, such as ``kinds[2].noise.strength``;
entries of lists are counted from 0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from napari_vit_tfm.constraints import shown
from napari_vit_tfm.errors import ConfigError

_T = TypeVar("_T")
_Place = tuple[str | int, ...]

_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
_MOST_SHOWN = 10
"""Most faults in a message."""

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "finite_number": "a finite number",
    "bool": "true or false",
    "string": "a text",
    "tuple": "a list",
    "dataclass": "a table",
    "mapping": "a table",
    "dict": "a table",
}
"""What is expected, by the first word of pydantic's kinds of errors."""


class Faults(ConfigError):
    """A configuration with faults.

    Parameters
    ----------
    faults : list of (place, text)
        Each fault, with its place in the configuration.
    """

    def __init__(self, faults: list[tuple[_Place, str]]) -> None:
        self.faults = faults
        told = [
            f"{_in_words(place)} {text}".strip() for place, text in faults[:_MOST_SHOWN]
        ]
        if len(faults) > _MOST_SHOWN:
            told.append(f"and {len(faults) - _MOST_SHOWN} more faults")
        super().__init__("; ".join(told))


def validated(kind: type[_T], values: Any, *, place: _Place = ()) -> _T:
    """Build a dataclass from plain values.

    Parameters
    ----------
    kind : type
        The dataclass. Its fields, and those of dataclasses in it, have defaults.
    values : object
        A mapping of names to values, as in a file.
    place : tuple of str or int, keyword-only
        Where the values are in the configuration.

    Raises
    ------
    ConfigError
        If a name is not known, or a value is not what its annotation says. The message
        names all of them.

    Examples
    --------
    >>> from napari_vit_tfm.synthesis import DiscDistribution
    >>> from napari_vit_tfm.training.validation import validated
    >>> validated(DiscDistribution, {"count": [5, 9]}).count
    (5.0, 9.0)
    >>> validated(DiscDistribution, {"count": [9, 5], "size": 1})
    Traceback (most recent call last):
    ...
    napari_vit_tfm.training.validation.Faults: count must be two numbers, the smaller \
one first, not [9, 5]; size is not known: expected one of count, radius, magnitude, \
margin
    """
    adapter: TypeAdapter[Any] = _adapter(cast(Any, kind))
    try:
        # Lists are no tuples, except in JSON.
        text = json.dumps([values], default=str)
        found: _T = adapter.validate_json(text)[0]
    except ValidationError as error:
        raise Faults(
            [
                fault
                for item in error.errors(include_url=False)
                for fault in _faults(kind, item, place)
            ]
        ) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"the configuration cannot be read: {error}") from error
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    # A dataclass alone cannot be given a configuration.
    return TypeAdapter(tuple[kind], config=_STRICT)


def _faults(kind: type[Any], item: Any, place: _Place) -> list[tuple[_Place, str]]:
    """The faults that pydantic has found, in words."""
    inside: _Place = item["loc"][1:]
    own = item.get("ctx", {}).get("error")
    if isinstance(own, Faults):
        return [((*place, *inside, *rest), text) for rest, text in own.faults]
    where, name = (*place, *inside), item["type"]
    if name == "unexpected_keyword_argument":
        return [(where, f"is not known: expected one of {_names(kind, inside[:-1])}")]
    if name == "value_error" and isinstance(own, ConfigError):
        # A check of several fields says which they are.
        return [(where, f": {own}" if where else str(own))]
    if name == "missing" or name.startswith("too_"):
        return [(where[:-1] if name == "missing" else where, "has the wrong length")]
    if name == "value_error":
        expected = str(own)
    elif name == "literal_error":
        expected = item["ctx"]["expected"]
    else:
        expected = _WORDS.get(name, _WORDS.get(name.split("_")[0], item["msg"]))
    return [(where, f"must be {expected}, not {shown(item['input'])}")]


def _names(kind: type[Any], inside: _Place) -> str:
    """The names that a table may have."""
    for part in inside:
        if isinstance(part, str):
            kind = _dataclass_in(get_type_hints(kind)[part]) or kind
    return ", ".join(item.name for item in fields(kind))


def _dataclass_in(hint: Any) -> type[Any] | None:
    if is_dataclass(hint):
        return hint if isinstance(hint, type) else None
    found = (_dataclass_in(part) for part in get_args(hint))
    return next((one for one in found if one is not None), None)


def _in_words(place: _Place) -> str:
    words = ""
    for part in place:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            # A name may have any characters, also escape codes.
            words += f".{part if part.isidentifier() else shown(part)}"
    return words.removeprefix(".")


def as_tuples(value: Any) -> Any:
    """Convert the lists of TOML and JSON to the tuples of a configuration."""
    if isinstance(value, list | tuple):
        return tuple(as_tuples(item) for item in value)
    if isinstance(value, Mapping):
        return {name: as_tuples(item) for name, item in value.items()}
    return value
