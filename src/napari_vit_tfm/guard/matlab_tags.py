"""Check of MATLAB files of version 5 before scipy reads them.

scipy trusts the sizes and types in the tags of such a file. A single wrong byte can
make it read memory that is not its own, which ends the process. `check_headers` and
`check_variable` read the tags themselves.

References
----------
.. [1] The MathWorks, "MAT-File Format", chapter 1: "MAT-File Level 5 File Format".
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import IO

_HEADER_BYTES = 128
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}

_MATRIX, _COMPRESSED = 14, 15
_UTF8 = 16
_NAMES = (1, _UTF8)
_WHOLE_NUMBERS = (5, 6)
_BYTES_OF_NUMBER = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}
_BYTES_OF_CHARACTER = {1: 1, 2: 1, 3: 2, 4: 2, _UTF8: 1, 17: 2, 18: 4}

# Classes of arrays
_CELL, _STRUCT, _OBJECT, _CHAR, _SPARSE = 1, 2, 3, 4, 5
_NUMBERS = range(6, 16)
_FUNCTION, _OPAQUE = 16, 17

_CLASSES = dict(
    enumerate(
        (
            *("cell", "struct", "object", "char", "sparse", "double", "single"),
            *("int8", "uint8", "int16", "uint16", "int32", "uint32"),
            *("int64", "uint64", "function", "opaque"),
        ),
        start=1,
    )
)
"""MATLAB's names of the classes, by their numbers."""

_IS_COMPLEX, _IS_LOGICAL = 0x800, 0x200

_MOST_NESTED = 32
_MOST_VARIABLES = 10_000
_MOST_AXES = 32
_MOST_NAME_BYTES = 4096
_MOST_FIELDS = 4096
_MOST_ARRAYS = 100_000
"""Most arrays in a cell array or a struct, with those in them."""
_MOST_CHARACTERS = 2**20
"""Length of the longest text. In memory, it has four bytes for each character."""
_ANY_BYTES = 2**26
_MOST_UNPACKED = 100
"""A cell array, struct or text of more than `_ANY_BYTES` is unpacked only to so many
times its size in the file. Arrays of numbers may be compressed further."""
_CHUNK_BYTES = 2**16


class _Damaged(ValueError):
    """What is wrong with a tag."""


@dataclass(frozen=True)
class _Header:
    """The first parts of an array: class, flags, and number of elements per axis."""

    kind: int
    is_complex: bool
    is_logical: bool
    shape: tuple[int, ...]
    name: str

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Variable:
    """A variable in a file.

    Parameters
    ----------
    position : int
        Where it begins.
    n_stored : int
        Its length in the file.
    n_bytes : int
        Its length when it is unpacked.
    order : str
        Byte order, "<" or ">".
    kind : str
        MATLAB's name of its class, such as "double", or "logical".
    shape : tuple of int
        Its shape.
    """

    position: int
    n_stored: int
    n_bytes: int
    order: str
    kind: str
    shape: tuple[int, ...]


