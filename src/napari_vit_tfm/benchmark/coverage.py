"""Whether the intervals of tractions hold the stated share of the truths."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.held_out import NOISES, with_noise

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod

FloatArray = npt.NDArray[np.floating]

Cell = tuple[str, str]
"""A kind of field and a noise level."""

_ADHESION = 0.1
"""Traction of an adhesion, relative to the largest one of the field."""

_MISS = 2 / 0.05
"""Penalty of the interval score for a miss of a 95% interval."""


@dataclass(frozen=True)
class Coverage:
    """How well the intervals of a field, or of several, hold the truth.

    Parameters
    ----------
    held_68, held_95 : float
        Share of the components of the true traction that are inside their intervals,
        at the nodes with traction.
    above : float
        Share of the nodes without traction at which the magnitude is above the smaller
        one of the two 95% half-widths; NaN if all nodes have traction.
    score : float
        Mean interval score [1]_ of the 95% intervals at adhesions, relative to the
        root mean square of the traction there: the width of the interval, plus 40
        times the distance of a truth outside of it. Smaller is better.

    References
    ----------
    .. [1] T. Gneiting, A. E. Raftery, "Strictly proper scoring rules, prediction, and
       estimation", J. Am. Stat. Assoc. 102, 359-378 (2007).
    """

    held_68: float
    held_95: float
    above: float
    score: float

    @classmethod
    def of(
        cls, traction: FloatArray, truth: FloatArray, halfwidths: FloatArray
    ) -> Self:
        """Compare the intervals of one field with the truth.

        Parameters
        ----------
        traction, truth : arrays of shape (H, W, 2)
            Tractions in any unit. The truth has tractions.
        halfwidths : array of shape (2, H, W, 2)
            Half-widths of the 68% and the 95% intervals.

        Examples
        --------
        >>> import numpy as np
        >>> from napari_vit_tfm.benchmark.coverage import Coverage
        >>> truth = np.zeros((8, 8, 2))
        >>> truth[2:4, 2:4] = 1.0
        >>> widths = np.stack([np.full(truth.shape, 0.05), np.full(truth.shape, 0.2)])
        >>> found = Coverage.of(1.1 * truth, truth, widths)
        >>> found.held_68, found.held_95, found.above
        (0.0, 1.0, 0.0)
        """
        error = np.abs(traction - truth)
        strength, magnitude = (
            np.sqrt((vectors**2).sum(axis=-1)) for vectors in (truth, traction)
        )
        has_traction = strength > 0
        narrow, wide = halfwidths
        above = magnitude > wide.min(axis=-1)
        empty = ~has_traction
        adhesion = strength > _ADHESION * strength.max()
        score = 2 * wide + _MISS * np.maximum(error - wide, 0)
        typical = np.sqrt((strength[adhesion] ** 2).mean())
        return cls(
            float((error <= narrow)[has_traction].mean()),
            float((error <= wide)[has_traction].mean()),
            float(above[empty].mean()) if empty.any() else float("nan"),
            float(score[adhesion].mean() / typical),
        )

    @classmethod
    def mean(cls, found: Sequence[Self]) -> Self:
        """Mean over fields or kinds; NaN is left out."""
        values = np.array([astuple(one) for one in found])
        known = np.isfinite(values)
        total = np.where(known, values, 0).sum(axis=0)
        count = known.sum(axis=0)
        means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return cls(*means.tolist())


def coverage_of_kinds(
    methods: Mapping[str, ReconstructionMethod],
    simulate: Callable[[str], tuple[FloatArray, FloatArray]],
    *,
    kinds: Sequence[str],
    noises: Sequence[str] = tuple(NOISES),
    seed: int,
    on_result: Callable[[str, str], None] | None = None,
) -> dict[str, dict[Cell, Coverage]]:
    """Measure the intervals of methods on fields with known tractions.

    Parameters
    ----------
    methods : mapping of str to ReconstructionMethod
        Methods whose intervals are known, by name.
    simulate : callable
        Draws displacements ``u / L`` without noise and tractions ``t / E`` of a kind,
        both of shape ``(n, H, W, 2)``; see `held_out.simulate` and `unseen.simulate`.
    kinds, noises : sequence of str, keyword-only
        Names of kinds that `simulate` knows, and names in `held_out.NOISES`.
    seed : int, keyword-only
        Seed of the noise.
    on_result : callable, keyword-only, optional
        Called with a kind and a noise level before the methods run on them.

    Returns
    -------
    dict of str to dict of (str, str) to Coverage
        For each method, the mean over the fields of each kind and noise level.
    """
    import torch

    from napari_vit_tfm.models.intervals import halfwidths
    from napari_vit_tfm.models.solved import Solved
    from napari_vit_tfm.models.tensors import to_stack, to_tensor

    found: dict[str, dict[Cell, Coverage]] = {name: {} for name in methods}
    for kind in kinds:
        clean, truth = simulate(kind)
        for noise in noises:
            if on_result is not None:
                on_result(kind, noise)
            fields = to_tensor(with_noise(clean, noise, seed=seed))
            for name, method in methods.items():
                with torch.inference_mode():
                    traction = method.traction(fields)
                    widths = halfwidths(method, Solved.of(fields, traction)).numpy()
                fields_of = zip(to_stack(traction), truth, widths, strict=True)
                found[name][kind, noise] = Coverage.mean(
                    [
                        Coverage.of(own, known, np.moveaxis(width, 1, -1))
                        for own, known, width in fields_of
                    ]
                )
    return found
