"""The bundled network does not get worse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.evaluate import evaluate
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.synthesis import CellDistribution, synthesise


def errors(
    displacement: np.ndarray,
    traction: np.ndarray,
    *,
    score: str = "relative_squared_error",
    sigmas: tuple[float, ...] = (0.0, 1e-4, 1e-3),
) -> list[float]:
    """Mean score of the bundled network for every noise level."""
    vit, _ = evaluate(
        DisplacementStack(displacement, unit="field"),
        TractionStack(traction),
        methods=["vit"],
        sigmas=sigmas,
        config=ReconstructionConfig(device="cpu"),
    )
    return [scores[score] for scores in vit.noise.values()]


@pytest.mark.parametrize(
    ("shape", "bounds"),
    [((104, 104), [0.0128, 0.0149, 0.0783]), ((50, 90), [0.0302, 0.0329, 0.0961])],
)
def test_discs(shape: tuple[int, int], bounds: list[float]) -> None:
    made = synthesise(6, seed=77, shape=shape)
    assert np.all(np.array(errors(made.displacement, made.traction)) < bounds)


def test_cells() -> None:
    made = synthesise(6, seed=77, distribution=CellDistribution())
    found = errors(made.displacement, made.traction, sigmas=(0.0, 1e-5))
    assert np.all(np.array(found) < [0.0036, 0.0092])


def test_the_reference_discs(reference: Path) -> None:
    with np.load(reference / "discs_dev.npz") as file:
        found = errors(
            file["displacement"], file["traction"], score="sum_of_squared_errors"
        )
    assert np.all(np.array(found) < [0.6, 0.7, 3.5])
