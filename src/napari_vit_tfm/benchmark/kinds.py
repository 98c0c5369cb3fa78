"""Comparison of methods on fields of many kinds and noise levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from napari_vit_tfm.benchmark.field_sets import FIELD_SETS
from napari_vit_tfm.benchmark.held_out import NOISES, with_noise
from napari_vit_tfm.benchmark.metrics import relative_squared_error
from napari_vit_tfm.benchmark.solvers import load_solvers, timed, warm_up
from napari_vit_tfm.config import HELD_OUT, KindsConfig, ReconstructionConfig
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.models.registry import classical_names, registered_methods

Cell = tuple[str, str]
"""A kind of field and a noise level."""


@dataclass(frozen=True)
class KindScores:
    """Errors of methods for each kind of field and noise level.

    Parameters
    ----------
    errors : mapping of (str, str) to mapping of str to float
        For each cell, the mean relative squared error of each method.
    method : str
        Name of the method that is compared with the others.
    classical : tuple of str
        Names of the classical methods.
    ms_per_field : mapping of str to float
        For each method, time per field in milliseconds, without loading and the first
        batch.
    """

    errors: Mapping[Cell, Mapping[str, float]]
    method: str
    classical: tuple[str, ...]
    ms_per_field: Mapping[str, float]

    @property
    def kinds(self) -> list[str]:
        """Kinds of fields, in the order of `errors`."""
        return list(dict.fromkeys(kind for kind, _ in self.errors))

    @property
    def noises(self) -> list[str]:
        """Noise levels, in the order of `errors`."""
        return list(dict.fromkeys(noise for _, noise in self.errors))

    def ratios(self, *rivals: str) -> dict[Cell, float]:
        """Error of the method relative to the smallest error of `rivals`, by cell.

        Parameters
        ----------
        *rivals : str
            Names of methods. Without any, these are the classical methods.
        """
        rivals = rivals or self.classical
        return {
            cell: errors[self.method] / min(errors[rival] for rival in rivals)
            for cell, errors in self.errors.items()
        }


@dataclass(frozen=True)
class RatioSummary:
    """Summary of the ratios of errors.

    Parameters
    ----------
    n_cells : int
        Number of cells: kinds times noise levels.
    above_1_00, above_1_10 : int
        Number of cells with a ratio above 1, and above 1.1.
    geometric_mean : float
        Geometric mean of the ratios.
    worst : float
        Largest ratio.
    worst_kind, worst_noise : str
        Kind and noise level of the largest ratio.
    """

    n_cells: int
    above_1_00: int
    above_1_10: int
    geometric_mean: float
    worst: float
    worst_kind: str
    worst_noise: str

    @classmethod
    def of(cls, ratios: Mapping[Cell, float]) -> RatioSummary:
        """Summarise the ratios of all cells."""
        values = np.array(list(ratios.values()))
        kind, noise = max(ratios, key=lambda cell: ratios[cell])
        return cls(
            n_cells=values.size,
            above_1_00=int((values > 1.0).sum()),
            above_1_10=int((values > 1.1).sum()),
            geometric_mean=float(np.exp(np.log(values).mean())),
            worst=float(values.max()),
            worst_kind=kind,
            worst_noise=noise,
        )


def evaluate_kinds(
    *,
    methods: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
    field_set: str = HELD_OUT,
    kinds: Sequence[str] | None = None,
    n_fields: int = KindsConfig.n_fields,
    seed: int = KindsConfig.seed,
    shape: tuple[int, int] = KindsConfig.shape,
    config: ReconstructionConfig | None = None,
    on_result: Callable[[str, str], None] | None = None,
) -> KindScores:
    """Compare a method with classical methods on fields of many kinds.

    Parameters
    ----------
    methods : sequence of str, keyword-only, optional
        Registered names and model files. The first method is compared with the
        others, of which at least one is classical. None uses all registered methods.
    names : mapping of str to str, keyword-only, optional
        Names for the report, for methods that are not to have the names in `methods`.
    field_set : str, keyword-only
        Name in `FIELD_SETS`.
    kinds : sequence of str, keyword-only, optional
        Names of kinds of this set. None takes all of them.
    n_fields, seed : int, keyword-only
        Number of fields of each kind, seed of the fields and of the noise.
    shape : tuple of int, keyword-only
        Rows and columns of a field.
    config : ReconstructionConfig, keyword-only, optional
        Device, batch size, number of mirror images.
    on_result : callable, keyword-only, optional
        Called with a kind and a noise level before the methods run on them.

    Returns
    -------
    KindScores
        Errors for every kind at every level of `held_out.NOISES`.

    Raises
    ------
    ConfigError
        If no classical method follows the first one.
    ModelError
        If a method cannot be loaded.
    FieldError
        If a method does not work on the grid.
    """
    config = config or ReconstructionConfig()
    methods = tuple(registered_methods()) if methods is None else methods
    classical = classical_names()
    rivals = [model for model in methods[1:] if model in classical]
    if not rivals:
        raise ConfigError(
            "there is no classical method to compare the first method with: add "
            f"{' or '.join(classical)} after it"
        )
    shown = {model: (names or {}).get(model, model) for model in methods}
    solvers = load_solvers(
        methods,
        DisplacementStack(np.zeros((1, *shape, 2), dtype=np.float32), unit="field"),
        names=shown,
        config=config,
    )
    errors: dict[Cell, dict[str, float]] = {}
    seconds = dict.fromkeys(shown.values(), 0.0)
    fields = FIELD_SETS[field_set]
    for kind in fields.kinds if kinds is None else kinds:
        clean, truth = fields.simulate(kind, n_fields, seed=seed, shape=shape)
        for noise in NOISES:
            if on_result is not None:
                on_result(kind, noise)
            noisy = with_noise(clean, noise, seed=seed)
            stack = DisplacementStack(noisy, unit="field")
            if not errors:
                for _, solver in solvers:
                    warm_up(solver, stack, truth, config)
            of_cell = errors[kind, noise] = {}
            for name, solver in solvers:
                found, taken = timed(solver, stack, truth)
                of_cell[name] = float(relative_squared_error(found, truth).mean())
                seconds[name] += taken
    return KindScores(
        errors,
        method=shown[methods[0]],
        classical=tuple(shown[model] for model in rivals),
        ms_per_field={
            name: 1000 * s / (n_fields * len(errors)) for name, s in seconds.items()
        },
    )
