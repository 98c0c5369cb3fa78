"""Masks of cells as PNG images: whole numbers as they are stored."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from napari_vit_tfm.errors import FieldFileError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS_AT = 24
"""Position of the number of bits of a grey value or an index in the file."""

_NUMBERS = {"1", "L", "I", "I;16", "P"}
"""Pillow's modes of images in which a pixel is one number."""


def is_png(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a PNG image, by its content."""
    path = Path(path)
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(_SIGNATURE)) == _SIGNATURE


def read_png(path: Path) -> npt.NDArray[np.int64]:
    """Read the grey values or the indices of the palette of a PNG image.

    Parameters
    ----------
    path : Path
        The image.

    Returns
    -------
    array of int, shape (H, W)
        The numbers in the file. Those of an image with fewer than 8 bits are not
        stretched to 255.

    Raises
    ------
    FieldFileError
        If the image is in colour, has several frames, or is damaged.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from PIL import Image
    >>> from napari_vit_tfm.io.png import read_png
    >>> Image.fromarray(np.array([[0, 700]], dtype=np.uint16)).save("cells.png")
    >>> read_png(Path("cells.png")).tolist()
    [[0, 700]]
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            _check(path, image)
            values = np.asarray(image).astype(np.int64)
            mode = image.mode
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FieldFileError(f"{path}: cannot be read as PNG ({error})") from error
    with path.open("rb") as stream:
        n_bits = stream.read(_BITS_AT + 1)[_BITS_AT]
    # Pillow stretches grey values of 2 and 4 bits to 255.
    return values // (255 // (2**n_bits - 1)) if mode == "L" else values


def _check(path: Path, image: Image.Image) -> None:
    if image.mode not in _NUMBERS:
        raise FieldFileError(
            f"{path}: the PNG is in colour or has transparency, expected the number of "
            "the cell at each vector: save the labels as a grey image of 8 or 16 bits"
        )
    n_frames = getattr(image, "n_frames", 1)
    if n_frames > 1:
        raise FieldFileError(
            f"{path}: the PNG has {n_frames} frames, expected one: save the labels of "
            "all frames as TIFF"
        )
