"""The gauge of unfamiliar fields: its calibration, and its errors.

`draw` simulates good fields and fields with faults, reconstructs them, and writes their
features. `fit` trains the classifier of the gauge with these. `test` makes the tables
of false alarms and misses, from features of other fields.

    python benchmarks/gauge.py draw -n 4 --seed 11 -o fit.npz
    python benchmarks/gauge.py draw -n 3 --seed 31 --side 64 -o fit64.npz
    python benchmarks/gauge.py fit fit.npz fit64.npz
    python benchmarks/gauge.py draw -n 2 --seed 900 -o test.npz
    python benchmarks/gauge.py test test.npz -o gauge.md
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import gauge_fields
import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from napari_vit_tfm import ReconstructionConfig, load_method, reconstruct
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.trust import gauge
from napari_vit_tfm.trust.consistency import forward_consistency
from napari_vit_tfm.trust.features import FEATURES, features_of

FloatArray = npt.NDArray[np.float64]

REASON_OF = {
    "half as thick": "layer",
    "layer as half-space": "layer",
    "normal force": "divergence",
    "points of divergence": "divergence",
    "shear of 5%": "linear",
    "rotation of 5%": "linear",
    "correlation over 8 steps": "smooth",
    "smooth noise alone": "smooth",
    "points of force": "small",
    "pads as large as the field": "large",
}
"""Faults from which the classifier learns its reasons."""

HIDDEN, MEMBERS, EPOCHS = 32, 5, 300
DECAY, JITTER = 0.1, 0.15
"""Weight decay, and standard deviation of the noise on the features in training."""

FOLDS = 12
FALSE_ALARMS = 0.07
"""Share of the good fields that are taken for bad, of kinds left out in training. Of
kinds that are not left out it is much lower."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Features of fields, and what the fields are; arrays over the fields."""

    features: FloatArray
    strain: FloatArray
    motion: FloatArray
    kind: npt.NDArray[np.str_]
    fault: npt.NDArray[np.str_]
    noise: FloatArray
    noise_length: FloatArray
    thickness: FloatArray

    @classmethod
    def read(cls, paths: Sequence[Path]) -> Drawn:
        """Read files of `draw`."""
        parts = [np.load(path, allow_pickle=False) for path in paths]
        return cls(*(np.concatenate([p[f.name] for p in parts]) for f in fields(cls)))

    def write(self, path: Path) -> None:
        """Write the arrays."""
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})


def draw(n: int, *, seed: int, side: int) -> Drawn:
    """Simulate and reconstruct fields, and compute their features."""
    config = ReconstructionConfig(device="cpu")
    method = load_method(config)
    rows = []
    for case in gauge_fields.all_cases(n, seed=seed, side=side):
        gel = Gel()
        if np.isfinite(case.thickness_steps):
            gel = Gel(thickness_um=case.thickness_steps)
        steps = case.steps.astype(np.float32)[None]
        stack = DisplacementStack(steps, unit="grid", spacing_um=1.0, gel=gel)
        traction = reconstruct(stack, config=config, method=method).data
        model = forward_consistency(
            steps, traction, Substrate(gel), spacing_um=1.0
        ).model
        rows.append(
            (
                features_of(steps[0], traction[0], model[0]),
                gauge.largest_gradient(model[0]),
                gauge.unexplained_motion(steps[0] - model[0]),
                case.kind,
                case.fault,
                *case.noise,
                case.thickness_steps,
            )
        )
        if len(rows) % 100 == 0:
            print(len(rows), flush=True)
    return Drawn(*map(np.array, zip(*rows, strict=True)))


