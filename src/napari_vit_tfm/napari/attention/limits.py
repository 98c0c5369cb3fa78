"""The section of the attention dock about the forces that could have been found."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.components import LayerList
from napari.layers import Image, Layer
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_vit_tfm import io
from napari_vit_tfm.attention import captions
from napari_vit_tfm.attention.frame import PreparedFrame
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.config import LimitsConfig
from napari_vit_tfm.errors import FieldError, TFMError
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.attention.requests import (
    FrameRequest,
    LimitsRequest,
    compute_limits,
)
from napari_vit_tfm.napari.attention.shown import NOTHING, Shown
from napari_vit_tfm.napari.errors import report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.drawing import show_colorbar
from napari_vit_tfm.napari.layers.following import (
    follow,
    keeps_selection,
    replace_overlays,
)
from napari_vit_tfm.napari.layers.placing import (
    grid_of,
    plane_geometry_of,
    spacing_of,
)
from napari_vit_tfm.napari.layers.reading import files_behind
from napari_vit_tfm.napari.layers.registry import description_of
from napari_vit_tfm.napari.lru_cache import LRUCache
from napari_vit_tfm.napari.widgets.file_dialog import ask_where_to_save
from napari_vit_tfm.napari.widgets.forms import form_section
from napari_vit_tfm.napari.widgets.text_label import TextLabel
from napari_vit_tfm.units import LENGTH_TOLERANCE

if TYPE_CHECKING:
    from napari_vit_tfm.trust.limits import DetectionMap

_TITLE = "Smallest forces that could be found"
_TIP = (
    "Adds test adhesions to the displacements, with new noise, and reconstructs them: "
    "which force would have been found, how much of it is reconstructed, and how wide "
    "its traction appears. For all methods."
)
_HERE, _MAP, _CANCEL = "What could be seen here?", "Map", "Cancel"
_HERE_TIP = "Computes the smallest force that would have been found in this patch."
_MAP_TIP = "Computes it at places all over this frame, and adds a layer. Takes longer."
_CLICK_HINT = "Switch on the inspector and click a patch."
_PRESS_HINT = f"press “{_HERE}”."
_ACTIVITY = "the computation of the limits"

_LINES = 7
"""Lines that are reserved for the text."""

_COLORMAP = "viridis"
_OPACITY = 0.8
_GRID_UNIT = "E \N{MULTIPLICATION SIGN} grid step²"
_LEAST = 1e-12
"""Smallest upper end of the colour scale."""
_POLL_MS = 200
_CACHED = 64
"""Number of patches and maps whose limits are kept."""
_CACHED_FRAMES = 2
"""Number of frames whose reconstructions without an adhesion are kept, 10 MB each."""

_Kept = dict[int, npt.NDArray[np.float32]]


class LimitsSection(QWidget):
    """What could have been found in the chosen patch, and a map of it.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers, to which maps are added.
    """

    def __init__(self, layers: LayerList) -> None:
        super().__init__()
        self._layers = layers
        self._shown = NOTHING
        self._failure: tuple[LimitsRequest, str] | None = None
        self._found = LRUCache[LimitsRequest, "DetectionMap"](_CACHED)
        self._kept = LRUCache[tuple[FrameRequest, Gel], _Kept](_CACHED_FRAMES)
        self.job = LatestJob[LimitsRequest, None, "DetectionMap"](
            self,
            compute_limits,
            on_result=self._on_found,
            on_error=self._on_error,
            on_finished=self._update,
        )
        self._poll = QTimer(self)
        self._poll.setInterval(_POLL_MS)
        self._build()
        self._poll.timeout.connect(self._show_progress)
        self.section.toggled.connect(self.text.setVisible)
        self.form.changed.connect(self._on_form)
        self.here.clicked.connect(self._on_here)
        self.map.clicked.connect(self._on_map)
        self.save.clicked.connect(self._on_save)
        self.copy.clicked.connect(self._on_copy)
        self._update()

    def _build(self) -> None:
        self.form, section = form_section(_TITLE, LimitsConfig, _TIP)
        assert isinstance(section, QCollapsible)
        self.section = section
        self.text = TextLabel(_LINES)
        self.text.hide()
        self.progress = QProgressBar()
        self.here, self.map = QPushButton(_HERE), QPushButton(_MAP)
        self.save = QPushButton("Save\N{HORIZONTAL ELLIPSIS}")
        self.copy = QPushButton("Copy sentence")
        self.here.setToolTip(_HERE_TIP)
        self.map.setToolTip(_MAP_TIP)
        self.save.setToolTip("Save the map (HDF5, NPZ), as the command limits does.")
        self.copy.setToolTip("Copy the sentence for the methods section of a paper.")
        for buttons in ((self.here, self.map), (self.save, self.copy)):
            row = QWidget()
            layout = QHBoxLayout(row)
            layout.setContentsMargins(0, 0, 0, 0)
            for button in buttons:
                layout.addWidget(button)
            self.section.addWidget(row)
        self.section.addWidget(self.progress)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addWidget(self.section)
        # Outside, since the section does not grow with its text.
        body.addWidget(self.text)

    def show_field(self, shown: Shown) -> None:
        """Show the limits of what is inspected.

        Parameters
        ----------
        shown : Shown
            Frame, patch and gel. Without a frame, what is being computed is cancelled.
        """
        before, self._shown = self._shown, shown
        if not shown.is_on:
            self.job.cancel()
            self._failure = None
        same = (shown.request, shown.frame, shown.patch, shown.gel)
        if same != (before.request, before.frame, before.patch, before.gel):
            self._update()

    # User input

    def _on_form(self, _name: str) -> None:
        self._update()

    def _on_here(self) -> None:
        self._start_or_cancel(self._shown.patch)

    def _on_map(self) -> None:
        found = self._known(None)
        if found is not None:
            # It may have been removed, or Young's modulus may be another one.
            self._draw(found)
            return
        self._start_or_cancel(None)

    def _start_or_cancel(self, patch: Patch | None) -> None:
        request = self._request(patch)
        if self.job.pending is not None:
            self.job.cancel()
        elif request is not None:
            source = request.frame.source()
            if source is not None:
                kept = request.frame, request.gel
                self._kept.put(kept, request.kept, owner=source)
            self._failure = None
            self.job.submit(request)
        self._update()

    def _request(self, patch: Patch | None) -> LimitsRequest | None:
        """The request for a patch, or for the map; None without a frame."""
        frame, prepared = self._shown.request, self._shown.frame
        if frame is None or prepared is None:
            return None
        config = LimitsConfig(**self.form.values())
        if patch is not None:
            # The places of the map do not matter.
            config = replace(config, step_patches=LimitsConfig.step_patches)
        gel = replace(self._shown.gel, young_pa=None)
        kept = self._kept.get((frame, gel))
        return LimitsRequest(
            *(frame, gel, config, patch, prepared, {} if kept is None else kept),
            young_pa=self._shown.gel.young_pa,
        )

    # Results

    def _on_found(self, request: LimitsRequest, found: DetectionMap) -> None:
        source = request.frame.source()
        if source is None:
            return
        self._found.put(request, found, owner=source)
        if request.patch is None and source in self._layers:
            # What is inspected now may be another field, on another gel.
            self._draw_on(source, request, _with_young(found, request.young_pa))
        self._update()

    def _on_error(self, request: LimitsRequest, error: Exception) -> None:
        self._failure = request, report(error, activity=_ACTIVITY)
        self._update()

    def _known(self, patch: Patch | None) -> DetectionMap | None:
        """Limits that have been computed for a patch, or as a map."""
        request = self._request(patch)
        found = None if request is None else self._found.get(request)
        if request is None or found is None:
            return None
        return _with_young(found, request.young_pa)

    # What is shown

    def _update(self) -> None:
        shown, running = self._shown, self.job.pending
        has_frame = shown.is_on and shown.frame is not None
        is_map = running is not None and running.patch is None
        self.here.setText(_CANCEL if running is not None and not is_map else _HERE)
        self.map.setText(_CANCEL if is_map else _MAP)
        self.here.setEnabled(has_frame and shown.patch is not None and not is_map)
        self.map.setEnabled(has_frame and (running is None or is_map))
        self.save.setEnabled(self._known(None) is not None)
        self.copy.setEnabled(bool(self.sentence()))
        self.progress.setVisible(running is not None)
        self.text.setText("\n".join(self._texts()))
        if running is None:
            self._poll.stop()
        elif not self._poll.isActive():
            self._poll.start()
            self._show_progress()

    def _show_progress(self) -> None:
        running = self.job.pending
        if running is not None:
            # Without a maximum, the bar shows that something happens.
            self.progress.setMaximum(running.progress.total)
            self.progress.setValue(running.progress.done)

    def _texts(self) -> list[str]:
        shown = self._shown
        if not shown.is_on or shown.frame is None or shown.patch is None:
            texts = [_CLICK_HINT]
        else:
            words = captions.patch_words(shown.frame.grid, shown.patch)
            found = self._known(shown.patch)
            texts = [
                f"{words[:1].upper()}{words[1:]}: "
                f"{_PRESS_HINT if found is None else found.in_short()}"
            ]
        if self._failure is not None and self._failure[0] in (
            self._request(shown.patch),
            self._request(None),
        ):
            texts = [self._failure[1]]
        whole = self._known(None)
        return texts if whole is None else [*texts, f"Map: {whole.in_short()}"]

    def sentence(self) -> str:
        """The sentence for the methods section: of the map, else of the patch."""
        known = self._known(None)
        if known is None and self._shown.patch is not None:
            known = self._known(self._shown.patch)
        return "" if known is None else known.sentence()

    def _draw(self, found: DetectionMap) -> None:
        request = self._request(None)
        assert request is not None
        source = request.frame.source()
        if source is not None:
            self._draw_on(source, request, found)

    def _draw_on(
        self, source: Layer, request: LimitsRequest, found: DetectionMap
    ) -> None:
        image = limits_layer(found, source, request.prepared)
        with keeps_selection(self._layers):
            replace_overlays(self._layers, [image])
        place_of = partial(
            plane_geometry_of, bin_size=request.prepared.preparation.bin_size
        )
        follow(
            self._layers,
            source,
            image,
            place_of=place_of,
            is_current=partial(_has, _spacing_um_of(source), _gel_of(source)),
        )
        # The right corners have the bars of the field and of the attention map.
        show_colorbar(image, corner="top_left")

    # Saving

    def _on_save(self) -> None:
        kinds = {one.name: one.suffixes for one in io.exporters(any_array=True)}
        assert self._shown.request is not None
        suggestion = f"limits-frame-{self._shown.request.index}.h5"
        path = ask_where_to_save(self, "Save the map", suggestion, kinds)
        if path is not None:
            self.save_as(path)

    def save_as(self, path: Path) -> None:
        """Write the map, in the format of ``vit-tfm limits``."""
        from napari_vit_tfm.trust.limits_file import write_detection_map

        found = self._known(None)
        if found is None:
            return
        try:
            inputs = files_behind(self._layers)
            if self._shown.frame is not None:
                inputs.append(self._shown.frame.config.model)
            write_detection_map(
                io.check_output(path, inputs=inputs, any_array=True), found
            )
        except (TFMError, OSError) as error:
            report(error, activity="saving")

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        assert clipboard is not None
        clipboard.setText(self.sentence())


def limits_layer(found: DetectionMap, field: Layer, prepared: PreparedFrame) -> Image:
    """A map of the smallest forces over a field.

    Parameters
    ----------
    found : DetectionMap
        Limits of the frame.
    field : Layer
        A layer of the field.
    prepared : PreparedFrame
        The frame.

    Returns
    -------
    Image
        Each vector has the force of the nearest place. Pixels are transparent where the
        place is in a hole, or no force was found.
    """
    force, unit = found.in_known_units()
    rows, columns = (
        _nearest(places, n)
        for places, n in zip(
            (found.row, found.column), prepared.grid.field_shape, strict=True
        )
    )
    finite = np.where(np.isfinite(force[0]), force[0], np.nan)
    description = description_of(field)
    title = f"{description.title}: " if description and description.title else ""
    turn = found.direction_deg
    along = "" if turn is None else f", {turn:g}\N{DEGREE SIGN}"
    return Image(
        finite[np.ix_(rows, columns)],
        name=f"{title}smallest force ({unit if unit == 'nN' else _GRID_UNIT}), "
        f"{found.length(found.size_steps)}{along}, frame {prepared.index}",
        contrast_limits=(0.0, float(np.nanmax(finite, initial=_LEAST))),
        colormap=_COLORMAP,
        opacity=_OPACITY,
        blending="translucent_no_depth",
        **plane_geometry_of(field, prepared.preparation.bin_size),
    )


def _spacing_um_of(field: Layer) -> float | None:
    """Distance between the vectors of a field; None if it is not known."""
    try:
        return spacing_of(field, grid_of(field))
    except FieldError:
        return None


def _gel_of(field: Layer) -> tuple[float | None, ...]:
    known = description_of(field)
    if known is None:
        return ()
    return known.young_pa, known.poisson, known.thickness_um


def _has(spacing_um: float | None, gel: tuple[float | None, ...], field: Layer) -> bool:
    """Whether a field still has the spacing and the gel on which its limits depend."""
    if _gel_of(field) != gel:
        return False
    now = _spacing_um_of(field)
    if spacing_um is None or now is None:
        return now is spacing_um
    return abs(now - spacing_um) <= LENGTH_TOLERANCE * spacing_um


def _nearest(places: npt.NDArray[np.int_], n: int) -> npt.NDArray[np.intp]:
    """Number of the place that is nearest to each of n rows or columns."""
    distance = np.abs(np.arange(n)[:, None] - places)
    return np.asarray(distance.argmin(axis=1))


def _with_young(found: DetectionMap, young_pa: float | None) -> DetectionMap:
    """Limits on a gel of this Young's modulus, which multiplies the forces."""
    return replace(found, gel=replace(found.gel, young_pa=young_pa))
