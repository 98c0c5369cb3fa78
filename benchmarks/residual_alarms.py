"""How often something is called unexplained, and how often it is noticed.

The first table counts false alarms: held-out fields whose displacement has at most 5%
(root mean square about the mean) from tractions beyond the border. The second table
counts the fields with more than 20% from there, which have to be noticed. Fields in
between are not counted.

The third table counts faults that are added to cells with adhesions: how many are
noticed, and how many are named.

    python benchmarks/residual_alarms.py -n 10 -o residual_alarms.md
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from border_and_axes import LITTLE, MUCH, draw

from napari_vit_tfm.benchmark.held_out import KINDS, NOISES, simulate, with_noise
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models import ReconstructionMethod
from napari_vit_tfm.physics import Substrate, surface_displacement
from napari_vit_tfm.reconstruction import load_method, reconstruct
from napari_vit_tfm.trust.verdict import verdicts_in_words, verdicts_of

FloatArray = npt.NDArray[np.float64]
Judge = Callable[[npt.NDArray[np.floating]], list[str]]
Fault = Callable[[FloatArray, FloatArray, np.random.Generator], FloatArray]

UNEXPLAINED = "something is unexplained"


def judge_with(method: ReconstructionMethod, config: ReconstructionConfig) -> Judge:
    """Function from displacements in grid steps to what is said about each frame."""

    def judge(steps: npt.NDArray[np.floating]) -> list[str]:
        stack = DisplacementStack(steps, unit="grid")
        traction = reconstruct(stack, config=config, method=method)
        verdicts = verdicts_of(traction)
        return [
            verdicts_in_words({n: verdicts[n]}, traction) if n in verdicts else ""
            for n in range(len(steps))
        ]

    return judge


def alarm_tables(judge: Judge, n: int, side: int, seed: int) -> list[str]:
    """Both tables about fields with and without tractions beyond their border."""
    rows: dict[str, list[str]] = {"little": [], "much": []}
    total: Mapping[str, Counter[str]] = {group: Counter() for group in rows}
    for kind in KINDS:
        drawn = [draw(f"held out: {kind}", number, side, seed) for number in range(n)]
        of_group = {
            "little": [one for one in drawn if one.share_from_beyond <= LITTLE],
            "much": [one for one in drawn if one.share_from_beyond > MUCH],
        }
        for group, fields in of_group.items():
            if not fields:
                continue
            clean = np.stack([one.displacement for one in fields])
            counts = []
            for level in NOISES:
                said = judge(with_noise(clean, level, seed=seed))
                found = sum(UNEXPLAINED in words for words in said)
                total[group][level] += found
                total[group]["fields"] += len(fields) if level == "0" else 0
                counts.append(str(found))
            rows[group].append(f"| {kind} | {len(fields)} | {' | '.join(counts)} |")
    lines = []
    for group, title in (("little", "False alarms"), ("much", "Noticed")):
        of = total[group]["fields"]
        shares = [f"{total[group][level] / max(of, 1):.0%}" for level in NOISES]
        lines += [f"{title}, of fields of {side} x {side}:", "", *_header("kind")]
        lines += [*rows[group], f"| all | {of} | {' | '.join(shares)} |", ""]
    return lines


def _header(first: str) -> list[str]:
    return [f"| {first} | fields | {' | '.join(NOISES)} |", "|---|" + "---|" * 7]


# Faults


def _positions(shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Positions ``(x, y)`` from the middle of the field."""
    y, x = np.indices(shape[:2]).astype(float)
    return x - x.mean(), y - y.mean()


def _sized(fault: FloatArray, steps: FloatArray, share: float) -> FloatArray:
    """A fault whose size about its mean is a share of that of the displacement."""
    fault = fault - fault.mean(axis=(0, 1))
    factor = share * steps.std(axis=(0, 1)).mean() / fault.std()
    return np.asarray(factor * fault)


def drift(steps: FloatArray, _: FloatArray, _rng: np.random.Generator) -> FloatArray:
    """A drift of three times the field, which is no fault."""
    return np.asarray(steps + 3 * steps.std())


def rotation(steps: FloatArray, _: FloatArray, _rng: np.random.Generator) -> FloatArray:
    """A rotation of a fifth of the field."""
    x, y = _positions(steps.shape)
    return steps + _sized(np.stack([y, -x], axis=-1), steps, 0.2)


