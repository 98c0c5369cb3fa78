"""Tests of the second process that looks at files first."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from napari_vit_tfm.errors import FieldFileError, ModelError
from napari_vit_tfm.guard import process
from napari_vit_tfm.guard.child import HDF5, MATLAB
from napari_vit_tfm.guard.process import look_first
from napari_vit_tfm.io import read_displacement
from napari_vit_tfm.models.cnn import load_cnn

PYTHON = "import json, os, signal, sys, time; print('{}', flush=True); "
NO_ANSWER = PYTHON + "[os._exit(3) for _ in sys.stdin]"
MUCH_MEMORY = PYTHON + "[print('{\"memory\": true}', flush=True) for _ in sys.stdin]"


@pytest.fixture(autouse=True)
def guard(monkeypatch: pytest.MonkeyPatch) -> Iterator[process._Guard]:
    """A second process of its own for each test."""
    own = process._Guard()
    monkeypatch.setattr(process, "_guard", own)
    yield own
    own.close(at_once=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a field."""
    path = tmp_path / "field.h5"
    with h5py.File(path, "w") as file:
        file["displacement"] = np.ones((2, 8, 9, 2))
        file["displacement"].attrs["units"] = "um"
    return path


@pytest.fixture
def endless(path: Path) -> Path:
    """A file with one wrong byte, over which HDF5 never comes to an end."""
    content = bytearray(path.read_bytes())
    size_of_text = content.index(b"GCOL") + 24
    content[size_of_text] = 0
    path.write_bytes(content)
    return path


def pid(guard: process._Guard) -> int:
    """Number of the second process."""
    assert guard._helper is not None
    return guard._helper.process.pid


def is_running(number: int) -> bool:
    status = Path(f"/proc/{number}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def test_one_process_looks_at_many_files(
    guard: process._Guard, path: Path, tmp_path: Path
) -> None:
    look_first(path, HDF5)
    first = pid(guard)
    savemat(tmp_path / "field.mat", {"u": np.ones((4, 4))})
    look_first(tmp_path / "field.mat", MATLAB)
    assert pid(guard) == first
    assert first != os.getpid()


def test_a_file_without_end_is_refused(
    guard: process._Guard, endless: Path, tmp_path: Path
) -> None:
    with pytest.raises(FieldFileError, match="not opened: reading it did not end"):
        read_displacement(endless)
    start = time.monotonic()
    with pytest.raises(ModelError, match="reading it did not end"):
        load_cnn(endless)
    assert time.monotonic() - start < 2  # the answer is known
    with h5py.File(tmp_path / "good.h5", "w") as file:
        file["displacement"] = np.ones((2, 8, 9, 2))
    assert read_displacement(tmp_path / "good.h5").n_frames == 2


def test_progress_without_end_is_ended() -> None:
    slow = """
import os, time
from napari_vit_tfm.guard import child
child.LONGEST_S = 0.3
with open(os.devnull, "w") as nothing, child._Clock(nothing) as clock:
    for _ in range(200):
        clock.go_on()
        time.sleep(0.01)
"""
    ended = subprocess.run([sys.executable, "-c", slow], check=False, timeout=60)
    assert ended.returncode == 1


def test_a_crash_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_HELPER", NO_ANSWER)
    with pytest.raises(FieldFileError, match="reading it crashed the library"):
        read_displacement(path)


def test_too_much_memory_is_an_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_HELPER", MUCH_MEMORY)
    with pytest.raises(FieldFileError, match="needed too much memory"):
        read_displacement(path)


def test_a_file_is_looked_at_again_only_if_it_changed(
    guard: process._Guard, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_first(path, HDF5)
    monkeypatch.setattr(process, "_HELPER", NO_ANSWER)
    guard.close(at_once=True)
    look_first(path, HDF5)
    with h5py.File(path, "a") as file:
        file["new"] = np.zeros(10_000)
    with pytest.raises(FieldFileError, match="crashed"):
        look_first(path, HDF5)


def test_a_process_that_was_ended_by_others_is_started_again(
    guard: process._Guard, path: Path, tmp_path: Path
) -> None:
    look_first(path, HDF5)
    guard._helper.process.kill()  # type: ignore[union-attr]
    guard._helper.process.wait()  # type: ignore[union-attr]
    other = path.rename(tmp_path / "other.h5")
    look_first(other, HDF5)


def test_without_a_program_files_are_opened_with_a_warning(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with caplog.at_level(logging.WARNING):
        assert read_displacement(path).unit == "um"
    assert "no second process can be started" in caplog.text


@pytest.mark.parametrize("program", ["", "/not/there/python3", "napari"])
def test_only_a_python_is_started(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if program == "napari":
        program = str(tmp_path / program)
        Path(program).touch()
    monkeypatch.setattr(sys, "executable", program)
    monkeypatch.setattr(sys, "_base_executable", program, raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert process.python() is None


def test_nothing_is_imported_from_the_current_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit")
    (tmp_path / "h5py.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    guard = process._guard
    look_first(path, HDF5)
    assert guard._helper is not None


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_is_for_the_first_process(
    guard: process._Guard, path: Path, tmp_path: Path
) -> None:
    look_first(path, HDF5)
    before = pid(guard)
    os.kill(before, signal.SIGINT)
    look_first(path.rename(tmp_path / "other.h5"), HDF5)
    assert pid(guard) == before


def test_ctrl_c_during_a_look_ends_the_second_process(
    guard: process._Guard, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    look_first(path, HDF5)
    monkeypatch.setattr(process._Helper, "ask", interrupt)
    with h5py.File(path, "a") as file:
        file["new"] = np.zeros(10_000)
    with pytest.raises(KeyboardInterrupt):
        look_first(path, HDF5)
    assert guard._helper is None


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks into /proc")
@pytest.mark.parametrize("is_busy", [False, True])
def test_a_killed_process_leaves_none_behind(endless: Path, *, is_busy: bool) -> None:
    code = (
        "import os, sys, threading\n"
        "from pathlib import Path\n"
        "from napari_vit_tfm.guard import process\n"
        "guard = process._guard\n"
        "print(guard._running().process.pid, flush=True)\n"
        "look = process.look_first, (Path(sys.argv[1]), 'hdf5')\n"
        "if sys.argv[2] == 'True':\n"
        "    threading.Timer(1, os.kill, (os.getpid(), 9)).start()\n"
        "    look[0](*look[1])\n"
        "os.kill(os.getpid(), 9)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(endless), str(is_busy)],
        capture_output=True,
        text=True,
        check=False,
    )
    number = int(run.stdout)
    deadline = time.monotonic() + 20
    while is_running(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(number)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_has_one_of_its_own(
    guard: process._Guard, path: Path, tmp_path: Path
) -> None:
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from napari_vit_tfm.guard import process\n"
        "process.look_first(Path(sys.argv[1]), 'hdf5')\n"
        "first = process._guard._helper.process.pid\n"
        "if os.fork() == 0:\n"
        "    process.look_first(Path(sys.argv[1]), 'hdf5')\n"
        "    assert process._guard._helper.process.pid != first\n"
        "    process.close()\n"
        "    os._exit(0)\n"
        "assert os.wait()[1] == 0\n"
        "assert process._guard._helper.process.poll() is None\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
