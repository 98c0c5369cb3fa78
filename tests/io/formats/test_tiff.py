from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import tifffile

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import read_displacement

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
