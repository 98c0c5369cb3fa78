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
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.events import Event
from qtpy.QtCore import QObject, QTimer

from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.frame import ROLLOUT, MapChoice, PreparedFrame
from napari_vit_tfm.attention.patch import MapView, PatchFindings
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
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
from napari_vit_tfm.napari.attention.shown import NOTHING, Shown, have_same_results
from napari_vit_tfm.napari.errors import in_one_line, is_expected, report
from napari_vit_tfm.napari.latest_job import LatestJob
from napari_vit_tfm.napari.layers.drawn_arrows import is_being_drawn
from napari_vit_tfm.napari.layers.placing import bin_of, frame_at, node_at
from napari_vit_tfm.napari.layers.reading import (
    as_displacement,
    field_of,
    show_same_field,
)
from napari_vit_tfm.napari.layers.registry import forget_comparison, without_proxy
from napari_vit_tfm.napari.layers.results import last_result, layers_of_run
from napari_vit_tfm.napari.lru_cache import LRUCache
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.physics.substrate import Substrate

CACHED_FRAMES = 4
CACHED_EVIDENCE = 32

_ACTIVITY = "the inspection"
_NO_SUCH_FRAME = "This field does not have the frame that the viewer shows."
_REMOVED = "The displacement layer was removed."
_CALIBRATION_HINT = (
    "Set unit, pixel size and vector spacing in the Traction dock "
    "(Plugins > napari-vit-tfm > Traction)."
)

