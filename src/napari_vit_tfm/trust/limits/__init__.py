"""Limits of detection: the smallest force that an experiment could have found.

A test adhesion is added to the displacement of a field by the exact response of the
gel, with new noise, and the tractions are reconstructed. This is repeated with other
forces, directions and noise until the force is known that is found with a probability
of 0.9.
"""

from napari_vit_tfm.trust.limits.one_frame import DetectionLimits, detection_limits
from napari_vit_tfm.trust.limits.places import (
    DetectionMap,
    detection_map,
    grid_of_places,
)
from napari_vit_tfm.trust.limits.trials import FALSE_ALARM, FOUND

__all__ = [
    "FALSE_ALARM",
    "FOUND",
    "DetectionLimits",
    "DetectionMap",
    "detection_limits",
    "detection_map",
    "grid_of_places",
]
