"""The reconstruction method that a dock used last.

torch is imported here, inside a function: the first call takes seconds, and
those belong to a worker.
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from napari_vit_tfm.config import ReconstructionConfig

if TYPE_CHECKING:
    from napari_vit_tfm.models import ReconstructionMethod


class MethodCache:
    """The last method that was asked for, so that it is not loaded every time.

    Each dock has its own, since a method's weights are moved between devices
    in place.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._key: object = None
        self._method: ReconstructionMethod | None = None

    def load(self, config: ReconstructionConfig) -> ReconstructionMethod:
        """The method of a configuration.

        Raises
        ------
        ModelError
            If it cannot be loaded.
        """
        from napari_vit_tfm.reconstruction import load_method

        file = Path(config.model)
        changed = file.stat().st_mtime_ns if file.is_file() else 0
        key = (config.model, config.heads, dict(config.options), changed)
        with self._lock:
            if self._method is None or key != self._key:
                self._method = load_method(config)
                self._key = key
            return self._method
