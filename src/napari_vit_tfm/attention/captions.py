"""Captions that describe a map in words, for readers new to the method."""

from __future__ import annotations

import math

import numpy as np

from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.frame import MapChoice
from napari_vit_tfm.attention.knockout import KnockoutEffects
from napari_vit_tfm.attention.overlay import TIMES
from napari_vit_tfm.attention.patch import CHOSEN, Map, PatchFindings
from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.options import words_of

_CHANCE_SPREADS = 2.0
"""An advantage within this many standard deviations of random orders may be chance."""

_WEAK_TRACTION = 0.05
"""Relative strength of a traction below which its relative changes mean little."""


def patch_words(grid: PatchGrid, patch: Patch) -> str:
    """Name a patch by its row, column and number."""
    return f"patch ({patch[0]}, {patch[1]}), number {grid.index(*patch)}"


def share_words(grid: PatchGrid, patch: Patch, weights: Map | None) -> str:
    """Name a patch and give its weight in a map, relative to uniform attention."""
    words = patch_words(grid, patch)
    if weights is None:
        return words
    relative = weights[patch] * weights.size
    return f"{words}: {relative:.2f} {TIMES} uniform attention"


def change_words(change: float) -> str:
    """A relative change in percent, with two digits, since changes span decades."""
    return f"{100 * change:.2g}%"


def no_attention(model: str) -> str:
    """State that a model has no attention."""
    return f"{model} has no attention."


def other_tractions(shown_by: str, model: str) -> str:
    """State that the tractions shown come from another model than the map."""
    return (
        f"The map is about the tractions of {model}; the tractions shown were "
        f"computed by {shown_by}."
    )


def choice_words(choice: MapChoice, n_heads: int) -> str:
    """Describe the chosen kind of map, for all blocks.

    Parameters
    ----------
    choice : MapChoice
        The chosen map.
    n_heads : int
        Number of attention heads in a block.
    """
    source = {
        "rollout": "attention rollout up to each block",
        "attention": f"attention of each block alone, {_head_words(choice, n_heads)}",
    }[choice.source]
    return f"{source}: {words_of(MapChoice, 'direction')[choice.direction]}"


def caption(findings: PatchFindings) -> str:
    """Describe the map shown: its subject, its values and its colour scale.

    Parameters
    ----------
    findings : PatchFindings
        Results for a patch; the map shown must have been computed.

    Returns
    -------
    str
        A few sentences.
    """
    weights = findings.shown
    assert weights is not None
    values = _range_of_values(findings, weights)
    if findings.view.evidence == "knockout" and findings.effects is not None:
        values = _effects(findings, findings.effects)
    sentences = [_subject(findings), values, _colour_scale(findings)]
    if findings.attention is None:
        sentences.insert(0, no_attention(findings.frame.model))
    if findings.faithfulness is not None:
        sentences.append(_test_result(findings, findings.faithfulness))
    strength = _strength(findings)
    if strength is not None and strength < _WEAK_TRACTION:
        sentences.append(
            f"The traction in this patch is weak, {_percent(strength)} of that in the "
            "strongest patch, so its relative changes mean little."
        )
    return " ".join(sentences)


def _subject(findings: PatchFindings) -> str:
    patch = patch_words(findings.frame.grid, findings.patch)
    where = f"Frame {findings.frame.index}, {patch}"
    if findings.view.evidence == "influence":
        return (
            f"{where}: how strongly the traction that {findings.frame.model} computes "
            "there depends on the displacement in each patch."
        )
    if findings.view.evidence == "knockout":
        return (
            f"{where}: how much the traction that {findings.frame.model} computes "
            "there changes if this patch does not attend to each patch, in any block "
            "(knock-out)."
        )
    if findings.view.evidence == "reference":
        return (
            f"{where}: how far a force there displaces the gel in each patch. This "
            "is the physics of the gel; no network is involved."
        )
    assert findings.attention is not None
    choice, n_heads = findings.view.choice, findings.attention.n_heads
    block = (
        f"block {findings.view.block + 1} of {findings.attention.n_blocks} of "
        f"{findings.frame.model}"
    )
    if choice.source == "rollout":
        what = {
            "from": "from which patches it has gathered information",
            "to": "which patches have gathered information from it",
        }[choice.direction]
        return f"{where}: {what} after {block} (rollout)."
    what = {
        "from": "what this patch attends to",
        "to": "which patches attend to it",
    }[choice.direction]
    return f"{where}: {what} in {block} alone ({_head_words(choice, n_heads)})."


