"""Whether tractions and displacements have the same axes and signs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.physics.halfspace import Response, displacement_of

Float64Array = npt.NDArray[np.float64]

_COMPONENTS = {
    "same": np.eye(2),
    "all": -np.eye(2),
    "x": np.diag([-1.0, 1.0]),
    "y": np.diag([1.0, -1.0]),
    "exchanged": np.eye(2)[::-1],
}
"""Matrices that turn the components ``(x, y)`` of each traction."""


@dataclass(frozen=True)
class Turn:
    """A wrong reading of a vector field, which is its own reverse.

    It is a change of the components, and then a reflection of the whole field, places
    and vectors together. The response of the gel does not depend on a reflection, so
    that one computed displacement serves for all of them.

    Parameters
    ----------
    words : str
        What it does, for a sentence.
    components : str
        Key in `_COMPONENTS`.
    reflection : {"", "rows", "columns", "diagonal"}
        What is reflected.
    """

    words: str
    components: str
    reflection: str = ""


TURNS = (
    Turn("all vectors reversed", "all"),
    Turn("x components reversed", "x"),
    Turn("y components reversed", "y"),
    Turn("x and y components exchanged", "exchanged"),
    Turn("rows upside down", "y", "rows"),
    Turn("rows upside down and y components reversed", "same", "rows"),
    Turn("columns in reverse order", "x", "columns"),
    Turn("columns in reverse order and x components reversed", "same", "columns"),
    Turn("rows and columns exchanged", "exchanged", "diagonal"),
    Turn("rows and columns exchanged, and x and y components too", "same", "diagonal"),
)
"""The turns that are compared with the tractions as they are."""


@dataclass(frozen=True)
class AxesFit:
    """How well the displacement of tractions fits the measured one.

    Parameters
    ----------
    as_given : float
        Correlation for the tractions as they are.
    turned : tuple of float
        Correlations for the tractions after each of `TURNS`.
    factor : float
        The measured displacement over that of the tractions as they are, in the units
        of both: the factor of the best fit.
    """

    as_given: float
    turned: tuple[float, ...]
    factor: float


def fit_axes(
    displacement: npt.NDArray[np.floating],
    traction: npt.NDArray[np.floating],
    *,
    response: Response,
) -> AxesFit | None:
    """Compare a displacement with that of tractions, and of turned tractions.

    Parameters
    ----------
    displacement : array of shape (H, W, 2)
        Measured displacement without holes, in any unit.
    traction : array of shape (H, W, 2)
        Tractions in any unit. Those that are NaN are taken as zero.
    response : callable, keyword-only
        The response of the gel, such as `Substrate.response`.

    Returns
    -------
    AxesFit, optional
        None if the displacement is uniform or the tractions are zero.

    Examples
    --------
    >>> import numpy as np
    >>> from napari_vit_tfm.displacement.axes import TURNS, fit_axes
    >>> from napari_vit_tfm.physics import Substrate
    >>> from napari_vit_tfm.synthesis import CellDistribution, synthesise
    >>> cell = synthesise(1, seed=0, shape=(64, 64), distribution=CellDistribution())
    >>> turned = cell.traction[0] * (1, -1)
    >>> fit = fit_axes(cell.displacement[0], turned, response=Substrate().response())
    >>> TURNS[int(np.argmax(fit.turned))].words
    'y components reversed'
    >>> max(fit.turned) > 0.9 > 0.5 > fit.as_given
    True
    """
    t = np.nan_to_num(np.asarray(traction, dtype=np.float64))
    measured = np.asarray(displacement, dtype=np.float64)
    measured = measured - measured.mean(axis=(0, 1))
    if not t.any() or not measured.any():
        return None
    made = {}
    for name, matrix in _COMPONENTS.items():
        x, y = np.moveaxis(t @ matrix, -1, 0)
        made[name] = np.stack(displacement_of(x, y, response=response), axis=-1)
    is_square = t.shape[0] == t.shape[1]
    return AxesFit(
        _correlation(measured, made["same"]),
        tuple(
            _correlation(measured, _reflected(made[turn.components], turn.reflection))
            if is_square or turn.reflection != "diagonal"
            else 0.0
            for turn in TURNS
        ),
        _factor(measured, made["same"]),
    )


def _reflected(field: Float64Array, reflection: str) -> Float64Array:
    """Reflect places and vectors of a field."""
    if reflection == "rows":
        return field[::-1] * (1, -1)
    if reflection == "columns":
        return field[:, ::-1] * (-1, 1)
    if reflection == "diagonal":
        return field.swapaxes(0, 1)[..., ::-1]
    return field


def _correlation(measured: Float64Array, made: Float64Array) -> float:
    made = made - made.mean(axis=(0, 1))
    size = np.sqrt(np.square(measured).sum() * np.square(made).sum())
    return float((measured * made).sum() / size) if size > 0 else 0.0


def _factor(measured: Float64Array, made: Float64Array) -> float:
    made = made - made.mean(axis=(0, 1))
    power = np.square(made).sum()
    return float((measured * made).sum() / power) if power > 0 else 0.0
