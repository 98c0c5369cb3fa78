"""A snapshot of what the inspector shows, without Qt, layers and viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_vit_tfm.attention import captions
from napari_vit_tfm.attention.frame import PreparedFrame
from napari_vit_tfm.attention.overlay import Picture
from napari_vit_tfm.attention.patch import (
    DEFAULT_VIEW,
    EVIDENCE_WORDS,
    MapView,
    PatchFindings,
    evidence_of,
)
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.attention.requests import EvidenceRequest, FrameRequest

_UNKNOWN = Gel()


@dataclass(frozen=True)
class Shown:
    """Everything that is shown, resolved once per change.

    Layers, status bar, dock and panel each compare it to what they show, and update
    what differs. Unchanged results are the same objects.

    Parameters
    ----------
    is_on : bool
        Whether a field is inspected.
    problem : str
        The reason why inspecting has stopped by itself; empty otherwise.
    shows_plane : bool
        Whether the viewer shows a plane in which patches can be chosen.
    request : FrameRequest, optional
        The current frame; None if the field does not have it.
    failure : str
        The reason why the current frame cannot be shown; empty otherwise.
    gel : Gel
        The gel of the field's last result, or that of the field.
    frame : PreparedFrame, optional
        The current frame; None until it has been computed.
    patch : tuple of int, optional
        Row and column of the chosen patch.
    view : MapView
        The map shown, restricted to what the frame has.
    findings : PatchFindings, optional
        All results for the patch; None without a patch or a frame.
    picture : Picture, optional
        The map shown, resized to the field; None if it has not been computed.
    hovered : tuple of int, optional
        Row and column of the patch under the mouse.
    other_model : str
        Model of the tractions in the viewer, if it is not the inspected model.
    test : EvidenceRequest, optional
        The test that is being computed.
    test_step : str
        Its current step.
    """

    is_on: bool = False
    problem: str = ""
    shows_plane: bool = True
    request: FrameRequest | None = None
    failure: str = ""
    gel: Gel = _UNKNOWN
    frame: PreparedFrame | None = None
    patch: Patch | None = None
    view: MapView = DEFAULT_VIEW
    findings: PatchFindings | None = None
    picture: Picture | None = None
    hovered: Patch | None = None
    other_model: str = ""
    test: EvidenceRequest | None = None
    test_step: str = ""

    @property
    def is_drawn(self) -> bool:
        """Whether the inspector's layers are visible."""
        return self.is_on and self.shows_plane and not self.failure

    @property
    def can_test(self) -> bool:
        """Whether there is a map that has not been computed or tested."""
        findings = self.findings
        return findings is not None and (
            findings.shown is None or findings.faithfulness is None
        )

    @property
    def is_tested_now(self) -> bool:
        """Whether the chosen patch is the one that is being tested."""
        test = self.test
        return (
            test is not None
            and test.frame == self.request
            and test.findings.patch == self.patch
        )

    def status(self) -> str:
        """Name of the patch under the mouse, and its weight in the map shown."""
        if not self.is_drawn or self.frame is None or self.hovered is None:
            return ""
        weights = None if self.findings is None else self.findings.shown
        return captions.share_words(self.frame.grid, self.hovered, weights)


NOTHING = Shown()
"""What is shown while nothing is inspected."""


def have_same_results(one: PatchFindings | None, other: PatchFindings | None) -> bool:
    """Whether two findings show the same map with the same results."""
    if one is None or other is None:
        return one is other
    return (
        have_same_maps(one, other)
        and one.view == other.view
        and one.faithfulness is other.faithfulness
    )


def have_same_maps(one: PatchFindings | None, other: PatchFindings | None) -> bool:
    """Whether two findings have the same maps, whichever of them is shown."""
    if one is None or other is None:
        return one is other
    return (
        one.frame is other.frame
        and one.patch == other.patch
        and one.influence is other.influence
        and one.reference is other.reference
        and one.knockout is other.knockout
        and _drawing(one.view) == _drawing(other.view)
    )


def _drawing(view: MapView) -> tuple[Any, ...]:
    return view.choice, view.kind, view.scale


def all_maps(findings: PatchFindings) -> dict[str, PatchFindings]:
    """All maps of a patch: one for each block, and one for each kind of evidence.

    Parameters
    ----------
    findings : PatchFindings
        The results for the patch.

    Returns
    -------
    dict of str to PatchFindings
        By its name, the results with each map as the one shown; `findings` itself
        for the map that is shown now.
    """
    views: dict[str, dict[str, Any]] = {
        f"block {block + 1}": {"block": block, "evidence": None}
        for block in findings.blocks
    }
    views |= {
        EVIDENCE_WORDS[name]: {"evidence": name}
        for name in evidence_of(findings.frame.method)
    }
    shown = {name: findings.showing(**changes) for name, changes in views.items()}
    return {
        name: findings if item.view == findings.view else item
        for name, item in shown.items()
    }
