from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import (
    read_displacement,
    read_traction,
    summarise,
)
from napari_vit_tfm.io.base import register
from napari_vit_tfm.io.registry import registered_formats

FIELD = np.random.default_rng(0).normal(size=(3, 8, 9, 2))


def write(path: Path, arrays: dict[str, Any], **units: str) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
        for name, unit in units.items():
            file[name].attrs["units"] = unit
    return path


@pytest.mark.parametrize(
    ("file_name", "displacement", "traction"),
    [
        ("run.h5", "data", None),
        ("displacement_01.h5", "data", None),
        ("tractions.h5", None, "data"),
        ("MLData0018_trac.h5", None, "data"),
        ("TractionField.h5", None, "data"),
        ("cell2Traction.h5", None, "data"),
        ("contraction.h5", "data", None),
        ("tracked_cells.h5", "data", None),
        ("displacement_and_traction.h5", "data", None),
    ],
)
def test_the_file_name_speaks_for_data(
    tmp_path: Path, file_name: str, displacement: str | None, traction: str | None
) -> None:
    summary = summarise(write(tmp_path / file_name, {"data": FIELD}))
    assert (summary.displacement, summary.traction) == (displacement, traction)


def test_array_names_come_before_units_before_file_names(tmp_path: Path) -> None:
    path = write(tmp_path / "traction.h5", {"displacement": FIELD})
    assert summarise(path).displacement == "displacement"
    path = write(tmp_path / "traction.h5", {"a": FIELD, "b": FIELD}, a="um")
    summary = summarise(path)
    assert (summary.displacement, summary.traction) == ("a", "b")
    path = write(tmp_path / "displacement.h5", {"data": FIELD}, data="Pa")
    summary = summarise(path)
    assert (summary.displacement, summary.traction) == (None, "data")


def test_what_is_asked_for_is_believed(tmp_path: Path) -> None:
    path = write(tmp_path / "run.h5", {"a/strain": FIELD, "a/other": FIELD + 1})
    assert summarise(path).displacement is None
    with pytest.raises(FieldFileError, match=r"several .*other.*strain.*--dataset"):
        read_displacement(path)
    stack = read_displacement(path, dataset="/a/other")
    np.testing.assert_array_equal(stack.data, (FIELD + 1).astype(np.float32))
    with pytest.raises(FieldFileError, match=r"no array 'b'.*a/strain"):
        read_displacement(path, dataset="b")


def test_nothing_is_a_traction_unless_something_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "run.h5", {"field": FIELD})
    assert summarise(path).displacement == "field"
    with pytest.raises(FieldFileError, match="holds no traction"):
        read_traction(path)
    assert read_traction(path, dataset="field", unit="Pa").unit == "Pa"


def test_long_lists_are_cut(tmp_path: Path) -> None:
    path = write(tmp_path / "run.h5", {f"a{k}": np.zeros(3) for k in range(9)})
    with pytest.raises(FieldFileError, match="and 6 more; expected"):
        read_displacement(path)


@pytest.mark.parametrize("name", ["field.h5", "field.mat", "field.npz", "field.xyz"])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"x y ux uy\n0 0 1 2\n" * 20, "text that begins with 'x'"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "bytes 93 4e 55"),
    ],
)
def test_other_files(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FieldFileError, match=f"{name}: found .*{found}.*, expected"):
        summarise(path)


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    path = write(tmp_path / "run.npz", {"data": FIELD})
    assert summarise(path).format == "HDF5"
    np.savez(tmp_path / "run.mat.npz", displacement=FIELD)
    (tmp_path / "run.mat.npz").rename(tmp_path / "run.h5")
    assert summarise(tmp_path / "run.h5").format == "NPZ"


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(FieldFileError, match=r"no\.h5: there is no such file"):
        read_displacement(tmp_path / "no.h5")
    (tmp_path / "folder.h5").mkdir()
    with pytest.raises(FieldFileError, match="found a folder, expected a file"):
        read_displacement(tmp_path / "folder.h5")


@pytest.mark.parametrize("ending", ["h5", "mat", "npz"])
def test_truncated_files(tmp_path: Path, ending: str) -> None:
    whole = tmp_path / f"whole.{ending}"
    if ending == "h5":
        write(whole, {"displacement": FIELD})
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


def test_a_group_s_name_speaks_for_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "cell.h5"
    with h5py.File(path, "w") as file:
        file["traction/field"] = np.zeros((2, 16, 16, 2))
    summary = summarise(path)
    assert summary.traction == "traction/field"
    assert summary.displacement is None


def test_two_formats_for_one_ending_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two formats for \.mat, MATLAB$"):
        register(registered_formats()[0])


TOY = """
from __future__ import annotations

import json

import numpy as np

from napari_vit_tfm.io.base import ArrayEntry, FileFormat, field_layout, register


def content(path):
    return json.loads(path.read_text())


def entries(path):
    arrays = {name: np.array(value) for name, value in content(path).items()}
    return tuple(
        ArrayEntry(name, a.shape, str(a.dtype), field_layout(a.shape, a.dtype))
        for name, a in arrays.items()
    )


def write(path, arrays, attributes):
    path.write_text(json.dumps({name: a.tolist() for name, a in arrays.items()}))


register(
    FileFormat(
        name="Toy",
        endings=(".toy",),
        expects="an array",
        claims=lambda path, head: head.startswith(b"{"),
        entries=entries,
        read=lambda path, name: np.array(content(path)[name]),
        outline=lambda path, entries: None,
        write=write,
    )
)
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

field = np.arange(2 * 16 * 16 * 2.0).reshape(2, 16, 16, 2)
path = f"{folder}/cell.toy"
io.write_arrays(path, {"displacement": field}, {})
assert io.summarise(path).format == "Toy"
assert np.array_equal(io.read_displacement(path, unit="px").data, field)
told = CliRunner().invoke(main, ["info", path])
assert "cell.toy: Toy" in told.output, told.output
told = CliRunner().invoke(main, ["predict", "--help"])
assert "Toy (.toy)" in told.output, told.output
for use, file in ((io.summarise, "other.xyz"), (io.check_output, "other.xyz")):
    open(f"{folder}/{file}", "w").close()
    try:
        use(f"{folder}/{file}")
    except FieldFileError as error:
        assert "toy" in str(error).lower(), error
    else:
        raise AssertionError(use)
"""


def test_a_new_format_is_one_module(tmp_path: Path) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    done = subprocess.run(
        [sys.executable, "-c", USE, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
