"""Tractions of a measured cell, and the displacement that they do not explain.

    python benchmarks/measured_cell.py FIELD --units grid -o measured-cell.png

The tractions of a measured cell are unknown. The figure shows where each method finds
tractions, with the outline of the cell, and the unexplained displacement.
``--compare NAME=FILE`` adds tractions saved by `vit-tfm predict`, for example those of
an earlier version. They must be `t/E` on the reference gel.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from scipy import ndimage
from skimage.draw import polygon2mask

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, FloatArray
from napari_vit_tfm.io import read_displacement, read_traction
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.plotting import write_png
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.units import DISPLACEMENT_UNITS

AROUND = 3
"""Distance in grid steps from the outline within which tractions are the cell's."""


def unexplained(steps: FloatArray, traction: FloatArray) -> FloatArray:
    """Displacement that the tractions do not explain, without its mean."""
    explained = np.stack(
        raster_displacement(*np.moveaxis(traction.astype(float), -1, 0)), axis=-1
    )
    residual: FloatArray = steps - explained
    residual -= residual.mean(axis=(0, 1))
    return residual


def residual_in_words(
    steps: FloatArray, traction: FloatArray, outline: np.ndarray
) -> tuple[FloatArray, str]:
    """The unexplained displacement, and its summary in words."""
    centred = steps - steps.mean(axis=(0, 1))
    residual = unexplained(steps, traction)
    fraction = np.square(residual).sum() / np.square(centred).sum()
    inside = polygon2mask(  # type: ignore[no-untyped-call]
        steps.shape[:2], outline[:, ::-1]
    )
    near = ndimage.binary_dilation(inside, iterations=AROUND)
    magnitude = np.hypot(traction[..., 0], traction[..., 1])
    outside = magnitude[~near].sum() / magnitude.sum()
    words = f"unexplained {fraction:.1%}\ntraction outside the cell {outside:.0%}"
    return residual, words


def draw(
    stack: DisplacementStack, tractions: dict[str, FloatArray], outline: np.ndarray
) -> Figure:
    """Draw the displacement, the tractions of each method, and the unexplained part."""
    steps = stack.in_grid_steps()[0]
    n = len(tractions)
    figure = Figure(figsize=(2.6 * (n + 1), 5.6), layout="constrained")
    axes = figure.subplots(2, n + 1)
    strongest = max(float(np.abs(t).max()) for t in tractions.values())
    centred = steps - steps.mean(axis=(0, 1))
    size = np.hypot(centred[..., 0], centred[..., 1])
    panels = [(axes[0, 0], size, "displacement", "viridis", size.max())]
    for column, (name, traction) in enumerate(tractions.items(), start=1):
        residual, words = residual_in_words(steps, traction, outline)
        magnitude = np.hypot(traction[..., 0], traction[..., 1])
        panels.append((axes[0, column], magnitude, name, "inferno", strongest))
        left = np.hypot(residual[..., 0], residual[..., 1])
        panels.append((axes[1, column], left, words, "viridis", size.max() / 3))
    for axis, values, title, colours, top in panels:
        # Colours of the square root show weak values, too.
        norm = PowerNorm(0.5, vmin=0, vmax=top)
        image = axis.imshow(values, cmap=colours, norm=norm)
        axis.plot(*np.vstack([outline, outline[:1]]).T, color="white", lw=0.8)
        axis.set_title(title, fontsize=9)
        axis.set_axis_off()
        figure.colorbar(image, ax=axis, shrink=0.7)
    axes[1, 0].set_axis_off()
    axes[1, 0].text(
        0.0,
        0.5,
        "above: displacement\nin grid steps,\ntraction t/E\n\nbelow: displacement\n"
        "that the tractions\ndo not explain",
        va="center",
        transform=axes[1, 0].transAxes,
    )
    return figure


def main() -> None:
    """Reconstruct the field, write the figure, and print the fractions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("field", type=Path, help="file with an outline of the cell")
    parser.add_argument("--units", choices=DISPLACEMENT_UNITS)
    parser.add_argument("--models", nargs="+", default=["vit", "bayesian-fttc"])
    parser.add_argument("--compare", nargs="*", default=[], metavar="NAME=FILE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    stack = read_displacement(arguments.field, unit=arguments.units)
    if stack.outline is None:
        parser.error(f"{arguments.field} has no outline")
    tractions = {}
    for pair in arguments.compare:
        name, _, file = pair.partition("=")
        tractions[name] = read_traction(file).data[0]
    for model in arguments.models:
        config = ReconstructionConfig(model=model)
        tractions[model] = reconstruct(
            stack, substrate=Substrate(), config=config
        ).data[0]
    steps = stack.in_grid_steps()[0]
    for name, traction in tractions.items():
        words = residual_in_words(steps, traction, stack.outline)[1]
        print(f"{name}: {', '.join(words.splitlines())}")
    write_png(arguments.output, draw(stack, tractions, stack.outline))


if __name__ == "__main__":
    main()
