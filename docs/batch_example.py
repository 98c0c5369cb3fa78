"""The documentation's example of a batch: two conditions with three dishes each.

``python docs/batch_example.py -o FOLDER`` writes 24 synthetic cells and their table,
``experiments.csv``; the cells of the second condition are weaker. Then
``vit-tfm batch FOLDER/experiments.csv -o FOLDER/results`` makes the picture
``results/summary.png``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from napari_vit_tfm.io import write_displacement
from napari_vit_tfm.synthesis import KINDS, synthesise

N_CELLS = 24
CELLS_OF_DISH = 4
STRENGTHS = {"control": 1.0, "inhibitor": 0.5}
SPREAD_OF_DISHES = 0.15


def write_experiments(folder: Path) -> None:
    """Write the displacements of all cells, and the table of experiments."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file,condition,replicate"]
    n_of_condition = N_CELLS // len(STRENGTHS)
    for number in range(N_CELLS):
        condition = list(STRENGTHS)[number // n_of_condition]
        dish = number % n_of_condition // CELLS_OF_DISH
        cell = synthesise(
            1, seed=number, shape=(48, 48), distribution=KINDS["colony"]()
        )
        displacement, _ = cell.on_gel(young_pa=8000, spacing_um=0.8)
        strength = STRENGTHS[condition] * (1 + SPREAD_OF_DISHES * (dish - 1))
        name = f"cell{number:02d}.h5"
        scaled = displacement.with_data(displacement.data * strength)
        write_displacement(folder / name, scaled)
        lines.append(f"{name},{condition},dish {dish + 1}")
    (folder / "experiments.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write the example."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER")
    write_experiments(parser.parse_args().output)


if __name__ == "__main__":
    main()
