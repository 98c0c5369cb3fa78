"""Where the noise of the displacements is known from, in the traction dock."""

from __future__ import annotations

import dataclasses

import numpy as np
from napari.components import LayerList
from napari.layers import Layer
from qtpy.QtWidgets import QWidget

from napari_vit_tfm.config import NoiseConfig
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.layers.placing import WorldUnits
from napari_vit_tfm.napari.quantities.cells import cells_at_vectors
from napari_vit_tfm.napari.widgets.forms import Form, form_layout
from napari_vit_tfm.napari.widgets.region_choice import RegionChoice
from napari_vit_tfm.options import options_of

_FIELD, _NUMBER = "field", "number"
_WORDS = {_FIELD: "estimated from the field", _NUMBER: "as typed"}
_OPTIONS = options_of(NoiseConfig)
_TYPED = {
    **_OPTIONS,
    "sd": dataclasses.replace(
        _OPTIONS["sd"],
        about=dataclasses.replace(_OPTIONS["sd"].about, otherwise="type a number"),
    ),
}
_TIP = (
    "Where the noise of the displacements is known from: the whole field, a number, or "
    "a Labels or Shapes layer in which nothing pulls. Chi squared, intervals, FTTC and "
    "the controls depend on it."
)


class NoiseRows(QWidget):
    """Choice of the noise: from the field, typed, or from a region without force.

    Parameters
    ----------
    layers : LayerList
        The viewer's layers, which are watched between `bind` and `unbind`.
    """

    def __init__(self, layers: LayerList) -> None:
        super().__init__()
        self.source = RegionChoice(layers, _WORDS, usual=_FIELD, preposition="from ")
        self.source.setToolTip(_TIP)
        layout = form_layout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addRow("Noise", self.source)
        self.form = Form(_TYPED, layout)
        self.source.changed.connect(self._show_rows)
        self._show_rows()

    def bind(self) -> None:
        """Watch the layers."""
        self.source.bind()

    def unbind(self) -> None:
        """Stop watching the layers, and keep none."""
        self.source.unbind()

    def _show_rows(self) -> None:
        """Show the numbers only where they count."""
        for name in ("sd", "length"):
            self.form.show_row(name, self.source.value() == _NUMBER)

    def config(
        self,
        field: Layer,
        stack: DisplacementStack,
        *,
        bin_size: int,
        world_units: WorldUnits,
    ) -> NoiseConfig:
        """What is chosen.

        Parameters
        ----------
        field : Layer
            A layer of the field.
        stack : DisplacementStack
            Its displacements.
        bin_size : int, keyword-only
            Side of the squares of vectors that will be averaged.
        world_units : tuple of pint.Unit, keyword-only
            Units of the viewer's world axes.

        Raises
        ------
        FieldError
            If the layer of the region has no shape or label at any vector.
        ConfigError
            If no number is typed, or the region is of no use.
        """
        from napari_vit_tfm.trust.force_free import region_as_text

        source = self.source.value()
        if source == _FIELD:
            return NoiseConfig()
        if isinstance(source, str):
            typed = self.form.values()
            if typed["sd"] is None:
                raise ConfigError(
                    "the noise is as typed, but no standard deviation is typed"
                )
            return NoiseConfig(**typed)
        inside = (
            cells_at_vectors(
                source,
                field,
                n_frames=stack.n_frames,
                grid_shape=stack.grid_shape,
                world_units=world_units,
            )
            != 0
        )
        if inside.ndim == 3:
            inside = inside.all(axis=0)
        height, width = (n // bin_size for n in inside.shape)
        blocks = inside[: height * bin_size, : width * bin_size]
        return NoiseConfig(
            region=region_as_text(
                np.all(blocks.reshape(height, bin_size, width, bin_size), axis=(1, 3))
            )
        )
