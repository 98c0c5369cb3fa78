"""What a patch's traction depends on, and what it should depend on.

The measures beside which an attention map can be held: the network's own
derivative, the physics of the gel, and how alike two maps are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.attention.frame import prepare_frame
from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.config import InspectionConfig, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.physics.raster import raster_displacement
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import Cancelled, Notify

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

FloatArray = npt.NDArray[np.float64]


def influence_map(
    stack: DisplacementStack,
    frame: int,
    patch: Patch,
    *,
    substrate: Substrate | None = None,
    config: ReconstructionConfig | None = None,
    method: ReconstructionMethod | None = None,
    inspection: InspectionConfig | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_notice: Notify | None = None,
) -> FloatArray:
    r"""How much a patch's traction changes with the displacement in each patch.

    For the chosen patch :math:`p` and every patch :math:`q` the Frobenius norm
    of the Jacobian's block,

    .. math::

        I_q = \Bigl[\sum_{i \in p} \sum_{j \in q}
            \Bigl(\frac{\partial (t_i / E)}{\partial u_j}\Bigr)^2\Bigr]^{1/2},

    over nodes and components; :math:`u` in the reference form, in steps of the
    method's grid. It is estimated by `InspectionConfig.n_projections`
    vector-Jacobian products, see `models.influence`. The relative standard
    error of :math:`I_q` is at most about :math:`1 / \sqrt{2 n}` for :math:`n` of them,
    and less the more independent the ways are in which :math:`q` acts on
    :math:`p`; with two products per node of the patch there is none.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements.
    frame : int
        Which frame, counted from zero.
    patch : tuple of int
        Row and column of the patch.
    substrate, config, method, on_notice
        As for `reconstruction.reconstruct`. A method that makes choices for every
        field, such as FTTC its regularisation, keeps those of this field.
    inspection : InspectionConfig, keyword-only, optional
        How many products, and their seed.
    on_progress : callable, keyword-only, optional
        Called after every product with those done and those in all.
    is_cancelled : callable, keyword-only, optional
        Asked before every product.

    Returns
    -------
    array of shape (rows, columns)
        Traction ``t / E`` per displacement in grid steps, not negative.

    Raises
    ------
    FieldError
        If the field cannot be used, there is no such frame, or the method has
        no derivative there, as a network that divides by the field's size has
        none at a field of zeros.
    IndexError
        If there is no such patch.
    Cancelled
        If `is_cancelled` said so.
    """
    from napari_vit_tfm.models.influence import squared_sensitivities

    inspection = inspection or InspectionConfig()
    prepared = prepare_frame(
        stack,
        frame,
        substrate=substrate,
        config=config,
        method=method,
        on_notice=on_notice,
    )
    grid, field = prepared.grid, prepared.displacement
    rows, columns = grid.nodes(*patch)
    components = 2 * (rows.stop - rows.start) * (columns.stop - columns.start)
    total = min(inspection.n_projections, components)
    estimates = squared_sensitivities(
        prepared.method.differentiable_at(field),
        field,
        rows=rows,
        columns=columns,
        n_projections=total,
        seed=inspection.seed,
    )
    summed = np.zeros((2, *field.shape[-2:]))
    for done in range(total):
        if is_cancelled is not None and is_cancelled():
            raise Cancelled
        summed += next(estimates).double().cpu().numpy()
        if on_progress is not None:
            on_progress(done + 1, total)
    # From fractions of the field's width to grid steps.
    per_step = summed.sum(axis=0) / total / (field.shape[-1] - 1) ** 2
    return np.sqrt(grid.sums(per_step))


def physical_reference(grid: PatchGrid, patch: Patch) -> FloatArray:
    r"""How strongly a force in a patch displaces each patch.

    A unit traction ``t / E``, uniform in the patch, along columns and along
    rows; for each patch the displacements of its nodes, as root of the sum of
    their squares over both tractions. The gel is the reference form's,
    infinitely thick and of Poisson ratio 0.49.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    patch : tuple of int
        Row and column of the patch.

    Returns
    -------
    array of shape (rows, columns)
        In steps of the method's grid, per ``t / E``.

    Raises
    ------
    IndexError
        If there is no such patch.

    Notes
    -----
    Exact, see `physics.raster`.
    """
    traction = np.zeros(grid.shape)
    traction[grid.nodes(*patch)] = 1.0
    nothing = np.zeros_like(traction)
    parts = [
        *raster_displacement(traction, nothing),
        *raster_displacement(nothing, traction),
    ]
    return np.sqrt(grid.sums(sum(np.square(part) for part in parts)))


def rank_correlation(
    a: npt.ArrayLike, b: npt.ArrayLike, *, patch: Patch | None = None
) -> float:
    """Spearman's rank correlation of two maps.

    Parameters
    ----------
    a, b : arrays of shape (rows, columns)
        The maps.
    patch : tuple of int, keyword-only, optional
        The chosen patch, which is left out: that it comes first is built into
        rollout, and says nothing.

    Returns
    -------
    float
        From -1 to 1, the same order. NaN where a map is the same everywhere
        and has no order.
    """
    from scipy.stats import spearmanr

    a, b = (np.array(map_, dtype=np.float64) for map_ in (a, b))
    kept = np.ones(a.shape, dtype=bool)
    if patch is not None:
        kept[patch] = False
    a, b = a[kept], b[kept]
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)
