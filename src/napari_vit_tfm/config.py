"""Every default, once. Widgets and commands both start from these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from napari_vit_tfm.options import Choice, Number

REFERENCE_POISSON = 0.49
"""Poisson ratio of the reference form, an almost incompressible gel."""

PATCH_SIZE = 8
"""Side of a patch, in vectors."""

MIN_GRID = 16
MAX_GRID = 256
"""Smallest and largest number of vectors along a side of a field."""

BUNDLED_MODEL = "vit"
"""Name of the network that comes with the package."""

BAYESIAN_FTTC = "bayesian-fttc"
"""Name of Bayesian FTTC, which networks are compared with by itself, too."""

FIELD_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "discs": "the original work's discs of uniform traction",
        "adhesions": "elongated adhesions anywhere, pulled along their long axis",
        "cells": "contractile cells with many small adhesions, whose forces balance",
        "pads": "smooth adhesions of all sizes, pulled in any direction",
        "fibres": "pairs of small spots that pull towards each other",
        "colony": "random continuous tractions inside cells of any shape",
        "band": "a continuous band along a cell's edge that pulls inwards",
        "layer": "a confluent layer, which goes on beyond the border",
        "front": "a layer with a free edge, where it pulls most",
        "spots": "point-like adhesions on top of a continuous traction",
        "mixture": "several of these kinds in one field",
    }
)
"""What is made where displacements with known tractions are asked for, in words."""

ALL_KINDS = "all"
"""Stands for every kind of held-out fields, where methods are compared."""

ORACLE = "fttc-oracle"
"""FTTC at its best, which only somebody who knows the truth can choose."""

ORIGINAL_ENDINGS = (".pth", ".pt")
MODEL_ENDINGS = (".safetensors", *ORIGINAL_ENDINGS, ".h5", ".hdf5")
"""Endings of files that models are read from."""

Device = Literal["auto", "cpu", "cuda", "mps"]

Precision = Literal["32", "bf16-mixed", "16-mixed"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""What the encoder's blocks may be trained in; everything else is float32."""


MapSource = Literal["rollout", "attention"]
MAP_SOURCES: tuple[MapSource, ...] = get_args(MapSource)
"""What a block has gathered with all before it, or its own attention."""

MapDirection = Literal["from", "to"]
MAP_DIRECTIONS: tuple[MapDirection, ...] = get_args(MapDirection)
"""What a patch attends to, or which patches attend to it."""


@dataclass(frozen=True)
class ReconstructionConfig:
    """How a stack is reconstructed.

    Parameters
    ----------
    model : str
        A registered method's name, or the path of a checkpoint.
    heads : int, optional
        Attention heads of a checkpoint that does not say; None takes the
        usual number for the checkpoint's form.
    device : {"auto", "cpu", "cuda", "mps"}
        ``auto`` takes the GPU where there is one.
    batch_size : int
        Frames per batch; halved while the GPU's memory does not hold it.
    options : mapping of str to float
        What is chosen about the method, such as the ``regularisation`` of FTTC;
        see its class in `models.methods`.
    n_views : int
        Of how many mirror images of the field a network of this project averages
        the tractions: 1, the field as it is; 4, its images along both
        axes, too; 8, those of the field mirrored along the diagonal, too. Time
        grows in proportion.
    """

    model: str = BUNDLED_MODEL
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
    options: Mapping[str, float] = field(default_factory=dict, hash=False)
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
            help="Frames that are computed at once. Smaller batches need less memory",
            minimum=1,
            maximum=4096,
            excludes_minimum=False,
            is_whole=True,
        ),
    ] = 8


@dataclass(frozen=True)
class ReadingConfig:
    """How files are read.

    Parameters
    ----------
    in_memory_bytes : int
        Displacements of up to this size, in float32, are read whole where they may
        also be read in parts.
    """

    in_memory_bytes: int = 256 * 2**20


@dataclass(frozen=True)
class BenchmarkConfig:
    """What is compared, and on which fields.

    Parameters
    ----------
    extra_methods : tuple of str
        What is compared beside all registered methods.
    sigmas : tuple of float
        Standard deviations of the noise, as fractions of the field's width.
    kind : str
        Distribution of the fields.
    n_fields, seed : int
        Number of fields, seed of the fields and of the noise.
    """

    extra_methods: tuple[str, ...] = (ORACLE,)
    sigmas: tuple[float, ...] = (0.0, 1e-4, 1e-3)
    kind: str = "discs"
    n_fields: int = 64
    seed: int = 0


@dataclass(frozen=True)
class KindsConfig:
    """What is compared on held-out fields of all kinds.

    Parameters
    ----------
    n_fields, seed : int
        Number of fields of each kind, seed of the fields and of the noise.
    shape : tuple of int
        Rows and columns of a field.
    """

    n_fields: int = 8
    seed: int = BenchmarkConfig.seed
    shape: tuple[int, int] = (104, 104)


@dataclass(frozen=True)
class InspectionConfig:
    """How it is measured what a patch's traction depends on.

    Parameters
    ----------
    n_projections : int
        Directions of the patch's traction that are followed back for an
        influence map; all of them (two per node) make it exact.
    n_shares : int
        Points of a faithfulness curve, both ends included.
    n_random : int
        Random orders that a faithfulness curve is compared with.
    seed : int
        Seed of the directions and of the random orders.
    """

    n_projections: int = 8
    n_shares: int = 12
    n_random: int = 5
    seed: int = 0


@dataclass(frozen=True)
class DisplayConfig:
    """How fields are drawn.

    Parameters
    ----------
    arrow_stride : int
        Every how many vectors an arrow is drawn.
    longest_arrow : float
        Length of a field's longest arrow, in strides.
    max_arrows : int
        Arrows of all frames together; more make the frame slider sluggish.
    magnitude_colormap, displacement_colormap, attention_colormap : str
        Names of napari colormaps.
    attention_opacity : float
        Opacity of the attention overlay, 0 to 1.
    update_last_result : bool
        Whether a run updates the layers of the field's last result, instead of
        making new ones.
    """

    arrow_stride: int = 3
    longest_arrow: float = 3.5
    max_arrows: int = 150_000
    magnitude_colormap: str = "inferno"
    displacement_colormap: str = "viridis"
    attention_colormap: str = "cividis"
    attention_opacity: float = 0.6
    update_last_result: bool = False


@dataclass(frozen=True)
class ExampleConfig:
    """The gel and the size of the example time-lapses.

    Parameters
    ----------
    young_pa : float
        Young's modulus in Pa.
    spacing_um : float
        Distance between neighbouring vectors in um.
    n_frames, seed : int
        Number of frames, seed of the random numbers.
    """

    young_pa: float = 10_000.0
    spacing_um: float = 0.8
    n_frames: int = 12
    seed: int = 1
