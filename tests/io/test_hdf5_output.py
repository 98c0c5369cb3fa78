"""HDF5 files on a disk that is full."""

from __future__ import annotations

import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from napari_vit_tfm.io.hdf5_output import Hdf5Output

DATA = np.random.default_rng(0).normal(size=(200, 16, 16))


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a program in the foreground; it is ignored in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Disk:
    """A disk that is full after some bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.n_free = sys.maxsize

        class File(io.FileIO):
            def write(file, data: memoryview) -> int:
                n = min(len(data), self.n_free)
                self.n_free -= n
                if n == 0:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return super().write(data[:n])

        open_file = Path.open

        def open_on_disk(path: Path, mode: str, buffering: int = -1) -> io.IOBase:
            if buffering:
                return open_file(path, mode, buffering)
            return File(path, mode.replace("b", ""))

        monkeypatch.setattr(Path, "open", open_on_disk)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def written(path: Path) -> None:
    with Hdf5Output(path, "w") as output:
        for number in range(4):
            with output.step() as file:
                file[f"plain {number}"] = DATA
                file.create_dataset(
                    f"packed {number}", data=DATA, chunks=(1, 16, 16), compression=1
                )
                # Structures of the file that are read again.
                file.attrs.update({f"{number} {k}": "x" * 500 for k in range(20)})


def test_a_file_is_that_of_h5py(tmp_path: Path) -> None:
    written(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        assert len(file) == 8
        for dataset in file.values():
            np.testing.assert_array_equal(dataset[()], DATA)
        assert len(file.attrs) == 80
    with Hdf5Output(tmp_path / "a.h5", "r+") as output, output.step() as file:
        file["plain 0"][3] = 7
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file["plain 0"][3] == 7).all()


@pytest.mark.parametrize(
    "n_free", [0, 1, 100, 5_000, 100_000, 600_000, 1_500_000, 3_000_000, 3_200_000]
)
def test_a_full_disk_is_an_error_and_no_crash(
    tmp_path: Path, disk: Disk, n_free: int
) -> None:
    written(tmp_path / "a.h5")
    disk.n_free = n_free
    with pytest.raises(OSError, match="No space left on device"):
        written(tmp_path / "b.h5")
    # Files that could not be closed would crash here.
    gc.collect()
    disk.n_free = sys.maxsize
    written(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_no_step_follows_an_error(tmp_path: Path, disk: Disk) -> None:
    output = Hdf5Output(tmp_path / "a.h5", "w")
    disk.n_free = 1000

    def write() -> None:
        with output.step() as file:
            file["a"] = DATA
            # What was not written is there until the file is closed.
            np.testing.assert_array_equal(file["a"][()], DATA)

    with pytest.raises(OSError, match="No space left"):
        write()
    disk.n_free = sys.maxsize
    with pytest.raises(OSError, match="No space left"), output.step():
        pytest.fail("this step would write into a damaged file")
    with pytest.raises(OSError, match="No space left"):
        output.close()
    gc.collect()


def test_an_error_in_a_step_is_the_one_that_is_raised(
    tmp_path: Path, disk: Disk
) -> None:
    def write() -> None:
        with Hdf5Output(tmp_path / "a.h5", "w") as output, output.step() as file:
            disk.n_free = 0
            file["a"] = DATA
            raise KeyError

    with pytest.raises(KeyError):
        write()


def test_ctrl_c_is_not_lost(tmp_path: Path) -> None:
    steps = []

    def write() -> None:
        with Hdf5Output(tmp_path / "a.h5", "w") as output, output.step() as file:
            signal.raise_signal(signal.SIGINT)
            file["a"] = DATA
            steps.append("written")

    with pytest.raises(KeyboardInterrupt):
        write()
    assert steps == ["written"]


def test_a_file_is_written_by_one_process(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    written(path)
    with Hdf5Output(path, "r+"), pytest.raises(BlockingIOError):
        Hdf5Output(path, "r+")
    with Hdf5Output(path, "r+"):
        pass


@pytest.mark.parametrize("content", [b"no HDF5", b""])
def test_what_is_no_hdf5_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"signature not found|is empty"):
        Hdf5Output(path, "r+")
    gc.collect()
    assert path.read_bytes() == content


def test_a_file_that_is_only_opened_does_not_change(tmp_path: Path) -> None:
    path = tmp_path / "numbers.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["a"] = DATA
    before = path.read_bytes()
    output = Hdf5Output(path, "r+")
    # As HDF5 does with some damaged files.
    output.file["a"][0] = 0
    output.file.flush()
    assert not output.file["a"][0].any()
    assert path.read_bytes() == before
    with output.step():
        pass
    output.close()
    with h5py.File(path) as file:
        assert not file["a"][0].any()
        np.testing.assert_array_equal(file["a"][1:], DATA[1:])


def test_what_was_never_allowed_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "numbers.h5"
    with h5py.File(path, "w") as file:
        file["a"] = DATA
    before = path.read_bytes()
    with Hdf5Output(path, "r+") as output:
        output.file["b"] = DATA
    assert path.read_bytes() == before
