"""Errors of the bundled network with parts disabled, without training it again.

    python benchmarks/knockouts.py -o knockouts.md

If disabling a part does not increase the error, the network does not use the part. The
reverse does not hold: a network trained without the part might be as accurate, which
`ablation.py` measures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from ablation import HEADER, as_row, scores
from torch import Tensor, nn

from napari_vit_tfm.config import BUNDLED_MODEL
from napari_vit_tfm.models.physics_vit import PhysicsViT
from napari_vit_tfm.training import starting_weights


class Nothing(nn.Module):
    """Replaces the output of a part by zeros."""

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens to zeros."""
        return torch.zeros_like(tokens)


def no_attention(network: PhysicsViT) -> None:
    """Disable the attention, so that tokens do not exchange information."""
    for block in network.blocks:
        block.attn = Nothing()


def no_blocks(network: PhysicsViT) -> None:
    """Disable the encoder: the decoder gets the embedded tokens."""
    network.blocks = nn.ModuleList()


def one_refinement(network: PhysicsViT) -> None:
    """Disable the second refinement."""
    network.refinements = network.refinements[:1]


def no_refinement(network: PhysicsViT) -> None:
    """Disable the refinements: the first estimate is the result."""
    network.refinements = nn.ModuleList()


PARTS: dict[str, Callable[[PhysicsViT], None]] = {
    "everything": lambda network: None,
    "no attention": no_attention,
    "no encoder block": no_blocks,
    "one refinement": one_refinement,
    "no refinement": no_refinement,
}


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=32, help="fields of each kind")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    lines = list(HEADER)
    for name, leave_out in PARTS.items():
        network = starting_weights(BUNDLED_MODEL).network
        leave_out(network)
        found = scores(network, n=arguments.n, shape=(104, 104))
        lines.append(as_row(name, found))
        print(lines[-1], flush=True)
    arguments.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
