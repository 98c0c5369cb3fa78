"""Displacement and traction files: HDF5, MATLAB, NPZ."""

from napari_vit_tfm.io.base import ArrayEntry, FieldFileError
from napari_vit_tfm.io.reading import (
    read_displacement,
    read_segmentation,
    read_traction,
)
from napari_vit_tfm.io.registry import FileSummary, summarise
from napari_vit_tfm.io.writing import (
    WRITTEN_ENDINGS,
    check_output,
    gel_attributes,
    write_arrays,
    write_traction,
)

__all__ = [
    "WRITTEN_ENDINGS",
    "ArrayEntry",
    "FieldFileError",
    "FileSummary",
    "check_output",
    "gel_attributes",
    "read_displacement",
    "read_segmentation",
    "read_traction",
    "summarise",
    "write_arrays",
    "write_traction",
]
