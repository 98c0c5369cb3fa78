"""Intervals of quantities, from errors on fields with known tractions.

    python benchmarks/quantity_errors.py -n 38 -o errors.npz
    python benchmarks/quantity_intervals.py fit errors.npz
    python benchmarks/quantity_intervals.py coverage errors.npz -o coverage.md

``fit`` writes ``intervals.json`` of the package. ``coverage`` counts how many truths
are in their intervals, by models that were fitted without the fields that are counted:
with other fields of their kind (*known kinds*), and without any (*new kinds*).

The shift and the width of an interval are linear in the features of a cell. Its ends
are quantiles of errors of held-out fields by models that were fitted without all fields
of their kind, since the fields of a user are of a new kind.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from quantity_errors import METHODS, NAMES

from napari_vit_tfm.benchmark.held_out import KINDS as HELD_OUT
from napari_vit_tfm.config import BUNDLED_MODEL, ReconstructionConfig
from napari_vit_tfm.io.replacing import replacing
from napari_vit_tfm.quantities import QUANTITIES
from napari_vit_tfm.quantities.errors import error_of
from napari_vit_tfm.quantities.intervals import (
    DATA,
    PROBABILITIES,
    ErrorModel,
    known_errors,
)
from napari_vit_tfm.reconstruction import load_method

RIDGE = 0.01
LEAST_DEVIATION = 0.03
LEAST_FIELDS = 60
FOLDS = 6
REGIONS = "field", "cell", "field change", "cell change"
SHOWN = "total_force", "strain_energy", "net_moment"
PACKAGED = Path(str(files("napari_vit_tfm.quantities") / DATA))

FloatArray = npt.NDArray[np.float64]


# --- Errors, and what they depend on --------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sample:
    """Errors of one quantity in one kind of region.

    Parameters
    ----------
    features : array of shape (N, K)
        What they may depend on.
    errors : array of shape (N,)
        Errors as `error_of` expresses them; of a change, the difference of both frames.
    kind, source, number, noise, length, window : arrays of shape (N,)
        Kind of field and who made it, number of the drawn field, relative noise and its
        correlation length, and side of the interrogation windows in grid steps.
    """

    features: FloatArray
    errors: FloatArray
    kind: npt.NDArray[Any]
    source: npt.NDArray[Any]
    number: npt.NDArray[Any]
    noise: FloatArray
    length: FloatArray
    window: FloatArray

    def of(self, chosen: npt.NDArray[np.bool_]) -> Sample:
        """Those that are chosen."""
        return Sample(
            *(getattr(self, one.name)[chosen] for one in dataclass_fields(self))
        )


Table = dict[str, npt.NDArray[Any]]

_NOT_ROWS = ("names", "feature_names")


def read_table(paths: Sequence[Path]) -> Table:
    """The tables that ``measure`` has written, as one."""
    tables = []
    for path in paths:
        with np.load(path, allow_pickle=False) as data:
            tables.append({name: data[name] for name in data.files})
    rows = [name for name in tables[0] if name not in _NOT_ROWS]
    return {name: np.concatenate([one[name] for one in tables]) for name in rows}


def sample_of(table: Table, method: str, of: str, name: str) -> Sample:
    """Errors of a quantity in one of `REGIONS`."""
    quantity, column = QUANTITIES[name], NAMES.index(name)
    region, _, is_change = of.partition(" ")
    regions = ("field",) if region == "field" else ("cell", "part")
    chosen = (table["method"] == method) & np.isin(table["region"], regions)
    rows = {one: values[chosen] for one, values in table.items()}
    value, truth, size = (rows[one][:, column] for one in ("value", "truth", "size"))
    features = rows["features"]
    if not is_change:
        kept = rows["frame"] < 2
        errors = error_of(quantity, truth, value, size)[kept]
        return _sample(rows, kept, features[kept], errors)
    first, later = _pairs(rows)
    force = rows["value"][:, NAMES.index("total_force")]
    features = np.column_stack(
        [
            (features[first] + features[later]) / 2,
            np.log10(rows["distance"][later] + 1e-3) + 1,
            np.abs(np.log(force[later] / force[first])),
        ]
    )
    size = (size[first] + size[later]) / 2
    if quantity.error == "ratio":
        one = np.ones_like(size)
        errors = error_of(quantity, truth[later], value[later], one) - error_of(
            quantity, truth[first], value[first], one
        )
    else:
        true, measured = (
            error_of(quantity, one[later], one[first], np.ones_like(size))
            for one in (truth, value)
        )
        errors = error_of(quantity, true, measured, size)
    return _sample(rows, later, features, errors)


def _sample(
    rows: Table, kept: npt.NDArray[Any], features: FloatArray, errors: FloatArray
) -> Sample:
    names = ("kind", "source", "number", "noise", "length", "window")
    known = np.isfinite(errors)
    found = Sample(features, errors, *(rows[name][kept] for name in names))
    return found.of(known)


def _pairs(rows: Table) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Rows of first and later frames of the same fields."""
    names = ("source", "kind", "number", "region")
    keys = list(zip(*(rows[name] for name in names), strict=True))
    first = {key: i for i, key in enumerate(keys) if rows["frame"][i] == 0}
    later = {key: i for i, key in enumerate(keys) if rows["frame"][i] == 2}
    both = [key for key in first if key in later]
    return np.array([first[k] for k in both]), np.array([later[k] for k in both])


