"""`ResultsCache`: the frames and tests of maps that were computed last."""

from __future__ import annotations

from dataclasses import replace

from napari_vit_tfm.attention.faithfulness import Faithfulness
from napari_vit_tfm.attention.frame import ROLLOUT, MapChoice, PreparedFrame
from napari_vit_tfm.attention.patch import PatchFindings
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.napari.attention.requests import FrameRequest
from napari_vit_tfm.napari.lru_cache import LRUCache

CACHED_FRAMES = 4
CACHED_EVIDENCE = 32

_CurveKey = tuple[FrameRequest, Patch, int, MapChoice]
"""Frame, patch, block and map of a faithfulness curve."""


class ResultsCache:
    """Frames with their attention, evidence of patches, and faithfulness of maps.

    What belongs to a field that is gone is not kept.
    """

    def __init__(self) -> None:
        self._frames = LRUCache[FrameRequest, PreparedFrame](CACHED_FRAMES)
        self._evidence = LRUCache[tuple[FrameRequest, Patch], PatchFindings](
            CACHED_EVIDENCE
        )
        self._curves = LRUCache[_CurveKey, Faithfulness](CACHED_EVIDENCE)

    def put_frame(self, request: FrameRequest, frame: PreparedFrame) -> None:
        """Keep a frame."""
        source = request.source()
        if source is not None:
            self._frames.put(request, frame, owner=source)

    def frame(self, request: FrameRequest) -> PreparedFrame | None:
        """The frame of a request; None if it is not known."""
        return self._frames.get(request)

    def put_evidence(self, request: FrameRequest, found: PatchFindings) -> None:
        """Keep the evidence of a patch, and the test of its map."""
        assert found.faithfulness is not None
        source = request.source()
        if source is not None:
            self._evidence.put((request, found.patch), found, owner=source)
            key = _curve_key(request, found)
            self._curves.put(key, found.faithfulness, owner=source)

    def evidence(self, request: FrameRequest, patch: Patch) -> PatchFindings | None:
        """The evidence of a patch, with the map tested last; None if not known."""
        return self._evidence.get((request, patch))

    def with_evidence(
        self, request: FrameRequest, findings: PatchFindings
    ) -> PatchFindings:
        """The results of a patch and a map, with the evidence that is known."""
        evidence = self.evidence(request, findings.patch)
        if evidence is None:
            return findings
        return replace(
            findings,
            influence=evidence.influence,
            reference=evidence.reference,
            knockout=evidence.knockout,
            effects=evidence.effects,
            faithfulness=self._curves.get(_curve_key(request, findings)),
        )

    def clear(self) -> None:
        """Forget everything."""
        self._frames.clear()
        self._evidence.clear()
        self._curves.clear()


def _curve_key(request: FrameRequest, findings: PatchFindings) -> _CurveKey:
    """Key of a faithfulness curve; without attention, that of the influence."""
    has_attention = findings.frame.method.has_attention
    choice = findings.view.choice if has_attention else ROLLOUT
    return request, findings.patch, findings.view.block, choice
