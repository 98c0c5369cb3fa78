"""Colours of all figures, and writing of figures to files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from napari_vit_tfm.io.replacing import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The colour-blind safe palette of Okabe and Ito, without yellow, which is hard to see
# on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
GREY = "#606060"


def write_png(
    path: Path, figure: Figure, *, dpi: int = 150, signature: str | None = None
) -> None:
    """Write a figure as PNG; an incomplete file never appears at `path`.

    Parameters
    ----------
    path : Path
        The file.
    figure : Figure
        The figure.
    dpi : int, keyword-only
        Pixels per inch.
    signature : str, keyword-only, optional
        Who made it, see `napari_vit_tfm.io.Maker`.

    Raises
    ------
    FieldFileError
        If the file cannot be written.
    """
    content = BytesIO()
    figure.savefig(content, format="png", dpi=dpi, metadata={"Source": signature})
    write_bytes(path, content.getbuffer())
