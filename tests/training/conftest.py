"""A run that is over in a second."""

from __future__ import annotations

import pytest

from napari_vit_tfm.models.physics_vit import PhysicsViTConfig
from napari_vit_tfm.training import FieldKind, TrainingConfig


@pytest.fixture
def tiny() -> TrainingConfig:
    """Six steps of two small fields, validated on one after every third."""
    return TrainingConfig(
        network=PhysicsViTConfig(
            width=16,
            depth=1,
            heads=2,
            mlp_ratio=1,
            channels=8,
            stem_layers=0,
            decoder_layers=1,
            refinements=1,
            refinement_layers=1,
        ),
        kinds=(FieldKind("discs", {"count": (3, 6)}, shapes=((24, 24),)),),
        steps=6,
        batch_size=2,
        warmup_steps=2,
        validate_every=3,
        validation_fields=1,
        checkpoint_every=2,
    )
