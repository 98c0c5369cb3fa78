"""The bundled network does not get worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.evaluate import evaluate
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.io import read_displacement, read_traction
from napari_vit_tfm.metrics import relative_squared_error
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.reconstruct import reconstruct
from napari_vit_tfm.synthesis import AdhesionDistribution, CellDistribution, synthesise


def scores(
    displacement: np.ndarray,
    traction: np.ndarray,
    *,
    sigmas: tuple[float, ...] = (0.0, 1e-4, 1e-3),
    segmentation: np.ndarray | None = None,
) -> list[dict[str, float]]:
    """Mean scores of the bundled network for every noise level."""
    vit, _ = evaluate(
        DisplacementStack(displacement, unit="field"),
        TractionStack(traction),
        methods=["vit"],
        segmentation=segmentation,
        sigmas=sigmas,
        config=ReconstructionConfig(device="cpu"),
    )
    return list(vit.noise.values())


def errors(
    displacement: np.ndarray,
    traction: np.ndarray,
    sigmas: tuple[float, ...] = (0.0, 1e-4, 1e-3),
) -> list[float]:
    """Mean relative squared errors."""
    found = scores(displacement, traction, sigmas=sigmas)
    return [score["relative_squared_error"] for score in found]


@pytest.mark.parametrize(
    ("shape", "bounds"),
    [((104, 104), [0.005, 0.0062, 0.032]), ((50, 90), [0.008, 0.009, 0.038])],
)
def test_discs(shape: tuple[int, int], bounds: list[float]) -> None:
    made = synthesise(6, seed=77, shape=shape)
    found = errors(made.displacement, made.traction)
    assert np.all(np.array(found) < bounds)


@pytest.mark.parametrize(
    ("cell", "bounds"),
    [
        (CellDistribution(), [0.0017, 0.003]),
        (CellDistribution(kernel="point", reach=0.495), [0.0036, 0.007]),
    ],
)
def test_cells(cell: CellDistribution, bounds: list[float]) -> None:
    made = synthesise(6, seed=77, distribution=cell)
    found = errors(made.displacement, made.traction, (0.0, 1e-5))
    assert np.all(np.array(found) < bounds)


def test_adhesions() -> None:
    made = synthesise(6, seed=77, distribution=AdhesionDistribution())
    found = errors(made.displacement, made.traction, (0.0, 1e-5))
    assert np.all(np.array(found) < [0.0032, 0.0033])


def test_the_reference_discs(reference: Path) -> None:
    with np.load(reference / "discs_dev.npz") as file:
        fields = [file[k][:24] for k in ("displacement", "traction", "segmentation")]
    found = scores(fields[0], fields[1], segmentation=fields[2])
    squared = [score["sum_of_squared_errors"] for score in found]
    assert np.all(np.array(squared) < [0.25, 0.31, 1.5])
    assert abs(found[1]["dtma"]) < 0.05
    assert found[1]["direction_error_degrees"] < 1


@pytest.mark.parametrize(
    ("cell", "bound"), [("generic/MLData0018", 0.002), ("neuron/MLData0001", 0.002)]
)
def test_the_cells_of_dl_tfm(cell: str, bound: float, reference: Path) -> None:
    stem = reference / "fields" / cell
    displacement = read_displacement(f"{stem}.mat", unit="grid")
    traction = read_traction(f"{stem}_trac.mat").data
    gel = Substrate(young=10_670, poisson=0.45)
    config = ReconstructionConfig(device="cpu")
    found = reconstruct(displacement, substrate=gel, config=config).data
    error = float(relative_squared_error(found, traction)[0])
    assert error < bound
