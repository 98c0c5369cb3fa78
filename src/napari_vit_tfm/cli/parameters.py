"""Parameters of commands, made of options of dataclasses."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from napari_vit_tfm.constraints import Range, shown
from napari_vit_tfm.options import Choice, Option, Switch, flag_of

FILE = click.Path(path_type=Path)
_MOST = 2**32 - 1
"""Largest whole number; seeds are not larger."""

Decorator = Callable[[Any], Any]

FROM_FILE = "the value in the file"
"""What the default None of many options stands for."""

_METAVARS = {"\N{MICRO SIGN}m": "UM", "Pa": "PA"}


def command_option(option: Option, *, otherwise: str = "", name: str = "") -> Decorator:
    """Make a command-line option of an option of a dataclass.

    Parameters
    ----------
    option : Option
        The option, with its help, range and default.
    otherwise : str, keyword-only
        What the default None stands for; by default what the option says.
    name : str, keyword-only
        Name of the command's parameter, if it is not the option's.

    Returns
    -------
    callable
        Decorates a command.
    """
    about = option.about
    told = f"{about.help}."
    if isinstance(about, Switch):
        return click.option(
            flag_of(option),
            name or option.name,
            is_flag=True,
            default=option.default,
            help=told,
        )
    settings: dict[str, Any] = {"default": option.default}
    if option.default is None:
        told += f" Default: {otherwise or about.otherwise}."
    else:
        settings["show_default"] = True
    if isinstance(about, Choice):
        settings["type"] = click.Choice(list(about.words))
        told += f" {'; '.join(f'{key}: {text}' for key, text in about.words.items())}."
    else:
        settings["type"] = number(about)
        settings["metavar"] = _METAVARS.get(about.unit, "N" if about.is_whole else "X")
    return click.option(flag_of(option), name or option.name, help=told, **settings)


class _Number(click.ParamType[float]):
    """A number in a range; see `Range.read`."""

    allowed: Range

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Read the number of a text; a default is a number already."""
        if not isinstance(value, str):
            return value
        try:
            return self.allowed.read(value)
        except ValueError as error:
            self.fail(f"must be {error}, not {shown(value)}", param, ctx)


class AnyNumber(_Number):
    """The type of an option whose range is checked later."""

    name = "number"
    allowed = Range(minimum=-math.inf)


# The types of click show the range in the help.
class _WholeType(_Number, click.IntRange):
    pass


class _RealType(_Number, click.FloatRange):
    pass


def number(allowed: Range) -> click.ParamType[Any]:
    """The type of an option that is a number.

    Parameters
    ----------
    allowed : Range
        Its range.
    """
    low, high = allowed.minimum, allowed.maximum
    high_or_none = high if math.isfinite(high) and not allowed.may_be_infinite else None
    found: _WholeType | _RealType
    if allowed.is_whole:
        first = round(low) + allowed.excludes_minimum
        found = _WholeType(first, None if high_or_none is None else round(high))
    else:
        found = _RealType(low, high_or_none, min_open=allowed.excludes_minimum)
    found.allowed = allowed
    return found


def count(minimum: int = 1) -> click.ParamType[Any]:
    """The type of an option that is a number of things."""
    return number(
        Range(minimum=minimum, maximum=_MOST, excludes_minimum=False, is_whole=True)
    )


def with_options(
    options: tuple[Decorator, ...], command: Callable[..., Any]
) -> Callable[..., Any]:
    """Add options to a command, in this order."""
    # click lists the option that is applied last first.
    for option in reversed(options):
        command = option(command)
    return command
