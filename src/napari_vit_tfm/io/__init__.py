"""Displacement and traction files: `formats` has one module per format."""

from napari_vit_tfm.io.base import ArrayEntry, field_layout, format_in_words
from napari_vit_tfm.io.exporter import Append, Exporter
from napari_vit_tfm.io.field_file import FieldFile
from napari_vit_tfm.io.labels import read_labels
from napari_vit_tfm.io.outputs import Maker, check_output, check_writable
from napari_vit_tfm.io.partial import ResumableSink, open_resumable_traction
from napari_vit_tfm.io.reading import (
    DisplacementOptions,
    open_displacement,
    read_displacement,
    read_segmentation,
    read_traction,
)
from napari_vit_tfm.io.registry import exporters, open_field_file, readers
from napari_vit_tfm.io.series import (
    input_files,
    natural_order,
    series_in,
    without_partners,
)
from napari_vit_tfm.io.summary import FileSummary, summarise
from napari_vit_tfm.io.writing import (
    TractionSink,
    gel_attributes,
    open_traction,
    write_arrays,
    write_displacement,
    write_traction,
)

__all__ = [
    "Append",
    "ArrayEntry",
    "DisplacementOptions",
    "Exporter",
    "FieldFile",
    "FileSummary",
    "Maker",
    "ResumableSink",
    "TractionSink",
    "check_output",
    "check_writable",
    "exporters",
    "field_layout",
    "format_in_words",
    "gel_attributes",
    "input_files",
    "natural_order",
    "open_displacement",
    "open_field_file",
    "open_resumable_traction",
    "open_traction",
    "read_displacement",
    "read_labels",
    "read_segmentation",
    "read_traction",
    "readers",
    "series_in",
    "summarise",
    "without_partners",
    "write_arrays",
    "write_displacement",
    "write_traction",
]
