"""``vit-tfm limits``: the smallest forces that an experiment could have found."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from napari_vit_tfm.cli.options import (
    method_config,
    noise_config,
    output_file,
    poisson_option,
    preparation_config,
    thickness_option,
    young_option,
)
from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import command_option, count, with_options
from napari_vit_tfm.cli.reporting import echo
from napari_vit_tfm.cli.source import DisplacementSource, displacement_source
from napari_vit_tfm.config import LimitsConfig, PreparationConfig, ReconstructionConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.options import options_of

_LIMITS = options_of(LimitsConfig)


def limits_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the test adhesions; the command takes one `limits`."""

    @wraps(command)
    def bundled(**given: Any) -> Any:
        chosen = {name: given.pop(name) for name in _LIMITS}
        return command(limits=LimitsConfig(**chosen), **given)

    return with_options(tuple(map(command_option, _LIMITS.values())), bundled)


@click.command("limits")
@displacement_source
@output_file
@click.option(
    "--frame",
    type=count(0),
    metavar="T",
    help="Compute this frame alone, counted from 0. Default: all frames.",
)
@limits_config
@young_option
@poisson_option
@thickness_option
@preparation_config
@method_config
@noise_config
@overwrite_option
def command(
    *,
    source: DisplacementSource,
    output: Path,
    frame: int | None,
    limits: LimitsConfig,
    young_pa: float | None,
    poisson: float | None,
    thickness_um: float | None,
    preparation: PreparationConfig,
    config: ReconstructionConfig,
    noise_files: tuple[Path, ...],
    overwrite: bool,
) -> None:
    """Compute the smallest forces that could have been found.

    Adds test adhesions to the displacements in INPUT, with new noise, and reconstructs
    them. Writes a map for each frame: `smallest_force_nN`, the force that is found with
    a probability of 90%; `surviving_share`, the share of it that is reconstructed;
    `resolution_um`, how wide its traction appears; and `row` and `column`, the places.
    Without Young's modulus or spacing they are in E times a squared grid step and in
    grid steps. Prints a sentence for the methods section of a paper.
    """
    from napari_vit_tfm.cli.reporting import gel_in_words, note, step_counter
    from napari_vit_tfm.displacement import prepare
    from napari_vit_tfm.io import check_output
    from napari_vit_tfm.physics.substrate import Substrate
    from napari_vit_tfm.reconstruction import load_method, reconstruct
    from napari_vit_tfm.trust.limits import detection_map
    from napari_vit_tfm.trust.limits_file import write_detection_map

    target = check_output(output, any_array=True)
    outputs = Outputs.of(
        "limits",
        overwrite=overwrite,
        inputs=source.paths,
        others=[config.model, *noise_files],
    )
    outputs.add(target)
    measured = source.read(gel=Gel(young_pa, poisson, thickness_um))
    if frame is not None:
        measured = _only(measured, frame)
    method = load_method(config)
    traction = reconstruct(
        measured, config=config, method=method, preparation=preparation, on_notice=note
    )
    prepared = prepare(measured, preparation)
    found = detection_map(
        prepared.part(0, prepared.n_frames),
        traction,
        reconstruct=lambda stack: reconstruct(
            stack, config=config.of_tractions_alone(), method=method
        ),
        config=limits,
        on_progress=step_counter("reconstructions"),
    )
    write_detection_map(target, found, maker=outputs.maker)
    echo(f"limits: {target} ({len(found.row)} x {len(found.column)} places)")
    echo(f"gel: {gel_in_words(Substrate(measured.gel))}")
    echo(found.sentence())


def _only(stack: DisplacementStack, frame: int) -> DisplacementStack:
    """One frame of a stack."""
    if frame >= stack.n_frames:
        raise FieldError(f"no frame {frame}: the stack has {stack.n_frames} frames")
    return stack.part(frame, frame + 1)
