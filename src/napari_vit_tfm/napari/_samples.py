"""Sample data: time-lapses whose tractions are known."""

from __future__ import annotations

from napari_vit_tfm import synthesis
from napari_vit_tfm.config import ExampleConfig
from napari_vit_tfm.napari.layers.drawing import LayerData, field_layers

KNOWN = "known traction"
"""What tractions that are given are called."""

_EXAMPLE = ExampleConfig()


def discs() -> list[LayerData]:
    """Round adhesions whose tractions swing, each in its own rhythm."""
    return sample_layers(
        synthesis.disc_timelapse(n_frames=_EXAMPLE.n_frames, seed=_EXAMPLE.seed)
    )


def contracting_cell() -> list[LayerData]:
    """A spindle-shaped cell that contracts and relaxes."""
    return sample_layers(
        synthesis.contracting_cell(n_frames=_EXAMPLE.n_frames, seed=_EXAMPLE.seed)
    )


def sample_layers(field: synthesis.SyntheticStack) -> list[LayerData]:
    """Displacements in micrometres over known tractions in Pa, which are hidden.

    Parameters
    ----------
    field : SyntheticStack
        The field in the reference form.
    """
    displacement, traction = field.on_gel(
        young_pa=_EXAMPLE.young_pa, spacing_um=_EXAMPLE.spacing_um
    )
    return [
        *field_layers(traction, quantity=KNOWN, visible=False),
        *field_layers(displacement),
    ]
