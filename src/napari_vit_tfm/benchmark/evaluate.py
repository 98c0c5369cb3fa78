"""Scores of methods on the same fields with the same noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

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
"""Scores of whole fields, by their names in files."""

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
"""Scores that need a segmentation, by their names in files."""

METRIC_NAMES = (*_WHOLE_FIELD_METRICS, *_ADHESION_METRICS)
"""Names of all scores, in the order of the tables."""

Scores = Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class MethodScores:
    """Scores of one method.

    Parameters
    ----------
    name : str
        Name of the method.
    samples : mapping of float to mapping of str to array
        For each noise level, each score of every field, ``(N,)``; NaN where the score
        is not defined.
    ms_per_field : float
        Time per field in milliseconds, without loading and the first batch.
    examples : mapping of float to array of shape (H, W, 2)
        For each noise level, the traction ``t / E`` of the example field; empty if
        there is none.
    """

    name: str
    samples: Mapping[float, Scores]
    ms_per_field: float
    examples: Mapping[float, FloatArray]

    @property
    def noise(self) -> dict[float, dict[str, float]]:
        """Mean of each score over the fields, for each noise level.

        Fields for which a score is not defined are left out. The mean is NaN if the
        score is not defined for any field.
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
        Displacements without noise.
    truth : TractionStack
        The known tractions on the same grid, in Pa or as ``t / E``. Scores are
        computed for ``t / E``.
    methods : sequence of str, keyword-only
        Registered names, model files, or "fttc-oracle" (see `fttc_oracle`).
    names : mapping of str to str, keyword-only, optional
        Names for the report, for methods that are not to have their own names.
    segmentation : array of int, shape (N, H, W), keyword-only, optional
        Number of the patch at each node; 0 is background. None uses connected regions
        of traction (see `connected_patches`).
    substrate : Substrate, keyword-only, optional
        The gel. None is the reference gel.
    sigmas : sequence of float, keyword-only
        Standard deviations of white noise, as fractions of the field width.
    seed : int, keyword-only
        Seed of the noise, which is the same for every method.
    config : ReconstructionConfig, keyword-only, optional
        Device and batch size.
    example : int, keyword-only, optional
        Index of the field whose tractions are kept as an example.
    on_result : callable, keyword-only, optional
        Called with the name of the method and the noise level before each run.
    on_notice : callable, keyword-only, optional
        Called with notices about the runs, one sentence each.

    Returns
    -------
    list of MethodScores
        In the order of `methods`, followed by the scores of predicting zero.

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
        raise ConfigError("the comparison needs at least one noise level")
    known = dimensionless(truth, substrate)
    if known.shape != displacement.data.shape:
        raise FieldError(
            f"displacements {displacement.data.shape} and tractions {known.shape} "
            "differ in shape"
        )
    patches = connected_patches(known) if segmentation is None else segmentation
    noisy = {sigma: with_noise(displacement, sigma, seed) for sigma in sigmas}
    # All methods are loaded first, so that errors appear before hours of computing.
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
    """All scores of every field.

    Parameters
    ----------
    traction, truth : arrays of shape (N, H, W, 2)
        Reconstructed and known tractions, in the same unit.
    segmentation : array of int, shape (N, H, W)
        Number of the patch at each node; 0 is background.

    Returns
    -------
    dict of str to array of shape (N,)
        Scores by name, in the order of `METRIC_NAMES`.
    """
    scores = {name: of(traction, truth) for name, of in _WHOLE_FIELD_METRICS.items()}
    for name, at_adhesions in _ADHESION_METRICS.items():
        scores[name] = at_adhesions(traction, truth, segmentation)
    return scores


def with_noise(stack: DisplacementStack, sigma: float, seed: int) -> DisplacementStack:
    """Add white noise. With the same seed, only its strength depends on the level.

    Parameters
    ----------
    stack : DisplacementStack
        Displacements in any unit.
    sigma : float
        Standard deviation of each component, as a fraction of the field width.
    seed : int
        Random seed.

    Returns
    -------
    DisplacementStack
        Displacements in the unit "field".
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
        If they are in Pa and Young's modulus is unknown.
    """
    if truth.unit == "1":
        return truth.data
    young_pa = substrate.gel.young_pa
    if young_pa is None:
        raise FieldError(
            "the known tractions are in Pa: Young's modulus is required to compare them"
        )
    return truth.data / np.float32(young_pa)


def connected_patches(traction: FloatArray) -> npt.NDArray[np.int32]:
    """Number the connected regions of traction in each field.

    Parameters
    ----------
    traction : array of shape (N, H, W, 2)
        Tractions that are zero outside adhesions.

    Returns
    -------
    array of shape (N, H, W)
        Number of the region at each node; 0 is background. Neighbours in a row or
        column belong to the same region, so adhesions that touch are one region.
    """
    has_traction = np.any(traction != 0, axis=-1)
    labels = np.zeros(has_traction.shape, dtype=np.int32)
    for field, numbers in zip(has_traction, labels, strict=True):
        scipy.ndimage.label(field, output=numbers)
    return labels


def median_field(truth: FloatArray) -> int:
    """Index of the field with the median sum of squared tractions."""
    power = np.square(truth, dtype=np.float64).sum(axis=(1, 2, 3))
    return int(np.argsort(power)[(len(power) - 1) // 2])
