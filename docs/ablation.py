"""What each ingredient of the network brings: short trainings, side by side.

    python docs/ablation.py -o ablation.md

Every variant is trained for the same number of steps on the same small fields
and scored on fields that none has seen. The networks are small and trained
for minutes, not hours: it is the differences that count, and only those that are
larger than what other random numbers make of the same network.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.tensors import to_tensor
from napari_vit_tfm.physics.tikhonov import fttc
from napari_vit_tfm.synthesis import CellDistribution, synthesise
from napari_vit_tfm.training import FieldKind, LossConfig, TrainingConfig
from napari_vit_tfm.training.data import TrainingFields
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
    refinements=1,
)
DISCS = FieldKind(SHAPE, 0.6)
CELLS = FieldKind(SHAPE, 0.4, cells=CellDistribution())
LOSS = LossConfig(exponent=0.75, adhesions=0.06)


class OneAmplitude(PhysicsViT):
    """Every field divided by the same number, discs' typical displacement."""

    def _normalised(self, displacement: Tensor) -> tuple[Tensor, Tensor]:
        _, steps = super()._normalised(displacement)
        typical = torch.full_like(steps[:, :1, :1, :1], 0.35)
        return typical, displacement * (displacement.shape[-1] - 1) / typical


class NoSolutions(PhysicsViT):
    """No Tikhonov solution, neither as input nor to start from."""

    def _solutions(self, steps: Tensor) -> list[Tensor]:
        return [torch.zeros_like(steps) for _ in self.config.regularisations]


class BorderJumps(PhysicsViT):
    """Tikhonov solutions of the field as it is, jumps at its border and all."""

    def _solutions(self, steps: Tensor) -> list[Tensor]:
        x, y = steps.unbind(dim=1)
        return [
            torch.stack(fttc(x, y, regularisation=regularisation), dim=1)
            for regularisation in self.config.regularisations
        ]


class TokensOnly(PhysicsViT):
    """No detail beside the tokens: the convolutional stem feeds them alone."""

    def _decoded(self, tokens: Tensor, maps: Tensor, grid: torch.Size) -> Tensor:
        return super()._decoded(tokens, torch.zeros_like(maps), grid)


class OnlySummands(PhysicsViT):
    """Refinements that add to the traction and do not multiply it."""

    def __init__(self, config: PhysicsViTConfig) -> None:
        super().__init__(config)
        for refinement in self.refinements:
            refinement.register_forward_hook(
                lambda _module, _inputs, out: (*out[:2], torch.ones_like(out[2]))
            )


@dataclass(frozen=True)
class Variant:
    """A network and how it is trained; without anything said, with everything."""

    name: str
    network: type[PhysicsViT] = PhysicsViT
    size: PhysicsViTConfig = NETWORK
    kinds: tuple[FieldKind, ...] = (DISCS, CELLS)
    loss: LossConfig = LOSS
    seed: int = 0


VARIANTS = (
    Variant("everything"),
    Variant("everything, other random numbers", seed=1),
    Variant("one amplitude for all fields", OneAmplitude),
    Variant("no FTTC solutions", NoSolutions),
    Variant("FTTC with the border's jumps", BorderJumps),
    Variant("no detail beside the tokens", TokensOnly),
    Variant("no refinement", size=replace(NETWORK, refinements=0)),
    Variant("two refinements", size=replace(NETWORK, refinements=2)),
    Variant("a refinement without factor", OnlySummands),
    Variant("loss without the adhesions' magnitudes", loss=replace(LOSS, adhesions=0)),
    Variant("no encoder block", size=replace(NETWORK, depth=0)),
    Variant("8 encoder blocks", size=replace(NETWORK, depth=8)),
    Variant("discs only", kinds=(DISCS,)),
)


def trained(variant: Variant, *, steps: int) -> PhysicsViT:
    """A network after a short training."""
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
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        optimiser.step()
    return network.eval()


@torch.no_grad()
def scores(
    network: PhysicsViT, *, n: int = 48, shape: tuple[int, int] = SHAPE
) -> list[float]:
    """Mean relative squared error: discs clean and noisy, cells clean and noisy."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for kind, noise in ((DISCS, 0.2), (CELLS, 0.05)):
        made = synthesise(n, seed=900, shape=shape, distribution=kind.distribution)
        clean, truth = to_tensor(made.displacement), to_tensor(made.traction)
        rms = clean.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        white = torch.randn(clean.shape, generator=generator)
        for displacement in (clean, clean + noise * rms * white):
            traction = torch.cat([network(part) for part in displacement.split(8)])
            found.append(float(relative_squared_error(traction, truth).mean()))
    return found


HEADER = (
    "| | discs, clean | discs, 20% noise | cells, clean | cells, 5% noise |",
    "|---|---|---|---|---|",
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
