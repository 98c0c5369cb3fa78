"""``vit-tfm benchmark``: comparison of methods on fields with known tractions."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from napari_vit_tfm import __version__
from napari_vit_tfm.cli.ground_truth import KnownFields, generate_fields, read_fields
from napari_vit_tfm.cli.options import device_option, views_option
from napari_vit_tfm.cli.outputs import Outputs, overwrite_option
from napari_vit_tfm.cli.parameters import FILE, count, number
from napari_vit_tfm.cli.reporting import echo, note_once
from napari_vit_tfm.cli.source import DisplacementSource
from napari_vit_tfm.config import (
    FIELD_KINDS,
    FIELD_SETS,
    ORACLE,
    REFERENCE_POISSON,
    BenchmarkConfig,
    Device,
    KindsConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.constraints import Range
from napari_vit_tfm.fields import Displacement
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models.registry import classical_names, registered_methods
from napari_vit_tfm.options import numbers_of
from napari_vit_tfm.units import DISPLACEMENT_UNITS, DisplacementUnit

if TYPE_CHECKING:
    from napari_vit_tfm.benchmark.evaluate import MethodScores
    from napari_vit_tfm.benchmark.tables import Origin

_GEL = numbers_of(Gel)
_LENGTHS = numbers_of(Displacement)
_SETS = " or ".join(FIELD_SETS)
_LISTS = ("--cnn", "--methods", "--noise")
_REPORT = "benchmark.md"
_RESULTS = (
    _REPORT,
    "benchmark.json",
    "summary.csv",
    "samples.csv",
    "error_against_noise.png",
    "fields.png",
)
"""Files in the folder for the results."""

_ARGUMENTS = "napari_vit_tfm.arguments"


class _ListCommand(click.Command):
    """Command with options that take all values up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = list(args)
        repeated: list[str] = []
        option, values = "", 0
        for argument in args:
            if argument.startswith("-"):
                option, _, value = argument.partition("=")
                values = int(bool(value))
            elif option in _LISTS:
                values += 1
                if values > 1:
                    repeated.append(option)
            repeated.append(argument)
        return super().parse_args(ctx, repeated)


def _each(kind: click.ParamType[Any]) -> Callable[..., tuple[Any, ...]]:
    """Split values at commas, convert them, and remove duplicates."""

    def split(
        ctx: click.Context, param: click.Parameter, values: Sequence[str]
    ) -> tuple[Any, ...]:
        parts = [part.strip() for value in values for part in value.split(",")]
        converted = [kind.convert(part, param, ctx) for part in parts if part]
        return tuple(dict.fromkeys(converted))

    return split


