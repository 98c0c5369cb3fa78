"""Figures as files."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.plotting import write_png


def test_a_figure_is_there_when_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "figure.png"
    write_png(path, Figure())
    written = path.read_bytes()
    assert written.startswith(b"\x89PNG")

    write = Path.write_bytes

    def fill_the_disk(file: Path, content: bytes) -> int:
        write(file, content[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(FieldFileError, match=r"figure\.png: .*No space left"):
        write_png(path, Figure())
    assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]
