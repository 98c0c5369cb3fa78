"""`Case`: a damaged or borderline file, and what has to happen when it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

Kind = Literal["displacement", "traction", "labels", "model", "config", "experiments"]
"""How the file is read first; afterwards it goes through all other ways, too."""

SPACING_UM = 0.5


def _field() -> Array:
    """Two frames of smooth vectors, with four decimals so that text holds them."""
    t, y, x = np.meshgrid(np.arange(2), np.arange(10), np.arange(12), indexing="ij")
    u = np.sin(0.5 * x + 0.3 * y + t) + 0.1
    v = np.cos(0.4 * y - 0.2 * x + t) - 0.1
    return np.round(0.3 * np.stack([u, v], axis=-1), 4)


FIELD = _field()
"""Displacements ``(2, 10, 12, 2)`` that most cases are made from."""


@dataclass(frozen=True, eq=False)
class Reads:
    """The file is read, and has these values.

    Parameters
    ----------
    values : array, optional
        The vectors or labels; None if only their numbers are checked to be finite
        or holes.
    about : mapping
        Expected attributes of the stack, such as its unit.
    note : str
        Regular expression of a note that has to be given; empty if none is needed.
    """

    values: Array | None = field(default_factory=lambda: FIELD)
    about: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Refuses:
    """A documented error is raised, whose message matches a regular expression."""

    message: str = ""


@dataclass(frozen=True, eq=False)
class Either:
    """The file is refused, or read with the values of `reads`."""

    reads: Reads = field(default_factory=Reads)


Expected = Reads | Refuses | Either


@dataclass(frozen=True, eq=False)
class Case:
    """A file, and what is expected of it.

    Parameters
    ----------
    name : str
        The format, and what is wrong, in words.
    make : callable
        Writes the file into a folder of its own, and returns its path. Files that must
        not be opened are in the folder ``elsewhere`` within it.
    expected : Reads, Refuses or Either
        What has to happen.
    kind : str
        How it is read.
    options : mapping
        Options of the reader.
    partners : tuple of str
        Names of other files that may be opened, as patterns.
    honest_mb : float
        Memory that the content needs, in MB, for cases that are large.
    is_slow : bool
        Whether the case is left out in CI.
    """

    name: str
    make: Callable[[Path], Path]
    expected: Expected
    kind: Kind = "displacement"
    options: Mapping[str, Any] = field(default_factory=dict)
    partners: tuple[str, ...] = ()
    honest_mb: float = 0.0
    is_slow: bool = False


CASES: dict[str, Case] = {}
"""All cases by name."""


def add(
    name: str, make: Callable[[Path], Path], expected: Expected, **about: Any
) -> None:
    """Add a case."""
    assert name not in CASES, name
    CASES[name] = Case(name, make, expected, **about)


def case(
    name: str, expected: Expected, **about: Any
) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    """Add the decorated function, which writes the file, as a case."""

    def added(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
        add(name, make, expected, **about)
        return make

    return added


def elsewhere(folder: Path) -> Path:
    """A folder whose files must not be opened."""
    place = folder / "elsewhere"
    place.mkdir(exist_ok=True)
    return place


IN_UM = Reads(about={"unit": "um", "spacing_um": SPACING_UM})
"""`FIELD` in micrometres with its spacing."""


ARRAYS: tuple[tuple[str, Array, Expected], ...] = (
    ("float16", FIELD.astype("f2"), Reads(FIELD.astype("f2"))),
    ("big-endian float64", FIELD.astype(">f8"), Reads()),
    ("Fortran order", np.asfortranarray(FIELD), Reads()),
    ("complex", FIELD + 0j, Refuses()),
    ("int64 extremes", np.full(FIELD.shape, -(2**63)), Refuses()),
    ("bool", FIELD > 0, Refuses()),
    ("text", np.full((10, 12, 2), b"1.5"), Refuses()),
    ("compound type", np.zeros((10, 12), "f4,f4"), Refuses()),
    ("no frames", FIELD[:0], Refuses()),
    ("one row", FIELD[:, :1], Refuses()),
    ("one column", FIELD[:, :, :1], Refuses()),
    ("one vector", FIELD[:1, :1, :1], Refuses()),
    ("all NaN", np.full(FIELD.shape, np.nan), Refuses()),
    ("a number", np.array(3.0), Refuses()),
    ("(2, H, W) without being told", np.moveaxis(FIELD[0], -1, 0), Refuses()),
    ("three components", np.concatenate([FIELD, FIELD[..., :1]], -1), Reads()),
)
"""Borderline arrays, in all formats that hold any array."""


class Infinite:
    """Marker of a value that has to be read as infinite or not known."""


@dataclass(frozen=True)
class Value:
    """A value of an attribute, and what is expected when a file has it.

    Parameters
    ----------
    name : str
        Name of the attribute.
    value : object
        Its value.
    expected : str
        "read" if the file is read with the value `as_read`, "refused", or "either".
    as_read : object
        The value in the stack.
    """

    name: str
    value: Any
    expected: Literal["read", "refused", "either"]
    as_read: Any = None

    @property
    def words(self) -> str:
        """The attribute in words."""
        shown = repr(self.value)
        return f"{self.name} = {shown if len(shown) < 50 else shown[:47] + '...'}"

    def outcome(self, values: Array = FIELD) -> Expected:
        """What is expected of a file with this attribute."""
        about = {self.name: self.as_read}
        if self.expected == "refused":
            return Refuses()
        reads = Reads(values, about)
        return reads if self.expected == "read" else Either(reads)


NUMBERS = (
    Value("spacing_um", 2, "read", 2.0),
    Value("spacing_um", 0.0, "refused"),
    Value("spacing_um", -0.0, "refused"),
    Value("spacing_um", -1.0, "refused"),
    Value("spacing_um", float("inf"), "refused"),
    Value("spacing_um", float("-inf"), "refused"),
    Value("spacing_um", 1e-40, "refused"),
    Value("spacing_um", 1e40, "refused"),
    Value("spacing_um", 2**63 - 1, "refused"),
    Value("spacing_um", -(2**63), "refused"),
    Value("spacing_um", True, "refused"),
    Value("spacing_um", "1_0", "refused"),
    Value("spacing_um", "\u0663", "refused"),
    Value("spacing_um", "half", "refused"),
    Value("spacing_um", "", "either", None),
    Value("spacing_um", [0.5, 0.5], "refused"),
    Value("young_pa", 5000, "read", 5000.0),
    Value("young_pa", float("nan"), "read", None),
    Value("young_pa", 0.0, "refused"),
    Value("young_pa", -5.0, "refused"),
    Value("young_pa", 1e39, "refused"),
    Value("young_pa", float("inf"), "refused"),
    Value("young_pa", True, "refused"),
    Value("young_pa", "soft", "refused"),
    Value("young_pa", "8_000", "refused"),
    Value("poisson", 0.5, "read", 0.5),
    Value("poisson", 0.0, "read", 0.0),
    Value("poisson", 0.7, "refused"),
    Value("poisson", 3.0, "refused"),
    Value("poisson", -0.1, "refused"),
    Value("poisson", float("inf"), "refused"),
    Value("poisson", True, "refused"),
    Value("thickness_um", float("inf"), "read", float("inf")),
    Value("thickness_um", 0.0, "refused"),
    Value("thickness_um", -3.0, "refused"),
    Value("thickness_um", 30e-6, "refused"),
    Value("thickness_um", [1.0, 2.0], "refused"),
)
"""Numbers of a field, in all formats that have attributes."""

ONLY_DISPLACEMENT = (Value("spacing_um", float("nan"), "either", None),)
"""A length that is NaN means not known only in files of this package."""

UNITS = (
    Value("unit", "um", "read", "um"),
    Value("unit", "\u00b5m", "read", "um"),
    Value("unit", "\u03bcm", "read", "um"),
    Value("unit", " um ", "read", "um"),
    Value("unit", "Micron", "read", "um"),
    Value("unit", "um/frame", "read", "um"),
    Value("unit", "", "read", None),
    Value("unit", "kPa", "refused"),
    Value("unit", "um/s", "refused"),
    Value("unit", "\x1b[31mum\x1b[0m", "refused"),
    Value("unit", "<img src=http://127.0.0.1/a>", "refused"),
    Value("unit", "$\\frac{$", "refused"),
    Value("unit", "u" * 5000, "refused"),
    Value("unit", 3, "refused"),
    Value("unit", float("nan"), "refused"),
    Value("unit", True, "refused"),
    Value("unit", ["um", "px"], "refused"),
    Value("unit", ["um"], "either", "um"),
)
"""Units of displacements, in all formats that have attributes."""
