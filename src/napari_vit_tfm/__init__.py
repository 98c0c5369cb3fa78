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
    from .config import ReconstructionConfig
    from .fields import DisplacementStack, FieldError, TractionStack
    from .io import read_displacement, read_traction, write_traction
    from .physics.substrate import Substrate

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
    "DisplacementStack": ".fields",
    "FieldError": ".fields",
    "ReconstructionConfig": ".config",
    "Substrate": ".physics.substrate",
    "TractionStack": ".fields",
    "read_displacement": ".io",
    "read_traction": ".io",
    "write_traction": ".io",
}
"""The module that each public name lives in."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
