"""``vit-tfm attention``: what a patch attends to, and tests of whether it matters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_vit_tfm.attention.frame import MapChoice
from napari_vit_tfm.attention.overlay import OverlayKind
from napari_vit_tfm.attention.patch import MapView
from napari_vit_tfm.cli.options import (
    method_config,
    output_file,
    poisson_option,
    preparation_config,
    thickness_option,
)
from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import FILE, command_option, count
from napari_vit_tfm.cli.reporting import echo
from napari_vit_tfm.cli.source import DisplacementSource, displacement_source
from napari_vit_tfm.config import (
    InspectionConfig,
    MapDirection,
    MapSource,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.errors import ConfigError, FieldError, ModelError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.options import options_of

if TYPE_CHECKING:
    from napari_vit_tfm.attention.knockout import KnockoutEffects
    from napari_vit_tfm.attention.patch import PatchFindings
    from napari_vit_tfm.models import ReconstructionMethod


def _patch_position(
    ctx: click.Context, param: click.Parameter, value: str
) -> tuple[int, int]:
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*,\s*([0-9]{1,9})\s*", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not ROW,COL, such as 2,11", ctx, param)
    return int(match[1]), int(match[2])


def _png(ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value is None:
        return None
    if value.suffix.lower() != ".png":
        raise click.BadParameter(f"{value} does not end with .png", ctx, param)
    return value


_CHOICE = options_of(MapChoice)


@click.command("attention")
@displacement_source
@click.option(
    "--frame",
    type=count(0),
    required=True,
    metavar="T",
    help="Frame, counted from 0.",
)
@click.option(
    "--patch",
    callback=_patch_position,
    required=True,
    metavar="ROW,COL",
    help="Patch, counted from 0,0 at the top left.",
)
@output_file
@command_option(_CHOICE["source"], name="map_source")
@click.option(
    "--head",
    type=count(),
    metavar="N",
    help="One head of the attention of a block alone, counted from 1; without it the "
    "mean of all heads.",
)
@command_option(_CHOICE["direction"])
@command_option(replace(options_of(MapView)["kind"], default="displacement"))
@click.option(
    "--block",
    type=count(),
    metavar="N",
    help="Block whose map the figure shows and --faithfulness tests, counted from 1; "
    "without it the last.",
)
@click.option(
    "--influence",
    "with_influence",
    is_flag=True,
    help="Also compute how strongly the traction in the patch depends on the "
    "displacements in each patch, and how far a force in the patch displaces each "
    "patch.",
)
@command_option(options_of(InspectionConfig)["n_projections"], name="projections")
@click.option(
    "--knockout",
    "with_knockout",
    is_flag=True,
    help="Also replace the attention of the patch, and measure how its traction "
    "changes: without attention to each of the patches, and with uniform attention in "
    "each block and each head.",
)
@click.option(
    "--faithfulness",
    "with_faithfulness",
    is_flag=True,
    help="Also hide patches in the order of the map, and measure how the traction in "
    "the patch changes.",
)
@click.option(
    "--figure",
    type=FILE,
    callback=_png,
    metavar="FILE.png",
    help="Also draw all results into a PNG file.",
)
@poisson_option
@thickness_option
@preparation_config
@method_config
@overwrite_option
def command(
    *,
    source: DisplacementSource,
    frame: int,
    patch: tuple[int, int],
    output: Path,
    map_source: MapSource,
    head: int | None,
    direction: MapDirection,
    kind: OverlayKind,
    block: int | None,
    with_influence: bool,
    projections: int,
    with_knockout: bool,
    with_faithfulness: bool,
    figure: Path | None,
    poisson: float | None,
    thickness_um: float | None,
    preparation: PreparationConfig,
    config: ReconstructionConfig,
    overwrite: bool,
) -> None:
    """Compute what one patch of one frame attends to, block by block.

    Writes `rollout`, (blocks, rows, columns): the patch's attention rollout over
    the grid of patches; `attention`, (blocks, heads, rows, columns): the attention
    of every head; and `overlay`, (blocks, H, W): the chosen map over the field, by
    default times the length of the displacements. --influence, --knockout and
    --faithfulness add measures that a map can be compared with. --influence and
    --faithfulness also work with models that have no attention.
    """
    from napari_vit_tfm.attention.callbacks import Callbacks
    from napari_vit_tfm.attention.export import write_findings
    from napari_vit_tfm.attention.figures import findings_figure
    from napari_vit_tfm.attention.frame import prepare_frame
    from napari_vit_tfm.attention.patch import LAST_BLOCK, MapView, inspect_patch
    from napari_vit_tfm.cli.reporting import gel_in_words, note
    from napari_vit_tfm.io import check_output
    from napari_vit_tfm.physics.substrate import Substrate
    from napari_vit_tfm.plotting import write_png
    from napari_vit_tfm.reconstruction import load_method

    target = check_output(output, any_array=True)
    outputs = Outputs.of(
        "attention", overwrite=overwrite, inputs=source.paths, others=[config.model]
    )
    outputs.add(target, figure)
    stack = source.read(gel=Gel(poisson=poisson, thickness_um=thickness_um))
    # Nothing here depends on the stiffness, so it is not reported.
    substrate = Substrate(replace(stack.gel, young_pa=None))
    method = load_method(config)
    tests = with_influence or with_faithfulness
    _check_choice(method, map_source, head, block, tests)
    if with_knockout and not method.has_attention:
        raise ModelError(
            f"{method.name} is not a transformer, so it has no attention to replace; "
            "leave out --knockout"
        )
    choice = MapChoice(map_source, None if head is None else head - 1, direction)
    view = MapView(LAST_BLOCK if block is None else block - 1, choice=choice, kind=kind)
    prepared = prepare_frame(
        *(stack, frame),
        substrate=substrate,
        config=config,
        method=method,
        preparation=preparation,
        on_notice=note,
    )
    try:
        findings = inspect_patch(
            *(prepared, patch),
            view=view,
            with_influence=with_influence,
            with_knockout=with_knockout,
            with_faithfulness=with_faithfulness,
            inspection=InspectionConfig(n_projections=projections),
            callbacks=Callbacks(on_progress=_progress()),
        )
    except IndexError as error:
        raise FieldError(f"{source}: {error}") from error
    write_findings(target, findings, maker=outputs.maker)
    _report(target, findings)
    echo(f"gel: {gel_in_words(substrate)}")
    if figure is not None:
        signature = outputs.maker.signature(figure.parent)
        write_png(figure, findings_figure(findings), signature=signature)
        echo(f"figure: {figure}")


def _check_choice(
    method: ReconstructionMethod,
    source: MapSource,
    head: int | None,
    block: int | None,
    tests: bool,
) -> None:
    """Raise an error if a method has no such map; blocks and heads start at 1."""
    if not method.has_attention:
        if not tests:
            raise ModelError(
                f"{method.name} is not a transformer, so it has no attention maps; "
                "--influence and --faithfulness work with every model"
            )
        if block is not None or head is not None:
            raise ModelError(
                f"{method.name} is not a transformer, so it has no blocks and no "
                "heads; leave out --block and --head"
            )
        return
    if block is not None and block > method.n_blocks:
        raise ConfigError(f"no block {block}: {method.name} has {method.n_blocks}")
    if head is not None and head > method.n_heads:
        raise ConfigError(
            f"no head {head}: each block of {method.name} has {method.n_heads}"
        )
    if head is not None and source == "rollout":
        raise ConfigError(
            "--head needs --source attention: rollout is the mean over all heads"
        )


def _progress() -> Callable[[str, int, int], None] | None:
    """Callback that shows the progress in one line; None outside a terminal."""
    from napari_vit_tfm.cli.reporting import is_terminal

    if not is_terminal():
        return None

    def show(what: str, done: int, total: int) -> None:
        # The next output overwrites this line.
        click.echo(f"{what}: {done} of {total}   \r", err=True, nl=False)

    return show


def _report(target: Path, findings: PatchFindings) -> None:
    """Print the results, and the name of the file that holds them."""
    from napari_vit_tfm.attention.patch import CHOSEN
    from napari_vit_tfm.cli.reporting import SHORT_SHA256

    row, column = findings.patch
    frame, grid = findings.frame, findings.frame.grid
    blocks = f"{len(findings.blocks)} blocks" if findings.blocks else "no attention"
    echo(
        f"attention: {target} (patch {row},{column} of "
        f"{grid.rows} x {grid.columns} in frame {frame.index}, {blocks})"
    )
    if findings.attention is not None:
        for name, map_ in findings.evidence.items():
            values = findings.correlations(map_)
            listed = ", ".join(f"{value:.2f}" for value in values)
            echo(f"rank correlation with {name}, block by block: {listed}")
    strengths = []
    if findings.effects is not None:
        _report_effects(findings, findings.effects)
        strengths.append(findings.effects.strength)
    if findings.faithfulness is not None:
        found = findings.faithfulness
        echo(
            f"faithfulness: area over random {found.advantage(CHOSEN):+.3f}, "
            f"standard deviation of random orders {found.spread:.3f}"
        )
        strengths.append(found.strength)
    if strengths:
        echo(
            f"traction in the patch: {strengths[0]:.1%} of that in the patch where it "
            "is largest"
        )
    sha256 = frame.method.sha256[:SHORT_SHA256]
    weights = f"sha256 {sha256}" if sha256 else "no weights"
    echo(f"model: {frame.model}, {weights}")


def _report_effects(findings: PatchFindings, effects: KnockoutEffects) -> None:
    """Print the effects of knock-out, and how similar its map is to the influence."""
    from napari_vit_tfm.attention.captions import change_words
    from napari_vit_tfm.attention.influence import rank_correlation

    if findings.knockout is not None and findings.influence is not None:
        value = rank_correlation(
            findings.knockout, findings.influence, patch=findings.patch
        )
        echo(f"rank correlation of knockout with influence: {value:.2f}")
    listed = ", ".join(change_words(change) for change in effects.blocks)
    echo(
        "change of the traction with uniform attention of the patch, block by block: "
        f"{listed}"
    )
    block, head = effects.strongest_head
    echo(
        "largest change with uniform attention in one head: "
        f"{change_words(effects.heads.max())} (head {head + 1} of block {block + 1})"
    )
