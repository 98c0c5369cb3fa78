"""A timed reconstruction, and what is told about it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.units import unit_words

if TYPE_CHECKING:
    from napari_vit_tfm.config import ReconstructionConfig
    from napari_vit_tfm.fields import DisplacementStack, TractionStack
    from napari_vit_tfm.physics.substrate import Substrate

SHORT_SHA256 = 12
"""How many digits of a SHA-256 are shown."""


@dataclass(frozen=True)
class Run:
    """A finished reconstruction.

    Parameters
    ----------
    traction : TractionStack
        Its result.
    device : str
        Where it was computed.
    seconds : float
        How long it took, without reading, loading and writing.
    """

    traction: TractionStack
    device: str
    seconds: float

    def report(self) -> None:
        """Tell which model ran where, and how fast."""
        click.echo(f"model: {named_model(self.traction)}, on {self.device}")
        rate = self.traction.n_frames / self.seconds
        click.echo(f"time: {self.seconds:.2f} s, {rate:.3g} fields per second")


def named_model(traction: TractionStack) -> str:
    """Name of the model behind tractions, with its weights' SHA-256 if it has any."""
    if not traction.model_sha256:
        return f"{traction.model} (no weights)"
    return f"{traction.model}, sha256 {traction.model_sha256[:SHORT_SHA256]}"


def timed_run(
    stack: DisplacementStack, substrate: Substrate, config: ReconstructionConfig
) -> Run:
    """Reconstruct a stack, showing progress where somebody watches."""
    from napari_vit_tfm.reconstruction import load_method, reconstruct, resolve_device

    device = resolve_device(config.device)
    method = load_method(config)
    started = perf_counter()
    traction = reconstruct(
        stack,
        substrate=substrate,
        config=config,
        method=method,
        on_progress=frame_counter(),
        on_notice=note,
    )
    return Run(traction, device, perf_counter() - started)


def frame_counter() -> Callable[[int, int], None] | None:
    """Callback that counts frames in one line; None where nobody watches."""
    if not is_watched():
        return None

    def show(done: int, total: int) -> None:
        # Whatever is written next takes the line's place.
        click.echo(f"{done} of {total} frames\r", err=True, nl=False)

    return show


def is_watched() -> bool:
    """Whether messages go to a terminal."""
    return sys.stderr.isatty()


def note(message: str) -> None:
    """Tell, beside the result, what should be known about a run."""
    click.echo(f"note: {message}", err=True)


def noting_in(notices: list[str]) -> Callable[[str], None]:
    """What notes a message where it is new, and keeps it in a list."""

    def tell(message: str) -> None:
        if message not in notices:
            notices.append(message)
            note(message)

    return tell


def checked_output(output: Path, source: Path) -> Path:
    """The file to write, if it can be written and is not the one that is read."""
    from napari_vit_tfm.io import check_output

    target = check_output(output)
    if target.exists() and source.exists() and target.samefile(source):
        raise FieldFileError(f"{target}: is the input, which is not to be overwritten")
    return target


def gel_in_words(substrate: Substrate) -> str:
    """What is known of a gel; infinitely thick where nothing else is said."""
    gel = substrate.gel
    parts = [f"Poisson ratio {gel.poisson:g}"]
    if gel.young_pa is not None:
        parts.insert(0, f"Young's modulus {gel.young_pa:g} Pa")
    if gel.is_layer:
        parts.append(f"{gel.thickness_um:g} um thick")
    return ", ".join(parts)


def described(stack: DisplacementStack | TractionStack) -> str:
    """Frames, grid and unit of a stack."""
    height, width = stack.grid_shape
    frames = "1 frame" if stack.n_frames == 1 else f"{stack.n_frames} frames"
    unit = unit_words(stack.unit)
    if stack.unit is not None:
        unit = f"in {unit}"
    return f"{frames} of {height} x {width} vectors, {unit}"