class _Part:
    """A part of the file of known length, which is read from start to end.

    Parameters
    ----------
    stream : binary file
        The file at the beginning of the part.
    n_bytes : int
        Length of the part.
    order : str
        Byte order, "<" or ">".
    """

    def __init__(self, stream: IO[bytes], n_bytes: int, order: str) -> None:
        self._stream = stream
        self.left = n_bytes
        self.order = order

    def take(self, n: int) -> bytes:
        """The next bytes."""
        if n > self.left:
            raise _Damaged(f"{n} bytes are announced where {self.left} are left")
        taken = self._stream.read(n)
        if len(taken) < n:
            raise _Damaged("the file ends within a variable")
        self.left -= n
        return taken

    def skip(self, n: int) -> None:
        """Leave out the next bytes."""
        while n > 0:
            n -= len(self.take(min(n, _CHUNK_BYTES)))

    def tag(self) -> tuple[int, int, bool]:
        """Type and length of the next element, and whether it has no padding.

        An element of up to four bytes may share its tag's eight bytes.
        """
        (first,) = struct.unpack(f"{self.order}I", self.take(4))
        if first >> 16:
            n_bytes, kind = first >> 16, first & 0xFFFF
            if n_bytes > 4:
                raise _Damaged(f"a short element has {n_bytes} bytes")
            return kind, n_bytes, True
        (n_bytes,) = struct.unpack(f"{self.order}I", self.take(4))
        return first, n_bytes, False

    def element(self, most_bytes: int) -> tuple[int, bytes]:
        """Type and content of the next element."""
        kind, n_bytes, is_short = self.tag()
        if n_bytes > most_bytes:
            raise _Damaged(f"{n_bytes} bytes, expected at most {most_bytes}")
        content = self.take(n_bytes)
        self._skip_padding(n_bytes, is_short=is_short)
        return kind, content

    def skip_element(self) -> tuple[int, int]:
        """Type and length of the next element, which is left out."""
        kind, n_bytes, is_short = self.tag()
        self.skip(n_bytes)
        self._skip_padding(n_bytes, is_short=is_short)
        return kind, n_bytes

    def _skip_padding(self, n_bytes: int, *, is_short: bool) -> None:
        # The padding of the last element may be missing.
        self.skip(min(self.left, 4 - n_bytes if is_short else -n_bytes % 8))

    def numbers(self, most: int) -> tuple[int, ...]:
        """The next element, which has 32-bit whole numbers."""
        kind, content = self.element(4 * most)
        if kind not in _WHOLE_NUMBERS or len(content) % 4:
            raise _Damaged(f"type {kind} of {len(content)} bytes for whole numbers")
        # Some programs write small positive numbers as unsigned ones.
        return struct.unpack(f"{self.order}{len(content) // 4}i", content)

    def name(self, most_bytes: int = _MOST_NAME_BYTES) -> bytes:
        """The next element, which has a name or several."""
        kind, content = self.element(most_bytes)
        if kind not in _NAMES:
            raise _Damaged(f"a name of type {kind}")
        return content


class _Inflated:
    """A compressed part of a file, as a stream."""

    def __init__(self, part: _Part) -> None:
        self._part = part
        self._inflate = zlib.decompressobj()

    def read(self, n: int) -> bytes:
        """The next bytes; fewer at the end."""
        found: list[bytes] = []
        while n > 0 and not self._inflate.eof:
            source = self._inflate.unconsumed_tail
            if not source and self._part.left:
                source = self._part.take(min(self._part.left, _CHUNK_BYTES))
            try:
                more = self._inflate.decompress(source, n)
            except zlib.error as error:
                raise _Damaged(str(error)) from error
            if not more and not source:
                break
            found.append(more)
            n -= len(more)
        return b"".join(found)


def check_headers(stream: IO[bytes]) -> dict[str, Variable]:
    """Check the header of every variable.

    Parameters
    ----------
    stream : binary file
        The open file.

    Returns
    -------
    dict of str to Variable
        The variables, by name.

    Raises
    ------
    ValueError
        Says what is wrong.
    """
    found: dict[str, Variable] = {}
    for position, part in _variables(stream):
        n_stored = part.left
        array = _array_in(part)
        n_bytes = array.left
        header = _header(array)
        found[header.name] = Variable(
            position,
            n_stored,
            n_bytes,
            part.order,
            "logical" if header.is_logical else _CLASSES[header.kind],
            header.shape,
        )
        if len(found) > _MOST_VARIABLES:
            raise _Damaged(f"more than {_MOST_VARIABLES} variables")
    return found


def check_variable(stream: IO[bytes], variable: Variable) -> bool:
    """Check all tags of a variable.

    Parameters
    ----------
    stream : binary file
        The open file.
    variable : Variable
        The variable.

    Returns
    -------
    bool
        Whether it is, or has, an array of true and false. scipy reads 1 and 0.

    Raises
    ------
    ValueError
        Says what is wrong.
    """
    stream.seek(variable.position)
    array = _array_in(_Part(stream, variable.n_stored, variable.order))
    most = max(_MOST_UNPACKED * variable.n_stored, _ANY_BYTES)
    check = _Check(most)
    check.check(array, 0)
    is_compressed = isinstance(array._stream, _Inflated)
    if is_compressed and array.left == 0 and array._stream.read(1):
        # scipy would unpack it, too.
        raise _Damaged("there is more than is announced")
    return check.has_logicals


