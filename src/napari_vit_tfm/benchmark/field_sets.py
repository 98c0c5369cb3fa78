"""Sets of simulated fields that networks are not trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark import held_out, unseen
from napari_vit_tfm.config import HELD_OUT, UNSEEN

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FieldSet:
    """Fields of several kinds.

    Parameters
    ----------
    kinds : tuple of str
        Names of the kinds.
    simulate : callable
        Draws displacements and tractions of a kind; see `held_out.simulate`.
    """

    kinds: tuple[str, ...]
    simulate: Callable[..., tuple[FloatArray, FloatArray]]


FIELD_SETS: Mapping[str, FieldSet] = {
    HELD_OUT: FieldSet(tuple(held_out.KINDS), held_out.simulate),
    UNSEEN: FieldSet(tuple(unseen.KINDS), unseen.simulate),
}
"""Sets by the names that `config.FIELD_SETS` describes."""
