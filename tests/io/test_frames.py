from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from napari_vit_tfm.fields import DisplacementStack, DisplacementStream
from napari_vit_tfm.io import open_displacement, read_displacement

FIELD = np.random.default_rng(0).normal(size=(7, 8, 9, 2))


@pytest.fixture
def read_indices(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Indices with which HDF5 datasets are read."""
    indices: list[Any] = []
    original = h5py.Dataset.__getitem__

    def recording(dataset: h5py.Dataset, key: Any, **named: Any) -> Any:
        indices.append(key)
        return original(dataset, key, **named)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", recording)
    return indices


@pytest.mark.parametrize("layout", ["(T, H, W, 2)", "(T, 2, H, W)"])
def test_only_the_requested_hdf5_frames_are_read(
    tmp_path: Path, read_indices: list[Any], layout: str
) -> None:
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file["u"] = FIELD if layout == "(T, H, W, 2)" else np.moveaxis(FIELD, -1, 1)
        file["u"].attrs["units"] = "nm"
    with open_displacement(path, in_memory_bytes=0) as stream:
        assert isinstance(stream, DisplacementStream)
        assert (stream.n_frames, stream.grid_shape, stream.unit) == (7, (8, 9), "um")
        assert read_indices == []
        part = stream.part(3, 5)
        assert read_indices == [slice(3, 5)]
    assert (part.unit, part.data.dtype) == ("um", np.float32)
    np.testing.assert_allclose(part.data, FIELD[3:5] * 1e-3, rtol=1e-6)
    np.testing.assert_array_equal(part.data, read_displacement(path).data[3:5])


def test_small_stacks_are_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with h5py.File(path, "w") as file:
        file["data"] = FIELD
    size = FIELD.size * 4
    with open_displacement(path, in_memory_bytes=size) as stack:
        assert isinstance(stack, DisplacementStack)
    with open_displacement(path, in_memory_bytes=size - 1) as stream:
        assert isinstance(stream, DisplacementStream)


@pytest.mark.parametrize("name", ["run.npz", "run.mat", "one.h5"])
def test_other_formats_are_read_as_a_whole(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "run.npz":
        np.savez(path, u=FIELD)
    elif name == "run.mat":
        savemat(path, {"displacement": FIELD[0]})
    else:
        with h5py.File(path, "w") as file:
            file["displacement"] = FIELD[0]
    with open_displacement(path, in_memory_bytes=0) as displacement:
        found = displacement.frames(0, displacement.n_frames)
    np.testing.assert_array_equal(found, FIELD[: len(found)].astype(np.float32))
    assert len(found) == (7 if name == "run.npz" else 1)


def test_vectors_that_are_not_finite_are_holes(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    data = FIELD.copy()
    data[5, 2, 3, 0] = np.inf
    with h5py.File(path, "w") as file:
        file["u"] = data
    with open_displacement(path, in_memory_bytes=0) as stream:
        part = stream.part(5, 7)
    assert np.isnan(part.data[0, 2, 3]).all()
    assert np.isnan(part.data).sum() == 2
    np.testing.assert_array_equal(part.data, read_displacement(path).data[5:7])
