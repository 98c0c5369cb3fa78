"""Errors of quantities on known tractions, and the intervals that follow from them.

    python benchmarks/quantity_intervals.py measure -n 40 -o errors.npz
    python benchmarks/quantity_intervals.py fit errors.npz
    python benchmarks/quantity_intervals.py coverage errors.npz -o coverage.md

``measure`` reconstructs training and held-out fields of all kinds with noise of many
strengths and lengths, and writes what is measured and what is true: for each field the
whole field and a cell, and for one field of each draw a second frame whose force has
changed. ``fit`` writes ``intervals.json`` of the package from the first part of the
fields of each kind; ``coverage`` counts in the rest how many truths are in their
intervals.

The shift and the width of an interval are linear in the features of a cell. Its ends
are quantiles of errors of held-out fields by models that were fitted without these
fields, half of them without all fields of their kind, since the fields of a user are of
a new kind.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from dataclasses import fields as dataclass_fields
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.morphology import convex_hull_image

from napari_vit_tfm.benchmark.held_out import KINDS as HELD_OUT
from napari_vit_tfm.benchmark.held_out import simulate
from napari_vit_tfm.config import BAYESIAN_FTTC, BUNDLED_MODEL, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.io.writing import replacing
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.physics import surface_displacement
from napari_vit_tfm.quantities import (
    QUANTITIES,
    Cell,
    Measurement,
    cells_of,
    default_dilation_steps,
    regions_of,
)
from napari_vit_tfm.quantities.errors import FEATURES, error_of, features_of, size_of
from napari_vit_tfm.quantities.intervals import (
    DATA,
    PROBABILITIES,
    ErrorModel,
    known_errors,
)
from napari_vit_tfm.reconstruction import load_method, reconstruct
from napari_vit_tfm.synthesis import KINDS as TRAINING
from napari_vit_tfm.synthesis import correlated, synthesise

METHODS = BUNDLED_MODEL, BAYESIAN_FTTC, "fttc"
SHAPES = (104, 104), (104, 104), (104, 104), (64, 64), (80, 112), (48, 48), (128, 128)
STRENGTH = 0.008, 0.8
CLEAN_SHARE = 0.17
CORRELATED_SHARE = 0.35
RIDGE = 0.01
LEAST_DEVIATION = 0.03
LEAST_FIELDS = 60
FOLDS = 6
REGIONS = "field", "cell", "field change", "cell change"
SHOWN = "total_force", "strain_energy", "net_moment"
PACKAGED = Path(str(files("napari_vit_tfm.quantities") / DATA))
NAMES = tuple(name for name, one in QUANTITIES.items() if not one.is_geometric)

FloatArray = npt.NDArray[np.float64]


# --- Fields ---------------------------------------------------------------------------


def draw(
    source: str, kind: str, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Displacement in grid steps and traction of one field, ``(H, W, 2)``."""
    shape = SHAPES[rng.integers(len(SHAPES))]
    seed = int(rng.integers(2**31))
    if source == "held-out":
        displacement, traction = simulate(kind, 1, seed=seed, shape=shape)
    else:
        fields = synthesise(1, seed=seed, shape=shape, distribution=TRAINING[kind]())
        displacement, traction = fields.displacement, fields.traction
    steps = displacement[0].astype(np.float64) * (shape[1] - 1)
    return steps, traction[0].astype(np.float64)


