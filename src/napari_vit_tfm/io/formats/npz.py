"""NPZ archives. Attributes are zero-dimensional arrays named ``array.attribute``."""

from __future__ import annotations

import math
import re
import sys
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.attributes import NUMBERS_OF_FIELDS, SYNONYMS
from napari_vit_tfm.io.base import AnyArray, ArrayEntry, Attributes, field_layout
from napari_vit_tfm.io.exporter import Append, Exporter
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.npy_header import Header, read_header

NAME = "NPZ"
SUFFIXES = (".npz",)
MEMBER_SUFFIX = ".npy"

MOST_MEMBERS = 10_000
"""Most arrays and attributes in an archive."""

_PICKLED = "a pickled object, which is never loaded"
"""What stands for the value of such an attribute: it is no unit, and no number."""

MOST_ATTRIBUTE_BYTES = 2**20
"""Size of the largest attribute that is read."""


class NpzFile(FieldFile):
    """Arrays are members of the archive. A member is always read as a whole."""

    name = NAME
    suffixes = SUFFIXES
    is_container = True

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        """Whether the file is a ZIP archive."""
        return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))

    def open(self, resources: ExitStack) -> None:
        """Open the archive."""
        self._archive = resources.enter_context(zipfile.ZipFile(self.path))

    def entries(self) -> tuple[ArrayEntry, ...]:
        """All members except the attributes, which are read."""
        members = [
            member
            for member in self._archive.infolist()
            if member.filename.endswith(MEMBER_SUFFIX)
        ]
        if len(members) > MOST_MEMBERS:
            raise FieldFileError(
                f"{self.path}: there are {len(members)} arrays, expected at most "
                f"{MOST_MEMBERS}"
            )
        self._check_twice(members)
        headers: dict[str, Header] = {}
        too_large: list[str] = []
        attributes: dict[str, dict[str, Any]] = {"": {}}
        for member in members:
            name = member.filename.removesuffix(MEMBER_SUFFIX)
            with self._archive.open(member) as stream:
                header = read_header(stream)
                if not header.is_scalar and not _is_attribute(name, header):
                    headers[name] = header
                elif member.file_size <= MOST_ATTRIBUTE_BYTES:
                    value: Any = _PICKLED
                    if not header.dtype.hasobject:
                        value = self._attribute(name, _array(stream))
                    for array, key in _arrays_of(name):
                        attributes.setdefault(array, {})[key] = value
                else:
                    too_large.append(name)
        for name in too_large:
            # Another program may have stored anything; an attribute is used.
            if any(array in headers for array, _ in _arrays_of(name)):
                raise FieldFileError(
                    f"{self.path}: {name} has more than {MOST_ATTRIBUTE_BYTES} bytes, "
                    "which no attribute needs"
                )
        return tuple(
            ArrayEntry(
                name=name,
                shape=header.shape,
                dtype=header.dtype.name,
                layout=field_layout(header.shape, header.dtype),
                attributes=attributes[""] | attributes.get(name, {}),
            )
            for name, header in headers.items()
        )

    def _attribute(self, name: str, array: AnyArray) -> Any:
        """The value of an attribute; a list if there are several."""
        # numpy makes texts of numbers that are no letters.
        if array.dtype.kind == "U" and array.size:
            letters = array.reshape(-1).view(f"{array.dtype.byteorder}u4")
            if (letters > sys.maxunicode).any():
                raise FieldFileError(f"{self.path}: {name} is damaged: it is no text")
        return array.item() if array.size == 1 else array.tolist()

    def _check_twice(self, members: list[zipfile.ZipInfo]) -> None:
        """Raise an error if there are two different arrays of one name."""
        known: dict[str, tuple[int, int]] = {}
        for member in members:
            content = member.CRC, member.file_size
            if known.setdefault(member.filename, content) != content:
                raise FieldFileError(
                    f"{self.path}: there are two arrays of the name "
                    f"{member.filename.removesuffix(MEMBER_SUFFIX)}"
                )

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Values of a member of the archive; pickled objects are refused."""
        member = self._archive.getinfo(name + MEMBER_SUFFIX)
        with self._archive.open(member) as stream:
            header = read_header(stream)
            if header.n_bytes > member.file_size:
                raise FieldFileError(
                    f"{self.path}: {name} has {header.n_bytes} bytes according to its "
                    f"header, but {member.file_size} bytes are in the file"
                )
            if stream.tell() + header.n_bytes != member.file_size:
                raise FieldFileError(
                    f"{self.path}: {name} has {member.file_size - stream.tell()} bytes "
                    f"after its header, which says {header.n_bytes}: the file is "
                    "damaged or incomplete"
                )
            array = _array(stream)
        return array if frames is None else array[frames]


class NpzExporter(Exporter):
    """The whole content is kept in memory until the file is written."""

    name = NAME
    suffixes = SUFFIXES

    @classmethod
    @contextmanager
    def open(cls, path: Path, attributes: Attributes) -> Iterator[Append]:
        """Create an archive, which is written when the block ends."""
        parts: dict[str, list[AnyArray]] = {}
        scalars = dict(attributes)

        def append(name: str, frames: AnyArray, attributes: Attributes) -> None:
            parts.setdefault(name, []).append(frames)
            scalars.update({f"{name}.{key}": x for key, x in attributes.items()})

        yield append
        arrays = {
            name: found[0] if len(found) == 1 else np.concatenate(found)
            for name, found in parts.items()
        }
        # An archive that cannot be written cannot be closed either. numpy.savez can be
        # told not to pickle from numpy 2.2 on.
        content = BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, values in {**arrays, **scalars}.items():
                with archive.open(
                    name + MEMBER_SUFFIX, "w", force_zip64=True
                ) as member:
                    np.lib.format.write_array(
                        member, np.asanyarray(values), allow_pickle=False
                    )
        path.write_bytes(content.getbuffer())


def _is_attribute(name: str, header: Header) -> bool:
    """Whether an array that is no scalar stands for an attribute, by its name.

    An array of one number is the number, as in HDF5. Other arrays are errors when the
    attribute is used, as the default would be used otherwise.
    """
    key = name.rpartition(".")[2]
    if key in NUMBERS_OF_FIELDS:
        return len(header.shape) < 2 or math.prod(header.shape) == 1
    return key in SYNONYMS and math.prod(header.shape) == 1


def _arrays_of(name: str) -> Iterator[tuple[str, str]]:
    """Arrays whose attribute a scalar may be, and its name; "" is the whole file.

    Names of arrays and of attributes may have dots, too.
    """
    if "." not in name:
        yield "", name
    for match in re.finditer(r"\.", name):
        yield name[: match.start()], name[match.end() :]


def _array(stream: IO[bytes]) -> AnyArray:
    """The array of a member; pickled objects are refused."""
    stream.seek(0)
    return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
