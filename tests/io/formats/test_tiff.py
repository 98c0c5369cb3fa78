from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.io import (
    open_traction,
    read_displacement,
    read_traction,
    write_traction,
)

RNG = np.random.default_rng(0)


def pixels(*shape: int) -> npt.NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def test_two_pages_are_the_components(tmp_path: Path) -> None:
    array = pixels(2, 8, 9)
    tifffile.imwrite(tmp_path / "cell.tif", array)
    found = read_displacement(tmp_path / "cell.tif").data
    np.testing.assert_array_equal(found, np.moveaxis(array, 0, -1)[None])


@pytest.mark.parametrize("name", ["film.tif", "film.ome.tif"])
def test_frames_and_channels(tmp_path: Path, name: str) -> None:
    array = pixels(3, 2, 8, 9)
    tifffile.imwrite(tmp_path / name, array, metadata={"axes": "TCYX"})
    found = read_displacement(tmp_path / name).data
    np.testing.assert_array_equal(found, np.moveaxis(array, 1, -1))


def test_imagej_hyperstacks(tmp_path: Path) -> None:
    array = pixels(3, 1, 2, 8, 9)
    path = tmp_path / "film.tif"
    tifffile.imwrite(path, array, imagej=True, metadata={"axes": "TZCYX"})
    found = read_displacement(path).data
    np.testing.assert_array_equal(found, np.moveaxis(array[:, 0], 1, -1))


def test_two_files(tmp_path: Path) -> None:
    x, y = pixels(2, 8, 9), pixels(2, 8, 9)
    for name, array in (("dispX.tiff", x), ("dispY.tiff", y)):
        tifffile.imwrite(tmp_path / name, array)
    found = read_displacement(tmp_path / "dispY.tiff").data
    np.testing.assert_array_equal(found, np.stack([x, y], axis=-1))


def test_images_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cell.tif", np.zeros((2, 8, 9), np.uint16))
    with pytest.raises(FieldFileError, match="images with two channels"):
        read_displacement(tmp_path / "cell.tif")
    tifffile.imwrite(tmp_path / "film.tif", pixels(5, 8, 9))
    with pytest.raises(FieldFileError, match="images with two channels"):
        read_displacement(tmp_path / "film.tif")


def test_channels_before_frames(tmp_path: Path) -> None:
    array = pixels(2, 5, 8, 9)
    path = tmp_path / "film.ome.tif"
    tifffile.imwrite(path, array, metadata={"axes": "CTYX"})
    found = read_displacement(path).data
    np.testing.assert_array_equal(found, np.moveaxis(array, 0, -1))
    tifffile.imwrite(path, pixels(3, 2, 8, 9), metadata={"axes": "CTYX"})
    with pytest.raises(FieldFileError, match="images with two channels"):
        read_displacement(path)


@pytest.mark.parametrize(
    ("unit", "spacing_um", "channels"),
    [
        ("Pa", 0.8, ["traction x (Pa)", "traction y (Pa)", "traction magnitude (Pa)"]),
        (
            "1",
            None,
            ["traction x (t/E)", "traction y (t/E)", "traction magnitude (t/E)"],
        ),
    ],
)
def test_tractions_have_scale_unit_and_names_in_other_programs(
    tmp_path: Path, unit: Any, spacing_um: float | None, channels: list[str]
) -> None:
    data = np.moveaxis(pixels(3, 2, 8, 9), 1, -1)
    path = tmp_path / "traction.ome.tif"
    write_traction(path, TractionStack(data, unit=unit, spacing_um=spacing_um))
    with tifffile.TiffFile(path) as tiff:
        (series,) = tiff.series
        assert (series.axes, series.shape) == ("TCYX", (3, 3, 8, 9))
        found = series.asarray()
        root = ElementTree.fromstring(tiff.ome_metadata or "")
        tags = tiff.pages[0].tags
        resolution = tags["XResolution"].value
        resolution_unit = tags["ResolutionUnit"].value
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[:, :2], np.moveaxis(data, -1, 1))
    np.testing.assert_array_equal(found[:, 2], np.hypot(data[..., 0], data[..., 1]))
    names = [
        channel.get("Name")
        for channel in root.iterfind("{*}Image/{*}Pixels/{*}Channel")
    ]
    assert names == channels
    image = root.find("{*}Image/{*}Pixels")
    assert image is not None
    scale = [image.get(f"PhysicalSize{name}") for name in ("X", "XUnit", "Y", "YUnit")]
    if spacing_um is None:
        assert scale == [None] * 4
        return
    assert scale == ["0.8", "\xb5m", "0.8", "\xb5m"]
    # Programs that do not know OME: 12,500 vectors per centimetre.
    assert resolution[0] / resolution[1] == pytest.approx(12_500)
    assert resolution_unit == tifffile.RESUNIT.CENTIMETER


def test_frames_of_tractions_are_collected_outside_of_memory(tmp_path: Path) -> None:
    stack = TractionStack(np.zeros((4, 256, 256, 2), np.float32), spacing_um=1.0)
    tracemalloc.start()
    with open_traction(tmp_path / "long.ome.tif") as sink:
        for _ in range(20):
            sink.append(stack)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 60 MB of images.
    assert peak < 20e6
    with tifffile.TiffFile(tmp_path / "long.ome.tif") as tiff:
        assert tiff.series[0].shape == (80, 3, 256, 256)


def test_a_large_file_is_a_big_tiff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.ome.tif"
    stack = TractionStack(np.ones((2, 8, 9, 2)), unit="Pa")
    for limit, is_big in ((1e9, False), (100, True)):
        monkeypatch.setattr("napari_vit_tfm.io.formats.tiff._BIG_TIFF_BYTES", limit)
        write_traction(path, stack)
        with tifffile.TiffFile(path) as tiff:
            assert tiff.is_bigtiff == is_big
        assert read_traction(path).unit == "Pa"
