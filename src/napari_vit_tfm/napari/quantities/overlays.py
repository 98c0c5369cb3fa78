"""`Overlays`: the layers that the dock draws over tractions."""

from __future__ import annotations

from collections.abc import Sequence

from napari.components import LayerList
from napari.layers import Labels, Layer, Vectors

from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.napari.layers.following import (
    follow,
    keeps_selection,
    replace_overlays,
)
from napari_vit_tfm.napari.layers.reading import FieldLayers
from napari_vit_tfm.napari.quantities.drawing import (
    adhesion_layer,
    difference_layers,
    region_layer,
)
from napari_vit_tfm.napari.quantities.measured import Measured
from napari_vit_tfm.quantities import Adhesion


class Overlays:
    """The regions of cells, the outline of an adhesion, and differences.

    The selection of layers stays as it is. All of them stay in the place of their
    tractions, and are removed with them, differences with each of both.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers.

    Attributes
    ----------
    regions : Labels, optional
        The layer of regions and rings; None while there is none.
    is_adding : bool
        Whether layers are being added, which changes the selection for a moment.
    """

    def __init__(self, layers: LayerList) -> None:
        self._layers = layers
        self._outline: Vectors | None = None
        self.regions: Labels | None = None
        self.is_adding = False

    def show_regions(self, measured: Measured, field: FieldLayers) -> None:
        """Show the regions of a measurement of a field."""
        self.erase_regions()
        self.regions = region_layer(measured, field.first)
        self._add([self.regions])
        follow(self._layers, field.first, self.regions)

    def erase_regions(self) -> None:
        """Remove the layer of regions."""
        layer, self.regions = self.regions, None
        self._remove(layer)

    def show_outline(self, adhesion: Adhesion, field: FieldLayers) -> None:
        """Outline an adhesion of a field, instead of another one."""
        self.erase_outline()
        self._outline = adhesion_layer(adhesion, field.first)
        self._add([self._outline])
        follow(self._layers, field.first, self._outline)

    def erase_outline(self) -> None:
        """Remove the outline."""
        layer, self._outline = self._outline, None
        self._remove(layer)

    def show_difference(
        self,
        difference: TractionStack,
        fields: Sequence[FieldLayers],
        names: Sequence[str],
    ) -> None:
        """Add the layers of a difference, instead of those of the same name.

        Both tractions are hidden: there is room for one colour bar.

        Parameters
        ----------
        difference : TractionStack
            The first minus the second tractions.
        fields : sequence of FieldLayers
            Both tractions.
        names : sequence of str
            Their names.
        """
        new = difference_layers(difference, fields[0].first, names)
        for field in fields:
            for layer in field.layers:
                layer.visible = False
        self._add(new)
        for one in new:
            others = [field.first for field in fields[1:]]
            follow(self._layers, fields[0].first, one, others=others)

    def _add(self, new: Sequence[Layer]) -> None:
        self.is_adding = True
        try:
            with keeps_selection(self._layers):
                replace_overlays(self._layers, new)
        finally:
            self.is_adding = False

    def _remove(self, layer: Layer | None) -> None:
        if layer is not None and layer in self._layers:
            self._layers.remove(layer)
