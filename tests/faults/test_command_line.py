"""What happens to the command line when the machine, the user or a file lets it down.

Each fault is brought about from outside, in a process of its own.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from forked import Forked
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.io import read_traction, write_arrays, write_traction

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")

FTTC = ("--model", "fttc", "--device", "cpu", "--units", "grid")
FORMATS = ("t.h5", "t.npz", "t.csv", "t.ome.tif", "t.mat")

Run = Callable[..., tuple[int, str]]
Refused = Callable[..., str]


def started(*arguments: object) -> subprocess.Popen[str]:
    """Start ``vit-tfm`` in a process that loads it, unlike `forked`."""
    return subprocess.Popen(
        [sys.executable, "-m", "napari_vit_tfm", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def forked() -> Iterator[Forked]:
    with Forked() as one:
        yield one


@pytest.fixture
def run(forked: Forked) -> Run:
    """Exit status and messages of ``vit-tfm``."""

    def run(*arguments: object, first: str = "") -> tuple[int, str]:
        return forked.start(*arguments, first=first).end()

    return run


@pytest.fixture
def refused(run: Run) -> Refused:
    """The error of a command that ends in one line, without a traceback."""

    def refused(*arguments: object, first: str = "") -> str:
        status, messages = run(*arguments, first=first)
        assert "Traceback" not in messages, messages
        assert "unexpected" not in messages, messages
        assert status == 2, (status, messages)
        (line,) = [one for one in messages.splitlines() if one.startswith("Error: ")]
        return line

    return refused


@pytest.fixture(scope="module")
def field() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(6, 48, 48, 2)).astype(np.float32)


@pytest.fixture
def cells(tmp_path: Path, field: np.ndarray) -> Path:
    path = tmp_path / "cells.npy"
    np.save(path, field)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def traction_file(path: Path) -> bytes:
    """Tractions that were there before."""
    write_traction(path, TractionStack(np.ones((1, 8, 9, 2)), unit="Pa"))
    return path.read_bytes()


# Disk full

LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0})); "
LIMIT += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"


@pytest.mark.parametrize("name", FORMATS)
def test_a_disk_that_is_full_keeps_the_old_file(
    name: str, cells: Path, tmp_path: Path, refused: Refused
) -> None:
    out = tmp_path / "out" / name
    out.parent.mkdir()
    old = traction_file(out)
    line = refused(
        *("predict", cells, "-o", out, "--batch-size", 6, *FTTC, "--overwrite"),
        first=LIMIT.format(20_000),
    )
    assert os.strerror(errno.EFBIG).lower() in line.lower() or "space" in line
    assert names(out.parent) == {name}
    assert out.read_bytes() == old


def test_a_long_run_goes_on_when_there_is_space_again(
    cells: Path, tmp_path: Path, run: Run, refused: Refused
) -> None:
    out = tmp_path / "out" / "t.h5"
    out.parent.mkdir()
    arguments = ("predict", cells, "-o", out, "--batch-size", 1, *FTTC)
    refused(*arguments, first=LIMIT.format(60_000))
    assert not out.exists()
    status, messages = run(*arguments)
    assert status == 0, messages
    assert read_traction(out).n_frames == 6
    assert names(out.parent) == {"t.h5"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", place],
        capture_output=True,
        check=False,
    ).returncode
    if made:
        pytest.skip("a file system cannot be mounted")
    yield place
    subprocess.run(["umount", place], check=False)


@pytest.mark.parametrize(
    ("name", "batch_size"), [("t.h5", 1), *((name, 6) for name in FORMATS)]
)
def test_a_small_disk(
    name: str, batch_size: int, cells: Path, small_disk: Path, refused: Refused
) -> None:
    out = small_disk / name
    old = traction_file(out)
    batches = ("--batch-size", batch_size)
    line = refused("predict", cells, "-o", out, *batches, *FTTC, "--overwrite")
    assert os.strerror(errno.ENOSPC) in line
    assert out.read_bytes() == old


# Ctrl-C and kill

WRITERS = {
    "t.npz": "numpy.lib.format.write_array",
    "t.csv": "csv.writer",
    "t.ome.tif": "tifffile.TiffWriter",
    "t.mat": "scipy.io.savemat",
}
"""What writes each format, for a signal that comes at this moment."""

AT_WRITING = """
import {module} as module
before = module.{name}
def interrupted(*arguments, **named):
    os.kill(os.getpid(), signal.{signal})
    return before(*arguments, **named)
