"""The header of an array in an NPY file, or in an NPZ archive."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

MOST_HEADER_BYTES = 10_000
"""Longest header, which numpy has as its limit, too, but only after reading it."""

_LENGTHS = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
"""Number of bytes of the header's length, by version of the format."""


@dataclass(frozen=True)
class Header:
    """The header of an array.

    Parameters
    ----------
    shape : tuple of int
        Its shape.
    is_fortran_order : bool
        Whether the first index changes fastest.
    dtype : numpy.dtype
        Type of its elements.
    """

    shape: tuple[int, ...]
    is_fortran_order: bool
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        """Size of the values."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def is_scalar(self) -> bool:
        """Whether it has one number or text, which is an attribute in an archive."""
        return self.shape == () and not self.dtype.hasobject


def read_header(stream: IO[bytes]) -> Header:
    """Read a header, after which the values follow.

    Parameters
    ----------
    stream : binary file
        The file, at its beginning.

    Raises
    ------
    ValueError
        If it is damaged, or too long.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from napari_vit_tfm.io.npy_header import read_header
    >>> stream = io.BytesIO()
    >>> np.save(stream, np.zeros((3, 4)))
    >>> _ = stream.seek(0)
    >>> read_header(stream).shape
    (3, 4)
    """
    version = np.lib.format.read_magic(stream)
    if version not in _LENGTHS:
        raise ValueError(f"version {version} of the format is not known")
    length = stream.read(_LENGTHS[version])
    n_bytes = int.from_bytes(length, "little")
    if n_bytes > MOST_HEADER_BYTES:
        raise ValueError(
            f"the header has {n_bytes} bytes, expected at most {MOST_HEADER_BYTES}"
        )
    content = io.BytesIO(length + stream.read(n_bytes))
    if version == (1, 0):
        return Header(*np.lib.format.read_array_header_1_0(content))
    return Header(*np.lib.format.read_array_header_2_0(content))
