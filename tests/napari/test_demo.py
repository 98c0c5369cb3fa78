"""The window that the demo opens."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.io import imread

from layers_of_fields import tractions_of
from napari_vit_tfm import io
from napari_vit_tfm.napari import demo


@pytest.fixture
def folder(tmp_path, displacement, traction):
    io.write_arrays(
        tmp_path / "displacement.h5",
        {"displacement": displacement.data},
        {"displacement": {"units": "um", "spacing_um": 0.5, "young_pa": 2000.0}},
    )
    for name in ("traction.h5", "truth.h5"):
        io.write_traction(tmp_path / name, traction)
    return tmp_path


def test_the_demo_shows_all_fields_and_their_tractions_as_a_result(viewer, folder):
    source = demo.show_fields(viewer, demo.read_fields(folder))
    assert [layer.name for layer in viewer.layers if layer.visible] == [
        "traction, made for a test (Pa)",
        "traction arrows, made for a test (Pa)",
    ]
    assert tractions_of(viewer.layers, source) == tuple(viewer.layers[-2:])
    frame, position = demo.strongest(viewer, viewer.layers[-2])
    lengths = viewer.layers[-2].data
    assert lengths[frame].max() == lengths.max()
    at = tuple(int(i) for i in viewer.layers[-2].world_to_data((frame, *position)))
    assert lengths[at] == lengths.max()


@pytest.mark.usefixtures("needs_display")
def test_the_demo_saves_a_picture_of_its_window(folder, plugin, capsys):
    picture = folder / "demo.png"
    assert demo.main([str(folder), "--screenshot", str(picture)]) == 0
    assert str(picture) in capsys.readouterr().out
    pixels = imread(picture)[..., :3].astype(int)
    assert min(pixels.shape[:2]) > 500
    # Only the outline of the chosen patch has this colour.
    pink = np.abs(pixels - (255, 77, 157)).max(axis=-1) < 12
    assert pink.sum() > 50


def test_the_demo_without_files_prints_one_line(tmp_path, capsys):
    assert demo.main([str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "displacement.h5: there is no such file" in line