@click.command("benchmark", cls=_ListCommand)
@click.option(
    "--data",
    type=FILE,
    metavar="FILE",
    help="File with displacements without noise, and with their tractions and "
    "segmentation unless --truth is given. Fields without units are fractions of the "
    "field width and of Young's modulus. Without this option fields are generated.",
)
@click.option(
    "--truth",
    type=FILE,
    metavar="FILE",
    help="File with the tractions and segmentation of --data.",
)
@click.option(
    "--units",
    type=click.Choice(DISPLACEMENT_UNITS),
    help="Unit of the displacements in --data, if the file does not specify it.",
)
@click.option(
    "--spacing",
    "spacing_um",
    type=number(_LENGTHS["spacing_um"]),
    metavar="UM",
    help="Distance between neighbouring vectors in --data, in micrometres.",
)
@click.option(
    "--pixel-size",
    "pixel_size_um",
    type=number(_LENGTHS["pixel_size_um"]),
    metavar="UM",
    help="Size of a camera pixel in --data, in micrometres.",
)
@click.option(
    "--young",
    "young_pa",
    type=number(_GEL["young_pa"]),
    metavar="PA",
    help="Young's modulus of --data, for tractions in Pa. Default: the value in the "
    "file.",
)
@click.option(
    "--poisson",
    type=number(_GEL["poisson"]),
    metavar="NU",
    help="Poisson ratio of --data. Default: the value in the file, or "
    f"{REFERENCE_POISSON}.",
)
@click.option(
    "--thickness",
    "thickness_um",
    type=number(_GEL["thickness_um"]),
    metavar="UM",
    help="Thickness of the gel of --data, in micrometres. Default: the value in the "
    "file, or infinite.",
)
@click.option(
    "--kind",
    type=click.Choice([*FIELD_KINDS, *FIELD_SETS]),
    default=BenchmarkConfig.kind,
    show_default=True,
    help="Kind of the generated fields, as in vit-tfm synthesize, or a set of fields "
    "of many kinds, at several noise levels: "
    + "; ".join(f"{name}: {words}" for name, words in FIELD_SETS.items())
    + ".",
)
@click.option(
    "-n",
    "n_fields",
    type=count(),
    metavar="N",
    help=f"Number of fields to generate (default: {BenchmarkConfig.n_fields}, or "
    f"{KindsConfig.n_fields} of each kind with --kind {_SETS}), or to use from "
    "the beginning of --data (default: all).",
)
@click.option(
    "--seed",
    type=count(0),
    default=BenchmarkConfig.seed,
    show_default=True,
    metavar="S",
    help="Seed of the fields and of the noise.",
)
@click.option(
    "--noise",
    "sigmas",
    multiple=True,
    default=tuple(f"{sigma:g}" for sigma in BenchmarkConfig.sigmas),
    show_default=True,
    callback=_each(number(Range(maximum=1e6, excludes_minimum=False))),
    metavar="SIGMA...",
    help="Standard deviations of the noise, as fractions of the field width.",
)
@click.option(
    "--methods",
    multiple=True,
    default=(*registered_methods(), *BenchmarkConfig.extra_methods),
    show_default=True,
    callback=_each(click.STRING),
    metavar="FILE|NAME...",
    help=f"Names of methods, and model files. {ORACLE} is FTTC with the best "
    "regularisation for each field, chosen with the known tractions. With --kind "
    f"{_SETS} the first method is compared with {' and '.join(classical_names())}, "
    f"and the default does not include {ORACLE}.",
)
@click.option(
    "--cnn",
    "cnns",
    multiple=True,
    callback=_each(click.STRING),
    metavar="FILE...",
    help="Files of published CNNs to compare with.",
)
@views_option
@device_option
@click.option(
    "-o",
    "--output",
    type=FILE,
    required=True,
    metavar="DIR",
    help="Folder for the results.",
)
@overwrite_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    data: Path | None,
    kind: str,
    n_fields: int | None,
    seed: int,
    sigmas: Sequence[float],
    methods: Sequence[str],
    cnns: Sequence[str],
    n_views: int,
    device: Device,
    output: Path,
    overwrite: bool,
    **of_data: Any,
) -> None:
    """Compare methods on fields with known tractions.

    Writes tables (benchmark.md, summary.csv, samples.csv, benchmark.json) and
    figures (error_against_noise.png, fields.png) to a folder; with --kind all or
    unseen it writes kinds.md, kinds.json and kinds.png. Several values of an option are
    separated by spaces or commas, or the option is repeated.
    """
    config = ReconstructionConfig(device=device, n_views=n_views)
    if kind in FIELD_SETS:
        _check_options_of_sets(ctx, kind, of_data)
    elif data is None:
        _check_no_data_options(ctx, of_data)
    known_fields = [path for path in (data, of_data.get("truth")) if path is not None]
    outputs = Outputs.of(
        "benchmark",
        overwrite=overwrite,
        inputs=known_fields,
        others=[*methods, *cnns],
    )
    signature = outputs.maker.signature(output)
    if kind in FIELD_SETS:
        from napari_vit_tfm.cli.benchmark_kinds import (
            REPORT,
            RESULTS,
            compare_kinds,
            fields_in_words,
        )

        outputs.add_in(output, RESULTS, report=REPORT)
        n_fields = n_fields or KindsConfig.n_fields
        given = methods if _is_given(ctx, "methods") else tuple(registered_methods())
        names = _names(given, cnns)
        words = fields_in_words(kind, n_fields)
        origin = _origin(ctx, words, seed, device, names, cnns)
        compare_kinds(
            kind, names, n_fields, config, origin, output, signature=signature
        )
        return
    if not sigmas or not (methods or cnns):
        raise click.UsageError("at least one noise level and one method are required")
    outputs.add_in(output, _RESULTS, report=_REPORT)
    if data is None:
        known = generate_fields(kind, n_fields or BenchmarkConfig.n_fields, seed)
    else:
        known = _read(data, **of_data)
        known = known if n_fields is None else known.first(n_fields)
    names = _names(methods, cnns)
    origin = _origin(ctx, known.description, seed, device, names, cnns)
    results, notices = _evaluated(known, names, sigmas, seed, config)
    origin = replace(origin, notices=notices)
    _write(output, known, results, origin, seed, signature=signature)


def _check_options_of_sets(
    ctx: click.Context, kind: str, of_data: Mapping[str, Any]
) -> None:
    for name, option, why in (
        ("data", "--data", "generates its fields"),
        ("sigmas", "--noise", "has fixed noise levels"),
    ):
        if _is_given(ctx, name):
            raise click.UsageError(f"--kind {kind} {why}; leave out {option}")
    _check_no_data_options(ctx, of_data)


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not ParameterSource.DEFAULT


