"""``vit-tfm benchmark``: methods against the truth, on the same fields."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from napari_vit_tfm.cli.options import FILE, device_option
from napari_vit_tfm.config import MODEL_NAMES, Device, ReconstructionConfig

if TYPE_CHECKING:
    from napari_vit_tfm.evaluate import MethodScores
    from napari_vit_tfm.fields import DisplacementStack, TractionStack


@click.command("benchmark")
@click.option(
    "--data",
    type=FILE,
    metavar="FILE",
    help="Fields with known tractions: arrays `displacement`, clean and in fractions "
    "of the field's width, and `traction`, in fractions of Young's modulus. Without "
    "it, disc fields are made.",
)
@click.option(
    "-n",
    "n_fields",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    metavar="N",
    help="Number of fields to make.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="S",
    help="Seed of the fields and of the noise.",
)
@click.option(
    "--noise",
    "sigmas",
    type=click.FloatRange(min=0),
    multiple=True,
    default=(0.0, 1e-4, 1e-3),
    show_default=True,
    metavar="SIGMA",
    help="Standard deviation of the noise, as a fraction of the field's width; "
    "may be given several times.",
)
@click.option(
    "--methods",
    multiple=True,
    default=MODEL_NAMES,
    show_default=True,
    metavar="FILE|NAME",
    help="A method's name or a model file; may be given several times.",
)
@device_option
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="DIR",
    help="Folder for benchmark.json and benchmark.md.",
)
def command(
    *,
    data: Path | None,
    n_fields: int,
    seed: int,
    sigmas: Sequence[float],
    methods: Sequence[str],
    device: Device,
    output: Path,
) -> None:
    """Score methods on fields whose tractions are known."""
    from napari_vit_tfm.evaluate import evaluate

    displacement, truth = _fields(data, n_fields, seed)
    results = evaluate(
        displacement,
        truth,
        methods=methods,
        sigmas=tuple(dict.fromkeys(sigmas)),
        seed=seed,
        config=ReconstructionConfig(device=device),
        on_result=lambda name, sigma: click.echo(f"{name}, sigma {sigma:g}", err=True),
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / "benchmark.json").write_text(json.dumps(_as_json(results), indent=2))
    table = _as_markdown(results, displacement.n_frames)
    (output / "benchmark.md").write_text(table)
    click.echo(table, nl=False)


def _fields(
    data: Path | None, n_fields: int, seed: int
) -> tuple[DisplacementStack, TractionStack]:
    from napari_vit_tfm.fields import DisplacementStack, TractionStack
    from napari_vit_tfm.io import read_displacement, read_traction
    from napari_vit_tfm.synthesis import synthesise

    if data is not None:
        displacement = read_displacement(data, dataset="displacement", unit="field")
        return displacement, read_traction(data, dataset="traction", unit="1")
    made = synthesise(n_fields, seed=seed)
    return DisplacementStack(made.displacement, "field"), TractionStack(made.traction)


def _as_json(results: Sequence[MethodScores]) -> dict[str, object]:
    return {
        "methods": {
            result.name: {
                "noise": {f"{sigma:g}": s for sigma, s in result.noise.items()},
                "ms_per_field": result.ms_per_field,
            }
            for result in results
        }
    }


def _as_markdown(results: Sequence[MethodScores], n_fields: int) -> str:
    sigmas = list(results[0].noise)
    heads = ["clean" if sigma == 0 else f"sigma {sigma:g}" for sigma in sigmas]
    lines = [
        f"Mean sum of squared errors of t/E over {n_fields} fields; "
        "in brackets the mean relative squared error.",
        "",
        "| method | " + " | ".join(heads) + " | ms per field |",
        "|---" * (len(heads) + 2) + "|",
    ]
    for result in results:
        cells = [
            f"{scores['sum_of_squared_errors']:.3g} "
            f"({scores['relative_squared_error']:.3g})"
            for scores in result.noise.values()
        ]
        row = [result.name, *cells, f"{result.ms_per_field:.3g}"]
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"
