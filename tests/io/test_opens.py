"""How often a file is opened, by any library."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from napari_vit_tfm import io

RNG = np.random.default_rng(0)
FIELD = RNG.normal(size=(2, 16, 16, 2))

ONCE = 2
"""Opening a file once: to read its first bytes, and by the library of its format."""


class Opens:
    """Counts how often a file is opened, by Python or by HDF5."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.is_counting = False

    def record(self, path: Any) -> None:
        if self.is_counting and isinstance(path, str | bytes | os.PathLike):
            self.paths.append(os.fsdecode(path))

    def of(self, path: Path, use: Callable[[], object]) -> int:
        use()  # The first call also imports modules.
        self.paths.clear()
        self.is_counting = True
        use()
        self.is_counting = False
        return self.paths.count(str(path))


@pytest.fixture(scope="module")
def audited() -> Opens:
    """Counter of every `open`; an audit hook cannot be removed."""
    opens = Opens()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            opens.record(arguments[0])

    sys.addaudithook(hook)
    return opens


@pytest.fixture
def opens(audited: Opens, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opens]:
    def counting(function: Callable[..., Any]) -> Callable[..., Any]:
        def count_and_call(path: Any, *rest: Any, **named: Any) -> Any:
            audited.record(path)
            return function(path, *rest, **named)

        return count_and_call

    monkeypatch.setattr(h5py.h5f, "open", counting(h5py.h5f.open))
    monkeypatch.setattr(h5py, "is_hdf5", counting(h5py.is_hdf5))
    yield audited
    audited.is_counting = False


def write(path: Path) -> Path:
    """Write a file with two fields, outline, drift and segmentation."""
    if path.suffix == ".mat":
        positions = np.array([[x, y] for x in range(4) for y in range(4)], dtype=float)
        outline = {"brdx": [1.0, 5, 9], "brdy": [1.0, 5, 9]}
        fields: dict[str, Any] = {"dspl": FIELD[0], "trac": FIELD[0]}
        if path.stem == "struct":
            displacement = {"pos": positions, "vec": positions}
            fields = {"input_data": {"displacement": displacement}}
        savemat(path, {**fields, **outline})
        return path
    io.write_arrays(
        path,
        {
            "displacement": FIELD,
            "traction": FIELD,
            "drift": np.zeros((2, 2)),
            "outline": np.zeros((3, 2)),
            "segmentation": np.zeros((2, 16, 16), dtype=int),
        },
        {
            "": {"spacing_um": 0.5},
            "displacement": {"units": "um", "young_pa": 900.0},
            "traction": {"units": "Pa"},
            "drift": {"units": "grid"},
        },
    )
    return path


@pytest.fixture(params=["cell.h5", "cell.npz", "cell.mat"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write(tmp_path / str(request.param))


@pytest.mark.parametrize(
    "read",
    [io.summarise, io.read_displacement, io.read_traction, io.read_segmentation],
)
def test_reading_opens_a_file_once(
    opens: Opens, path: Path, read: Callable[[Path], object]
) -> None:
    assert opens.of(path, lambda: read(path)) == ONCE


def test_a_struct_is_read_once(
    opens: Opens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "struct.mat")
    assert opens.of(path, lambda: io.read_displacement(path)) == ONCE
    import scipy.io

    loaded: list[list[str]] = []

    def counting(*arguments: Any, variable_names: list[str], **named: Any) -> Any:
        loaded.append(variable_names)
        return load(*arguments, variable_names=variable_names, **named)

    load = scipy.io.loadmat
    monkeypatch.setattr(scipy.io, "loadmat", counting)
    with io.open_field_file(path) as file:
        io.summarise(file)
        io.read_displacement(file)
    assert loaded.count(["input_data"]) == 1


def test_all_of_an_open_file_is_read_without_opening_it_again(
    opens: Opens, path: Path
) -> None:
    def read_all() -> None:
        with io.open_field_file(path) as file:
            io.summarise(file)
            io.read_displacement(file)
            io.read_traction(file)
            io.read_segmentation(file)
            with io.open_displacement(file) as displacement:
                displacement.frames(0, 1)

    assert opens.of(path, read_all) == ONCE


def test_a_series_opens_every_file_once(opens: Opens, path: Path) -> None:
    other = write(path.with_stem("cell_2"))
    for file in (path, other):
        assert opens.of(file, lambda: io.read_displacement([path, other])) == ONCE


def test_a_file_is_open_only_in_its_block(path: Path) -> None:
    with io.open_field_file(path) as file:
        before = io.read_displacement(file).data
        np.testing.assert_array_equal(io.read_displacement(file).data, before)
    for not_open in (file, io.open_field_file(path)):
        with pytest.raises(ValueError, match="not open"):
            io.read_displacement(not_open)
