"""Options that several commands share, bundled into what they mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from napari_vit_tfm.config import (
    BUNDLED_MODEL,
    DEVICES,
    N_VIEWS,
    REFERENCE_POISSON,
    Device,
    ReconstructionConfig,
)
from napari_vit_tfm.fields import DISPLACEMENT_UNITS, DisplacementUnit, FieldError

if TYPE_CHECKING:
    from napari_vit_tfm.fields import DisplacementStack
    from napari_vit_tfm.physics.substrate import Substrate

POSITIVE = click.FloatRange(min=0, min_open=True)
FILE = click.Path(path_type=Path)

_LAYER_NEEDS_SPACING = (
    "a gel of finite thickness needs the distance between neighbouring vectors in "
    "micrometres: --spacing UM"
)
_GEL_ATTRIBUTES = {
    "young": "young_pa",
    "poisson": "poisson",
    "thickness": "thickness_um",
}

output_file = click.option(
    "-o", "--output", type=FILE, required=True, metavar="FILE", help="File to write."
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
    path : Path
        The file.
    dataset, units, spacing, pixel_size
        As the options of the same names; None leaves it to the file.
    """

    path: Path
    dataset: str | None
    units: DisplacementUnit | None
    spacing: float | None
    pixel_size: float | None

    def read(self, *, on_layer: bool = False) -> DisplacementStack:
        """Read the stack, and make sure that its lengths are known.

        Parameters
        ----------
        on_layer : bool, keyword-only
            Whether the gel's thickness is finite, which makes the spacing one
            of the lengths needed.

        Raises
        ------
        FieldError
            If the file is no displacement field, or an option is missing; the
            message names the option.
        """
        from napari_vit_tfm.io import read_displacement

        stack = read_displacement(
            self.path,
            dataset=self.dataset,
            unit=self.units,
            spacing=self.spacing,
            pixel_size=self.pixel_size,
        )
        missing = None
        if stack.unit is None:
            missing = (
                "the file does not name the unit of its displacements: "
                f"say it with --units {'|'.join(DISPLACEMENT_UNITS)}"
            )
        elif stack.unit in ("um", "px") and stack.spacing is None:
            missing = (
                f"displacements in {stack.unit} need the distance between "
                "neighbouring vectors in micrometres: --spacing UM"
            )
        elif stack.unit == "px" and stack.pixel_size is None:
            missing = (
                "displacements in px need the size of a camera pixel in "
                "micrometres: --pixel-size UM"
            )
        elif on_layer and stack.spacing is None:
            missing = _LAYER_NEEDS_SPACING
        if missing is not None:
            raise FieldError(f"{self.path}: {missing}")
        return stack

    def read_on_gel(self, **told: float | None) -> tuple[DisplacementStack, Substrate]:
        """Read the stack and the gel it lies on.

        Parameters
        ----------
        **told : float, optional
            `young`, `poisson` and `thickness` as the user said them; of those
            that are None, what the file says, or what the reference gel has.

        Raises
        ------
        FieldError
            As `read`, or if there is no such gel.
        """
        from napari_vit_tfm.physics.substrate import Substrate

        stack = self.read()
        said = stack.metadata.get("attributes", {})
        gel = {
            name: self._said(said, _GEL_ATTRIBUTES[name]) if value is None else value
            for name, value in told.items()
        }
        known = {name: value for name, value in gel.items() if value is not None}
        try:
            substrate = Substrate(**known)
        except FieldError as error:
            raise FieldError(f"{self.path}: {error}") from error
        if substrate.is_layer and stack.spacing is None:
            raise FieldError(f"{self.path}: {_LAYER_NEEDS_SPACING}")
        return stack, substrate

    def _said(self, attributes: Mapping[str, Any], name: str) -> float | None:
        """A number of the file's; NaN is how this package writes what is not known."""
        try:
            number = float(attributes.get(name, math.nan))
        except (TypeError, ValueError):
            raise FieldError(
                f"{self.path}: says {name} = {attributes[name]!r}, expected a number"
            ) from None
        return None if math.isnan(number) else number


def displacement_source(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add INPUT and the options on it; the command gets one `source`."""
    options = (
        click.argument("path", type=FILE, metavar="INPUT"),
        click.option("--dataset", metavar="KEY", help="Name of the array to read."),
        click.option(
            "--units",
            type=click.Choice(DISPLACEMENT_UNITS),
            help="Unit of the displacements: micrometres, steps of the vector grid, "
            "camera pixels, or fractions of the field's width. Needed where the "
            "file does not name it.",
        ),
        click.option(
            "--spacing",
            type=POSITIVE,
            metavar="UM",
            help="Distance between neighbouring vectors, in micrometres.",
        ),
        click.option(
            "--pixel-size",
            type=POSITIVE,
            metavar="UM",
            help="Size of a camera pixel, in micrometres.",
        ),
    )

    @wraps(command)
    def bundled(
        *,
        path: Path,
        dataset: str | None,
        units: DisplacementUnit | None,
        spacing: float | None,
        pixel_size: float | None,
        **rest: Any,
    ) -> Any:
        source = DisplacementSource(path, dataset, units, spacing, pixel_size)
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
            help=f"{BUNDLED_MODEL} (the bundled network), fttc or bayesian-fttc "
            "(classical, without a network), or a file of weights.",
        ),
        click.option(
            "--heads",
            type=click.IntRange(min=1),
            metavar="N",
            help="Attention heads of a checkpoint that does not say.",
        ),
        views_option,
        device_option,
    )

    @wraps(command)
    def bundled(
        *, model: str, heads: int | None, n_views: int, device: Device, **rest: Any
    ) -> Any:
        config = ReconstructionConfig(
            model=model, heads=heads, n_views=n_views, device=device
        )
        return command(config=config, **rest)

    return _with(options, bundled)


def _with(
    options: tuple[Callable[[Any], Any], ...], command: Callable[..., Any]
) -> Callable[..., Any]:
    # The first is to stand first in the help, so it is applied last.
    for option in reversed(options):
        command = option(command)
    return command
