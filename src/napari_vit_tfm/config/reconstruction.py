"""How tractions are reconstructed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from napari_vit_tfm.config.constants import BUNDLED_MODEL, Device
from napari_vit_tfm.constraints import Count, Table, Text, Whole, check
from napari_vit_tfm.errors import ConfigError
from napari_vit_tfm.options import Choice, Number, Switch


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
