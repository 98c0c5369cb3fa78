"""Continuous tractions: colonies, bands along an edge, layers, fronts, mixtures.

Spread cells, colonies and monolayers have tractions that vary continuously and may
extend beyond the field of view. They are drawn on a `Canvas`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.constraints import (
    FewRange,
    Increasing,
    Margin,
    NotNegative,
    PositiveRange,
    Range,
    Share,
    StepsRange,
    check,
)
from napari_vit_tfm.synthesis.adhesions import AdhesionDistribution
from napari_vit_tfm.synthesis.canvas import (
    Canvas,
    FineTractions,
    balanced,
    draw_outline,
    soft_mask,
)
from napari_vit_tfm.synthesis.cells import CellDistribution
from napari_vit_tfm.synthesis.fibres import FibreDistribution
from napari_vit_tfm.synthesis.noise import log_uniform

FloatArray = npt.NDArray[np.float32]


def _strength(rng: np.random.Generator) -> float:
    return float(log_uniform(rng, (0.01, 0.2), 1)[0])


_Uneven = Annotated[float, Range(maximum=10.0, excludes_minimum=False)]

_Beyond = Annotated[float, Range(maximum=4.0, excludes_minimum=False)]

_Parts = Annotated[
    int, Range(minimum=1, maximum=7, excludes_minimum=False, is_whole=True)
]
"""Number of the kinds of a mixture."""


@dataclass(frozen=True)
class ColonyDistribution:
    """Random continuous tractions inside cells of any shape.

    Parameters
    ----------
    cells : tuple of int
        Range of the number of cells.
    extent : tuple of float
        Range of the mean radius of a cell, relative to the shorter side of the field.
    length : tuple of float
        Range of the correlation length of the tractions, in grid steps.
    softness : tuple of float
        Range of the width of the rim, in grid steps.
    balanced_share : float
        Fraction of the cells with zero net force and torque.
    pull : float
        Largest weight of a mean inward traction, relative to the random traction.
    spread : float
        Size of the region in which the cells' centres lie, relative to the field.
    margin : int
        Width of the border around the field that also has traction, in nodes.
    """

    cells: FewRange = (1, 3)
    extent: PositiveRange = (0.08, 0.45)
    length: StepsRange = (0.7, 20.0)
    softness: StepsRange = (0.3, 12.0)
    balanced_share: Share = 0.5
    pull: NotNegative = 1.0
    spread: NotNegative = 0.7
    margin: Margin = 8

    def __post_init__(self) -> None:
        check(self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> FineTractions:
        """Draw the tractions of one field of `shape` rows and columns."""
        canvas = Canvas(shape, self.margin)
        total = np.zeros((2, *canvas.shape), dtype=np.float32)
        for _ in range(rng.integers(*self.cells, endpoint=True)):
            outline = draw_outline(rng, canvas, self.extent, self.spread)
            softness = float(log_uniform(rng, self.softness, 1)[0])
            mask = soft_mask(outline.depth, min(softness, outline.radius))
            length = float(log_uniform(rng, self.length, 1)[0])
            x, y = canvas.random(rng, 2, length, rng.choice([2.0, 4.0, np.inf]))
            pull = np.float32(rng.uniform(0, self.pull) * (rng.random() < 0.5))
            x, y = (
                (x + pull * outline.inward_x) * mask,
                (y + pull * outline.inward_y) * mask,
            )
            if rng.random() < self.balanced_share:
                x, y = balanced(x, y, mask, canvas)
            total += np.float32(np.exp(rng.normal(0, 0.5))) * np.stack([x, y])
        return canvas.pattern(total[0], total[1], _strength(rng))


@dataclass(frozen=True)
class BandDistribution:
    """Inward tractions of varying strength in a continuous band along a cell's edge.

    Parameters
    ----------
    extent : tuple of float
        Range of the mean radius of the cell, relative to the shorter side of the
        field.
    width : tuple of float
        Range of the width of the band, in grid steps.
    balanced_share : float
        Fraction of the cells with zero net force and torque.
    spread : float
        Size of the region in which the cell's centre lies, relative to the field.
    margin : int
        Width of the border around the field that also has traction, in nodes.
    """

    extent: PositiveRange = (0.12, 0.45)
    width: StepsRange = (0.7, 10.0)
    balanced_share: Share = 0.6
    spread: NotNegative = 0.4
    margin: Margin = 8

    def __post_init__(self) -> None:
        check(self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> FineTractions:
        """Draw the tractions of one field of `shape` rows and columns."""
        canvas = Canvas(shape, self.margin)
        outline = draw_outline(rng, canvas, self.extent, self.spread)
        width = float(log_uniform(rng, self.width, 1)[0])
        inset = rng.uniform(0.5, 2.0) * width
        away = (outline.depth - np.float32(inset)) / np.float32(width)
        if rng.random() < 0.7:
            band = np.exp(-np.square(away) / 2)
        else:
            band = (np.abs(away) < 0.5).astype(np.float32)
        uneven = np.ones(canvas.shape, dtype=np.float32)
        for order in range(1, 6):
            share = np.float32(rng.normal(0, 0.4))
            uneven += share * np.cos(order * outline.angle + rng.uniform(0, 2 * np.pi))
        length = float(log_uniform(rng, (2.0, 15.0), 1)[0])
        rough, turn = canvas.random(rng, 2, length, np.inf)
        uneven = np.maximum(uneven, 0) * np.exp(np.float32(rng.uniform(0, 0.7)) * rough)
        turn = np.float32(rng.uniform(0, 0.5)) * turn
        cos, sin = np.cos(turn), np.sin(turn)
        pull = band * uneven
        x = pull * (cos * outline.inward_x - sin * outline.inward_y)
        y = pull * (sin * outline.inward_x + cos * outline.inward_y)
        if rng.random() < self.balanced_share:
            x, y = balanced(x, y, pull, canvas)
        return canvas.pattern(x, y, _strength(rng))


@dataclass(frozen=True)
class LayerDistribution:
    """A confluent layer with tractions everywhere, also beyond the border.

    Parameters
    ----------
    length : tuple of float
        Range of the correlation length of the tractions, in grid steps.
    uneven : float
        Largest standard deviation of the logarithm of the magnitude, which varies
        slowly in the field.
    margin : float
        Width of the layer beyond the border, relative to the longer side of the
        field.
    """

    length: StepsRange = (1.0, 20.0)
    uneven: _Uneven = 1.0
    margin: _Beyond = 0.5

    def __post_init__(self) -> None:
        check(self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> FineTractions:
        """Draw the tractions of one field of `shape` rows and columns."""
        canvas = Canvas(shape, round(self.margin * max(shape)))
        length = float(log_uniform(rng, self.length, 1)[0])
        x, y = canvas.random(rng, 2, length, rng.choice([2.0, 4.0, np.inf]))
        slow = canvas.random(rng, 1, rng.uniform(8, 25), np.inf)[0]
        uneven = np.exp(np.float32(rng.uniform(0, self.uneven)) * slow)
        return canvas.pattern(x * uneven, y * uneven, _strength(rng))


@dataclass(frozen=True)
class FrontDistribution:
    """A layer with a free edge, where the tractions are strongest.

    Parameters
    ----------
    decay : tuple of float
        Range of the decay length of the traction behind the edge, in grid steps.
    length : tuple of float
        Range of the correlation length of the random part, in grid steps.
    margin : float
        Width of the layer beyond the border, relative to the longer side of the
        field.
    """

    decay: StepsRange = (2.0, 25.0)
    length: StepsRange = (1.5, 15.0)
    margin: _Beyond = 0.4

    def __post_init__(self) -> None:
        check(self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> FineTractions:
        """Draw the tractions of one field of `shape` rows and columns."""
        canvas = Canvas(shape, round(self.margin * max(shape)))
        angle = rng.uniform(0, 2 * np.pi)
        normal = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        x0, y0 = canvas.position(rng, 0.8)
        behind = normal[0] * (canvas.x - np.float32(x0)) + normal[1] * (
            canvas.y - np.float32(y0)
        )
        wave = canvas.random(rng, 1, rng.uniform(6, 20), np.inf)[0]
        behind = behind + np.float32(rng.uniform(0, 5)) * wave
        mask = soft_mask(behind, float(log_uniform(rng, (0.3, 5.0), 1)[0]))
        decay = float(log_uniform(rng, self.decay, 1)[0])
        length = float(log_uniform(rng, self.length, 1)[0])
        x, y, rough = canvas.random(rng, 3, length, rng.choice([4.0, np.inf]))
        pull = np.exp(-np.maximum(behind, 0) / np.float32(decay))
        pull = pull * np.exp(np.float32(rng.uniform(0, 0.8)) * rough)
        noise = np.float32(rng.uniform(0, 0.6))
        x = (pull * normal[0] + noise * x * (0.3 + pull)) * mask
        y = (pull * normal[1] + noise * y * (0.3 + pull)) * mask
        return canvas.pattern(x, y, _strength(rng))


@dataclass(frozen=True)
class MixtureDistribution:
    """Several kinds of tractions in one field.

    Parameters
    ----------
    parts : tuple of int
        Range of the number of kinds.
    weight : tuple of float
        Range of the relative root mean square traction of each kind, drawn
        log-uniformly.
    margin : int
        Width of the border around the field that also has traction, in nodes.
    """

    parts: Annotated[tuple[_Parts, _Parts], Increasing()] = (2, 3)
    weight: PositiveRange = (0.15, 1.0)
    margin: Margin = 16

    def __post_init__(self) -> None:
        check(self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> FineTractions:
        """Draw the tractions of one field of `shape` rows and columns."""
        m = self.margin
        kinds: list[Any] = [
            ColonyDistribution(margin=m),
            BandDistribution(margin=m),
            AdhesionDistribution(margin=m),
            AdhesionDistribution(
                margin=m, gaussian_share=0.4, bell_share=0.4, dome_share=0.1
            ),
            AdhesionDistribution(margin=m, semi_axis=(0.5, 2.0), is_pulled=False),
            CellDistribution(margin=m),
            FibreDistribution(margin=m),
        ]
        n = rng.integers(*self.parts, endpoint=True)
        chosen = rng.choice(len(kinds), n, replace=False)
        return _sum_of(rng, [kinds[i] for i in chosen], shape, m, self.weight)


@dataclass(frozen=True)
class SpotDistribution:
    """Point-like adhesions on top of a continuous traction.

    Parameters
    ----------
    spots : AdhesionDistribution
        The adhesions. Their margin is replaced by `margin`.
    weight : tuple of float
        Range of the relative root mean square traction of each part, drawn
        log-uniformly.
    margin : int
        Width of the border around the field that also has traction, in nodes.
    """

    spots: AdhesionDistribution = field(
        default_factory=lambda: AdhesionDistribution(
            count=(5, 60), semi_axis=(0.5, 2.5), elongation=2.0, is_pulled=False
        )
    )
    weight: PositiveRange = (0.3, 1.0)
    margin: Margin = 8

    def __post_init__(self) -> None:
        check(self)

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> FineTractions:
        """Draw the tractions of one field of `shape` rows and columns."""
        continuous = ColonyDistribution(margin=self.margin, length=(2.0, 20.0))
        spots = replace(self.spots, margin=self.margin)
        return _sum_of(rng, [continuous, spots], shape, self.margin, self.weight)


def _sum_of(
    rng: np.random.Generator,
    kinds: Sequence[Any],
    shape: tuple[int, int],
    margin: int,
    weight: tuple[float, float],
) -> FineTractions:
    """Weighted sum of the tractions of several kinds."""
    total = None
    for kind in kinds:
        parts = np.concatenate(kind.draw(rng, shape).fine_traction(shape))
        scale = np.sqrt(np.square(parts).mean())
        share = float(log_uniform(rng, weight, 1)[0]) / max(float(scale), 1e-12)
        total = parts * share if total is None else total + parts * share
    assert total is not None
    canvas = Canvas(shape, margin)
    return canvas.pattern(total[0], total[1], _strength(rng))
