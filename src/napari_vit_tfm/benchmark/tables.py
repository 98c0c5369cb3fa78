"""Results of a comparison of methods, as Markdown, CSV and JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from napari_vit_tfm.benchmark.evaluate import (
    METRIC_NAMES,
    MethodScores,
    mean_of_defined,
)
from napari_vit_tfm.benchmark.solvers import ZERO
from napari_vit_tfm.config import ORACLE
from napari_vit_tfm.io.replacing import replacing
from napari_vit_tfm.plain_text import for_spreadsheet

_HEADINGS: Mapping[str, str] = MappingProxyType(
    {
        "sum_of_squared_errors": "squared error",
        "relative_squared_error": "relative",
        "dtma": "DTMA",
        "dtma_absolute": "abs. DTMA",
        "dtmb": "DTMB",
        "snr": "SNR",
        "dma": "DMA",
        "direction_error_degrees": "direction (deg)",
        "direction_cosine": "cosine",
    }
)
"""Names of the scores in tables."""

_BY_FIELD = ("sum_of_squared_errors", "dtma", "direction_error_degrees")
"""Scores that the Markdown lists for each field. The CSV file lists all scores."""

_EXPLANATION = """\
Squared error: sum of squared errors of the tractions `t/E` over nodes and components.
Relative: squared error divided by that of predicting zero. Scores at adhesions (Huang
et al., Sci. Rep. 9, 539, 2019): DTMA, deviation of the mean traction magnitude, with
its sign, and absolute for each patch; DMA, deviation of the maximum; DTMB, traction in
the background, relative to that of a patch; SNR, reconstructed magnitude at patches
divided by the standard deviation in the background; direction, angle between the mean
reconstructed and known traction of a patch, and its cosine. A perfect reconstruction
has a cosine of 1, an infinite SNR, and 0 for the other scores. The tables show means
over fields. If a score is not defined for all fields, the number of fields with a
value is given in brackets. A dash means that no field has a value."""


@dataclass(frozen=True)
class Origin:
    """Origin of the results in a report.

    Parameters
    ----------
    command : str
        The command that produced the report.
    version : str
        Version of the package.
    fields : str
        Description of the fields.
    seed : int
        Seed of the noise.
    device : str
        Device on which times were measured.
    cnns : collection of str
        Names of the methods that are published CNNs.
    notices : sequence of str
        Notices about the runs.
    """

    command: str
    version: str
    fields: str
    seed: int
    device: str
    cnns: Collection[str] = ()
    notices: Sequence[str] = ()


def as_json(results: Sequence[MethodScores]) -> str:
    """The means as JSON: methods, noise levels, scores, and times.

    The structure is ``{"methods": {name: {"noise": {sigma: {score: value}},
    "ms_per_field": value}}}``. Values that are undefined or not finite are null.
    """
    methods = {
        result.name: {
            "noise": {
                f"{sigma:g}": {
                    name: value if math.isfinite(value) else None
                    for name, value in scores.items()
                }
                for sigma, scores in result.noise.items()
            },
            "ms_per_field": result.ms_per_field,
        }
        for result in results
    }
    return json.dumps({"methods": methods}, indent=2, allow_nan=False) + "\n"


def write_samples(path: Path, results: Sequence[MethodScores]) -> None:
    """Write all scores of every field as CSV, one row per method, noise and field."""
    rows = (
        [result.name, f"{sigma:g}", field, *(scores[m][field] for m in METRIC_NAMES)]
        for result in results
        for sigma, scores in result.samples.items()
        for field in range(_n_fields(result))
    )
    _write_csv(path, ["method", "sigma", "field", *METRIC_NAMES], rows)


def write_summary(path: Path, results: Sequence[MethodScores]) -> None:
    """Write means and deviations as CSV, one row per method, noise and score.

    The column ``fields`` is the number of fields for which the score is defined.
    """
    rows = (
        [result.name, f"{sigma:g}", metric, *_summary(scores[metric])]
        for result in results
        for sigma, scores in result.samples.items()
        for metric in METRIC_NAMES
    )
    columns = ["mean", "standard_deviation", "median", "fields"]
    _write_csv(path, ["method", "sigma", "metric", *columns], rows)


def as_markdown(results: Sequence[MethodScores], origin: Origin) -> str:
    """The complete report: summary, ratios, times, and the scores of each field."""
    parts = [summary_as_markdown(results, origin), "## Scores by field"]
    for sigma in results[0].samples:
        for metric in _BY_FIELD:
            parts += [
                f"### {_level(sigma)}: {_HEADINGS[metric]}",
                _by_field(results, sigma, metric),
            ]
    return "\n\n".join(parts) + "\n"


def _as_sentence(notice: str) -> str:
    return notice if notice.endswith("?") else f"{notice}."


def summary_as_markdown(results: Sequence[MethodScores], origin: Origin) -> str:
    """The report without the scores of each field."""
    introduction = [
        f"`{origin.command}`",
        f"napari-vit-tfm {origin.version}. Fields: {origin.fields}. White noise of "
        "standard deviation sigma, as a fraction of the field width, with seed "
        f"{origin.seed}.",
        _EXPLANATION,
        *(f"Note: {_as_sentence(notice)}" for notice in origin.notices),
    ]
    if any(result.name == ORACLE for result in results):
        introduction.append(
            f"`{ORACLE}` is a bound, not a method: FTTC with the regularisation and "
            "border treatment that are best for each field, chosen with the known "
            "tractions."
        )
    parts = ["# Comparison of methods", *introduction]
    for sigma in results[0].samples:
        parts += [f"## {_level(sigma)}", _summary_table(results, sigma)]
    if origin.cnns:
        parts += ["## Squared error relative to the better CNN"]
        parts += [_ratios(results, origin)]
    parts += ["## Time", _times(results, origin)]
    return "\n\n".join(parts)


def _summary_table(results: Sequence[MethodScores], sigma: float) -> str:
    rows = [
        [result.name, *(_mean(result.samples[sigma][name]) for name in METRIC_NAMES)]
        for result in results
    ]
    return markdown_table(["method", *(_HEADINGS[name] for name in METRIC_NAMES)], rows)


def _ratios(results: Sequence[MethodScores], origin: Origin) -> str:
    means = {
        result.name: {
            sigma: scores["sum_of_squared_errors"]
            for sigma, scores in result.noise.items()
        }
        for result in results
    }
    sigmas = list(results[0].samples)
    best = {sigma: min(means[cnn][sigma] for cnn in origin.cnns) for sigma in sigmas}
    rows = [
        [name, *(short_number(of_method[sigma] / best[sigma]) for sigma in sigmas)]
        for name, of_method in means.items()
    ]
    return markdown_table(["method", *map(_level, sigmas)], rows)


def _times(results: Sequence[MethodScores], origin: Origin) -> str:
    rows = [
        [result.name, short_number(result.ms_per_field)]
        for result in results
        if result.name != ZERO
    ]
    return f"On {origin.device}.\n\n" + markdown_table(["method", "ms per field"], rows)


def _by_field(results: Sequence[MethodScores], sigma: float, metric: str) -> str:
    columns = [result.samples[sigma][metric] for result in results]
    rows = [
        [str(field), *(short_number(values[field]) for values in columns)]
        for field in range(_n_fields(results[0]))
    ]
    rows.append(
        ["mean", *(short_number(mean_of_defined(values)) for values in columns)]
    )
    return markdown_table(["field", *(result.name for result in results)], rows)


def _n_fields(result: MethodScores) -> int:
    return next(iter(result.samples.values()))[METRIC_NAMES[0]].size


def _summary(values: np.ndarray) -> list[float]:
    defined = values[~np.isnan(values)]
    if not defined.size:
        return [math.nan, math.nan, math.nan, 0]
    # With an infinite value the mean is infinite and the deviation is undefined.
    spread = defined.std() if np.isfinite(defined).all() else math.nan
    return [defined.mean(), spread, np.median(defined), defined.size]


def _mean(values: np.ndarray) -> str:
    """Mean of the defined values, and their number if some are undefined."""
    defined = int(np.sum(~np.isnan(values)))
    mean = short_number(mean_of_defined(values))
    if defined in (0, values.size):
        return mean
    return f"{mean} ({defined} of {values.size})"


def _level(sigma: float) -> str:
    return "Clean" if sigma == 0 else f"Sigma {sigma:g}"


def short_number(value: float) -> str:
    """Three significant digits, or all before the point; a dash for NaN."""
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if 1000 <= abs(value) < math.inf else f"{value:.3g}"


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown table with a first column of text and further columns of numbers."""
    lines = [
        "| " + " | ".join(heads) + " |",
        "|---" + "|---:" * (len(heads) - 1) + "|",
    ]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _write_csv(
    path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(heads)
        for row in rows:
            writer.writerow(
                [
                    f"{v:.9g}" if isinstance(v, float) else for_spreadsheet(str(v))
                    for v in row
                ]
            )