def file_of_one(stream: IO[bytes], variable: Variable) -> bytes:
    """Content of a file that has only one of the variables of another file."""
    stream.seek(0)
    head = stream.read(_HEADER_BYTES)
    stream.seek(variable.position)
    return head + stream.read(variable.n_stored)


def _variables(stream: IO[bytes]) -> Iterator[tuple[int, _Part]]:
    """Position of every variable, and the rest of the file from there on."""
    size = stream.seek(0, 2)
    stream.seek(0)
    head = stream.read(_HEADER_BYTES)
    order = _BYTE_ORDERS.get(head[126:128])
    if order is None:
        raise _Damaged("the header does not tell the order of bytes")
    position = _HEADER_BYTES
    # MATLAB does not write more; scipy ignores the rest, too.
    while size - position >= 8:
        stream.seek(position)
        part = _Part(stream, size - position, order)
        kind, n_bytes = struct.unpack(f"{order}II", part.take(8))
        if kind not in (_MATRIX, _COMPRESSED) or n_bytes > part.left:
            raise _Damaged(f"a variable of type {kind} with {n_bytes} bytes")
        stream.seek(position)
        yield position, _Part(stream, n_bytes + 8, order)
        position += n_bytes + 8


def _array_in(part: _Part) -> _Part:
    """The array in a variable, which may be compressed."""
    kind, n_bytes, _ = part.tag()
    if kind != _COMPRESSED:
        return _Part(part._stream, n_bytes, part.order)
    inflated = _Part(_Inflated(part), 8, part.order)  # type: ignore[arg-type]
    kind, n_bytes = struct.unpack(f"{part.order}II", inflated.take(8))
    if kind != _MATRIX:
        raise _Damaged(f"type {kind} in a compressed variable")
    inflated.left = n_bytes
    return inflated


def _header(array: _Part) -> _Header:
    flags = array.numbers(2)
    if len(flags) != 2:
        raise _Damaged(f"{len(flags)} flags")
    kind, is_complex = flags[0] & 0xFF, bool(flags[0] & _IS_COMPLEX)
    if kind not in _CLASSES:
        raise _Damaged(f"an array of class {kind}, which is not known")
    is_logical = bool(flags[0] & _IS_LOGICAL)
    if kind == _OPAQUE:
        return _Header(kind, False, False, (), _plain_name(array.name()))
    shape = array.numbers(_MOST_AXES)
    if len(shape) < 2 or min(shape) < 0:
        raise _Damaged(f"the shape {shape}")
    return _Header(kind, is_complex, is_logical, shape, _plain_name(array.name()))


def _plain_name(raw: bytes) -> str:
    name = raw.decode("latin-1")
    if not all(map(str.isprintable, name)):
        raise _Damaged(f"the name {name[:20]!r}")
    return name


