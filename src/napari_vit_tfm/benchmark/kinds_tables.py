"""Results of a comparison on fields of many kinds, as Markdown and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict

from napari_vit_tfm.benchmark.kinds import KindScores, RatioSummary
from napari_vit_tfm.benchmark.tables import Origin, markdown_table, short_number
from napari_vit_tfm.config import BAYESIAN_FTTC

BEST_CLASSICAL = "best classical"
"""Name in tables for the classical method with the smallest error in a cell."""

_EXPLANATION = """\
A cell is one kind of field at one noise level. The error is the sum of squared
errors of the tractions `t/E` divided by that of predicting zero, averaged over the
fields of the cell: 0 is perfect, and predicting zero has 1. Noise is the standard
deviation of each component of the displacement, relative to the root mean square of
the field about its mean. Correlated noise is correlated between neighbouring vectors.
A ratio is the error of `{method}` divided by that of another method: below 1,
`{method}` is better. "{best}" is the method with the smallest error in the cell among
{classical}. Cells where it is better than `{method}` are bold. All
cells have the same weight in the geometric mean."""


def kinds_as_json(scores: KindScores) -> str:
    """All errors, the summary of the ratios, and times as JSON.

    The structure is ``{"kinds": {kind: {noise: {method: error}}}, "summary":
    {"method": name, "ratio_to": {rival: summary}}, "ms_per_field": {method: value}}``.
    A summary has the fields of `RatioSummary`.
    """
    kinds = {
        kind: {noise: scores.errors[kind, noise] for noise in scores.noises}
        for kind in scores.kinds
    }
    summary = {
        "method": scores.method,
        "ratio_to": {name: asdict(of) for name, of in _summaries(scores).items()},
    }
    facts = {
        "kinds": kinds,
        "summary": summary,
        "ms_per_field": scores.ms_per_field,
    }
    return json.dumps(facts, indent=2, allow_nan=False) + "\n"


def kinds_as_markdown(scores: KindScores, origin: Origin) -> str:
    """The complete report: summary, ratios, times, and the errors of each cell."""
    parts = [
        kinds_summary_as_markdown(scores, origin),
        "## Errors by cell",
        _cell_table(scores),
    ]
    return "\n\n".join(parts) + "\n"


def kinds_summary_as_markdown(scores: KindScores, origin: Origin) -> str:
    """The report without the errors of each cell."""
    method = scores.method
    explanation = _EXPLANATION.format(
        method=method,
        best=BEST_CLASSICAL,
        classical=" and ".join(f"`{name}`" for name in scores.classical),
    )
    parts = [
        "# Methods on fields of many kinds",
        f"`{origin.command}`",
        f"napari-vit-tfm {origin.version}. Fields: {origin.fields}, with seed "
        f"{origin.seed}. No network is trained on such fields.",
        explanation,
        f"## Error of {method} relative to classical methods",
        _summary_table(scores),
        f"## Error of {method} relative to the {BEST_CLASSICAL} method",
        _ratio_grid(scores),
        "## Time",
        _times(scores, origin),
    ]
    return "\n\n".join(parts)


def _rivals(scores: KindScores) -> dict[str, tuple[str, ...]]:
    """The compared methods: the best classical one, and Bayesian FTTC."""
    rivals = {BEST_CLASSICAL: scores.classical}
    if BAYESIAN_FTTC in scores.classical:
        rivals[BAYESIAN_FTTC] = (BAYESIAN_FTTC,)
    return rivals


def _summaries(scores: KindScores) -> dict[str, RatioSummary]:
    return {
        name: RatioSummary.of(scores.ratios(*rivals))
        for name, rivals in _rivals(scores).items()
    }


def _summary_table(scores: KindScores) -> str:
    rows = [
        [
            name,
            f"{of.geometric_mean:.3f}",
            f"{of.above_1_00} of {of.n_cells}",
            f"{of.above_1_10} of {of.n_cells}",
            f"{of.worst:.2f} ({of.worst_kind}, noise {of.worst_noise})",
        ]
        for name, of in _summaries(scores).items()
    ]
    heads = ["relative to", "geometric mean", "above 1.00", "above 1.10", "worst cell"]
    return markdown_table(heads, rows)


def _ratio_grid(scores: KindScores) -> str:
    ratios = scores.ratios()
    rows = [
        [kind, *(_marked(ratios[kind, noise]) for noise in scores.noises)]
        for kind in scores.kinds
    ]
    return markdown_table(["noise", *scores.noises], rows)


def _cell_table(scores: KindScores) -> str:
    rivals = _rivals(scores)
    ratios = [scores.ratios(*names) for names in rivals.values()]
    rows = [
        [
            f"{kind}, {noise}",
            *(f"{error:.4f}" for error in errors.values()),
            *(_marked(of_rival[kind, noise]) for of_rival in ratios),
        ]
        for (kind, noise), errors in scores.errors.items()
    ]
    over = [f"{scores.method} / {name}" for name in rivals]
    return markdown_table(["kind, noise", *scores.ms_per_field, *over], rows)


def _marked(ratio: float) -> str:
    return f"**{ratio:.2f}**" if ratio > 1 else f"{ratio:.2f}"


def _times(scores: KindScores, origin: Origin) -> str:
    times = scores.ms_per_field
    rows = [[name, short_number(ms)] for name, ms in times.items()]
    heads = ["method", "ms per field"]
    if origin.cnns:
        fastest = min(times[cnn] for cnn in origin.cnns)
        heads.append("relative to the fastest CNN")
        for row, ms in zip(rows, times.values(), strict=True):
            row.append(short_number(ms / fastest))
    return f"On {origin.device}.\n\n" + markdown_table(heads, rows)
