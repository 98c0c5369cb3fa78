"""The inspector: follows the viewer, caches results and draws the layers.

It uses no Qt. It requests what has to be computed by a callback; the dock passes
results back by the ``take_`` methods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.events import Event

from napari_vit_tfm.attention import captions
from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.frame import ROLLOUT, MapChoice
from napari_vit_tfm.attention.overlay import Picture
from napari_vit_tfm.attention.patch import Map, PatchFindings
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.errors import FieldError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.attention.layers import AttentionLayers
from napari_vit_tfm.napari.attention.mouse_and_keys import (
    Pointer,
    Position,
    StatusLine,
    shows_plane,
)
from napari_vit_tfm.napari.attention.requests import (
    EvidenceRequest,
    FrameRequest,
    findings_of,
)
from napari_vit_tfm.napari.attention.view import Frame, Tile, View, tiles
from napari_vit_tfm.napari.errors import in_one_line
from napari_vit_tfm.napari.layers.placing import frame_at, node_at
from napari_vit_tfm.napari.layers.reading import (
    as_displacement,
    field_of,
    show_same_field,
)
from napari_vit_tfm.napari.layers.results import last_result, layers_of_run
from napari_vit_tfm.napari.lru_cache import LRUCache
from napari_vit_tfm.physics.substrate import Substrate

CACHED_FRAMES = 4
CACHED_EVIDENCE = 32

_NO_SUCH_FRAME = "This field does not have the frame that the viewer shows."

CurveKey = tuple[FrameRequest, Patch, int, MapChoice]
"""Frame, patch, block and map of a faithfulness curve in the cache."""


class Inspector:
    """Inspects the patches of a run in a viewer.

    A run is a displacement field with the tractions computed from it.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer; it is watched between `start` and `stop`.
    ask : callable, keyword-only
        Called with the request for a frame that is not cached. Pass the result to
        `take_frame`.
    on_change : callable, keyword-only
        Called when what is shown has changed.
    later : callable, keyword-only
        Schedules a callable to run after the current event.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        *,
        ask: Callable[[FrameRequest], None],
        on_change: Callable[[], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self._viewer = viewer
        self._ask = ask
        self._call_later = later
        self._on_change = on_change
        self._pointer = Pointer(
            viewer, on_move=self.hover, on_click=self.click, on_leave=self._on_leave
        )
        self.status = StatusLine(viewer, self._hovered_words)
        self._frames = LRUCache[FrameRequest, Frame](CACHED_FRAMES)
        self._evidence = LRUCache[tuple[FrameRequest, Patch], PatchFindings](
            CACHED_EVIDENCE
        )
        self._curves = LRUCache[CurveKey, Faithfulness](CACHED_EVIDENCE)
        self._config = ReconstructionConfig()
        self._source: Layer | None = None
        self._run: list[Layer] = []
        self._overlay: AttentionLayers | None = None
        self._longest = 0.0
        self._clicked: Position | None = None
        self._hovered: Patch | None = None
        self.request: FrameRequest | None = None
        self.frame: Frame | None = None
        self.view = View()
        self.problem = ""
        self.failure = ""

    # Start and stop

    @property
    def is_on(self) -> bool:
        """Whether a run is inspected."""
        return self._overlay is not None

    @property
    def source_is_removed(self) -> bool:
        """Whether the inspected layer has been removed from the viewer."""
        return self._source is not None and self._source not in self._viewer.layers

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
        self.stop()
        self._source, self._config = source, config
        # Another program's layers are adopted here, before they are watched.
        self._read_field()
        self._overlay = AttentionLayers(self._viewer.layers, source)
        self._pointer.bind()
        for event, callback in self._events():
            event.connect(callback)
        self.status.bind()
        self._watch_run()
        self._update_frame()

    def stop(self, problem: str = "") -> None:
        """Stop inspecting, and remove the inspector's layers.

        Parameters
        ----------
        problem : str
            The reason, if the user did not ask for it.
        """
        overlay = self._disconnect(problem)
        if overlay is not None:
            overlay.remove()

    def _stop_after_removal(self, problem: str) -> None:
        """Stop during a layer removal; remove the overlay when that is complete."""
        overlay = self._disconnect(problem)
        assert overlay is not None
        self._call_later(overlay.remove)
        self._on_change()

    def _disconnect(self, problem: str) -> AttentionLayers | None:
        """Disconnect and reset the state; return the overlay, still to be removed."""
        self.problem = problem
        if self._overlay is None:
            return None
        self._pointer.unbind()
        for event, callback in self._events():
            event.disconnect(callback)
        self.status.unbind()
        self._unwatch_run()
        overlay, self._overlay = self._overlay, None
        self._source = self.request = self.frame = None
        self._clicked = self._hovered = None
        return overlay

    def _events(self) -> list[tuple[Any, Callable[..., None]]]:
        dims, layers = self._viewer.dims.events, self._viewer.layers.events
        return [
            (dims.current_step, self._update_frame),
            (dims.ndisplay, self._redraw),
            (dims.order, self._redraw),
            (self._viewer.canvas.grid.events.enabled, self._redraw),
            (layers.inserted, self._on_inserted),
            (layers.removed, self._on_removed),
        ]

    def _watch_run(self) -> None:
        assert self._source is not None
        self._run = layers_of_run(self._viewer.layers, self._source)
        for layer in self._run:
            for event in (layer.events.metadata, layer.events.data):
                event.connect(self._update_frame)
            for event in _transform_events(layer):
                event.connect(self._on_transform)

    def _unwatch_run(self) -> None:
        for layer in self._run:
            for event in (layer.events.metadata, layer.events.data):
                event.disconnect(self._update_frame)
            for event in _transform_events(layer):
                event.disconnect(self._on_transform)
        self._run = []

    def _on_inserted(self) -> None:
        self._unwatch_run()
        self._watch_run()
        self._update_frame()

    def _on_removed(self, event: Event) -> None:
        overlay = self._overlay
        assert overlay is not None
        if event.value in overlay:
            self._stop_after_removal(
                "A layer of the inspector was removed; inspecting has stopped."
            )
            return
        if event.value in self._run:
            self._unwatch_run()
            self._run = layers_of_run(self._viewer.layers, event.value)
            remaining = [
                layer
                for layer in self._run
                if field_of(self._viewer.layers, layer) is not None
            ]
            self._run = []
            if not remaining:
                self._stop_after_removal("The displacement layer was removed.")
                return
            # Plugins get proxies of layers, which are equal but not identical.
            if event.value == self._source:
                self._source = remaining[0]
            if event.value == overlay.base:
                overlay.move_to(remaining[0])
            self._watch_run()
            self._update_frame()

    def _on_transform(self) -> None:
        assert self._overlay is not None
        self._overlay.follow()
        self._update_frame()

    # Frames and results

    def _update_frame(self) -> None:
        """Show the viewer's current frame, or request it."""
        if self._source is None:
            return
        stack = self._read_field()
        if stack is None:
            self._redraw()
            return
        index = frame_at(self._source, self._viewer.dims.point, stack.n_frames)
        if index is None:
            self.request = self.frame = None
            self.failure = _NO_SUCH_FRAME
            self._redraw()
            return
        request = FrameRequest(stack, index, self._substrate(), self._config)
        # Adding or removing layers emits the event without a change of frame.
        if request == self.request:
            return
        if self.request is None or stack is not self.request.stack:
            self._longest = stack.longest()
        self.request = request
        self.failure = ""
        self.frame = self._frames.get(request)
        if self.frame is None:
            self._ask(request)
        self._redraw()

    def _read_field(self) -> DisplacementStack | None:
        """The inspected field; None, with the reason as failure, if it is unusable."""
        assert self._source is not None
        field = field_of(self._viewer.layers, self._source)
        try:
            return None if field is None else as_displacement(field)
        except FieldError as error:
            message = in_one_line(error)
            self.request = self.frame = None
            self.failure = f"{message[:1].upper()}{message[1:]}."
            return None

    def _substrate(self) -> Substrate:
        """The gel of the field's last result, or the reference gel without results."""
        assert self._source is not None
        result = last_result(self._run, self._source)
        if result is None:
            return Substrate()
        # Nothing that is shown depends on Young's modulus.
        return Substrate(replace(result.description.gel, young_pa=None))

    def take_frame(self, request: FrameRequest, frame: Frame) -> None:
        """Cache a frame, and show it if it is the current one."""
        self._frames.keep(request, frame)
        if request == self.request:
            self.frame = frame
            self._redraw()

    def take_failure(self, request: FrameRequest, message: str) -> None:
        """Report why a frame could not be computed, if it is the current one."""
        if request == self.request:
            self.failure = message
            self._clicked = None
            self._redraw()

    def take_evidence(self, request: EvidenceRequest, evidence: PatchFindings) -> None:
        """Cache the evidence for a patch, and show it if the patch is shown."""
        assert evidence.faithfulness is not None
        self._evidence.keep((request.frame, evidence.patch), evidence)
        self._curves.keep(_curve_key(request.frame, evidence), evidence.faithfulness)
        if request.frame == self.request and evidence.patch == self.shown.patch:
            self._redraw()
        else:
            self._on_change()

    def evidence_request(self) -> EvidenceRequest | None:
        """The request that tests the current map; None if there is nothing to test."""
        findings = self.findings()
        if findings is None or findings.faithfulness is not None:
            return None
        assert self.request is not None
        assert self.frame is not None
        return EvidenceRequest(self.request, self.shown, self.frame, self.evidence)

    @property
    def evidence(self) -> PatchFindings | None:
        """Evidence for the chosen patch; None if it has not been computed."""
        patch = self.shown.patch
        if self.request is None or patch is None:
            return None
        return self._evidence.get((self.request, patch))

    def findings(self) -> PatchFindings | None:
        """All results for the chosen patch; None without a patch or frame."""
        view, evidence = self.shown, self.evidence
        if self.request is None or self.frame is None or view.patch is None:
            return None
        findings = findings_of(self.request, view, self.frame)
        if evidence is None:
            return findings
        return replace(
            findings,
            influence=evidence.influence,
            reference=evidence.reference,
            faithfulness=self._curves.get(_curve_key(self.request, findings)),
        )

    def forget(self) -> None:
        """Clear the caches, and what is shown from them."""
        self._frames.forget()
        self._evidence.forget()
        self._curves.forget()
        self.request = self.frame = None
        self.failure = ""
        self._redraw()

    # The view

    @property
    def shown(self) -> View:
        """The view, restricted to what the frame has."""
        return self.view if self.frame is None else self.view.on(self.frame)

    def look_at(self, **changes: Any) -> None:
        """Change the view.

        Parameters
        ----------
        **changes
            New values of attributes of `View`.
        """
        self.view = replace(self.view, **changes)
        self._redraw()

    def move(self, rows: int, columns: int) -> None:
        """Choose the patch that lies some rows down and columns to the right."""
        if self.frame is not None and self.sees_plane:
            patch = self.shown.moved(rows, columns, self.frame.grid).patch
            self.look_at(patch=patch)

    def weights(self) -> Map | None:
        """The map shown; None if it has not been computed."""
        findings = self.findings()
        return None if findings is None else findings.shown

    def tiles(self) -> list[Tile]:
        """Tiles of all maps of the chosen patch; empty if none is chosen."""
        findings = self.findings()
        return [] if findings is None else tiles(findings)

    def draw(self, findings: PatchFindings) -> Picture | None:
        """The overlay of the map shown; None if it has not been computed."""
        return findings.picture(longest=self._longest)

    def _redraw(self) -> None:
        overlay = self._overlay
        if overlay is None:
            return
        if not self.sees_plane or self.failure:
            overlay.hide_all()
            self._hovered = None
            self.status.clear()
            self._on_change()
            return
        overlay.show_all()
        drawn = None
        if self.frame is not None:
            overlay.show_grid(self.frame.grid)
            if self._clicked is not None:
                clicked, self._clicked = self._clicked, None
                self._choose_patch_at(clicked)
            findings = self.findings()
            drawn = None if findings is None else self.draw(findings)
        overlay.outline(chosen=self.shown.patch, hovered=self._hovered)
        if self.frame is None:
            overlay.blank_map()
        elif drawn is None:
            overlay.hide_map()
        else:
            overlay.show_map(drawn, kind=self.view.kind, name=f"map ({drawn.title})")
        self._on_change()

    # The mouse

    def click(self, position: Position) -> None:
        """Choose the patch at a position; clicks outside the field are ignored.

        Parameters
        ----------
        position : tuple of float
            World coordinates.
        """
        if self.frame is None:
            if not self.failure:
                # The patch is chosen when the frame is available.
                self._clicked = position
                self._update_frame()
            return
        if self._choose_patch_at(position):
            self._redraw()

    def _choose_patch_at(self, position: Position) -> bool:
        """Choose the patch at a position, and return whether there is one."""
        hit = self._layer_and_patch_at(position)
        if hit is None or self._overlay is None:
            return False
        layer, patch = hit
        if layer != self._overlay.base:
            self._overlay.move_to(layer)
        # napari does not always report the last mouse move before a press.
        self._hovered = patch
        self.view = replace(self.view, patch=patch)
        return True

    def hover(self, position: Position) -> None:
        """Outline the patch at a position in world coordinates."""
        hit = self._layer_and_patch_at(position)
        self._set_hovered(None if hit is None else hit[1])

    def _on_leave(self) -> None:
        self._set_hovered(None)

    def _set_hovered(self, patch: Patch | None) -> None:
        if self._overlay is not None and patch != self._hovered:
            self._hovered = patch
            self._overlay.outline(chosen=self.shown.patch, hovered=patch)

    def _layer_and_patch_at(self, position: Position) -> tuple[Layer, Patch] | None:
        """The layer of the run and the patch at a position.

        If layers overlap, the active layer is used, else the layer below the map,
        else the uppermost visible layer.
        """
        if self.frame is None or self._overlay is None:
            return None
        active = self._viewer.layers.selection.active
        base = self._overlay.base
        candidates = [layer for layer in (active, base) if layer in self._run]
        candidates += [layer for layer in reversed(self._run) if layer.visible]
        for layer in candidates:
            _, row, column = node_at(layer, position)
            patch = self.frame.grid.patch_at(x=column, y=row)
            if patch is not None:
                return layer, patch
        return None

    def _hovered_words(self) -> str:
        """Name of the patch under the mouse, and its weight in the map."""
        if self._hovered is None or self.frame is None:
            return ""
        return captions.share_words(self.frame.grid, self._hovered, self.weights())

    @property
    def tractions_by(self) -> str:
        """Model of the field's last result, if it is not the inspected model."""
        if self._source is None or self.frame is None:
            return ""
        result = last_result(self._run, self._source)
        if result is None:
            return ""
        computed = result.description
        has_same_name = computed.model == self.frame.model
        has_same_weights = computed.model_sha256 == self.frame.model_sha256
        # Classical methods have no weights; only their names differ.
        is_same = has_same_weights and (has_same_name or computed.model_sha256)
        if not computed.model or is_same:
            return ""
        if has_same_name:
            return "a model of the same name with other weights"
        return computed.model

    @property
    def sees_plane(self) -> bool:
        """Whether the viewer shows a plane in which patches can be chosen."""
        return shows_plane(self._viewer)


def _curve_key(request: FrameRequest, findings: PatchFindings) -> CurveKey:
    """Cache key of a faithfulness curve; without attention it is the influence's."""
    choice = ROLLOUT if findings.attention is None else findings.choice
    return request, findings.patch, findings.block, choice


def _transform_events(layer: Layer) -> tuple[Any, ...]:
    events = layer.events
    moves = (events.scale, events.translate, events.rotate, events.shear)
    return (*moves, events.affine, events.units)
