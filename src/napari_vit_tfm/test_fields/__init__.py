"""Fields of many kinds with known tractions, to measure accuracy with only.

Nothing here is shared with what networks are trained on: neither the shapes of
the tractions nor the way from traction to displacement.
"""

from napari_vit_tfm.test_fields.kinds import KINDS
from napari_vit_tfm.test_fields.noise import NOISES, with_noise
from napari_vit_tfm.test_fields.simulate import simulate

__all__ = ["KINDS", "NOISES", "simulate", "with_noise"]
