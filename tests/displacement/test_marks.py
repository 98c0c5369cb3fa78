from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm import DisplacementStack, ReconstructionConfig, reconstruct
from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.displacement import examine
from napari_vit_tfm.displacement.marks import find_marks
from napari_vit_tfm.synthesis import KINDS, synthesise


def field_of(kind: str) -> np.ndarray:
    drawn = synthesise(1, seed=5, shape=(43, 43), distribution=KINDS[kind]())
    return 42 * drawn.displacement[0]


@pytest.mark.parametrize("value", [-9999, 999, 1e10])
@pytest.mark.parametrize("share", [0.003, 0.1, 0.6])
@pytest.mark.parametrize("kind", KINDS)
def test_marks_are_found_beside_wrong_peaks(
    kind: str, share: float, value: float
) -> None:
    field, rng = field_of(kind), np.random.default_rng(0)
    wrong = rng.random((43, 43)) < 0.008
    field[wrong] = rng.normal(0, 5 * np.abs(field).max(), (wrong.sum(), 2))
    marked = rng.random((43, 43)) < share
    field[marked] = value
    np.testing.assert_array_equal(find_marks(field).mask, marked)


@pytest.mark.parametrize("steps", [2, 5, 10, 50])
@pytest.mark.parametrize("kind", KINDS)
def test_rounded_displacements_are_no_marks(kind: str, steps: int) -> None:
    field = field_of(kind)
    largest = np.abs(field).max()
    assert find_marks(np.round(field / largest * steps)).count == 0
    assert find_marks(field).count == 0


def test_marks_of_one_component() -> None:
    field = field_of("cells")
    field[3, 4:8, 1] = field[9, 9] = -99
    marks = find_marks(field)
    assert (marks.count, marks.value, marks.in_both) == (5, -99, False)


def test_marks_are_named_and_replaced() -> None:
    clean = DisplacementStack(field_of("cells"), unit="grid")
    data = clean.data.copy()
    data[0, 10:13, 20:22] = data[0, 30, 5:16] = -9999
    broken, config = DisplacementStack(data, unit="grid"), PreparationConfig()
    (mark, *others) = examine(broken).warnings
    assert mark.startswith(
        "17 vectors in frame 0 have the value -9999 in both components, far outside "
        "all others; this looks like a mark for missing vectors: "
    )
    assert not any("unlike" in other for other in others)
    config = PreparationConfig(replace_outliers=True)
    method = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    expected = reconstruct(clean, config=method).data
    found = reconstruct(broken, config=method, preparation=config)
    assert found.records["outliers_replaced"].tolist() == [17]
    assert np.corrcoef(found.data.ravel(), expected.ravel())[0, 1] > 0.99


def test_large_groups_of_marks_become_holes() -> None:
    data = field_of("cells")[None].copy()
    data[0, :6, :6] = -9999
    method = ReconstructionConfig(model="fttc", device="cpu")
    stack = DisplacementStack(data, unit="grid")
    config = PreparationConfig(replace_outliers=True)
    found = reconstruct(stack, config=method, preparation=config)
    missing = np.isnan(found.data[0]).any(axis=-1)
    assert missing[:6, :6].all()
    assert missing.sum() == 36
