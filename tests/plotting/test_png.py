"""Figures as files."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.figure import Figure

from napari_vit_tfm.plotting import write_png


def test_a_figure_is_there_when_it_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "figure.png"
    write_png(path, Figure())
    written = path.read_bytes()
    assert written.startswith(b"\x89PNG")

    def fail(file: Path, **_options: object) -> None:
        file.write_bytes(b"half")
        raise OSError("disk full")

    figure = Figure()
    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        write_png(path, figure)
    assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]
