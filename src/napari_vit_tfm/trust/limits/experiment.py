"""Fields with test adhesions, which are simulated and reconstructed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_vit_tfm.config import LimitsConfig
from napari_vit_tfm.errors import Cancelled
from napari_vit_tfm.physics.noise import Noise
from napari_vit_tfm.trust.new_noise import new_noise

FloatArray = npt.NDArray[np.float64]

Reconstruct = Callable[[FloatArray], npt.NDArray[np.floating]]
"""Function from displacements in grid steps to tractions ``t / E``, (n, H, W, 2)."""


@dataclass(eq=False)
class Experiment:
    """A simulated field, to which adhesions can be added.

    Parameters
    ----------
    noise : Noise
        Noise of the measured displacement, in grid steps.
    still : array of shape (H, W, 2)
        Displacement that its tractions cause, in grid steps.
    caused_by : callable
        Displacement of tractions.
    reconstruct : callable
        Tractions of displacements.
    config : LimitsConfig
        Reconstructions at once.
    """

    noise: Noise
    still: FloatArray
    caused_by: Callable[[FloatArray], FloatArray]
    reconstruct: Reconstruct
    config: LimitsConfig
    on_done: Callable[[int], None] | None = None
    is_cancelled: Callable[[], bool] | None = None

    def tractions(
        self, added: FloatArray, rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Tractions of the field with others added, ``(n, H, W, 2)``, and new noise."""
        found = np.empty(added.shape, dtype=np.float32)
        for start in range(0, len(added), self.config.batch_size):
            if self.is_cancelled is not None and self.is_cancelled():
                raise Cancelled
            part = slice(start, start + self.config.batch_size)
            noise = new_noise(self.noise, added.shape[1:3], len(added[part]), rng)
            found[part] = self.reconstruct(
                self.still + self.caused_by(added[part]) + noise
            )
            if self.on_done is not None:
                self.on_done(len(added[part]))
        return found


@dataclass(eq=False)
class Progress:
    """Progress that never goes back, although more work may turn up.

    Parameters
    ----------
    total : int
        Number of steps in all.
    on_progress : callable, optional
        Called with the numbers of finished and of all steps.
    """

    total: int
    on_progress: Callable[[int, int], None] | None
    done: float = 0.0
    _per_run: float = 1.0

    def expect(self, n_runs: int, steps: float) -> None:
        """The next reconstructions count for this many steps together."""
        self._per_run = steps / max(n_runs, 1)

    def add(self, n_runs: int) -> None:
        """Some reconstructions are finished."""
        self.done += n_runs * self._per_run
        self._show()

    def finish(self) -> None:
        """Everything is finished."""
        self.done = self.total
        self._show()

    def _show(self) -> None:
        if self.on_progress is not None:
            self.on_progress(min(int(self.done + 1e-6), self.total), self.total)
