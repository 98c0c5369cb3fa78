"""Colours that all figures share, and how a figure becomes a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_vit_tfm.io.writing import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind can tell apart, without the
# yellow, which nobody can tell from paper.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
GREY = "#606060"


def write_png(path: Path, figure: Figure, *, dpi: int = 150) -> None:
    """Write a figure; the file appears when it is complete."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)
