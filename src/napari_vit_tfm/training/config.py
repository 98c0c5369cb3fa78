"""Configuration of a training run."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from napari_vit_tfm.config import PRECISIONS, Precision
from napari_vit_tfm.errors import ConfigError, TFMError
from napari_vit_tfm.models.physics_vit import PhysicsViTConfig
from napari_vit_tfm.synthesis import KINDS, Distribution, NoiseDistribution

_T = TypeVar("_T")


def _build(cls: type[_T], values: Mapping[str, Any]) -> _T:
    known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(
            f"{cls.__name__} has no {', '.join(unknown)}; "
            f"it has {', '.join(sorted(known))}"
        )
    plain = {name: _as_tuples(value) for name, value in values.items()}
    # Every field has a default, whose type is the expected one.
    example = cls()
    for name, value in plain.items():
        wanted = type(getattr(example, name))
        if wanted is type(None) or (wanted is dict and isinstance(value, Mapping)):
            continue
        if not (isinstance(value, wanted) or (wanted is float and type(value) is int)):
            raise ConfigError(
                f"{cls.__name__}: {name} is {value!r}, expected {wanted.__name__}"
            )
    return cls(**plain)


def _as_tuples(value: Any) -> Any:
    """Convert the lists of TOML and JSON to the tuples of a configuration."""
    if isinstance(value, list | tuple):
        return tuple(_as_tuples(item) for item in value)
    return value


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
        If the kind does not exist, or has no such parameter.
    """

    kind: str = "discs"
    options: Mapping[str, Any] = field(default_factory=dict)
    shapes: tuple[tuple[int, int], ...] = ((104, 104),)
    windows: tuple[float, ...] = (0.0,)
    share: float = 1.0
    noise: NoiseDistribution | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                f"unknown kind of field {self.kind!r}: expected {', '.join(KINDS)}"
            )
        options = {name: _as_tuples(value) for name, value in self.options.items()}
        object.__setattr__(self, "options", options)
        # Raise errors in the options now, not during training.
        _ = self.distribution

    @property
    def distribution(self) -> Distribution:
        """Distribution of the fields."""
        return _build(KINDS[self.kind], self.options)


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

    exponent: float = 0.5
    background: float = 0.0
    adhesions: float = 0.0


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
        If the precision is unknown, the consistency is not from 0 to 1, or the number
        of steps between validations or checkpoints is not positive.
    """

    network: PhysicsViTConfig = field(default_factory=PhysicsViTConfig)
    kinds: tuple[FieldKind, ...] = (FieldKind(),)
    steps: int = 10_000
    batch_size: int = 8
    noise: NoiseDistribution = field(default_factory=NoiseDistribution)
    loss: LossConfig = field(default_factory=LossConfig)
    precision: Precision = "32"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    warmup_steps: int = 200
    ema_decay: float = 0.998
    consistency: float = 0.0
    validate_every: int = 250
    validation_fields: int = 8
    patience: int = 0
    checkpoint_every: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"unknown precision {self.precision!r}: expected "
                f"{', '.join(PRECISIONS)}"
            )
        if not 0 <= self.consistency <= 1:
            raise ConfigError(
                f"consistency must be from 0 to 1, not {self.consistency:g}"
            )
        for name in ("validate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be positive, not {getattr(self, name)}")

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
            If a name is unknown or a value has the wrong type.
        """
        values = dict(values)
        parts: dict[str, PhysicsViTConfig | NoiseDistribution | LossConfig] = {
            "network": network or PhysicsViTConfig(),
            "noise": NoiseDistribution(),
            "loss": LossConfig(),
        }
        for name, default in parts.items():
            table = values.get(name, {})
            if not isinstance(table, Mapping):
                raise ConfigError(f"{name} is {table!r}, expected a table")
            values[name] = _build(type(default), {**asdict(default), **table})
        if "kinds" in values:
            values["kinds"] = tuple(_build_kind(kind) for kind in values["kinds"])
        return _build(cls, values)

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
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
            return cls.from_dict(values, network=network)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not a TOML file ({error})") from error
        except TFMError as error:
            raise ConfigError(f"{path}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Convert to nested plain values."""
        return asdict(self)

    def to_toml(self) -> str:
        """Convert to TOML, which `from_toml` reads."""
        return tomli_w.dumps(_without_none(self.to_dict()))


def _without_none(value: Any) -> Any:
    """Remove names whose value is None, which TOML cannot represent."""
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, tuple):
        return [_without_none(item) for item in value]
    return value


def _build_kind(values: Mapping[str, Any]) -> FieldKind:
    values = dict(values)
    if values.get("noise") is not None:
        values["noise"] = _build(NoiseDistribution, values["noise"])
    return _build(FieldKind, values)
