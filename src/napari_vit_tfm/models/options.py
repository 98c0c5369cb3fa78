"""Options of reconstruction methods: numbers that a user may choose."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from napari_vit_tfm.errors import ConfigError

_KEY = "napari_vit_tfm.option"


@dataclass(frozen=True)
class MethodOption:
    """A number that a method takes, and that it chooses itself where none is given.

    Parameters
    ----------
    name : str
        Name of the field in the method's options; on the command line, too.
    help : str
        What it is, as a sentence without the full stop.
    unit : str
        Its unit; empty for numbers without one.
    otherwise : str
        What the method does without it, in a few words.
    above : float
        Every value is larger than this.
    maximum : float
        The largest value.
    """

    name: str
    help: str
    unit: str
    otherwise: str
    above: float
    maximum: float

    @property
    def label(self) -> str:
        """The name for a form, such as "Regularisation"."""
        return self.name.replace("_", " ").capitalize()

    def check(self, value: float) -> None:
        """Raise a ConfigError unless a value is in the option's range."""
        if not (math.isfinite(value) and self.above < value <= self.maximum):
            raise ConfigError(
                f"{self.name} is {value:g}; it has to be above {self.above:g} and at "
                f"most {self.maximum:g}"
            )


def option(
    *, help: str, otherwise: str, unit: str = "", above: float = 0.0, maximum: float
) -> Any:
    """A field of an options dataclass whose default, None, leaves it to the method.

    Parameters
    ----------
    help, otherwise, unit, above, maximum : keyword-only
        As for `MethodOption`.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from napari_vit_tfm.models.options import option, options_of
    >>> @dataclass(frozen=True)
    ... class Options:
    ...     cut_off: float | None = option(
    ...         help="Wavelength", otherwise="no filter", maximum=64
    ...     )
    >>> Options().cut_off is None
    True
    >>> [known.label for known in options_of(Options)]
    ['Cut off']
    """
    about = {
        "help": help,
        "otherwise": otherwise,
        "unit": unit,
        "above": above,
        "maximum": maximum,
    }
    return field(default=None, metadata={_KEY: about})


def options_of(options: type[Any] | None) -> tuple[MethodOption, ...]:
    """What the fields of an options dataclass are; nothing for None."""
    if options is None:
        return ()
    return tuple(
        MethodOption(name=item.name, **item.metadata[_KEY]) for item in fields(options)
    )
