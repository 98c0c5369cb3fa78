from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import (
    FieldFile,
    exporters,
    read_displacement,
    readers,
    summarise,
)

FIELD = np.random.default_rng(0).normal(size=(3, 8, 9, 2))


def write(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["data"] = FIELD
    return path


@pytest.mark.parametrize("name", ["field.h5", "field.mat", "field.npz", "field.xyz"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"Some notes on cell 7.\n" * 20, "text that begins with 'Some'"),
        (b"\x89PNG\r\n\x1a\n", "bytes 89 50 4e"),
    ],
)
def test_other_files(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FieldFileError, match=f"{name}: found .*{found}.*, expected"):
        summarise(path)


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    path = write(tmp_path / "run.npz")
    assert summarise(path).format == "HDF5"
    np.savez(tmp_path / "run.mat.npz", displacement=FIELD)
    (tmp_path / "run.mat.npz").rename(tmp_path / "run.h5")
    assert summarise(tmp_path / "run.h5").format == "NPZ"


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FieldFileError, match=r"no\.h5: there is no such file"):
        read_displacement(tmp_path / "no.h5")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(FieldFileError, match="folder has no file of a known format"):
        read_displacement(tmp_path / "folder.h5")
    with pytest.raises(FieldFileError, match="found a folder, expected a file"):
        summarise(tmp_path / "folder.h5")


@pytest.mark.parametrize("ending", ["h5", "mat", "npz"])
def test_truncated_files(tmp_path: Path, ending: str) -> None:
    whole = tmp_path / f"whole.{ending}"
    if ending == "h5":
        write(whole)
    elif ending == "mat":
        savemat(whole, {"dspl": FIELD[0]}, do_compression=True)
    else:
        np.savez_compressed(whole, displacement=FIELD)
    content = whole.read_bytes()
    path = tmp_path / f"part.{ending}"
    for length in np.linspace(1, len(content) - 1, 40, dtype=int):
        path.write_bytes(content[:length])
        with pytest.raises(FieldFileError, match=f"part.{ending}: ") as caught:
            read_displacement(path)
        assert "\n" not in str(caught.value)


def test_two_formats_for_one_suffix_are_refused() -> None:
    before = readers()
    with pytest.raises(ValueError, match=r"two formats for \.mat$"):

        class Other(FieldFile):
            name = "other"
            suffixes = (".mat",)

    readers.cache_clear()
    assert readers() == before


def test_hdf5_after_a_user_block(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with h5py.File(path, "w", userblock_size=4096) as file:
        file["data"] = FIELD
    assert summarise(path).format == "HDF5"


READER = """
import json

import numpy as np

from napari_vit_tfm.io import ArrayEntry, FieldFile, field_layout


class ToyFile(FieldFile):
    name = "Toy"
    suffixes = (".toy",)

    @classmethod
    def recognises(cls, path, head):
        return head.startswith(b"{")

    def open(self, resources):
        stream = resources.enter_context(self.path.open())
        self.content = {k: np.array(v) for k, v in json.load(stream).items()}

    def entries(self):
        return tuple(
            ArrayEntry(name, a.shape, str(a.dtype), field_layout(a.shape, a.dtype))
            for name, a in self.content.items()
        )

    def values(self, name, frames):
        return self.content[name] if frames is None else self.content[name][frames]
"""

EXPORTER = """
import json
from contextlib import contextmanager

from napari_vit_tfm.io import Exporter


class ToyExporter(Exporter):
    name = "Toy"
    suffixes = (".toy",)

    @classmethod
    @contextmanager
    def open(cls, path, attributes):
        content = {}

        def append(name, frames, attributes):
            content.setdefault(name, []).extend(frames.tolist())

        yield append
        path.write_text(json.dumps(content))
"""

USE = """
import sys

import numpy as np
from click.testing import CliRunner

from napari_vit_tfm.io import formats

folder = sys.argv[1]
formats.__path__.append(folder)

from napari_vit_tfm import io
from napari_vit_tfm.cli.main import main
from napari_vit_tfm.errors import FieldFileError


def output_of(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


field = np.arange(3 * 16 * 16 * 2.0).reshape(3, 16, 16, 2)
path, out = f"{folder}/cell.toy", f"{folder}/out.toy"
io.write_arrays(path, {"displacement": field}, {})
assert io.summarise(path).format == "Toy"
assert np.array_equal(io.read_displacement(path, unit="px").data, field)
assert "cell.toy: Toy" in output_of("info", path)
assert "Toy (.toy)" in output_of("predict", "--help")
options = ("--model", "fttc", "--device", "cpu", "--units", "grid", "--batch-size", 2)
assert "(3 frames of 16 x 16" in output_of("predict", path, "-o", out, *options)
assert io.read_traction(out, unit="1").data.shape == (3, 16, 16, 2)
for use in (io.summarise, io.check_output):
    open(f"{folder}/other.xyz", "w").close()
    try:
        use(f"{folder}/other.xyz")
    except FieldFileError as error:
        assert "toy" in str(error).lower(), error
    else:
        raise AssertionError(use)
"""


def test_a_new_reader_and_a_new_exporter_are_one_module_each(tmp_path: Path) -> None:
    (tmp_path / "toy_reader.py").write_text(READER)
    (tmp_path / "toy_exporter.py").write_text(EXPORTER)
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_all_written_formats_can_be_read() -> None:
    read = {suffix for reader in readers() for suffix in reader.suffixes}
    written = {suffix for exporter in exporters() for suffix in exporter.suffixes}
    assert written <= read
