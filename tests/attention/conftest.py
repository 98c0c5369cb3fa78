"""A small field, and everything about one of its patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_vit_tfm.attention.frame import MapChoice, prepare_frame
from napari_vit_tfm.attention.patch import MapView, PatchFindings, inspect_patch
from napari_vit_tfm.config import InspectionConfig, ReconstructionConfig
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
from napari_vit_tfm.models.weights import PhysicsViTMethod
from napari_vit_tfm.physics import Substrate

CPU = ReconstructionConfig(device="cpu")
QUICK = InspectionConfig(n_projections=2, n_shares=4, n_random=2)


@pytest.fixture(scope="session")
def stack() -> DisplacementStack:
    data = np.random.default_rng(0).normal(size=(2, 17, 24, 2))
    return DisplacementStack(data, unit="um", spacing_um=0.5)


@pytest.fixture(scope="session")
def found(stack: DisplacementStack) -> PatchFindings:
    """Everything about a patch, by a small network."""
    torch.manual_seed(0)
    network = PhysicsViT(PhysicsViTConfig(width=16, depth=2, heads=4, channels=8))
    frame = prepare_frame(
        *(stack, 1),
        substrate=Substrate(Gel(poisson=0.4, thickness_um=30.0)),
        config=CPU,
        method=PhysicsViTMethod(network, name="small", sha256="abc"),
    )
    return inspect_patch(
        *(frame, (2, 0)),
        view=MapView(choice=MapChoice("attention", 3, "to")),
        with_influence=True,
        with_knockout=True,
        with_faithfulness=True,
        inspection=QUICK,
    )
