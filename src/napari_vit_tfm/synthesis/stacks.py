"""Random stacks from any distribution, reproducible with a seed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from napari_vit_tfm.synthesis.adhesions import AdhesionDistribution
from napari_vit_tfm.synthesis.cells import CellDistribution
from napari_vit_tfm.synthesis.continuous import (
    BandDistribution,
    ColonyDistribution,
    FrontDistribution,
    LayerDistribution,
    MixtureDistribution,
    SpotDistribution,
)
from napari_vit_tfm.synthesis.discs import DiscDistribution
from napari_vit_tfm.synthesis.fibres import FibreDistribution
from napari_vit_tfm.synthesis.fields import Distribution, SyntheticStack, render
from napari_vit_tfm.synthesis.pads import PadDistribution

KINDS: Mapping[str, type[Distribution]] = {
    "discs": DiscDistribution,
    "adhesions": AdhesionDistribution,
    "cells": CellDistribution,
    "pads": PadDistribution,
    "fibres": FibreDistribution,
    "colony": ColonyDistribution,
    "band": BandDistribution,
    "layer": LayerDistribution,
    "front": FrontDistribution,
    "spots": SpotDistribution,
    "mixture": MixtureDistribution,
}
"""Distributions by name."""


def synthesise(
    n: int,
    *,
    seed: int,
    shape: tuple[int, int] = (104, 104),
    distribution: Distribution | None = None,
    window: float = 0.0,
) -> SyntheticStack:
    """Draw random fields. The same seed gives the same fields.

    Parameters
    ----------
    n : int
        Number of fields.
    seed : int, keyword-only
        Random seed.
    shape : tuple of int, keyword-only
        Rows and columns.
    distribution : Distribution, keyword-only, optional
        Distribution of the fields. None uses the discs of the original work.
    window : float, keyword-only
        Side of the square around a node over which the displacement is averaged, in
        grid steps.

    Returns
    -------
    SyntheticStack
        Fields without noise, in the reference form.

    Examples
    --------
    >>> from napari_vit_tfm.synthesis import CellDistribution, synthesise
    >>> cells = synthesise(2, seed=0, shape=(64, 80), distribution=CellDistribution())
    >>> cells.displacement.shape, cells.segmentation.shape
    ((2, 64, 80, 2), (2, 64, 80))

    The same fields with units, on a gel of 10 kPa:

    >>> displacement, truth = cells.on_gel(young_pa=10_000, spacing_um=0.8)
    >>> displacement.unit, truth.unit
    ('um', 'Pa')
    """
    rng = np.random.default_rng(seed)
    distribution = distribution or DiscDistribution()
    fields = [
        render(distribution.draw(rng, shape), shape, window=window) for _ in range(n)
    ]
    return SyntheticStack(
        np.concatenate([field.displacement for field in fields]),
        np.concatenate([field.traction for field in fields]),
        np.concatenate([field.segmentation for field in fields]),
    )
