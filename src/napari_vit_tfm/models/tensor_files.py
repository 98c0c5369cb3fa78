"""The files of this project that hold tensors: safetensors with a checksum.

A changed bit in a weight gives other tractions, not an error. The header of a file
therefore has a checksum, the SHA-256 of the whole file with 64 zeros in its place. A
file whose checksum is missing or does not match is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from napari_vit_tfm.errors import ModelError
from napari_vit_tfm.io.replacing import write_bytes

_CHECKSUM = "checksum"
_NONE = b"0" * 64
# Quotes inside of a value are escaped, so this is the entry itself.
_ENTRY = re.compile(rb'"checksum":"([0-9a-f]{64})"')
_LENGTH_BYTES = 8
_MOST_HEADER_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class TensorFile:
    """Contents of a file.

    Parameters
    ----------
    header : mapping of str to str
        What is known about the tensors.
    tensors : mapping of str to Tensor
        The tensors by name, on the CPU.
    sha256 : str
        SHA-256 of the file, in hexadecimal.
    """

    header: Mapping[str, str]
    tensors: Mapping[str, Tensor]
    sha256: str


def write_tensors(
    path: str | Path, tensors: Mapping[str, Tensor], header: Mapping[str, str]
) -> None:
    """Write tensors with a header and its checksum.

    Parameters
    ----------
    path : path
        File to write. An existing file is replaced only by a complete one.
    tensors : mapping of str to Tensor
        The tensors. They may share memory.
    header : mapping of str to str
        What is known about them. ``format`` names the kind of the file.
    """
    whole = {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in tensors.items()
    }
    content = save(whole, {**header, _CHECKSUM: _NONE.decode()})
    digest = hashlib.sha256(content).hexdigest().encode()
    content = _with_checksum(content, digest)
    write_bytes(Path(path), content)


def read_tensors(path: str | Path, *, form: str, what: str) -> TensorFile:
    """Read a file written by `write_tensors`.

    Parameters
    ----------
    path : path
        The file.
    form : str, keyword-only
        The expected ``format`` in its header.
    what : str, keyword-only
        What such a file is, for messages, such as "a network of this project".

    Raises
    ------
    ModelError
        If the file is no safetensors file, has another format, or was changed after
        it was written.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            start, header = _read_header(path, stream)
            found = header.get("format")
            if found != form:
                raise ModelError(
                    f"{path}: a safetensors file, but not {what} (its header has the "
                    f"format {found!r:.60}, expected {form!r})"
                )
            content = start + stream.read()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    _check(path, content, len(start))
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: not a safetensors file ({error})") from error
    return TensorFile(header, tensors, sha256)


def _read_header(path: Path, stream: BinaryIO) -> tuple[bytes, dict[str, str]]:
    """The first bytes of a file, up to the tensors, and the header in them."""
    start = stream.read(_LENGTH_BYTES)
    size = int.from_bytes(start, "little")
    if len(start) < _LENGTH_BYTES or not 2 <= size <= _MOST_HEADER_BYTES:
        raise ModelError(f"{path}: not a safetensors file")
    start += stream.read(size)
    try:
        entries = json.loads(start[_LENGTH_BYTES:])
        header = entries.get("__metadata__", {})
        if not all(isinstance(value, str) for value in header.values()):
            raise TypeError
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{path}: not a safetensors file") from error
    return start, header


def _check(path: Path, content: bytes, end: int) -> None:
    """Raise an error if the content does not have its checksum."""
    found = _ENTRY.search(content, 0, end)
    if found is None:
        raise ModelError(
            f"{path}: its header has no checksum, so nobody can tell whether it is "
            "damaged: write it again with this version of napari-vit-tfm"
        )
    expected = hashlib.sha256(_with_checksum(content, _NONE)).hexdigest()
    if found[1].decode() != expected:
        raise ModelError(
            f"{path}: damaged, or changed after it was written: it does not have its "
            "checksum; copy it again from where it comes from"
        )


def _with_checksum(content: bytes, digits: bytes) -> bytes:
    """The content of a file with other digits as its checksum."""
    return _ENTRY.sub(b'"checksum":"' + digits + b'"', content, count=1)
