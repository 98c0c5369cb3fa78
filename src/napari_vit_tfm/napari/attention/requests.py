"""Requests of the inspector, and the functions that compute their results.

The functions run in threads and use no Qt and no layer. They import torch when
they are called, since the first import takes seconds.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from napari.layers import Layer

from napari_vit_tfm.attention.callbacks import Callbacks
from napari_vit_tfm.attention.faithfulness import FloatArray, faithfulness
from napari_vit_tfm.attention.frame import PreparedFrame, prepare_frame
from napari_vit_tfm.attention.influence import influence_map, physical_reference
from napari_vit_tfm.attention.knockout import knockout_effects, knockout_map
from napari_vit_tfm.attention.patch import PatchFindings, maps_to_test
from napari_vit_tfm.attention.patches import Patch, PatchGrid
from napari_vit_tfm.config import (
    LimitsConfig,
    PreparationConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.physics.substrate import Substrate
from napari_vit_tfm.reconstruction import reconstruct

if TYPE_CHECKING:
    from napari_vit_tfm.trust.limits import DetectionMap


@dataclass(frozen=True)
class FrameRequest:
    """A request for a frame; equal requests have equal results.

    Parameters
    ----------
    stack : DisplacementStack
        The measured displacements, compared by identity.
    index : int
        Frame index, counted from zero.
    substrate : Substrate
        The gel.
    preparation : PreparationConfig
        What is done to the displacements first.
    config : ReconstructionConfig
        Model and device.
    source : weakref.ref of Layer
        The layer of the displacements, with which results are dropped. Not compared.
    """

    stack: DisplacementStack
    index: int
    substrate: Substrate
    preparation: PreparationConfig
    config: ReconstructionConfig
    source: weakref.ref[Layer] = field(compare=False)


@dataclass(frozen=True, eq=False)
class EvidenceRequest:
    """A request to test the map shown.

    Parameters
    ----------
    frame : FrameRequest
        The request of the frame.
    findings : PatchFindings
        Patch and map, with the evidence that is known from the test of another map.
    random : array of shape (orders, points), optional
        `Faithfulness.random` from the test of another map of this patch.
    """

    frame: FrameRequest
    findings: PatchFindings
    random: FloatArray | None = None


@dataclass
class Progress:
    """How far a thread has come; it writes the numbers, and others read them."""

    done: int = 0
    total: int = 0

    def update(self, done: int, total: int) -> None:
        """Set both numbers."""
        self.done, self.total = done, total


@dataclass(frozen=True)
class LimitsRequest:
    """A request for limits of detection; equal requests have equal results.

    Parameters
    ----------
    frame : FrameRequest
        The request of the frame.
    gel : Gel
        The gel, without Young's modulus, which only multiplies the forces.
    config : LimitsConfig
        Test adhesions, and places of the map.
    patch : tuple of int, optional
        The patch; None is the map.
    prepared : PreparedFrame
        The frame. Not compared.
    kept : dict of int to array
        Reconstructions without an adhesion, as for `detection_map`. Not compared.
    young_pa : float, optional
        Young's modulus of the field, for a map that is drawn. Not compared.
    progress : Progress
        How far the computation has come. Not compared.
    """

    frame: FrameRequest
    gel: Gel
    config: LimitsConfig
    patch: Patch | None
    prepared: PreparedFrame = field(compare=False)
    kept: dict[int, npt.NDArray[np.float32]] = field(compare=False)
    young_pa: float | None = field(compare=False, default=None)
    progress: Progress = field(compare=False, default_factory=Progress)


def compute_frame(
    methods: MethodCache, request: FrameRequest, is_cancelled: Callable[[], bool]
) -> PreparedFrame:
    """Prepare a frame, and compute its attention if the model has any.

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
    ModelError
        If the model cannot be loaded.
    """
    method = methods.load(request.config)
    frame = prepare_frame(
        *(request.stack, request.index),
        substrate=request.substrate,
        config=request.config,
        method=method,
        preparation=request.preparation,
    )
    if method.has_attention:
        frame.attention()
    return frame


def compute_evidence(
    request: EvidenceRequest, is_cancelled: Callable[[], bool]
) -> Generator[str, None, PatchFindings]:
    """Compute influence, physical reference and faithfulness of a map.

    Knock-out takes longest, and is computed only if it is the map shown.

    Parameters
    ----------
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
        With influence, physical reference and faithfulness; and with knock-out, if it
        is shown or was known.

    Raises
    ------
    FieldError
        If there is no traction in the patch, or the method is not differentiable, or
        the patch is the only one.
    Cancelled
        If `is_cancelled` returned True.
    """
    callbacks = Callbacks(is_cancelled=is_cancelled)
    findings = request.findings
    frame, patch = findings.frame, findings.patch
    if findings.influence is None:
        yield "computing the influence of the displacements"
        findings = replace(
            findings,
            influence=influence_map(frame, patch, callbacks=callbacks),
            reference=physical_reference(frame.grid, patch),
        )
    if findings.view.evidence == "knockout" and findings.knockout is None:
        yield "replacing the attention of each block and head"
        effects = knockout_effects(frame, patch, callbacks=callbacks)
        yield "leaving out the attention to each patch"
        map_ = knockout_map(frame, patch, callbacks=callbacks)
        findings = replace(findings, effects=effects, knockout=map_)
    yield "hiding patches and measuring the change of the traction"
    curves = faithfulness(
        *(frame, patch, maps_to_test(findings)),
        random=request.random,
        callbacks=callbacks,
    )
    return replace(findings, faithfulness=curves)


def compute_limits(
    request: LimitsRequest, is_cancelled: Callable[[], bool]
) -> DetectionMap:
    """Compute the limits of detection of a frame, in a patch or as a map.

    Parameters
    ----------
    request : LimitsRequest
        The frame.
    is_cancelled : callable
        Called repeatedly; True cancels.

    Returns
    -------
    DetectionMap
        With one place in the middle of the patch, or with a grid of places.

    Raises
    ------
    ConfigError
        If the field cannot have such a test adhesion.
    Cancelled
        If `is_cancelled` returned True.
    """
    from napari_vit_tfm.trust.limits import detection_map

    frame, patch = request.prepared, request.patch
    stack = replace(frame.field, gel=request.gel)

    def tractions_of(stack: DisplacementStack) -> TractionStack:
        return reconstruct(stack, config=frame.config, method=frame.method)

    return detection_map(
        stack,
        tractions_of(stack),
        reconstruct=tractions_of,
        config=request.config,
        place=None if patch is None else centre_node(frame.grid, patch),
        kept=request.kept,
        on_progress=request.progress.update,
        is_cancelled=is_cancelled,
    )


def centre_node(grid: PatchGrid, patch: Patch) -> tuple[int, int]:
    """Row and column of the vector in the middle of a patch."""
    x0, y0, x1, y1 = grid.bounds(*patch)
    row, column = (math.floor((a + b) / 2) for a, b in ((y0, y1), (x0, x1)))
    return row, column
