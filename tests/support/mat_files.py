"""MATLAB files of both kinds, as MATLAB writes them, from the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
from scipy.io import savemat


class Cells(list[Any]):
    """A cell array (n, 1)."""


class Structs(list[Mapping[str, Any]]):
    """A struct array (1, n)."""


Writer = Callable[..., Path]


def write_5(path: Path, **variables: Any) -> Path:
    """A file of version 5. A dictionary is a struct."""
    values = {name: _for_scipy(value) for name, value in variables.items()}
    savemat(path, values, do_compression=True)
    return path


def write_73(path: Path, **variables: Any) -> Path:
    """A file of version 7.3: HDF5 after 512 bytes, last axis first."""
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_group("#refs#")
        for name, value in variables.items():
            _store(file, name, value, references)
    with path.open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    return path


WRITERS: Sequence[Writer] = (write_5, write_73)


def _for_scipy(value: Any) -> Any:
    if isinstance(value, Cells):
        return _objects([_for_scipy(item) for item in value]).reshape(-1, 1)
    if isinstance(value, Structs):
        array = np.empty((1, len(value)), [(name, object) for name in value[0]])
        for number, element in enumerate(value):
            for name, item in element.items():
                array[name][0, number] = _for_scipy(item)
        return array
    if isinstance(value, Mapping):
        return {name: _for_scipy(item) for name, item in value.items()}
    return value


def _objects(items: list[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def _store(group: h5py.Group, name: str, value: Any, references: h5py.Group) -> None:
    if isinstance(value, Cells):
        _store_references(group, name, value, references)
        group[name].attrs["MATLAB_class"] = np.bytes_("cell")
    elif isinstance(value, Structs):
        struct = group.create_group(name)
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in value[0]:
            items = [element[field] for element in value]
            _store_references(struct, field, items, references)
    elif isinstance(value, Mapping):
        struct = group.create_group(name)
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, item in value.items():
            _store(struct, field, item, references)
    elif isinstance(value, str):
        codes = np.array([[ord(letter)] for letter in value], dtype=np.uint16)
        group[name] = codes
        group[name].attrs["MATLAB_class"] = np.bytes_("char")
    else:
        _store_array(group, name, np.atleast_2d(value))


def _store_array(group: h5py.Group, name: str, array: npt.NDArray[Any]) -> None:
    if array.size == 0:
        group[name] = np.array(array.shape, dtype=np.uint64)
        group[name].attrs["MATLAB_empty"] = np.uint8(1)
    else:
        group[name] = array.T.astype(np.uint8 if array.dtype == bool else array.dtype)
    known = {"float64": "double", "bool": "logical"}
    kind = known.get(array.dtype.name, array.dtype.name)
    group[name].attrs["MATLAB_class"] = np.bytes_(kind)


def _store_references(
    group: h5py.Group, name: str, items: Sequence[Any], references: h5py.Group
) -> None:
    names = [f"{group.name.strip('/')}.{name}.{i}" for i in range(len(items))]
    for target, item in zip(names, items, strict=True):
        _store(references, target.replace("/", "."), item, references)
    stored = [references[target.replace("/", ".")].ref for target in names]
    dataset = group.create_dataset(name, (1, len(items)), h5py.ref_dtype)
    for number, reference in enumerate(stored):
        dataset[0, number] = reference
