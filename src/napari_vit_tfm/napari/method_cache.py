"""A cache of the reconstruction method that a dock used last, and versions of files.

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

        options = dict(config.options)
        version = _version(Path(config.model))
        key = (config.model, config.heads, options, config.n_views, version)
        with self._lock:
            if self._method is None or key != self._key:
                self._method = load_method(config)
                self._key = key
            return self._method


def current_sha256(model: str) -> str | None:
    """SHA-256 of a file of weights as it is now; None if the model is not a file.

    The file is read only if its time or size has changed.
    """
    from napari_vit_tfm.provenance import file_sha256

    path = Path(model)
    return file_sha256(path) if path.is_file() else None


def _version(path: Path) -> tuple[int, int] | None:
    """Time and size of a file; None if there is no such file."""
    if not path.is_file():
        return None
    status = path.stat()
    return status.st_mtime_ns, status.st_size
