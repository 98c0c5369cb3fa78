"""The inspector, which resolves user input to what is shown.

Every event changes the state (the chosen patch, the chosen map, a cached result) and
then calls `Inspector._update`. It resolves one `Shown`, which is passed to the layers
and the dock. They do not call back.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.events import Event
from qtpy.QtCore import QObject, QTimer

from napari_vit_tfm.attention.frame import PreparedFrame
from napari_vit_tfm.attention.patch import MapView, PatchFindings
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.attention.layers import AttentionLayers
from napari_vit_tfm.napari.attention.mouse_and_keys import (
    Pointer,
    Position,
    shows_plane,
)
from napari_vit_tfm.napari.attention.requests import (
    EvidenceRequest,
    FrameRequest,
    compute_evidence,
    compute_frame,
)
from napari_vit_tfm.napari.attention.results_cache import ResultsCache
from napari_vit_tfm.napari.attention.run_layers import RunLayers
from napari_vit_tfm.napari.attention.shown import NOTHING, Shown, have_same_results
from napari_vit_tfm.napari.errors import in_one_line, is_expected, report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.placing import frame_at
from napari_vit_tfm.napari.layers.reading import (
    as_displacement,
    field_of,
    show_same_field,
)
from napari_vit_tfm.napari.layers.registry import without_proxy
from napari_vit_tfm.napari.layers.results import layers_of_run
from napari_vit_tfm.napari.method_cache import MethodCache

_ACTIVITY = "the inspection"
_NO_SUCH_FRAME = "This field does not have the frame that the viewer shows."
_REMOVED = "The displacement layer was removed."
_CALIBRATION_HINT = (
    "Set unit, pixel size and vector spacing in the Traction dock "
    "(Plugins > napari-vit-tfm > Traction)."
)


class Inspector:
    """Inspects the patches of a run in a viewer.

    A run is a displacement field with the tractions computed from it.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer, which is watched between `start` and `stop`.
    owner : QObject, keyword-only
        The widget that the inspector belongs to.
    on_change : callable, keyword-only
        Called with what is shown, whenever that may have changed.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        *,
        owner: QObject,
        on_change: Callable[[Shown], None],
    ) -> None:
        self._viewer = viewer
        self._on_change = on_change
        self._pointer = Pointer(
            viewer, on_move=self.hover, on_click=self.click, on_leave=self._on_leave
        )
        self._frame_job = LatestJob[FrameRequest, None, PreparedFrame](
            owner,
            partial(compute_frame, MethodCache()),
            on_result=self._on_frame,
            on_error=self._on_frame_error,
        )
        self.test_job = LatestJob[EvidenceRequest, str, PatchFindings](
            owner,
            compute_evidence,
            on_step=self._on_test_step,
            on_result=self._on_evidence,
            on_error=self._on_test_error,
            on_finished=self._update_view,
        )
        self._results = ResultsCache()
        self._run = RunLayers(
            viewer, on_field=self._on_field_changed, on_transform=self._on_transform
        )
        self._config = ReconstructionConfig()
        self._source: Layer | None = None
        self._overlay: AttentionLayers | None = None
        self._problem = ""
        self._failure: tuple[FrameRequest, str] | None = None
        self._patch: Patch | None = None
        self._view = MapView()
        self._current: tuple[FrameRequest | None, str] = None, ""
        self._clicked: Position | None = None
        self._hovered: Patch | None = None
        self._test_step = ""
        self.shown = NOTHING

    # Start and stop

    @property
    def source_is_removed(self) -> bool:
        """Whether the inspected layer has been removed from the viewer."""
        return self._source is not None and self._source not in self._viewer.layers

    @property
    def is_busy(self) -> bool:
        """Whether a computation is running, even if it has been cancelled."""
        return self._frame_job.is_busy or self.test_job.is_busy

    def is_inspecting(self, source: Layer, config: ReconstructionConfig) -> bool:
        """Whether the field of a layer is inspected with this configuration."""
        return (
            self._source is not None
            and show_same_field(source, self._source)
            and config == self._config
        )

    def start(self, source: Layer, config: ReconstructionConfig) -> None:
        """Inspect the run of a displacement layer.

        Parameters
        ----------
        source : Layer
            A layer of the displacement field.
        config : ReconstructionConfig
            Model and device.
        """
        previous = self._disconnect()
        if previous is not None:
            previous.remove()
        self._problem = ""
        self._source, self._config = source, config
        # Layers of other programs are adopted now, before they are watched.
        self._read(compare_data=True)
        self._overlay = AttentionLayers(self._viewer.layers, source)
        self._pointer.bind()
        for event, callback in self._events():
            event.connect(callback)
        self._watch_run()
        self._update()

    def stop(self, problem: str = "") -> None:
        """Stop inspecting, and remove the inspector's layers.

        Parameters
        ----------
        problem : str
            The reason, if the user has not switched it off.
        """
        overlay = self._disconnect()
        self._problem = problem
        if overlay is not None:
            overlay.remove()
        self._update()

    def _stop_after_removal(self, problem: str) -> None:
        """Stop while a layer is being removed; remove the overlay afterwards."""
        overlay = self._disconnect()
        assert overlay is not None
        self._problem = problem
        QTimer.singleShot(0, lambda: overlay.remove())
        self._update()

    def _disconnect(self) -> AttentionLayers | None:
        """Disconnect and reset the state; return the overlay for removal."""
        if self._overlay is None:
            return None
        self.test_job.cancel()
        self._pointer.unbind()
        for event, callback in self._events():
            event.disconnect(callback)
        self._run.unwatch()
        overlay, self._overlay = self._overlay, None
        self._source = self._failure = self._clicked = self._hovered = None
        return overlay

    def _events(self) -> list[tuple[Any, Callable[..., None]]]:
        dims, layers = self._viewer.dims.events, self._viewer.layers.events
        return [
            (dims.current_step, self._update),
            (dims.ndisplay, self._update),
            (dims.order, self._update),
            (dims.units, self._update),
            (self._viewer.canvas.grid.events.enabled, self._update),
            (layers.inserted, self._on_inserted),
            (layers.removed, self._on_removed),
        ]

    def _watch_run(self) -> None:
        """Watch the layers of the run that are in the viewer now."""
        assert self._source is not None
        self._run.watch(self._source)

    def _on_field_changed(self) -> None:
        assert self._overlay is not None
        # This reads a field that could not be read before.
        self._update()
        self._watch_run()
        # Vectors may lie elsewhere in their layer now.
        self._overlay.follow()

    def _on_inserted(self, event: Event) -> None:
        assert self._overlay is not None
        if event.value not in self._overlay:
            self._watch_run()
            self._update()

    def _on_removed(self, event: Event) -> None:
        overlay = self._overlay
        if overlay is None:
            # Another callback of the same event has stopped the inspector.
            return
        if event.value in overlay:
            self._stop_after_removal(
                "A layer of the inspector was removed; inspecting has stopped."
            )
            return
        if event.value in self._run.layers:
            self._run.unwatch()
            remaining = [
                layer
                for layer in layers_of_run(self._viewer.layers, event.value)
                if field_of(self._viewer.layers, layer) is not None
            ]
            if not remaining:
                self._stop_after_removal(_REMOVED)
                return
            # Plugins get proxies of layers, which are equal but not identical.
            if event.value == self._source:
                self._source = remaining[0]
            if event.value == overlay.base:
                overlay.move_to(remaining[0])
            self._watch_run()
            self._update()

    def _on_transform(self) -> None:
        assert self._overlay is not None
        self._overlay.follow()
        self._update()

    # User input

    def look_at(self, **changes: Any) -> None:
        """Change the map shown.

        Parameters
        ----------
        **changes
            New values of attributes of `MapView`.
        """
        self._view = replace(self._view, **changes)
        self._update_view()

    def choose(self, patch: Patch | None) -> None:
        """Choose a patch by its row and column, or none."""
        self._patch = patch
        self._update_view()

    def move(self, rows: int, columns: int) -> None:
        """Choose the patch that lies some rows down and columns to the right."""
        shown = self.shown
        if shown.is_drawn and shown.frame is not None:
            self.choose(shown.frame.grid.neighbour(shown.patch, rows, columns))

    def click(self, position: Position) -> None:
        """Choose the patch at a position; clicks outside the field are ignored.

        Parameters
        ----------
        position : tuple of float
            World coordinates. The patch is chosen when the frame is available.
        """
        self._clicked = position
        self._update_view()

    def hover(self, position: Position) -> None:
        """Outline the patch at a position in world coordinates."""
        frame = self.shown.frame
        hit = None if frame is None else self._layer_and_patch_at(position, frame)
        self._hover(None if hit is None else hit[1])

    def _on_leave(self) -> None:
        self._hover(None)

    def _hover(self, patch: Patch | None) -> None:
        if patch != self._hovered:
            self._hovered = patch
            # Nothing else depends on the hovered patch.
            self._show(replace(self.shown, hovered=patch))

    def test(self) -> None:
        """Test the map shown, unless it has been tested."""
        shown = self.shown
        if shown.request is None or shown.findings is None or not shown.can_test:
            return
        known = self._results.evidence(shown.request, shown.findings.patch)
        curves = None if known is None else known.faithfulness
        random = None if curves is None else curves.random
        self._test_step = "starting"
        self.test_job.submit(EvidenceRequest(shown.request, shown.findings, random))
        self._update_view()

    def cancel_test(self) -> None:
        """Cancel the test."""
        self.test_job.cancel()
        self._update_view()

    # Results

    def _on_frame(self, request: FrameRequest, frame: PreparedFrame) -> None:
        self._results.put_frame(request, frame)
        self._update_view()

    def _on_frame_error(self, request: FrameRequest, error: Exception) -> None:
        if is_expected(error):
            # Continue: another frame, model or field may work.
            self._failure = request, _as_sentences(error)
            self._update_view()
            return
        message = report(error, activity=_ACTIVITY)
        if request == self.shown.request:
            self.stop(message)

    def _on_test_step(self, _request: EvidenceRequest, step: str) -> None:
        self._test_step = step
        self._update_view()

    def _on_evidence(self, request: EvidenceRequest, found: PatchFindings) -> None:
        self._results.put_evidence(request.frame, found)
        self._update_view()

    def _on_test_error(self, _request: EvidenceRequest, error: Exception) -> None:
        report(error, activity=_ACTIVITY)
        self._update_view()

    def clear_caches(self) -> None:
        """Clear the caches; nothing is computed until the next event."""
        self._results.clear()
        self._show(self._resolve(self.shown.request, None, self.shown.failure))

    # What is shown

    def _update(self) -> None:
        """Read the current frame from the viewer and its layers, and show it."""
        self._current = self._request()
        self._update_view()

    def _update_view(self) -> None:
        """Resolve what is shown of the current frame, which is requested if missing."""
        request, problem = self._current
        if self._failure is not None and self._failure[0] != request:
            self._failure = None
        frame = None if request is None else self._results.frame(request)
        self._resolve_click(frame)
        shown = self._resolve(request, frame, problem)
        if not shown.is_drawn:
            self._clicked = self._hovered = None
        self._show(shown)
        if request is not None and frame is None and not shown.failure:
            self._frame_job.submit(request)

    def _request(self) -> tuple[FrameRequest | None, str]:
        """The frame that the viewer shows, or None and the reason why there is none."""
        stack, problem = self._read()
        if self._source is None or stack is None:
            return None, problem
        dims = self._viewer.dims
        index = frame_at(self._source, dims.point, stack.n_frames, dims.units)
        if index is None:
            return None, _NO_SUCH_FRAME
        source = weakref.ref(without_proxy(self._source))
        substrate, preparation = self._run.as_computed(self._source)
        return (
            FrameRequest(stack, index, substrate, preparation, self._config, source),
            "",
        )

    def _read(
        self, *, compare_data: bool = False
    ) -> tuple[DisplacementStack | None, str]:
        """The current displacements, or None and the reason why there are none."""
        if self._source is None:
            return None, ""
        field = field_of(self._viewer.layers, self._source)
        if field is None:
            return None, _REMOVED
        try:
            return as_displacement(field, compare_data=compare_data), ""
        except FieldError as error:
            return None, _as_sentences(error)

    def _resolve_click(self, frame: PreparedFrame | None) -> None:
        """Choose the patch that was clicked, when its frame is available."""
        if frame is None or self._clicked is None or self._overlay is None:
            return
        position, self._clicked = self._clicked, None
        hit = self._layer_and_patch_at(position, frame)
        if hit is not None:
            layer, self._patch = hit
            # napari does not always report the last mouse move before a press.
            self._hovered = self._patch
            if layer != self._overlay.base:
                self._overlay.move_to(layer)

    def _layer_and_patch_at(
        self, position: Position, frame: PreparedFrame
    ) -> tuple[Layer, Patch] | None:
        """The layer of the run and the patch at a position."""
        assert self._overlay is not None
        return self._run.layer_and_patch_at(position, frame, base=self._overlay.base)

    def _resolve(
        self, request: FrameRequest | None, frame: PreparedFrame | None, problem: str
    ) -> Shown:
        """Resolve what is shown; unchanged results are the same objects as before.

        The problem is the reason why there is no request.
        """
        if self._overlay is None:
            return replace(NOTHING, problem=self._problem)
        before = self.shown
        view, patch = self._view, self._patch
        if frame is not None:
            view = view.on(frame)
            if patch is not None and not frame.grid.has(*patch):
                patch = None
        findings = None
        if request is not None and frame is not None and patch is not None:
            found = PatchFindings(frame, patch, view)
            findings = self._results.with_evidence(request, found)
        if have_same_results(findings, before.findings):
            findings = before.findings
        if findings is before.findings:
            picture = before.picture
        else:
            picture = None if findings is None else findings.picture()
        return Shown(
            is_on=True,
            shows_plane=shows_plane(self._viewer),
            request=request,
            failure=problem if request is None else self._failure_of(request),
            gel=Gel() if request is None else self._gel(request.stack),
            frame=frame,
            patch=patch,
            view=view,
            findings=findings,
            picture=picture,
            hovered=self._hovered,
            other_model=self._other_model(frame),
            test=self.test_job.pending,
            test_step=self._test_step,
        )

    def _failure_of(self, request: FrameRequest) -> str:
        if self._failure is not None:
            return self._failure[1]
        try:
            request.stack.grid_steps_per_unit()
        except FieldError as error:
            # When the user sets unit or spacing, there is a new request.
            return _as_sentences(error, _CALIBRATION_HINT)
        return ""

    def _other_model(self, frame: PreparedFrame | None) -> str:
        """Model of the field's last result, if it differs from the inspected model."""
        if self._source is None or frame is None:
            return ""
        return self._run.other_model(self._source, frame)

    def _gel(self, stack: DisplacementStack) -> Gel:
        """Gel of the field's last result; what it does not say is that of the field."""
        assert self._source is not None
        return self._run.gel(self._source, stack.gel)

    def _show(self, shown: Shown) -> None:
        self.shown = shown
        if self._overlay is not None:
            self._overlay.show(shown)
        self._on_change(shown)


def _as_sentences(error: Exception, hint: str = "") -> str:
    """An error's message as a sentence, followed by a hint for the user."""
    message = in_one_line(error)
    return f"{message[:1].upper()}{message[1:]}. {hint}".rstrip()