class _Check:
    """Checks all tags of an array and of those in it.

    Parameters
    ----------
    most_bytes : int
        Size of the largest array that is not one of numbers.

    Attributes
    ----------
    has_logicals : bool
        Whether one of the arrays has true and false.
    """

    def __init__(self, most_bytes: int) -> None:
        self.has_logicals = False
        self._most_bytes = most_bytes
        self._n_arrays = 0

    def check(self, array: _Part, depth: int) -> None:
        """Check an array."""
        if depth > _MOST_NESTED:
            raise _Damaged(f"more than {_MOST_NESTED} arrays are nested in each other")
        if array.left == 0:
            return  # an empty array
        n_bytes = array.left
        header = _header(array)
        self.has_logicals |= header.is_logical
        if header.kind in _NUMBERS:
            for _ in range(1 + header.is_complex):
                _check_length(array, header.size, _BYTES_OF_NUMBER)
            return
        if n_bytes > self._most_bytes:
            raise _Damaged(
                f"{header.name or 'an array'} is unpacked to {n_bytes} bytes, expected "
                f"at most {self._most_bytes}"
            )
        if header.kind == _CHAR:
            _check_characters(array, header.size)
        elif header.kind == _SPARSE:
            _check_sparse(array, header)
        else:
            self._check_arrays(array, _n_arrays(array, header), depth)

    def _check_arrays(self, array: _Part, n: int, depth: int) -> None:
        # Every array has a tag of eight bytes.
        if 8 * n > array.left:
            raise _Damaged(f"{n} arrays in {array.left} bytes")
        self._n_arrays += n
        if self._n_arrays > _MOST_ARRAYS:
            raise _Damaged(f"more than {_MOST_ARRAYS} arrays in one variable")
        for _ in range(n):
            kind, n_bytes, is_short = array.tag()
            if kind != _MATRIX or is_short or n_bytes > array.left:
                raise _Damaged(f"an element of type {kind} with {n_bytes} bytes")
            inner = _Part(array._stream, n_bytes, array.order)
            self.check(inner, depth + 1)
            inner.skip(inner.left)
            array.left -= n_bytes


def _n_arrays(array: _Part, header: _Header) -> int:
    """Number of arrays in an array."""
    if header.kind == _CELL:
        return header.size
    if header.kind == _FUNCTION:
        return 1
    if header.kind == _OPAQUE:
        for _ in range(2):
            array.name()
        return 1
    if header.kind == _OBJECT:
        array.name()
    elif header.kind != _STRUCT:
        raise _Damaged(f"an array of class {header.kind}, which is not read")
    return header.size * _n_fields(array)


def _check_length(array: _Part, size: int, bytes_of: dict[int, int]) -> None:
    kind, n_bytes = array.skip_element()
    if kind not in bytes_of or n_bytes != size * bytes_of[kind]:
        raise _Damaged(f"{n_bytes} bytes of type {kind} for {size} values")


def _check_characters(array: _Part, size: int) -> None:
    if size > _MOST_CHARACTERS:
        raise _Damaged(f"a text of {size} characters")
    kind, n_bytes = array.skip_element()
    width = _BYTES_OF_CHARACTER.get(kind)
    # One character has up to four bytes in UTF-8.
    most = 4 * size if kind == _UTF8 else size * (width or 0)
    # The blanks of a short text may be left out altogether.
    is_too_short = n_bytes < min(size, most) and (n_bytes or size > _MOST_NAME_BYTES)
    if width is None or n_bytes > most or is_too_short:
        raise _Damaged(f"{n_bytes} bytes of type {kind} for {size} characters")


def _check_sparse(array: _Part, header: _Header) -> None:
    n_rows, n_columns = header.shape[:2]
    rows = array.numbers(array.left // 4)
    starts = array.numbers(n_columns + 1)
    is_ordered = all(a <= b for a, b in pairwise(starts))
    if (
        len(starts) != n_columns + 1
        or starts[0] != 0
        or not is_ordered
        or starts[-1] > len(rows)
        or not all(0 <= row < n_rows for row in rows[: starts[-1]])
    ):
        raise _Damaged("the indices of a sparse matrix")
    for _ in range(1 + header.is_complex):
        kind, n_bytes = array.skip_element()
        # MATLAB calls the bytes of a logical matrix doubles.
        if kind not in _BYTES_OF_NUMBER or n_bytes < starts[-1]:
            raise _Damaged(f"{n_bytes} bytes of type {kind} in a sparse matrix")


def _n_fields(array: _Part) -> int:
    """Number of fields of a struct, whose names are left out."""
    lengths = array.numbers(1)
    if len(lengths) != 1 or not 0 < lengths[0] <= _MOST_NAME_BYTES:
        raise _Damaged(f"{lengths} bytes for the name of a field")
    names = array.name(_MOST_FIELDS * lengths[0])
    if len(names) % lengths[0]:
        raise _Damaged("the names of fields")
    return len(names) // lengths[0]