module.{name} = interrupted
"""


@pytest.mark.parametrize("by", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_signal_while_a_file_is_written(
    name: str, by: str, cells: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out" / name
    out.parent.mkdir()
    old = traction_file(out)
    module, _, function = WRITERS[name].rpartition(".")
    status, messages = run(
        *("predict", cells, "-o", out, "--batch-size", 6, *FTTC, "--overwrite"),
        first=AT_WRITING.format(module=module, name=function, signal=by),
    )
    assert status == {"SIGINT": 130, "SIGTERM": 143}[by], messages
    assert "Traceback" not in messages
    assert out.read_bytes() == old


def test_an_interrupt_at_any_moment(cells: Path, tmp_path: Path) -> None:
    out = tmp_path / "out" / "t.h5"
    out.parent.mkdir()
    old = traction_file(out)
    for wait in (0.5, 1.5):
        process = started("predict", cells, "-o", out, *FTTC, "--overwrite")
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=60)
        # Before its handler is set, Python itself ends with a traceback.
        assert process.returncode in (0, 1, 130, -signal.SIGINT), messages
        if process.returncode:
            assert out.read_bytes() == old
        else:
            old = out.read_bytes()
        read_traction(out)


def test_a_kill_at_any_moment_leaves_a_whole_file(
    cells: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out" / "t.h5"
    out.parent.mkdir()
    traction_file(out)
    for wait in (0.5, 1.5):
        process = started("predict", cells, "-o", out, *FTTC, "--overwrite")
        time.sleep(wait)
        process.kill()
        process.communicate(timeout=60)
        read_traction(out)
    status, messages = run("predict", cells, "-o", out, *FTTC, "--overwrite")
    assert status == 0, messages
    # What the killed runs have left is cleared by the next one.
    assert names(out.parent) == {"t.h5"}


# Output


@pytest.mark.parametrize(
    ("command", "closed"),
    [
        ("info", ">&-"),
        ("info", "| true"),
        ("predict", "2>&-"),
        ("predict", ">&- 2>&-"),
    ],
)
def test_closed_output(command: str, closed: str, cells: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.h5"
    arguments = [sys.executable, "-m", "napari_vit_tfm", command, str(cells)]
    if command == "predict":
        arguments += ["-o", str(out), *FTTC]
    with tempfile.TemporaryFile() as said:
        subprocess.run(
            ["bash", "-c", f"{shlex.join(arguments)} {closed}"],
            stdout=said,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=120,
        )
        said.seek(0)
        assert b"Traceback" not in said.read()
    if command == "predict":
        assert read_traction(out).n_frames == 6


def test_an_output_that_is_a_fifo_is_refused(
    cells: Path, tmp_path: Path, refused: Refused
) -> None:
    out = tmp_path / "t.h5"
    os.mkfifo(out)
    refused("predict", cells, "-o", out, *FTTC)
    assert out.is_fifo()


def test_an_output_that_is_a_device_is_refused(
    cells: Path, tmp_path: Path, refused: Refused
) -> None:
    # Not /dev/null itself: if the test fails, an administrator replaces it.
    device, out = tmp_path / "null", tmp_path / "t.npz"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except (AttributeError, PermissionError):
        pytest.skip("a device cannot be made")
    out.symlink_to(device)
    refused("predict", cells, "-o", out, *FTTC)
    assert out.is_symlink()
    assert device.is_char_device()


def test_an_output_in_a_file_is_refused_before_the_run(
    cells: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "file").write_bytes(b"a")
    refused("predict", cells, "-o", tmp_path / "file" / "t.h5", *FTTC)
    refused("predict", cells, "-o", "/proc/none/t.h5", *FTTC)
    refused("predict", cells, "-o", tmp_path / ("a" * 300 + ".h5"), *FTTC)
    (tmp_path / "folder.h5").mkdir()
    refused("predict", cells, "-o", tmp_path / "folder.h5", *FTTC)


def test_an_input_is_never_overwritten(
    tmp_path: Path, field: np.ndarray, refused: Refused
) -> None:
    cells, link = tmp_path / "cells.h5", tmp_path / "link.h5"
    write_arrays(cells, {"displacement": field}, {"displacement": {"units": "grid"}})
    before = cells.read_bytes()
    refused("predict", cells, "-o", cells, *FTTC, "--overwrite")
    link.hardlink_to(cells)
    refused("predict", cells, "-o", link, *FTTC, "--overwrite")
    assert cells.read_bytes() == before


# While a film is read

CHANGE = """
from napari_vit_tfm import io
io.open_displacement.__wrapped__.__kwdefaults__["in_memory_bytes"] = 0
before = io.frames.FileFrames.frames
n = 0
def changed(self, start, stop):
    global n
    n += 1
    if n == 3:
        {change}
    return before(self, start, stop)