def mask_of(traction: FloatArray, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A cell around the tractions: their places, closed and filled, or their hull."""
    magnitude = np.hypot(traction[..., 0], traction[..., 1])
    strong = magnitude > rng.choice([0.005, 0.02, 0.05]) * magnitude.max()
    if rng.random() < 0.25:
        hull = convex_hull_image(strong)  # type: ignore[no-untyped-call]
        return np.asarray(hull, dtype=np.int64)
    steps = int(rng.choice([1, 3, 6, 12]))
    padded = np.pad(strong, steps)
    disc = np.hypot(*np.mgrid[-steps : steps + 1, -steps : steps + 1]) <= steps
    closed = ndimage.binary_closing(padded, disc)[steps:-steps, steps:-steps]
    return ndimage.binary_fill_holes(closed).astype(np.int64)


def part_of(
    labels: npt.NDArray[np.int64], rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """The cell on one side of a line, as if there were another cell on the other."""
    nodes = np.argwhere(labels > 0)
    angle = rng.uniform(0, 2 * np.pi)
    across = nodes @ [np.sin(angle), np.cos(angle)]
    kept = nodes[across >= np.quantile(across, rng.uniform(0.2, 0.7))]
    part = np.zeros_like(labels)
    part[tuple(kept.T)] = 1
    return part


def changed(
    steps: FloatArray, traction: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """The same cell later: stronger or weaker, and in places by different factors."""
    white = rng.normal(size=(1, *traction.shape[:2]))
    length = np.array([np.exp(rng.uniform(np.log(2), np.log(20)))])
    uneven = np.exp(rng.uniform(0, 0.4) * correlated(white, length)[0])[..., None]
    extra = surface_displacement((uneven - 1) * traction)
    factor = np.exp(rng.uniform(-0.7, 0.7))
    return factor * (steps + extra), factor * uneven * traction


def noise_of(steps: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    """Standard deviation and correlation length of the noise, both in grid steps."""
    if rng.random() < CLEAN_SHARE:
        return 0.0, 0.0
    strength = np.exp(rng.uniform(*np.log(STRENGTH)))
    about_mean = steps - steps.mean(axis=(0, 1))
    length = rng.uniform(0.4, 1.4) if rng.random() < CORRELATED_SHARE else 0.0
    return float(strength * np.sqrt(np.square(about_mean).mean())), float(length)


def noisy(
    steps: FloatArray, noise: tuple[float, float], rng: np.random.Generator
) -> FloatArray:
    """The field with new noise, which is not periodic."""
    height, width = steps.shape[:2]
    white = rng.normal(size=(2, height + 8, width + 8))
    made = correlated(white, np.full(2, noise[1]))[:, :height, :width]
    return steps + noise[0] * np.moveaxis(made, 0, -1)


# --- What is measured -----------------------------------------------------------------


def values_of(cell: Cell) -> list[float]:
    """All quantities, in units of Young's modulus and grid steps."""
    return [QUANTITIES[name].value(cell) for name in NAMES]


def cells(
    traction: FloatArray, measured: FloatArray, masks: list[npt.NDArray[np.int64]]
) -> list[Cell]:
    """The whole field, and the cells of the masks."""
    stack = TractionStack(traction)
    displacement = DisplacementStack(measured, unit="grid")
    ((field,),) = cells_of(stack, Measurement(measured=displacement))
    found = [field]
    for labels in masks:
        (region,) = regions_of(labels, dilation_steps=default_dilation_steps(None))
        cell = replace(
            field,
            core=region.core,
            region=region.dilated,
            ring=region.ring,
            is_field=False,
        )
        found.append(cell)
    return found


def rows_of(
    source: str, kind: str, number: int, seed: int, methods: list[ReconstructionMethod]
) -> Iterator[dict[str, Any]]:
    """All that is measured in one drawn field: two draws of noise, two frames."""
    rng = np.random.default_rng([seed, crc32(f"{source}:{kind}".encode()), number])
    steps, traction = draw(source, kind, rng)
    labels = mask_of(traction, rng)
    masks = [labels, part_of(labels, rng)]
    noise, other_noise = noise_of(steps, rng), noise_of(steps, rng)
    later_steps, later_traction = changed(steps, traction, rng)
    frames = [
        (steps, traction, noise),
        (steps, traction, other_noise),
        (later_steps, later_traction, noise),
    ]
    fields = np.array([noisy(u, level, rng) for u, _, level in frames])
    truths = [[values_of(c) for c in cells(t, u, masks)] for u, t, _ in frames]
    for method in methods:
        found = reconstruct(
            DisplacementStack(fields, unit="grid"),
            config=ReconstructionConfig(model=method.name, device="cpu", batch_size=3),
            method=method,
        ).data.astype(np.float64)
        measured = [cells(t, u, masks) for t, u in zip(found, fields, strict=True)]
        for frame, (_, _, level) in enumerate(frames):
            for region, cell in enumerate(measured[frame]):
                features = features_of(cell)
                if features is None:
                    continue
                yield {
                    "source": source,
                    "kind": kind,
                    "number": number,
                    "method": method.name,
                    "frame": frame,
                    "region": ("field", "cell", "part")[region],
                    "noise": level[0]
                    / np.sqrt(
                        np.square(
                            frames[frame][0] - frames[frame][0].mean(axis=(0, 1))
                        ).mean()
                    ),
                    "length": level[1],
                    "side": steps.shape[0],
                    "features": features,
                    "distance": difference_of(measured[0][region], cell),
                    "truth": truths[frame][region],
                    "value": values_of(cell),
                    "size": [size_of(QUANTITIES[name], cell) for name in NAMES],
                }


def difference_of(one: Cell, other: Cell) -> float:
    """How much tractions differ, 0 to 1 for equal ones and those of other places."""
    both = one.nodes & other.nodes
    a, b = one.traction[both], other.traction[both]
    power = np.square(a).sum() + np.square(b).sum()
    return float(np.sqrt(np.square(a - b).sum() / power)) if power > 0 else 0.0


def measure_all(numbers: Sequence[int], seed: int, path: Path) -> None:
    """Measure held-out fields, and half as many training fields, of each kind."""
    methods = [
        load_method(ReconstructionConfig(model=name, device="cpu")) for name in METHODS
    ]
    rows: list[dict[str, Any]] = []
    start = time.monotonic()
    for number in numbers:
        for source, kinds in (("held-out", HELD_OUT), ("training", TRAINING)):
            if source == "training" and number % 2:
                continue
            for kind in kinds:
                rows += rows_of(source, kind, number, seed, methods)
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.savez(stream, names=NAMES, feature_names=FEATURES, **columns)
        print(number, len(rows), f"{time.monotonic() - start:.0f} s", flush=True)


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
    kind, source, number, noise, length : arrays of shape (N,)
        Kind of field and who made it, number of the drawn field, relative noise and its
        correlation length.
    """

    features: FloatArray
    errors: FloatArray
    kind: npt.NDArray[Any]
    source: npt.NDArray[Any]
    number: npt.NDArray[Any]
    noise: FloatArray
    length: FloatArray

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
        both = (error_of(quantity, truth[i], value[i], one) for i in (later, first))
        errors = np.subtract(*both)
    else:
        changes = (
            error_of(quantity, one[later], one[first], np.ones_like(size))
            for one in (truth, value)
        )
        errors = error_of(quantity, *changes, size)
    return _sample(rows, later, features, errors)


def _sample(
    rows: Table, kept: npt.NDArray[Any], features: FloatArray, errors: FloatArray
) -> Sample:
    names = ("kind", "source", "number", "noise", "length")
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
    """Error model; its quantiles are those of fields that it was not fitted on.

    Half of them are left out by kind, half by number, so that the intervals are meant
    for kinds like the known ones and for new ones alike.
    """
    is_held_out = sample.source == "held-out"
    if np.count_nonzero(is_held_out) < LEAST_FIELDS:
        return None
    left_out = [sample.kind == kind for kind in np.unique(sample.kind[is_held_out])]
    left_out += [sample.number % FOLDS == fold for fold in range(FOLDS)]
    deviations = [_deviations(sample, one & is_held_out) for one in left_out]
    quantiles = np.quantile(np.concatenate(deviations), PROBABILITIES)
    return ErrorModel(*fitted(sample), quantiles)


def _deviations(sample: Sample, left_out: npt.NDArray[np.bool_]) -> FloatArray:
    """Deviations over their scales, by a model that was fitted on the others."""
    shift, scale = fitted(sample.of(~left_out))
    part = sample.of(left_out)
    expected = np.exp(_linear(scale, part.features))
    return np.asarray((part.errors - _linear(shift, part.features)) / expected)


def fit_all(table: Table, n_fit: int) -> dict[str, Any]:
    """The content of ``intervals.json``."""
    found: dict[str, Any] = {}
    for method in METHODS:
        limits, models = {}, {}
        for of in REGIONS:
            models[of] = {}
            for name in NAMES:
                sample = sample_of(table, method, of, name)
                sample = sample.of(sample.number < n_fit)
                model = model_of(sample) if len(sample.errors) else None
                if model is None:
                    continue
                limits[of] = np.quantile(sample.features, [0.002, 0.998], axis=0)
                models[of][name] = [model.shift, model.scale, model.quantiles]
        loaded = load_method(ReconstructionConfig(model=method, device="cpu"))
        found[method] = {"sha256": loaded.sha256, "limits": limits, "models": models}
    return found


def write_intervals(found: dict[str, Any], path: Path) -> None:
    """Write numbers with five digits."""

    def plain(value: npt.NDArray[np.floating]) -> list[Any]:
        return json.loads(
            json.dumps(value.tolist()),
            parse_float=lambda text: float(f"{float(text):.5g}"),
        )

    text = json.dumps(found, default=plain, separators=(",", ":"))
    with replacing(path) as temporary:
        temporary.write_text(text.replace("]],", "]],\n") + "\n", encoding="utf-8")


# --- Coverage -------------------------------------------------------------------------


def inside(
    table: Table, method: str, of: str, name: str, n_fit: int
) -> tuple[Sample, npt.NDArray[np.bool_], npt.NDArray[np.bool_], FloatArray]:
    """Test fields, whether their truths are in the 68 and 95% interval, and widths."""
    sample = sample_of(table, method, of, name)
    sample = sample.of((sample.number >= n_fit) & (sample.source == "held-out"))
    known = known_errors()[method]
    ends = np.array([known.errors(of, name, one) for one in sample.features])
    low95, low68, high68, high95 = ends.T
    in68 = (low68 <= sample.errors) & (sample.errors <= high68)
    in95 = (low95 <= sample.errors) & (sample.errors <= high95)
    return sample, in68, in95, (high68 - low68) / 2


def coverage(table: Table, n_fit: int) -> str:
    """Tables of coverage by quantity and, for three of them, by kind and by noise."""
    lines = ["| method | region | quantity | n | 68% | 95% | half-width, % |"]
    lines.append("|---|---|---|---|---|---|---|")
    for method in METHODS:
        for of in REGIONS:
            for name in NAMES:
                if name not in known_errors()[method].models[of]:
                    continue
                _, in68, in95, width = inside(table, method, of, name, n_fit)
                lines.append(
                    f"| {method} | {of} | {name} | {len(in68)} | {_percent(in68)} | "
                    f"{_percent(in95)} | {100 * np.median(width):.2g} |"
                )
    for method in METHODS:
        for of in ("field", "cell"):
            lines += ["", f"{method}, {of}", "", *_by_group(table, method, of, n_fit)]
    return "\n".join(lines) + "\n"


def _by_group(table: Table, method: str, of: str, n_fit: int) -> list[str]:
    heads = " | ".join(f"{name} 68 | 95" for name in SHOWN)
    lines = [f"| | {heads} |", "|---" * (1 + 2 * len(SHOWN)) + "|"]
    found = [inside(table, method, of, name, n_fit)[:3] for name in SHOWN]
    groups = [(kind, partial(_is_kind, kind)) for kind in HELD_OUT]
    for words, group in [*groups, *NOISES]:
        cells = []
        for sample, in68, in95 in found:
            chosen = group(sample)
            cells += [_percent(in68[chosen]), _percent(in95[chosen])]
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    return lines


def _is_kind(kind: str, sample: Sample) -> npt.NDArray[np.bool_]:
    return np.asarray(sample.kind == kind)


NOISES: Sequence[tuple[str, Callable[[Sample], npt.NDArray[np.bool_]]]] = (
    ("no noise", lambda s: s.noise == 0),
    ("below 3%", lambda s: (s.noise > 0) & (s.noise < 0.03)),
    ("3 to 10%", lambda s: (s.noise >= 0.03) & (s.noise < 0.1)),
    ("10 to 30%", lambda s: (s.noise >= 0.1) & (s.noise < 0.3)),
    ("above 30%", lambda s: s.noise >= 0.3),
    ("correlated", lambda s: s.length > 0),
    ("all", lambda s: s.noise >= 0),
)


def _percent(hits: npt.NDArray[np.bool_]) -> str:
    return f"{100 * hits.mean():.0f}" if len(hits) else ""


def main() -> None:
    """Run one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    steps = parser.add_subparsers(dest="step", required=True)
    measuring = steps.add_parser("measure")
    measuring.add_argument("-n", type=int, default=40)
    measuring.add_argument("--start", type=int, default=0)
    measuring.add_argument("--seed", type=int, default=77)
    measuring.add_argument("-o", "--output", type=Path, required=True)
    fitting = steps.add_parser("fit")
    fitting.add_argument("-o", "--output", type=Path, default=PACKAGED)
    covering = steps.add_parser("coverage")
    covering.add_argument("-o", "--output", type=Path, required=True)
    for step in (fitting, covering):
        step.add_argument("errors", type=Path, nargs="+")
        step.add_argument("--first", type=int, default=26, help="fields to fit")
    given = parser.parse_args()
    if given.step == "measure":
        numbers = range(given.start, given.start + given.n)
        measure_all(numbers, given.seed, given.output)
    elif given.step == "fit":
        found = fit_all(read_table(given.errors), given.first)
        write_intervals(found, given.output)
    else:
        text = coverage(read_table(given.errors), given.first)
        given.output.write_text(text, encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
