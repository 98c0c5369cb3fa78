"""Fields of many kinds with known tractions, to measure accuracy with only.

Nothing here is shared with what networks are trained on: neither the shapes of
the tractions nor the way from traction to displacement.
"""

from napari_vit_tfm.benchmark.held_out.kinds import KINDS
from napari_vit_tfm.benchmark.held_out.noise import NOISES, with_noise
from napari_vit_tfm.benchmark.held_out.simulate import simulate

__all__ = ["KINDS", "NOISES", "simulate", "with_noise"]
