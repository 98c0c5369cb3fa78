"""What the traction dock says about runs and results."""

from __future__ import annotations

from collections.abc import Sequence

from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.napari.layers.placing import WorldUnits, frame_at
from napari_vit_tfm.napari.layers.results import ResultLayers
from napari_vit_tfm.napari.traction.run import Result
from napari_vit_tfm.options import words_of
from napari_vit_tfm.trust.gauge import familiarity_in, unfamiliar_in_words
from napari_vit_tfm.units import unit_label


def unfamiliarity(result: ResultLayers) -> str:
    """Which frames of tractions are unlike those of the training; empty if none."""
    judged = dict(enumerate(familiarity_in(result.records)))
    return unfamiliar_in_words(judged, result.description.model)


def warning_at(
    result: ResultLayers, point: Sequence[float], world_units: WorldUnits
) -> str:
    """A warning about the frame of visible tractions that a viewer shows.

    Parameters
    ----------
    result : ResultLayers
        The tractions.
    point : sequence of float
        World coordinates.
    world_units : tuple of pint.Unit, optional
        As for `placing.node_at`.

    Returns
    -------
    str
        A sentence; empty if there is nothing to warn of.
    """
    judged = familiarity_in(result.records)
    if not judged or not any(layer.visible for layer in result.layers):
        return ""
    frame = frame_at(result.layers[0], point, len(judged), world_units)
    if frame is None or not judged[frame].is_unfamiliar:
        return ""
    return (
        f"Unlike the fields that {result.description.model} was trained on: "
        f"{judged[frame].in_words}. The tractions may be wrong."
    )


def as_sentence(words: str) -> str:
    """Words with a capital letter."""
    return words[:1].upper() + words[1:]


def time_left(seconds: float, done: int, total: int) -> str:
    """Such as ", about 20 s left"; empty before the first frame."""
    if not 0 < done < total:
        return ""
    left = seconds / done * (total - done)
    text = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min"
    return f", about {text} left"


def device_text(device: str) -> str:
    """Text for the device of a run, such as "on the CPU"."""
    return f"on the {words_of(ReconstructionConfig, 'device')[device]}"


def summary(result: Result, notices: Sequence[str]) -> str:
    """What is said after a run: frames, time, largest traction, and notices."""
    stack = result.traction
    frames = "1 frame" if stack.n_frames == 1 else f"{stack.n_frames} frames"
    rate = stack.n_frames / result.seconds
    largest = stack.longest()
    number = f"{largest:,.0f}" if largest >= 100 else f"{largest:.3g}"
    lines = [
        f"{frames} in {result.seconds:.1f} s {device_text(result.device)}, "
        f"{rate:.2g} per second. "
        f"Largest traction: {number} {unit_label(stack.unit)}.",
        *notices,
    ]
    return "\n".join(lines)
