from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest

import napari_vit_tfm
from links import link_to
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import (
    check_output,
    open_traction,
    read_displacement,
    read_traction,
    summarise,
    write_arrays,
    write_displacement,
    write_traction,
)

FIELD = np.random.default_rng(0).normal(size=(3, 8, 9, 2)).astype(np.float32)

FULL = TractionStack(
    FIELD,
    unit="Pa",
    spacing_um=1.5,
    gel=Gel(young_pa=10_670.0, poisson=0.45, thickness_um=30.0),
    model="vit",
    model_sha256="ab" * 32,
    outline=np.array([[1.25, 2.0], [5.0, 2.0], [4.0, 6.0]]),
    drift=np.array([[0.1, -25.0], [0.0, 0.0], [1e-9, 3.0]]),
)

ARRAYS = ["h5", "hdf5", "npz", "NPZ"]
"""Formats that take arrays of any name and shape."""

ENDINGS = [*ARRAYS, "mat", "tif", "ome.tif"]
TABLES = ["csv"]
"""Formats without outline, drift and records."""


@pytest.mark.parametrize("ending", ENDINGS)
def test_tractions_are_read_as_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    write_traction(path, FULL)
    back = read_traction(path)
    np.testing.assert_array_equal(back.data, FIELD)
    assert back.outline is not None
    assert FULL.outline is not None
    np.testing.assert_array_equal(back.outline, FULL.outline)
    assert back.drift is not None
    np.testing.assert_array_equal(back.drift, FULL.drift)
    for name in ("unit", "spacing_um", "gel", "model", "model_sha256"):
        assert getattr(back, name) == getattr(FULL, name), name
    assert back.metadata["attributes"]["version"] == napari_vit_tfm.__version__


@pytest.mark.parametrize("ending", ARRAYS)
def test_the_distance_of_positions_is_read_as_written(tmp_path, ending):
    stack = DisplacementStack(FIELD, unit="px", spacing_in_unit=16.0)
    path = tmp_path / f"cell.{ending}"
    write_displacement(path, stack)
    read = read_displacement(path)
    assert (read.unit, read.spacing_in_unit, read.spacing_um) == ("px", 16.0, None)