def strain(steps: FloatArray, _: FloatArray, _rng: np.random.Generator) -> FloatArray:
    """A uniform stretch of a fifth of the field."""
    x, y = _positions(steps.shape)
    return steps + _sized(np.stack([x, y], axis=-1), steps, 0.2)


def beyond(steps: FloatArray, _: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A force beyond one of the sides, with half of the field's displacement."""
    height, width = steps.shape[:2]
    wide = np.zeros((height, width + 60, 2))
    middle = int(rng.integers(height // 4, 3 * height // 4))
    wide[middle - 8 : middle + 8, 14:22] = rng.normal(size=2)
    made = surface_displacement(wide)[:, 30:-30]
    return steps + _sized(made, steps, 0.5)


def wrong(steps: FloatArray, _: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A cluster of 16 wrong vectors, of the size of the largest ones."""
    row, column = rng.integers(8, steps.shape[0] - 12, size=2)
    out = steps.copy()
    size = np.abs(steps - steps.mean(axis=(0, 1))).max() / 2
    out[row : row + 4, column : column + 4] += rng.normal(0, size, (4, 4, 2))
    return out


def point(steps: FloatArray, _: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A point of divergence, with a fifth of the field's displacement."""
    x, y = _positions(steps.shape)
    reach = min(steps.shape[:2]) / 3
    x, y = x - rng.uniform(-reach, reach), y - rng.uniform(-reach, reach)
    away = np.stack([x, y], axis=-1) / (x * x + y * y + 9)[..., None]
    return steps + _sized(away, steps, 0.2)


def thin(
    steps: FloatArray, traction: FloatArray, _rng: np.random.Generator
) -> FloatArray:
    """A gel of 20 grid steps, where an infinite one is assumed."""
    layer = Substrate(Gel(thickness_um=20.0))
    made = surface_displacement(traction, layer, spacing_um=1.0)
    noise = steps - surface_displacement(traction)
    return np.asarray(made + noise * made.std() / steps.std())


def noise_alone(
    steps: FloatArray, _: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Noise without displacement, which is no fault."""
    return rng.normal(0, steps.std(), steps.shape)


FAULTS: Mapping[str, tuple[Fault, tuple[str, ...]]] = {
    "none": (lambda steps, _traction, _rng: steps, ()),
    "drift, 3 times the field": (drift, ()),
    "noise alone": (noise_alone, ()),
    "rotation, 20%": (rotation, ("a rotation",)),
    "uniform strain, 20%": (strain, ("a uniform strain",)),
    "force beyond the border, 50%": (beyond, ("forces beyond it",)),
    "16 wrong vectors": (wrong, ("place",)),
    "point of divergence, 20%": (point, ("points away from",)),
    "gel of 20 grid steps, taken for infinite": (
        thin,
        ("another thickness", "thinner"),
    ),
}
"""Functions that add a fault to a displacement, and the words that name it."""


def fault_table(judge: Judge, n: int, side: int, seed: int) -> list[str]:
    """The table of faults."""
    clean, traction = simulate("adhesions", n, seed=seed, shape=(side, side))
    steps = (with_noise(clean, "5%", seed=seed) * (side - 1)).astype(np.float64)
    lines = ["| fault | noticed | named |", "|---|---|---|"]
    for name, (fault, words) in FAULTS.items():
        rng = np.random.default_rng(seed)
        made = [fault(*one, rng) for one in zip(steps, traction, strict=True)]
        said = judge(np.stack(made).astype(np.float32))
        noticed = [text for text in said if UNEXPLAINED in text]
        named = sum(any(one in text for one in words) for text in noticed)
        lines.append(f"| {name} | {len(noticed)} of {n} | {named if words else ''} |")
    return lines


def main() -> None:
    """Measure, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=10, help="fields of each kind")
    parser.add_argument("--side", type=int, default=104)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--model", default=ReconstructionConfig.model)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    config = replace(ReconstructionConfig(), model=given.model, residual=True)
    judge = judge_with(load_method(config), config)
    size = given.n, given.side, given.seed
    lines = [*alarm_tables(judge, *size), *fault_table(judge, *size)]
    given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
