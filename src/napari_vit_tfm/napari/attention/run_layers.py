"""`RunLayers`: the layers of the inspected run, and what its last result says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from weakref import WeakKeyDictionary

from napari.components import ViewerModel
from napari.layers import Layer
from napari.utils.events import Event

from napari_vit_tfm.attention.frame import PreparedFrame
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.config import PreparationConfig
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.attention.mouse_and_keys import Position
from napari_vit_tfm.napari.layers.drawn_arrows import is_being_drawn
from napari_vit_tfm.napari.layers.placing import bin_of, node_at
from napari_vit_tfm.napari.layers.reading import field_of
from napari_vit_tfm.napari.layers.registry import forget_comparison, without_proxy
from napari_vit_tfm.napari.layers.results import last_result, layers_of_run
from napari_vit_tfm.napari.widgets.inputs import transform_events
from napari_vit_tfm.physics.substrate import Substrate


class RunLayers:
    """Watches the layers of a displacement field and of its tractions.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    on_field : callable, keyword-only
        Called when data or metadata of a layer have changed.
    on_transform : callable, keyword-only
        Called when a layer has moved.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        *,
        on_field: Callable[[], None],
        on_transform: Callable[[], None],
    ) -> None:
        self._viewer = viewer
        self._tell_field = on_field
        self._tell_transform = on_transform
        self._layers: list[Layer] = []
        self._drawn_steps: WeakKeyDictionary[Layer, tuple[int, ...]] = (
            WeakKeyDictionary()
        )

    @property
    def layers(self) -> list[Layer]:
        """The layers that are watched."""
        return self._layers

    def watch(self, source: Layer) -> None:
        """Watch the layers of a run that are in the viewer now.

        Parameters
        ----------
        source : Layer
            A layer of the displacement field.
        """
        layers = self._viewer.layers
        run = layers_of_run(layers, source)
        if not run:
            # A field that could not be read yet has no description.
            field = field_of(layers, source)
            run = [] if field is None else list(field.layers)
        if run == self._layers:
            return
        self.unwatch()
        self._layers = run
        for layer in self._layers:
            self._drawn_steps[without_proxy(layer)] = self._steps()
            layer.events.data.connect(self._on_data)
            layer.events.set_data.connect(self._on_drawn)
            layer.events.metadata.connect(self._on_metadata)
            for event in transform_events(layer):
                event.connect(self._on_transform)

    def unwatch(self) -> None:
        """Watch no layer."""
        for layer in self._layers:
            layer.events.data.disconnect(self._on_data)
            layer.events.set_data.disconnect(self._on_drawn)
            layer.events.metadata.disconnect(self._on_metadata)
            for event in transform_events(layer):
                event.disconnect(self._on_transform)
        self._layers = []

    def _on_data(self, event: Event) -> None:
        forget_comparison(event.source)
        self._tell_field()

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

    def _on_metadata(self) -> None:
        self._tell_field()

    def _on_transform(self) -> None:
        self._tell_transform()

    def layer_and_patch_at(
        self, position: Position, frame: PreparedFrame, *, base: Layer
    ) -> tuple[Layer, Patch] | None:
        """The layer of the run and the patch at a position; None outside of them.

        If layers overlap, the active layer has priority, then the layer below the map,
        then the uppermost visible layer.

        Parameters
        ----------
        position : tuple of float
            World coordinates.
        frame : PreparedFrame
            The frame with the patches.
        base : Layer, keyword-only
            The layer below the map.
        """
        active = self._viewer.layers.selection.active
        candidates = [layer for layer in (active, base) if layer in self._layers]
        candidates += [layer for layer in reversed(self._layers) if layer.visible]
        for layer in candidates:
            _, *measured = node_at(layer, position, self._viewer.dims.units)
            n = frame.preparation.bin_size
            row, column = (bin_of(node, n) for node in measured)
            patch = frame.grid.patch_at(x=column, y=row)
            if patch is not None:
                return layer, patch
        return None

    # The last result of the run

    def as_computed(self, source: Layer) -> tuple[Substrate, PreparationConfig]:
        """Gel and preparation of the field's last result, or the default ones."""
        result = last_result(self._layers, source)
        if result is None:
            return Substrate(), PreparationConfig()
        computed = result.description
        # The maps do not depend on Young's modulus.
        gel = replace(computed.gel, young_pa=None)
        return Substrate(gel), computed.preparation

    def gel(self, source: Layer, measured: Gel) -> Gel:
        """Gel of the field's last result; what it does not say is that of the field.

        Parameters
        ----------
        source : Layer
            A layer of the field.
        measured : Gel
            The gel of the field.
        """
        result = last_result(self._layers, source)
        computed = Gel() if result is None else result.description.gel
        return computed.filled_from(measured)

    def other_model(self, source: Layer, frame: PreparedFrame) -> str:
        """Model of the field's last result, if it differs from that of a frame."""
        result = last_result(self._layers, source)
        if result is None or not result.description.model:
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
