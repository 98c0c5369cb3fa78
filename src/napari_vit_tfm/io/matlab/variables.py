"""`Variables`: the variables of a MATLAB file of any version."""

from __future__ import annotations

import io
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import h5py
import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.guard.child import HDF5, MATLAB
from napari_vit_tfm.guard.hdf5 import (
    check_chunks,
    check_numbers,
    check_written,
    datasets_of,
    unwritten_frames,
)
from napari_vit_tfm.guard.links import is_elsewhere
from napari_vit_tfm.guard.matlab_tags import (
    Variable,
    check_headers,
    check_variable,
    file_of_one,
)
from napari_vit_tfm.guard.process import look_first
from napari_vit_tfm.io.base import AnyArray, check_size
from napari_vit_tfm.io.matlab.values import Cell, Struct, Value

_MOST_VALUES = 10_000
"""Most values in a cell array or a struct, with those in them."""

_MOST_NESTED = 12
"""Most cell arrays and structs that are nested in each other, in version 7.3."""

_MOST_TEXT_BYTES = 2**22
"""Size of the longest text or list of references, of a file of version 7.3."""

# MATLAB's names of number types. The header does not tell whether an array is
# complex; this is found when the values are read.
_DTYPES = {"double": "float64", "single": "float32", "logical": "bool"}


@dataclass(frozen=True)
class Header:
    """The header of a variable.

    Parameters
    ----------
    name : str
        Name of the variable.
    shape : tuple of int
        Its shape in MATLAB; empty for structs of version 7.3.
    dtype : str
        Name of the type of numbers, or ``struct``, ``cell``, ``char``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def is_float(self) -> bool:
        """Whether the variable has floating-point numbers."""
        return self.dtype in ("float64", "float32")


class Variables(ABC):
    """The variables of an open MATLAB file.

    Parameters
    ----------
    path : Path
        The file, for messages.
    """

    notes: tuple[str, ...] = ()
    """What a user must know about the file, one sentence each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._structs: dict[str, Struct] = {}

    @cached_property
    @abstractmethod
    def headers(self) -> Mapping[str, Header]:
        """Headers of all variables, by name."""

    @abstractmethod
    def value(self, name: str) -> Value:
        """Value of a variable; arrays have MATLAB's order of axes."""

    @abstractmethod
    def struct_fields(self, name: str) -> set[str]:
        """Names of the fields of a struct; none if there is no such struct."""

    def struct(self, name: str) -> Struct:
        """A variable that is a struct; without elements if there is no such struct."""
        if name not in self._structs:
            is_struct = name in self.headers and self.headers[name].dtype == "struct"
            value = self.value(name) if is_struct else None
            self._structs[name] = value if isinstance(value, Struct) else Struct(())
        return self._structs[name]

    def array(self, name: str) -> AnyArray:
        """A variable that has numbers.

        Raises
        ------
        FieldFileError
            If it has something else.
        """
        value = self.value(name)
        if not isinstance(value, np.ndarray):
            raise FieldFileError(
                f"{self.path}: {name} is a {self.headers[name].dtype}, expected numbers"
            )
        return value


def open_variables(
    path: Path, *, is_hdf5: bool, allow_links: bool = False, resources: ExitStack
) -> Variables:
    """Open a MATLAB file, after a second process has done so.

    Parameters
    ----------
    path : Path
        The file.
    is_hdf5 : bool, keyword-only
        Whether it is an HDF5 file, as those of version 7.3 are.
    allow_links : bool, keyword-only
        Whether parts of the data may be in other files.
    resources : ExitStack, keyword-only
        Closes the file.
    """
    look_first(path, HDF5 if is_hdf5 else MATLAB, allow_links=allow_links)
    if not is_hdf5:
        return _ScipyVariables(path, resources.enter_context(path.open("rb")))
    file = resources.enter_context(h5py.File(path, "r"))
    datasets = datasets_of(path, file, allow_links=allow_links)
    return _Hdf5Variables(path, file, datasets)


