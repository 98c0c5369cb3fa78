"""The gauge of unfamiliar fields: its calibration, and its errors.

`draw` simulates good fields and fields with faults, reconstructs them, and writes their
features. `fit` trains the classifier of the gauge with these. `test` makes the tables
of false alarms and misses, from features of other fields.

    python benchmarks/gauge.py draw -n 4 --seed 11 -o fit.npz
    python benchmarks/gauge.py fit fit.npz -o gauge.npz
    python benchmarks/gauge.py draw -n 2 --seed 900 -o test.npz
    python benchmarks/gauge.py test test.npz -o gauge.md

The commands that made the gauge of the package are in `docs/trust-figures.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
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
from napari_vit_tfm.trust.features import features_of

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

PATCHES = ("held out: discs", "training: discs", "training: adhesions")
"""Kinds of separate patches with sharp edges, whose tractions are independent."""

HIDDEN, MEMBERS, EPOCHS = 32, 5, 200
DECAY, JITTER = 0.1, 0.3
"""Weight decay, and standard deviation of the noise on the features in training."""

FOLDS, MEMBERS_OF_FOLD = 9, 2
FALSE_ALARMS = 0.06
"""Share of the good fields that are taken for bad, of kinds left out in training."""


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

    def where(self, chosen: npt.NDArray[np.bool_]) -> Drawn:
        """Some of the fields."""
        return Drawn(*(getattr(self, f.name)[chosen] for f in fields(self)))

    def write(self, path: Path) -> None:
        """Write the arrays."""
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})


def draw(
    n: int,
    *,
    seed: int,
    side: int,
    kinds: Sequence[str] = (),
    faults: Sequence[str] = (),
) -> Drawn:
    """Simulate and reconstruct fields, and compute their features."""
    config = ReconstructionConfig(device="cpu")
    method = load_method(config)
    rows = []
    cases = gauge_fields.all_cases(n, seed=seed, side=side, kinds=kinds, faults=faults)
    for case in cases:
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
    """Train the classifier; labels 0 and 1 are good fields, the others reasons."""
    good = features[label <= 1]
    centre = np.median(good, axis=0)
    spread = 1.4826 * np.median(np.abs(good - centre), axis=0)
    scale = np.maximum(spread, good.std(axis=0) / 2) + 1e-6
    inputs = torch.tensor(np.arcsinh((features - centre) / scale), dtype=torch.float32)
    target = torch.tensor(label)
    layers: list[list[FloatArray]] = []
    for member in range(members):
        torch.manual_seed(member)
        first = nn.Linear(inputs.shape[1], HIDDEN)
        last = nn.Linear(HIDDEN, 2 + len(gauge.LEARNT))
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


def labels(drawn: Drawn) -> npt.NDArray[np.int_]:
    """0 for good fields, 1 for patches, 2 and more for reasons, -1 for other faults."""
    number = {name: 2 + i for i, name in enumerate(gauge.LEARNT)}
    return np.array(
        [
            number.get(REASON_OF.get(fault, ""), -1) if fault else kind in PATCHES
            for kind, fault in zip(drawn.kind, drawn.fault, strict=True)
        ],
        dtype=np.int64,
    )


def together(classifier: gauge.Classifier, features: FloatArray) -> FloatArray:
    """Logarithm of the odds of all reasons together."""
    return np.asarray(np.logaddexp.reduce(classifier.log_odds(features), axis=1))


def fit(drawn: Drawn) -> gauge.Classifier:
    """Train the classifier, with a threshold from kinds that are left out in turn."""
    label = labels(drawn)
    kinds = np.unique(drawn.kind)
    odds, is_flagged = np.empty(len(label)), np.empty(len(label), dtype=np.bool_)
    folds = [np.isin(drawn.kind, kinds[fold::FOLDS]) for fold in range(FOLDS)]
    parts = []
    for left_out in folds:
        used = ~left_out & (label >= 0)
        parts.append(trained(drawn.features[used], label[used], MEMBERS_OF_FOLD))
        odds[left_out] = together(parts[-1], drawn.features[left_out])
    threshold = np.quantile(odds[drawn.fault == ""], 1 - FALSE_ALARMS)
    for left_out, part in zip(folds, parts, strict=True):
        judging = replace(part, threshold=threshold)
        is_flagged[left_out] = scores(drawn.where(left_out), judging) > 0
    print(f"threshold {threshold:.2f}; kinds left out in training:")
    print(*tables(drawn, is_flagged), sep="\n")
    used = label >= 0
    whole = trained(drawn.features[used], label[used])
    method = load_method(ReconstructionConfig(device="cpu"))
    return replace(
        whole,
        threshold=np.array(threshold),
        model_sha256=np.array(method.sha256),
    )


def scores(drawn: Drawn, classifier: gauge.Classifier) -> FloatArray:
    """Score of each field."""
    found = (
        gauge.judged(features, strain=strain, motion=motion, classifier=classifier)
        for features, strain, motion in zip(
            drawn.features, drawn.strain, drawn.motion, strict=True
        )
    )
    return np.array([one.score for one in found])


def tables(drawn: Drawn, flagged: npt.NDArray[np.bool_]) -> Iterator[str]:
    """Tables of the numbers of fields that are flagged."""
    is_layer, noise = drawn.thickness < 1e9, drawn.noise
    every = np.ones_like(is_layer)
    columns = {
        "no noise": ~is_layer & (noise == 0),
        "2% to 5%": ~is_layer & (noise > 0) & (noise < 0.1),
        "10% to 20%": ~is_layer & (noise >= 0.1) & (noise < 0.5),
        "60%": ~is_layer & (noise > 0.5),
        "on a layer": is_layer,
        "all": every,
    }
    rows = {str(kind): drawn.kind == kind for kind in dict.fromkeys(drawn.kind)}
    rows["all"] = every
    yield from _table("good fields", rows, columns, drawn.fault == "", flagged)
    yield ""
    columns = {
        f"{s:.0%}{' correlated' if length else ''}": (noise == s)
        & (drawn.noise_length == length)
        for s, length in gauge_fields.FAULT_NOISES
    }
    columns["all"] = every
    rows = {str(f): drawn.fault == f for f in dict.fromkeys(drawn.fault) if f}
    yield from _table("fault", rows, columns, drawn.fault != "", flagged)


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
            of = flagged[row & column & counted]
            share = f" ({of.mean():.0%})" if len(of) >= 20 else ""
            cells.append(f"{of.sum()} of {len(of)}{share}" if len(of) else "")
        yield f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Run one of the three steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    one = steps.add_parser("draw")
    one.add_argument("-n", type=int, default=4, help="fields of each kind")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--side", type=int, default=104)
    one.add_argument("--kinds", nargs="+", default=(), help="all without it")
    one.add_argument("--faults", nargs="+", default=(), help="random without it")
    one.add_argument("-o", "--output", type=Path, required=True)
    one = steps.add_parser("fit")
    one.add_argument("paths", nargs="+", type=Path)
    one.add_argument("-o", "--output", type=Path, default=gauge.bundled_path())
    one = steps.add_parser("test")
    one.add_argument("paths", nargs="+", type=Path)
    one.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    if given.step == "draw":
        draw(
            given.n,
            seed=given.seed,
            side=given.side,
            kinds=given.kinds,
            faults=given.faults,
        ).write(given.output)
        return
    drawn = Drawn.read(given.paths)
    if given.step == "fit":
        classifier = fit(drawn)
        arrays = {f.name: getattr(classifier, f.name) for f in fields(classifier)}
        small = {k: v.astype(np.float32) for k, v in arrays.items() if v.ndim}
        np.savez(given.output, **{**arrays, **small})
        return
    lines = list(tables(drawn, scores(drawn, gauge.bundled_classifier()) > 0))
    print(*lines, sep="\n")
    if given.output is not None:
        given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
