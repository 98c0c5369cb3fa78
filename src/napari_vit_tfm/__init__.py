"""Traction force microscopy with a Vision Transformer, in napari and without.

Importing the package costs nothing: the names below are looked up when they
are first used, and torch, napari and Qt stay out until a function needs them.

The function that reconstructs tractions is not among them, because it bears
the name of its module: ``from napari_vit_tfm.reconstruct import reconstruct``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_vit_tfm.config import ReconstructionConfig
    from napari_vit_tfm.fields import DisplacementStack, FieldError, TractionStack
    from napari_vit_tfm.io import read_displacement, read_traction, write_traction
    from napari_vit_tfm.physics import Substrate

__version__ = "0.1.0"

__all__ = [
    "DisplacementStack",
    "FieldError",
    "ReconstructionConfig",
    "Substrate",
    "TractionStack",
    "__version__",
    "read_displacement",
    "read_traction",
    "write_traction",
]

_HOME = {
    "DisplacementStack": "napari_vit_tfm.fields",
    "FieldError": "napari_vit_tfm.fields",
    "ReconstructionConfig": "napari_vit_tfm.config",
    "Substrate": "napari_vit_tfm.physics",
    "TractionStack": "napari_vit_tfm.fields",
    "read_displacement": "napari_vit_tfm.io",
    "read_traction": "napari_vit_tfm.io",
    "write_traction": "napari_vit_tfm.io",
}
"""The module that each public name lives in."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
