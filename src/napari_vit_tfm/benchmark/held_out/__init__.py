"""Held-out fields of many kinds with known tractions, for measuring accuracy.

They share no code with the fields that networks are trained on: neither for the
tractions nor for the displacements.
"""

from napari_vit_tfm.benchmark.held_out.kinds import KINDS
from napari_vit_tfm.benchmark.held_out.misfit import MISFITS
from napari_vit_tfm.benchmark.held_out.noise import NOISES, with_noise
from napari_vit_tfm.benchmark.held_out.simulate import simulate
from napari_vit_tfm.benchmark.held_out.windows import draw_window_steps

__all__ = [
    "KINDS",
    "MISFITS",
    "NOISES",
    "draw_window_steps",
    "simulate",
    "with_noise",
]
