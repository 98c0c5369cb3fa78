"""NPZ archives. Attributes are zero-dimensional arrays named ``array.attribute``."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from napari_vit_tfm.io.base import AnyArray, ArrayEntry, Attributes, field_layout
from napari_vit_tfm.io.exporter import Append, Exporter
from napari_vit_tfm.io.field_file import FieldFile

NAME = "NPZ"
SUFFIXES = (".npz",)
MEMBER_SUFFIX = ".npy"


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
        headers: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        for member in self._archive.namelist():
            if member.endswith(MEMBER_SUFFIX):
                with self._archive.open(member) as stream:
                    headers[member.removesuffix(MEMBER_SUFFIX)] = _header(stream)
        scalars = {
            name: self.values(name, None).item()
            for name, (shape, dtype) in headers.items()
            if shape == () and not dtype.hasobject
        }
        file_attributes = {
            key: value for key, value in scalars.items() if "." not in key
        }
        return tuple(
            ArrayEntry(
                name=name,
                shape=shape,
                dtype=dtype.name,
                layout=field_layout(shape, dtype),
                attributes=file_attributes
                | {
                    key.removeprefix(f"{name}."): value
                    for key, value in scalars.items()
                    if key.startswith(f"{name}.")
                },
            )
            for name, (shape, dtype) in headers.items()
            if name not in scalars
        )

    def values(self, name: str, frames: slice | None) -> AnyArray:
        """Values of a member of the archive; pickled objects are refused."""
        with self._archive.open(name + MEMBER_SUFFIX) as stream:
            array = np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
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


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    return shape, dtype
