"""Everything a training run depends on, in one file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from napari_vit_tfm.fields import FieldError
from napari_vit_tfm.models.physics_vit import PhysicsViTConfig
from napari_vit_tfm.synthesis import (
    KINDS,
    CellDistribution,
    DiscDistribution,
    Distribution,
)

_T = TypeVar("_T")


@dataclass(frozen=True)
class FieldKind:
    """One kind of training field.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the grid.
    share : float
        How often a batch is of this kind, relative to the others.
    discs : DiscDistribution, optional
        How discs are drawn.
    cells : CellDistribution, optional
        How cells are drawn. With neither, it is the original work's discs.
    """

    shape: tuple[int, int] = (104, 104)
    share: float = 1.0
    discs: DiscDistribution | None = None
    cells: CellDistribution | None = None

    @property
    def distribution(self) -> Distribution:
        """What the fields are drawn from.

        Raises
        ------
        FieldError
            If it is discs and cells at once.
        """
        if self.discs is not None and self.cells is not None:
            raise FieldError("a kind of field is discs or cells, not both")
        return self.discs or self.cells or DiscDistribution()


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
        Optimiser steps, fields per step.
    replay : int
        How often a clean field is used, each time turned or mirrored and with
        fresh noise; the closed form costs as much as a third of a step.
    noise : tuple of float
        Range of the white noise's standard deviation over the field's root
        mean square, drawn log-uniformly.
    clean_share : float
        Share of the fields that get no noise.
    learning_rate, weight_decay, gradient_clip : float
        AdamW at its peak rate; the gradient's largest norm.
    warmup_steps : int
        Steps of linear warm-up before the cosine to zero.
    ema_decay : float
        Decay of the weights' moving average, which is what is kept.
    validate_every, validation_fields : int
        Steps between validations; number of fixed disc fields.
    seed : int
        Seed of the initial weights and of the fields.
    """

    network: PhysicsViTConfig = field(default_factory=PhysicsViTConfig)
    kinds: tuple[FieldKind, ...] = (FieldKind(),)
    steps: int = 10_000
    batch_size: int = 8
    replay: int = 4
    noise: tuple[float, float] = (1e-3, 0.3)
    clean_share: float = 0.25
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    warmup_steps: int = 200
    ema_decay: float = 0.998
    validate_every: int = 250
    validation_fields: int = 32
    seed: int = 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Build from nested plain values, as TOML and JSON give them.

        Raises
        ------
        FieldError
            For a name that no part of the configuration has.
        """
        values = dict(values)
        if "network" in values:
            values["network"] = _build(PhysicsViTConfig, values["network"])
        if "kinds" in values:
            values["kinds"] = tuple(_build_kind(kind) for kind in values["kinds"])
        return _build(cls, values)

    @classmethod
    def from_toml(cls, path: str | Path) -> TrainingConfig:
        """Read a TOML file.

        Raises
        ------
        FieldError
            If it is not TOML, or names what no configuration has.
        """
        try:
            return cls.from_dict(tomllib.loads(Path(path).read_text(encoding="utf-8")))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise FieldError(f"{path}: not a TOML file ({error})") from error
        except FieldError as error:
            raise FieldError(f"{path}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values."""
        return asdict(self)


def _build_kind(values: Mapping[str, Any]) -> FieldKind:
    values = dict(values)
    for name, distribution in KINDS.items():
        if values.get(name) is not None:
            values[name] = _build(distribution, values[name])
    return _build(FieldKind, values)


def _build(cls: type[_T], values: Mapping[str, Any]) -> _T:
    known = {item.name for item in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - known)
    if unknown:
        raise FieldError(
            f"{cls.__name__} has no {', '.join(unknown)}; "
            f"it has {', '.join(sorted(known))}"
        )
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    # Every field has a default, and with it an example of what it takes.
    example = cls()
    for name, value in plain.items():
        wanted = type(getattr(example, name))
        if wanted is type(None):
            continue
        if not (isinstance(value, wanted) or (wanted is float and type(value) is int)):
            raise FieldError(
                f"{cls.__name__}: {name} is {value!r}, "
                f"not of the type {wanted.__name__}"
            )
    return cls(**plain)
