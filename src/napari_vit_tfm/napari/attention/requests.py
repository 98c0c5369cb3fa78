"""Requests of the inspector, and the functions that compute their results.

The functions run in threads and use no Qt and no layer. They import torch when
they are called, since the first import takes seconds.
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
    """A request for a frame; equal requests have equal results.

    Parameters
    ----------
    stack : DisplacementStack
        The displacements, compared by identity.
    frame : int
        Frame index, counted from zero.
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
    """A request for the test of a map.

    Parameters
    ----------
    frame : FrameRequest
        The frame.
    view : View
        Patch, block and map.
    found : Frame
        The computed frame.
    known : PatchFindings, optional
        Evidence for the patch from the test of another map.
    """

    frame: FrameRequest
    view: View
    found: Frame = field(compare=False, repr=False)
    known: PatchFindings | None = field(compare=False, repr=False, default=None)

    def is_of(self, frame: FrameRequest | None, view: View) -> bool:
        """Whether the request is for the patch that a view of a frame shows."""
        return self.frame == frame and self.view.patch == view.patch


def look_at_frame(
    methods: MethodCache, request: FrameRequest, is_cancelled: Callable[[], bool]
) -> Frame:
    """Compute a frame, with its attention if the model has any.

    Parameters
    ----------
    methods : MethodCache
        Loads the method.
    request : FrameRequest
        The frame.
    is_cancelled : callable
        Not used: the computation is short, and its result is cached.

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
    """Compute the evidence that a patch's map is compared with.

    Parameters
    ----------
    methods : MethodCache
        Loads the method.
    request : EvidenceRequest
        The map.
    is_cancelled : callable
        Called repeatedly; True cancels.

    Yields
    ------
    str
        The current step.

    Returns
    -------
    PatchFindings
        With influence, physical reference and faithfulness.

    Raises
    ------
    Cancelled
        If `is_cancelled` returned True.
    RunError
        For a RuntimeError, such as most of torch's errors.
    """
    try:
        return (yield from _compute_evidence(methods, request, is_cancelled))
    except RuntimeError as error:
        raise RunError(str(error)) from error


def _compute_evidence(
    methods: MethodCache,
    request: EvidenceRequest,
    is_cancelled: Callable[[], bool],
) -> Generator[str, None, PatchFindings]:
    from napari_vit_tfm.attention.faithfulness import faithfulness
    from napari_vit_tfm.attention.influence import influence_map, physical_reference

    frame = request.frame
    findings = findings_of(frame, request.view, request.found)
    options: dict[str, Any] = {
        "substrate": frame.substrate,
        "config": frame.config,
        "method": methods.load(frame.config),
        "is_cancelled": is_cancelled,
    }
    previous = request.known
    target = frame.stack, frame.frame, findings.patch
    random = None
    if previous is None:
        yield "computing the influence of the displacements"
        findings = replace(
            findings,
            influence=influence_map(*target, **options),
            reference=physical_reference(findings.grid, findings.patch),
        )
    else:
        assert previous.faithfulness is not None
        random = previous.faithfulness.random
        findings = replace(
            findings, influence=previous.influence, reference=previous.reference
        )
    yield "hiding patches and measuring the change of the traction"
    curves = faithfulness(
        *target,
        maps_to_test(findings),
        random=random,
        **options,
    )
    return replace(findings, faithfulness=curves)


def findings_of(request: FrameRequest, view: View, frame: Frame) -> PatchFindings:
    """The results for a view's patch, without any evidence.

    Parameters
    ----------
    request : FrameRequest
        The request of the frame.
    view : View
        The view, with a chosen patch.
    frame : Frame
        The computed frame.
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
