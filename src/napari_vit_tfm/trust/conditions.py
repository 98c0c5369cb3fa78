"""`Conditions`: what the errors of tractions depend on, as far as a frame tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.fields import Records
from napari_vit_tfm.physics import estimate_noise


@dataclass(frozen=True)
class Conditions:
    """What the errors of the tractions of a frame depend on.

    Parameters
    ----------
    noise : float
        Estimated standard deviation of the noise per component of the displacement,
        relative to the root mean square of the displacement about its mean.
    noise_length : float
        Estimated correlation length of the noise, in grid steps.
    explained : float
        Share of the squared displacement that the tractions explain.
    """

    noise: float
    noise_length: float
    explained: float

    @classmethod
    def of_records(cls, records: Records, frame: int) -> Conditions | None:
        """The conditions of a frame in the records of tractions, if they are there."""
        names = ("relative_noise", "noise_length", "explained")
        if not all(name in records for name in names):
            return None
        return cls(*(float(records[name][frame]) for name in names))


def noise_records(steps: npt.NDArray[np.floating]) -> Records:
    """The noise of displacements, as records of their tractions.

    Parameters
    ----------
    steps : array of shape (T, H, W, 2)
        Displacement in any unit; holes are 0.

    Returns
    -------
    mapping of str to array of shape (T,)
        ``relative_noise`` and ``noise_length``; see `Conditions`. The noise of a frame
        without displacement is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.trust.conditions import noise_records
    >>> rng = np.random.default_rng(0)
    >>> wave = np.sin(np.linspace(0, 6, 64))[:, None, None] * np.ones((64, 2))
    >>> found = noise_records((wave + rng.normal(0, 0.1, wave.shape))[None])
    >>> found["relative_noise"].round(1).tolist()
    [0.1]
    """
    x, y = np.moveaxis(steps.astype(np.float64), -1, 0)
    noise = estimate_noise(x, y)
    size = np.sqrt(x.var(axis=(1, 2)) / 2 + y.var(axis=(1, 2)) / 2)
    moved = size > 0
    relative = noise.standard_deviation() / np.where(moved, size, 1.0)
    return {
        "relative_noise": np.where(moved, relative, np.nan),
        "noise_length": np.asarray(noise.length, dtype=np.float64),
    }