@pytest.mark.parametrize("ending", [*ENDINGS, *TABLES])
def test_all_formats_give_the_same_numbers(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    data = FIELD.copy()
    data[0] *= np.float32(1e-7)
    data[1, 2, 3] = np.nan
    data[2] = np.nan
    for traction in (replace(FULL, data=data), replace(FULL, data=data).first(1)):
        write_traction(path, traction)
        notes: list[str] = []
        back = read_traction(path, on_notice=notes.append)
        np.testing.assert_array_equal(back.data, traction.data)
        assert (back.metadata["y"], notes) == ("down", [])
        for name in ("unit", "spacing_um", "gel", "model", "model_sha256"):
            assert getattr(back, name) == getattr(FULL, name), name


@pytest.mark.parametrize("ending", [*ENDINGS, *TABLES])
def test_unknown_values_are_nan(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    write_traction(path, TractionStack(FIELD, gel=Gel(poisson=0.0)))
    back = read_traction(path)
    assert (back.unit, back.spacing_um, back.gel) == ("1", None, Gel(poisson=0.0))
    assert (back.outline, back.drift) == (None, None)
    attributes = back.metadata["attributes"]
    assert np.isnan(attributes["spacing_um"])
    assert np.isnan(attributes["young_pa"])
    assert np.isnan(attributes["thickness_um"])
    assert set(attributes) == {
        "units",
        "spacing_um",
        "young_pa",
        "poisson",
        "thickness_um",
        "model",
        "model_sha256",
        "version",
    }


@pytest.mark.parametrize("ending", [*ENDINGS, *TABLES])
def test_a_half_space_is_read_as_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    write_traction(path, TractionStack(FIELD, gel=Gel(thickness_um=math.inf)))
    assert read_traction(path).gel == Gel(thickness_um=math.inf)


def test_contents_of_an_hdf5_file(tmp_path: Path) -> None:
    path = tmp_path / "out.h5"
    write_traction(path, FULL)
    with h5py.File(path) as file:
        dataset = file["traction"]
        assert dataset.dtype == np.float32
        assert dataset.shape == (3, 8, 9, 2)
        assert dict(dataset.attrs) == {
            "units": "Pa",
            "spacing_um": 1.5,
            "young_pa": 10_670.0,
            "poisson": 0.45,
            "thickness_um": 30.0,
            "model": "vit",
            "model_sha256": "ab" * 32,
            "version": napari_vit_tfm.__version__,
        }
        assert file["drift"].shape == (3, 2)
        assert dict(file["drift"].attrs) == {"units": "grid"}


def test_contents_of_an_npz_file(tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    write_traction(path, FULL)
    with np.load(path, allow_pickle=False) as archive:
        assert archive["traction"].dtype == np.float32
        assert archive["traction.units"].item() == "Pa"
        assert archive["traction.young_pa"].item() == 10_670.0
        assert archive["drift"].shape == (3, 2)
        assert archive["drift.units"].item() == "grid"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_drift_is_not_a_vector_field(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    write_traction(path, FULL)
    summary = summarise(path)
    assert (summary.displacement, summary.traction) == (None, "traction")
    with pytest.raises(FieldFileError, match=r"drift .* is not a vector field"):
        read_displacement(path, dataset="drift")


@pytest.mark.parametrize("ending", ["h5", "npz"])
def test_arrays_with_attributes(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"out.{ending}"
    segmentation = np.arange(3 * 8 * 9, dtype=np.uint8).reshape(3, 8, 9)
    write_arrays(
        path,
        {"displacement": FIELD, "segmentation": segmentation},
        {"": {"seed": 7}, "displacement": {"units": "grid"}},
    )
    stack = read_displacement(path)
    assert stack.unit == "grid"
    assert stack.metadata["attributes"] == {"seed": 7, "units": "grid"}
    if ending == "h5":
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["segmentation"][...], segmentation)
    else:
        with np.load(path) as archive:
            np.testing.assert_array_equal(archive["segmentation"], segmentation)


@pytest.mark.parametrize("ending", ["h5", "npz"])
def test_a_file_is_only_replaced_by_a_complete_file(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"out.{ending}"
    write_traction(path, FULL)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("h5py.Group.create_dataset", fail)
        patch.setattr("numpy.lib.format.write_array", fail)
        with pytest.raises(FieldFileError, match=r"cannot be written \(No space"):
            write_traction(path, TractionStack(FIELD * 2))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    write_traction(path, TractionStack(FIELD * 2))
    np.testing.assert_array_equal(read_traction(path).data, FIELD * 2)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", [*ENDINGS, *TABLES])
def test_tractions_written_batch_by_batch_equal_those_written_at_once(
    tmp_path: Path, ending: str
) -> None:
    at_once, in_parts = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    write_traction(at_once, FULL)
    assert FULL.drift is not None
    with open_traction(in_parts) as sink:
        for frames in (slice(0, 2), slice(2, 3)):
            sink.append(replace(FULL, data=FIELD[frames], drift=FULL.drift[frames]))
        assert not in_parts.exists()
    one, other = read_traction(at_once), read_traction(in_parts)
    for name in ("data", "outline", "drift"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("unit", "spacing_um", "gel", "model", "model_sha256"):
        assert getattr(one, name) == getattr(other, name)
    assert one.metadata["attributes"] == other.metadata["attributes"]


@pytest.mark.parametrize("error", [FieldFileError("a gap"), OSError(32, "Broken pipe")])
@pytest.mark.parametrize("ending", ["h5", "npz", "mat", "ome.tif", "csv"])
def test_a_run_that_fails_leaves_no_file_and_raises_its_own_error(
    tmp_path: Path, ending: str, error: Exception
) -> None:
    def run() -> None:
        with open_traction(tmp_path / f"out.{ending}") as sink:
            sink.append(FULL)
            raise error

    with pytest.raises(type(error)) as caught:
        run()
    assert caught.value is error
    assert not list(tmp_path.iterdir())


def test_hdf5_frames_are_written_immediately(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with open_traction(tmp_path / "out.h5") as sink:
        sink.append(FULL)
        with monkeypatch.context() as patch:
            patch.setattr("h5py.Dataset.resize", fail)
            with pytest.raises(FieldFileError, match=r"out\.h5: cannot be written"):
                sink.append(FULL)


def test_a_symbolic_link_is_kept(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "out.h5"
    link_to(link, tmp_path / "there" / "real.h5")
    write_traction(link, FULL)
    assert link.is_symlink()
    assert read_traction(tmp_path / "there" / "real.h5").model == "vit"


def test_paths_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(
        FieldFileError, match=r"extension '\.txt', expected one of \.h5, "
    ):
        check_output(tmp_path / "out.txt")
    with pytest.raises(FieldFileError, match="extension ''"):
        check_output(tmp_path / "out")
    with pytest.raises(FieldFileError, match="there is no folder"):
        check_output(tmp_path / "missing" / "out.h5")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(FieldFileError, match="is a folder"):
        check_output(tmp_path / "folder.h5")
    with pytest.raises(FieldFileError, match="extension"):
        write_traction(tmp_path / "out.xlsx", FULL)
    with pytest.raises(
        FieldFileError, match=r"'\.csv', expected one of \.h5, .*\.npz$"
    ):
        write_arrays(tmp_path / "out.csv", {"influence": FIELD}, {})


@pytest.mark.parametrize("ending", ["h5", "npz"])
def test_objects_are_never_written(tmp_path: Path, ending: str) -> None:
    values: npt.NDArray[np.object_] = np.array([{}], dtype=object)
    with pytest.raises((TypeError, ValueError), match=r"[Oo]bject"):
        write_arrays(tmp_path / f"out.{ending}", {"data": values}, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["t.h5", "t.npz", "t.mat", "t.ome.tif"])
def test_what_was_done_to_the_frames_is_kept(name: str, tmp_path: Path) -> None:
    traction = TractionStack(
        np.zeros((3, 16, 20, 2)),
        unit="Pa",
        records={"holes": np.array([0, 2, 1]), "drift_removed": np.ones((3, 3))},
        metadata={"preparation": {"reverse": True, "bin_size": 2}},
    )
    with open_traction(tmp_path / name) as sink:
        sink.append(traction.first(1))
        sink.append(
            replace(
                traction,
                data=traction.data[1:],
                records={key: x[1:] for key, x in traction.records.items()},
            )
        )
    found = read_traction(tmp_path / name)
    assert set(found.records) == {"holes", "drift_removed"}
    for key, values in traction.records.items():
        np.testing.assert_array_equal(found.records[key], values)
    attributes = found.metadata["attributes"]
    assert attributes["reverse"]
    assert attributes["bin_size"] == 2
