"""Tests of HDF5 files whose data are in other files."""

import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from napari_vit_tfm.cli.main import main
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import open_displacement, read_displacement, read_traction

SHAPE = (2, 8, 9, 2)
VALUES = np.arange(288, dtype=np.float32).reshape(SHAPE) + 1


def write_source(path: Path, values: np.ndarray = VALUES) -> Path:
    with h5py.File(path, "w") as file:
        file["displacement"] = values
        file["displacement"].attrs["units"] = "um"
    return path


def linked(path: Path) -> Path:
    """An external link to another file."""
    with h5py.File(path, "w") as file:
        file["displacement"] = h5py.ExternalLink("source.h5", "/displacement")
    return path


def virtual(path: Path, shape: tuple[int, ...] = SHAPE) -> Path:
    """A virtual dataset of another file."""
    layout = h5py.VirtualLayout(shape, dtype="f4")
    layout[: SHAPE[0]] = h5py.VirtualSource("source.h5", "displacement", shape=SHAPE)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("displacement", layout)
        file["displacement"].attrs["units"] = "um"
    return path


def stored(path: Path) -> Path:
    """A dataset whose numbers are in another file."""
    storage = [(str(path.with_name("source.h5")), 0, VALUES.nbytes)]
    with h5py.File(path, "w") as file:
        file.create_dataset("displacement", SHAPE, "f4", external=storage)
        file["displacement"].attrs["units"] = "um"
    return path


KINDS = [linked, virtual, stored]
Kind = Callable[[Path], Path]


def source_of(kind: Kind, path: Path) -> Path:
    """The other file, which is written."""
    source = path.with_name("source.h5")
    if kind is stored:
        source.write_bytes(VALUES.tobytes())
        return source
    return write_source(source)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "field.h5"


@pytest.mark.parametrize("kind", KINDS)
def test_links_are_followed_on_request_only(kind: Kind, path: Path) -> None:
    source_of(kind, kind(path))
    with pytest.raises(FieldFileError, match=r"in another file.*--allow-links"):
        read_displacement(path)
    stack = read_displacement(path, allow_links=True)
    np.testing.assert_array_equal(stack.data, VALUES)
    with open_displacement(path, allow_links=True, in_memory_bytes=0) as frames:
        np.testing.assert_array_equal(frames.part(1, 2).data, VALUES[1:])
    traction = read_traction(path, dataset="displacement", unit="Pa", allow_links=True)
    np.testing.assert_array_equal(traction.data, VALUES)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_file_is_an_error(kind: Kind, path: Path) -> None:
    kind(path)
    with pytest.raises(FieldFileError, match=r"source\.h5, which is missing"):
        read_displacement(path, allow_links=True)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("kind", KINDS)
def test_pipe_is_refused(kind: Kind, path: Path) -> None:
    os.mkfifo(kind(path).with_name("source.h5"))
    with pytest.raises(FieldFileError, match=r"source\.h5, which is no ordinary file"):
        read_displacement(path, allow_links=True)


def test_missing_array_is_an_error(path: Path) -> None:
    with h5py.File(path.with_name("source.h5"), "w") as file:
        file["other"] = VALUES
    with pytest.raises(FieldFileError, match="which has no array 'displacement'"):
        read_displacement(virtual(path), allow_links=True)
    with pytest.raises(FieldFileError, match="cannot be read"):
        read_displacement(linked(path), allow_links=True)


def test_short_source_is_an_error(path: Path) -> None:
    write_source(path.with_name("source.h5"), VALUES[:1])
    with pytest.raises(FieldFileError, match="needs other values"):
        read_displacement(virtual(path), allow_links=True)
    path.with_name("source.h5").write_bytes(VALUES.tobytes()[:-1])
    with pytest.raises(FieldFileError, match="1151 of 1152 bytes are there"):
        read_displacement(stored(path), allow_links=True)


def test_part_without_source_is_an_error(path: Path) -> None:
    write_source(path.with_name("source.h5"))
    with pytest.raises(FieldFileError, match="288 of 432 values"):
        read_displacement(virtual(path, (3, *SHAPE[1:])), allow_links=True)


@pytest.mark.parametrize("where", [".", "field.h5"])
def test_source_of_itself_is_an_error(path: Path, where: str) -> None:
    layout = h5py.VirtualLayout(SHAPE, dtype="f4")
    layout[:] = h5py.VirtualSource(where, "displacement", shape=SHAPE)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("displacement", layout)
    with pytest.raises(FieldFileError, match="source of itself"):
        read_displacement(path, allow_links=True)


def test_source_that_is_virtual_itself(path: Path) -> None:
    write_source(path.with_name("source.h5"))
    virtual(path.with_name("middle.h5"))
    layout = h5py.VirtualLayout(SHAPE, dtype="f4")
    layout[:] = h5py.VirtualSource("middle.h5", "displacement", shape=SHAPE)
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("displacement", layout)
    np.testing.assert_array_equal(
        read_displacement(path, unit="um", allow_links=True).data, VALUES
    )
    path.with_name("source.h5").unlink()
    with pytest.raises(FieldFileError, match=r"source\.h5, which is missing"):
        read_displacement(path, unit="um", allow_links=True)


def test_command_line_option(path: Path) -> None:
    source_of(virtual, virtual(path))
    refused = CliRunner().invoke(main, ["info", str(path)])
    assert "--allow-links" in refused.output
    assert refused.exit_code != 0
    shown = CliRunner().invoke(main, ["info", str(path), "--allow-links"])
    assert shown.exit_code == 0, shown.output
    assert "displacement (float32, shape (2, 8, 9, 2))" in shown.output


def test_series_follows_links(path: Path) -> None:
    source_of(virtual, virtual(path))
    other = path.with_stem("other")
    other.write_bytes(path.read_bytes())
    assert read_displacement([path, other], allow_links=True).n_frames == 4
