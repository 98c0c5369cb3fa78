"""Valid files of every format, from which damaged ones are made for fuzzing."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from corpus.case import CASES, Kind
from corpus.mutations import (
    TEXT,
    Mutation,
    compressed_element,
    json_header,
    member,
    npy_header,
)


@dataclass(frozen=True)
class Target:
    """A reader, and valid files for it.

    Parameters
    ----------
    kind : str
        How a file is read.
    file_name : str
        Name of the damaged file.
    cases : tuple of str
        Names of the cases whose files are valid.
    mutations : tuple of callable
        Mutations that know the format.
    """

    kind: Kind
    file_name: str
    cases: tuple[str, ...]
    mutations: tuple[Mutation, ...] = ()

    @cached_property
    def files(self) -> tuple[bytes, ...]:
        """The valid files."""
        return tuple(map(_content, self.cases))


def _content(name: str) -> bytes:
    folder = Path(tempfile.mkdtemp(prefix="corpus-"))
    try:
        return CASES[name].make(folder).read_bytes()
    finally:
        shutil.rmtree(folder)


TARGETS: dict[str, Target] = {
    "HDF5": Target("displacement", "cell.h5", (
        "HDF5: displacement with unit = 'um'", "HDF5: data of the original work",
        "HDF5: gzip, shuffle and checksums", "HDF5: region references",
        "HDF5: user block, new version of the format")),
    "HDF5 tractions": Target("traction", "t.h5", (
        "HDF5: traction: good", "HDF5: traction: outline of whole numbers",
        "HDF5: partial file: one of two frames")),
    "pytraction": Target("displacement", "cell.h5", ("HDF5: pytraction",)),
    "NPZ": Target("displacement", "cell.npz", (
        "NPZ: good", "NPZ: Fortran order"), (member,)),
    "NPY": Target("displacement", "cell.npy", (
        "NPY: version 3", "NPY: Fortran order"), (npy_header,)),
    "TIFF": Target("displacement", "cell.tif", (
        "TIFF: good", "TIFF: deflate", "TIFF: ImageJ hyperstack", "TIFF: BigTIFF")),
    "TIFF tractions": Target("traction", "t.tif", ("TIFF: own, good",), TEXT[:1]),
    "text": Target("displacement", "cell.csv", (
        "text: good", "text: tabs", "text: decimal commas", "text: frames 0 and 1",
        "text: mask"), TEXT),
    "text of programs": Target("displacement", "cell.txt", (
        "text: ImageJ PIV", "text: OpenPIV", "text: PIVlab", "text: JPIV",
        "text: DaVis"), TEXT),
    "CSV tractions": Target("traction", "t.csv", ("text: own table, good",), TEXT),
    "MATLAB 5": Target("displacement", "cell.mat", (
        "MATLAB 5: DL-TFM", "MATLAB 5: written by hand", "MATLAB 5: outline",
        "MATLAB 5: Bayesian FTTC", "MATLAB 5: u-inferforce", "MATLAB 5: PIVlab",
        "MATLAB 5: FIDIC", "MATLAB 5: TFM-UQ"), (compressed_element,)),
    "MATLAB 5 tractions": Target("traction", "t.mat", ("MATLAB 5: own, good",),
                                 (compressed_element,)),
    "MATLAB 7.3": Target("displacement", "cell.mat", (
        "MATLAB 7.3: DL-TFM", "MATLAB 7.3: u-inferforce", "MATLAB 7.3: PIVlab",
        "MATLAB 7.3: TFM-UQ")),
    "PNG": Target("labels", "m.png", (
        "mask: grey", "mask: palette", "mask: 16 bits", "mask: 1 bit")),
    "TOML": Target("config", "run.toml", (
        "TOML: good", "TOML: CRLF"), TEXT),
    "experiments": Target("experiments", "dishes.csv", (
        "experiments: good", "experiments: decimal commas"), TEXT),
    "safetensors": Target("model", "small.safetensors", ("model: own network",),
                          (json_header,)),
    "checkpoints": Target("model", "vit.pth", (
        "model: checkpoint", "model: checkpoint, older form"), (member,)),
    "Keras": Target("model", "cnn.h5", ("model: Keras: good",)),
}  # fmt: skip
"""All readers that are fuzzed."""
