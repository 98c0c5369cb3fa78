"""Options shared by several commands, combined into objects."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_vit_tfm.cli.reporting import note
from napari_vit_tfm.config import (
    Device,
    NoiseConfig,
    PreparationConfig,
    ReadingConfig,
    ReconstructionConfig,
    YDirection,
)
from napari_vit_tfm.constraints import Range, shown
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import Displacement, DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import exporters, format_in_words, without_partners
from napari_vit_tfm.models.registry import registered_methods
from napari_vit_tfm.options import (
    Choice,
    Number,
    Option,
    Switch,
    flag_of,
    options_of,
)
from napari_vit_tfm.units import DISPLACEMENT_UNITS, LENGTHS, DisplacementUnit

if TYPE_CHECKING:
    from napari_vit_tfm.io import DisplacementOptions, FieldFile

FILE = click.Path(path_type=Path)
_MOST = 2**32 - 1
"""Largest whole number; seeds are not larger."""
Decorator = Callable[[Any], Any]

_METAVARS = {"\N{MICRO SIGN}m": "UM", "Pa": "PA"}
_FROM_FILE = "the value in the file"


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


class _AnyNumber(_Number):
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


_RECONSTRUCTION = options_of(ReconstructionConfig)
_NOISE = options_of(NoiseConfig)
_PREPARATION = options_of(PreparationConfig)
_DISPLACEMENT = options_of(Displacement)
_GEL = options_of(Gel)
_READING = options_of(ReadingConfig)
_OF_ONE_FILE = [name for name in _READING if name != "is_series"]

output_file = click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="FILE",
    help="File to write: "
    f"{' or '.join(map(format_in_words, exporters(any_array=True)))}.",
)
_TRUST = ("residual", "uncertainty")
"""Options for how far the tractions can be trusted."""

allow_links_option = command_option(_READING["allow_links"])
device_option = command_option(_RECONSTRUCTION["device"])
views_option = command_option(_RECONSTRUCTION["n_views"])
batch_size_option = command_option(_RECONSTRUCTION["batch_size"])
young_option = command_option(
    _GEL["young_pa"], otherwise=f"{_FROM_FILE}; if there is none, the result is t/E"
)
poisson_option = command_option(
    _GEL["poisson"], otherwise=f"{_FROM_FILE}, or {_GEL['poisson'].about.otherwise}"
)
thickness_option = command_option(
    _GEL["thickness_um"],
    otherwise=f"{_FROM_FILE}, or {_GEL['thickness_um'].about.otherwise}",
)


@dataclass(frozen=True)
class DisplacementSource:
    """A displacement file, and the options about it.

    Parameters
    ----------
    paths : tuple of Path
        The files, or folders. Of two files with one component each, only one of them.
    dataset, unit, spacing_um, pixel_size_um, y, components_first, allow_links
        As for `read_displacement`. None uses the information in the files.
    is_series : bool
        Whether several files are one film; else they are several experiments.
    """

    paths: tuple[Path, ...]
    dataset: str | None
    unit: DisplacementUnit | None
    spacing_um: float | None
    pixel_size_um: float | None
    y: YDirection | None = ReadingConfig.y
    components_first: bool = ReadingConfig.components_first
    allow_links: bool = ReadingConfig.allow_links
    is_series: bool = ReadingConfig.is_series

    @property
    def n_experiments(self) -> int:
        """Number of experiments: one film, or one for each path."""
        return 1 if self.is_series else len(self.paths)

    def __str__(self) -> str:
        rest = len(self.paths) - 1
        return f"{self.paths[0]} and {rest} more" if rest else str(self.paths[0])

    def read(self, *, gel: Gel, file: FieldFile | None = None) -> DisplacementStack:
        """Read the stack, and check that all required lengths are known.

        Parameters
        ----------
        gel : Gel, keyword-only
            Gel properties given by the user. Missing values are taken from the file.
        file : FieldFile, keyword-only, optional
            The file, if it is already open.

        Raises
        ------
        FieldFileError
            If the file holds no displacement field.
        ConfigError
            If an option is missing; the message names it.
        """
        from napari_vit_tfm.io import read_displacement

        stack = read_displacement(file or self._files, **self._options(gel))
        self._check_lengths(stack)
        return stack

    def read_as_is(
        self, on_notice: Callable[[str], None], *, file: FieldFile | None = None
    ) -> DisplacementStack:
        """Read the stack as far as it is known, whatever is missing or impossible.

        Parameters
        ----------
        on_notice : callable
            As for `read_displacement`.
        file : FieldFile, keyword-only, optional
            The file, if it is already open.
        """
        from napari_vit_tfm.io import read_displacement

        options = self._options(Gel())
        options["ignore_gel_errors"] = True
        options["on_notice"] = on_notice
        return read_displacement(file or self._files, **options)

    @property
    def path(self) -> Path:
        """The only file.

        Raises
        ------
        ConfigError
            If there are several.
        """
        if len(self.paths) > 1:
            raise ConfigError(
                f"{self}: found {len(self.paths)} files, expected one; if they are the "
                "frames of one film, add --series"
            )
        return self.paths[0]

    @contextmanager
    def open(self, *, gel: Gel) -> Iterator[Displacement]:
        """Displacements that may be larger than memory, while a block lasts.

        Parameters and errors are those of `read`.
        """
        from napari_vit_tfm.io import open_displacement

        with open_displacement(self._files, **self._options(gel)) as displacement:
            self._check_lengths(displacement)
            yield displacement

    @property
    def is_film(self) -> bool:
        """Whether the frames are in several files."""
        return self.is_series or self.paths[0].is_dir()

    @property
    def _files(self) -> Path | tuple[Path, ...]:
        return self.paths if self.is_series else self.path

    def _options(self, gel: Gel) -> DisplacementOptions:
        return {
            "dataset": self.dataset,
            "unit": self.unit,
            "spacing_um": self.spacing_um,
            "pixel_size_um": self.pixel_size_um,
            "gel": gel,
            "y": self.y,
            "components_first": self.components_first,
            "allow_links": self.allow_links,
            "on_notice": note,
        }

    def _check_lengths(self, displacement: Displacement) -> None:
        if displacement.unit is None:
            raise ConfigError(
                f"{self}: the file does not specify the displacement unit: "
                f"add {flag_of(_DISPLACEMENT['unit'])} "
                f"{'|'.join(DISPLACEMENT_UNITS)}"
            )
        of_gel = tuple(
            name
            for name in displacement.gel.needs
            if getattr(displacement, name) is None
        )
        for requirement, missing in (
            (
                f"displacements in {displacement.unit} need",
                displacement.missing_lengths,
            ),
            ("a gel of finite thickness needs", of_gel),
        ):
            for length in missing:
                raise ConfigError(
                    f"{self}: {requirement} {LENGTHS[length]} in um: "
                    f"add {flag_of(_DISPLACEMENT[length])} UM"
                )


def displacement_source(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add INPUT and its options; the command takes one parameter `source`."""
    options = (
        click.argument("paths", type=FILE, nargs=-1, required=True, metavar="INPUT..."),
        click.option("--dataset", metavar="KEY", help="Name of the array to read."),
        *(
            command_option(option, otherwise=_FROM_FILE)
            for option in _DISPLACEMENT.values()
        ),
        *map(command_option, _READING.values()),
    )

    @wraps(command)
    def bundled(
        *, paths: tuple[Path, ...], dataset: str | None, is_series: bool, **given: Any
    ) -> Any:
        of_source = {name: given.pop(name) for name in (*_DISPLACEMENT, *_OF_ONE_FILE)}
        source = DisplacementSource(
            paths=paths if is_series else tuple(without_partners(paths)),
            dataset=dataset,
            is_series=is_series,
            **of_source,
        )
        return command(source=source, **given)

    return with_options(options, bundled)


