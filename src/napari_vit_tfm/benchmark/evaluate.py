"""Methods against the truth: the same fields, the same noise, every score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_vit_tfm.benchmark import metrics
from napari_vit_tfm.benchmark.solvers import ZERO, load_solvers, timed, warm_up
from napari_vit_tfm.config import BenchmarkConfig, ReconstructionConfig
from napari_vit_tfm.errors import ConfigError, FieldError
from napari_vit_tfm.fields import DisplacementStack, FloatArray, TractionStack
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.reconstruction import Notify

_WHOLE_FIELD_METRICS: Mapping[
    str, Callable[[npt.ArrayLike, npt.ArrayLike], npt.NDArray[np.float64]]
] = {
    "sum_of_squared_errors": metrics.sum_of_squared_errors,
    "relative_squared_error": metrics.relative_squared_error,
}
"""The scores of whole fields, by the name they have in files."""

_ADHESION_METRICS: Mapping[
    str,
    Callable[[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike], npt.NDArray[np.float64]],
] = {
    "dtma": metrics.dtma,
    "dtma_absolute": metrics.dtma_absolute,
    "dtmb": metrics.dtmb,
    "snr": metrics.snr,
    "dma": metrics.dma,
    "direction_error_degrees": metrics.direction_error_degrees,
    "direction_cosine": metrics.direction_cosine,
}
"""The scores that need a segmentation, by the name they have in files."""

METRIC_NAMES = (*_WHOLE_FIELD_METRICS, *_ADHESION_METRICS)
"""All scores, in the order of tables."""

Scores = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class MethodScores:
    """How one method did.

    Parameters
    ----------
    name : str
        The method.
    samples : mapping of float to mapping of str to array
        For each noise level, each metric of every field, ``(N,)``; NaN where
        it is not defined.
    ms_per_field : float
        Time per field in milliseconds, everything included but loading and
        the first batch.
    examples : mapping of float to array of shape (H, W, 2)
        For each noise level, the traction ``t / E`` of the one field that was
        to be kept; empty where none was.
    """

    name: str
    samples: Mapping[float, Scores]
    ms_per_field: float
    examples: Mapping[float, FloatArray]

    @property
    def noise(self) -> dict[float, dict[str, float]]:
        """For each noise level, the mean of each metric over the fields.

        Fields for which a metric is not defined do not count; NaN where there
        is no other.
        """
        return {
            sigma: {name: mean_of_defined(values) for name, values in scores.items()}
            for sigma, scores in self.samples.items()
        }


def mean_of_defined(values: npt.NDArray[np.float64]) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else np.nan


def evaluate(
    displacement: DisplacementStack,
    truth: TractionStack,
    *,
    methods: Sequence[str],
    names: Mapping[str, str] | None = None,
    segmentation: npt.NDArray[np.integer] | None = None,
    substrate: Substrate | None = None,
    sigmas: Sequence[float] = BenchmarkConfig.sigmas,
    seed: int = BenchmarkConfig.seed,
    config: ReconstructionConfig | None = None,
    example: int | None = None,
    on_result: Callable[[str, float], None] | None = None,
    on_notice: Notify | None = None,
) -> list[MethodScores]:
    """Score methods on fields whose tractions are known.

    Parameters
    ----------
    displacement : DisplacementStack
        Clean displacements.
    truth : TractionStack
        Their tractions, on the same grid, in Pa or as ``t / E``. The scores
        are those of ``t / E``.
    methods : sequence of str, keyword-only
        Registered names, model files, or "fttc-oracle" (see `fttc_oracle`).
    names : mapping of str to str, keyword-only, optional
        What to call some of the methods, instead of their own names.
    segmentation : array of whole numbers, shape (N, H, W), keyword-only, optional
        The patches' numbers, 0 in the background; None takes regions of
        traction for patches (see `connected_patches`).
    substrate : Substrate, keyword-only, optional
        The gel; None is the reference gel.
    sigmas : sequence of float, keyword-only
        Standard deviations of white noise, as fractions of the field's width.
    seed : int, keyword-only
        Seed of the noise, which is the same for every method.
    config : ReconstructionConfig, keyword-only, optional
        Device and batch size.
    example : int, keyword-only, optional
        Number of a field whose tractions are kept.
    on_result : callable, keyword-only, optional
        Called with the method's name and the noise level before each run.
    on_notice : callable, keyword-only, optional
        Told, in a sentence, what should be known about the runs.

    Returns
    -------
    list of MethodScores
        In the order of `methods`; last the score of predicting zero.

    Raises
    ------
    ConfigError
        If there are no noise levels.
    FieldError
        If displacement, truth and segmentation differ in shape, Young's modulus
        is missing, or a method does not work on the grid.
    ModelError
        If a method cannot be loaded. All methods are loaded before the first runs.
    """
    config = config or ReconstructionConfig()
    substrate = substrate or Substrate()
    if not sigmas:
        raise ConfigError("there is no noise level to compare the methods at")
    known = dimensionless(truth, substrate)
    if known.shape != displacement.data.shape:
        raise FieldError(
            f"displacements {displacement.data.shape} and tractions {known.shape} "
            "do not belong together"
        )
    patches = connected_patches(known) if segmentation is None else segmentation
    noisy = {sigma: with_noise(displacement, sigma, seed) for sigma in sigmas}
    # All before the first runs: what cannot be used is not found out hours later.
    solvers = load_solvers(
        [*methods, ZERO],
        displacement,
        names=names,
        substrate=substrate,
        config=config,
        on_notice=on_notice,
    )
    results = []
    for name, solver in solvers:
        warm_up(solver, noisy[sigmas[0]], known, config)
        samples, examples, seconds = {}, {}, 0.0
        for sigma, stack in noisy.items():
            if on_result is not None:
                on_result(name, sigma)
            found, taken = timed(solver, stack, known)
            seconds += taken
            samples[sigma] = scores_of(found, known, patches)
            if example is not None:
                examples[sigma] = found[example].copy()
        ms_per_field = 1000 * seconds / (displacement.n_frames * len(noisy))
        results.append(MethodScores(name, samples, ms_per_field, examples))
    return results


def scores_of(
    traction: FloatArray, truth: FloatArray, segmentation: npt.NDArray[np.integer]
) -> dict[str, npt.NDArray[np.float64]]:
    """Every metric of every field.

    Parameters
    ----------
    traction, truth : arrays of shape (N, H, W, 2)
        In the same unit.
    segmentation : array of whole numbers, shape (N, H, W)
        The patches' numbers; 0 is background.

    Returns
    -------
    dict of str to array of shape (N,)
        By the metrics' names, in the order of `METRIC_NAMES`.
    """
    scores = {name: of(traction, truth) for name, of in _WHOLE_FIELD_METRICS.items()}
    for name, at_adhesions in _ADHESION_METRICS.items():
        scores[name] = at_adhesions(traction, truth, segmentation)
    return scores


def with_noise(stack: DisplacementStack, sigma: float, seed: int) -> DisplacementStack:
    """Add white noise; for one seed it differs between levels by its strength alone.

    Parameters
    ----------
    stack : DisplacementStack
        In any unit.
    sigma : float
        Standard deviation of either component, as a fraction of the field's
        width.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    DisplacementStack
        In the unit "field".
    """
    in_field_units = stack.in_grid_steps() / np.float32(stack.grid_shape[1] - 1)
    white = np.random.default_rng([seed, 1]).standard_normal(stack.data.shape)
    noisy = (in_field_units + sigma * white).astype(np.float32)
    return DisplacementStack(noisy, unit="field", spacing_um=stack.spacing_um)


def dimensionless(truth: TractionStack, substrate: Substrate) -> FloatArray:
    """Tractions as ``t / E``, ``(N, H, W, 2)``.

    Raises
    ------
    FieldError
        If they are in Pa and Young's modulus is not known.
    """
    if truth.unit == "1":
        return truth.data
    young_pa = substrate.gel.young_pa
    if young_pa is None:
        raise FieldError(
            "the known tractions are in Pa: Young's modulus is needed to compare them"
        )
    return truth.data / np.float32(young_pa)


def connected_patches(traction: FloatArray) -> npt.NDArray[np.int32]:
    """Number the regions of traction, field by field.

    Parameters
    ----------
    traction : array of shape (N, H, W, 2)
        Tractions that are zero outside adhesions.

    Returns
    -------
    array of shape (N, H, W)
        Neighbours in a row or column belong to the same patch. Adhesions that
        touch are one.
    """
    pulling = np.any(traction != 0, axis=-1)
    labels = np.zeros(pulling.shape, dtype=np.int32)
    for field, numbers in zip(pulling, labels, strict=True):
        ndimage.label(field, output=numbers)
    return labels


def median_field(truth: FloatArray) -> int:
    """Number of the field whose summed squared traction is the median one."""
    power = np.square(truth, dtype=np.float64).sum(axis=(1, 2, 3))
    return int(np.argsort(power)[(len(power) - 1) // 2])
