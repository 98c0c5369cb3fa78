"""All defaults. Widgets and commands take their defaults from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from napari_vit_tfm.constraints import (
    Count,
    Flag,
    Length,
    NotNegative,
    Positive,
    Range,
    Seed,
    Share,
    Table,
    Text,
    Whole,
    check,
)
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.options import Choice, Number, Switch

REFERENCE_POISSON = 0.49
"""Poisson ratio of the reference gel, which is almost incompressible."""

PATCH_SIZE = 8
"""Side of a patch, in vectors."""

MIN_SIDE = PATCH_SIZE
"""Fewest vectors along a side of a field, for networks."""

MIN_FOURIER_SIDE = 4
"""Fewest vectors along a side of a field, for FTTC."""

MIN_AUTOMATIC_SIDE = 12
"""Fewest vectors along a side with which FTTC chooses its regularisation reliably. In
smaller fields it can be so strong that hardly any traction is left."""

MAX_WHOLE_SIDE = 256
"""Most vectors along a side of a field that the bundled network processes whole."""

BUNDLED_MODEL = "vit"
"""Name of the bundled network."""

BAYESIAN_FTTC = "bayesian-fttc"
"""Name of Bayesian FTTC. Networks are also compared with it alone."""

FIELD_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "discs": "discs of uniform traction, as in the original work",
        "adhesions": "elongated adhesions with tractions along their long axis",
        "cells": "contractile cells with many small adhesions and balanced forces",
        "pads": "smooth adhesions of all sizes with tractions in any direction",
        "fibres": "pairs of small spots that pull towards each other",
        "colony": "random continuous tractions inside cells of any shape",
        "band": "inward tractions in a continuous band along a cell's edge",
        "layer": "a confluent layer that extends beyond the border",
        "front": "a layer with a free edge, where the tractions are strongest",
        "spots": "point-like adhesions on top of a continuous traction",
        "mixture": "several of these kinds in one field",
    }
)
"""Kinds of synthetic fields, with descriptions."""

ALL_KINDS = "all"
"""Name that selects all kinds of held-out fields in a benchmark."""

ORACLE = "fttc-oracle"
"""Name of FTTC with the regularisation and border chosen with the known tractions."""

ORIGINAL_ENDINGS = (".pth", ".pt")
MODEL_ENDINGS = (".safetensors", *ORIGINAL_ENDINGS, ".h5", ".hdf5")
"""File endings of models."""

Device = Literal["auto", "cpu", "cuda", "mps"]

Precision = Literal["32", "bf16-mixed", "16-mixed"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""Precisions of the encoder blocks in training. Everything else is float32."""


YDirection = Literal["down", "up"]
"""Direction of the y axis in a file."""

CellRegion = Literal["field", "outline"]
"""Region of a cell without a mask."""

MapSource = Literal["rollout", "attention"]
"""Attention rollout up to a block, or the attention of the block alone."""

MapDirection = Literal["from", "to"]
"""Attention from a patch to all patches, or from all patches to a patch."""


@dataclass(frozen=True)
class NoiseConfig:
    """Where the noise of the displacements is known from: by default from the field.

    At most one of `sd`, `region` and `per_vector` is given.

    Parameters
    ----------
    sd : float, optional
        Standard deviation of the noise, per component, in the unit of the
        displacements that are reconstructed, that is after binning.
    length : float, optional
        Correlation length of a noise that is given, in grid steps: the standard
        deviation of the Gaussian with which white noise would be smoothed. None is the
        length that is estimated from the field.
    region : str
        Nodes that are free of force, from which the noise is estimated, as
        `trust.force_free.region_as_text` writes them; empty if there is no region.
    per_vector : str
        Path of a file with the standard deviation of every vector; empty if there is
        none.

    Raises
    ------
    ConfigError
        If a number is not possible, if more than one of them is given, or a length
        without a noise.
    """

    sd: Annotated[
        float | None,
        Number(
            label="Standard deviation",
            help="Standard deviation of the noise of each component of the "
            "displacements, in their unit, after --bin",
            otherwise="estimated from the field",
            flag="noise-sd",
        ),
    ] = None
    length: Annotated[
        float | None,
        Number(
            label="Correlation length",
            help="Correlation length of the noise that is given with --noise-sd or "
            "--noise-map, in grid steps; 0 is white noise",
            unit="steps",
            maximum=8.0,
            excludes_minimum=False,
            step=0.1,
            otherwise="estimated from the field",
            flag="noise-length",
        ),
    ] = None
    region: Text = ""
    per_vector: Text = ""

    def __post_init__(self) -> None:
        check(self)
        given = [
            words
            for words, value in (
                ("a standard deviation (--noise-sd)", self.sd),
                ("a region without force (--noise-region)", self.region),
                ("a noise of every vector (--noise-map)", self.per_vector),
            )
            if value not in (None, "")
        ]
        if len(given) > 1:
            raise ConfigError(f"the noise is given twice: {' and '.join(given)}")
        if self.length is not None and (not given or self.region):
            raise ConfigError(
                "a correlation length of the noise (--noise-length) belongs to a noise "
                "that is given (--noise-sd or --noise-map)"
            )

    @property
    def is_given(self) -> bool:
        """Whether the noise is known from something else than the whole field."""
        return bool(self.sd is not None or self.region or self.per_vector)


