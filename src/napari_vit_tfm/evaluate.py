"""Methods against the truth: the same fields, the same noise, one table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.metrics import relative_squared_error, sum_of_squared_errors
from napari_vit_tfm.reconstruct import load_method, reconstruct

ZERO = "zero"
"""Name under which predicting no traction at all is scored."""

METRICS: Mapping[
    str, Callable[[npt.ArrayLike, npt.ArrayLike], npt.NDArray[np.float64]]
] = {
    "sum_of_squared_errors": sum_of_squared_errors,
    "relative_squared_error": relative_squared_error,
}
"""The scores, by the name they have in files."""


@dataclass(frozen=True)
class MethodScores:
    """How one method did.

    Parameters
    ----------
    name : str
        The method.
    noise : mapping of float to mapping of str to float
        For each noise level, the mean of each metric over the fields.
    ms_per_field : float
        Time per field in milliseconds, everything included but loading.
    """

    name: str
    noise: Mapping[float, Mapping[str, float]]
    ms_per_field: float


def evaluate(
    displacement: DisplacementStack,
    truth: TractionStack,
    *,
    methods: Sequence[str],
    sigmas: Sequence[float] = (0.0, 1e-4, 1e-3),
    seed: int = 0,
    config: ReconstructionConfig | None = None,
    on_result: Callable[[str, float], None] | None = None,
) -> list[MethodScores]:
    """Score methods on fields whose tractions are known.

    Parameters
    ----------
    displacement : DisplacementStack
        Clean displacements.
    truth : TractionStack
        Their tractions ``t / E``, on the same grid.
    methods : sequence of str, keyword-only
        Registered names or model files.
    sigmas : sequence of float, keyword-only
        Standard deviations of white noise, as fractions of the field's width.
    seed : int, keyword-only
        Seed of the noise, which is the same for every method.
    config : ReconstructionConfig, keyword-only, optional
        Device and batch size.
    on_result : callable, keyword-only, optional
        Called with the method's name and the noise level before each run.

    Returns
    -------
    list of MethodScores
        In the order of `methods`; last the score of predicting zero.
    """
    config = config or ReconstructionConfig()
    noisy = {sigma: _with_noise(displacement, sigma, seed) for sigma in sigmas}
    results = []
    for name in methods:
        method = load_method(ReconstructionConfig(model=name, heads=config.heads))
        scores, seconds = {}, 0.0
        for sigma, stack in noisy.items():
            if on_result is not None:
                on_result(name, sigma)
            start = time.perf_counter()
            found = reconstruct(stack, method=method, config=config)
            seconds += time.perf_counter() - start
            scores[sigma] = _scores(found.data, truth.data)
        ms_per_field = 1000 * seconds / (displacement.n_frames * len(noisy))
        results.append(MethodScores(method.name, scores, ms_per_field))
    nothing = _scores(np.zeros_like(truth.data), truth.data)
    results.append(MethodScores(ZERO, dict.fromkeys(noisy, nothing), 0.0))
    return results


def _with_noise(stack: DisplacementStack, sigma: float, seed: int) -> DisplacementStack:
    in_field_units = stack.in_grid_steps() / np.float32(stack.grid_shape[1] - 1)
    white = np.random.default_rng(seed).standard_normal(stack.data.shape)
    noisy = (in_field_units + sigma * white).astype(np.float32)
    return DisplacementStack(noisy, unit="field")


def _scores(
    traction: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]
) -> dict[str, float]:
    return {
        name: float(metric(traction, truth).mean()) for name, metric in METRICS.items()
    }