def _test_result(findings: PatchFindings, found: Faithfulness) -> str:
    """The result of a map's faithfulness test."""
    tested = _tested_map(findings)
    advantage, spread = found.advantage(CHOSEN), found.spread
    if not math.isfinite(spread):
        return f"Test of {tested}: area over random {advantage:+.2f}."
    when = "neither sooner nor later"
    if abs(advantage) > _CHANCE_SPREADS * spread:
        when = "sooner" if advantage > 0 else "later"
    return (
        f"Test: hiding patches in the order of {tested} changes the traction "
        f"{when} than hiding them in random order (area over random "
        f"{advantage:+.2f}, standard deviation of random orders {spread:.2f})."
    )


def _strength(findings: PatchFindings) -> float | None:
    """Strength of the traction of whose relative changes the caption speaks."""
    if findings.faithfulness is not None:
        return findings.faithfulness.strength
    if findings.view.evidence == "knockout" and findings.effects is not None:
        return findings.effects.strength
    return None


def _tested_map(findings: PatchFindings) -> str:
    """Name the map in whose order patches were hidden."""
    if findings.attention is None:
        return "the influence"
    block, choice = f"block {findings.view.block + 1}", findings.view.choice
    target = "" if choice.direction == "from" else " to the patch"
    if choice.source == "rollout":
        return f"the rollout{target} after {block}"
    heads = _head_words(choice, findings.attention.n_heads)
    return f"the attention{target} in {block} ({heads})"


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def _head_words(choice: MapChoice, n_heads: int) -> str:
    if choice.head is None:
        return f"mean of {n_heads} heads"
    return f"head {choice.head + 1} of {n_heads}"


def _range_of_values(findings: PatchFindings, weights: Map) -> str:
    own = weights[findings.patch]
    others = np.delete(weights.ravel(), findings.frame.grid.index(*findings.patch))
    uniform = f"uniform attention is {1 / weights.size:.2%}."
    span = f"{others.min():.2%} to {others.max():.2%}"
    if findings.view.evidence is None and findings.view.choice.direction == "to":
        return (
            f"It receives {own:.1%} of its own attention and {span} of that of the "
            f"other patches; {uniform}"
        )
    return f"The patch itself has {own:.1%}, the other patches {span}; {uniform}"


def _effects(findings: PatchFindings, effects: KnockoutEffects) -> str:
    """The changes by knock-out, and what it leaves as it is."""
    map_, grid = findings.knockout, findings.frame.grid
    assert map_ is not None
    others = np.ma.array(map_, mask=False)
    others[findings.patch] = np.ma.masked
    own, least, most = map(
        change_words, (map_[findings.patch], others.min(), others.max())
    )
    strongest = divmod(int(others.argmax()), grid.columns)
    block, (head_block, head) = effects.strongest_block, effects.strongest_head
    return (
        f"The traction changes by {own} without attention to the patch itself, and by "
        f"{least} to {most} ({patch_words(grid, strongest)}) without attention to one "
        "other patch. With uniform attention it changes by up to "
        f"{change_words(effects.blocks[block])} (all heads of block {block + 1}) or "
        f"{change_words(effects.heads[head_block, head])} (head {head + 1} of block "
        f"{head_block + 1} alone). Information still arrives through other patches, "
        "and past the blocks."
    )


def _colour_scale(findings: PatchFindings) -> str:
    is_relative = findings.view.scale == "share"
    if findings.view.kind == "displacement":
        factor, multiple = (
            (
                "weight relative to uniform attention",
                f"{findings.shares_shown:g} times ",
            )
            if is_relative
            else ("weight as a fraction of the map's maximum", "")
        )
        return (
            f"The overlay is the displacement times the {factor}; the colour scale "
            f"ends at {multiple}the longest displacement of all frames."
        )
    if is_relative:
        end = f"{findings.shares_shown:g} {TIMES}"
        return f"The colour scale ends at {end} uniform attention."
    return "The colour scale ends at the map's own maximum."
