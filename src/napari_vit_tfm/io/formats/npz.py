"""NPZ archives. Attributes are arrays without axes, named ``array.attribute``."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from napari_vit_tfm.io.base import (
    EXPECTED_ARRAY,
    AnyArray,
    ArrayEntry,
    Attributes,
    FileFormat,
    field_layout,
    named_outline,
    register,
)

MEMBER_ENDING = ".npy"


def _claims(path: Path, head: bytes) -> bool:
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def _header(member: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(member)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(member)
    return shape, dtype


def _entries(path: Path) -> tuple[ArrayEntry, ...]:
    headers: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.endswith(MEMBER_ENDING):
                with archive.open(member) as stream:
                    headers[member.removesuffix(MEMBER_ENDING)] = _header(stream)
    scalars = {
        name: _read(path, name).item()
        for name, (shape, dtype) in headers.items()
        if shape == () and not dtype.hasobject
    }
    of_file = {key: value for key, value in scalars.items() if "." not in key}
    return tuple(
        ArrayEntry(
            name=name,
            shape=shape,
            dtype=str(dtype),
            layout=field_layout(shape, dtype),
            attributes=of_file
            | {
                key.removeprefix(f"{name}."): value
                for key, value in scalars.items()
                if key.startswith(f"{name}.")
            },
        )
        for name, (shape, dtype) in headers.items()
        if name not in scalars
    )


def _read(path: Path, name: str) -> AnyArray:
    with np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive[name])


def _write(
    path: Path, arrays: Mapping[str, AnyArray], attributes: Mapping[str, Attributes]
) -> None:
    scalars = {
        f"{name}.{key}" if name else key: np.asarray(value)
        for name, of_array in attributes.items()
        for key, value in of_array.items()
    }
    with path.open("xb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays, **scalars)


register(
    FileFormat(
        name="NPZ",
        endings=(".npz",),
        expects=EXPECTED_ARRAY,
        claims=_claims,
        entries=_entries,
        read=_read,
        outline=partial(named_outline, read=_read),
        write=_write,
        is_container=True,
    )
)
