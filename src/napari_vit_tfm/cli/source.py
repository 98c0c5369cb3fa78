"""The displacements that a command reads, and the options about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_vit_tfm.cli.parameters import FILE, FROM_FILE, command_option, with_options
from napari_vit_tfm.cli.reporting import note
from napari_vit_tfm.config import ReadingConfig, YDirection
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import Displacement, DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import without_partners
from napari_vit_tfm.options import flag_of, options_of
from napari_vit_tfm.units import DISPLACEMENT_UNITS, LENGTHS, DisplacementUnit

if TYPE_CHECKING:
    from napari_vit_tfm.io import DisplacementOptions, FieldFile

_DISPLACEMENT = options_of(Displacement)
_READING = options_of(ReadingConfig)
_OF_ONE_FILE = [name for name in _READING if name != "is_series"]

allow_links_option = command_option(_READING["allow_links"])


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
            command_option(option, otherwise=FROM_FILE)
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