class _ScipyVariables(Variables):
    """Variables of a file before version 7.3, which scipy reads."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        super().__init__(path)
        self._stream = stream
        self._checked: Mapping[str, Variable] = {}

    @cached_property
    def headers(self) -> Mapping[str, Header]:
        self._checked = check_headers(self._stream)
        return {
            name: Header(name, one.shape, _DTYPES.get(one.kind, one.kind))
            for name, one in self._checked.items()
        }

    def struct_fields(self, name: str) -> set[str]:
        elements = self.struct(name).elements
        return set(elements[0]) if elements else set()

    def value(self, name: str) -> Value:
        from scipy.io import loadmat

        has_logicals = check_variable(self._stream, self._checked[name])
        # scipy unpacks a part of every variable that it passes over.
        # It also accepts open files, which its type annotations lack.
        one: Any = io.BytesIO(file_of_one(self._stream, self._checked[name]))
        value = _from_scipy(loadmat(one, variable_names=[name])[name])
        if has_logicals:
            value = _with_logicals(value, _typed(one, name))
        # MATLAB stores doubles that are whole numbers as integers, and scipy does not
        # convert them back: a field of zeros is read as uint8. Its option `mat_dtype`
        # would discard the imaginary part of complex numbers.
        if (
            self.headers[name].is_float
            and isinstance(value, np.ndarray)
            and value.dtype.kind in "iu"
        ):
            return value.astype(self.headers[name].dtype)
        return value


def _typed(stream: IO[bytes], name: str) -> Value:
    """A variable in MATLAB's types: scipy's option discards imaginary parts."""
    from scipy.io import loadmat

    stream.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        one: Any = stream
        return _from_scipy(loadmat(one, variable_names=[name], mat_dtype=True)[name])


def _with_logicals(value: Value, typed: Value) -> Value:
    """A value with true and false instead of the 1 and 0 that scipy reads."""
    if isinstance(value, np.ndarray) and isinstance(typed, np.ndarray):
        return value.astype(bool) if typed.dtype == bool else value
    if isinstance(value, Cell) and isinstance(typed, Cell):
        return Cell(tuple(map(_with_logicals, value.items, typed.items)))
    if isinstance(value, Struct) and isinstance(typed, Struct):
        return Struct(
            tuple(
                {name: _with_logicals(one[name], other[name]) for name in one}
                for one, other in zip(value.elements, typed.elements, strict=True)
            )
        )
    return value


def _from_scipy(value: Any) -> Value:
    from scipy.sparse import issparse

    if issparse(value):
        # No program stores fields in it, and it may be huge if it is filled.
        return Cell(())
    array = np.asarray(value)
    if array.ndim == 0 and array.item() is None:
        # A struct without fields.
        return Struct(({},))
    if array.dtype.names is not None:
        return Struct(
            tuple(
                {name: _from_scipy(element[name]) for name in array.dtype.names}
                for element in array.ravel(order="F")
            )
        )
    if array.dtype == object:
        return Cell(tuple(map(_from_scipy, array.ravel(order="F"))))
    if array.dtype.kind == "U":
        return "\n".join(array.ravel())
    return array


class _Hdf5Variables(Variables):
    """Variables of a file of version 7.3, which is HDF5.

    Structs are groups. A cell array is a dataset of references to its contents, and
    each field of a struct array is a dataset of references to the values of the
    elements. MATLAB stores the last axis first.
    """

    def __init__(
        self, path: Path, file: h5py.File, datasets: Mapping[str, h5py.Dataset]
    ) -> None:
        super().__init__(path)
        self.notes = _unwritten_notes(datasets)
        self._file = file
        self._n_values = self._depth = 0

    @cached_property
    def headers(self) -> Mapping[str, Header]:
        return {
            name: _header(name, item)
            for name, item in self._file.items()
            # MATLAB's names are plain text; h5py does not decode others.
            if isinstance(name, str) and not name.startswith("#")
        }

    def struct_fields(self, name: str) -> set[str]:
        item = self._file.get(name)
        return set(item) if isinstance(item, h5py.Group) else set()

    def value(self, name: str) -> Value:
        self._n_values = self._depth = 0
        return self._value(self._file[name])

    def _value(self, item: h5py.Group | h5py.Dataset) -> Value:
        self._depth += 1
        value = self._value_of(item)
        self._depth -= 1
        return value

    def _value_of(self, item: h5py.Group | h5py.Dataset) -> Value:
        # Cells refer to their contents, and may refer to each other.
        self._n_values += 1
        if self._n_values > _MOST_VALUES:
            raise FieldFileError(
                f"{self.path}: there are more than {_MOST_VALUES} values in one "
                "variable, which no file of fields needs"
            )
        if self._depth > _MOST_NESTED:
            raise FieldFileError(
                f"{self.path}: more than {_MOST_NESTED} cell arrays and structs are "
                "nested in each other, which no file of fields needs"
            )
        if isinstance(item, h5py.Group):
            return self._struct(item)
        if item.shape is None or "MATLAB_empty" in item.attrs:
            return "" if _matlab_class(item) == "char" else np.empty((0, 0))
        _check_values(self.path, item)
        if _has_references(item):
            return Cell(tuple(map(self._target, item[...].ravel())))
        if h5py.check_string_dtype(item.dtype) is not None:
            return "\n".join(np.atleast_1d(item.asstr()[...]).ravel())
        array = np.asarray(item[...]).T
        if _matlab_class(item) == "char":
            return "".join(map(chr, array.ravel(order="F").tolist()))
        return array.astype(bool) if _matlab_class(item) == "logical" else array

    def _struct(self, group: h5py.Group) -> Struct:
        items = dict(group.items())
        is_array = bool(items) and all(
            isinstance(item, h5py.Dataset)
            and _has_references(item)
            and _matlab_class(item) != "cell"
            for item in items.values()
        )
        if not is_array:
            return Struct(({name: self._value(item) for name, item in items.items()},))
        for item in items.values():
            _check_values(self.path, item)
        columns = (map(self._target, item[...].ravel()) for item in items.values())
        return Struct(
            tuple(
                dict(zip(items, element, strict=True))
                for element in zip(*columns, strict=True)
            )
        )

    def _target(self, reference: h5py.Reference) -> Value:
        return self._value(self._file[reference]) if reference else np.empty((0, 0))


def _header(name: str, item: h5py.Group | h5py.Dataset) -> Header:
    if isinstance(item, h5py.Group):
        return Header(name, (), "struct")
    shape = tuple(item.shape or ())[::-1]
    if _has_references(item):
        return Header(name, shape, "cell")
    known = {"char": "char", "logical": "bool"}
    return Header(name, shape, known.get(_matlab_class(item), item.dtype.name))


def _check_values(path: Path, item: h5py.Dataset) -> None:
    """Raise an error if values are too large to be those of a field."""
    is_number = item.dtype.kind in "fiubcV" and _matlab_class(item) != "char"
    if not is_number and item.nbytes > _MOST_TEXT_BYTES:
        raise FieldFileError(
            f"{path}: {item.name} has {item.nbytes} bytes of text or references, "
            f"expected at most {_MOST_TEXT_BYTES}"
        )
    if not is_elsewhere(item):
        check_written(path, str(item.name), item)
        check_size(path, str(item.name), item.nbytes, item.id.get_storage_size())
        check_chunks(path, str(item.name), item)
    check_numbers(path, str(item.name), item)


def _unwritten_notes(datasets: Mapping[str, h5py.Dataset]) -> tuple[str, ...]:
    """A note if parts of variables were never written, which MATLAB reads as zeros."""
    names = [
        name
        for name, item in datasets.items()
        if item.dtype.kind in "fiub" and item.ndim >= 2 and unwritten_frames(item)
    ]
    if not names:
        return ()
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (
        f"parts of {', '.join(names[:3])}{rest} were never written to the file: what "
        "is missing is read as zeros",
    )


def _has_references(item: h5py.Dataset) -> bool:
    return bool(h5py.check_ref_dtype(item.dtype) is h5py.Reference)


def _matlab_class(item: h5py.Dataset) -> str:
    name = item.attrs.get("MATLAB_class", b"")
    return name.decode() if isinstance(name, bytes) else str(name)
