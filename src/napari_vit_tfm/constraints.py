"""What the fields of a dataclass must be, written into their annotations.

A configuration is refused where it enters: its dataclass calls `check`, which names
every field with a wrong value::

    @dataclass(frozen=True)
    class LossConfig:
        exponent: Annotated[float, Range(maximum=2.0)] = 0.5

        def __post_init__(self) -> None:
            check(self)

Configurations in files are read by pydantic, which uses the same annotations.
"""

from __future__ import annotations

import math
import re
import reprlib
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from napari_vit_tfm.errors import ConfigError, TFMError

_FIRST_SEED = 2**32
"""Seeds are below this number; not every generator takes larger ones."""

_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LONGEST = 100
"""Most characters of a number."""


class Constraint(ABC):
    """What a field of a dataclass must be; written into its annotation.

    pydantic uses it, too, when a configuration is read from a file.
    """

    @abstractmethod
    def expected(self, value: Any) -> str:
        """What is expected instead of a value, such as "a whole number"; else empty."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        def checked(value: Any) -> Any:
            if value is not None and (words := self.expected(value)):
                raise ValueError(words)
            return value

        return core_schema.no_info_after_validator_function(checked, handler(source))


@dataclass(frozen=True, kw_only=True)
class Range(Constraint):
    """A number in a range.

    Parameters
    ----------
    minimum, maximum : float
        The range.
    excludes_minimum : bool
        Whether the minimum itself is not allowed.
    is_whole : bool
        Whether it is a whole number.
    may_be_infinite : bool
        Whether infinity is allowed, too.
    """

    minimum: float = 0.0
    maximum: float = math.inf
    excludes_minimum: bool = True
    is_whole: bool = False
    may_be_infinite: bool = False

    @property
    def range_in_words(self) -> str:
        """The range, such as "above 0 and at most 10"."""
        low = "above" if self.excludes_minimum else "at least"
        words = f"{low} {_plain(self.minimum)}"
        if math.isfinite(self.maximum):
            words += f" and at most {_plain(self.maximum)}"
        return f"{words}, or infinite" if self.may_be_infinite else words

    def allows(self, value: Any) -> bool:
        """Whether a value is a number in the range; True and False are no numbers."""
        return not self.expected(value)

    def expected(self, value: Any) -> str:
        """What is expected instead of a value; empty if it is in the range."""
        kind = Integral if self.is_whole else Real
        if not _is_a(kind, value):
            return "a whole number" if self.is_whole else "a number"
        if value == math.inf and self.may_be_infinite:
            return ""
        # An int may be too large for a float. NaN is in no range.
        most = min(self.maximum, sys.float_info.max)
        fits = self.minimum <= value <= most
        if fits and not (self.excludes_minimum and value == self.minimum):
            return ""
        return self.range_in_words

    def read(self, text: str) -> float:
        """Read a number in the range from a text.

        Only plain numbers are read, such as ``12``, ``-0.5`` and ``2e3``, and ``inf``
        where it is allowed.

        Raises
        ------
        ValueError
            If the text is no such number; it says what is expected.

        Examples
        --------
        >>> from napari_vit_tfm.constraints import Range
        >>> Range(maximum=10).read("2.5"), Range(may_be_infinite=True).read("inf")
        (2.5, inf)
        >>> Range(maximum=10).read("1_0")
        Traceback (most recent call last):
        ...
        ValueError: a number
        """
        number = number_in(text)
        if number is not None and self.is_whole and _WHOLE.fullmatch(text.strip()):
            # A float has fewer digits.
            number = int(text)
        if words := self.expected(number):
            raise ValueError(words)
        assert number is not None
        return number


@dataclass(frozen=True)
class Length(Constraint):
    """A list of a certain length.

    Parameters
    ----------
    minimum, maximum : int
        Fewest and most values.
    """

    minimum: int
    maximum: int

    def expected(self, value: Any) -> str:
        """What is expected instead of a list; empty if its length is allowed."""
        if self.minimum <= len(value) <= self.maximum:
            return ""
        return f"{self.minimum} to {self.maximum} values"


class Increasing(Constraint):
    """A range, whose first number is not larger than its second."""

    def expected(self, value: Any) -> str:
        """What is expected instead of two numbers; empty if they are in order."""
        low, high = value
        return "" if low <= high else "two numbers, the smaller one first"


class OneOf(Constraint):
    """One of several values.

    Parameters
    ----------
    *values
        The values.
    """

    def __init__(self, *values: Any) -> None:
        self._values = values

    def expected(self, value: Any) -> str:
        """What is expected instead of a value; empty if it is one of the values."""
        # True is equal to 1, but not meant by it.
        known = any(type(one) is type(value) and one == value for one in self._values)
        return "" if known else f"one of {', '.join(map(str, self._values))}"


class PlainType(Constraint):
    """A value of the type that the annotation names, such as `str` or `bool`.

    Parameters
    ----------
    kind : type
        The type.
    words : str
        What it is called.
    """

    def __init__(self, kind: type[Any], words: str) -> None:
        self._kind = kind
        self._words = words

    def expected(self, value: Any) -> str:
        """What is expected instead of a value; empty if it has the type."""
        return "" if isinstance(value, self._kind) else self._words


def number_in(text: str) -> float | None:
    """The number that is written in a text.

    Parameters
    ----------
    text : str
        A plain number, such as ``12``, ``-0.5`` and ``2e3``; or ``inf`` or ``nan``.

    Returns
    -------
    float or None
        None for any other text, such as ``1_0``, which Python also reads, and for a
        number that is too large for a float: it is not meant as infinity.

    Examples
    --------
    >>> from napari_vit_tfm.constraints import number_in
    >>> number_in(" 2e3"), number_in("inf"), number_in("1_0"), number_in("1e999")
    (2000.0, inf, None, None)
    """
    typed = text.strip().lower()
    if typed in ("inf", "infinity", "nan"):
        return float(typed)
    if len(typed) > _LONGEST or not _NUMBER.fullmatch(typed):
        return None
    number = float(typed)
    return None if math.isinf(number) else number


def _is_a(kind: type[Any], value: object) -> bool:
    """Whether a value is a number of a kind; True and False are none."""
    return isinstance(value, kind) and not isinstance(value, bool)


Count = Annotated[
    int,
    Range(minimum=1, maximum=1_000_000_000, excludes_minimum=False, is_whole=True),
]
"""A number of things, at least one."""

Whole = Annotated[
    int, Range(maximum=1_000_000_000, excludes_minimum=False, is_whole=True)
]
"""A number of things, or none."""

Seed = Annotated[
    int, Range(maximum=_FIRST_SEED - 1, excludes_minimum=False, is_whole=True)
]
"""A seed of random numbers."""

Share = Annotated[float, Range(maximum=1.0, excludes_minimum=False)]
"""A share, from 0 to 1."""

Positive = Annotated[float, Range(maximum=1e6)]
"""A number above 0, of a size that occurs."""

NotNegative = Annotated[float, Range(maximum=1e6, excludes_minimum=False)]
"""The same, or 0."""

Ratio = Annotated[float, Range(minimum=1.0, maximum=1000.0, excludes_minimum=False)]
"""How many times larger something is."""

Steps = Annotated[float, Range(maximum=1000.0)]
"""A length in grid steps."""

Margin = Annotated[int, Range(maximum=1000, excludes_minimum=False, is_whole=True)]
"""A distance in nodes."""

Few = Annotated[
    int, Range(minimum=1, maximum=10_000, excludes_minimum=False, is_whole=True)
]
"""A number of things that are drawn one by one."""

FewRange = Annotated[tuple[Few, Few], Increasing()]
PositiveRange = Annotated[tuple[Positive, Positive], Increasing()]
StepsRange = Annotated[tuple[Steps, Steps], Increasing()]

Text = Annotated[str, PlainType(str, "a text")]
Flag = Annotated[bool, PlainType(bool, "True or False")]
Table = Annotated[Mapping[str, Any], PlainType(Mapping, "names with values")]


def check(
    options: object, error: type[TFMError] = ConfigError, *, by_label: bool = False
) -> None:
    """Raise an error that names every field of a dataclass that has a wrong value.

    Parameters
    ----------
    options : dataclass
        An instance.
    error : type
        The error.
    by_label : bool, keyword-only
        Whether options are called by their labels, and not by the names of the fields.

    Examples
    --------
    >>> from napari_vit_tfm import ReconstructionConfig
    >>> ReconstructionConfig(batch_size=0, device="gpu")
    Traceback (most recent call last):
    ...
    napari_vit_tfm.errors.ConfigError: device must be one of auto, cpu, cuda, mps, \
