"""Sample data: time-lapses whose tractions are known."""

from __future__ import annotations

from napari_vit_tfm import synthesis
from napari_vit_tfm.config import REFERENCE_POISSON
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.napari.layers import LayerData, field_layers

YOUNG_PA = 10_000.0
"""Young's modulus of the samples' gel, in Pa."""

SPACING_UM = 0.8
"""Distance between the samples' vectors, in micrometres."""

KNOWN = "known traction"
"""What tractions that are given are called."""

_N_FRAMES = 12
_SEED = 1


def discs() -> list[LayerData]:
    """Round adhesions whose tractions swing, each in its own rhythm."""
    return sample_layers(synthesis.disc_timelapse(n_frames=_N_FRAMES, seed=_SEED))


def contracting_cell() -> list[LayerData]:
    """A spindle-shaped cell that contracts and relaxes."""
    return sample_layers(synthesis.contracting_cell(n_frames=_N_FRAMES, seed=_SEED))


def sample_layers(field: synthesis.SyntheticStack) -> list[LayerData]:
    """Displacements in micrometres over known tractions in Pa, which are hidden.

    Parameters
    ----------
    field : SyntheticStack
        The field in the reference form.
    """
    width = (field.displacement.shape[2] - 1) * SPACING_UM
    gel = {"young_pa": YOUNG_PA, "poisson": REFERENCE_POISSON}
    displacement = DisplacementStack(
        field.displacement * width,
        unit="um",
        spacing=SPACING_UM,
        metadata={"attributes": gel},
    )
    traction = TractionStack(
        field.traction * YOUNG_PA,
        unit="Pa",
        spacing=SPACING_UM,
        young=YOUNG_PA,
        poisson=REFERENCE_POISSON,
    )
    return [
        *field_layers(traction, quantity=KNOWN, visible=False),
        *field_layers(displacement),
    ]
