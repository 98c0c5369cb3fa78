"""Peak memory of ``vit-tfm predict`` on films of 500 and 4,000 frames.

    python benchmarks/long_films.py --model fttc

A film of 64 x 64 vectors is made as an HDF5 file and as a series of TIFF files, one
for each frame. The command runs in a process of its own, whose largest resident size is
printed, and the difference between the two lengths.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import h5py
import numpy as np
import numpy.typing as npt
import tifffile

from napari_vit_tfm.synthesis import synthesise

N_PATTERNS = 20
"""Number of different fields of a film, each of which has noise of its own."""

NOISE = 1e-4
"""Standard deviation of the noise, relative to the width of the field."""

Frames = npt.NDArray[np.float32]


def film(side: int, n_frames: int) -> tuple[Frames, np.random.Generator]:
    """Fields that a film repeats, ``(n, H, W, 2)``, and the source of its noise."""
    patterns = 0.1 * synthesise(N_PATTERNS, seed=0, shape=(side, side)).displacement
    return patterns.astype(np.float32), np.random.default_rng(n_frames)


def noisy(patterns: Frames, number: int, rng: np.random.Generator) -> Frames:
    """One frame of a film."""
    clean = patterns[number % len(patterns)]
    found: Frames = clean + rng.normal(0, NOISE, clean.shape).astype(np.float32)
    return found


def write_hdf5(folder: Path, side: int, n_frames: int) -> Path:
    """Write a film as one HDF5 file."""
    patterns, rng = film(side, n_frames)
    path = folder / "film.h5"
    with h5py.File(path, "w") as file:
        shape = (n_frames, side, side, 2)
        dataset = file.create_dataset("displacement", shape, "f4", chunks=True)
        dataset.attrs["units"] = "field"
        for number in range(n_frames):
            dataset[number] = noisy(patterns, number, rng)
    return path


def write_tiffs(folder: Path, side: int, n_frames: int) -> Path:
    """Write a film as a folder of TIFF files, one for each frame."""
    patterns, rng = film(side, n_frames)
    series = folder / "film"
    series.mkdir()
    for number in range(n_frames):
        frame = noisy(patterns, number, rng)
        tifffile.imwrite(series / f"{number}.tif", np.moveaxis(frame, -1, 0))
    return series


WRITERS = {"HDF5": write_hdf5, "TIFF series": write_tiffs}


def peak_of(arguments: list[str]) -> tuple[float, float]:
    """Largest resident size of a command, in MB, and its time in s."""
    if not hasattr(os, "wait4"):
        raise SystemExit("Windows does not tell the memory of a process that has ended")
    started = perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "napari_vit_tfm", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"vit-tfm {' '.join(arguments)} failed")
    kib = usage.ru_maxrss if sys.platform != "darwin" else usage.ru_maxrss / 1024
    return kib * 1024 / 1e6, perf_counter() - started


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="fttc")
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--frames", type=int, nargs="+", default=[500, 4000])
    parser.add_argument("--inputs", nargs="+", choices=WRITERS, default=list(WRITERS))
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[])
    given = parser.parse_args()
    print("| input | frames | peak memory | time |")
    print("|---|---|---|---|")
    for name in given.inputs:
        peaks = []
        for n_frames in given.frames:
            with tempfile.TemporaryDirectory() as folder:
                source = WRITERS[name](Path(folder), given.side, n_frames)
                peak, seconds = peak_of(
                    [
                        *("predict", str(source), "-o", f"{folder}/traction.h5"),
                        *("--model", given.model, "--device", "cpu"),
                        *("--units", "field"),
                        *given.options,
                    ]
                )
            peaks.append(peak)
            print(f"| {name} | {n_frames} | {peak:.0f} MB | {seconds:.0f} s |")
        print(f"| {name} | difference | {peaks[-1] - peaks[0]:.0f} MB | |")


if __name__ == "__main__":
    main()
