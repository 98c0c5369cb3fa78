"""Measures that an attention map is compared with.

The influence is the network's derivative: what a traction depends on. The
physical reference is the gel's response to a force: what a traction is expected
to depend on. The rank correlation measures the similarity of two maps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.attention.callbacks import NO_CALLBACKS, Callbacks
from napari_vit_tfm.attention.frame import PreparedFrame
from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.config import InspectionConfig
from napari_vit_tfm.physics.raster import raster_displacement

FloatArray = npt.NDArray[np.float64]


def influence_map(
    frame: PreparedFrame,
    patch: Patch,
    *,
    inspection: InspectionConfig | None = None,
    callbacks: Callbacks = NO_CALLBACKS,
) -> FloatArray:
    r"""Sensitivity of a patch's traction to the displacement in each patch.

    For the chosen patch :math:`p` and every patch :math:`q`, the influence is the
    Frobenius norm of a block of the Jacobian,

    .. math::

        I_q = \Bigl[\sum_{i \in p} \sum_{j \in q}
            \Bigl(\frac{\partial (t_i / E)}{\partial u_j}\Bigr)^2\Bigr]^{1/2},

    where :math:`i` and :math:`j` run over nodes and components, and :math:`u` is
    the displacement in the reference form, in steps of the method's grid. The
    influence is estimated from `InspectionConfig.n_projections` vector-Jacobian
    products, see `models.influence`. With :math:`n` products, the relative
    standard error of :math:`I_q` is at most about :math:`1 / \sqrt{2 n}`. It is
    smaller if the block has many singular values of similar size, and zero with
    two products per node of the patch.

    Parameters
    ----------
    frame : PreparedFrame
        The frame. A method that adapts to each field, as FTTC does with its
        regularisation, keeps the choice made for this field.
    patch : tuple of int
        Row and column of the patch.
    inspection : InspectionConfig, keyword-only, optional
        Number of products, and seed.
    callbacks : Callbacks, keyword-only
        Called before and after every product.

    Returns
    -------
    array of shape (rows, columns)
        Traction ``t / E`` per displacement in grid steps; not negative.

    Raises
    ------
    FieldError
        If the method is not differentiable at this field. A network that
        normalises its input, for example, is not differentiable at a field of
        zeros.
    IndexError
        If the patch does not exist.
    Cancelled
        If `callbacks.is_cancelled` returned True.
    """
    from napari_vit_tfm.models.influence import squared_sensitivities

    inspection = inspection or InspectionConfig()
    grid, field = frame.grid, frame.inputs
    rows, columns = grid.nodes(*patch)
    components = 2 * (rows.stop - rows.start) * (columns.stop - columns.start)
    total = min(inspection.n_projections, components)
    estimates = squared_sensitivities(
        frame.method.differentiable_at(field),
        field,
        rows=rows,
        columns=columns,
        n_projections=total,
        seed=inspection.seed,
    )
    summed = np.zeros((2, *field.shape[-2:]))
    for done in range(1, total + 1):
        callbacks.check()
        summed += next(estimates).double().cpu().numpy()
        callbacks.progress("computing the influence", done, total)
    # Convert from fractions of the field's width to grid steps.
    per_step = summed.sum(axis=0) / total / (field.shape[-1] - 1) ** 2
    return np.sqrt(grid.sums(per_step))


def physical_reference(grid: PatchGrid, patch: Patch) -> FloatArray:
    r"""Displacement of each patch by a force in the chosen patch.

    The traction is ``t / E = 1``, uniform in the chosen patch; once along x and
    once along y. The value of a patch is the root of the summed squares of the
    displacements of its nodes, over both directions. The gel is that of the
    reference form: infinitely thick, with Poisson ratio 0.49.

    Parameters
    ----------
    grid : PatchGrid
        The patches.
    patch : tuple of int
        Row and column of the patch.

    Returns
    -------
    array of shape (rows, columns)
        Displacement in steps of the method's grid, per ``t / E``.

    Raises
    ------
    IndexError
        If the patch does not exist.

    Notes
    -----
    The displacements are exact, see `physics.raster`.
    """
    traction = np.zeros(grid.shape)
    traction[grid.nodes(*patch)] = 1.0
    zeros = np.zeros_like(traction)
    parts = [
        *raster_displacement(traction, zeros),
        *raster_displacement(zeros, traction),
    ]
    return np.sqrt(grid.sums(sum(np.square(part) for part in parts)))


def rank_correlation(
    a: npt.ArrayLike, b: npt.ArrayLike, *, patch: Patch | None = None
) -> float:
    """Compute Spearman's rank correlation of two maps.

    Parameters
    ----------
    a, b : arrays of shape (rows, columns)
        The maps.
    patch : tuple of int, keyword-only, optional
        The chosen patch, which is left out: rollout ranks it high by construction.

    Returns
    -------
    float
        From -1 (opposite order) to 1 (same order); NaN if one of the maps is
        constant, or if fewer than two patches are compared.
    """
    from scipy.stats import spearmanr

    a, b = (np.array(map_, dtype=np.float64) for map_ in (a, b))
    kept = np.ones(a.shape, dtype=bool)
    if patch is not None:
        kept[patch] = False
    a, b = a[kept], b[kept]
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(spearmanr(a, b).statistic)
