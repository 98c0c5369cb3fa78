"""Noise of a displacement in a region without force."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.errors import ConfigError, FieldError
from napari_vit_tfm.physics import estimate_noise
from napari_vit_tfm.physics.noise import Noise

Mask = npt.NDArray[np.bool_]

_MOST_CHARACTERS = 30_000
"""Longest text of a region: an attribute of an HDF5 file has room for 64 kB."""


def noise_in_region(steps: npt.NDArray[np.floating], inside: Mask) -> Noise:
    """Estimate the noise of a displacement from a region that is free of force.

    Parameters
    ----------
    steps : array of shape (H, W, 2)
        Displacement in grid steps, finite.
    inside : array of bool, shape (H, W)
        The region, of any shape; it may have holes and parts.

    Returns
    -------
    Noise
        Its arrays have the shape ().

    Raises
    ------
    FieldError
        If the region is too small or too narrow, or if its vectors are all equal.

    Notes
    -----
    As in `estimate_noise`, second differences remove what is smooth, such as the
    displacement that distant forces cause in the region. Only differences of vectors
    that are all in the region are used.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.force_free import noise_in_region
    >>> rng = np.random.default_rng(0)
    >>> steps = rng.normal(0, 0.02, (64, 64, 2))
    >>> steps[20:, 20:] += rng.normal(0, 1, (44, 44, 2))
    >>> inside = np.ones((64, 64), dtype=bool)
    >>> inside[16:, 16:] = False
    >>> round(float(noise_in_region(steps, inside).standard_deviation()), 2)
    0.02
    """
    values = steps[inside]
    if len(values) and not np.ptp(values, axis=0).any():
        raise FieldError(
            "the vectors in the region without force are all equal, as where a program "
            "has masked them, so they have no noise: choose another region"
        )
    x, y = np.moveaxis(np.where(inside[..., None], steps, 0.0), -1, 0)
    found = estimate_noise(x.astype(np.float64), y.astype(np.float64), known=inside)
    if not found.is_known:
        raise FieldError(
            f"the region without force is too small or too narrow: it has "
            f"{len(values)} vectors with a displacement, and hardly any group of 5 x 5"
        )
    return found


def region_as_text(inside: Mask) -> str:
    """A region as text, such as for the attributes of a file.

    Parameters
    ----------
    inside : array of bool, shape (H, W)
        The region.

    Returns
    -------
    str
        Rows and columns of the grid; then, for each run of nodes in the region, row by
        row, its first node and its number of nodes.

    Raises
    ------
    ConfigError
        If the region is empty, or has too many runs.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.force_free import region_as_text
    >>> region_as_text(np.array([[False, True, True], [True, False, False]]))
    '2 x 3: 1+3'
    """
    if not inside.any():
        raise ConfigError("the region without force has no vector")
    flat = np.concatenate([[False], inside.ravel(), [False]])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    runs = [f"{a}+{b - a}" for a, b in zip(changes[::2], changes[1::2], strict=True)]
    text = f"{inside.shape[0]} x {inside.shape[1]}: {' '.join(runs)}"
    if len(text) > _MOST_CHARACTERS:
        raise ConfigError(
            f"the region without force is in {len(runs)} pieces, which are too many: "
            "draw one with smooth borders"
        )
    return text


def region_from_text(text: str) -> Mask:
    """A region from the text that `region_as_text` has written.

    Raises
    ------
    ConfigError
        If it is no such text.

    Examples
    --------
    >>> from napari_vit_tfm.trust.force_free import region_from_text
    >>> region_from_text("2 x 3: 1+3").astype(int).tolist()
    [[0, 1, 1], [1, 0, 0]]
    """
    try:
        shape, runs = text.split(": ")
        height, width = (int(n) for n in shape.split(" x "))
        if min(height, width) < 1 or height * width > 2**28:
            raise ValueError
        inside = np.zeros(height * width, dtype=np.bool_)
        for run in runs.split():
            start, n = (int(number) for number in run.split("+"))
            if min(start, n) < 0 or start + n > inside.size:
                raise ValueError
            inside[start : start + n] = True
    except ValueError as error:
        raise ConfigError(f"{text[:60]!r} is no region of vectors") from error
    return inside.reshape(height, width)
