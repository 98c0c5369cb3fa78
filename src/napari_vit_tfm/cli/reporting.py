"""Timed reconstructions, and their messages."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import click

from napari_vit_tfm.plain_text import escaped
from napari_vit_tfm.units import DisplacementUnit, TractionUnit, unit_words

if TYPE_CHECKING:
    from napari_vit_tfm.fields import DisplacementStack, TractionStack
    from napari_vit_tfm.physics.substrate import Substrate
    from napari_vit_tfm.reconstruction import Batch

SHORT_SHA256 = 12
"""Number of digits of a SHA-256 that are shown."""


@dataclass(frozen=True)
class Run:
    """A finished reconstruction.

    Parameters
    ----------
    last : Batch
        Its last batch.
    device : str
        Device of the computation.
    n_computed : int
        Number of frames that were computed now, and not before an interruption.
    seconds : float
        Their computing time in seconds, without loading the model. It includes the
        reading of a stream.
    """

    last: Batch
    device: str
    n_computed: int
    seconds: float

    @property
    def in_words(self) -> str:
        """Frames, grid and unit of its tractions."""
        traction = self.last.traction
        return described(self.last.total, traction.grid_shape, traction.unit)

    def report(self) -> None:
        """Print model, device and speed."""
        echo(f"model: {model_in_words(self.last.traction)}, on {self.device}")
        if self.n_computed:
            rate = self.n_computed / self.seconds
            echo(f"time: {self.seconds:.2f} s, {rate:.3g} fields per second")


def model_in_words(traction: TractionStack) -> str:
    """Name of the model of tractions, with the SHA-256 of its weights if it has any."""
    if not traction.model_sha256:
        return f"{traction.model} (no weights)"
    return f"{traction.model}, sha256 {traction.model_sha256[:SHORT_SHA256]}"


def timed_run(
    batches: Iterator[Batch],
    *,
    device: str,
    on_batch: Callable[[Batch], None] | None = None,
) -> Run:
    """Take the batches of a reconstruction, with a progress message on a terminal.

    Parameters
    ----------
    batches : iterator of Batch
        The reconstruction.
    device : str, keyword-only
        Device of the computation.
    on_batch : callable, keyword-only, optional
        Called with each batch.
    """
    show, seconds, n_frames, last = step_counter(), 0.0, 0, None
    while True:
        started = perf_counter()
        batch = next(batches, None)
        if batch is None:
            assert last is not None
            return Run(last, device, n_frames, seconds)
        if not batch.was_finished:
            seconds += perf_counter() - started
            n_frames += batch.stop - batch.start
        last = batch
        if on_batch is not None:
            on_batch(batch)
        if show is not None:
            show(batch.stop, batch.total)


def step_counter(what: str = "frames") -> Callable[[int, int], None] | None:
    """Callback that shows how many steps are finished; None without a terminal."""
    if not is_terminal():
        return None

    def show(done: int, total: int) -> None:
        # The next output overwrites the line.
        click.echo(f"{done} of {total} {what}\r", err=True, nl=False)

    return show


def echo(text: str, *, err: bool = False, lines: bool = False) -> None:
    """Print a text, with control characters as their codes.

    Names from files and of files may have escape codes of terminals.

    Parameters
    ----------
    text : str
        The text.
    err : bool, keyword-only
        Whether to print to the standard error stream.
    lines : bool, keyword-only
        Whether the text has several lines.
    """
    click.echo(escaped(text, lines=lines), err=err)


def is_terminal() -> bool:
    """Whether messages go to a terminal."""
    return sys.stderr.isatty()


def note(message: str) -> None:
    """Print a notice about a run to the standard error stream."""
    echo(f"note: {message}", err=True)


def note_once(notices: list[str]) -> Callable[[str], None]:
    """Callback that prints each notice once and collects them in a list."""

    def note_new(message: str) -> None:
        if message not in notices:
            notices.append(message)
            note(message)

    return note_new


def gel_in_words(substrate: Substrate) -> str:
    """Description of a gel. The thickness is mentioned if it is finite."""
    gel = substrate.gel
    parts = [f"Poisson ratio {gel.poisson:g}"]
    if gel.young_pa is not None:
        parts.insert(0, f"Young's modulus {gel.young_pa:g} Pa")
    if gel.is_layer:
        parts.append(f"{gel.thickness_um:g} um thick")
    return ", ".join(parts)


def stack_in_words(stack: DisplacementStack | TractionStack) -> str:
    """Frames, grid and unit of a stack."""
    return described(stack.n_frames, stack.grid_shape, stack.unit)


def described(
    n_frames: int,
    grid_shape: tuple[int, int],
    unit: DisplacementUnit | TractionUnit | None,
) -> str:
    """Frames, grid and unit of a field."""
    frames = "1 frame" if n_frames == 1 else f"{n_frames} frames"
    words = unit_words(unit) if unit is None else f"in {unit_words(unit)}"
    return f"{frames} of {grid_shape[0]} x {grid_shape[1]} vectors, {words}"