not 'gpu'; batch_size must be at least 1 and at most 4096, not 0
    """
    kind: Any = type(options)
    faults = []
    for name, hint in _hints(kind).items():
        value = getattr(options, name)
        if words := _expected(hint, value):
            called = _label(hint) or name if by_label else name
            faults.append(f"{called} must be {words}, not {shown(value)}")
    if faults:
        raise error("; ".join(faults))


def shown(value: object) -> str:
    """A value in a message; long ones are shortened."""
    return reprlib.repr(value)


def _label(hint: Any) -> str:
    """Label of an option; empty for other fields."""
    notes = getattr(hint, "__metadata__", ())
    return next((note.label for note in notes if hasattr(note, "label")), "")


@cache
def _hints(options: type[Any]) -> dict[str, Any]:
    """Annotations of the fields of a dataclass."""
    hints = get_type_hints(options, include_extras=True)
    return {item.name: hints[item.name] for item in fields(options)}


def _expected(hint: Any, value: object) -> str:
    """What an annotation expects instead of a value; empty if nothing is wrong.

    Only constraints are checked, tuples with constraints, and other dataclasses.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if value is None and NoneType in get_args(parts[0]):
            return ""
        words = _expected(parts[0], value)
        for note in parts[1:]:
            words = words or (
                note.expected(value) if isinstance(note, Constraint) else ""
            )
        return words
    if origin is tuple:
        return _expected_of_all(parts, value)
    if origin in (Union, UnionType) and value is not None:
        others = [part for part in parts if part is not NoneType]
        return _expected(others[0], value) if len(others) == 1 else ""
    if is_dataclass(hint) and isinstance(hint, type):
        return "" if isinstance(value, hint) else f"a {hint.__name__}"
    if origin is Literal and value not in parts:
        return f"one of {', '.join(map(str, parts))}"
    return ""


def _expected_of_all(parts: tuple[Any, ...], value: object) -> str:
    """The same for a tuple, from the annotations of its values."""
    if not isinstance(value, tuple):
        return "a tuple"
    if parts[-1] is Ellipsis:
        parts = parts[:1] * len(value)
    if len(parts) != len(value):
        return f"{len(parts)} values"
    found = (_expected(*pair) for pair in zip(parts, value, strict=True))
    return next((f"of {words}" for words in found if words), "")


def _plain(number: float) -> str:
    """A number with all its digits."""
    short = f"{number:g}"
    return short if float(short) == number else f"{number:.10g}"