CurveKey = tuple[FrameRequest, Patch, int, MapChoice]
"""Frame, patch, block and map of a faithfulness curve in the cache."""


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
        self._frames = LRUCache[FrameRequest, PreparedFrame](CACHED_FRAMES)
        self._evidence = LRUCache[tuple[FrameRequest, Patch], PatchFindings](
            CACHED_EVIDENCE
        )
        self._curves = LRUCache[CurveKey, Faithfulness](CACHED_EVIDENCE)
        self._config = ReconstructionConfig()
        self._source: Layer | None = None
        self._run: list[Layer] = []
        self._drawn_steps: WeakKeyDictionary[Layer, tuple[int, ...]] = (
            WeakKeyDictionary()
        )
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
        self._unwatch_run()
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
        layers = self._viewer.layers
        run = layers_of_run(layers, self._source)
        if not run:
            # A field that could not be read yet has no description.
            field = field_of(layers, self._source)
            run = [] if field is None else list(field.layers)
        if run == self._run:
            return
        self._unwatch_run()
        self._run = run
        for layer in self._run:
            self._drawn_steps[without_proxy(layer)] = self._steps()
            layer.events.data.connect(self._on_data)
            layer.events.set_data.connect(self._on_drawn)
            layer.events.metadata.connect(self._on_field_changed)
            for event in _transform_events(layer):
                event.connect(self._on_transform)

    def _unwatch_run(self) -> None:
        for layer in self._run:
            layer.events.data.disconnect(self._on_data)
            layer.events.set_data.disconnect(self._on_drawn)
            layer.events.metadata.disconnect(self._on_field_changed)
            for event in _transform_events(layer):
                event.disconnect(self._on_transform)
        self._run = []

    def _on_data(self, event: Event) -> None:
        forget_comparison(event.source)
        self._on_field_changed()

    def _on_drawn(self, event: Event) -> None:
        """Compare the data of a layer that is refreshed, as after an edit in place.

        Layers are also drawn again at every step of the frame slider, and arrows also
        when the view is zoomed.
        """
        if is_being_drawn(event.source):
            return
        steps = self._steps()
        if self._drawn_steps[event.source] == steps:
            self._on_data(event)
        self._drawn_steps[event.source] = steps

    def _steps(self) -> tuple[int, ...]:
        """Positions of the viewer's sliders."""
        dims = self._viewer.dims
        return tuple(dims.current_step[axis] for axis in dims.not_displayed)

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
        if event.value in self._run:
            self._unwatch_run()
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
        known = self._evidence.get((shown.request, shown.findings.patch))
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
        source = request.source()
        if source is not None:
            self._frames.put(request, frame, owner=source)
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
        assert found.faithfulness is not None
        frame = request.frame
        source = frame.source()
        if source is not None:
            curve = found.faithfulness
            self._evidence.put((frame, found.patch), found, owner=source)
            self._curves.put(_curve_key(frame, found), curve, owner=source)
        self._update_view()

    def _on_test_error(self, _request: EvidenceRequest, error: Exception) -> None:
        report(error, activity=_ACTIVITY)
        self._update_view()

    def clear_caches(self) -> None:
        """Clear the caches; nothing is computed until the next event."""
        self._frames.clear()
        self._evidence.clear()
        self._curves.clear()
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
        frame = None if request is None else self._frames.get(request)
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
        substrate, preparation = self._as_computed()
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

    def _as_computed(self) -> tuple[Substrate, PreparationConfig]:
        """Gel and preparation of the field's last result, or the default ones."""
        assert self._source is not None
        result = last_result(self._run, self._source)
        if result is None:
            return Substrate(), PreparationConfig()
        computed = result.description
        # The maps do not depend on Young's modulus.
        gel = replace(computed.gel, young_pa=None)
        return Substrate(gel), computed.preparation

    def _gel(self, stack: DisplacementStack) -> Gel:
        """Gel of the field's last result; what it does not say is that of the field."""
        assert self._source is not None
        result = last_result(self._run, self._source)
        computed = Gel() if result is None else result.description.gel
        return computed.filled_from(stack.gel)

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
        """The layer of the run and the patch at a position.

        If layers overlap, the active layer has priority, then the layer below the map,
        then the uppermost visible layer.
        """
        assert self._overlay is not None
        active = self._viewer.layers.selection.active
        base = self._overlay.base
        candidates = [layer for layer in (active, base) if layer in self._run]
        candidates += [layer for layer in reversed(self._run) if layer.visible]
        for layer in candidates:
            _, *measured = node_at(layer, position, self._viewer.dims.units)
            n = frame.preparation.bin_size
            row, column = (bin_of(node, n) for node in measured)
            patch = frame.grid.patch_at(x=column, y=row)
            if patch is not None:
                return layer, patch
        return None

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
            findings = self._findings(request, PatchFindings(frame, patch, view))
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

    def _findings(
        self, request: FrameRequest, findings: PatchFindings
    ) -> PatchFindings:
        """The results of a patch, with the evidence in the cache."""
        evidence = self._evidence.get((request, findings.patch))
        if evidence is None:
            return findings
        return replace(
            findings,
            influence=evidence.influence,
            reference=evidence.reference,
            knockout=evidence.knockout,
            effects=evidence.effects,
            faithfulness=self._curves.get(_curve_key(request, findings)),
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
        result = None
        if self._source is not None:
            result = last_result(self._run, self._source)
        if result is None or frame is None or not result.description.model:
            return ""
        computed = result.description
        has_same_name = computed.model == frame.model
        has_same_weights = computed.model_sha256 == frame.method.sha256
        # Classical methods have no weights and are compared by name.
        if has_same_weights and (has_same_name or computed.model_sha256):
            return ""
        if has_same_name:
            return "a model of the same name with other weights"
        return computed.model

    def _show(self, shown: Shown) -> None:
        self.shown = shown
        if self._overlay is not None:
            self._overlay.show(shown)
        self._on_change(shown)


def _curve_key(request: FrameRequest, findings: PatchFindings) -> CurveKey:
    """Cache key of a faithfulness curve; without attention, that of the influence."""
    has_attention = findings.frame.method.has_attention
    choice = findings.view.choice if has_attention else ROLLOUT
    return request, findings.patch, findings.view.block, choice


def _as_sentences(error: Exception, hint: str = "") -> str:
    """An error's message as a sentence, followed by a hint for the user."""
    message = in_one_line(error)
    return f"{message[:1].upper()}{message[1:]}. {hint}".rstrip()


def _transform_events(layer: Layer) -> tuple[Any, ...]:
    events = layer.events
    moves = (events.scale, events.translate, events.rotate, events.shear)
    return (*moves, events.affine, events.units)
