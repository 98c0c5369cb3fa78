"""All defaults. Widgets and commands take their defaults from here.

What is in `constants` is also a name of this package.
"""

from napari_vit_tfm.config.analysis import (
    BatchConfig,
    ControlConfig,
    InspectionConfig,
    LimitsConfig,
    QuantitiesConfig,
)
from napari_vit_tfm.config.constants import (
    BAYESIAN_FTTC,
    BUNDLED_MODEL,
    FIELD_KINDS,
    FIELD_SETS,
    HELD_OUT,
    MAX_WHOLE_SIDE,
    MIN_AUTOMATIC_SIDE,
    MIN_FOURIER_SIDE,
    MIN_SIDE,
    MODEL_ENDINGS,
    MOST_FILLED_HOLES,
    MOST_HOLES,
    ORACLE,
    ORIGINAL_ENDINGS,
    PATCH_SIZE,
    PRECISIONS,
    READING_OPTIONS,
    REFERENCE_POISSON,
    UNSEEN,
    CellRegion,
    Device,
    MapDirection,
    MapSource,
    Precision,
    YDirection,
)
from napari_vit_tfm.config.displacements import PreparationConfig, ReadingConfig
from napari_vit_tfm.config.display import DisplayConfig, FigureConfig
from napari_vit_tfm.config.known_fields import (
    BenchmarkConfig,
    ExampleConfig,
    KindsConfig,
)
from napari_vit_tfm.config.reconstruction import (
    NoiseConfig,
    ReconstructionConfig,
    WindowConfig,
)

__all__ = [
    "BAYESIAN_FTTC",
    "BUNDLED_MODEL",
    "FIELD_KINDS",
    "FIELD_SETS",
    "HELD_OUT",
    "MAX_WHOLE_SIDE",
    "MIN_AUTOMATIC_SIDE",
    "MIN_FOURIER_SIDE",
    "MIN_SIDE",
    "MODEL_ENDINGS",
    "MOST_FILLED_HOLES",
    "MOST_HOLES",
    "ORACLE",
    "ORIGINAL_ENDINGS",
    "PATCH_SIZE",
    "PRECISIONS",
    "READING_OPTIONS",
    "REFERENCE_POISSON",
    "UNSEEN",
    "BatchConfig",
    "BenchmarkConfig",
    "CellRegion",
    "ControlConfig",
    "Device",
    "DisplayConfig",
    "ExampleConfig",
    "FigureConfig",
    "InspectionConfig",
    "KindsConfig",
    "LimitsConfig",
    "MapDirection",
    "MapSource",
    "NoiseConfig",
    "Precision",
    "PreparationConfig",
    "QuantitiesConfig",
    "ReadingConfig",
    "ReconstructionConfig",
    "WindowConfig",
    "YDirection",
]
