"""A second set of simulated fields, to which nothing is fitted.

The held-out fields are not in the training, but intervals and limits are calibrated
with other fields of the same code. These fields share no code with either: tractions
are drawn in another way, and displacements are sums of the closed form of a square,
averaged over interrogation windows. They are for tests only.
"""

from napari_vit_tfm.benchmark.unseen.kinds import KINDS
from napari_vit_tfm.benchmark.unseen.simulate import WINDOWS_STEPS, simulate

__all__ = ["KINDS", "WINDOWS_STEPS", "simulate"]
