"""Contribution of each part of the network, measured with short training runs.

    python benchmarks/ablation.py -o ablation.md

Every variant is trained for the same number of steps on the same small fields and
scored on validation fields. The networks are small and trained for minutes. Only
differences that exceed those between random seeds are significant.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig, Solver
from napari_vit_tfm.training import FieldKind, LossConfig, TrainingConfig
from napari_vit_tfm.training.data import TrainingFields, validation_fields
from napari_vit_tfm.training.losses import relative_squared_error, traction_loss
from napari_vit_tfm.training.module import TrainingModule

SHAPE = (64, 64)
NETWORK = PhysicsViTConfig(
    width=64,
    depth=4,
    heads=4,
    channels=24,
    stem_layers=1,
    decoder_layers=2,
)
DISCS = FieldKind(
    "discs",
    {"count": (5, 22), "radius": (0.0163, 0.0817), "margin": 0.0817},
    shapes=(SHAPE,),
    share=0.3,
)
CELLS = FieldKind("cells", shapes=(SHAPE,), share=0.3)
COLONIES = FieldKind("colony", shapes=(SHAPE,), share=0.25)
LAYERS = FieldKind("layer", shapes=(SHAPE,), share=0.15)
KINDS = (DISCS, CELLS, COLONIES, LAYERS)
NOISE = (0.0, 0.2)
LOSS = LossConfig(exponent=0.6, adhesions=0.03)


class OneAmplitude(PhysicsViT):
    """All fields are divided by the same number, the typical displacement of discs."""

    @staticmethod
    def _normalised(displacement: Tensor) -> tuple[Tensor, Tensor]:
        amplitude, steps = PhysicsViT._normalised(displacement)
        typical = torch.full_like(amplitude, 0.35)
        return typical, steps * amplitude / typical


class NoSolutions(PhysicsViT):
    """No classical solutions, neither as input nor in the first estimate."""

    def _solutions(self, solver: Solver, steps: Tensor) -> list[Tensor]:
        return [torch.zeros_like(part) for part in super()._solutions(solver, steps)]


class NoBayesianSolution(PhysicsViT):
    """Tikhonov solutions only."""

    def _solutions(self, solver: Solver, steps: Tensor) -> list[Tensor]:
        *given, bayesian = super()._solutions(solver, steps)
        return [*given, torch.zeros_like(bayesian)]


class NoMixture(PhysicsViT):
    """The first estimate corrects the middle Tikhonov solution."""

    def _mixture(self, solutions: list[Tensor], logits: Tensor) -> Tensor:
        return solutions[len(self.config.regularisations) // 2]


class TokensOnly(PhysicsViT):
    """The decoder has no input from the convolutional stem, only the tokens."""

    def _decoded(self, tokens: Tensor, maps: Tensor, grid: torch.Size) -> Tensor:
        return super()._decoded(tokens, torch.zeros_like(maps), grid)


class NoFactor(PhysicsViT):
    """Refinements without the factor."""

    def __init__(self, config: PhysicsViTConfig) -> None:
        super().__init__(config)
        for refinement in self.refinements:
            refinement.register_forward_hook(
                lambda _module, _inputs, out: (
                    *out[:2],
                    torch.ones_like(out[2]),
                    out[3],
                )
            )


class NoShare(PhysicsViT):
    """Refinements without the share of the Bayesian solution of the residual."""

    def __init__(self, config: PhysicsViTConfig) -> None:
        super().__init__(config)
        for refinement in self.refinements:
            refinement.register_forward_hook(
                lambda _module, _inputs, out: (*out[:3], torch.zeros_like(out[3]))
            )


@dataclass(frozen=True)
class Variant:
    """A variant of the network and its training. The default has all parts."""

    name: str
    network: type[PhysicsViT] = PhysicsViT
    size: PhysicsViTConfig = NETWORK
    kinds: tuple[FieldKind, ...] = KINDS
    loss: LossConfig = LOSS
    seed: int = 0


VARIANTS = (
    Variant("everything"),
    Variant("everything, other random numbers", seed=1),
    Variant("one amplitude for all fields", OneAmplitude),
    Variant("no classical solutions", NoSolutions),
    Variant("no Bayesian solution", NoBayesianSolution),
    Variant("no mixture of solutions", NoMixture),
    Variant("no detail beside the tokens", TokensOnly),
    Variant("no refinement", size=replace(NETWORK, refinements=0)),
    Variant("two refinements", size=replace(NETWORK, refinements=2)),
    Variant("a refinement without factor", NoFactor),
    Variant("a refinement without Bayesian share", NoShare),
    Variant("loss without the adhesions' magnitudes", loss=replace(LOSS, adhesions=0)),
    Variant("no encoder block", size=replace(NETWORK, depth=0)),
    Variant("8 encoder blocks", size=replace(NETWORK, depth=8)),
    Variant("discs only", kinds=(DISCS,)),
)


def trained(variant: Variant, *, steps: int) -> PhysicsViT:
    """Train a variant for a few steps."""
    config = TrainingConfig(
        network=variant.size,
        kinds=variant.kinds,
        steps=steps,
        loss=variant.loss,
        learning_rate=2e-3,
        warmup_steps=50,
        seed=variant.seed,
    )
    torch.manual_seed(config.seed)
    module = TrainingModule(config)
    module.network = network = variant.network(config.network)
    optimiser = module.configure_optimizers()
    fields = TrainingFields(config)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * module.rate_factor(step)
        displacement, truth = fields.batch(step).to(torch.device("cpu")).fields()
        traction = network(displacement)
        loss = traction_loss(traction, truth, displacement, config.loss).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        optimiser.step()
    return network.eval()


@torch.no_grad()
def scores(
    network: PhysicsViT, *, n: int = 24, shape: tuple[int, int] = SHAPE
) -> list[float]:
    """Mean relative squared errors for each kind of field and noise level."""
    found = []
    for kind in KINDS:
        if shape != SHAPE:
            kind = FieldKind(kind.kind, shapes=(shape,))
        for noise in NOISE:
            displacement, truth = validation_fields(kind, n, noise)
            parts = torch.split(displacement, 8)
            traction = torch.cat([network(part) for part in parts])
            found.append(float(relative_squared_error(traction, truth).mean()))
    return found


HEADER = (
    "| | "
    + " | ".join(
        f"{kind.kind}, {noise:.0%} noise" if noise else f"{kind.kind}, clean"
        for kind in KINDS
        for noise in NOISE
    )
    + " |",
    "|---" * (1 + len(KINDS) * len(NOISE)) + "|",
)


def as_row(name: str, found: list[float]) -> str:
    """A row of the table in Markdown."""
    return "| " + " | ".join([name, *(f"{value:.3g}" for value in found)]) + " |"


def main() -> None:
    """Train all variants and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    lines = list(HEADER)
    for variant in VARIANTS:
        start = time.perf_counter()
        found = scores(trained(variant, steps=arguments.steps))
        lines.append(as_row(variant.name, found))
        print(lines[-1], f"{time.perf_counter() - start:.0f} s", flush=True)
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
