"""What each ingredient of the network brings: short trainings, side by side.

    python docs/ablation.py -o ablation.md

Every variant is trained for the same number of steps on the same small fields
and scored on fields that none has seen. The networks are small and trained
for minutes, not hours: it is the differences that count.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.tensors import to_tensor
from napari_vit_tfm.physics.tikhonov import fttc
from napari_vit_tfm.synthesis import CellDistribution, synthesise
from napari_vit_tfm.training import FieldKind, TrainingConfig
from napari_vit_tfm.training.data import TrainingFields
from napari_vit_tfm.training.losses import relative_squared_error, traction_loss

SHAPE = (64, 64)
NETWORK = PhysicsViTConfig(
    width=64, depth=4, heads=4, channels=24, stem_layers=1, decoder_layers=2
)
DISCS = FieldKind(SHAPE, 0.6)
CELLS = FieldKind(SHAPE, 0.4, cells=CellDistribution())


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


Variant = tuple[str, type[PhysicsViT], PhysicsViTConfig, tuple[FieldKind, ...]]

VARIANTS: list[Variant] = [
    ("everything", PhysicsViT, NETWORK, (DISCS, CELLS)),
    ("one amplitude for all fields", OneAmplitude, NETWORK, (DISCS, CELLS)),
    ("no FTTC solutions", NoSolutions, NETWORK, (DISCS, CELLS)),
    ("FTTC with the border's jumps", BorderJumps, NETWORK, (DISCS, CELLS)),
    ("no detail beside the tokens", TokensOnly, NETWORK, (DISCS, CELLS)),
    ("no refinement", PhysicsViT, replace(NETWORK, refinements=0), (DISCS, CELLS)),
    ("two refinements", PhysicsViT, replace(NETWORK, refinements=2), (DISCS, CELLS)),
    ("no encoder block", PhysicsViT, replace(NETWORK, depth=0), (DISCS, CELLS)),
    ("2 encoder blocks", PhysicsViT, replace(NETWORK, depth=2), (DISCS, CELLS)),
    ("8 encoder blocks", PhysicsViT, replace(NETWORK, depth=8), (DISCS, CELLS)),
    ("discs only", PhysicsViT, NETWORK, (DISCS,)),
]


def trained(variant: Variant, *, steps: int) -> PhysicsViT:
    """A network after a short training."""
    _, cls, network_config, kinds = variant
    config = TrainingConfig(network=network_config, kinds=kinds, steps=steps)
    torch.manual_seed(config.seed)
    network = cls(network_config)
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: (
            min(1, (step + 1) / 50) * (1 + math.cos(math.pi * step / steps)) / 2
        ),
    )
    fields = TrainingFields(config)
    for step in range(steps):
        displacement, truth = fields.batch(step).to(torch.device("cpu")).fields()
        traction = network(displacement)
        loss = traction_loss(traction, truth, displacement, config.loss).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.gradient_clip)
        optimiser.step()
        schedule.step()
    return network.eval()


@torch.no_grad()
def scores(network: PhysicsViT, *, n: int = 48) -> list[float]:
    """Mean relative squared error: discs clean and noisy, cells clean and noisy."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for kind, noise in ((DISCS, 0.2), (CELLS, 0.05)):
        made = synthesise(n, seed=900, shape=SHAPE, distribution=kind.distribution)
        clean, truth = to_tensor(made.displacement), to_tensor(made.traction)
        rms = clean.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        white = torch.randn(clean.shape, generator=generator)
        for displacement in (clean, clean + noise * rms * white):
            error = relative_squared_error(network(displacement), truth)
            found.append(float(error.mean()))
    return found


def main() -> None:
    """Train all variants and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    lines = [
        "| | discs, clean | discs, 20% noise | cells, clean | cells, 5% noise |",
        "|---|---|---|---|---|",
    ]
    for variant in VARIANTS:
        start = time.perf_counter()
        found = scores(trained(variant, steps=arguments.steps))
        row = [variant[0], *(f"{value:.3g}" for value in found)]
        lines.append("| " + " | ".join(row) + " |")
        print(lines[-1], f"{time.perf_counter() - start:.0f} s", flush=True)
        arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
