"""A cache of the reconstruction method that a dock used last.

torch is imported when a method is loaded, in a worker thread, since the first
import takes seconds.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from napari_vit_tfm.config import ReconstructionConfig

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod


class MethodCache:
    """Loads methods, and keeps the last one.

    Each dock has its own cache, since a method's weights are moved between devices
    in place.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._key: object = None
        self._method: ReconstructionMethod | None = None

    def load(self, config: ReconstructionConfig) -> ReconstructionMethod:
        """Return the method of a configuration; load it if it or its file changed.

        Raises
        ------
        ModelError
            If the method cannot be loaded.
        """
        from napari_vit_tfm.reconstruction import load_method

        file = Path(config.model)
        modified = file.stat().st_mtime_ns if file.is_file() else 0
        options = dict(config.options)
        key = (config.model, config.heads, options, config.n_views, modified)
        with self._lock:
            if self._method is None or key != self._key:
                self._method = load_method(config)
                self._key = key
            return self._method
