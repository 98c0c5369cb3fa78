"""Masks of cells."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import read_labels

CELLS = np.array([[0, 1, 1, 0], [0, 3, 3, 2], [0, 0, 3, 2]])


def write_grey(path: Path, values: np.ndarray, *, n_bits: int) -> None:
    """Write a grey PNG of 2 or 4 bits, which Pillow cannot."""
    per_byte = 8 // n_bits
    lines = b""
    for row in values:
        padded = np.zeros(-(-len(row) // per_byte) * per_byte, dtype=int)
        padded[: len(row)] = row
        shifts = n_bits * np.arange(per_byte)[::-1]
        packed = (padded.reshape(-1, per_byte) << shifts).sum(axis=1)
        lines += b"\0" + bytes(packed.astype(np.uint8))
    height, width = values.shape
    header = struct.pack(">IIBBBBB", width, height, n_bits, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(data))
            + name
            + data
            + struct.pack(">I", zlib.crc32(name + data))
            for name, data in parts
        )
    )


@pytest.mark.parametrize("largest", [3, 255, 700, 65535])
def test_grey_values_are_the_numbers_of_the_cells(tmp_path: Path, largest: int) -> None:
    cells = np.where(CELLS == 3, largest, CELLS)
    stored = cells.astype(np.uint8 if largest < 256 else np.uint16)
    # By its content, whatever it is called.
    path = tmp_path / "cells.image"
    Image.fromarray(stored).save(path, format="PNG")
    found = read_labels(path)
    assert found.dtype == np.min_scalar_type(int(stored.max()))
    np.testing.assert_array_equal(found, cells)


@pytest.mark.parametrize("n_bits", [2, 4])
def test_grey_values_of_few_bits_are_not_stretched(tmp_path: Path, n_bits: int) -> None:
    path = tmp_path / "cells.png"
    write_grey(path, CELLS, n_bits=n_bits)
    np.testing.assert_array_equal(read_labels(path), CELLS)


def test_black_and_white_is_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "cells.png"
    Image.fromarray(CELLS > 0).save(path)
    np.testing.assert_array_equal(read_labels(path), CELLS > 0)


@pytest.mark.parametrize("n_bits", [2, 8])
def test_the_indices_of_a_palette_are_the_numbers(tmp_path: Path, n_bits: int) -> None:
    path = tmp_path / "cells.png"
    image = Image.fromarray(CELLS.astype(np.uint8), mode=None)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 9])
    image.save(path, bits=n_bits)
    np.testing.assert_array_equal(read_labels(path), CELLS)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_a_picture_in_colour_is_refused_with_advice(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "cells.png"
    Image.new(mode, (8, 8)).save(path)
    with pytest.raises(FieldFileError, match="grey image of 8 or 16 bits"):
        read_labels(path)


def test_several_frames_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "cells.png"
    frames = [Image.fromarray((CELLS + n).astype(np.uint8)) for n in range(2)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(FieldFileError, match="has 2 frames"):
        read_labels(path)


def test_a_damaged_image_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cells.png"
    Image.fromarray(CELLS.astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:45])
    with pytest.raises(FieldFileError, match="cannot be read as PNG"):
        read_labels(path)


@pytest.mark.parametrize("name", ["mask.h5", "mask.mat"])
def test_parts_that_were_never_written_are_said(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with h5py.File(path, "w", userblock_size=512) as file:
        mask = file.create_dataset("mask", (9, 8), "u1", chunks=(3, 8))
        mask[:6] = 1
    if name.endswith(".mat"):
        with path.open("r+b") as stream:
            stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
    notes: list[str] = []
    assert read_labels(path, on_notice=notes.append).sum() == 48
    (note,) = notes
    assert note.startswith(f"{name}: parts of mask were never written to the file")
    with h5py.File(path, "a") as file:
        file["mask"][6:] = 1
    notes.clear()
    read_labels(path, on_notice=notes.append)
    assert notes == []


def test_a_mask_is_found_by_its_name_before_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    mask, picture = np.eye(8, 9), np.full((8, 9), 200, np.uint8)
    np.savez(path, picture=picture, mask=mask)
    np.testing.assert_array_equal(read_labels(path), mask)
    # Whole numbers come first.
    np.savez(path, cells=picture, mask=mask)
    np.testing.assert_array_equal(read_labels(path), picture)
