"""Displacement and traction files: `formats` has one module per format."""

from napari_vit_tfm.io.base import ArrayEntry
from napari_vit_tfm.io.reading import (
    read_displacement,
    read_segmentation,
    read_traction,
)
from napari_vit_tfm.io.registry import FileSummary, summarise, written_formats
from napari_vit_tfm.io.writing import (
    check_output,
    gel_attributes,
    write_arrays,
    write_displacement,
    write_traction,
)

__all__ = [
    "ArrayEntry",
    "FileSummary",
    "check_output",
    "gel_attributes",
    "read_displacement",
    "read_segmentation",
    "read_traction",
    "summarise",
    "write_arrays",
    "write_displacement",
    "write_traction",
    "written_formats",
]
