"""Options: fields of dataclasses with all that a user has to be told about them.

An option is written once, as the annotation of a field. The plugin's forms, the
command line and its help are made from it::

    @dataclass(frozen=True)
    class Gel:
        young_pa: Annotated[
            float | None,
            Number(label="Young's modulus", help="Stiffness of the gel", unit="Pa"),
        ] = None

`options_of` lists the options of such a dataclass. Fields that no user sets have one of
the `napari_vit_tfm.constraints` instead.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

from napari_vit_tfm.constraints import Constraint, OneOf, Range, shown
from napari_vit_tfm.errors import ConfigError

_UNIT_SUFFIX = re.compile("_(um|pa)$")


@dataclass(frozen=True, kw_only=True)
class About:
    """What all options have in common.

    Parameters
    ----------
    label : str
        Name of the option in a form, such as "Young's modulus".
    help : str
        What it is, in one or more sentences, without the last full stop.
    otherwise : str
        What None stands for, such as "infinite"; empty if None is not a value.
    flag : str
        Name on the command line without the dashes, where it is not the name of
        the field without its unit.
    """

    label: str
    help: str
    otherwise: str = ""
    flag: str = ""


@dataclass(frozen=True, kw_only=True)
class Number(About, Range):
    """An option that is a number, with a range.

    Parameters
    ----------
    unit : str
        Its unit; empty for numbers without one.
    form_unit : str
        The unit that forms show it in; by default `unit`.
    per_form_unit : float
        How many of `unit` one `form_unit` is.
    step : float, optional
        Change of the number by one click in a form, in `unit`.
    usual : tuple of float, optional
        Range, in `unit`, outside which forms mark a number as unusual.
    """

    unit: str = ""
    form_unit: str = ""
    per_form_unit: float = 1.0
    step: float | None = None
    usual: tuple[float, float] | None = None

    def doubt(self, value: float | None) -> str:
        """A sentence about an unusual number; empty for others, and for None.

        Examples
        --------
        >>> from napari_vit_tfm.options import Number
        >>> about = Number(label="Spacing", help="", unit="um", usual=(0.1, 50))
        >>> about.doubt(1e-8)
        'Spacing: 1e-08 um is unusual; 0.1 to 50 um is usual'
        >>> about.doubt(2.0), about.doubt(None)
        ('', '')
        """
        if self.usual is None or value is None or value == math.inf:
            return ""
        low, high = self.usual
        if low <= value <= high:
            return ""
        unit = f" {self.form_unit or self.unit}".rstrip()
        shown = [f"{x / self.per_form_unit:.6g}" for x in (value, low, high)]
        return (
            f"{self.label}: {shown[0]}{unit} is unusual; "
            f"{shown[1]} to {shown[2]}{unit} is usual"
        )


@dataclass(frozen=True, kw_only=True)
class Choice(About, Constraint):
    """An option that is one of several values.

    Parameters
    ----------
    words : mapping of value to str
        The values, each with the text that a form shows for it.
    """

    words: Mapping[Any, str]

    def expected(self, value: Any) -> str:
        """What is expected instead of a value; empty if it is one of the values."""
        return OneOf(*self.words).expected(value)


@dataclass(frozen=True, kw_only=True)
class Switch(About, Constraint):
    """An option that is either on or off."""

    def expected(self, value: Any) -> str:
        """What is expected instead of a value; empty for True and False."""
        return "" if isinstance(value, bool) else "True or False"


@dataclass(frozen=True)
class Option:
    """One option of a dataclass.

    Parameters
    ----------
    name : str
        Name of the field.
    default : object
        Its default.
    about : Number, Choice or Switch
        The rest.
    """

    name: str
    default: Any
    about: Number | Choice | Switch

    def check(self, value: Any) -> None:
        """Raise a ConfigError for a value that the option does not allow.

        Examples
        --------
        >>> from napari_vit_tfm.options import Number, Option
        >>> share = Option("share", None, Number(label="Share", help="", maximum=1))
        >>> share.check(2)
        Traceback (most recent call last):
        ...
        napari_vit_tfm.errors.ConfigError: share must be above 0 and at most 1, not 2
        """
        if words := self.about.expected(value):
            raise ConfigError(f"{self.name} must be {words}, not {shown(value)}")


def options_of(options: type[Any] | None) -> dict[str, Option]:
    """Options of a dataclass, by name, in the order of its fields.

    Parameters
    ----------
    options : type, optional
        A dataclass whose fields have a `Number`, a `Choice` or a `Switch` in their
        annotations; None has no options.

    Examples
    --------
    >>> from napari_vit_tfm import Gel
    >>> from napari_vit_tfm.options import options_of
    >>> for name, option in options_of(Gel).items():
    ...     print(f"{name}: {option.about.label}, {option.about.range_in_words}")
    young_pa: Young's modulus, above 0.001 and at most 1e+13
    poisson: Poisson ratio, at least 0 and at most 0.5
    thickness_um: Gel thickness, above 0.001 and at most 1e+07, or infinite
    """
    if options is None:
        return {}
    hints = get_type_hints(options, include_extras=True)
    found = {}
    for item in fields(options):
        for about in getattr(hints[item.name], "__metadata__", ()):
            if isinstance(about, Number | Choice | Switch):
                default = None if item.default is MISSING else item.default
                found[item.name] = Option(item.name, default, about)
    return found


def numbers_of(options: type[Any]) -> dict[str, Number]:
    """Options of a dataclass that are numbers, by name.

    Parameters
    ----------
    options : type
        A dataclass with options.

    Examples
    --------
    >>> from napari_vit_tfm import Gel
    >>> from napari_vit_tfm.options import numbers_of
    >>> numbers_of(Gel)["poisson"].read("0.45")
    0.45
    """
    return {
        name: option.about
        for name, option in options_of(options).items()
        if isinstance(option.about, Number)
    }


def flag_of(option: Option) -> str:
    """The name of an option on the command line.

    Parameters
    ----------
    option : Option
        The option.

    Examples
    --------
    >>> from napari_vit_tfm import Gel
    >>> from napari_vit_tfm.options import flag_of, options_of
    >>> [flag_of(option) for option in options_of(Gel).values()]
    ['--young', '--poisson', '--thickness']
    """
    name = option.about.flag or _UNIT_SUFFIX.sub("", option.name).replace("_", "-")
    return f"--{name}"


def words_of(options: type[Any], name: str) -> Mapping[Any, str]:
    """The values of a choice, each with its text.

    Parameters
    ----------
    options : type
        A dataclass with options.
    name : str
        Name of an option that is a `Choice`.

    Examples
    --------
    >>> from napari_vit_tfm import ReconstructionConfig
    >>> from napari_vit_tfm.options import words_of
    >>> words_of(ReconstructionConfig, "device")["cpu"]
    'CPU'
    """
    about = options_of(options)[name].about
    if not isinstance(about, Choice):
        raise TypeError(f"{name} of {options.__name__} is not a choice")
    return about.words
