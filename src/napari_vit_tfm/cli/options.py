"""Options that several commands share, bundled into what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_vit_tfm.config import (
    DEVICES,
    N_VIEWS,
    REFERENCE_POISSON,
    Device,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import exporters, format_in_words
from napari_vit_tfm.models.registry import registered_methods
from napari_vit_tfm.units import DISPLACEMENT_UNITS, LENGTHS, DisplacementUnit, Length

if TYPE_CHECKING:
    from napari_vit_tfm.fields import Displacement, DisplacementStack
    from napari_vit_tfm.io import DisplacementOptions, FieldFile
    from napari_vit_tfm.models.options import MethodOption

POSITIVE = click.FloatRange(min=0, min_open=True)
FILE = click.Path(path_type=Path)

_LENGTH_OPTIONS: Mapping[Length, str] = {
    "spacing_um": "--spacing UM",
    "pixel_size_um": "--pixel-size UM",
}

_UNITS_IN_WORDS = ", ".join(
    f"{key} ({unit.words})" for key, unit in DISPLACEMENT_UNITS.items()
)

output_file = click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="FILE",
    help=f"File to write: {' or '.join(map(format_in_words, exporters()))}.",
)
device_option = click.option(
    "--device",
    type=click.Choice(DEVICES),
    default=ReconstructionConfig.device,
    show_default=True,
    help="Where to compute; auto takes the GPU where there is one.",
)
views_option = click.option(
    "--views",
    "n_views",
    type=click.Choice(N_VIEWS),
    default=ReconstructionConfig.n_views,
    show_default=True,
    help="Average the tractions of the field and of its mirror images, for networks "
    "of this project: more are more accurate, and take as many times as long.",
)
poisson_option = click.option(
    "--poisson",
    type=click.FloatRange(0, 0.5),
    metavar="NU",
    help="Poisson ratio of the gel; without it what the file says, or "
    f"{REFERENCE_POISSON}.",
)
thickness_option = click.option(
    "--thickness",
    "thickness_um",
    type=POSITIVE,
    metavar="UM",
    help="Thickness of the gel on its rigid base, in micrometres; needs the spacing. "
    "Without it what the file says, or infinite.",
)


@dataclass(frozen=True)
class DisplacementSource:
    """Where displacements come from, and what the user said about them.

    Parameters
    ----------
    paths : tuple of Path
        The files; several are one series.
    dataset, units
        As the options of the same names; None leaves it to the files.
    spacing_um, pixel_size_um
        As the options ``--spacing`` and ``--pixel-size``; None leaves it to the
        files.
    """

    paths: tuple[Path, ...]
    dataset: str | None
    units: DisplacementUnit | None
    spacing_um: float | None
    pixel_size_um: float | None

    def __str__(self) -> str:
        rest = len(self.paths) - 1
        return f"{self.paths[0]} and {rest} more" if rest else str(self.paths[0])

    def read(self, *, gel: Gel, file: FieldFile | None = None) -> DisplacementStack:
        """Read the stack, and make sure that its lengths are known.

        Parameters
        ----------
        gel : Gel, keyword-only
            What the user said about the gel; the stack's gel has what the file
            says in the gaps.
        file : FieldFile, keyword-only, optional
            The file, where it is open already.

        Raises
        ------
        FieldError
            If the file is no displacement field, there is no such gel, or an
            option is missing; the message names the option.
        """
        from napari_vit_tfm.io import read_displacement

        stack = read_displacement(file or self._files, **self._options(gel))
        self._check_lengths(stack)
        return stack

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
    def _files(self) -> Path | tuple[Path, ...]:
        return self.paths if len(self.paths) > 1 else self.paths[0]

    def _options(self, gel: Gel) -> DisplacementOptions:
        return {
            "dataset": self.dataset,
            "unit": self.units,
            "spacing_um": self.spacing_um,
            "pixel_size_um": self.pixel_size_um,
            "gel": gel,
        }

    def _check_lengths(self, displacement: Displacement) -> None:
        if displacement.unit is None:
            raise FieldError(
                f"{self}: the file does not name the unit of its displacements: "
                f"say it with --units {'|'.join(DISPLACEMENT_UNITS)}"
            )
        for who, needs in (
            (
                f"displacements in {displacement.unit} need",
                DISPLACEMENT_UNITS[displacement.unit].needs,
            ),
            ("a gel of finite thickness needs", displacement.gel.needs),
        ):
            for length in needs:
                if getattr(displacement, length) is None:
                    raise FieldError(
                        f"{self}: {who} {LENGTHS[length]} in um: "
                        f"{_LENGTH_OPTIONS[length]}"
                    )


def displacement_source(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add INPUT and the options on it; the command gets one `source`."""
    options = (
        click.argument("paths", type=FILE, nargs=-1, required=True, metavar="INPUT..."),
        click.option("--dataset", metavar="KEY", help="Name of the array to read."),
        click.option(
            "--units",
            type=click.Choice(DISPLACEMENT_UNITS),
            help=f"Unit of the displacements: {_UNITS_IN_WORDS}. Needed where the file "
            "does not name it.",
        ),
        click.option(
            "--spacing",
            "spacing_um",
            type=POSITIVE,
            metavar="UM",
            help="Distance between neighbouring vectors, in micrometres.",
        ),
        click.option(
            "--pixel-size",
            "pixel_size_um",
            type=POSITIVE,
            metavar="UM",
            help="Size of a camera pixel, in micrometres.",
        ),
    )

    @wraps(command)
    def bundled(
        *,
        paths: tuple[Path, ...],
        dataset: str | None,
        units: DisplacementUnit | None,
        spacing_um: float | None,
        pixel_size_um: float | None,
        **rest: Any,
    ) -> Any:
        source = DisplacementSource(paths, dataset, units, spacing_um, pixel_size_um)
        return command(source=source, **rest)

    return _with(options, bundled)


def reconstruction_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options on model and device; the command gets one `config`."""
    options = (
        click.option(
            "--model",
            default=ReconstructionConfig.model,
            show_default=True,
            metavar="FILE|NAME",
            help=f"{_methods_in_words()}; or a file of weights.",
        ),
        click.option(
            "--heads",
            type=click.IntRange(min=1),
            metavar="N",
            help="Attention heads of a checkpoint that does not say.",
        ),
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

    return _with(options, bundled)


def _methods_in_words() -> str:
    return "; ".join(
        f"{name}: {method.words}" for name, method in registered_methods().items()
    )


def _options_by_name() -> dict[str, list[tuple[str, MethodOption]]]:
    """Options of all methods, by name, each with the methods that take it."""
    found: dict[str, list[tuple[str, MethodOption]]] = {}
    for name, method in registered_methods().items():
        for option in method.options:
            found.setdefault(option.name, []).append((name, option))
    return found


def _method_options() -> Iterator[Callable[[Any], Any]]:
    """Command-line options of the methods' options; which is allowed `load` says."""
    for name, takers in _options_by_name().items():
        yield click.option(
            f"--{name.replace('_', '-')}",
            name,
            type=float,
            metavar="X",
            help=" ".join(_option_in_words(method, o) for method, o in takers),
        )


def _option_in_words(method: str, option: MethodOption) -> str:
    unit = f", in {option.unit}" if option.unit else ""
    return (
        f"{option.help}{unit}, above {option.above:g}. For {method}; without it "
        f"{option.otherwise}."
    )


def _with(
    options: tuple[Callable[[Any], Any], ...], command: Callable[..., Any]
) -> Callable[..., Any]:
    # The first is to stand first in the help, so it is applied last.
    for option in reversed(options):
        command = option(command)
    return command
