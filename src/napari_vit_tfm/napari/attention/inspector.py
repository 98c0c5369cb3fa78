"""What is inspected: it follows the viewer, keeps the answers, draws the layers.

No Qt: what has to be computed is asked for, and handed in when it is there.
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
from napari_vit_tfm.fields import TractionStack
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
from napari_vit_tfm.napari.layers.drawing import frame_at
from napari_vit_tfm.napari.layers.runs import layers_of_run
from napari_vit_tfm.napari.layers.tags import (
    displacement_stack,
    layer_stack,
    show_same_field,
)
from napari_vit_tfm.napari.lru_cache import LRUCache
from napari_vit_tfm.physics.substrate import Substrate

CACHED_FRAMES = 4
CACHED_EVIDENCE = 32

_NO_SUCH_FRAME = "The viewer is at a frame that this field does not have."

Tested = tuple[FrameRequest, Patch, int, MapChoice]
"""Frame, patch, block and map of a faithfulness curve."""


class Inspector:
    """The patch, block and frame that are looked at, over a run's layers.

    A run is a displacement field with the tractions computed from it.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer; watched between `start` and `stop`.
    ask : callable, keyword-only
        Asked for a frame that is not known; `take_frame` takes the answer.
    on_change : callable, keyword-only
        Called when something else is to be seen.
    later : callable, keyword-only
        Calls what it is given once the current event is dealt with.
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
        self._later = later
        self._on_change = on_change
        self._pointer = Pointer(
            viewer, on_move=self.hover, on_click=self.click, on_leave=self._leave
        )
        self.status = StatusLine(viewer, self._patch_words)
        self._frames = LRUCache[FrameRequest, Frame](CACHED_FRAMES)
        self._evidence = LRUCache[tuple[FrameRequest, Patch], PatchFindings](
            CACHED_EVIDENCE
        )
        self._curves = LRUCache[Tested, Faithfulness](CACHED_EVIDENCE)
        self._config = ReconstructionConfig()
        self._source: Layer | None = None
        self._run: list[Layer] = []
        self._overlay: AttentionLayers | None = None
        self._longest = 0.0
        self._clicked: Position | None = None
        self._pointed_at: Patch | None = None
        self.request: FrameRequest | None = None
        self.frame: Frame | None = None
        self.view = View()
        self.problem = ""
        self.failure = ""

    # From start to stop

    @property
    def is_on(self) -> bool:
        """Whether something is inspected."""
        return self._overlay is not None

    @property
    def has_lost_its_layer(self) -> bool:
        """Whether the layer that is inspected is just being removed."""
        return self._source is not None and self._source not in self._viewer.layers

    def looks_at(self, source: Layer, config: ReconstructionConfig) -> bool:
        """Whether a layer's field is inspected, by a model."""
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
            Shows displacements.
        config : ReconstructionConfig
            Model and device.
        """
        self.stop()
        self._source, self._config = source, config
        self._overlay = AttentionLayers(self._viewer.layers, source)
        self._pointer.bind()
        for event, callback in self._events():
            event.connect(callback)
        self.status.bind()
        self._watch_run()
        self._look()

    def stop(self, problem: str = "") -> None:
        """Inspect nothing, and take everything away.

        Parameters
        ----------
        problem : str
            Why it is so, if nobody asked for it.
        """
        overlay = self._end(problem)
        if overlay is not None:
            overlay.remove()

    def _end_by_removal(self, problem: str) -> None:
        """Stop while layers are being removed, and leave that to be done first."""
        overlay = self._end(problem)
        assert overlay is not None
        self._later(overlay.remove)
        self._on_change()

    def _end(self, problem: str) -> AttentionLayers | None:
        """Inspect nothing; return the layers that are still to be taken away."""
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
        self._clicked = self._pointed_at = None
        return overlay

    def _events(self) -> list[tuple[Any, Callable[..., None]]]:
        dims, layers = self._viewer.dims.events, self._viewer.layers.events
        return [
            (dims.current_step, self._look),
            (dims.ndisplay, self._show),
            (dims.order, self._show),
            (self._viewer.canvas.grid.events.enabled, self._show),
            (layers.inserted, self._on_inserted),
            (layers.removed, self._on_removed),
        ]

    def _watch_run(self) -> None:
        assert self._source is not None
        self._run = layers_of_run(self._viewer.layers, self._source)
        for layer in self._run:
            layer.events.metadata.connect(self._look)
            for event in _geometry_events(layer):
                event.connect(self._on_moved)

    def _unwatch_run(self) -> None:
        for layer in self._run:
            layer.events.metadata.disconnect(self._look)
            for event in _geometry_events(layer):
                event.disconnect(self._on_moved)
        self._run = []

    def _on_inserted(self) -> None:
        self._unwatch_run()
        self._watch_run()
        self._look()

    def _on_removed(self, event: Event) -> None:
        overlay = self._overlay
        assert overlay is not None
        if event.value in overlay:
            self._end_by_removal(
                "One of its layers was removed: the inspection has ended."
            )
            return
        if event.value in self._run:
            self._unwatch_run()
            self._run = layers_of_run(self._viewer.layers, event.value)
            rest = [one for one in self._run if displacement_stack(one) is not None]
            self._run = []
            if not rest:
                self._end_by_removal("The displacement layer was removed.")
                return
            # A viewer gives plugins layers in disguise: equal, but not the same.
            if event.value == self._source:
                self._source = rest[0]
            if event.value == overlay.base:
                overlay.move_to(rest[0])
            self._watch_run()
            self._look()

    def _on_moved(self) -> None:
        assert self._overlay is not None
        self._overlay.follow()
        self._look()

    # Frames and answers

    def _look(self) -> None:
        """Show the frame that the viewer is at, or ask for it."""
        if self._source is None:
            return
        stack = displacement_stack(self._source)
        assert stack is not None
        number = frame_at(self._source, self._viewer.dims.point)
        if number is None:
            self.request = self.frame = None
            self.failure = _NO_SUCH_FRAME
            self._show()
            return
        request = FrameRequest(stack, number, self._substrate(), self._config)
        # Layers that come and go announce the frame anew.
        if request == self.request:
            return
        if self.request is None or stack is not self.request.stack:
            self._longest = stack.longest()
        self.request = request
        self.failure = ""
        self.frame = self._frames.get(request)
        if self.frame is None:
            self._ask(request)
        self._show()

    def _substrate(self) -> Substrate:
        """The gel of the tractions that were computed from the field, if any."""
        for layer in self._run:
            stack = layer_stack(layer)
            if isinstance(stack, TractionStack):
                # The stiffness changes nothing that is shown.
                return Substrate(replace(stack.gel, young_pa=None))
        return Substrate()

    def take_frame(self, request: FrameRequest, frame: Frame) -> None:
        """Keep a frame, and show it if it is the one that is looked at."""
        self._frames.keep(request, frame)
        if request == self.request:
            self.frame = frame
            self._show()

    def take_failure(self, request: FrameRequest, why: str) -> None:
        """Say why a frame cannot be looked at, if it is the one; others may be."""
        if request == self.request:
            self.failure = why
            self._clicked = None
            self._show()

    def take_evidence(self, request: EvidenceRequest, evidence: PatchFindings) -> None:
        """Keep a patch's evidence, and show it if it is of what is looked at."""
        assert evidence.faithfulness is not None
        self._evidence.keep((request.frame, evidence.patch), evidence)
        self._curves.keep(_tested(request.frame, evidence), evidence.faithfulness)
        if request.frame == self.request and evidence.patch == self.shown.patch:
            self._show()
        else:
            self._on_change()

    def evidence_request(self) -> EvidenceRequest | None:
        """What to ask for to have the block's map tested; None where it is."""
        findings = self.findings()
        if findings is None or findings.faithfulness is not None:
            return None
        assert self.request is not None
        assert self.frame is not None
        return EvidenceRequest(self.request, self.shown, self.frame, self.evidence)

    @property
    def evidence(self) -> PatchFindings | None:
        """Evidence on the chosen patch, where it has been computed."""
        patch = self.shown.patch
        if self.request is None or patch is None:
            return None
        return self._evidence.get((self.request, patch))

    def findings(self) -> PatchFindings | None:
        """All that is known about the chosen patch, to be taken along."""
        view, known = self.shown, self.evidence
        if self.request is None or self.frame is None or view.patch is None:
            return None
        found = findings_of(self.request, view, self.frame)
        if known is None:
            return found
        return replace(
            found,
            influence=known.influence,
            reference=known.reference,
            faithfulness=self._curves.get(_tested(self.request, found)),
        )

    def forget(self) -> None:
        """Forget all answers, and what is shown by them."""
        self._frames.forget()
        self._evidence.forget()
        self._curves.forget()
        self.request = self.frame = None
        self.failure = ""
        self._show()

    # What is seen

    @property
    def shown(self) -> View:
        """The view, as far as the frame has it."""
        return self.view if self.frame is None else self.view.on(self.frame)

    def look_at(self, **changes: Any) -> None:
        """Change the view.

        Parameters
        ----------
        **changes
            Attributes of `View`.
        """
        self.view = replace(self.view, **changes)
        self._show()

    def move(self, rows: int, columns: int) -> None:
        """Choose the patch some rows down and columns to the right."""
        if self.frame is not None and self.sees_plane:
            patch = self.shown.moved(rows, columns, self.frame.grid).patch
            self.look_at(patch=patch)

    def weights(self) -> Map | None:
        """The map that is looked at, where there is one."""
        findings = self.findings()
        return None if findings is None else findings.shown

    def tiles(self) -> list[Tile]:
        """All maps of the chosen patch; none where none is chosen."""
        findings = self.findings()
        return [] if findings is None else tiles(findings)

    def draw(self, findings: PatchFindings) -> Picture | None:
        """Draw a map of the frame over it, where the map is known."""
        return findings.picture(longest=self._longest)

    def _show(self) -> None:
        overlay = self._overlay
        if overlay is None:
            return
        if not self.sees_plane or self.failure:
            overlay.set_aside()
            self._pointed_at = None
            self.status.clear()
            self._on_change()
            return
        overlay.bring_back()
        drawn = None
        if self.frame is not None:
            overlay.show_grid(self.frame.grid)
            if self._clicked is not None:
                clicked, self._clicked = self._clicked, None
                self._aim(clicked)
            findings = self.findings()
            drawn = None if findings is None else self.draw(findings)
        overlay.outline(chosen=self.shown.patch, pointed_at=self._pointed_at)
        if self.frame is None:
            overlay.blank_map()
        elif drawn is None:
            overlay.hide_map()
        else:
            overlay.show_map(drawn, kind=self.view.kind, name=f"map ({drawn.title})")
        self._on_change()

    # The mouse

    def click(self, position: Position) -> None:
        """Choose the patch at a position in the world; outside it is no click.

        Parameters
        ----------
        position : tuple of float
            In the viewer's coordinates.
        """
        if self.frame is None:
            if not self.failure:
                # It counts as soon as there are patches.
                self._clicked = position
                self._look()
            return
        if self._aim(position):
            self._show()

    def _aim(self, position: Position) -> bool:
        """Choose the patch at a position, if there is one."""
        hit = self._hit(position)
        if hit is None or self._overlay is None:
            return False
        layer, patch = hit
        if layer != self._overlay.base:
            self._overlay.move_to(layer)
        # The last move before a press is not always announced.
        self._pointed_at = patch
        self.view = replace(self.view, patch=patch)
        return True

    def hover(self, position: Position) -> None:
        """Outline the patch at a position in the world."""
        hit = self._hit(position)
        self._point_at(None if hit is None else hit[1])

    def _leave(self) -> None:
        self._point_at(None)

    def _point_at(self, patch: Patch | None) -> None:
        if self._overlay is not None and patch != self._pointed_at:
            self._pointed_at = patch
            self._overlay.outline(chosen=self.shown.patch, pointed_at=patch)

    def _hit(self, position: Position) -> tuple[Layer, Patch] | None:
        """The run's layer and the patch at a position.

        Where several layers lie, the one that is active counts, then the one
        that the map lies over, then the uppermost.
        """
        if self.frame is None or self._overlay is None:
            return None
        active = self._viewer.layers.selection.active
        base = self._overlay.base
        candidates = [layer for layer in (active, base) if layer in self._run]
        candidates += [layer for layer in reversed(self._run) if layer.visible]
        for layer in candidates:
            row, column = layer.world_to_data(position)[-2:]
            patch = self.frame.grid.patch_at(x=float(column), y=float(row))
            if patch is not None:
                return layer, patch
        return None

    def _patch_words(self) -> str:
        """The patch under the mouse, and what it has of the map."""
        if self._pointed_at is None or self.frame is None:
            return ""
        return captions.share_words(self.frame.grid, self._pointed_at, self.weights())

    @property
    def tractions_by(self) -> str:
        """Whose tractions are there, if they are not those of the model."""
        for layer in self._run:
            stack = layer_stack(layer)
            if not isinstance(stack, TractionStack) or self.frame is None:
                continue
            has_same_name = stack.model == self.frame.model
            has_same_weights = stack.model_sha256 == self.frame.model_sha256
            # Classical methods have no weights to tell them by.
            is_same = has_same_weights and (has_same_name or stack.model_sha256)
            if stack.model and not is_same:
                return "other weights of that name" if has_same_name else stack.model
        return ""

    @property
    def sees_plane(self) -> bool:
        """Whether the viewer shows what patches can be chosen in."""
        return shows_plane(self._viewer)


def _tested(request: FrameRequest, findings: PatchFindings) -> Tested:
    """What a patch's faithfulness is that of; without attention, of the influence."""
    choice = ROLLOUT if findings.attention is None else findings.choice
    return request, findings.patch, findings.block, choice


def _geometry_events(layer: Layer) -> tuple[Any, ...]:
    events = layer.events
    moves = (events.scale, events.translate, events.rotate, events.shear)
    return (*moves, events.affine, events.units)
