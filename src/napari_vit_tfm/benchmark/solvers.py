"""Methods as functions from displacements to tractions, for comparison."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from napari_vit_tfm.benchmark import metrics
from napari_vit_tfm.config import ORACLE, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, FloatArray, without_drift
from napari_vit_tfm.physics import Substrate, fttc, periodic_component
from napari_vit_tfm.reconstruction import Notify, check_grid, load_method, reconstruct

ZERO = "zero"
"""Name of the method that predicts zero everywhere."""

Solver = Callable[[DisplacementStack, FloatArray], FloatArray]
"""Function from displacements and the known tractions ``t / E`` to tractions ``t / E``.
Only the oracle uses the known tractions."""

_REGULARISATIONS = np.geomspace(1e-3, 1e5, 65)


def load_solvers(
    models: Sequence[str],
    displacement: DisplacementStack,
    *,
    names: Mapping[str, str] | None = None,
    substrate: Substrate | None = None,
    config: ReconstructionConfig,
    on_notice: Notify | None = None,
) -> list[tuple[str, Solver]]:
    """Load methods, and check that they work on the grid.

    Parameters
    ----------
    models : sequence of str
        Registered names, model files, "zero", or "fttc-oracle".
    displacement : DisplacementStack
        A field with the grid of the comparison.
    names, substrate, config, on_notice
        As for `evaluate.evaluate`.

    Returns
    -------
    list of tuple of str and callable
        Name and solver of each method.

    Raises
    ------
    ModelError
        If a method cannot be loaded.
    FieldError
        If a method does not work on the grid.
    """
    substrate = substrate or Substrate()
    solvers = []
    for model in models:
        solver, own_name = _solver(model, displacement, substrate, config, on_notice)
        solvers.append(((names or {}).get(model, own_name), solver))
    return solvers


def warm_up(
    solver: Solver,
    stack: DisplacementStack,
    truth: FloatArray,
    config: ReconstructionConfig,
) -> None:
    """Run a first batch, which includes the one-time set-up of memory and kernels."""
    n = config.batch_size
    solver(replace(stack, data=stack.data[:n]), truth[:n])


def timed(
    solver: Solver, stack: DisplacementStack, truth: FloatArray
) -> tuple[FloatArray, float]:
    """Tractions ``t / E``, and the computing time in seconds."""
    start = time.perf_counter()
    found = solver(stack, truth)
    return found, time.perf_counter() - start


def _solver(
    model: str,
    displacement: DisplacementStack,
    substrate: Substrate,
    config: ReconstructionConfig,
    on_notice: Notify | None,
) -> tuple[Solver, str]:
    """Solver and name of a method."""
    if model == ZERO:
        return lambda _stack, truth: np.zeros_like(truth), ZERO
    if model == ORACLE:
        return partial(fttc_oracle, substrate=substrate), ORACLE
    method = load_method(replace(config, model=model))
    check_grid(displacement, method)
    # Without Young's modulus the tractions are t / E.
    substrate = Substrate(replace(substrate.gel, young_pa=None))

    def solve(stack: DisplacementStack, _truth: FloatArray) -> FloatArray:
        found = reconstruct(
            stack,
            substrate=substrate,
            config=config,
            method=method,
            on_notice=on_notice,
        )
        return found.data

    return solve, method.name


def fttc_oracle(
    stack: DisplacementStack, truth: FloatArray, *, substrate: Substrate
) -> FloatArray:
    """FTTC with regularisation and border chosen with the known tractions.

    For each field it is the solution with the smallest sum of squared errors among 65
    regularisations from 1e-3 to 1e5 squared grid steps and three treatments of the
    border: periodic continuation, periodic continuation without jumps (see
    `periodic_component`), and padding with zeros, half a field wide on each side. The
    mean displacement is subtracted first. A method that is better than the oracle is
    better than FTTC with any choice of the regularisation.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements, ``(N, H, W, 2)``.
    truth : array of shape (N, H, W, 2)
        Known tractions ``t / E``.
    substrate : Substrate, keyword-only
        The gel.

    Returns
    -------
    array of shape (N, H, W, 2)
        Tractions ``t / E``.
    """
    height, width = stack.grid_shape
    # With a non-zero mean, padding with zeros would cause tractions at the border.
    steps = np.float32(stack.grid_steps_per_unit())
    x, y = np.moveaxis(without_drift(stack.data) * steps, -1, 0)
    around = ((0, 0), (0, height), (0, width))
    response = substrate.response(spacing_um=stack.spacing_um)
    best = np.zeros_like(truth)
    least = metrics.sum_of_squared_errors(best, truth)
    for field in (
        (x, y),
        (periodic_component(x), periodic_component(y)),
        (np.pad(x, around), np.pad(y, around)),
    ):
        for regularisation in _REGULARISATIONS:
            solution = fttc(
                *field, regularisation=float(regularisation), response=response
            )
            found = np.stack(solution, axis=-1)[:, :height, :width]
            errors = metrics.sum_of_squared_errors(found, truth)
            better = errors < least
            best[better], least[better] = found[better], errors[better]
    return best