def reconstruction_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `method_config`, and those for residual and uncertainty."""

    @wraps(command)
    def bundled(*, config: ReconstructionConfig, **given: Any) -> Any:
        chosen = {name: given.pop(name) for name in _TRUST}
        return command(config=replace(config, **chosen), **given)

    options = tuple(command_option(_RECONSTRUCTION[name]) for name in _TRUST)
    return with_options(options, method_config(bundled))


def noise_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the noise to those of a `config`.

    The command also takes `noise_files`, the files that are read for them.
    """

    @wraps(command)
    def bundled(
        *,
        config: ReconstructionConfig,
        sd: float | None,
        length: float | None,
        noise_region: Path | None,
        noise_map: Path | None,
        **rest: Any,
    ) -> Any:
        noise = NoiseConfig(
            sd=sd,
            length=length,
            region="" if noise_region is None else _region_in(noise_region),
            per_vector="" if noise_map is None else str(noise_map.absolute()),
        )
        files = tuple(path for path in (noise_region, noise_map) if path is not None)
        return command(config=replace(config, noise=noise), noise_files=files, **rest)

    options = (
        click.option(
            "--noise-region",
            type=FILE,
            metavar="MASK",
            help="TIFF, PNG, NPY or HDF5 file with a number for each vector, after "
            "--bin, which is not 0 where there is no force: the noise is estimated "
            "there. Default: from the whole field.",
        ),
        *map(command_option, _NOISE.values()),
        click.option(
            "--noise-map",
            type=FILE,
            metavar="FILE",
            help="NPY, NPZ, HDF5 or TIFF file with the standard deviation of every "
            "vector, after --bin, in the unit of the displacements, for all frames or "
            "for each.",
        ),
    )
    return with_options(options, bundled)


