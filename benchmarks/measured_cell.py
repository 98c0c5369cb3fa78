"""What methods make of a measured field, and what they leave of it unexplained.

    python benchmarks/measured_cell.py FIELD --units grid -o measured-cell.png

A measured field has no known tractions. What can be looked at is where a method
puts them, beside the cell's outline, and which displacement they do not explain.
``--compare NAME=FILE`` adds tractions that `vit-tfm predict` has saved, such as
those of an earlier version; they must be those of the reference gel, as `t/E`.
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
"""How far around the outline, in grid steps, tractions still count as the cell's."""


def unexplained(steps: FloatArray, traction: FloatArray) -> FloatArray:
    """Displacement less that of the tractions, both without their means."""
    made = np.stack(
        raster_displacement(*np.moveaxis(traction.astype(float), -1, 0)), axis=-1
    )
    rest: FloatArray = steps - made
    rest -= rest.mean(axis=(0, 1))
    return rest


def described(
    steps: FloatArray, traction: FloatArray, outline: np.ndarray
) -> tuple[FloatArray, str]:
    """The residual, and in words the shares of what it and the background have."""
    centred = steps - steps.mean(axis=(0, 1))
    rest = unexplained(steps, traction)
    share = np.square(rest).sum() / np.square(centred).sum()
    inside = polygon2mask(  # type: ignore[no-untyped-call]
        steps.shape[:2], outline[:, ::-1]
    )
    near = ndimage.binary_dilation(inside, iterations=AROUND)
    magnitude = np.hypot(traction[..., 0], traction[..., 1])
    outside = magnitude[~near].sum() / magnitude.sum()
    return rest, f"unexplained {share:.1%}\ntraction outside the cell {outside:.0%}"


def draw(
    stack: DisplacementStack, tractions: dict[str, FloatArray], outline: np.ndarray
) -> Figure:
    """Displacement, and for every method its tractions above what they leave."""
    steps = stack.in_grid_steps()[0]
    n = len(tractions)
    figure = Figure(figsize=(2.6 * (n + 1), 5.6), layout="constrained")
    axes = figure.subplots(2, n + 1)
    strongest = max(float(np.abs(t).max()) for t in tractions.values())
    centred = steps - steps.mean(axis=(0, 1))
    size = np.hypot(centred[..., 0], centred[..., 1])
    panels = [(axes[0, 0], size, "displacement", "viridis", size.max())]
    rests = {}
    for column, (name, traction) in enumerate(tractions.items(), start=1):
        rest, words = described(steps, traction, outline)
        magnitude = np.hypot(traction[..., 0], traction[..., 1])
        panels.append((axes[0, column], magnitude, name, "inferno", strongest))
        rests[name] = rest
        left = np.hypot(rest[..., 0], rest[..., 1])
        panels.append((axes[1, column], left, words, "viridis", size.max() / 3))
    for axis, values, title, colours, top in panels:
        # The square root shows what is weak, too.
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
    """Reconstruct, draw and write the figure; print the shares."""
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
        words = described(steps, traction, stack.outline)[1]
        print(f"{name}: {', '.join(words.splitlines())}")
    write_png(arguments.output, draw(stack, tractions, stack.outline))


if __name__ == "__main__":
    main()