@dataclass(frozen=True)
class ReconstructionConfig:
    """Configuration of a reconstruction.

    Parameters
    ----------
    model : str
        Name of a registered method, or path of a model file.
    heads : int, optional
        Number of attention heads, for checkpoints that do not specify it. None uses
        the usual number for the form of the checkpoint.
    device : {"auto", "cpu", "cuda", "mps"}
        Device; ``auto`` is the GPU if there is one.
    batch_size : int
        Frames per batch; for fields that are reconstructed in windows, windows per
        batch. It is halved while the batch does not fit into GPU memory.
    options : mapping of str to float
        Options of the method, such as the ``regularisation`` of FTTC; see the classes
        in `models.methods`.
    n_views : int
        Number of mirror images of a field over which the tractions of a network of
        this project are averaged. 1: the field itself. 4: its four mirror images. 8:
        also those of its transpose. The computing time is proportional to it.
    residual : bool
        Whether to compute what the tractions explain of the displacement, too: the
        displacement that they cause, the residual, and its size relative to the noise.
    uncertainty : bool
        Whether to compute how sure the tractions are, too.
    noise : NoiseConfig
        Where the noise of the displacements is known from.

    Raises
    ------
    ConfigError
        If a value is not possible.
    """

    model: Text = BUNDLED_MODEL
    heads: Annotated[
        int | None,
        Number(
            label="Attention heads",
            help="Attention heads of a checkpoint of the original format, whose file "
            "does not state how many it has",
            minimum=1,
            maximum=64,
            excludes_minimum=False,
            is_whole=True,
            otherwise="as usual for the file",
        ),
    ] = None
    # A mapping has no hash, and configurations are keys of caches.
    options: Table = field(default_factory=dict, hash=False)
    n_views: Annotated[
        int,
        Choice(
            label="Views",
            help="Average the tractions of the field and of its mirror images, for "
            "networks of this project. More views are more accurate and take as many "
            "times as long",
            words={
                1: "the field as it is",
                4: "with its mirror images",
                8: "with its mirror images, and turned",
            },
            flag="views",
        ),
    ] = 1
    residual: Annotated[
        bool,
        Switch(
            label="Residual",
            help="Compute the displacement that the tractions cause, too, and what is "
            "left of the measured one",
        ),
    ] = False
    uncertainty: Annotated[
        bool,
        Switch(
            label="Uncertainty",
            help="Compute how sure the tractions are, too: the half-widths of their "
            "68% and 95% intervals",
        ),
    ] = False
    device: Annotated[
        Device,
        Choice(
            label="Device",
            help="Where to compute; automatic is the GPU if there is one",
            words={
                "auto": "automatic",
                "cpu": "CPU",
                "cuda": "GPU (CUDA)",
                "mps": "GPU (Apple)",
            },
        ),
    ] = "auto"
    batch_size: Annotated[
        int,
        Number(
            label="Batch size",
            help="Frames, or windows of a large field, that are computed at once. "
            "Smaller batches need less memory",
            minimum=1,
            maximum=4096,
            excludes_minimum=False,
            is_whole=True,
        ),
    ] = 8
    noise: NoiseConfig = NoiseConfig()

    def __post_init__(self) -> None:
        check(self)

    def of_tractions_alone(self) -> ReconstructionConfig:
        """The same tractions, without what `residual` and `uncertainty` add.

        For reconstructions whose tractions alone are needed, such as controls. Noise
        that is given for every vector belongs to the measured displacements: that of
        other fields is estimated.

        Examples
        --------
        >>> from napari_vit_tfm import ReconstructionConfig
        >>> config = ReconstructionConfig(model="fttc", residual=True)
        >>> config.of_tractions_alone().residual
        False
        """
        noise = NoiseConfig() if self.noise.per_vector else self.noise
        return replace(self, residual=False, uncertainty=False, noise=noise)


