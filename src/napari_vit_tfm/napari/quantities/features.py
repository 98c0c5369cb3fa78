"""The numbers of the shown frame in the features of Labels layers.

napari's own table of features, and its status bar, show them.
"""

from __future__ import annotations

import math

from napari.layers import Labels

from napari_vit_tfm.napari.quantities.measured import Measured
from napari_vit_tfm.quantities import QUANTITIES, SCALES

_OWN = {"index", "frame", *(q.column(s) for q in QUANTITIES.values() for s in SCALES)}
"""Names of all columns that are written here."""


def features_of(measured: Measured, frame: int) -> dict[str, list[float]]:
    """Features of the cells in a frame.

    Parameters
    ----------
    measured : Measured
        The quantities.
    frame : int
        The frame.

    Returns
    -------
    dict of str to list
        The column ``index`` has the numbers of the cells, which are their labels. Then
        follow the frame and the quantities that are known in some frame. Empty if the
        frame has no cell.
    """
    rows = [row for row in measured.rows if row.frame == frame]
    if not rows:
        return {}
    return {
        "index": [row.cell for row in rows],
        "frame": [row.frame for row in rows],
        **{
            name: [row.values[name] for row in rows]
            for name in measured.columns
            if any(math.isfinite(row.values[name]) for row in measured.rows)
        },
    }


def write_features(layer: Labels, measured: Measured, frame: int) -> None:
    """Write the numbers of a frame to the features of a layer.

    Features that somebody else has written are not touched.

    Parameters
    ----------
    layer : Labels
        The layer with the cells, or with their regions.
    measured : Measured
        The quantities.
    frame : int
        The frame.
    """
    if set(map(str, layer.features.columns)) <= _OWN:
        layer.features = features_of(measured, frame)
