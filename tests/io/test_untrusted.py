"""Files with values that no field has, and small files that would cost much.

Each must be refused in plain words, before anything large is read.
"""

import io as streams
import json
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from scipy.io import savemat

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io import (
    open_displacement,
    read_displacement,
    read_labels,
    read_traction,
    summarise,
    write_arrays,
)
from napari_vit_tfm.io.formats.npz import MOST_ATTRIBUTE_BYTES, MOST_MEMBERS
from napari_vit_tfm.io.frames import LARGEST
from napari_vit_tfm.io.npy_header import MOST_HEADER_BYTES
from napari_vit_tfm.io.text.lines import MOST_LINE_BYTES

FIELD = np.random.default_rng(0).normal(size=(2, 8, 9, 2))
MEGABYTE = 2**20


@pytest.fixture(params=["cell.h5", "cell.npz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def write(path: Path, name: str = "displacement", **attributes: Any) -> Path:
    units = {"displacement": "um", "traction": "Pa"}[name]
    write_arrays(path, {name: FIELD}, {name: {"units": units, **attributes}})
    return path


def npy(shape: tuple[int, ...], dtype: str = "<f4", content: bytes = b"") -> bytes:
    """An NPY file, whose header may not be true."""
    stream = streams.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(stream, header)
    return stream.getvalue() + content


def peak_bytes(function: Callable[[], object]) -> int:
    """Memory of a function that raises a FieldFileError."""
    tracemalloc.start()
    with pytest.raises(FieldFileError):
        function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


# Values


@pytest.mark.parametrize("value", [True, "1_0", "\u0663", "0x1", 1j, [1.0, 2.0]])
@pytest.mark.parametrize("name", ["spacing_um", "pixel_size_um", "young_pa"])
def test_what_is_no_number(path: Path, name: str, value: Any) -> None:
    write(path, **{name: value})
    with pytest.raises(FieldFileError, match=f"has {name} = .* expected a .*number"):
        read_displacement(path)


@pytest.mark.parametrize("value", [0.5, "0.5", " 5e-1 ", np.float16(0.5)])
def test_what_is_a_number(path: Path, value: Any) -> None:
    assert read_displacement(write(path, spacing_um=value)).spacing_um == 0.5


def test_impossible_gel_of_tractions(path: Path) -> None:
    write(path, "traction", poisson=3.0)
    with pytest.raises(FieldFileError, match=r"poisson = 3\.0"):
        read_traction(path)


@pytest.mark.parametrize("units", [["um", "px"], [0.0, 1.0], 3.0])
def test_units_that_are_no_text(tmp_path: Path, units: Any) -> None:
    for name, read in (
        ("displacement", read_displacement),
        ("traction", read_traction),
    ):
        path = write(tmp_path / f"{name}.h5", name, units=units)
        with pytest.raises(FieldFileError, match="unknown unit"):
            read(path)


def test_text_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "cell.h5"
    with h5py.File(path, "w") as file:
        for name in (b"displacement", b"\xff"):
            space = h5py.h5s.create_simple(FIELD.shape)
            h5py.h5d.create(file.id, name, h5py.h5t.NATIVE_DOUBLE, space)
        file["displacement"][...] = FIELD
        file["displacement"].attrs["units"] = np.bytes_(b"\xb5m")
    assert [entry.name for entry in summarise(path).arrays] == ["displacement", r"\xff"]
    with pytest.raises(FieldFileError, match=r"unknown unit '\\\\xb5m'"):
        read_displacement(path)


@pytest.mark.parametrize("largest", [1.1 * LARGEST, 3e38])
def test_numbers_that_no_field_has(path: Path, largest: float) -> None:
    values = FIELD.copy()
    values[0, 0, 0, 0] = largest
    write_arrays(path, {"displacement": values}, {"displacement": {"units": "um"}})
    with pytest.raises(FieldFileError, match="which no field has in any unit"):
        read_displacement(path)


def test_the_smallest_numbers_are_zero(path: Path) -> None:
    write_arrays(
        path, {"displacement": FIELD * 1e-40}, {"displacement": {"units": "um"}}
    )
    assert not read_displacement(path).data.any()


def test_complex_outline(path: Path) -> None:
    write_arrays(path, {"displacement": FIELD, "outline": np.ones((4, 2)) * 1j}, {})
    with pytest.raises(FieldFileError, match="is not a cell outline"):
        read_displacement(path, unit="um")


@pytest.mark.parametrize("residual", [FIELD * 1j, [b"a"]])
def test_residual_that_is_none(tmp_path: Path, residual: Any) -> None:
    path = write(tmp_path / "cell.h5", "traction")
    with h5py.File(path, "a") as file:
        file["residual"] = residual
        file["residual"].attrs["units"] = "um"
    assert not read_traction(path).companions


def test_partial_file_with_a_wrong_number_of_frames(tmp_path: Path) -> None:
    for number in (-1, 3):
        path = write(tmp_path / f"cell{number}.partial.h5", "traction")
        with h5py.File(path, "a") as file:
            file.attrs["unfinished_run"] = "{}"
            file["frames_done"] = number
        with pytest.raises(FieldFileError, match="frames"):
            read_traction(path)


def test_frames_that_were_never_written_are_said(tmp_path: Path) -> None:
    path = tmp_path / "cell.h5"
    with h5py.File(path, "w") as file:
        chunks = (1, *FIELD.shape[1:])
        data = file.create_dataset(
            "displacement", (5, *chunks[1:]), "f4", chunks=chunks
        )
        data.attrs["units"] = "um"
        data[:2] = FIELD
    notes = read_displacement(path).metadata["notes"]
    assert any("3 of 5 frames of displacement were never written" in x for x in notes)
    assert any("read as zeros" in note for note in notes)


@pytest.mark.parametrize("chunks", [None, (1, 8, 9, 2)])
def test_an_array_that_was_never_written_is_refused(
    tmp_path: Path, chunks: tuple[int, ...] | None
) -> None:
    path = tmp_path / "cell.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("displacement", FIELD.shape, "f4", chunks=chunks)
    with pytest.raises(FieldFileError, match="nothing was ever written"):
        read_displacement(path, unit="um")


# Costs


def test_array_of_terabytes_in_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "cell.h5"
    with h5py.File(path, "w") as file:
        shape, chunks = (1000, 16_000, 16_000, 2), (1, 16_000, 16_000, 2)
        data = file.create_dataset("displacement", shape, "f4", chunks=chunks)
        data.id.write_direct_chunk((0, 0, 0, 0), bytes(1000))
    with pytest.raises(FieldFileError, match="but the file has 1000 bytes of it"):
        read_displacement(path, unit="um")


def test_attributes_of_hundreds_of_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "cell.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file["displacement"] = FIELD
        for number in range(40):
            file["displacement"].attrs[str(number)] = np.zeros(MEGABYTE // 2, np.uint8)
    with pytest.raises(FieldFileError, match="bytes of attributes"):
        read_displacement(path)


def test_unit_of_many_megabytes(tmp_path: Path) -> None:
    path = write(tmp_path / "cell.h5", units="u" * (2 * MEGABYTE))
    assert read_displacement(path).unit is None
    archive = tmp_path / "cell.npz"
    text = np.array("u" * (MOST_ATTRIBUTE_BYTES // 4))
    np.savez_compressed(archive, displacement=FIELD, **{"displacement.units": text})
    with pytest.raises(FieldFileError, match="which no attribute needs"):
        read_displacement(archive)


def test_header_of_many_megabytes(tmp_path: Path) -> None:
    header = b"\x93NUMPY\x02\x00" + (100 * MEGABYTE).to_bytes(4, "little")
    path = tmp_path / "cell.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("displacement.npy", header + b" " * (100 * MEGABYTE))
    assert peak_bytes(lambda: summarise(path)) < 10 * MEGABYTE
    path = tmp_path / "cell.npy"
    path.write_bytes(header)
    with pytest.raises(FieldFileError, match=f"at most {MOST_HEADER_BYTES}"):
        summarise(path)


def test_archive_whose_header_is_not_true(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    with zipfile.ZipFile(path, "w") as archive:
        content = npy((100_000, 1000, 1000, 2), content=bytes(1000))
        archive.writestr("displacement.npy", content)
    read = read_displacement
    assert peak_bytes(lambda: read(path, unit="um")) < 10 * MEGABYTE


def test_archive_of_many_arrays(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(MOST_MEMBERS + 1):
            archive.writestr(f"{number}.npy", b"")
    with pytest.raises(FieldFileError, match=f"expected at most {MOST_MEMBERS}"):
        summarise(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archive_with_two_arrays_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    for second, is_same in ((FIELD, True), (-FIELD, False)):
        with zipfile.ZipFile(path, "w") as archive:
            for values in (FIELD, second):
                content = npy(FIELD.shape, "<f8", values.tobytes())
                archive.writestr("displacement.npy", content)
        if is_same:
            assert read_displacement(path, unit="um").n_frames == 2
            continue
        with pytest.raises(FieldFileError, match="two arrays of the name displacement"):
            read_displacement(path)


def test_attributes_belong_to_arrays_with_dots(tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    attributes = {"u.1.units": "px", "u.1.spacing_um": 2.0, "pixel_size_um": 0.5}
    np.savez(path, **{"u.1": FIELD}, **attributes)
    stack = read_displacement(path)
    assert (stack.unit, stack.spacing_um, stack.pixel_size_um) == ("px", 2.0, 0.5)


@pytest.mark.parametrize("n_bytes", [-1, 1])
def test_npy_of_another_size_than_its_header_says(tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "cell.npy"
    np.save(path, FIELD)
    content = path.read_bytes()
    path.write_bytes(content[:-1] if n_bytes < 0 else content + b"\0")
    with pytest.raises(FieldFileError, match="bytes after its header"):
        summarise(path)


def test_npy_that_is_cut_off_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cell.npy"
    np.save(path, FIELD)
    with open_displacement(path, unit="um", in_memory_bytes=0) as stream:
        np.testing.assert_array_equal(stream.part(1, 2).data, FIELD[1:].astype("f4"))
        os.truncate(path, 1000)
        with pytest.raises(FieldFileError, match="ends within the numbers"):
            stream.part(1, 2)


@pytest.mark.parametrize("order", "<>")
def test_text_of_numbers_that_are_no_letters(tmp_path: Path, order: str) -> None:
    path = tmp_path / "field.npz"
    units = np.array([ord("u"), 0x110000], f"{order}u4").view(f"{order}U2").reshape(())
    np.savez(path, displacement=FIELD, **{"displacement.units": units})
    with pytest.raises(FieldFileError, match=r"displacement\.units is damaged"):
        read_displacement(path)


def test_messages_about_damage_are_short(tmp_path: Path) -> None:
    path = tmp_path / "cell.npy"
    header = b"{" + b" " * 9000 + b"\n"
    path.write_bytes(b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little") + header)
    with pytest.raises(FieldFileError, match="cannot be read as NPY") as caught:
        summarise(path)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_in_any_order(tmp_path: Path, order: Any) -> None:
    path = tmp_path / "cell.npy"
    np.save(path, np.asarray(FIELD, order=order))
    with open_displacement(path, unit="um", in_memory_bytes=0) as stream:
        np.testing.assert_array_equal(stream.part(1, 2).data, FIELD[1:].astype("f4"))


def test_table_with_a_line_of_many_columns(tmp_path: Path) -> None:
    path = tmp_path / "cell.csv"
    path.write_text("x,y,u,v\n" + "0,0,1,1\n8,0,1,1\n" * 3 + "1," * MOST_LINE_BYTES)
    with pytest.raises(FieldFileError, match="line 8 is longer than"):
        summarise(path)


def table(n_columns: int, n_rows: int, step: float, header: str = "x,y,u,v") -> str:
    more = ",1" * (header.count(",") - 3)
    rows = [
        f"{x * step!r},{y * step!r},{x % 3},{y % 4}{more}"
        for y in range(n_rows)
        for x in range(n_columns)
    ]
    return "\n".join([header, *rows, ""])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table(9, 2, 8.0), "at least 3 of each"),
        (table(9, 8, 1e300), "which they are in no unit"),
        (table(9, 8, 1e-300), "which they are in no unit"),
        (table(9, 8, 8.0, "x,y,u,v,u"), "several columns u"),
    ],
)
def test_tables_that_are_no_field(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "cell.csv"
    path.write_text(text)
    with pytest.raises(FieldFileError, match=message):
        read_displacement(path, unit="px")


def test_own_table_whose_spacing_contradicts_its_positions(tmp_path: Path) -> None:
    header = "frame,x_um,y_um,tx_Pa,ty_Pa,attributes"
    about = json.dumps({"units": "Pa", "spacing_um": 5.0}).replace('"', '""')
    lines = [f"0,{x * 0.5},{y * 0.5},{x},{y}," for y in range(8) for x in range(9)]
    lines[0] += f'"{about}"'
    path = tmp_path / "traction.csv"
    path.write_text("\n".join([header, *lines, ""]))
    with pytest.raises(FieldFileError, match=r"spacing_um is 5, but .* 0\.5 um apart"):
        read_traction(path)


def test_tiff_whose_header_is_not_true(tmp_path: Path) -> None:
    path = tmp_path / "cell.tif"
    for side, message in (
        (100_000, "1.6e\\+11 bytes"),
        (18, "2592 bytes for each image"),
    ):
        pixels = np.zeros((2, 16, 18), np.float32)
        tifffile.imwrite(path, pixels, metadata=None, photometric="minisblack")
        with tifffile.TiffFile(path, mode="r+") as tiff:
            for page in tiff.pages:
                page.tags["ImageWidth"].overwrite(side)
                page.tags["ImageLength"].overwrite(2 * side)
        with pytest.raises(FieldFileError, match=message):
            read_displacement(path, unit="px", components_first=True)


def test_tiff_does_not_open_other_files(tmp_path: Path) -> None:
    pixels = np.moveaxis(FIELD[0], -1, 0).astype(np.float32)
    names = ("a.ome.tif", "b.ome.tif")
    identifiers = ("urn:uuid:a", "urn:uuid:b")
    parts = "".join(
        f'<TiffData IFD="0" PlaneCount="1" FirstC="{number}">'
        f'<UUID FileName="{name}">{identifier}</UUID></TiffData>'
        for number, (name, identifier) in enumerate(
            zip(names, identifiers, strict=True)
        )
    )
    for name, identifier, plane in zip(names, identifiers, pixels, strict=True):
        description = (
            '<?xml version="1.0"?><OME xmlns='
            '"http://www.openmicroscopy.org/Schemas/OME/2016-06" '
            f'UUID="{identifier}"><Image ID="Image:0"><Pixels ID="Pixels:0" '
            'DimensionOrder="XYCZT" SizeX="9" SizeY="8" SizeC="2" SizeZ="1" SizeT="1" '
            f'Type="float">{parts}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / name, plane, description=description, metadata=None)
    assert tifffile.imread(tmp_path / names[0]).shape == (2, 8, 9)
    found = summarise(tmp_path / names[0]).arrays
    assert [entry.shape for entry in found] == [(8, 9)]


def test_matlab_file_of_version_4(tmp_path: Path) -> None:
    path = tmp_path / "cell.mat"
    savemat(path, {"dspl": FIELD[0, ..., 0]}, format="4")
    with pytest.raises(FieldFileError, match="version 4 are not read: save it again"):
        summarise(path)


def test_matlab_variable_that_is_unpacked_to_much(tmp_path: Path) -> None:
    path = tmp_path / "cell.mat"
    zeros = np.zeros(50 * MEGABYTE // 8)
    savemat(path, {"a": zeros, "dspl": FIELD[0], "b": zeros}, do_compression=True)
    tracemalloc.start()
    read_displacement(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * MEGABYTE


@pytest.mark.parametrize(
    ("n_nested", "words"), [(10, "values in one variable"), (40, "are nested")]
)
def test_matlab_cells_that_refer_to_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_nested: int, words: str
) -> None:
    monkeypatch.setattr("napari_vit_tfm.io.matlab.variables._MOST_VALUES", 500)
    path = tmp_path / "cell.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        before = file.create_dataset("#refs#/0", data=FIELD[0, ..., 0])
        for number in range(1, n_nested):
            cell = file.create_dataset(f"#refs#/{number}", (2,), h5py.ref_dtype)
            cell[:] = before.ref
            before = cell
        for name in ("x", "y", "u_original", "v_original"):
            file[name] = before
    content = bytearray(path.read_bytes())
    content[:128] = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    path.write_bytes(content)
    with pytest.raises(FieldFileError, match=words):
        read_displacement(path)


@pytest.mark.parametrize("mask", [np.array(["a", "b"]), np.zeros((0, 4), np.uint8)])
def test_mask_without_numbers(tmp_path: Path, mask: np.ndarray) -> None:
    np.save(tmp_path / "mask.npy", mask)
    with pytest.raises(FieldFileError, match="mask"):
        read_labels(tmp_path / "mask.npy")
