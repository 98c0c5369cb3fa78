"""How displacements are read, and what is done to them before a reconstruction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from napari_vit_tfm.config.constants import MOST_FILLED_HOLES, MOST_HOLES, YDirection
from napari_vit_tfm.constraints import Range, check
from napari_vit_tfm.options import Choice, Number, Switch


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
