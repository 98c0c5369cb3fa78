from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.io import read_displacement
from napari_vit_tfm.io.positioned import PositionedField

X, Y = np.meshgrid(np.arange(5.0), np.arange(4.0))
POINTS = np.stack([X.ravel(), Y.ravel()], axis=1)


def test_some_frames() -> None:
    frames = [POINTS, 2 * POINTS, 3 * POINTS]
    field = PositionedField.of("field", [POINTS] * 3, frames)
    expected = np.stack([X, Y], axis=-1)
    np.testing.assert_allclose(field.values(slice(1, 3)), [2 * expected, 3 * expected])
    assert field.entry.shape == (3, 4, 5, 2)


@pytest.mark.parametrize("turn", [False, True])
def test_rows_or_columns(turn: bool) -> None:
    points = POINTS.T if turn else POINTS
    field = PositionedField.of("field", [points], [points])
    np.testing.assert_allclose(field.values()[0, 2, 3], [3, 2])


def test_a_frame_without_vectors() -> None:
    empty = np.zeros((0, 0))
    field = PositionedField.of("field", [POINTS, empty], [POINTS, empty])
    assert np.isnan(field.values()[1]).all()


def test_the_field_is_named_in_errors() -> None:
    points = np.vstack([POINTS, POINTS])
    field = PositionedField.of("field", [POINTS, points], [POINTS, points])
    with pytest.raises(FieldError, match="field: frame 1: 20 nodes have more than one"):
        field.values()


def test_frames_without_positions() -> None:
    with pytest.raises(FieldError, match="of 1 frames and vectors of 2 frames"):
        PositionedField.of("field", [POINTS], [POINTS, POINTS])
    with pytest.raises(FieldError, match="positions of 0 frames"):
        PositionedField.of("field", [], [])


UM_PER = {"px": 0.1, "um": 1.0, "nm": 0.001, "mm": 1000.0}
STEP_UM = 0.8
LENGTHS = {"spacing_um": STEP_UM, "pixel_size_um": UM_PER["px"]}
VECTORS_UM = np.stack([0.3 * X + 0.1 * Y, 0.2 * X - 0.05 * Y], axis=-1)


def table(path: Path, of_positions: str, of_vectors: str) -> Path:
    """The same field in other units."""
    columns = [
        POINTS * STEP_UM / UM_PER.get(of_positions, 1.0),
        VECTORS_UM.reshape(-1, 2) / UM_PER.get(of_vectors, 1.0),
    ]
    units = [of_positions] * 2 + [of_vectors] * 2
    names = [
        f"{name} [{unit}]" if unit else name
        for name, unit in zip("xyuv", units, strict=True)
    ]
    np.savetxt(
        path, np.hstack(columns), delimiter=",", header=",".join(names), comments=""
    )
    return path


@pytest.mark.parametrize(
    "given", [(), ("spacing_um",), ("pixel_size_um",), (*LENGTHS,)]
)
@pytest.mark.parametrize("of_vectors", ["px", "um", "nm"])
@pytest.mark.parametrize("of_positions", ["px", "um", "mm", "nm", ""])
def test_units_of_positions_and_vectors(
    tmp_path: Path, of_positions: str, of_vectors: str, given: tuple[str, ...]
) -> None:
    options = {name: LENGTHS[name] for name in given}
    path = table(tmp_path / "cell.csv", of_positions, of_vectors)
    stack = read_displacement(path, **options)
    assert stack.spacing_um in (None, pytest.approx(STEP_UM))
    assert stack.pixel_size_um in (None, pytest.approx(UM_PER["px"]))
    unit = "px" if of_vectors == "px" else "um"
    if not is_enough(of_positions, unit, options):
        with pytest.raises(FieldError, match="need the"):
            stack.grid_steps_per_unit()
        return
    np.testing.assert_allclose(
        stack.data[0] * stack.grid_steps_per_unit(), VECTORS_UM / STEP_UM, rtol=1e-5
    )
    if not (of_positions == unit == "px"):
        assert stack.spacing_um == pytest.approx(STEP_UM)


def is_enough(of_positions: str, unit: str, given: Mapping[str, float]) -> bool:
    """Whether the displacements in grid steps follow from the lengths."""
    if not of_positions:
        return given.keys() == LENGTHS.keys() or (
            unit == "um" and "spacing_um" in given
        )
    if of_positions == "px":
        return unit == "px" or bool(given)
    return unit == "um" or "pixel_size_um" in given


@pytest.mark.parametrize("of_vectors", ["px", "um"])
@pytest.mark.parametrize("of_positions", ["px", "um"])
def test_a_spacing_that_contradicts_the_positions(
    tmp_path: Path, of_positions: str, of_vectors: str
) -> None:
    path = table(tmp_path / "cell.csv", of_positions, of_vectors)
    with pytest.raises(FieldError, match=r"spacing is 8 um"):
        read_displacement(path, spacing_um=8.0, pixel_size_um=0.1)


def test_positions_keep_their_unit_if_the_user_sets_that_of_the_vectors(
    tmp_path: Path,
) -> None:
    path = table(tmp_path / "cell.csv", "px", "px")
    stack = read_displacement(path, unit="um")
    assert stack.spacing_um is stack.spacing_in_unit is None
    stack = read_displacement(path, unit="um", pixel_size_um=0.1)
    assert stack.spacing_um == pytest.approx(STEP_UM)
    path = table(tmp_path / "cell.csv", "um", "um")
    stack = read_displacement(path, unit="px", pixel_size_um=0.1)
    assert stack.spacing_um == pytest.approx(STEP_UM)
    assert stack.grid_steps_per_unit() == pytest.approx(1 / 8)


def test_positions_in_px_do_not_tell_the_unit_of_the_vectors(tmp_path: Path) -> None:
    stack = read_displacement(table(tmp_path / "cell.csv", "px", ""))
    assert stack.unit is stack.spacing_in_unit is stack.spacing_um is None


def test_positions_of_unknown_unit_are_not_used(tmp_path: Path) -> None:
    for unit, words in (("inch", "0.8 inch"), ("", "0.8 of unknown unit")):
        stack = read_displacement(table(tmp_path / "cell.csv", unit, "um"))
        assert stack.spacing_in_unit is None
        note = f"the distance of the positions, {words}, is not used"
        assert note in stack.metadata["notes"]


def test_positions_and_vectors_without_a_unit_have_the_same(tmp_path: Path) -> None:
    stack = read_displacement(table(tmp_path / "cell.csv", "", ""), unit="um")
    assert stack.spacing_um == pytest.approx(STEP_UM)
