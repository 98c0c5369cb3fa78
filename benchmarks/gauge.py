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
from itertools import pairwise
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

NAMED = (
    ("half as thick",),
    ("normal force",),
    ("strain of 0.6",),
    ("shear of 5%", "rotation of 5%"),
    ("noise of 150%",),
    ("noise alone",),
    ("correlation over 8 steps",),
    ("points of force", "pads as large as the field"),
)
"""Faults whose mean share is given: each group counts once."""

PATCHES = ("held out: discs", "training: discs", "training: adhesions")
"""Kinds of separate patches with sharp edges, whose tractions are independent."""

HARD = {"half as thick": 1.5, "correlation over 8 steps": 2.5}
"""Weights of the faults that are hardest to tell from good fields; others have 1."""

MEMBERS, WIDTH = 4, 24
"""Networks whose outputs are averaged in the classifier, and their hidden units."""

PENALTY, JITTER = 2e-3, 0.5
"""Of the squared weights, and noise that is added to the inputs in training. Without
both, the networks learn the single fields."""

EPOCHS, RATE = 150, 0.02
"""Steps of the training, and the first one's size."""

FALSE_ALARMS = 0.07
"""Share of the good held-out fields that are taken for bad, when the classifier is
trained without held-out fields: the mean over their kinds. The other kinds are wider
than what is measured."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Features of fields, and what the fields are; arrays over the fields.

    The harm is the difference between the tractions with and without the fault,
    relative to those without; NaN if it was not computed.
    """

    features: FloatArray
    strain: FloatArray
    motion: FloatArray
    kind: npt.NDArray[np.str_]
    fault: npt.NDArray[np.str_]
    noise: FloatArray
    noise_length: FloatArray
    thickness: FloatArray
    harm: FloatArray

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


def draw(cases: Iterator[gauge_fields.Case], *, with_harm: bool = False) -> Drawn:
    """Reconstruct fields, and compute their features."""
    config = ReconstructionConfig(device="cpu")
    method = load_method(config)

    def tractions(steps: FloatArray, gel: Gel) -> npt.NDArray[np.float32]:
        stack = DisplacementStack(
            steps.astype(np.float32)[None], unit="grid", spacing_um=1.0, gel=gel
        )
        return reconstruct(stack, config=config, method=method).data

    rows = []
    for case in cases:
        gel = Gel()
        if np.isfinite(case.thickness_steps):
            gel = Gel(thickness_um=case.thickness_steps)
        substrate = Substrate(gel)
        steps, traction = case.steps.astype(np.float32), tractions(case.steps, gel)
        model = forward_consistency(
            steps[None], traction, substrate, spacing_um=1.0
        ).model
        harm = np.nan
        if with_harm and case.without is not None:
            right = tractions(case.without, gel)
            harm = float(np.linalg.norm(traction - right) / np.linalg.norm(right))
        rows.append(
            (
                features_of(steps, traction[0], model[0], substrate, spacing_um=1.0),
                gauge.largest_gradient(model[0]),
                gauge.unexplained_motion(steps - model[0]),
                case.kind,
                case.fault,
                *case.noise,
                case.thickness_steps,
                harm,
            )
        )
        if len(rows) % 100 == 0:
            print(len(rows), flush=True)
    return Drawn(*map(np.array, zip(*rows, strict=True)))


def trained(drawn: Drawn) -> gauge.Classifier:
    """Train the classifier with fields that have a label."""
    label = labels(drawn)
    drawn, label = drawn.where(label >= 0), label[label >= 0]
    good = drawn.features[label <= 1]
    centre = np.median(good, axis=0)
    spread = 1.4826 * np.median(np.abs(good - centre), axis=0)
    scale = np.maximum(spread, good.std(axis=0) / 2) + 1e-6
    inputs = torch.tensor(gauge.scaled(drawn.features, centre, scale)).float()
    share = torch.tensor([HARD.get(str(fault), 1.0) for fault in drawn.fault])
    members = [
        _layers(inputs, torch.tensor(label), share, seed) for seed in range(MEMBERS)
    ]
    first, last = (
        [(one.weight.detach().numpy(), one.bias.detach().numpy()) for one in layers]
        for layers in zip(*members, strict=True)
    )
    # The mean of the outputs is that of one network with all hidden units.
    return gauge.Classifier(
        centre=centre,
        scale=scale,
        hidden=np.concatenate([weight for weight, _ in first]).T,
        hidden_bias=np.concatenate([bias for _, bias in first]),
        weights=np.concatenate([weight for weight, _ in last], axis=1).T / MEMBERS,
        bias=np.mean([bias for _, bias in last], axis=0),
        threshold=np.array(0.0),
        model_sha256=np.array(""),
    )


