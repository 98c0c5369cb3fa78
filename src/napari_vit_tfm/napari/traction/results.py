"""`Results`: the tractions that the dock saves, copies as a command, and describes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari.components import LayerList
from qtpy.QtGui import QGuiApplication

from napari_vit_tfm import io
from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.layers.reading import files_behind, source_files
from napari_vit_tfm.napari.layers.registry import description_of
from napari_vit_tfm.napari.layers.results import (
    ResultLayers,
    differences,
    result_of,
    results_of,
    tractions_of,
)
from napari_vit_tfm.napari.widgets.inputs import FieldChooser
from napari_vit_tfm.scripts import as_command, as_python

WAYS = {"Python": as_python, "command line": as_command}
"""Ways to write a reconstruction as text, by their names in the menu."""


@dataclass(frozen=True)
class Settings:
    """What tractions would be computed with now."""

    gel: Gel
    config: ReconstructionConfig
    preparation: PreparationConfig


class Results:
    """The results among a viewer's layers that belong to what the user looks at.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers.
    fields : FieldChooser
        The chosen field.
    """

    def __init__(self, layers: LayerList, fields: FieldChooser) -> None:
        self._layers = layers
        self._fields = fields

    def to_save(self) -> ResultLayers | None:
        """The result to save: the selected one, or the last one of the chosen field."""
        selected = result_of(self._layers, self._layers.selection.active)
        if selected is not None:
            return selected
        field = self._fields.field()
        results = [] if field is None else results_of(self._layers, field)
        return results[-1] if results else None

    def to_show(self) -> ResultLayers | None:
        """The selected tractions, of a run or from a file, or those to save."""
        selected = tractions_of(self._layers, self._layers.selection.active)
        return selected or self.to_save()

    def note(
        self,
        result: ResultLayers,
        stack: DisplacementStack | None,
        settings: Callable[[], Settings],
    ) -> str:
        """The name of a result, and how its settings differ from those of the dock.

        Parameters
        ----------
        result : ResultLayers
            The result.
        stack : DisplacementStack, optional
            The chosen field; None if it cannot be used.
        settings : callable
            Returns the settings of the dock.
        """
        name, field = str(result.layers[0].name), self._fields.field()
        description = None if field is None else description_of(field.first)
        if stack is None or description is None:
            return name
        computed = result.description
        if computed.source_id not in (None, description.field_id):
            return f"{name} (of another field)"
        now = settings()
        found = differences(computed, stack, now.gel, now.config, now.preparation)
        return f"{name}: {'; '.join(found)}; run again" if found else name

    def suggested_path(self) -> Path:
        """A file for the tractions beside the displacements, with their name."""
        result = self.to_save()
        title = "" if result is None else result.description.title
        files, field = [], self._fields.field()
        if field is not None:
            files = source_files(field.layers)
        folder = Path(files[0]).parent if files else Path()
        return folder / (f"{title}_traction.h5" if title else "traction.h5")

    def save(self, path: str, result: ResultLayers, *, model: str) -> str:
        """Save a result, and say so.

        Parameters
        ----------
        path : str
            The file, which must be none of those that the layers come from.
        result : ResultLayers
            The result.
        model : str, keyword-only
            The chosen model, whose file is not replaced either.

        Raises
        ------
        TFMError, OSError
            If it cannot be saved.
        """
        io.check_output(path, inputs=[*files_behind(self._layers), model])
        io.write_traction(path, result.stack())
        return f"Saved {path}{_left_out(path, result)}"


def copy_as(way: str, result: ResultLayers) -> str:
    """Copy a reconstruction as text to the clipboard, and say so.

    Parameters
    ----------
    way : str
        One of `WAYS`.
    result : ResultLayers
        A result with its provenance.

    Raises
    ------
    TFMError
        If there is no such text.
    """
    assert result.provenance is not None
    text, clipboard = WAYS[way](result.provenance), QGuiApplication.clipboard()
    assert clipboard is not None
    clipboard.setText(text)
    return f"Copied as {way}: {result.layers[0].name}"


def _left_out(path: str, result: ResultLayers) -> str:
    """What a file of tractions does not have, in words."""
    suffix = Path(path).suffix.lower()
    (exporter,) = (one for one in io.exporters() if suffix in one.suffixes)
    if not result.companions or exporter.has_companions:
        return ""
    return " (without residual and uncertainty, for which the format has no place)"
