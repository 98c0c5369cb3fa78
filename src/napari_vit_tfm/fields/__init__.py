"""Displacements and tractions: arrays with units, lengths and gel.

Every stack is a float32 array of shape ``(T, H, W, 2)``. The last axis is
``(x, y)``: component 0 points along the columns, component 1 along the rows,
and rows are counted downwards as in an image. The vectors are at the nodes of
a regular grid whose ``W`` columns span ``L = (W - 1) * spacing_um``.
"""

from napari_vit_tfm.fields.constants import (
    COMPANION_NAMES,
    DISPLACEMENT_COMPANIONS,
    RECORD_NAMES,
    SIZE_RECORDS,
)
from napari_vit_tfm.fields.displacements import (
    Displacement,
    DisplacementStack,
    DisplacementStream,
    FrameSource,
)
from napari_vit_tfm.fields.results import (
    Checks,
    FinishedFrames,
    FrameResults,
    frames_in_words,
)
from napari_vit_tfm.fields.tractions import Companions, Records, TractionStack
from napari_vit_tfm.fields.vectors import FloatArray, drift_of, without_drift

__all__ = [
    "COMPANION_NAMES",
    "DISPLACEMENT_COMPANIONS",
    "RECORD_NAMES",
    "SIZE_RECORDS",
    "Checks",
    "Companions",
    "Displacement",
    "DisplacementStack",
    "DisplacementStream",
    "FinishedFrames",
    "FloatArray",
    "FrameResults",
    "FrameSource",
    "Records",
    "TractionStack",
    "drift_of",
    "frames_in_words",
    "without_drift",
]
