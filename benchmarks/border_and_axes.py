"""Warnings about the border and the axes, on synthetic fields of every kind.

A field deserves the warning about the border if tractions beyond it cause more than a
fifth of its displacement (root mean square about the mean). It does not deserve it if
they cause less than a twentieth, and if the tractions do not reach the border: along
none of its sides, in a strip of 3% of the side, their mean square is half of that in
the whole field. Fields in between are not counted.

For the axes, the known tractions and those of Bayesian FTTC are compared with the noisy
displacement, as they are, which must not be warned about, and with each turn of the
axes, which must be named.

    python benchmarks/border_and_axes.py -n 20 -o border_and_axes.md
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.benchmark.held_out import KINDS as HELD_OUT
from napari_vit_tfm.benchmark.held_out.gel import FINER, Traction
from napari_vit_tfm.displacement import examine
from napari_vit_tfm.displacement.axes import TURNS, Turn
from napari_vit_tfm.displacement.findings import findings
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.physics import bayesian_fttc
from napari_vit_tfm.synthesis import KINDS
from napari_vit_tfm.synthesis.canvas import FineTractions
from napari_vit_tfm.synthesis.fields import render
from napari_vit_tfm.synthesis.squares import OVERSAMPLING

FloatArray = npt.NDArray[np.float32]

SIDES = (43, 64, 104)
NOISES = (0.0, 0.05, 0.2)
"""Standard deviations of the noise, relative to the root mean square of the field."""

MUCH, LITTLE = 0.2, 0.05
"""Shares of the displacement that are caused from beyond the border."""

STRIP, REACHES = 0.03, 0.5
"""Width of the strip, and its mean square traction where the tractions reach the
border."""


@dataclass(frozen=True, eq=False)
class Field:
    """A field, and the part of its displacement with its cause in the field of view.

    Displacements, in grid steps, and tractions ``t / E`` have the shape (H, W, 2).
    """

    displacement: FloatArray
    of_view: FloatArray
    traction: FloatArray

    @property
    def share_from_beyond(self) -> float:
        """Share of the displacement that is caused beyond the border."""
        beyond = self.displacement - self.of_view
        return float(_rms(beyond) / _rms(self.displacement))

    @property
    def reaches_border(self) -> bool:
        """Whether the tractions at one of the sides are as strong as elsewhere."""
        size = np.square(self.traction).sum(axis=-1)
        n = max(1, round(STRIP * len(size)))
        sides = (size[:n], size[-n:], size[:, :n], size[:, -n:])
        return bool(max(side.mean() for side in sides) > REACHES * size.mean())


def _rms(field: FloatArray) -> float:
    return float(np.sqrt(np.square(field - field.mean(axis=(0, 1))).mean()))


def draw(kind: str, number: int, side: int, seed: int) -> Field:
    """Draw one field of a kind, such as "held out: ring"."""
    source, name = kind.split(": ")
    rng = np.random.default_rng([seed, crc32(kind.encode()), number])
    shape = (side, side)
    if source == "held out":
        return _held_out(HELD_OUT[name](rng, shape))
    drawn = KINDS[name]().draw(rng, shape)
    made = render(drawn, shape)
    of_view = made
    if isinstance(drawn, FineTractions):
        x, y = (
            _in_view(part, OVERSAMPLING * drawn.margin) for part in (drawn.x, drawn.y)
        )
        of_view = render(replace(drawn, x=x, y=y), shape)
    steps = np.float32(side - 1)
    return Field(
        made.displacement[0] * steps, of_view.displacement[0] * steps, made.traction[0]
    )


def _held_out(drawn: Traction) -> Field:
    first = FINER * drawn.canvas.margin - FINER // 2
    of_view = replace(drawn, fine=_in_view(drawn.fine, first))
    parts = drawn.displacement(), of_view.displacement(), drawn.at_nodes()
    return Field(*(np.moveaxis(part, 0, -1) for part in parts))


def _in_view(fine: Any, margin: int) -> Any:
    """Set tractions ``(..., h, w)`` in a margin to zero."""
    inner = np.zeros_like(fine)
    height, width = fine.shape[-2:]
    view = (..., slice(margin, height - margin), slice(margin, width - margin))
    inner[view] = fine[view]
    return inner


def with_noise(field: Field, noise: float, rng: np.random.Generator) -> FloatArray:
    """The displacement with noise."""
    drawn = noise * _rms(field.displacement) * rng.standard_normal(field.traction.shape)
    return np.asarray(field.displacement + drawn, dtype=np.float32)


def topics(displacement: FloatArray, traction: FloatArray | None = None) -> set[str]:
    """Topics of the warnings about a field."""
    stack = DisplacementStack(displacement, unit="grid")
    given = None if traction is None else TractionStack(traction, unit="1")
    diagnosis = examine(stack, given)
    return set(findings({0: diagnosis.frames[0]}, diagnosis.known))


def border_row(kind: str, n: int, seed: int) -> str:
    """A line of the table about the border."""
    of, warned = Counter[str](), Counter[str]()
    for side in SIDES:
        for number in range(n):
            field = draw(kind, number, side, seed)
            share = field.share_from_beyond
            group = "much" if share > MUCH else "between"
            if share < LITTLE:
                group = "reaches" if field.reaches_border else "little"
            rng = np.random.default_rng(number)
            for noise in NOISES:
                of[group] += 1
                found = topics(with_noise(field, noise, rng))
                warned[group] += "border" in found
    cells = [
        f"{warned[group]} of {of[group]}" if of[group] else ""
        for group in ("little", "reaches", "between", "much")
    ]
    return " | ".join([f"| {kind}", *cells]) + " |"


def turned(traction: FloatArray, turn: Turn) -> FloatArray:
    """Tractions after a turn, by its words and nothing else."""
    t = traction
    if "rows upside down" in turn.words:
        t = t[::-1]
    if "columns in reverse" in turn.words:
        t = t[:, ::-1]
    if "rows and columns exchanged" in turn.words:
        t = t.swapaxes(0, 1)
    if "x and y components" in turn.words:
        t = t[..., ::-1]
    signs = {"all vectors": (-1, -1), "x components": (-1, 1), "y components": (1, -1)}
    for words, sign in signs.items():
        if f"{words} reversed" in turn.words:
            t = t * np.array(sign, dtype=np.float32)
    return np.ascontiguousarray(t)


def axes_rows(kinds: list[str], n: int, seed: int) -> Iterator[str]:
    """The lines of the table about the axes."""
    of = 0
    wrong, negative, named = Counter[str](), Counter[str](), Counter[str]()
    for index, kind in enumerate(kinds):
        for number in range(n):
            side = SIDES[number % len(SIDES)]
            noise = NOISES[(number + index) % len(NOISES)]
            field = draw(kind, number, side, seed)
            rng = np.random.default_rng(number)
            measured = with_noise(field, noise, rng)
            x, y = np.moveaxis(measured.astype(np.float64), -1, 0)
            computed = np.stack(bayesian_fttc(x, y), axis=-1).astype(np.float32)
            for traction in (field.traction, computed):
                of += 1
                found = topics(measured, traction)
                wrong.update(found & {"axes", "work"})
                for turn in TURNS:
                    found = topics(measured, turned(traction, turn))
                    negative[turn.words] += "work" in found
                    named[turn.words] += "axes" in found
    yield f"| none | {wrong['work']} of {of} | {wrong['axes']} of {of} |"
    for turn in TURNS:
        words = turn.words
        yield f"| {words} | {negative[words]} of {of} | {named[words]} of {of} |"


def main() -> None:
    """Print the tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=20, help="fields of each kind and size")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path)
    given = parser.parse_args()
    kinds = [f"training: {name}" for name in KINDS]
    kinds += [f"held out: {name}" for name in HELD_OUT]
    lines = [
        "| kind of field | undeserved | tractions reach the border | in between | "
        "deserved |",
        "|---|---|---|---|---|",
    ]
    print(*lines, sep="\n", flush=True)
    for kind in kinds:
        lines.append(border_row(kind, given.n, given.seed))
        print(lines[-1], flush=True)
    more = ["", "| turn | negative work | better fit |", "|---|---|---|"]
    more += axes_rows(kinds, max(1, given.n // 4), given.seed)
    print(*more, sep="\n", flush=True)
    if given.output is not None:
        given.output.write_text("\n".join(lines + more) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