def _layers(
    inputs: torch.Tensor, target: torch.Tensor, share: torch.Tensor, seed: int
) -> tuple[nn.Linear, nn.Linear]:
    """Both layers of one network of the classifier, trained."""
    torch.manual_seed(seed)
    first = nn.Linear(inputs.shape[1], WIDTH)
    last = nn.Linear(WIDTH, 2 + len(gauge.LEARNT))
    network = nn.Sequential(first, nn.Tanh(), last)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        optimiser.zero_grad()
        outputs = network(inputs + JITTER * torch.randn_like(inputs))
        found = nn.functional.cross_entropy(outputs, target, reduction="none")
        loss = (share * found).sum() / share.sum()
        for layer in (first, last):
            loss = loss + PENALTY * layer.weight.square().sum()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return first, last


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
    """Train the classifier, with a threshold from families that are left out."""
    family = np.array([kind.partition(":")[0] for kind in drawn.kind])
    odds, is_flagged = np.empty(len(family)), np.empty(len(family), np.bool_)
    parts = {name: trained(drawn.where(family != name)) for name in np.unique(family)}
    for name, part in parts.items():
        left_out = family == name
        odds[left_out] = together(part, drawn.features[left_out])
    counted = (family == "held out") & (drawn.fault == "")
    threshold = np.quantile(
        odds[counted],
        1 - FALSE_ALARMS,
        weights=_same_for_kinds(drawn.kind[counted]),
        method="inverted_cdf",
    )
    for name, part in parts.items():
        judging = replace(part, threshold=threshold)
        is_flagged[family == name] = scores(drawn.where(family == name), judging) > 0
    print(f"threshold {threshold:.2f}; families left out in training:")
    print(*report(drawn, is_flagged), sep="\n")
    method = load_method(ReconstructionConfig(device="cpu"))
    return replace(
        trained(drawn),
        threshold=np.array(threshold),
        model_sha256=np.array(method.sha256),
    )


def _same_for_kinds(kind: npt.NDArray[np.str_]) -> FloatArray:
    """Weights with which every kind counts the same."""
    _, place, count = np.unique(kind, return_inverse=True, return_counts=True)
    return np.asarray(1 / count[place])


def scores(drawn: Drawn, classifier: gauge.Classifier) -> FloatArray:
    """Score of each field."""
    found = (
        gauge.judged(features, strain=strain, motion=motion, classifier=classifier)
        for features, strain, motion in zip(
            drawn.features, drawn.strain, drawn.motion, strict=True
        )
    )
    return np.array([one.score for one in found])


def report(drawn: Drawn, flagged: npt.NDArray[np.bool_]) -> Iterator[str]:
    """Tables of all fields, and of the held-out family alone if there are others."""
    yield from tables(drawn, flagged)
    is_held_out = np.char.startswith(drawn.kind, "held out")
    if is_held_out.any() and not is_held_out.all():
        yield "\nThe held-out family alone:\n"
        yield from tables(drawn.where(is_held_out), flagged[is_held_out])


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
    yield from _bar(drawn, flagged)
    has_harm = np.isfinite(drawn.harm)
    if has_harm.any():
        yield ""
        limits = (0.0, 0.1, 0.2, np.inf)
        columns = {
            f"{low:.0%} to {high:.0%}" if np.isfinite(high) else f"above {low:.0%}": (
                drawn.harm >= low
            )
            & (drawn.harm < high)
            for low, high in pairwise(limits)
        }
        rows = {name: row for name, row in rows.items() if (row & has_harm).any()}
        rows["all"] = every
        title = "change of the tractions"
        yield from _table(title, rows, columns, has_harm, flagged)


def _bar(drawn: Drawn, flagged: npt.NDArray[np.bool_]) -> Iterator[str]:
    """The mean over the named faults, each with the same weight."""
    shares = []
    for faults in NAMED:
        of = [flagged[drawn.fault == fault] for fault in faults]
        shares.append(np.mean([part.mean() for part in of if len(part)] or [np.nan]))
    yield ""
    yield f"Mean over the named faults: {np.nanmean(shares):.1%}"


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
    one.add_argument("--harm", action="store_true", help="with the harm of faults")
    one.add_argument(
        "--cases", choices=gauge_fields.CASES, default="all", help="which fields"
    )
    one.add_argument("-o", "--output", type=Path, required=True)
    one = steps.add_parser("fit")
    one.add_argument("paths", nargs="+", type=Path)
    one.add_argument("-o", "--output", type=Path, default=gauge.bundled_path())
    one = steps.add_parser("test")
    one.add_argument("paths", nargs="+", type=Path)
    one.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    if given.step == "draw":
        cases = gauge_fields.CASES[given.cases]
        drawn = draw(
            cases(given.n, seed=given.seed, side=given.side), with_harm=given.harm
        )
        drawn.write(given.output)
        return
    drawn = Drawn.read(given.paths)
    if given.step == "fit":
        classifier = fit(drawn)
        arrays = {f.name: getattr(classifier, f.name) for f in fields(classifier)}
        small = {k: v.astype(np.float32) for k, v in arrays.items() if v.ndim}
        np.savez(given.output, **{**arrays, **small})
        return
    lines = list(report(drawn, scores(drawn, gauge.bundled_classifier()) > 0))
    print(*lines, sep="\n")
    if given.output is not None:
        given.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
