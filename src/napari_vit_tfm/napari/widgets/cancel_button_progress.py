"""`CancelButtonProgress`: napari's progress bar, whose cancel button acts at once."""

from __future__ import annotations

from napari.utils import cancelable_progress


class CancelButtonProgress(cancelable_progress):  # type: ignore[misc]
    """A progress bar whose `cancel_callback` is called when its button is pressed.

    napari itself calls it only when the loop over the bar takes its next step. The
    steps of a bar can take long, and computations in threads do not loop over it.
    """

    def cancel(self) -> None:
        """Cancel the computation, once."""
        if not self.is_canceled:
            super().cancel()
            self.cancel_callback()