def _check_no_data_options(ctx: click.Context, of_data: Mapping[str, Any]) -> None:
    for option in ctx.command.params:
        if of_data.get(option.name or "") is not None:
            raise click.UsageError(f"{option.opts[0]} requires --data")


def _read(
    data: Path,
    *,
    truth: Path | None,
    units: DisplacementUnit | None,
    spacing_um: float | None,
    pixel_size_um: float | None,
    young_pa: float | None,
    poisson: float | None,
    thickness_um: float | None,
) -> KnownFields:
    source = DisplacementSource((data,), None, units, spacing_um, pixel_size_um)
    return read_fields(source, truth, gel=Gel(young_pa, poisson, thickness_um))


def _names(methods: Sequence[str], cnns: Sequence[str]) -> dict[str, str]:
    """Names of the methods in the report, by method.

    A file is named by its file name, or by its path if several have the same name. The
    CNNs follow the first method, so that they are next to it in tables.
    """
    files = Counter(Path(method).name for method in methods)
    stems = Counter(Path(cnn).stem for cnn in cnns)
    of_methods = {m: Path(m).name if files[Path(m).name] == 1 else m for m in methods}
    of_cnns = {
        c: f"cnn {Path(c).stem if stems[Path(c).stem] == 1 else c}" for c in cnns
    }
    first = dict(list(of_methods.items())[:1])
    return first | of_cnns | of_methods


def _origin(
    ctx: click.Context,
    fields: str,
    seed: int,
    device: Device,
    names: Mapping[str, str],
    cnns: Sequence[str],
) -> Origin:
    from napari_vit_tfm.benchmark.tables import Origin

    return Origin(
        command=shlex.join(["vit-tfm", "benchmark", *ctx.meta[_ARGUMENTS]]),
        version=__version__,
        fields=fields,
        seed=seed,
        device=_device_in_words(device),
        cnns=[names[cnn] for cnn in cnns],
    )


def _evaluated(
    known: KnownFields,
    names: dict[str, str],
    sigmas: Sequence[float],
    seed: int,
    config: ReconstructionConfig,
) -> tuple[list[MethodScores], list[str]]:
    """Scores of all methods, and the notices about the runs."""
    from napari_vit_tfm.benchmark.evaluate import evaluate, median_field

    notices: list[str] = []
    results = evaluate(
        known.displacement,
        known.truth,
        methods=list(names),
        names=names,
        segmentation=known.segmentation,
        substrate=known.substrate,
        sigmas=sigmas,
        seed=seed,
        config=config,
        example=median_field(known.truth.data),
        on_result=lambda name, sigma: echo(f"{name}, sigma {sigma:g}", err=True),
        on_notice=note_once(notices),
    )
    return results, notices


def _write(
    output: Path,
    known: KnownFields,
    results: Sequence[MethodScores],
    origin: Origin,
    seed: int,
    *,
    signature: str,
) -> None:
    from napari_vit_tfm.benchmark import figures, tables
    from napari_vit_tfm.benchmark.evaluate import (
        dimensionless,
        median_field,
        with_noise,
    )
    from napari_vit_tfm.io.replacing import write_bytes
    from napari_vit_tfm.plotting import write_png

    markdown = f"{tables.as_markdown(results, origin)}\n<!-- {signature} -->\n"
    write_bytes(output / _REPORT, markdown.encode())
    write_bytes(output / "benchmark.json", tables.as_json(results).encode())
    tables.write_summary(output / "summary.csv", results)
    tables.write_samples(output / "samples.csv", results)
    figure = figures.error_figure(results, n_fields=known.truth.n_frames)
    write_png(output / "error_against_noise.png", figure)
    example = median_field(known.truth.data)
    displacement = {
        sigma: with_noise(known.displacement, sigma, seed).data[example]
        for sigma in results[0].samples
    }
    truth = dimensionless(known.truth, known.substrate)[example]
    figure = figures.fields_figure(displacement, truth, results)
    write_png(output / "fields.png", figure)
    echo(tables.summary_as_markdown(results, origin), lines=True)


def _device_in_words(device: Device) -> str:
    import torch

    from napari_vit_tfm.reconstruction import resolve_device

    resolved = resolve_device(device)
    if resolved == "cuda":
        return f"cuda ({torch.cuda.get_device_name()})"
    if resolved == "cpu":
        return f"cpu, {torch.get_num_threads()} of {os.cpu_count()} threads"
    return resolved
