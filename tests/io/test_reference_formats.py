"""Files in the layouts of other programs, all of one field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import map_coordinates

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import read_displacement, summarise

FORMATS = Path(__file__).parents[3] / "shared" / "reference" / "formats"


def expectations() -> dict[str, dict[str, Any]]:
    path = FORMATS / "expected.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


EXPECTED = expectations()
READ = [name for name, about in EXPECTED.items() if "refused" not in about]
REFUSED = [name for name, about in EXPECTED.items() if "refused" in about]

needs_files = pytest.mark.skipif(not EXPECTED, reason=f"there is no {FORMATS}")


@needs_files
@pytest.mark.parametrize("name", READ)
def test_files_of_other_programs(name: str) -> None:
    about = EXPECTED[name]
    notices: list[str] = []
    stack = read_displacement(
        FORMATS / name,
        components_first=about.get("when") == "asked for",
        y="up" if about.get("y") == "up" else None,
        on_notice=notices.append,
    )
    assert stack.unit in (about["unit"], None)
    with np.load(FORMATS / "expected.npz") as file:
        expected = file["displacement_px"][about["frames"]]
        holes = file["holes"]
        step, pixel_size = float(file["step_px"]), float(file["pixel_size_um"])
    factor = {"px": 1.0, "um": pixel_size, "grid": 1 / step}[about["unit"]]
    if about.get("scattered"):
        compare_scattered(stack.data, expected, stack.spacing_in_unit, step)
    else:
        compare(stack.data, expected * factor, holes if about.get("holes") else None)
    if "young_pa" in about:
        assert stack.gel.young_pa == about["young_pa"]
        assert stack.gel.poisson == about["poisson"]
        assert stack.pixel_size_um == about["pixel_size_um"]
    if "outline_rows_from_0" in about:
        assert stack.outline is not None
        assert stack.outline[:, 1].tolist() == about["outline_rows_from_0"]
        assert stack.outline[:, 0].tolist() == about["outline_columns_from_0"]
    if "pair" in about:
        other = read_displacement(FORMATS / about["pair"])
        np.testing.assert_array_equal(other.data, stack.data)
    if "said" in about:
        assert any(about["said"] in notice for notice in notices)


def compare(
    found: npt.NDArray[np.floating],
    expected: npt.NDArray[np.floating],
    holes: npt.NDArray[np.bool_] | None,
) -> None:
    is_hole = np.isnan(found).any(axis=-1)
    if holes is None:
        assert not is_hole.any()
    else:
        np.testing.assert_array_equal(is_hole, np.broadcast_to(holes, is_hole.shape))
    np.testing.assert_allclose(found[~is_hole], expected[~is_hole], atol=6e-5)


def compare_scattered(
    found: npt.NDArray[np.floating],
    expected: npt.NDArray[np.floating],
    spacing: float | None,
    step: float,
) -> None:
    """The field at its own nodes; the beads were interpolated, too."""
    assert spacing is not None
    rows, columns = np.indices(expected.shape[1:3]) * step / spacing
    for one, other in zip(found, expected, strict=True):
        for axis in (0, 1):
            # Nodes outside the region of the beads are holes.
            at_nodes = map_coordinates(
                one[..., axis], [rows, columns], order=1, cval=np.nan
            )
            inner = np.isfinite(at_nodes)
            assert inner.mean() > 0.8
            assert np.corrcoef(at_nodes[inner], other[inner][:, axis])[0, 1] > 0.9


@needs_files
@pytest.mark.parametrize("name", REFUSED)
def test_files_that_are_refused(name: str) -> None:
    with pytest.raises(FieldFileError):
        read_displacement(FORMATS / name)


@needs_files
def test_every_file_is_recognised() -> None:
    for path in FORMATS.iterdir():
        if path.is_file() and not path.name.startswith("expected"):
            assert summarise(path).arrays
