"""What the inspector's threads do: arrays in, arrays out, no Qt, no layer.

torch is imported here, inside functions: the first call takes seconds, and
those belong to a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

from napari_vit_tfm.attention.patch import PatchFindings, maps_to_test
from napari_vit_tfm.config import ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.napari.attention.view import Frame, View
from napari_vit_tfm.napari.errors import RunError
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.physics.substrate import Substrate


@dataclass(frozen=True)
class FrameRequest:
    """A frame whose patches are to be looked at; equal requests, equal answers.

    Parameters
    ----------
    stack : DisplacementStack
        The displacements; stacks are equal only to themselves.
    frame : int
        The frame.
    substrate : Substrate
        The gel.
    config : ReconstructionConfig
        Model and device.
    """

    stack: DisplacementStack
    frame: int
    substrate: Substrate
    config: ReconstructionConfig


@dataclass(frozen=True)
class EvidenceRequest:
    """A map that is to be tested.

    Parameters
    ----------
    frame : FrameRequest
        The frame.
    view : View
        Patch, block and map.
    found : Frame
        The frame's answer.
    known : PatchFindings, optional
        What is known about the patch from the test of another map.
    """

    frame: FrameRequest
    view: View
    found: Frame = field(compare=False, repr=False)
    known: PatchFindings | None = field(compare=False, repr=False, default=None)

    def is_of(self, frame: FrameRequest | None, view: View) -> bool:
        """Whether it is about the patch of a frame that a view looks at."""
        return self.frame == frame and self.view.patch == view.patch


def look_at_frame(
    methods: MethodCache, request: FrameRequest, is_cancelled: Callable[[], bool]
) -> Frame:
    """Compute a frame's attention, where the model has any.

    Parameters
    ----------
    methods : MethodCache
        Where the method comes from.
    request : FrameRequest
        The frame.
    is_cancelled : callable
        Not asked: it is short, and kept for when somebody comes back.

    Raises
    ------
    FieldError
        If the field cannot be used.
    """
    from napari_vit_tfm.attention.frame import (
        FrameAttention,
        frame_attention,
        prepare_frame,
    )

    method = methods.load(request.config)
    compute = frame_attention if method.has_attention else prepare_frame
    found = compute(
        request.stack,
        request.frame,
        substrate=request.substrate,
        config=request.config,
        method=method,
    )
    return Frame(
        grid=found.grid,
        model=method.name,
        model_sha256=method.sha256,
        attention=found if isinstance(found, FrameAttention) else None,
    )


def gather_evidence(
    methods: MethodCache,
    request: EvidenceRequest,
    is_cancelled: Callable[[], bool],
) -> Generator[str, None, PatchFindings]:
    """Compute what a patch's map can be held against.

    Parameters
    ----------
    methods : MethodCache
        Where the method comes from.
    request : EvidenceRequest
        The map.
    is_cancelled : callable
        Asked again and again.

    Yields
    ------
    str
        What is being computed.

    Returns
    -------
    PatchFindings
        With influence, physical reference and faithfulness.

    Raises
    ------
    Cancelled
        If `is_cancelled` said so.
    RunError
        Instead of a RuntimeError, which is what most of torch's errors are.
    """
    try:
        return (yield from _evidence(methods, request, is_cancelled))
    except RuntimeError as error:
        raise RunError(str(error)) from error


def _evidence(
    methods: MethodCache,
    request: EvidenceRequest,
    is_cancelled: Callable[[], bool],
) -> Generator[str, None, PatchFindings]:
    from napari_vit_tfm.attention.faithfulness import faithfulness
    from napari_vit_tfm.attention.influence import influence_map, physical_reference

    asked = request.frame
    findings = findings_of(asked, request.view, request.found)
    options: dict[str, Any] = {
        "substrate": asked.substrate,
        "config": asked.config,
        "method": methods.load(asked.config),
        "is_cancelled": is_cancelled,
    }
    before = request.known
    place = asked.stack, asked.frame, findings.patch
    random = None
    if before is None:
        yield "following the traction back to the displacements"
        findings = replace(
            findings,
            influence=influence_map(*place, **options),
            reference=physical_reference(findings.grid, findings.patch),
        )
    else:
        assert before.faithfulness is not None
        random = before.faithfulness.random
        findings = replace(
            findings, influence=before.influence, reference=before.reference
        )
    yield "hiding patches, and looking how the traction changes"
    curves = faithfulness(
        *place,
        maps_to_test(findings),
        random=random,
        **options,
    )
    return replace(findings, faithfulness=curves)


def findings_of(request: FrameRequest, view: View, frame: Frame) -> PatchFindings:
    """What is known about a view's patch from its frame alone.

    Parameters
    ----------
    request : FrameRequest
        The frame.
    view : View
        What is looked at, a patch among it.
    frame : Frame
        The frame's answer.
    """
    assert view.patch is not None
    return PatchFindings(
        stack=request.stack,
        frame=request.frame,
        patch=view.patch,
        grid=frame.grid,
        model=frame.model,
        model_sha256=frame.model_sha256,
        substrate=request.substrate,
        attention=frame.attention,
        block=view.block if frame.attention else 0,
        choice=view.maps,
        evidence=view.evidence,
        kind=view.kind,
        scale=view.scale,
    )
