"""HDF5 files, those of the original work and those this package writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
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

ORIGINAL_NAME = "data"
"""Where the original work keeps displacements and tractions alike."""


def _claims(path: Path, head: bytes) -> bool:
    return bool(h5py.is_hdf5(path))


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """HDF5 attributes as strings, numbers and arrays; empty ones are left out."""
    plain: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, h5py.Empty):
            continue
        if isinstance(value, np.ndarray) and value.size == 1:
            value = value.reshape(())[()]
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        plain[name] = value.item() if isinstance(value, np.generic) else value
    return plain


def _entries(path: Path) -> tuple[ArrayEntry, ...]:
    found: list[ArrayEntry] = []
    with h5py.File(path, "r") as file:
        of_file = plain_attributes(file.attrs)

        def note(name: str, item: h5py.Dataset | h5py.Group) -> None:
            if not isinstance(item, h5py.Dataset):
                return
            # A dataset may have no shape at all: a null dataspace.
            shape = tuple(item.shape or ())
            attributes = of_file | plain_attributes(item.attrs)
            found.append(
                ArrayEntry(
                    name=name,
                    shape=shape,
                    dtype=str(item.dtype),
                    layout=field_layout(shape, item.dtype),
                    original=name == ORIGINAL_NAME and "units" not in attributes,
                    attributes=attributes,
                )
            )

        file.visititems(note)
    return tuple(found)


def _read(path: Path, name: str) -> AnyArray:
    with h5py.File(path, "r") as file:
        return np.asarray(file[name][...])


def _write(
    path: Path, arrays: Mapping[str, AnyArray], attributes: Mapping[str, Attributes]
) -> None:
    with h5py.File(path, "x") as file:
        file.attrs.update(attributes.get("", {}))
        for name, array in arrays.items():
            options: dict[str, Any] = {}
            if array.ndim >= 3:
                # One frame per chunk, as frames are what is read one by one.
                options = {
                    "chunks": (1, *array.shape[1:]),
                    "compression": "gzip",
                    "compression_opts": 1,
                    "shuffle": True,
                }
            dataset = file.create_dataset(name, data=array, **options)
            dataset.attrs.update(attributes.get(name, {}))


register(
    FileFormat(
        name="HDF5",
        endings=(".h5", ".hdf5"),
        expects=EXPECTED_ARRAY,
        claims=_claims,
        entries=_entries,
        read=_read,
        outline=partial(named_outline, read=_read),
        write=_write,
        is_container=True,
    )
)
