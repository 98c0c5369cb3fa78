"""Time-lapses for demonstration, with known tractions that change smoothly."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.synthesis.discs import DiscDistribution, Discs
from napari_vit_tfm.synthesis.fields import SyntheticStack, render
from napari_vit_tfm.synthesis.force_patches import balance_forces


def disc_timelapse(
    *, n_frames: int = 8, seed: int = 0, shape: tuple[int, int] = (104, 104)
) -> SyntheticStack:
    """Discs at fixed positions whose tractions oscillate.

    Parameters
    ----------
    n_frames, seed, shape : keyword-only
        Number of frames, random seed, rows and columns.

    Returns
    -------
    SyntheticStack
        One field per frame, in the reference form.

    Examples
    --------
    >>> from napari_vit_tfm.synthesis import disc_timelapse
    >>> disc_timelapse(n_frames=3, shape=(64, 64)).traction.shape
    (3, 64, 64, 2)
    """
    rng = np.random.default_rng(seed)
    discs = DiscDistribution(count=(14, 22)).draw(rng, shape)
    phase = rng.uniform(0, 2 * np.pi, discs.radius.shape[1])
    time = np.arange(n_frames)[:, None] / n_frames
    return _frames(discs, 0.65 + 0.35 * np.sin(phase + 2 * np.pi * time), shape)


def contracting_cell(
    *, n_frames: int = 8, seed: int = 0, shape: tuple[int, int] = (104, 104)
) -> SyntheticStack:
    """One spindle-shaped cell that contracts and relaxes.

    Its adhesions lie along the edge, most of them at the two ends. The tractions point
    inwards. Net force and net torque are zero in every frame.

    Parameters
    ----------
    n_frames, seed, shape : keyword-only
        Number of frames, random seed, rows and columns.

    Returns
    -------
    SyntheticStack
        One field per frame, in the reference form.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.synthesis import contracting_cell
    >>> cell = contracting_cell(n_frames=4)
    >>> largest = np.linalg.norm(cell.traction, axis=-1).max(axis=(1, 2))
    >>> [round(float(frame), 2) for frame in largest / largest.max()]
    [0.1, 0.55, 1.0, 0.55]
    """
    rng = np.random.default_rng(seed)
    aspect = (shape[0] - 1) / (shape[1] - 1)
    size = min(1.0, aspect)
    tilt = rng.uniform(0, np.pi)
    # Angles along the ellipse, densest at the ends of its long axis.
    end = np.repeat([0.0, np.pi], 9)
    angle = end + rng.normal(0, 0.45, end.size)
    ellipse = np.stack([0.34 * np.cos(angle), 0.15 * np.sin(angle)], axis=1) * size
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    offset = ellipse @ turn.T
    radius = rng.uniform(0.012, 0.024, end.size) * size
    pull = rng.uniform(0.04, 0.12, end.size) * np.abs(np.cos(angle)) ** 0.5
    inward = -offset / np.linalg.norm(offset, axis=1, keepdims=True)
    traction = balance_forces(offset, np.pi * radius**2, pull[:, None] * inward)
    centre = np.array([0.5, 0.5 * aspect]) + offset
    discs = Discs(centre[None], radius[None], traction[None])
    time = np.arange(n_frames)[:, None] / n_frames
    return _frames(discs, 0.55 - 0.45 * np.cos(2 * np.pi * time), shape)


def _frames(
    discs: Discs, strength: npt.NDArray[np.float64], shape: tuple[int, int]
) -> SyntheticStack:
    """Frames with the tractions times `strength`, which is ``(n_frames, D or 1)``."""
    n = len(strength)
    frames = Discs(
        np.repeat(discs.centre, n, axis=0),
        np.repeat(discs.radius, n, axis=0),
        discs.traction * strength[..., None],
    )
    return render(frames, shape)