def _region_in(path: Path) -> str:
    """The region without force in a mask, as text."""
    from napari_vit_tfm.cli.reporting import note
    from napari_vit_tfm.io import read_labels
    from napari_vit_tfm.trust.force_free import region_as_text

    labels = read_labels(path, on_notice=note)
    if labels.ndim != 2:
        raise ConfigError(
            f"{path}: the region without force has the shape {labels.shape}, expected "
            "one number for each vector, for all frames"
        )
    return region_as_text(labels != 0)


def method_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for model and device; the command takes one `config`."""
    options = (
        click.option(
            "--model",
            default=ReconstructionConfig.model,
            show_default=True,
            metavar="FILE|NAME",
            help=f"{_methods_in_words()}; or a weights file.",
        ),
        command_option(_RECONSTRUCTION["heads"]),
        *_method_options(),
        views_option,
        device_option,
    )
    of_methods = _options_by_name()

    @wraps(command)
    def bundled(
        *, model: str, heads: int | None, n_views: int, device: Device, **rest: Any
    ) -> Any:
        chosen = {name: rest.pop(name) for name in of_methods}
        config = ReconstructionConfig(
            model=model,
            heads=heads,
            options={name: x for name, x in chosen.items() if x is not None},
            n_views=n_views,
            device=device,
        )
        return command(config=config, **rest)

    return with_options(options, bundled)


def preparation_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the preparation; the command takes one `preparation`."""

    @wraps(command)
    def bundled(**given: Any) -> Any:
        chosen = {name: given.pop(name) for name in _PREPARATION}
        return command(preparation=PreparationConfig(**chosen), **given)

    return with_options(tuple(map(command_option, _PREPARATION.values())), bundled)


def _methods_in_words() -> str:
    return "; ".join(
        f"{name}: {method.words}" for name, method in registered_methods().items()
    )


def _options_by_name() -> dict[str, list[tuple[str, Option]]]:
    """Options of all methods by name, each with the methods that have it."""
    found: dict[str, list[tuple[str, Option]]] = {}
    for name, method in registered_methods().items():
        for option in method.options.values():
            found.setdefault(option.name, []).append((name, option))
    return found


def _method_options() -> Iterator[Decorator]:
    """Command-line options of all methods; `load` checks which are allowed."""
    for methods in _options_by_name().values():
        option = methods[0][1]
        yield click.option(
            flag_of(option),
            option.name,
            type=_AnyNumber(),
            metavar="X",
            help=" ".join(_option_in_words(method, o) for method, o in methods),
        )


def _option_in_words(method: str, option: Option) -> str:
    about = option.about
    allowed = f" ({about.range_in_words})" if isinstance(about, Number) else ""
    return f"{about.help}{allowed}. For {method}. Default: {about.otherwise}."


def with_options(
    options: tuple[Decorator, ...], command: Callable[..., Any]
) -> Callable[..., Any]:
    """Add options to a command, in this order."""
    # click lists the option that is applied last first.
    for option in reversed(options):
        command = option(command)
    return command
