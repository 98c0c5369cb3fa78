"""False alarms and found outliers on synthetic fields of every kind.

All fields are correct, so that every outlier is a false alarm, and so is every warning
that the known tractions and displacements do not justify. Then 1% of the vectors are
replaced by vectors that are off by 5 to 20 local deviations, and those that are found
are counted. Last, 1% are replaced by random vectors, as by wrong correlation peaks. The
outliers found are replaced, and the tractions of Bayesian FTTC are compared with those
of the unchanged field.

    python benchmarks/alarms.py -n 100 -o alarms.md
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.held_out import KINDS as HELD_OUT
from napari_vit_tfm.benchmark.held_out import simulate
from napari_vit_tfm.displacement import bridge, find_outliers
from napari_vit_tfm.displacement.doctor import Diagnosis, contraction, examine
from napari_vit_tfm.displacement.findings import LARGE_STRAIN, findings
from napari_vit_tfm.displacement.outliers import noise_of
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.physics.bayesian import bayesian_fttc
from napari_vit_tfm.synthesis import KINDS, synthesise

FloatArray = npt.NDArray[np.float32]

NOISES = (0.0, 0.02)
"""Standard deviations of the noise, relative to the root mean square of the field."""

REPLACED = 0.01
"""Share of the vectors that are replaced."""

LONGEST = 5.0
"""Longest random vector, relative to the largest displacement."""


def fields_of(kind: str, n: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Displacements in grid steps and tractions, both ``(n, H, W, 2)``."""
    source, name = kind.split(": ")
    if source == "held out":
        displacement, traction = simulate(name, n, seed=seed)
    else:
        stack = synthesise(n, seed=seed, distribution=KINDS[name]())
        displacement, traction = stack.displacement, stack.traction
    return displacement * np.float32(displacement.shape[2] - 1), traction


def undeserved(
    diagnosis: Diagnosis, clean: FloatArray, truth: FloatArray
) -> Iterator[str]:
    """Topics of the warnings about one frame that are not justified."""
    topics = set(findings({0: diagnosis.frames[0]}, diagnosis.known))
    # `border_and_axes.py` counts these, since tractions beyond the border are needed.
    topics.discard("border")
    gradients = [np.gradient(clean, axis=axis) for axis in (0, 1)]
    if np.abs(gradients).max() > 0.9 * LARGE_STRAIN:
        topics.discard("strain")
    if contraction(truth) < 0:
        topics.discard("contraction")
    yield from topics


def local_deviation(field: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median of the neighbours, and the deviation of Westerweel and Scarano.

    The deviation is the median difference of the eight neighbours from their median,
    plus the larger of the noise and a tenth of the local displacement.
    """
    padded = np.pad(field, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = field.shape[:2]
    around = np.stack(
        [
            padded[dy : dy + height, dx : dx + width]
            for dy in range(3)
            for dx in range(3)
            if (dy, dx) != (1, 1)
        ]
    )
    median = np.median(around, axis=0)
    scatter = np.median(np.linalg.norm(around - median, axis=-1), axis=0)
    local = np.linalg.norm(median - np.median(field, axis=(0, 1)), axis=-1)
    return median, scatter + np.maximum(noise_of(field) or 0.0, 0.1 * local)


def found_share(field: FloatArray, rng: np.random.Generator) -> tuple[int, int]:
    """Numbers of replaced vectors that are found, and of all."""
    median, deviation = local_deviation(field)
    replaced = rng.random(deviation.shape) < REPLACED
    angle = rng.uniform(0, 2 * np.pi, deviation.shape)
    size = rng.uniform(5, 20, deviation.shape) * deviation
    off = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * size[..., None]
    wrong = np.where(replaced[..., None], median + off, field)
    found = find_outliers(wrong).mask
    return int((found & replaced).sum()), int(replaced.sum())


def traction_of(field: FloatArray) -> FloatArray:
    """Tractions of Bayesian FTTC, ``(2, H, W)``."""
    x, y = np.moveaxis(field.astype(np.float64), -1, 0)
    return np.stack(bayesian_fttc(x, y)).astype(np.float32)


def kept_correlation(field: FloatArray, rng: np.random.Generator) -> float:
    """Correlation of the tractions after random vectors have been replaced."""
    shape = field.shape[:2]
    largest = np.linalg.norm(field, axis=-1).max()
    length = rng.uniform(0.1, LONGEST, shape) * largest
    angle = rng.uniform(0, 2 * np.pi, shape)
    peaks = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * length[..., None]
    is_peak = rng.random(shape) < REPLACED
    wrong = np.where(is_peak[..., None], peaks, field).astype(np.float32)
    wrong[find_outliers(wrong).mask] = np.nan
    pair = traction_of(bridge(wrong)).ravel(), traction_of(field).ravel()
    return float(np.corrcoef(*pair)[0, 1])


def row_of(kind: str, noise: float, n: int, seed: int) -> str:
    """One line of the table."""
    clean, truth = fields_of(kind, n, seed)
    rng = np.random.default_rng(seed)
    alarms, warned, found, replaced = 0, Counter[str](), 0, 0
    correlations = []
    for number in range(n):
        field = clean[number]
        rms = np.sqrt(np.square(field - field.mean(axis=(0, 1))).mean())
        noisy = field + np.float32(noise * rms) * rng.standard_normal(field.shape)
        noisy = noisy.astype(np.float32)
        diagnosis = examine(DisplacementStack(noisy, unit="grid"))
        alarms += diagnosis.frames[0].outliers
        warned.update(undeserved(diagnosis, field, truth[number]))
        if number < max(1, n // 10):
            hits, all_of_them = found_share(noisy, rng)
            found, replaced = found + hits, replaced + all_of_them
        if number < max(1, n // 2):
            correlations.append(kept_correlation(noisy, rng))
    warned.pop("outliers", None)
    words = ", ".join(f"{topic} {count}" for topic, count in sorted(warned.items()))
    return (
        f"| {kind} | {noise:.0%} | {alarms} | {words or 'none'} | "
        f"{found / replaced:.0%} | {np.mean(correlations):.3f} | "
        f"{min(correlations):.2f} |"
    )


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=100, help="fields of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    kinds = [f"training: {name}" for name in KINDS]
    kinds += [f"held out: {name}" for name in HELD_OUT]
    lines = [
        "| kind of field | noise | vectors called outliers | fields with an undeserved "
        "warning | replaced vectors found | correlation, mean | correlation, lowest |",
        "|---|---|---|---|---|---|---|",
    ]
    print(*lines, sep="\n", flush=True)
    for kind in kinds:
        for noise in NOISES:
            lines.append(row_of(kind, noise, given.n, given.seed))
            print(lines[-1], flush=True)
    if given.output is not None:
        given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
