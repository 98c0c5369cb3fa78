"""Everything a training run depends on, in one file."""

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
    # Every field has a default, and with it an example of what it takes.
    example = cls()
    for name, value in plain.items():
        wanted = type(getattr(example, name))
        if wanted is type(None) or (wanted is dict and isinstance(value, Mapping)):
            continue
        if not (isinstance(value, wanted) or (wanted is float and type(value) is int)):
            raise ConfigError(
                f"{cls.__name__}: {name} is {value!r}, "
                f"not of the type {wanted.__name__}"
            )
    return cls(**plain)


def _as_tuples(value: Any) -> Any:
    """Lists, as TOML and JSON give them, as the tuples that a configuration has."""
    if isinstance(value, list | tuple):
        return tuple(_as_tuples(item) for item in value)
    return value


@dataclass(frozen=True)
class FieldKind:
    """One kind of training field.

    Parameters
    ----------
    kind : str
        Name of the distribution that the fields are drawn from, one of
        `synthesis.KINDS`.
    options : mapping
        Parameters of the distribution that are not its defaults.
    shapes : tuple of tuples of int
        Rows and columns of the grids; a batch has one of them.
    windows : tuple of float
        Sides of the square that displacements are averaged over, in grid steps; a
        batch has one of them. Discs are measured at the nodes, with 0.
    share : float
        How often a batch is of this kind, relative to the others.
    noise : NoiseDistribution, optional
        The noise of this kind's displacements; None is the run's.

    Raises
    ------
    ConfigError
        If there is no such kind, or no such parameter of it.
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
                f"a kind of field is one of {', '.join(KINDS)}, not {self.kind!r}"
            )
        # As they are when they come from a file.
        options = {name: _as_tuples(value) for name, value in self.options.items()}
        object.__setattr__(self, "options", options)
        # Whatever is wrong with them is said now, not steps later.
        _ = self.distribution

    @property
    def distribution(self) -> Distribution:
        """What the fields are drawn from."""
        return _build(KINDS[self.kind], self.options)


@dataclass(frozen=True)
class LossConfig:
    """What is minimised; see `losses.traction_loss`.

    Parameters
    ----------
    exponent : float
        Of the relative squared error: 0.5 is its root, 1 the error itself.
    background : float
        Weight of the traction where there is none.
    adhesions : float
        Weight of the magnitude's error where there is traction.
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
        The mix of training fields; a batch holds one kind.
    steps, batch_size : int
        Optimiser steps, fields per step and device.
    noise : NoiseDistribution
        The noise of the displacements.
    loss : LossConfig
        What is minimised.
    precision : {"32", "bf16-mixed", "16-mixed"}
        What the encoder's blocks compute in.
    learning_rate, weight_decay, gradient_clip : float
        Muon and AdamW at their peak rate; the gradient's largest norm.
    warmup_steps : int
        Steps of linear warm-up, while the cosine to zero has begun.
    ema_decay : float
        Decay of the weights' moving average, which is what is kept.
    validate_every, validation_fields : int
        Steps between validations; number of fixed fields of every kind and at every
        noise level.
    patience : int
        Validations without a better score after which the run stops; 0 for
        never.
    checkpoint_every : int
        Steps between checkpoints. There is one after every validation, too, at
        the end, and when the run is interrupted.
    seed : int
        Seed of the initial weights and of the fields.

    Raises
    ------
    ConfigError
        For a precision that there is not, and for steps between validations or
        checkpoints that are not positive.
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
    validate_every: int = 250
    validation_fields: int = 8
    patience: int = 0
    checkpoint_every: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(
                f"precision is {self.precision!r}, not one of {', '.join(PRECISIONS)}"
            )
        for name in ("validate_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, not positive")

    @classmethod
    def from_dict(
        cls, values: Mapping[str, Any], *, network: PhysicsViTConfig | None = None
    ) -> TrainingConfig:
        """Build from nested plain values, as TOML and JSON give them.

        Parameters
        ----------
        values : mapping
            By name; what is left out has its default.
        network : PhysicsViTConfig, keyword-only, optional
            What the network is where `values` does not say.

        Raises
        ------
        ConfigError
            For a name that no part of the configuration has.
        """
        values = dict(values)
        parts: dict[str, PhysicsViTConfig | NoiseDistribution | LossConfig] = {
            "network": network or PhysicsViTConfig(),
            "noise": NoiseDistribution(),
            "loss": LossConfig(),
        }
        for name, default in parts.items():
            said = values.get(name, {})
            if not isinstance(said, Mapping):
                raise ConfigError(f"{name} is {said!r}, not a table")
            values[name] = _build(type(default), {**asdict(default), **said})
        if "kinds" in values:
            values["kinds"] = tuple(_build_kind(kind) for kind in values["kinds"])
        return _build(cls, values)

    @classmethod
    def from_toml(
        cls, path: str | Path, *, network: PhysicsViTConfig | None = None
    ) -> TrainingConfig:
        """Read a TOML file.

        Parameters
        ----------
        path : path
            The file.
        network : PhysicsViTConfig, keyword-only, optional
            What the network is where the file does not say.

        Raises
        ------
        ConfigError
            If it is not TOML, or names what no configuration has.
        """
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
            return cls.from_dict(values, network=network)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: not a TOML file ({error})") from error
        except TFMError as error:
            raise ConfigError(f"{path}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values."""
        return asdict(self)

    def to_toml(self) -> str:
        """What `from_toml` reads."""
        return tomli_w.dumps(_without_none(self.to_dict()))


def _without_none(value: Any) -> Any:
    """TOML has no word for nothing: it leaves the name out."""
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