io.frames.FileFrames.frames = changed
"""


@pytest.fixture(params=["film.npy", "film.h5"])
def film(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A film that is read batch by batch."""
    path = tmp_path / request.param
    data = np.random.default_rng(0).normal(size=(24, 40, 48, 2)).astype(np.float32)
    if path.suffix == ".npy":
        np.save(path, data)
    else:
        write_arrays(path, {"displacement": data}, {"displacement": {"units": "grid"}})
    return path


@pytest.mark.parametrize("change", ["remove", "rename", "truncate"])
def test_a_film_that_changes_while_it_is_read(
    change: str, film: Path, tmp_path: Path, run: Run
) -> None:
    out = tmp_path / "out.h5"
    how = {
        "remove": f"os.remove({str(film)!r})",
        "rename": f"os.rename({str(film)!r}, {str(film) + '.old'!r})",
        "truncate": f"os.truncate({str(film)!r}, 5000)",
    }[change]
    status, messages = run(
        *("predict", film, "-o", out, "--batch-size", 4, *FTTC),
        first=CHANGE.format(change=how),
    )
    assert "Traceback" not in messages, messages
    assert "unexpected" not in messages, messages
    if status == 0:
        assert change != "truncate"
        assert read_traction(out).n_frames == 24
    else:
        assert status == 2, messages
        assert not out.exists()


def test_a_second_run_with_the_same_output_is_refused(
    tmp_path: Path, field: np.ndarray, refused: Refused, forked: Forked
) -> None:
    source = tmp_path / "film.h5"
    write_arrays(
        source,
        {"displacement": np.tile(field[:, :20, :20], (20, 1, 1, 1))},
        {"displacement": {"units": "grid"}},
    )
    out, partial = tmp_path / "out.h5", tmp_path / "out.partial.h5"
    arguments = ("predict", source, "-o", out, "--batch-size", 1, *FTTC)
    slow = "import time; from napari_vit_tfm import io; b = io.frames.FileFrames.frames"
    slow += "; io.frames.FileFrames.frames = lambda *a: (time.sleep(0.3), b(*a))[1]"
    command = forked.start(*arguments, first=slow)
    try:
        while not partial.exists():
            assert command.poll() is None
            time.sleep(0.05)
        refused(*arguments)
    finally:
        command.kill()
        command.end()
    assert not out.exists()


def test_a_folder_that_is_removed_during_the_run(
    cells: Path, tmp_path: Path, refused: Refused
) -> None:
    out = tmp_path / "out" / "t.npz"
    out.parent.mkdir()
    change = "import shutil; " + CHANGE.replace("n == 3", "n == 1").format(
        change=f"shutil.rmtree({str(out.parent)!r})"
    )
    line = refused(*("predict", cells, "-o", out, *FTTC), first=change)
    assert os.strerror(errno.ENOENT) in line or "no folder" in line


# Memory

NO_MEMORY = """
from napari_vit_tfm.models.registry import load
import napari_vit_tfm.reconstruction, torch
from napari_vit_tfm.models.base import ReconstructionMethod
import napari_vit_tfm.models.methods.fttc as fttc
def traction(self, displacement):
    {what}
for one in list(vars(fttc).values()):
    if isinstance(one, type) and issubclass(one, ReconstructionMethod):
        one.traction = traction
"""


@pytest.mark.parametrize(
    "what",
    [
        "raise MemoryError",
        "raise torch.OutOfMemoryError('CUDA out of memory')",
        "torch.empty(10**15)",
    ],
)
def test_too_little_memory(
    what: str, cells: Path, tmp_path: Path, refused: Refused
) -> None:
    out = tmp_path / "t.h5"
    line = refused(
        *("predict", cells, "-o", out, *FTTC), first=NO_MEMORY.format(what=what)
    )
    assert "memory" in line
    assert not out.exists()


def test_a_reader_that_waits_for_a_fifo_does_not_hang(tmp_path: Path) -> None:
    """A partner that is a FIFO is not opened."""
    np.save(tmp_path / "01u.npy", np.zeros((9, 9)))
    os.mkfifo(tmp_path / "01v.npy")
    done = threading.Event()
    with started("info", tmp_path / "01u.npy") as process:
        threading.Timer(60, lambda: done.is_set() or process.kill()).start()
        process.communicate()
        done.set()
    assert process.returncode == 2
