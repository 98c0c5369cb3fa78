"""What is measured, and what was measured."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from napari.layers import Labels

from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari.layers.reading import (
    FieldLayers,
)
from napari_vit_tfm.napari.quantities.measured import Measured


@dataclass(frozen=True)
class Settings:
    """What a measurement depends on, to notice that it is out of date."""

    region: str
    dilation_um: float | None
    has_same_cells: bool
    is_corrected: bool
    control: str
    n_runs: int | None
    other: str
    beside: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Kept:
    """A measurement, with what it was measured from.

    Parameters
    ----------
    measured : Measured
        The quantities.
    settings : Settings
        Region, dilation, and the other tractions.
    tractions : tuple of weak references to TractionStack
        All tractions. The layers return the same stack as long as nothing changes.
    labels : weak reference to Labels, optional
        The layer with the cells, if it is a Labels layer.
    """

    measured: Measured
    settings: Settings
    tractions: tuple[weakref.ref[TractionStack], ...]
    labels: weakref.ref[Labels] | None = None


@dataclass(frozen=True, eq=False)
class Running:
    """What is being measured.

    Parameters
    ----------
    field : FieldLayers
        The tractions.
    other : FieldLayers, optional
        Those that they are compared with.
    settings, labels
        As for `Kept`.
    """

    field: FieldLayers
    other: FieldLayers | None
    settings: Settings
    labels: weakref.ref[Labels] | None
