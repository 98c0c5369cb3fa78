"""Safe reading of checkpoints in the format of the original work.

Such a file is a pickle, and a pickle can run code. Only tensors and plain values are
loaded. A file that holds anything else is rejected.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile

import torch
from torch import Tensor

from napari_vit_tfm.errors import ModelError

WEIGHT_ENTRIES = ("best_model_weights", "final_model_weights")
"""Entries that may hold the weights, in order of preference."""

_DTYPES = (torch.float32, torch.float64)
# A zip archive, the present format of torch.save, or a pickle of protocol 2, its
# earlier format.
_ZIP = b"PK\x03\x04"
_SIGNATURES = (_ZIP, b"\x80\x02")
_MOST_WEIGHTS = 100_000
_EXPECTED = (
    "expected a PyTorch file with a dictionary whose "
    f"{WEIGHT_ENTRIES[0]!r} or {WEIGHT_ENTRIES[1]!r} holds the weights"
)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Contents of a checkpoint file.

    Parameters
    ----------
    weights : dict of str to Tensor
        Parameters by name, all float32 or all float64, on the CPU.
    sha256 : str
        SHA-256 of the file, in hexadecimal.
    """

    weights: dict[str, Tensor]
    sha256: str


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint in the original format.

    Parameters
    ----------
    path : str or Path
        A file written by ``torch.save``. It holds a dictionary in which
        ``best_model_weights`` or ``final_model_weights`` is a state dictionary.

    Returns
    -------
    Checkpoint

    Raises
    ------
    ModelError
        If the file cannot be read, is not such a checkpoint, or holds anything
        other than tensors and plain values. No code in it is executed.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    weights = _weights(path, _load(path, content), len(content))
    return Checkpoint(weights=weights, sha256=hashlib.sha256(content).hexdigest())


def check_zip(path: Path, stream: BinaryIO) -> None:
    """Check the CRC of each part of a file in the present format of PyTorch.

    PyTorch itself does not check them. Files in its earlier format have none.

    Parameters
    ----------
    path : Path
        The file, for messages.
    stream : binary stream
        Its content.

    Raises
    ------
    ModelError
        If a part is damaged, or compressed.
    """
    size = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    try:
        with ZipFile(stream) as archive:
            parts = archive.infolist()
            # PyTorch compresses nothing, and no part is stored twice.
            if (
                any(part.compress_type != ZIP_STORED for part in parts)
                or sum(part.file_size for part in parts) > size
            ):
                raise ModelError(
                    f"{path}: its parts are compressed, which PyTorch does not do"
                )
            damaged = archive.testzip()
    except ModelError:
        raise
    except Exception as error:  # a damaged archive can fail in any way
        raise ModelError(f"{path} is damaged: {error}; {_EXPECTED}") from error
    if damaged is not None:
        raise ModelError(
            f"{path} is damaged: {damaged!r} does not have its checksum; copy the file "
            "again from where it comes from"
        )


def _load(path: Path, content: bytes) -> object:
    if not content.startswith(_SIGNATURES):
        raise ModelError(
            f"{path} is not a PyTorch file: it begins with {content[:8]!r}; {_EXPECTED}"
        )
    if content.startswith(_ZIP):
        check_zip(path, io.BytesIO(content))
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's message names the object in the file, but also advises how to load
        # it unsafely: only the name is passed on.
        found = re.search(r"GLOBAL (\S+)", str(error))
        raise ModelError(
            f"{path} was rejected because it holds "
            f"{found[1] if found else 'an unknown object'}: only tensors and plain "
            "values are loaded from a checkpoint, nothing that could run code"
        ) from None
    except Exception as error:  # a damaged file can fail in any way
        raise ModelError(
            f"{path} is damaged or not a checkpoint; {_EXPECTED}"
        ) from error


def _weights(path: Path, found: object, size: int) -> dict[str, Tensor]:
    if not isinstance(found, Mapping):
        raise ModelError(f"{path} holds a {type(found).__name__}; {_EXPECTED}")
    present = {key: found[key] for key in WEIGHT_ENTRIES if key in found}
    entry = next((key for key, value in present.items() if not _is_empty(value)), None)
    if entry is None:
        raise ModelError(f"{path} holds the entries {_first_keys(found)}; {_EXPECTED}")
    weights = found[entry]
    if not isinstance(weights, Mapping):
        raise ModelError(
            f"{path}: {entry!r} is a {type(weights).__name__}, "
            "not a dictionary of tensors"
        )
    for name, value in weights.items():
        if not (isinstance(name, str) and _is_plain(value)):
            raise ModelError(
                f"{path}: {name!r} in {entry!r} is {_describe(value)}, "
                "not a float32 or float64 tensor"
            )
    if len({value.dtype for value in weights.values()}) > 1:
        raise ModelError(f"{path}: {entry!r} mixes float32 and float64 tensors")
    n_bytes = sum(value.numel() * value.element_size() for value in weights.values())
    if len(weights) > _MOST_WEIGHTS or n_bytes > size:
        raise ModelError(
            f"{path}: {entry!r} has {len(weights)} tensors of {n_bytes} bytes, but the "
            f"file has only {size} bytes"
        )
    return dict(weights)


def _is_empty(value: object) -> bool:
    """Whether there is nothing; a tensor has no truth that could be asked for."""
    return value is None or (isinstance(value, Mapping) and not value)


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, Tensor)
        and value.dtype in _DTYPES
        and value.layout is torch.strided
        and value.device.type == "cpu"
    )


def _describe(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a {value.layout} tensor of {value.dtype} on {value.device}"
    return f"a {type(value).__name__}"


def _first_keys(found: Mapping[object, object], limit: int = 5) -> str:
    """The first few keys, and the number of the others."""
    shown = ", ".join(repr(key) for key in list(found)[:limit]) or "(none)"
    return shown + (f" and {len(found) - limit} more" if len(found) > limit else "")
