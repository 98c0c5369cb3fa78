"""Fields with known tractions, in benchmarks and examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from napari_vit_tfm.config.constants import ORACLE
from napari_vit_tfm.constraints import (
    Count,
    Length,
    NotNegative,
    Positive,
    Seed,
    Text,
    check,
)


@dataclass(frozen=True)
class BenchmarkConfig:
    """Configuration of a benchmark.

    Parameters
    ----------
    extra_methods : tuple of str
        Methods that are compared in addition to all registered methods.
    sigmas : tuple of float
        Standard deviations of the noise, as fractions of the field width.
    kind : str
        Distribution of the fields.
    n_fields, seed : int
        Number of fields, seed of the fields and of the noise.
    """

    extra_methods: tuple[Text, ...] = (ORACLE,)
    sigmas: Annotated[tuple[NotNegative, ...], Length(1, 100)] = (0.0, 1e-4, 1e-3)
    kind: Text = "discs"
    n_fields: Count = 64
    seed: Seed = 0

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class KindsConfig:
    """Configuration of a benchmark on fields of many kinds.

    Parameters
    ----------
    n_fields, seed : int
        Number of fields of each kind, seed of the fields and of the noise.
    shape : tuple of int
        Rows and columns of a field.
    """

    n_fields: Count = 8
    seed: Seed = BenchmarkConfig.seed
    shape: tuple[Count, Count] = (104, 104)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class ExampleConfig:
    """Gel and size of the example time-lapses.

    Parameters
    ----------
    young_pa : float
        Young's modulus in Pa.
    spacing_um : float
        Distance between neighbouring vectors in um.
    n_frames, seed : int
        Number of frames, seed of the random numbers.
    """

    young_pa: Positive = 10_000.0
    spacing_um: Positive = 0.8
    n_frames: Count = 12
    seed: Seed = 1

    def __post_init__(self) -> None:
        check(self)
