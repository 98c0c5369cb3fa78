"""Tests of HDF5 files that are not trusted."""

import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.guard.hdf5 import (
    MOST_ATTRIBUTE_BYTES,
    MOST_ATTRIBUTES,
    MOST_CHUNK_BYTES,
    MOST_NESTED,
    attributes_of,
    datasets_of,
)
from napari_vit_tfm.io import read_displacement

SHAPE = (2, 8, 9, 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file to write."""
    return tmp_path / "field.h5"


def test_external_link_is_not_followed(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["displacement"] = h5py.ExternalLink("other.h5", "/displacement")
    with pytest.raises(FieldFileError, match="displacement is in another file"):
        read_displacement(path)


def test_virtual_dataset_is_refused(path: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, dtype="f4")
    layout[:] = h5py.VirtualSource("missing.h5", "displacement", shape=SHAPE)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("displacement", layout)
    with pytest.raises(FieldFileError, match="opened only if you allow it"):
        read_displacement(path)


def test_virtual_dataset_of_itself_is_refused(path: Path) -> None:
    layout = h5py.VirtualLayout(SHAPE, dtype="f4")
    layout[:] = h5py.VirtualSource(".", "displacement", shape=SHAPE)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("displacement", layout)
    with pytest.raises(FieldFileError, match="in another file"):
        read_displacement(path)


def test_external_storage_is_refused(path: Path) -> None:
    storage = [(str(path.with_suffix(".raw")), 0, h5py.h5f.UNLIMITED)]
    with h5py.File(path, "w") as file:
        file.create_dataset("displacement", SHAPE, "f4", external=storage)
    with pytest.raises(FieldFileError, match="in another file"):
        read_displacement(path)


def test_groups_that_contain_each_other(path: Path) -> None:
    with h5py.File(path, "w") as file:
        inner = file.create_group("outer/inner")
        inner["outer"] = file["outer"]
        inner["displacement"] = np.zeros(SHAPE)
        assert list(datasets_of(path, file)) == ["outer/inner/displacement"]


def test_links_within_the_file_are_not_followed(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["displacement"] = np.zeros(SHAPE)
        file["again"] = h5py.SoftLink("/displacement")
        file["never"] = h5py.SoftLink("/never")
    assert read_displacement(path, unit="um").n_frames == SHAPE[0]


def test_deep_nesting_is_refused(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["/".join(["group"] * (MOST_NESTED + 2))] = np.zeros(SHAPE)
    with pytest.raises(FieldFileError, match="nested in each other"):
        read_displacement(path)


def test_many_objects_are_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_vit_tfm.guard.hdf5.MOST_OBJECTS", 5)
    monkeypatch.setattr("napari_vit_tfm.guard.hdf5.BYTES_PER_OBJECT", 10_000)
    with h5py.File(path, "w") as file:
        for number in range(6):
            file.create_group(f"{number % 2}/{number}")
    with pytest.raises(FieldFileError, match="more than 5 groups and datasets"):
        read_displacement(path)
    # A large file may have more.
    with h5py.File(path, "a") as file:
        file["displacement"] = np.ones((100, 8, 9, 2))
    assert read_displacement(path).n_frames == 100


@pytest.mark.parametrize("is_whole", [False, True])
def test_chunks_that_are_shorter_than_they_should_be(
    path: Path, is_whole: bool
) -> None:
    data = np.ones((2, 8, 9, 2))
    with h5py.File(path, "w") as file:
        chunks = (1, *data.shape[1:])
        dataset = file.create_dataset("u", data.shape, "f8", chunks=chunks)
        for number, frame in enumerate(data):
            content = frame.tobytes()[: None if is_whole else 100]
            dataset.id.write_direct_chunk((number, 0, 0, 0), content)
    if is_whole:
        np.testing.assert_array_equal(read_displacement(path, unit="um").data, data)
        return
    with pytest.raises(FieldFileError, match="do not have the size"):
        read_displacement(path, unit="um")


@pytest.mark.parametrize("options", [{}, {"shuffle": True}, {"fletcher32": True}])
@pytest.mark.parametrize("n_bytes", [100, 8 * 64**2 * 2, 2**28])
def test_chunks_that_unpack_to_another_size(
    path: Path, n_bytes: int, options: dict[str, bool]
) -> None:
    data = np.ones((20, 64, 64, 2))
    chunks = (1, *data.shape[1:])
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "u", data=data, chunks=chunks, compression="gzip", **options
        )
        content = zlib.compress(bytes(n_bytes))
        # The second process does not read this frame; the checksum is skipped.
        mask = 1 << len(options) if "fletcher32" in options else 0
        dataset.id.write_direct_chunk((9, 0, 0, 0), content, filter_mask=mask)
    if n_bytes == data[0].nbytes:
        data[9] = 0
        np.testing.assert_array_equal(read_displacement(path, unit="um").data, data)
        return
    start = time.monotonic()
    with pytest.raises(FieldFileError, match="chunks of u do not have the size"):
        read_displacement(path, unit="um")
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("shuffle", [False, True])
def test_chunks_with_lzf_that_unpack_to_another_size(path: Path, shuffle: bool) -> None:
    data = np.random.default_rng(0).normal(size=(20, 64, 64, 2)).round(1)
    data[3] = 1
    data[4] = np.random.default_rng(1).normal(size=data[4].shape)
    with h5py.File(path, "w") as file:
        options = {"chunks": (1, 64, 64, 2), "compression": "lzf", "shuffle": shuffle}
        dataset = file.create_dataset("u", data=data, **options)
        first = dataset.id.read_direct_chunk((0, 0, 0, 0))[1]
        one = file.create_dataset("one", data=data[3:4, :32], compression="lzf")
        short = one.id.read_direct_chunk((0, 0, 0, 0))[1]
        assert len(short) < len(first) < data[0].nbytes
        del file["one"]
    found = read_displacement(path, dataset="u", unit="um").data
    np.testing.assert_array_equal(found, data.astype("f4"))
    with h5py.File(path, "a") as file:
        file["u"].id.write_direct_chunk((9, 0, 0, 0), short)
    with pytest.raises(FieldFileError, match="chunks of u do not have the size"):
        read_displacement(path, unit="um")


def test_a_small_array_that_unpacks_to_much_is_not_opened(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["u"] = np.ones((8, 9, 2))
        other = file.create_dataset("other", (8,), "f8", chunks=(8,), compression=1)
        other.id.write_direct_chunk((0,), zlib.compress(bytes(2**28)))
    with pytest.raises(FieldFileError, match="is not opened: the chunks of other do"):
        read_displacement(path, unit="um")


def test_chunks_that_are_larger_than_the_memory(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset(
            *("u", (1, 8, 9, 2), "f8"),
            chunks=(MOST_CHUNK_BYTES // (8 * 9 * 2 * 8) + 1, 8, 9, 2),
            maxshape=(None, 8, 9, 2),
            compression="gzip",
        ).id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(100)))
    start = time.monotonic()
    with pytest.raises(FieldFileError, match=r"chunks of u have 1\.07e\+09 bytes each"):
        read_displacement(path, unit="um")
    assert time.monotonic() - start < 3


def test_attributes_within_limits(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        file["a"] = np.zeros(3)
        attributes = file["a"].attrs
        attributes["units"] = "um"
        attributes["empty"] = h5py.Empty("f8")
        attributes["large"] = np.zeros(MOST_ATTRIBUTE_BYTES // 8 + 1)
        assert set(attributes_of(path, file["a"])) == {"units", "empty"}
        for number in range(MOST_ATTRIBUTES):
            attributes[str(number)] = number
        with pytest.raises(FieldFileError, match=f"expected at most {MOST_ATTRIBUTES}"):
            attributes_of(path, file["a"])


@pytest.mark.parametrize("bit", range(8))
def test_a_wrong_bit_in_the_type_of_the_numbers(path: Path, bit: int) -> None:
    data = np.random.default_rng(0).normal(size=(2, 8, 9, 2))
    with h5py.File(path, "w") as file:
        file["u"] = data
    content = bytearray(path.read_bytes())
    # The exponent is read with another bias.
    content[content.index(bytes.fromhex("340b0034ff030000")) + 4] ^= 1 << bit
    path.write_bytes(content)
    with pytest.raises(FieldFileError, match="of an unusual form"):
        read_displacement(path, unit="um")


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "g"])
def test_types_of_numbers_that_are_usual(path: Path, dtype: str) -> None:
    with h5py.File(path, "w") as file:
        file["u"] = np.ones((2, 8, 9, 2), dtype)
    assert (read_displacement(path, unit="um").data == 1).all()
