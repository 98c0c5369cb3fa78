"""Traction force microscopy with a Vision Transformer, with and without napari.

Importing the package is fast: public names are loaded when they are first used, and
torch, napari and Qt when a function needs them.

To compute tractions from displacements::

    import napari_vit_tfm as tfm

    gel = tfm.Gel(young_pa=10_000, poisson=0.45)
    displacement = tfm.read_displacement("cell.h5", gel=gel)
    traction = tfm.reconstruct(displacement)
    tfm.write_traction("traction.h5", traction)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_vit_tfm.config import ReconstructionConfig
    from napari_vit_tfm.errors import Cancelled, TFMError
    from napari_vit_tfm.fields import DisplacementStack, TractionStack
    from napari_vit_tfm.gel import Gel
    from napari_vit_tfm.io import read_displacement, read_traction, write_traction
    from napari_vit_tfm.physics import Substrate
    from napari_vit_tfm.reconstruction import load_method, reconstruct

__version__ = "0.1.0"

__all__ = [
    "Cancelled",
    "DisplacementStack",
    "Gel",
    "ReconstructionConfig",
    "Substrate",
    "TFMError",
    "TractionStack",
    "__version__",
    "load_method",
    "read_displacement",
    "read_traction",
    "reconstruct",
    "write_traction",
]

_HOME = {
    "Cancelled": "napari_vit_tfm.errors",
    "DisplacementStack": "napari_vit_tfm.fields",
    "Gel": "napari_vit_tfm.gel",
    "ReconstructionConfig": "napari_vit_tfm.config",
    "Substrate": "napari_vit_tfm.physics",
    "TFMError": "napari_vit_tfm.errors",
    "TractionStack": "napari_vit_tfm.fields",
    "load_method": "napari_vit_tfm.reconstruction",
    "read_displacement": "napari_vit_tfm.io",
    "read_traction": "napari_vit_tfm.io",
    "reconstruct": "napari_vit_tfm.reconstruction",
    "write_traction": "napari_vit_tfm.io",
}
"""The module of each public name."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
