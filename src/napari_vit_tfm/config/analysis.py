"""What is computed from tractions, and for how many experiments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from napari_vit_tfm.config.constants import CellRegion
from napari_vit_tfm.constraints import Count, Range, Seed, Whole, check
from napari_vit_tfm.options import Choice, Number


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
