"""Files of all formats on a disk that is full."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")

WRITE = """
import gc, resource, sys
from pathlib import Path
import matplotlib.figure
import numpy as np
from napari_vit_tfm import TractionStack, TFMError, io
from napari_vit_tfm.plotting import write_png
from napari_vit_tfm.plotting.files import write_traction_figure

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
data = np.random.default_rng(0).normal(size=(60, 48, 48, 2)).astype(np.float32)
large = TractionStack(data, unit="Pa", spacing_um=0.5)
small = large.first(1)


def refused(path, write):
    gone = path.name.startswith("film")
    old = b"" if gone else path.read_bytes()
    before = sorted(folder.iterdir())
    try:
        write(path)
    except TFMError as error:
        print(error)
    else:
        print(f"{path}: WRITTEN")
    gc.collect()
    assert gone or path.read_bytes() == old, path
    assert sorted(folder.iterdir()) == before, sorted(folder.iterdir())


def film(path, stop=60):
    with io.open_resumable_traction(path, n_frames=60, run={}) as sink:
        n_done = 0 if sink.finished is None else sink.finished.n_frames
        for start in range(0, stop, 10):
            sink.append(large.part(start, start + 10))
        if stop < 60:
            raise KeyboardInterrupt


fields = [folder / f"out.{ending}" for ending in ("h5", "npz", "csv", "ome.tif", "mat")]
for path in fields:
    io.write_traction(path, small)
picture = folder / "a.png"
write_png(picture, matplotlib.figure.Figure())
drawn = folder / "b.gif"
write_traction_figure(drawn, small)
try:
    # The partial file is there before the disk is full.
    film(folder / "kept.h5", stop=20)
except KeyboardInterrupt:
    pass
ballast = folder / "ballast"
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
else:
    with ballast.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    # Some names and small files still have their place.
    with ballast.open("r+b") as stream:
        stream.truncate(ballast.stat().st_size - 20_000)
for path in fields:
    refused(path, lambda path: io.write_traction(path, large))
figure = matplotlib.figure.Figure(figsize=(20, 20))
figure.figimage(np.random.default_rng(0).random((900, 900)))
refused(picture, lambda path: write_png(path, figure))
refused(drawn, lambda path: write_traction_figure(path, large.first(8)))
refused(folder / "film.h5", film)
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
else:
    ballast.unlink()
film(folder / "kept.h5")
assert io.read_traction(folder / "kept.h5").n_frames == 60
print("end")
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if (
        os.geteuid()
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        pytest.skip("mounting needs an administrator")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def check(folder: Path, limit: int, reason: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WRITE, str(folder), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")
    *errors, end = result.stdout.splitlines()
    assert end == "end"
    names = ["out.h5", "out.npz", "out.csv", "out.ome.tif", "out.mat"]
    names += ["a.png", "b.gif", "film.partial.h5"]
    assert errors == [
        f"{folder / name}: cannot be written ({reason})" for name in names
    ]


def test_a_full_disk(small_disk: Path) -> None:
    check(small_disk, 0, "No space left on device")


def test_a_limit_of_the_size_of_files(tmp_path: Path) -> None:
    check(tmp_path, 100_000, "File too large")