# --- Fits -----------------------------------------------------------------------------


def fitted(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Coefficients of the mean error, and of the logarithm of its scale."""
    errors = np.clip(sample.errors, *np.quantile(sample.errors, [0.005, 0.995]))
    weights = np.ones_like(errors)
    for _ in range(4):
        shift = _ridge(sample.features, errors, weights)
        left = np.abs(errors - _linear(shift, sample.features))
        least = 0.05 * np.median(left) + 1e-9
        scale = _ridge(sample.features, np.log(left + least), np.ones_like(errors))
        expected = np.exp(_linear(scale, sample.features))
        # Large errors count less, in the manner of Huber.
        weights = 1 / (expected**2 * np.maximum(1, left / (4 * expected)))
    return shift, scale


def _linear(coefficients: FloatArray, features: FloatArray) -> FloatArray:
    return np.asarray(coefficients[0] + features @ coefficients[1:])


def _ridge(x: FloatArray, y: FloatArray, weights: FloatArray) -> FloatArray:
    """Linear regression whose coefficients are drawn to zero."""
    weights = weights / weights.sum()
    mean, deviation = weights @ x, np.maximum(x.std(axis=0), LEAST_DEVIATION)
    z = (x - mean) / deviation
    matrix = z.T @ (weights[:, None] * z) + RIDGE * np.eye(x.shape[1])
    slopes = np.linalg.solve(matrix, z.T @ (weights * (y - weights @ y))) / deviation
    return np.concatenate([[weights @ y - slopes @ mean], slopes])


def model_of(sample: Sample) -> ErrorModel | None:
    """Error model; its quantiles are those of kinds that it was not fitted on."""
    is_held_out = sample.source == "held-out"
    if np.count_nonzero(is_held_out) < LEAST_FIELDS:
        return None
    deviations = [
        _deviations(sample, (sample.kind == kind) & is_held_out)
        for kind in np.unique(sample.kind[is_held_out])
    ]
    quantiles = np.quantile(np.concatenate(deviations), PROBABILITIES)
    return ErrorModel(*fitted(sample), quantiles)


def limits_of(sample: Sample) -> FloatArray:
    """Smallest and largest features for which an error model is used, ``(2, K)``."""
    return np.asarray(np.quantile(sample.features, [0.002, 0.998], axis=0))


def _deviations(sample: Sample, left_out: npt.NDArray[np.bool_]) -> FloatArray:
    """Deviations over their scales, by a model that was fitted on the others."""
    shift, scale = fitted(sample.of(~left_out))
    part = sample.of(left_out)
    expected = np.exp(_linear(scale, part.features))
    return np.asarray((part.errors - _linear(shift, part.features)) / expected)


def fit_all(table: Table) -> dict[str, Any]:
    """The content of ``intervals.json``."""
    found: dict[str, Any] = {}
    for method in METHODS:
        limits: dict[str, FloatArray] = {}
        models: dict[str, dict[str, list[FloatArray]]] = {}
        for of in REGIONS:
            models[of] = {}
            for name in NAMES:
                sample = sample_of(table, method, of, name)
                model = model_of(sample) if len(sample.errors) else None
                if model is None:
                    continue
                limits[of] = limits_of(sample)
                models[of][name] = [model.shift, model.scale, model.quantiles]
        loaded = load_method(ReconstructionConfig(model=method, device="cpu"))
        found[method] = {"sha256": loaded.sha256, "limits": limits, "models": models}
    return found


def write_intervals(found: dict[str, Any], path: Path) -> None:
    """Write numbers with five digits."""

    def plain(value: npt.NDArray[np.floating]) -> list[Any]:
        found: list[Any] = json.loads(
            json.dumps(value.tolist()),
            parse_float=lambda text: float(f"{float(text):.5g}"),
        )
        return found

    text = json.dumps(found, default=plain, separators=(",", ":"))
    with replacing(path) as temporary:
        temporary.write_text(text.replace("]],", "]],\n") + "\n", encoding="utf-8")


# --- Coverage -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Hits:
    """Whether truths are in their intervals, and half the widths of the 68% ones."""

    sample: Sample
    in68: npt.NDArray[np.bool_]
    in95: npt.NDArray[np.bool_]
    width: FloatArray

    def in_words(self, chosen: npt.NDArray[np.bool_] | None = None) -> str:
        """Percent of the truths in both intervals."""
        kept = np.ones_like(self.in68) if chosen is None else chosen
        if not kept.any():
            return ""
        return " / ".join(
            f"{100 * hit[kept].mean():.0f}" for hit in (self.in68, self.in95)
        )


def hits_of(sample: Sample, ends: FloatArray) -> Hits:
    """Compare the errors of a sample with the ends of their intervals, ``(N, 4)``."""
    low95, low68, high68, high95 = ends.T
    return Hits(
        sample,
        (low68 <= sample.errors) & (sample.errors <= high68),
        (low95 <= sample.errors) & (sample.errors <= high95),
        (high68 - low68) / 2,
    )


def hits_in_left_out(sample: Sample, left_out: Sequence[npt.NDArray[Any]]) -> Hits:
    """Held-out fields, each part by a model that was fitted without this part."""
    is_held_out = sample.source == "held-out"
    parts, ends = [], []
    for one in left_out:
        others = sample.of(~one)
        model = model_of(others)
        assert model is not None
        part = sample.of(one & is_held_out)
        parts.append(part)
        within = np.clip(part.features, *limits_of(others))
        ends += [model.errors(features) for features in within]
    joined = Sample(
        *(
            np.concatenate([getattr(part, one.name) for part in parts])
            for one in dataclass_fields(Sample)
        )
    )
    return hits_of(joined, np.array(ends))


def hits_in_known_kinds(table: Table, method: str, of: str, name: str) -> Hits:
    """Fields, by models that know other fields of their kind."""
    sample = sample_of(table, method, of, name)
    folds = [sample.number // 2 % FOLDS == fold for fold in range(FOLDS)]
    return hits_in_left_out(sample, folds)


def hits_in_new_kinds(table: Table, method: str, of: str, name: str) -> Hits:
    """Fields, by models without any field of their kind."""
    sample = sample_of(table, method, of, name)
    return hits_in_left_out(sample, [sample.kind == kind for kind in HELD_OUT])


def coverage(table: Table) -> str:
    """Tables of coverage: by method; by kind, noise and windows; of all quantities."""
    head = " | ".join(SHOWN)
    lines = [f"| method | region | {head} |", "|---" * (2 + len(SHOWN)) + "|"]
    for method in METHODS:
        for of in REGIONS:
            known = [hits_in_known_kinds(table, method, of, name) for name in SHOWN]
            lines.append(f"| {method} | {of} ({len(known[0].in68)}) | {_row(known)} |")
        for of in ("field", "cell"):
            new = [hits_in_new_kinds(table, method, of, name) for name in SHOWN]
            lines.append(f"| {method} | {of}, new kinds | {_row(new)} |")
    for of in ("field", "cell"):
        lines += ["", f"{BUNDLED_MODEL}, {of}, new kinds", ""]
        lines += [f"| | n | {head} |", "|---" * (2 + len(SHOWN)) + "|"]
        lines += _by_group(table, of)
    lines += ["", "| region | quantity | coverage | half-width |", "|---" * 4 + "|"]
    for of in REGIONS:
        for name in known_errors()[BUNDLED_MODEL].models[of]:
            hits = hits_in_known_kinds(table, BUNDLED_MODEL, of, name)
            width = f"{100 * np.median(hits.width):.2g}%"
            lines.append(f"| {of} | {name} | {hits.in_words()} | {width} |")
    return "\n".join(lines) + "\n"


Group = tuple[str, Callable[[Sample], npt.NDArray[np.bool_]]]


def _row(found: list[Hits]) -> str:
    return " | ".join(
        f"{hits.in_words()} (±{100 * np.median(hits.width):.2g}%)" for hits in found
    )


def _by_group(table: Table, of: str) -> list[str]:
    lines = []
    found = [hits_in_new_kinds(table, BUNDLED_MODEL, of, name) for name in SHOWN]
    kinds: list[Group] = [(kind, partial(_is_kind, kind)) for kind in HELD_OUT]
    for words, group in [*kinds, *CONDITIONS]:
        n = np.count_nonzero(group(found[0].sample))
        cells = " | ".join(hits.in_words(group(hits.sample)) for hits in found)
        lines.append(f"| {words} | {n} | {cells} |")
    return lines


def _is_kind(kind: str, sample: Sample) -> npt.NDArray[np.bool_]:
    return np.asarray(sample.kind == kind)


CONDITIONS: Sequence[Group] = (
    ("no noise", lambda s: s.noise == 0),
    ("below 3%", lambda s: (s.noise > 0) & (s.noise < 0.03)),
    ("3 to 10%", lambda s: (s.noise >= 0.03) & (s.noise < 0.1)),
    ("10 to 30%", lambda s: (s.noise >= 0.1) & (s.noise < 0.3)),
    ("above 30%", lambda s: s.noise >= 0.3),
    ("correlated", lambda s: s.length > 0),
    ("at the vectors", lambda s: s.window == 0),
    ("windows of 0.5 to 1.5", lambda s: (s.window > 0) & (s.window <= 1.5)),
    ("windows of 1.5 to 3", lambda s: s.window > 1.5),
    ("all", lambda s: s.noise >= 0),
)


def main() -> None:
    """Fit, or count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    fitting = steps.add_parser("fit")
    fitting.add_argument("-o", "--output", type=Path, default=PACKAGED)
    covering = steps.add_parser("coverage")
    covering.add_argument("-o", "--output", type=Path, required=True)
    for step in (fitting, covering):
        step.add_argument("errors", type=Path, nargs="+")
    given = parser.parse_args()
    table = read_table(given.errors)
    if given.step == "fit":
        write_intervals(fit_all(table), given.output)
    else:
        text = coverage(table)
        given.output.write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
