"""Fitting the view to the canvas when a dock takes a part of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from napari.components import ViewerModel
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QWidget

from napari_vit_tfm.napari.layers.registry import IdentityDict, without_proxy

_INTERVAL_MS = 100
_N_LOOKS = 5
"""Looks at the canvas after a dock was shown, until the docks have their sizes."""

_MARGIN = 0.1
"""Part of the width of the layers by which a field of the same size may extend beyond
them, for example with its arrows."""

_OFF_CENTRE = 0.02
"""Part of the size of the layers by which the centre of a fitted view may be off: the
arrows of another frame or zoom reach elsewhere."""

_FITTED = IdentityDict[tuple[float, ...]]()
"""Centres of the last fitted views, by viewer."""


class ViewFitter(QTimer):
    """Fits the view to the canvas soon after `fit_soon`.

    A view that the user has moved is kept.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    parent : QWidget
        The widget beside the canvas.
    """

    def __init__(self, viewer: ViewerModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._n_looks = 0
        self._size: tuple[int, ...] = ()
        self.setInterval(_INTERVAL_MS)
        self.timeout.connect(self._look)

    def fit_soon(self) -> None:
        """Fit the view when the docks have their sizes."""
        self._n_looks, self._size = _N_LOOKS, ()
        self.start()

    def _look(self) -> None:
        """Fit the view if the canvas has another size than at the last look."""
        self._n_looks -= 1
        if self._n_looks == 0:
            self.stop()
        if self._viewer.canvas.size != self._size:
            self._size = self._viewer.canvas.size
            self.fit()

    def fit(self) -> None:
        """Fit the view now, unless the user has moved it."""
        if self._is_unmoved():
            self._fit()

    def _fit(self) -> None:
        self._viewer.fit_to_view()
        _FITTED.put(without_proxy(self._viewer), self._viewer.scene.camera.center)

    @contextmanager
    def keeps_fit(self) -> Iterator[None]:
        """Fit the view again at the end of a block that changes the layers' scale."""
        is_unmoved = self._is_unmoved()
        yield
        if is_unmoved:
            self._fit()

    @contextmanager
    def fits_larger_fields(self) -> Iterator[None]:
        """Fit the view at the end of a block that adds a field larger than the others.

        Only a corner of it might be visible, so the view is fitted even if the user has
        moved it.
        """
        layers = self._viewer.layers
        before = layers.extent.world[:, -2:] if layers else None
        yield
        if before is None or self._viewer.dims.ndisplay != 2:
            return
        after = layers.extent.world[:, -2:]
        beyond = np.abs(after - before) > _MARGIN * np.ptp(before, axis=0)
        if beyond.any():
            self._fit()

    def _is_unmoved(self) -> bool:
        """Whether the view has the centre that napari, or a fit, has given it.

        Unlike the zoom, it does not depend on the size of the canvas. Layers that were
        added since the last fit, such as arrows at a border, may reach further.
        """
        viewer, camera = self._viewer, self._viewer.scene.camera
        if not viewer.layers or viewer.dims.ndisplay != 2:
            return False
        center, zoom = camera.center, camera.zoom
        if center == _FITTED.get(without_proxy(viewer)):
            return True
        with camera.events.blocker_all():
            viewer.fit_to_view()
            fitted = camera.center
            camera.center, camera.zoom = center, zoom
        size = np.ptp(viewer.layers.extent.world[:, -2:], axis=0)
        off = np.abs(np.subtract(fitted, center))[-2:]
        return bool((off <= _OFF_CENTRE * size).all())
