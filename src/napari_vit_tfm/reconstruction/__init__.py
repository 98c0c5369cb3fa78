"""Reconstruction of traction stacks from displacement stacks.

The functions take stacks, a configuration and callbacks. torch is imported only when
tractions are computed.
"""

from napari_vit_tfm.reconstruction.batches import Batch, Gathered
from napari_vit_tfm.reconstruction.loading import load_method, resolve_device
from napari_vit_tfm.reconstruction.run import Notify
from napari_vit_tfm.reconstruction.stacks import reconstruct, reconstruct_batches
from napari_vit_tfm.reconstruction.to_file import reconstruct_to_file
from napari_vit_tfm.reconstruction.tractions import (
    check_grid,
    check_size,
    reference_displacement,
)

__all__ = [
    "Batch",
    "Gathered",
    "Notify",
    "check_grid",
    "check_size",
    "load_method",
    "reconstruct",
    "reconstruct_batches",
    "reconstruct_to_file",
    "reference_displacement",
    "resolve_device",
]
