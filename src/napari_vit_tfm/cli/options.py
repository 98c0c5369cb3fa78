"""Options of methods, noise, preparation and gel, which several commands share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from napari_vit_tfm.cli.parameters import (
    FILE,
    FROM_FILE,
    AnyNumber,
    Decorator,
    command_option,
    with_options,
)
from napari_vit_tfm.config import (
    Device,
    NoiseConfig,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import exporters, format_in_words
from napari_vit_tfm.models.registry import registered_methods
from napari_vit_tfm.options import Number, Option, flag_of, options_of

_RECONSTRUCTION = options_of(ReconstructionConfig)
_NOISE = options_of(NoiseConfig)
_PREPARATION = options_of(PreparationConfig)
_GEL = options_of(Gel)

_TRUST = ("residual", "uncertainty")
"""Options for how far the tractions can be trusted."""

output_file = click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="FILE",
    help="File to write: "
    f"{' or '.join(map(format_in_words, exporters(any_array=True)))}.",
)

device_option = command_option(_RECONSTRUCTION["device"])
views_option = command_option(_RECONSTRUCTION["n_views"])
batch_size_option = command_option(_RECONSTRUCTION["batch_size"])
young_option = command_option(
    _GEL["young_pa"], otherwise=f"{FROM_FILE}; if there is none, the result is t/E"
)
poisson_option = command_option(
    _GEL["poisson"], otherwise=f"{FROM_FILE}, or {_GEL['poisson'].about.otherwise}"
)
thickness_option = command_option(
    _GEL["thickness_um"],
    otherwise=f"{FROM_FILE}, or {_GEL['thickness_um'].about.otherwise}",
)


def reconstruction_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `method_config`, and those for residual and uncertainty."""

    @wraps(command)
    def bundled(*, config: ReconstructionConfig, **given: Any) -> Any:
        chosen = {name: given.pop(name) for name in _TRUST}
        return command(config=replace(config, **chosen), **given)

    options = tuple(command_option(_RECONSTRUCTION[name]) for name in _TRUST)
    return with_options(options, method_config(bundled))


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
            type=AnyNumber(),
            metavar="X",
            help=" ".join(_option_in_words(method, o) for method, o in methods),
        )


def _option_in_words(method: str, option: Option) -> str:
    about = option.about
    allowed = f" ({about.range_in_words})" if isinstance(about, Number) else ""
    return f"{about.help}{allowed}. For {method}. Default: {about.otherwise}."


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


def preparation_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for the preparation; the command takes one `preparation`."""

    @wraps(command)
    def bundled(**given: Any) -> Any:
        chosen = {name: given.pop(name) for name in _PREPARATION}
        return command(preparation=PreparationConfig(**chosen), **given)

    return with_options(tuple(map(command_option, _PREPARATION.values())), bundled)
