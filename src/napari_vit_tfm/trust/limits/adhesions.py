"""Test adhesions: their tractions, and the forces that are reconstructed there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

AROUND = 2
"""Grid steps around the adhesion in which its force is counted."""


def reach(size_steps: float) -> int:
    """Grid steps from the centre of an adhesion to the last node that it touches."""
    return int(np.ceil(size_steps / 2 + 0.5))


def _disc(size_steps: float) -> FloatArray:
    """Share of an adhesion's force at the nodes around its centre, ``(n, n)``."""
    n, finer = reach(size_steps), 8
    fine = (np.arange((2 * n + 1) * finer) + 0.5) / finer - n - 0.5
    inside = np.hypot(fine[:, None], fine) < size_steps / 2
    share = inside.reshape(2 * n + 1, finer, 2 * n + 1, finer).mean(axis=(1, 3))
    return np.asarray(share / share.sum())


def adhesion_tractions(
    force: FloatArray,
    place: npt.NDArray[np.integer],
    size_steps: float,
    shape: tuple[int, ...],
) -> FloatArray:
    """Tractions ``(n, H, W, 2)`` of adhesions with forces ``(n, G, 2)`` at places."""
    disc = _disc(size_steps)[..., None]
    n = reach(size_steps)
    padded = np.zeros((len(force), shape[0] + 2 * n, shape[1] + 2 * n, 2))
    for g, (row, column) in enumerate(place):
        view = padded[:, row : row + 2 * n + 1, column : column + 2 * n + 1]
        view += disc * force[:, g, None, None]
    return padded[:, n : n + shape[0], n : n + shape[1]]


def forces_at(
    traction: npt.NDArray[np.floating],
    place: npt.NDArray[np.integer],
    size_steps: float,
) -> FloatArray:
    """Force ``(n, G, 2)`` in the adhesion at each place, and in a ring around it."""
    row, column = np.indices(traction.shape[1:3])
    forces = []
    for r, c in place:
        inside = np.hypot(row - r, column - c) <= size_steps / 2 + AROUND
        forces.append(traction[:, inside].sum(axis=1, dtype=np.float64))
    return np.stack(forces, axis=1)


def directions(
    shape: tuple[int, ...], direction_deg: float | None, rng: np.random.Generator
) -> FloatArray:
    """Unit vectors ``(x, y)`` of a shape: random, or all along one direction."""
    turn = (
        rng.uniform(0, 2 * np.pi, shape)
        if direction_deg is None
        else np.full(shape, np.radians(direction_deg))
    )
    return np.stack([np.cos(turn), np.sin(turn)], axis=-1)


def far_apart(
    place: npt.NDArray[np.integer], distance: float
) -> Iterator[npt.NDArray[np.int_]]:
    """Numbers of places, in groups of places that are far from each other."""
    groups: list[list[int]] = []
    for number, one in enumerate(place):
        for group in groups:
            if np.hypot(*(place[group] - one).T).min() >= distance:
                group.append(number)
                break
        else:
            groups.append([number])
    for group in groups:
        yield np.array(group)
