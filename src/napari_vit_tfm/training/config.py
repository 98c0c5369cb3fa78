"""Configuration of a training run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tomli_w

from napari_vit_tfm.config import MIN_SIDE, Precision
from napari_vit_tfm.constraints import (
    Count,
    Few,
    Length,
    NotNegative,
    OneOf,
    Range,
    Seed,
    Share,
    Whole,
    check,
)
from napari_vit_tfm.errors import ConfigError, TFMError
from napari_vit_tfm.models.physics_vit import PhysicsViTConfig
from napari_vit_tfm.synthesis import (
    KINDS,
    DiscDistribution,
    Distribution,
    NoiseDistribution,
)
from napari_vit_tfm.training.validation import as_tuples, validated

_LARGEST_FILE = 2**20
"""Size of the largest configuration file, in bytes."""

_Side = Annotated[
    int,
    Range(minimum=MIN_SIDE, maximum=1024, excludes_minimum=False, is_whole=True),
]
_Window = Annotated[float, Range(maximum=64.0, excludes_minimum=False)]
_Decay = Annotated[float, Range(maximum=0.999999, excludes_minimum=False)]


@dataclass(frozen=True)
class FieldKind:
    """One kind of training field.

    Parameters
    ----------
    kind : str
        Name of the distribution of the fields, one of `synthesis.KINDS`.
    options : mapping
        Parameters of the distribution that differ from the defaults.
    shapes : tuple of tuples of int
        Rows and columns of the grids. A batch has one of them.
    windows : tuple of float
        Sides of the square over which displacements are averaged, in grid steps. A
        batch has one of them. It is 0 for discs.
    share : float
        Relative frequency of batches of this kind.
    noise : NoiseDistribution, optional
        Noise of the displacements of this kind. None uses the noise of the run.

    Raises
    ------
    ConfigError
        If the kind does not exist, has no such parameter, or a value is not in its
        range.
    """

    kind: Annotated[str, OneOf(*KINDS)] = "discs"
    options: Mapping[str, Any] = field(default_factory=dict)
    shapes: Annotated[tuple[tuple[_Side, _Side], ...], Length(1, 100)] = ((104, 104),)
    windows: Annotated[tuple[_Window, ...], Length(1, 100)] = (0.0,)
    share: NotNegative = 1.0
    noise: NoiseDistribution | None = None

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "options", as_tuples(self.options))
        # Raise errors in the options now, not during training.
        distribution = self.distribution
        if isinstance(distribution, DiscDistribution):
            for shape in self.shapes:
                distribution.check_room(shape)
            if any(self.windows):
                raise ConfigError("windows must be 0 for discs")

    @property
    def distribution(self) -> Distribution:
        """Distribution of the fields."""
        return validated(KINDS[self.kind], self.options, place=("options",))


@dataclass(frozen=True)
class LossConfig:
    """Loss function; see `losses.traction_loss`.

    Parameters
    ----------
    exponent : float
        Exponent of the relative squared error: 1 is the error, 0.5 its root.
    background : float
        Weight of the traction in the background.
    adhesions : float
        Weight of the error of the magnitude at adhesions.
    """

    exponent: Annotated[float, Range(maximum=2.0)] = 0.5
    background: NotNegative = 0.0
    adhesions: NotNegative = 0.0

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    Parameters
    ----------
    network : PhysicsViTConfig
        The network to train.
    kinds : tuple of FieldKind
        Kinds of training fields. A batch holds fields of one kind.
    steps, batch_size : int
        Number of optimiser steps, and of fields per step and device.
    noise : NoiseDistribution
        Noise of the displacements.
    loss : LossConfig
        Loss function.
    precision : {"32", "bf16-mixed", "16-mixed"}
        Precision of the encoder blocks.
    learning_rate, weight_decay, gradient_clip : float
        Peak learning rate and weight decay of Muon and AdamW, and largest norm of the
        gradient.
    warmup_steps : int
        Steps of linear warm-up, which multiplies the cosine decay to zero.
    ema_decay : float
        Decay of the exponential moving average of the weights. The averaged weights
        are saved.
    consistency : float
        Share of the averaged network's traction in the target of the loss, from 0 to
        1; see `TrainingModule.target`. 0 trains on the true tractions alone.
    validate_every, validation_fields : int
        Steps between validations, and number of fixed fields for every kind and noise
        level.
    patience : int
        Number of validations without improvement after which the run stops; 0
        disables early stopping.
    checkpoint_every : int
        Steps between checkpoints. A checkpoint is also saved after every validation,
        at the end, and when the run is interrupted.
    seed : int
        Seed of the initial weights and of the fields.

    Raises
    ------
    ConfigError
        If a value is not in its range; the message names all of them.
    """

    network: PhysicsViTConfig = field(default_factory=PhysicsViTConfig)
    kinds: Annotated[tuple[FieldKind, ...], Length(1, 1000)] = (FieldKind(),)
    steps: Count = 10_000
    batch_size: Few = 8
    noise: NoiseDistribution = field(default_factory=NoiseDistribution)
    loss: LossConfig = field(default_factory=LossConfig)
    precision: Precision = "32"
    learning_rate: NotNegative = 1e-3
    weight_decay: NotNegative = 0.01
    gradient_clip: NotNegative = 1.0
    warmup_steps: Whole = 200
    ema_decay: _Decay = 0.998
    consistency: Share = 0.0
    validate_every: Count = 250
    validation_fields: Few = 8
    patience: Whole = 0
    checkpoint_every: Count = 250
    seed: Seed = 0

    def __post_init__(self) -> None:
        check(self)
        if not any(kind.share for kind in self.kinds):
            raise ConfigError("the share of every kind is 0")

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], *, network: PhysicsViTConfig | None = None
    ) -> TrainingConfig:
        """Build a configuration from nested plain values, as read from TOML or JSON.

        Parameters
        ----------
        values : mapping
            Values by name. The others have their defaults.
        network : PhysicsViTConfig, keyword-only, optional
            Defaults for the network.

        Raises
        ------
        ConfigError
            If a name is not known, or a value is not what is expected; the message
            names all of them.
        """
        table = values.get("network", {})
        if network is not None and isinstance(table, Mapping):
            values = {**values, "network": {**asdict(network), **table}}
        return validated(cls, values)

    @classmethod
    def from_toml(
        cls, path: str | Path, *, network: PhysicsViTConfig | None = None
    ) -> TrainingConfig:
        """Read a configuration from a TOML file.

        Parameters
        ----------
        path : path
            The file.
        network : PhysicsViTConfig, keyword-only, optional
            Defaults for the network.

        Raises
        ------
        ConfigError
            If the file is not TOML, or a name or value in it is not valid.
        """
        values = _read_toml(Path(path))
        try:
            return cls.from_dict(values, network=network)
        except TFMError as error:
            raise ConfigError(f"{path}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Convert to nested plain values."""
        return asdict(self)

    def to_toml(self) -> str:
        """Convert to TOML, which `from_toml` reads."""
        return tomli_w.dumps(_without_none(self.to_dict()))


def _read_toml(path: Path) -> dict[str, Any]:
    """Values in a TOML file."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    if path.stat().st_size > _LARGEST_FILE:
        raise ConfigError(
            f"{path}: larger than {_LARGEST_FILE} bytes, which no configuration is"
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    # Huge integers are a ValueError, and deeply nested lists a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a TOML file ({error})") from error


def _without_none(value: Any) -> Any:
    """Remove names whose value is None, which TOML cannot represent."""
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, tuple):
        return [_without_none(item) for item in value]
    return value
