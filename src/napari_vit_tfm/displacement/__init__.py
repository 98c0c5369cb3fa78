"""Checks of measured displacements, and their preparation for a reconstruction.

`holes` bridges vectors that are missing, `outliers` finds vectors that are unlike their
neighbours (`median_test`), cause impossible tractions (`spikes`, `clusters`) or are
marks for missing vectors (`marks`), `zeros` regions that are exactly zero, and `drift`
the motion of the whole field. `border` finds forces outside the field of view, and
`axes` tractions with turned axes. `preparation` applies what the user has asked for,
and `doctor` examines a field: `frame_diagnosis` has the numbers of a frame, and
`findings` tells what is unusual about them.
"""

from napari_vit_tfm.displacement.doctor import Diagnosis, examine
from napari_vit_tfm.displacement.drift import RigidMotion, measure_motion
from napari_vit_tfm.displacement.holes import bridge, holes_of
from napari_vit_tfm.displacement.outliers import find_outliers
from napari_vit_tfm.displacement.preparation import prepare
from napari_vit_tfm.displacement.zeros import zero_regions

__all__ = [
    "Diagnosis",
    "RigidMotion",
    "bridge",
    "examine",
    "find_outliers",
    "holes_of",
    "measure_motion",
    "prepare",
    "zero_regions",
]