MOST_HOLES = 0.1
"""Largest share of holes in a frame of which tractions are computed."""

MOST_FILLED_HOLES = 0.5
"""The same if the tractions in holes are kept."""


@dataclass(frozen=True)
class PreparationConfig:
    """What is done to displacements before the reconstruction.

    Parameters
    ----------
    reverse : bool
        Whether all vectors are turned round.
    bin_size : int
        Side of the squares of vectors that are averaged; 1 averages nothing.
    zeros_are_holes : bool
        Whether regions that are exactly zero are holes.
    replace_outliers : bool
        Whether outliers and marks such as -9999 are replaced by values from their
        neighbours.
    remove_drift : bool
        Whether drift and rotation are subtracted.
    fill_holes : bool
        Whether tractions in holes are kept, and frames with many holes computed.
    """

    reverse: Annotated[
        bool,
        Switch(
            label="Reverse",
            help="Turn all displacements round, if they lead from the strained to the "
            "relaxed state",
        ),
    ] = False
    bin_size: Annotated[
        int,
        Number(
            label="Bin",
            help="Average the displacements over squares of N x N vectors. The "
            "spacing becomes N times as large",
            minimum=1,
            maximum=64,
            excludes_minimum=False,
            is_whole=True,
            flag="bin",
        ),
    ] = 1
    zeros_are_holes: Annotated[
        bool,
        Switch(
            label="Zeros are holes",
            help="Treat regions in which displacements are exactly zero as holes",
        ),
    ] = False
    replace_outliers: Annotated[
        bool,
        Switch(
            label="Replace outliers",
            help="Replace vectors that are unlike their neighbours, and marks such as "
            "-9999, by values interpolated from their neighbours",
        ),
    ] = False
    remove_drift: Annotated[
        bool,
        Switch(
            label="Remove drift",
            help="Subtract drift and rotation of the whole field, which are measured "
            "where the field is quiet",
        ),
    ] = False
    fill_holes: Annotated[
        bool,
        Switch(
            label="Fill holes",
            help="Keep the tractions in holes, and compute frames with up to "
            f"{MOST_FILLED_HOLES:.0%} holes instead of {MOST_HOLES:.0%}",
        ),
    ] = False

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class QuantitiesConfig:
    """Where quantities are measured, and how.

    Parameters
    ----------
    region : {"field", "outline"}, optional
        The region of a cell if there is no mask. None is the outline if the file has
        one, and else the field.
    dilation_um : float, optional
        Width of the surroundings of a cell whose forces are counted as its own, in um.
        None is the larger of two grid steps and 2 um.
    n_controls : int
        Number of reconstructions of noise without force, from which the corrected total
        force follows; 0 does none.
    """

    region: Annotated[
        CellRegion | None,
        Choice(
            label="Region",
            help="Region of the cell, if there is no mask",
            words={"field": "the whole field", "outline": "the outline in the file"},
            otherwise="the outline if the file has one, else the field",
        ),
    ] = None
    dilation_um: Annotated[
        float | None,
        Number(
            label="Dilation",
            help="Width of the surroundings of a cell whose forces count as its own",
            unit="\N{MICRO SIGN}m",
            excludes_minimum=False,
            step=0.5,
            otherwise="the larger of two grid steps and 2 \N{MICRO SIGN}m",
            flag="dilate",
        ),
    ] = None
    n_controls: Annotated[
        int,
        Number(
            label="Controls",
            help="Reconstructions of noise without force per frame, from which the "
            "corrected total force follows; 0 for none",
            excludes_minimum=False,
            maximum=1000,
            is_whole=True,
            flag="controls",
        ),
    ] = 8
    young_error: Annotated[
        float | None,
        Number(
            label="Error of Young's modulus",
            help="Relative standard deviation of Young's modulus, such as 0.1",
            maximum=2.0,
            step=0.05,
            otherwise="not known",
            flag="young-error",
        ),
    ] = None

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class ControlConfig:
    """The control without force of all quantities of a cell.

    Parameters
    ----------
    n_runs : int
        Number of reconstructions without the force of the cell.
    """

    n_runs: Annotated[
        int,
        Number(
            label="Control runs",
            help="Reconstructions without force for each cell and frame in the table "
            "of the control",
            maximum=10_000,
            is_whole=True,
            flag="control-runs",
        ),
    ] = 200

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class LimitsConfig:
    """How limits of detection are computed.

    Parameters
    ----------
    size_um : float, optional
        Diameter of the test adhesion, in um. None is four grid steps.
    direction_deg : float, optional
        Angle between its force and x, in degrees; clockwise is positive, since y points
        down. None is random directions.
    step_patches : int
        Distance between neighbouring places of the map, in patches.
    n_without : int
        Number of reconstructions without a test adhesion.
    batch_size : int
        Number of fields that are reconstructed at once.
    seed : int
        Seed of noise and directions.
    """

    size_um: Annotated[
        float | None,
        Number(
            label="Adhesion",
            help="Diameter of the test adhesion",
            unit="\N{MICRO SIGN}m",
            step=0.5,
            otherwise="four grid steps",
            flag="size-um",
        ),
    ] = None
    direction_deg: Annotated[
        float | None,
        Number(
            label="Direction",
            help="Angle between the force of the test adhesion and x; clockwise is "
            "positive",
            unit="\N{DEGREE SIGN}",
            minimum=-180.0,
            maximum=180.0,
            excludes_minimum=False,
            step=15.0,
            otherwise="all directions",
            flag="direction",
        ),
    ] = None
    step_patches: Annotated[
        int,
        Number(
            label="Step",
            help="Distance between neighbouring places, in patches of 8 x 8 vectors",
            minimum=1,
            excludes_minimum=False,
            is_whole=True,
            flag="step",
        ),
    ] = 2
    n_without: Count = 100
    batch_size: Count = 8
    seed: Seed = 0

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class WindowConfig:
    """Windows in which large fields are reconstructed. Lengths are in grid steps.

    Parameters
    ----------
    side : int
        Longest side of a window.
    overlap : int
        Smallest overlap of neighbouring windows.
    margin : int
        Distance from the edge of a window up to which its tractions are not used,
        except at the border of the field. Less than half of `overlap`.
    """

    side: Count = 128
    overlap: Whole = 48
    margin: Whole = 8

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class FigureConfig:
    """How tractions are drawn.

    Parameters
    ----------
    limit : float, optional
        Magnitude at the end of the colour scale, in the unit of the tractions. None is
        the largest of all frames.
    frames_per_second : int
        Speed of an animation.
    dpi : int
        Resolution of pictures, in dots per inch.
    """

    limit: Annotated[
        float | None,
        Number(
            label="Limit",
            help="Traction at the end of the colour scale, in Pa, or as t/E if the "
            "tractions are t/E",
            otherwise="the largest of all frames",
        ),
    ] = None
    frames_per_second: Annotated[
        int,
        Number(
            label="Frames per second",
            help="Speed of an animation",
            minimum=1,
            maximum=60,
            excludes_minimum=False,
            is_whole=True,
            flag="fps",
        ),
    ] = 5
    dpi: Annotated[
        int,
        Number(
            label="Resolution",
            help="Resolution of pictures, in dots per inch",
            minimum=50,
            maximum=1200,
            excludes_minimum=False,
            is_whole=True,
        ),
    ] = 150

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class BatchConfig:
    """How many experiments are analysed.

    Parameters
    ----------
    n_workers : int
        Number of processes that analyse experiments at the same time.
    """

    n_workers: Annotated[
        int,
        Number(
            label="Workers",
            help="Processes that analyse experiments at the same time",
            minimum=1,
            maximum=256,
            excludes_minimum=False,
            is_whole=True,
            flag="workers",
        ),
    ] = 1

    def __post_init__(self) -> None:
        check(self)


