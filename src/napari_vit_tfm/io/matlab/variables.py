"""`Variables`: the variables of a MATLAB file of any version."""

from __future__ import annotations

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
from napari_vit_tfm.io.base import AnyArray
from napari_vit_tfm.io.hdf5 import open_hdf5
from napari_vit_tfm.io.matlab.tags import check_headers, check_variable
from napari_vit_tfm.io.matlab.values import Cell, Struct, Value

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


def open_variables(path: Path, *, is_hdf5: bool, resources: ExitStack) -> Variables:
    """Open a MATLAB file.

    Parameters
    ----------
    path : Path
        The file.
    is_hdf5 : bool, keyword-only
        Whether it is an HDF5 file, as those of version 7.3 are.
    resources : ExitStack, keyword-only
        Closes the file.
    """
    if is_hdf5:
        return _Hdf5Variables(path, resources.enter_context(open_hdf5(path)))
    return _ScipyVariables(path, resources.enter_context(path.open("rb")))


class _ScipyVariables(Variables):
    """Variables of a file before version 7.3, which scipy reads."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        super().__init__(path)
        # scipy also accepts open files, which its type annotations lack.
        self._stream: Any = stream
        self._positions: Mapping[str, int] = {}

    @cached_property
    def headers(self) -> Mapping[str, Header]:
        from scipy.io import whosmat

        self._positions = check_headers(self._stream)
        return {
            name: Header(name, tuple(map(int, shape)), _DTYPES.get(kind, kind))
            for name, shape, kind in whosmat(self._stream)
        }

    def struct_fields(self, name: str) -> set[str]:
        elements = self.struct(name).elements
        return set(elements[0]) if elements else set()

    def value(self, name: str) -> Value:
        from scipy.io import loadmat

        check_variable(self._stream, self._positions[name])
        value = _from_scipy(loadmat(self._stream, variable_names=[name])[name])
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

    def __init__(self, path: Path, file: h5py.File) -> None:
        super().__init__(path)
        self._file = file

    @cached_property
    def headers(self) -> Mapping[str, Header]:
        return {
            name: _header(name, item)
            for name, item in self._file.items()
            if not name.startswith("#")
        }

    def struct_fields(self, name: str) -> set[str]:
        item = self._file.get(name)
        return set(item) if isinstance(item, h5py.Group) else set()

    def value(self, name: str) -> Value:
        return self._value(self._file[name])

    def _value(self, item: h5py.Group | h5py.Dataset) -> Value:
        if isinstance(item, h5py.Group):
            return self._struct(item)
        if item.shape is None or "MATLAB_empty" in item.attrs:
            return "" if _matlab_class(item) == "char" else np.empty((0, 0))
        if _has_references(item):
            return Cell(tuple(map(self._target, item[...].ravel())))
        if h5py.check_string_dtype(item.dtype) is not None:
            return "\n".join(np.atleast_1d(item.asstr()[...]).ravel())
        array = np.asarray(item[...]).T
        if _matlab_class(item) == "char":
            return "".join(map(chr, array.ravel(order="F").tolist()))
        return array

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
    is_text = _matlab_class(item) == "char"
    return Header(name, shape, "char" if is_text else item.dtype.name)


def _has_references(item: h5py.Dataset) -> bool:
    return bool(h5py.check_ref_dtype(item.dtype) is h5py.Reference)


def _matlab_class(item: h5py.Dataset) -> str:
    name = item.attrs.get("MATLAB_class", b"")
    return name.decode() if isinstance(name, bytes) else str(name)
