"""Sample data: synthetic time-lapses with known tractions."""

from __future__ import annotations

from napari_vit_tfm import synthesis
from napari_vit_tfm.config import ExampleConfig
from napari_vit_tfm.napari.layers.arrow_updates import follow_where_layers_arrive
from napari_vit_tfm.napari.layers.drawing import LayerData, field_layers

KNOWN = "known traction"
"""Name of the quantity in the layers of known tractions."""

_EXAMPLE = ExampleConfig()


def discs() -> list[LayerData]:
    """Circular adhesions whose tractions oscillate with different periods."""
    return sample_layers(
        synthesis.disc_timelapse(n_frames=_EXAMPLE.n_frames, seed=_EXAMPLE.seed),
        title="discs",
    )


def contracting_cell() -> list[LayerData]:
    """A spindle-shaped cell that contracts and relaxes."""
    return sample_layers(
        synthesis.contracting_cell(n_frames=_EXAMPLE.n_frames, seed=_EXAMPLE.seed),
        title="cell",
    )


def sample_layers(field: synthesis.SyntheticStack, *, title: str) -> list[LayerData]:
    """Layers of displacements in micrometres and of known tractions in Pa.

    The layers of the known tractions are hidden.

    Parameters
    ----------
    field : SyntheticStack
        The field in the reference form.
    title : str, keyword-only
        Title of the field, with which the layers' names begin.
    """
    follow_where_layers_arrive()
    displacement, traction = field.on_gel(
        young_pa=_EXAMPLE.young_pa, spacing_um=_EXAMPLE.spacing_um
    )
    return [
        *field_layers(traction, quantity=KNOWN, title=title, visible=False),
        *field_layers(displacement, title=title),
    ]