READING_OPTIONS = (
    "dataset",
    "unit",
    "spacing_um",
    "pixel_size_um",
    "y",
    "components_first",
    "allow_links",
)
"""Options of `read_displacement` that determine how a file is read. Those that were
given are in ``metadata["reading"]`` of the displacements."""


@dataclass(frozen=True)
class ReadingConfig:
    """How files are read.

    Parameters
    ----------
    in_memory_bytes : int
        Displacements of up to this size, in float32, are read whole where they may
        also be read in parts.
    y : {"down", "up"}, optional
        Direction of the y axis in the file. None is the direction that the format or
        the file specifies, and otherwise down.
    components_first : bool
        Whether an array ``(2, H, W)`` is one frame. It could also be two images.
    allow_links : bool
        Whether parts of the data may be in other files that an HDF5 file names.
    is_series : bool
        Whether several files are one film; else they are several experiments.
    """

    in_memory_bytes: Annotated[
        int, Range(maximum=2**63, excludes_minimum=False, is_whole=True)
    ] = 32 * 2**20
    y: Annotated[
        YDirection | None,
        Choice(
            label="y axis",
            help="Direction of the y axis in the file. If it is up, the rows are "
            "turned over, and the y components change their sign",
            words={"down": "down, as in images", "up": "up"},
            otherwise="as the file says, else down",
        ),
    ] = None
    components_first: Annotated[
        bool,
        Switch(
            label="Components first",
            help="Read an array (2, H, W) as one frame, with the components first",
        ),
    ] = False
    allow_links: Annotated[
        bool,
        Switch(
            label="Allow links",
            help="Open other files that an HDF5 file names for parts of its data. Use "
            "it only for files that you trust",
        ),
    ] = False
    is_series: Annotated[
        bool,
        Switch(
            label="Series",
            help="Read several files as the frames of one film, in the order of the "
            "numbers in their names, as the files of a folder always are",
            flag="series",
        ),
    ] = False

    def __post_init__(self) -> None:
        check(self)


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
    """Configuration of a benchmark on held-out fields of all kinds.

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
class InspectionConfig:
    """Configuration of influence maps and faithfulness curves.

    Parameters
    ----------
    n_projections : int
        Number of random projections of the traction in a patch for an influence map.
        With two per node, the number of traction components, the map is exact.
    n_shares : int
        Number of points of a faithfulness curve, including both ends.
    n_random : int
        Number of random orders with which a faithfulness curve is compared.
    seed : int
        Seed of the directions and of the random orders.
    """

    n_projections: Annotated[
        int,
        Number(
            label="Projections",
            help="Number of random directions from which the influence is estimated; "
            "two for each vector of the patch (128) make it exact",
            minimum=1,
            excludes_minimum=False,
            is_whole=True,
            flag="projections",
        ),
    ] = 8
    n_shares: Annotated[
        int, Range(minimum=2, maximum=1000, excludes_minimum=False, is_whole=True)
    ] = 12
    n_random: Whole = 5
    seed: Seed = 0

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class DisplayConfig:
    """Configuration of the display of fields.

    Parameters
    ----------
    arrow_stride : int
        Distance between drawn arrows, in vectors of the field, where it does not follow
        the zoom.
    arrow_distance_px : float
        Distance between neighbouring arrows on the canvas, in pixels, where it follows
        the zoom.
    longest_arrow : float
        Length of the longest arrow of a field, in strides.
    max_arrows : int
        Largest number of arrows of all frames, where all are drawn. More arrows slow
        the frame slider down.
    magnitude_colormap, displacement_colormap, attention_colormap : str
        Names of napari colormaps.
    attention_opacity : float
        Opacity of the attention overlay, 0 to 1.
    cpu_batch_size : int
        Frames per batch in the plugin on a CPU, unless the user sets it: small, so that
        progress is seen, and not slower than larger batches.
    update_last_result : bool
        Whether a run updates the layers of the field's last result, instead of
        making new ones.
    residual, uncertainty : bool
        As in `ReconstructionConfig`, for a run in the Traction dock: who looks at a
        picture should see how far it can be trusted.
    fade_uncertain : bool
        Whether tractions fade where they are below two standard deviations.
    """

    arrow_stride: Count = 3
    arrow_distance_px: Positive = 20.0
    longest_arrow: Positive = 3.5
    max_arrows: Count = 150_000
    magnitude_colormap: Text = "inferno"
    displacement_colormap: Text = "viridis"
    attention_colormap: Text = "GnBu_r"
    attention_opacity: Share = 0.75
    cpu_batch_size: Count = 1
    update_last_result: Flag = False
    residual: Flag = True
    uncertainty: Flag = True
    fade_uncertain: Flag = True

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
