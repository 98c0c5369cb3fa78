"""Faithfulness: a test of whether a map shows what a traction depends on.

Patches are hidden in the order of a map, highest values first. If the traction
in the chosen patch changes sooner than it does for random orders, the map shows
what the traction depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.attention.callbacks import NO_CALLBACKS, Callbacks
from napari_vit_tfm.attention.changes import PatchTraction
from napari_vit_tfm.attention.frame import PreparedFrame
from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.config import InspectionConfig
from napari_vit_tfm.errors import FieldError

FloatArray = npt.NDArray[np.float64]
Order = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """How the traction in a patch changes as other patches are hidden.

    A change is that of `changes.PatchTraction.relative_change`.

    Parameters
    ----------
    shares : array of shape (points,)
        Fraction of the other patches that is hidden, from 0 to 1; denser where
        few are hidden.
    changes : mapping of str to array of shape (points,)
        Relative change when patches are hidden in the order of each map.
    random : array of shape (orders, points)
        Relative change when patches are hidden in random orders.
    strength : float
        Strength of the patch's traction, see `changes.PatchTraction`.
    """

    shares: FloatArray
    changes: Mapping[str, FloatArray]
    random: FloatArray
    strength: float

    def advantage(self, name: str) -> float:
        """Area between a map's curve and the mean of the random curves.

        Positive if the patches that the map ranks highest matter more than the
        others; zero if the map is no better than chance.
        """
        difference = self.changes[name] - self.random.mean(axis=0)
        return float(scipy.integrate.trapezoid(difference, self.shares))

    @property
    def spread(self) -> float:
        """Standard deviation of the area between the random curves and their mean.

        An advantage within about two standard deviations may be chance.
        """
        difference = self.random - self.random.mean(axis=0)
        areas = scipy.integrate.trapezoid(difference, self.shares, axis=1)
        return float(areas.std(ddof=1)) if len(areas) > 1 else float("nan")


def faithfulness(
    frame: PreparedFrame,
    patch: Patch,
    maps: Mapping[str, npt.ArrayLike],
    *,
    inspection: InspectionConfig | None = None,
    random: FloatArray | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> Faithfulness:
    """Hide patches in the order of maps, and measure how a traction changes.

    The chosen patch itself is never hidden, since its own displacement always
    matters. See `hide` for how patches are hidden.

    Parameters
    ----------
    frame : PreparedFrame
        The frame. A method that adapts to each field, as FTTC does with its
        regularisation, keeps the choice made for this field. Fields are
        reconstructed in batches of `ReconstructionConfig.batch_size`.
    patch : tuple of int
        Row and column of the chosen patch.
    maps : mapping of str to array of shape (rows, columns)
        Maps of that patch, by name. Patches with equal values are put in random
        order.
    inspection : InspectionConfig, keyword-only, optional
        Number of points, number of random orders, and seed.
    random : array of shape (orders, points), keyword-only, optional
        `Faithfulness.random` of an earlier call for the same frame and patch. It
        does not depend on the maps and is then not computed again.
    callbacks : Callbacks, keyword-only
        Called before and after every batch; the parts are fields.

    Returns
    -------
    Faithfulness

    Raises
    ------
    FieldError
        If there is no traction in the patch, or the field has no other patch.
    IndexError
        If the patch does not exist.
    Cancelled
        If `callbacks.is_cancelled` returned True.

    Notes
    -----
    The curve is the perturbation curve of [1]_ and the deletion metric of [2]_.

    References
    ----------
    .. [1] W. Samek et al., "Evaluating the Visualization of What a Deep Neural
       Network Has Learned", IEEE Trans. Neural Netw. Learn. Syst. 28, 2660-2673,
       2017.
    .. [2] V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for
       Explanation of Black-box Models", BMVC 2018.
    """
    inspection = inspection or InspectionConfig()
    grid = frame.grid
    chosen = grid.index(*patch)
    generator = np.random.default_rng(inspection.seed)
    others = np.delete(np.arange(grid.rows * grid.columns), chosen)
    if not others.size:
        raise FieldError("the field has only one patch: there are no others to hide")
    shuffled = [generator.permutation(others) for _ in range(inspection.n_random)]
    ranked = [_ranking(np.asarray(map_), others, generator) for map_ in maps.values()]
    counts = _hidden_counts(len(others), inspection.n_shares)
    orders = ranked if random is not None else ranked + shuffled
    curves, strength = _measure_changes(frame, patch, orders, counts, callbacks)
    return Faithfulness(
        counts / len(others),
        dict(zip(maps, curves, strict=False)),
        curves[len(ranked) :] if random is None else random,
        strength,
    )


def hide(displacement: FloatArray, hidden: npt.NDArray[np.bool_]) -> FloatArray:
    """Replace hidden displacements by a smooth interpolation of their surroundings.

    The hidden nodes get the discrete harmonic function with the visible nodes as
    boundary values: it has the smallest sum of squared differences between
    neighbours. It has no jumps, which the inversion would turn into strong
    tractions, and it stays within the range of the surrounding values. Zeros or
    noise would themselves carry information.

    Parameters
    ----------
    displacement : array of shape (H, W, ...)
        Values at the nodes.
    hidden : array of bool, shape (H, W)
        The nodes to hide; at least one must stay visible.

    Returns
    -------
    array of shape (H, W, ...)
    """
    from scipy.sparse.linalg import spsolve

    if not hidden.any():
        return displacement.copy()
    laplacian = _laplacian(*hidden.shape)
    inside, outside = np.flatnonzero(hidden), np.flatnonzero(~hidden)
    values = displacement.reshape(hidden.size, -1).astype(np.float64)
    rows = laplacian[inside]
    values[inside] = spsolve(
        rows[:, inside].tocsc(),
        -(rows[:, outside] @ values[outside]),
        permc_spec="MMD_AT_PLUS_A",
    ).reshape(len(inside), -1)
    return values.reshape(displacement.shape)


@lru_cache(maxsize=4)
def _laplacian(height: int, width: int) -> Any:
    """Graph Laplacian of a grid whose nodes are numbered row by row."""

    def path(n: int) -> Any:
        degree = np.full(n, 2.0)
        degree[[0, -1]] = 1.0
        near = np.full(n - 1, -1.0)
        return scipy.sparse.diags_array([near, degree, near], offsets=[-1, 0, 1])

    identities = scipy.sparse.eye_array(height), scipy.sparse.eye_array(width)
    return (
        scipy.sparse.kron(path(height), identities[1])
        + scipy.sparse.kron(identities[0], path(width))
    ).tocsr()


def _ranking(map_: FloatArray, others: Order, generator: np.random.Generator) -> Order:
    """The other patches, highest value first; ties are put in random order."""
    values = map_.ravel()[others]
    return others[np.lexsort((generator.random(len(others)), -values))]


def _hidden_counts(n: int, points: int) -> Order:
    """Number of patches hidden at each point; dense where few are hidden."""
    shares = np.linspace(0, 1, points) ** 2
    return np.unique(np.rint(shares * n).astype(np.intp))


def _measure_changes(
    frame: PreparedFrame,
    patch: Patch,
    orders: list[Order],
    counts: Order,
    callbacks: Callbacks,
) -> tuple[FloatArray, float]:
    """Relative changes, ``(orders, points)``, and strength of the patch's traction."""
    field = np.moveaxis(frame.inputs[0].double().cpu().numpy(), 0, -1)
    # With no patch or all patches hidden, the order makes no difference.
    ends, between = (0, counts[-1]), counts[1:-1]
    hidden = [orders[0][:count] for count in ends]
    hidden += [order[:count] for order in orders for count in between]
    solve, batch_size = _solver(frame), frame.config.batch_size
    undisturbed: PatchTraction | None = None
    changes: list[float] = []
    for start in range(0, len(hidden), batch_size):
        callbacks.check()
        batch = [
            hide(field, _node_mask(frame.grid, patches))
            for patches in hidden[start : start + batch_size]
        ]
        found = solve(np.stack(batch))
        if undisturbed is None:
            undisturbed = PatchTraction.of(found[0], frame.grid, patch)
        changes.extend(map(undisturbed.relative_change, found))
        callbacks.progress("hiding patches", len(changes), len(hidden))
    assert undisturbed is not None
    curves = np.empty((len(orders), len(counts)))
    curves[:, 0], curves[:, -1] = changes[:2]
    curves[:, 1:-1] = np.reshape(changes[2:], (len(orders), len(between)))
    return curves, undisturbed.strength


def _node_mask(grid: PatchGrid, patches: Order) -> npt.NDArray[np.bool_]:
    """The nodes of some patches, as a mask of the network's grid."""
    chosen = np.zeros(grid.rows * grid.columns, dtype=bool)
    chosen[patches] = True
    size = grid.patch_size
    nodes = chosen.reshape(grid.rows, grid.columns).repeat(size, 0).repeat(size, 1)
    return nodes[: grid.shape[0], : grid.shape[1]]


def _solver(frame: PreparedFrame) -> Callable[[FloatArray], FloatArray]:
    """A function from displacements ``(n, H, W, 2)`` to tractions ``(n, 2, h, w)``."""
    import torch

    from napari_vit_tfm.models.precision import full_float32
    from napari_vit_tfm.models.tensors import to_tensor

    traction = frame.method.differentiable_at(frame.inputs)

    def solve(displacement: FloatArray) -> FloatArray:
        inputs = to_tensor(displacement).to(frame.inputs)
        with torch.inference_mode(), full_float32():
            return traction(inputs).double().cpu().numpy()

    return solve