def trained(
    features: FloatArray, label: npt.NDArray[np.int_], members: int = MEMBERS
) -> gauge.Classifier:
    """Train the classifier; label 0 is a good field, the others are reasons."""
    good = features[label == 0]
    centre = np.median(good, axis=0)
    spread = 1.4826 * np.median(np.abs(good - centre), axis=0)
    scale = np.maximum(spread, good.std(axis=0) / 2) + 1e-6
    inputs = torch.tensor(np.arcsinh((features - centre) / scale), dtype=torch.float32)
    target = torch.tensor(label)
    layers: list[list[FloatArray]] = []
    for member in range(members):
        torch.manual_seed(member)
        first = nn.Linear(inputs.shape[1], HIDDEN)
        last = nn.Linear(HIDDEN, 1 + len(gauge.LEARNT))
        net = nn.Sequential(first, nn.Tanh(), last)
        optimiser = torch.optim.AdamW(net.parameters(), lr=0.01, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
        for _ in range(EPOCHS):
            optimiser.zero_grad()
            noisy = inputs + JITTER * torch.randn_like(inputs)
            loss = nn.functional.cross_entropy(net(noisy), target)
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
        parts = (first.weight.T, first.bias[None], last.weight.T, last.bias[None])
        layers.append([part.detach().numpy().astype(np.float64) for part in parts])
    hidden, hidden_bias, output, output_bias = map(np.stack, zip(*layers, strict=True))
    return gauge.Classifier(
        *(centre, scale, hidden, hidden_bias, output, output_bias),
        threshold=np.array(0.0),
        model_sha256=np.array(""),
    )


def labels(fault: npt.NDArray[np.str_]) -> npt.NDArray[np.int_]:
    """0 for good fields, numbers of reasons from 1 on, and -1 for other faults."""
    number = {name: 1 + i for i, name in enumerate(gauge.LEARNT)}
    return np.array(
        [0 if not f else number.get(REASON_OF.get(f, ""), -1) for f in fault]
    )


def together(classifier: gauge.Classifier, features: FloatArray) -> FloatArray:
    """Logarithm of the odds of all reasons together."""
    return np.asarray(np.logaddexp.reduce(classifier.log_odds(features), axis=1))


def fit(drawn: Drawn) -> gauge.Classifier:
    """Train the classifier, with a threshold from kinds that are left out in turn."""
    label = labels(drawn.fault)
    kinds = np.unique(drawn.kind)
    score = np.empty(len(label))
    for fold in range(FOLDS):
        is_left_out = np.isin(drawn.kind, kinds[fold::FOLDS])
        used = ~is_left_out & (label >= 0)
        part = trained(drawn.features[used], label[used], members=1)
        score[is_left_out] = together(part, drawn.features[is_left_out])
    threshold = np.quantile(score[label == 0], 1 - FALSE_ALARMS)
    print(f"threshold {threshold:.2f}; kinds left out in training:")
    print(*tables(drawn, (score > threshold) | beyond_limits(drawn)), sep="\n")
    used = label >= 0
    whole = trained(drawn.features[used], label[used])
    arrays = {f.name: getattr(whole, f.name) for f in fields(whole)}
    method = load_method(ReconstructionConfig(device="cpu"))
    arrays |= {
        "threshold": np.array(threshold),
        "model_sha256": np.array(method.sha256),
    }
    return gauge.Classifier(**arrays)


def beyond_limits(drawn: Drawn) -> npt.NDArray[np.bool_]:
    """Fields that are unfamiliar whatever the classifier says."""
    noise = drawn.features[:, FEATURES.index("noise")]
    return np.asarray(
        (noise > gauge.MOST_NOISE)
        | (drawn.strain > gauge.MOST_STRAIN)
        | (drawn.motion > gauge.MOST_MOTION)
    )


def tables(drawn: Drawn, flagged: npt.NDArray[np.bool_]) -> Iterator[str]:
    """Tables of the share of fields that are flagged."""
    is_good = drawn.fault == ""
    is_half_space = ~(drawn.thickness < 1e9)
    noises = {
        f"{s:.0%}{' correlated' if length else ''}": (drawn.noise == s)
        & (drawn.noise_length == length)
        for s, length in gauge_fields.GOOD_NOISES
    }
    columns: dict[str, npt.NDArray[np.bool_]] = {
        **{name: where & is_half_space for name, where in noises.items()},
        "on a layer": ~is_half_space,
    }
    groups = {str(kind): drawn.kind == kind for kind in dict.fromkeys(drawn.kind)}
    groups["all"] = np.ones_like(is_good)
    yield from _table("good fields", groups, columns, is_good, flagged)
    yield ""
    columns = {
        f"noise {s:.0%}{' correlated' if length else ''}": (drawn.noise == s)
        & (drawn.noise_length == length)
        for s, length in gauge_fields.FAULT_NOISES
    }
    columns["all"] = np.ones_like(is_good)
    groups = {str(f): drawn.fault == f for f in dict.fromkeys(drawn.fault) if f}
    yield from _table("fault", groups, columns, ~is_good, flagged)


def _table(
    title: str,
    rows: Mapping[str, npt.NDArray[np.bool_]],
    columns: Mapping[str, npt.NDArray[np.bool_]],
    counted: npt.NDArray[np.bool_],
    flagged: npt.NDArray[np.bool_],
) -> Iterator[str]:
    yield f"| {title} | {' | '.join(columns)} |"
    yield "|---" * (1 + len(columns)) + "|"
    for name, row in rows.items():
        cells = []
        for column in columns.values():
            of = row & column & counted
            cells.append(f"{flagged[of].mean():.0%}" if of.any() else "")
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Run one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("draw")
    one.add_argument("-n", type=int, default=4, help="fields of each kind")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--side", type=int, default=104)
    one.add_argument("-o", "--output", type=Path, required=True)
    one = steps.add_parser("fit")
    one.add_argument("paths", nargs="+", type=Path)
    one.add_argument("-o", "--output", type=Path, default=gauge.bundled_path())
    one = steps.add_parser("test")
    one.add_argument("paths", nargs="+", type=Path)
    one.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    if given.step == "draw":
        draw(given.n, seed=given.seed, side=given.side).write(given.output)
        return
    drawn = Drawn.read(given.paths)
    if given.step == "fit":
        classifier = fit(drawn)
        arrays = {f.name: getattr(classifier, f.name) for f in fields(classifier)}
        small = {k: v.astype(np.float32) for k, v in arrays.items() if v.ndim}
        np.savez(given.output, **{**arrays, **small})
        return
    found = [
        gauge.judged(features, strain=strain, motion=motion)
        for features, strain, motion in zip(
            drawn.features, drawn.strain, drawn.motion, strict=True
        )
    ]
    lines = list(tables(drawn, np.array([one.is_unfamiliar for one in found])))
    print(*lines, sep="\n")
    if given.output is not None:
        given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
