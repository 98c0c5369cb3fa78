"""What is seen of a patch, in words, for somebody who does not know the method."""

from __future__ import annotations

import math

import numpy as np

from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.frame import MapChoice
from napari_vit_tfm.attention.overlay import DISPLACEMENTS_SHOWN, SHARES_SHOWN
from napari_vit_tfm.attention.patch import CHOSEN, Map, PatchFindings
from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.config import MapDirection

DIRECTION_WORDS: dict[MapDirection, str] = {
    "from": "what the patch attends to",
    "to": "which patches attend to it",
}

_BEYOND_CHANCE = 2.0
"""How many times the spread of random orders is no chance."""

_HARDLY_ANY = 0.05
"""Below this strength of a patch's traction its relative changes say little."""


def patch_words(grid: PatchGrid, patch: Patch) -> str:
    """A patch by its row, column and number."""
    return f"patch ({patch[0]}, {patch[1]}), number {grid.index(*patch)}"


def share_words(grid: PatchGrid, patch: Patch, weights: Map | None) -> str:
    """A patch, and what it has of a map, where there is one."""
    words = patch_words(grid, patch)
    if weights is None:
        return words
    shares = weights[patch] * weights.size
    return f"{words}: {shares:.2f} even shares"


def no_attention(model: str) -> str:
    """Say that a model has none."""
    return f"{model} has no attention to look at."


def other_tractions(shown_by: str, model: str) -> str:
    """Say that the tractions that are shown are not those that are explained."""
    return (
        f"This is about tractions of {model}; those shown were computed by {shown_by}."
    )


def choice_words(choice: MapChoice, n_heads: int) -> str:
    """Which of a patch's maps are looked at, whatever the block.

    Parameters
    ----------
    choice : MapChoice
        The maps.
    n_heads : int
        Heads of a block.
    """
    source = {
        "rollout": "attention rollout, all blocks so far",
        "attention": f"attention of the block alone, {_heads(choice, n_heads)}",
    }[choice.source]
    return f"{source}: {DIRECTION_WORDS[choice.direction]}"


def caption(findings: PatchFindings) -> str:
    """What is shown of a patch, its numbers, and where the colours end.

    Parameters
    ----------
    findings : PatchFindings
        Of a patch whose map is known.

    Returns
    -------
    str
        A few sentences.
    """
    weights = findings.shown
    assert weights is not None
    said = [_subject(findings), _numbers(findings, weights), _scale(findings)]
    if findings.attention is None:
        said.insert(0, no_attention(findings.model))
    if findings.faithfulness is not None:
        said.append(_verdict(findings, findings.faithfulness))
    return " ".join(said)


def _subject(findings: PatchFindings) -> str:
    patch = patch_words(findings.grid, findings.patch)
    where = f"Frame {findings.frame}, {patch}"
    if findings.evidence == "influence":
        return (
            f"{where}: how much the traction there, as {findings.model} gives it, "
            "changes with the displacement in each patch."
        )
    if findings.evidence == "reference":
        return (
            f"{where}: how strongly a force there displaces each patch. This is the "
            "gel's physics, without any network."
        )
    assert findings.attention is not None
    choice, n_heads = findings.choice, findings.attention.n_heads
    block = (
        f"block {findings.block + 1} of {findings.attention.n_blocks} of "
        f"{findings.model}"
    )
    if choice.source == "rollout":
        what = {
            "from": "from which patches it has gathered its information",
            "to": "which patches have gathered information from it",
        }[choice.direction]
        return f"{where}: {what} after {block} (rollout)."
    what = {
        "from": "what this patch looks at",
        "to": "which patches look at it",
    }[choice.direction]
    return f"{where}: {what} in {block} alone ({_heads(choice, n_heads)})."


def _verdict(findings: PatchFindings, found: Faithfulness) -> str:
    """What the test of a map has shown."""
    tested = _tested(findings)
    advantage, spread = found.advantage(CHOSEN), found.spread
    if not math.isfinite(spread):
        return f"Tested: for {tested} the area over random is {advantage:+.2f}."
    when = "no sooner and no later"
    if abs(advantage) > _BEYOND_CHANCE * spread:
        when = "sooner" if advantage > 0 else "later"
    said = (
        f"Tested: hiding patches in the order of {tested} changes the traction "
        f"{when} than hiding them at random (area over random {advantage:+.2f}, "
        f"random orders spread by {spread:.2f})."
    )
    if found.strength < _HARDLY_ANY:
        said += (
            " But there is hardly any traction in this patch, "
            f"{_percent(found.strength)} of that in the strongest one: its changes say "
            "little."
        )
    return said


def _tested(findings: PatchFindings) -> str:
    """The map whose order patches were hidden in."""
    if findings.attention is None:
        return "the influence"
    block, choice = f"block {findings.block + 1}", findings.choice
    if choice.source == "rollout":
        words = f"the rollout after {block}"
    else:
        heads = _heads(choice, findings.attention.n_heads)
        words = f"the attention of {block} ({heads})"
    return words if choice.direction == "from" else f"{words}, seen from the others"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _heads(choice: MapChoice, n_heads: int) -> str:
    if choice.head is None:
        return f"mean of {n_heads} heads"
    return f"head {choice.head + 1} of {n_heads}"


def _numbers(findings: PatchFindings, weights: Map) -> str:
    own = weights[findings.patch]
    others = np.delete(weights.ravel(), findings.grid.index(*findings.patch))
    even = f"an even share is {1 / weights.size:.2%}."
    span = f"{others.min():.2%} to {others.max():.2%}"
    if findings.evidence is None and findings.choice.direction == "to":
        return (
            f"It is {own:.1%} of what it has itself, and {span} of what every other "
            f"patch has; {even}"
        )
    return f"It has {own:.1%} itself, every other patch {span}; {even}"


def _scale(findings: PatchFindings) -> str:
    of_share = findings.scale == "share"
    if findings.kind == "displacement":
        drawn, times = (
            ("the even shares", f"{DISPLACEMENTS_SHOWN:g} times ")
            if of_share
            else ("the map's share of its maximum", "")
        )
        return (
            f"Drawn is the displacement times {drawn}; the colours end at {times}the "
            "longest displacement of all frames."
        )
    if of_share:
        return f"The colours end at {SHARES_SHOWN:g} even shares."
    return "The colours end at the map's own maximum."
