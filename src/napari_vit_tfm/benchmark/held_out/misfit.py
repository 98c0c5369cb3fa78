"""Held-out fields that do not fit the model of the gel."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import scipy

from napari_vit_tfm.benchmark.held_out.gel import Traction, half_space, layer

FloatArray = npt.NDArray[np.floating]
Rng = np.random.Generator

_REACH = 0.25
"""Distance at which a response is cut off, relative to the height of the field."""

_THICKNESS = 10.0
"""Thickness of a layer that is thought to be infinitely thick, in grid steps."""

_WINDOW = 7
"""Side of a wide interrogation window, in grid steps."""

_SMOOTH = 12.0
_SWOLLEN = 0.25
"""Standard deviation of the Gaussian of smooth errors, in grid steps, and size of these
errors relative to the displacement."""

_PLACES = 5
_SHIFTED = 0.25
"""Number of places with wrong displacement, and size of the error of the whole field,
relative to the displacement."""


def _short_response(drawn: Traction, _rng: Rng) -> FloatArray:
    reach = _REACH * drawn.canvas.shape[0]
    return drawn.displacement(half_space(drawn.canvas, reach))


def _thin_layer(drawn: Traction, _rng: Rng) -> FloatArray:
    return drawn.displacement(layer(drawn.canvas, _THICKNESS))


def _wide_windows(drawn: Traction, _rng: Rng) -> FloatArray:
    return drawn.averaged(_WINDOW).displacement()


def _smooth_errors(drawn: Traction, rng: Rng) -> FloatArray:
    made = drawn.displacement()
    white = rng.standard_normal(made.shape)
    smooth = scipy.ndimage.gaussian_filter(white, (0, _SMOOTH, _SMOOTH), mode="reflect")
    return made + _SWOLLEN * _size(made) / _size(smooth) * smooth


def _shifted_places(drawn: Traction, rng: Rng) -> FloatArray:
    made = drawn.displacement()
    y, x = np.indices(made.shape[1:])
    added = np.zeros_like(made)
    for _ in range(_PLACES):
        row, column = (rng.uniform(0, n - 1) for n in made.shape[1:])
        is_near = np.hypot(y - row, x - column) < rng.uniform(3, 8)
        added += rng.standard_normal((2, 1, 1)) * is_near
    return made + _SHIFTED * _size(made) / _size(added) * added


def _size(vectors: FloatArray) -> float:
    """Root mean square of the components about their means."""
    return float(np.sqrt(vectors.var(axis=(1, 2)).mean()))


MISFITS: Mapping[str, Callable[[Traction, Rng], FloatArray]] = {
    "response cut off at a quarter of the field": _short_response,
    "layer of 10 grid steps": _thin_layer,
    "windows of 7 x 7 vectors": _wide_windows,
    "smooth errors of 25%": _smooth_errors,
    "5 shifted places": _shifted_places,
}
"""Functions from tractions to displacements in grid steps, ``(2, H, W)``, by name."""
