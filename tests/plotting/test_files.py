from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from napari_vit_tfm.config import FigureConfig
from napari_vit_tfm.errors import ConfigError, FieldFileError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.plotting import files
from napari_vit_tfm.plotting.files import write_traction_figure
from napari_vit_tfm.plotting.traction import TractionPlot

DATA = np.zeros((3, 16, 16, 2))
DATA[1, 4:8, 4:8], DATA[2, 10:, 10:] = 100.0, 300.0
TRACTION = TractionStack(DATA, unit="Pa", spacing_um=0.8, model="fttc")

FFMPEG = """#!{python}
import json, sys
pixels = len(sys.stdin.buffer.read())
with open(sys.argv[-1], "w") as stream:
    json.dump([pixels, sys.argv], stream)
sys.exit({status})
"""
"""Writes how much it was given, and its arguments."""


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.mark.parametrize("name", ["traction.png", "traction.svg"])
def test_figures_tell_what_the_tractions_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_traction_figure(path, TRACTION, frame=2)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG" if path.suffix == ".png" else b"<?xml")
    assert b"napari-vit-tfm" in content
    if path.suffix == ".png":
        with Image.open(path) as picture:
            said = json.loads(picture.info["Description"])
        assert (said["units"], said["spacing_um"], said["model"]) == ("Pa", 0.8, "fttc")
    assert list(tmp_path.iterdir()) == [path]


def test_the_frame_and_the_resolution(tmp_path: Path) -> None:
    config = FigureConfig(dpi=60)
    for frame, name in enumerate("abc"):
        write_traction_figure(
            tmp_path / f"{name}.png", TRACTION, frame=frame, config=config
        )
    a, b, c = (pixels_of(tmp_path / f"{name}.png") for name in "abc")
    assert (a != b).any()
    assert (b != c).any()
    write_traction_figure(tmp_path / "first.png", TRACTION, config=config)
    np.testing.assert_array_equal(pixels_of(tmp_path / "first.png"), a)
    write_traction_figure(tmp_path / "fine.png", TRACTION)
    assert pixels_of(tmp_path / "fine.png").shape[0] == 2.5 * a.shape[0]


def test_a_gif_has_all_frames(tmp_path: Path) -> None:
    path = tmp_path / "traction.gif"
    config = FigureConfig(frames_per_second=4, dpi=60)
    write_traction_figure(path, TRACTION, config=config)
    with Image.open(path) as film:
        assert (film.n_frames, film.info["duration"]) == (3, 250)
    assert list(tmp_path.iterdir()) == [path]


def ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, *, status: int = 0) -> None:
    """Install a package with a program in place of ffmpeg."""
    if sys.platform == "win32":
        pytest.skip("no script is a program")
    program = folder / "ffmpeg"
    program.write_text(FFMPEG.format(python=sys.executable, status=status))
    program.chmod(0o755)
    package = ModuleType("imageio_ffmpeg")
    package.get_ffmpeg_exe = lambda: str(program)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", package)
    monkeypatch.setattr(files, "find_spec", lambda name: object())


def test_an_mp4_has_all_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg(tmp_path, monkeypatch)
    path = tmp_path / "traction.mp4"
    config = FigureConfig(frames_per_second=4, dpi=60)
    write_traction_figure(path, TRACTION, config=config)
    n_bytes, arguments = json.loads(path.read_text("utf-8"))
    width, height = map(int, arguments[arguments.index("-s") + 1].split("x"))
    # H.264 needs even sides.
    assert (width % 2, height % 2) == (0, 0)
    assert n_bytes == 3 * width * height * 4
    assert arguments[arguments.index("-framerate") + 1] == "4"


def test_an_mp4_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg(tmp_path, monkeypatch, status=1)
    path = tmp_path / "traction.mp4"
    with pytest.raises(FieldFileError, match=r"traction\.mp4: cannot be written"):
        write_traction_figure(path, TRACTION)
    assert not path.exists()


@pytest.mark.parametrize("name", ["a.gif", "a.mp4"])
@pytest.mark.parametrize("at", [0, 1])
def test_an_interruption_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, at: int
) -> None:
    # A GIF without frames cannot be finished, nor can ffmpeg, which Ctrl-C ends, too.
    ffmpeg(tmp_path, monkeypatch, status=1)
    show = TractionPlot.show

    def interrupted(plot: TractionPlot, frame: int) -> None:
        if frame == at:
            raise KeyboardInterrupt
        show(plot, frame)

    monkeypatch.setattr(TractionPlot, "show", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_traction_figure(tmp_path / name, TRACTION)
    assert [path.name for path in tmp_path.iterdir()] == ["ffmpeg"]


@pytest.mark.parametrize(
    ("name", "package"), [("a.mp4", "imageio-ffmpeg"), ("a.gif", "Pillow")]
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str
) -> None:
    monkeypatch.setattr(files, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=f"pip install {package}"):
        write_traction_figure(tmp_path / name, TRACTION)
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FieldFileError, match=r"expected one of \.png, \.svg, \.gif"):
        write_traction_figure(tmp_path / "a.jpg", TRACTION)
    with pytest.raises(FieldFileError, match="there is no folder"):
        write_traction_figure(tmp_path / "no" / "a.png", TRACTION)
    with pytest.raises(ConfigError, match="an animation has all frames"):
        write_traction_figure(tmp_path / "a.gif", TRACTION, frame=1)
