"""What is looked at, in words."""

from __future__ import annotations

import numpy as np

from napari_vit_tfm.findings import Map
from napari_vit_tfm.inspection import Patch
from napari_vit_tfm.napari.maps import (
    DISPLACEMENTS_SHOWN,
    SHARES_SHOWN,
    Frame,
    View,
)
from napari_vit_tfm.patches import PatchGrid


def patch_words(grid: PatchGrid, patch: Patch) -> str:
    """A patch by its row, column and number."""
    return f"patch ({patch[0]}, {patch[1]}), number {grid.index(*patch)}"


def status(frame: Frame, patch: Patch, weights: Map | None) -> str:
    """What stands under the mouse, in one line."""
    words = patch_words(frame.grid, patch)
    if weights is None:
        return words
    shares = weights[patch] * weights.size
    return f"{words}: {shares:.2f} even shares"


def sentence(frame: Frame, view: View, weights: Map) -> str:
    """What is seen, for somebody who does not know the method.

    Parameters
    ----------
    frame : Frame
        The frame.
    view : View
        What is looked at, a patch among it.
    weights : array of shape (rows, columns)
        Its map.
    """
    assert view.patch is not None
    return " ".join((_subject(frame, view), _numbers(view, weights), _scale(view)))


def no_attention(frame: Frame) -> str:
    """Say that a frame's model has none; what can be looked at nevertheless."""
    return (
        f"{frame.model} has no attention to look at, but what its tractions depend "
        "on can be computed."
    )


def _subject(frame: Frame, view: View) -> str:
    assert view.patch is not None
    patch = patch_words(frame.grid, view.patch)
    if view.evidence == "influence":
        return (
            f"Frame {frame.number}, {patch}: how much the traction there, as "
            f"{frame.model} gives it, changes with the displacement in each patch."
        )
    if view.evidence == "reference":
        return (
            f"Frame {frame.number}, {patch}: how strongly a force there displaces "
            "each patch. This is the gel's physics, without any network."
        )
    block = f"block {view.block + 1} of {frame.n_blocks}"
    if view.maps.source == "rollout":
        what = {
            "from": "from which patches it has gathered its information",
            "to": "which patches have gathered information from it",
        }[view.maps.direction]
        return f"Frame {frame.number}, {patch}: {what} after {block} (rollout)."
    what = {
        "from": "what this patch looks at",
        "to": "which patches look at it",
    }[view.maps.direction]
    head = view.maps.head
    heads = (
        f"mean of {frame.n_heads} heads"
        if head is None
        else f"head {head + 1} of {frame.n_heads}"
    )
    return f"Frame {frame.number}, {patch}: {what} in {block} alone ({heads})."


def _numbers(view: View, weights: Map) -> str:
    assert view.patch is not None
    others = np.delete(
        weights.ravel(), view.patch[0] * weights.shape[1] + view.patch[1]
    )
    even = f"an even share is {1 / weights.size:.2%}."
    span = f"{others.min():.2%} to {others.max():.2%}"
    if view.evidence is None and view.maps.direction == "to":
        return (
            f"It is {weights[view.patch]:.1%} of what it has itself, and {span} of "
            f"what every other patch has; {even}"
        )
    return f"It has {weights[view.patch]:.1%} itself, every other patch {span}; {even}"


def _scale(view: View) -> str:
    if view.kind == "displacement":
        if view.scale == "peak":
            return (
                "Drawn is the displacement times the map over its maximum; the colours "
                "end at the longest displacement of all frames."
            )
        return (
            "Drawn is the displacement times the even shares; the colours end at "
            f"{DISPLACEMENTS_SHOWN:g} times the longest displacement of all frames."
        )
    if view.scale == "peak":
        return "The colours end at the map's own maximum."
    return f"The colours end at {SHARES_SHOWN:g} even shares."
