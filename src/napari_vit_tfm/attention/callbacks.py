"""What a long computation calls while it runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from napari_vit_tfm.errors import Cancelled


@dataclass(frozen=True)
class Callbacks:
    """What a computation calls while it runs; every callback may be left out.

    Parameters
    ----------
    on_progress : callable, optional
        Called with the name of a step, the number of parts done and their total.
    is_cancelled : callable, optional
        Called before every part of a step; True cancels the computation.

    Examples
    --------
    >>> from napari_vit_tfm.attention.callbacks import Callbacks
    >>> callbacks = Callbacks(on_progress=print)
    >>> callbacks.progress("hiding patches", 8, 62)
    hiding patches 8 62
    """

    on_progress: Callable[[str, int, int], None] | None = None
    is_cancelled: Callable[[], bool] | None = None

    def progress(self, step: str, done: int, total: int) -> None:
        """Report how many parts of a step are done."""
        if self.on_progress is not None:
            self.on_progress(step, done, total)

    def check(self) -> None:
        """Raise `Cancelled` if the computation has been cancelled."""
        if self.is_cancelled is not None and self.is_cancelled():
            raise Cancelled


NO_CALLBACKS = Callbacks()
"""Nothing is called."""
