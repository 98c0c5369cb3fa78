from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import (
    read_displacement,
    read_traction,
    summarise,
    write_traction,
)

Array = npt.NDArray[np.float64]
RNG = np.random.default_rng(0)
ROWS, COLUMNS, STEP = 9, 12, 8
FIELD = np.round(RNG.normal(size=(ROWS, COLUMNS, 2)), 4)
HOLE = (3, 5)
WITH_HOLE = FIELD.copy()
WITH_HOLE[HOLE] = np.nan


def table(field: Array = FIELD, *, column_by_column: bool = False) -> Array:
    """Lines ``x, y, u, v``, row by row from the top of the image."""
    rows, columns = np.indices(field.shape[:2])
    lines = np.stack([4 + STEP * columns, 4 + STEP * rows], axis=-1)
    both = np.concatenate([lines, field], axis=-1)
    return (both.transpose(1, 0, 2) if column_by_column else both).reshape(-1, 4)


def upwards(lines: Array) -> Array:
    """The same vectors with y counted from the bottom."""
    return lines * (1, -1, 1, -1) + (0, 8 + STEP * (ROWS - 1), 0, 0)


def at_hole(value: float, others: float) -> Array:
    """A column with one value at the hole, and another one elsewhere."""
    column = np.full((ROWS, COLUMNS), others)
    column[HOLE] = value
    return column.ravel()


def text_of(
    *columns: Array,
    separator: str = " ",
    number: Callable[[float], str] = "{:.4f}".format,
    end: str = "\n",
) -> str:
    lines = np.column_stack(columns)
    return "".join(separator.join(map(number, line)) + end for line in lines.tolist())


def written(path: Path, text: str, **options: str) -> Path:
    path.write_text(text, newline="", encoding=options.get("encoding", "utf-8"))
    return path


def assert_field(stack_data: npt.NDArray[np.float32], expected: Array) -> None:
    np.testing.assert_allclose(
        stack_data, expected.reshape(stack_data.shape), atol=1e-6
    )


# ImageJ's iterative PIV


def piv_lines(flag: float, lines: Array | None = None) -> Array:
    lines = table() if lines is None else lines
    filler = np.full((len(lines), 10), 0.5)
    length = np.hypot(lines[:, 2], lines[:, 3])
    return np.column_stack([lines, length, filler, at_hole(flag, 0)])


@pytest.mark.parametrize(
    ("flag", "expected"),
    [(-1, WITH_HOLE), (0, FIELD), (21, FIELD), (999, FIELD)],
)
def test_flags_of_imagej_piv(tmp_path: Path, flag: float, expected: Array) -> None:
    path = written(tmp_path / "a_PIV3_disp.txt", text_of(piv_lines(flag), end=" \n"))
    notes: list[str] = []
    stack = read_displacement(path, on_notice=notes.append)
    assert (stack.unit, stack.spacing_in_unit) == ("px", pytest.approx(STEP))
    assert_field(stack.data, expected)
    interpolated = [
        "a_PIV3_disp.txt: vectors that are marked as interpolated are kept: 1"
    ]
    assert notes == (interpolated if flag == 999 else [])


def german(number: float) -> str:
    return f"{number:,.4f}".replace(",", "_").replace(".", ",").replace("_", ".")


def french(number: float) -> str:
    return f"{number:,.4f}".replace(",", "\u202f").replace(".", ",")


def swiss(number: float) -> str:
    return f"{number:,.4f}".replace(",", "\u2019").replace("-", "\u2212")


@pytest.mark.parametrize("number", ["{:,.4f}".format, german, french, swiss])
@pytest.mark.parametrize("offset", [0, 996])
def test_numbers_in_the_language_of_the_computer(
    tmp_path: Path, number: Callable[[float], str], offset: int
) -> None:
    lines = table() + np.array([offset, 0, 0, 0])
    text = text_of(piv_lines(-1, lines), number=number)
    stack = read_displacement(written(tmp_path / "a.txt", text))
    assert stack.spacing_in_unit == pytest.approx(STEP)
    assert_field(stack.data, WITH_HOLE)


def test_commas_that_can_be_read_in_two_ways_are_refused(tmp_path: Path) -> None:
    text = text_of(1000 + table()[:, :2], table()[:, :2], number="{:,.0f}".format)
    with pytest.raises(FieldFileError, match="decimal commas or grouping signs"):
        summarise(written(tmp_path / "a.txt", text))


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_16_columns_with_two_decimals_each_rounded_alone(
    tmp_path: Path, scale: float
) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[8:200:8, 8:240:8]
    u, v = scale * rng.normal(0, 0.4, (2, *x.shape))
    columns = [x, y, u, v, np.hypot(u, v), *(np.zeros((11, *x.shape)))]
    rows = np.stack([np.asarray(part, float).ravel() for part in columns], axis=1)
    path = tmp_path / "a_PIV2_disp.txt"
    np.savetxt(path, rows, fmt="%.2f")
    found = read_displacement(path)
    assert found.unit == "px"
    np.testing.assert_allclose(found.data[0, ..., 0], u, atol=0.006)


def test_16_other_columns_are_refused(tmp_path: Path) -> None:
    lines = piv_lines(0)
    lines[:, 4] = 7
    with pytest.raises(FieldFileError, match="fifth is not the length"):
        summarise(written(tmp_path / "a.txt", text_of(lines)))


# ImageJ's FTTC plugin


@pytest.mark.parametrize("column_by_column", [False, True])
@pytest.mark.parametrize("separator", ["\t", " ", "   ", ", ", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_four_columns(
    tmp_path: Path, column_by_column: bool, separator: str, end: str
) -> None:
    lines = table(column_by_column=column_by_column)
    path = written(tmp_path / "a.txt", text_of(lines, separator=separator, end=end))
    notes: list[str] = []
    stack = read_displacement(path, on_notice=notes.append)
    assert (stack.unit, stack.spacing_in_unit) == ("px", pytest.approx(STEP))
    assert_field(stack.data, FIELD)
    assert len(notes) == 2
    assert "x, y, ux, uy in camera pixels" in notes[0]
    assert "y is taken as pointing down (otherwise" in notes[1]
    notes.clear()
    read_displacement(path, y="up", on_notice=notes.append)
    assert len(notes) == 1


def test_vectors_are_placed_by_their_positions(tmp_path: Path) -> None:
    lines = RNG.permutation(table())[:-1]
    missing = set(map(tuple, table()[:, :2])) - set(map(tuple, lines[:, :2]))
    ((x, y),) = missing
    stack = read_displacement(written(tmp_path / "a.txt", text_of(lines)))
    expected = FIELD.copy()
    expected[int(y) // STEP, int(x) // STEP] = np.nan
    assert_field(stack.data, expected)
    assert "nodes of the grid without a vector: 1" in stack.metadata["notes"]


def test_four_columns_less_than_a_pixel_apart_have_no_unit(tmp_path: Path) -> None:
    lines = table() * (0.05, 0.05, 1, 1)
    stack = read_displacement(written(tmp_path / "a.txt", text_of(lines)))
    assert (stack.unit, stack.spacing_in_unit) == (None, pytest.approx(0.4))


def test_the_largest_y_in_the_first_of_four_columns_is_said(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", text_of(table()[::-1]))
    stack = read_displacement(path)
    assert_field(stack.data, FIELD)
    assert "although the first line has the largest y" in stack.metadata["notes"][1]
    assert_field(read_displacement(path, y="up").data, (FIELD * (1, -1))[::-1])


@pytest.mark.parametrize("n_columns", [4, 5])
@pytest.mark.parametrize("name", ["force_1", "stress", "velocity"])
def test_tables_called_otherwise_are_not_displacements(
    tmp_path: Path, name: str, n_columns: int
) -> None:
    lines = np.column_stack([table(), np.hypot(*table()[:, 2:].T)])[:, :n_columns]
    path = written(tmp_path / f"{name}.txt", text_of(lines))
    with pytest.raises(FieldFileError, match="according to the file's name"):
        read_displacement(path)
    assert_field(read_displacement(path, dataset="vectors", unit="px").data, FIELD)


def test_a_comment_that_says_velocity(tmp_path: Path) -> None:
    header = '#DaVis 8.4 2D-vector "position" "mm" "velocity" "m/s"\n'
    path = written(tmp_path / "a.txt", header + text_of(table()))
    with pytest.raises(FieldFileError, match="a velocity"):
        read_displacement(path)


PARAMETERS = """Young's Modulus (E): 8000.0
Regularization factor(lambda): 1.0E-9
pixel size (in micron): {}
Poisson ratio: 0.5
"""


@pytest.mark.parametrize("pixel", ["0.2", "2.0E-7"])
def test_tractions_of_fttc(tmp_path: Path, pixel: str) -> None:
    lines = table(100 * FIELD)
    path = tmp_path / "Traction_a.txt"
    written(path, text_of(lines, np.hypot(*lines[:, 2:].T)))
    written(tmp_path / "FTTCparameters_a.txt", PARAMETERS.format(pixel))
    notes: list[str] = []
    traction = read_traction(path, on_notice=notes.append)
    assert traction.unit == "Pa"
    assert traction.spacing_um == pytest.approx(0.2 * STEP)
    assert (traction.gel.young_pa, traction.gel.poisson) == (8000, 0.5)
    assert_field(traction.data, 100 * FIELD)
    assert "FTTCparameters_a.txt" in notes[0]
    assert ("is taken as metres" in notes[-1]) == (pixel == "2.0E-7")
    with pytest.raises(FieldFileError, match=r"tractions .* traction"):
        read_displacement(path)


@pytest.mark.parametrize(
    ("young", "expected"),
    [("10,000", None), ("10.000,0", None), ("8000,5", 8000.5), ("8E3", 8000)],
)
def test_parameters_of_fttc_with_commas(
    tmp_path: Path, young: str, expected: float | None
) -> None:
    path = written(tmp_path / "Traction_a.txt", text_of(table()))
    text = PARAMETERS.format(0.2).replace("8000.0", young)
    written(tmp_path / "FTTCparameters_a.txt", text)
    traction = read_traction(path)
    assert traction.gel.young_pa == expected
    is_said = any("is not used" in note for note in traction.metadata["notes"])
    assert is_said == (expected is None)


def test_tractions_of_fttc_without_parameters(tmp_path: Path) -> None:
    path = written(tmp_path / "Traction_a.txt", text_of(table()))
    traction = read_traction(path)
    assert (traction.unit, traction.spacing_um, traction.gel.young_pa) == (
        "Pa",
        None,
        None,
    )


# OpenPIV


@pytest.mark.parametrize("header", ["# x\ty\tu\tv\tmask\n", ""])
def test_old_openpiv(tmp_path: Path, header: str) -> None:
    mask = at_hole(1, 0)
    mask[0] = 1
    lines = upwards(table(np.nan_to_num(WITH_HOLE)))
    text = header + text_of(lines, mask, separator="\t")
    stack = read_displacement(written(tmp_path / "a.txt", text))
    assert stack.unit is None
    assert stack.metadata["y"] == "up"
    assert_field(stack.data, WITH_HOLE)
    notes = " ".join(stack.metadata["notes"])
    assert "marked in the mask but not zero are kept" in notes
    assert "y is taken as pointing up" in notes


@pytest.mark.parametrize("header", ["# x\ty\tu\tv\tflags\tmask\n", ""])
@pytest.mark.parametrize(
    ("flag", "mask", "expected"),
    [(0, 1, WITH_HOLE), (1, 0, WITH_HOLE), (2, 0, FIELD), (0, 0, FIELD)],
)
def test_new_openpiv(
    tmp_path: Path, header: str, flag: float, mask: float, expected: Array
) -> None:
    columns = upwards(table()), at_hole(flag, 0), at_hole(mask, 0)
    text = header + text_of(*columns, separator="\t", number="{:.4e}".format)
    stack = read_displacement(written(tmp_path / "a.txt", text))
    assert_field(stack.data, expected)
    assert any("interpolated" in note for note in stack.metadata["notes"]) == (
        flag == 2
    )


def test_openpiv_that_was_not_transformed(tmp_path: Path) -> None:
    text = "# x\ty\tu\tv\tmask\n" + text_of(table(), at_hole(0, 0), separator="\t")
    path = written(tmp_path / "a.txt", text)
    stack = read_displacement(path)
    assert stack.metadata["y"] == "down"
    assert "the first line has the smallest y" in stack.metadata["notes"][0]
    assert_field(stack.data, FIELD)
    assert_field(read_displacement(path, y="up").data, (FIELD * (1, -1))[::-1])


def test_nan_in_openpiv(tmp_path: Path) -> None:
    lines = upwards(table(WITH_HOLE))
    text = "# x\ty\tu\tv\tmask\n" + text_of(lines, at_hole(0, 0), separator="\t")
    assert_field(read_displacement(written(tmp_path / "a.txt", text)).data, WITH_HOLE)


# PIVlab

PIVLAB = (
    "PIVlab, ASCII chart output - 01-Jan-2026 10:00:00\r\n"
    "FRAME: 1, filenames: A.tif & B.tif, conversion factor xy (px -> m): {0}, "
    "conversion factor uv (px/frame -> m/s): {0}\r\n"
)
PIVLAB_NAMES = ("x [px]", "y [px]", "u [px/frame]", "v [px/frame]", "Vector type [-]")


@pytest.mark.parametrize("separator", [",", "\t", " "])
@pytest.mark.parametrize("with_names", [True, False])
@pytest.mark.parametrize("vector_type", [0, 2])
def test_pivlab(
    tmp_path: Path, separator: str, with_names: bool, vector_type: float
) -> None:
    text = "\ufeff" + PIVLAB.format(1)
    if with_names:
        text += separator.join((*PIVLAB_NAMES, "Vorticity [1/frame]")) + "\r\n"
    types = at_hole(vector_type, 1).reshape(ROWS, COLUMNS).T.ravel()
    text += text_of(
        table(column_by_column=True), types, types, separator=separator, end="\r\n"
    )
    stack = read_displacement(written(tmp_path / "a.txt", text))
    assert (stack.unit, stack.metadata["y"]) == ("px", "down")
    assert stack.spacing_in_unit == pytest.approx(STEP)
    assert_field(stack.data, FIELD if vector_type else WITH_HOLE)


def test_pivlab_without_any_header(tmp_path: Path) -> None:
    text = text_of(table(WITH_HOLE), at_hole(0, 1), separator=",")
    stack = read_displacement(written(tmp_path / "a.txt", text))
    assert (stack.unit, stack.metadata["y"]) == (None, "down")
    assert_field(stack.data, WITH_HOLE)
    assert "the vector type of PIVlab" in stack.metadata["notes"][0]


def test_pivlab_in_metres_per_frame(tmp_path: Path) -> None:
    header = "x [m],y [m],u [m/frame],v [m/frame],Vector type [-]\n"
    text = header + text_of(
        table() * 1e-7, at_hole(0, 1), separator=",", number="{:.6e}".format
    )
    stack = read_displacement(written(tmp_path / "a.txt", text))
    assert stack.unit == "um"
    assert stack.spacing_um == pytest.approx(0.8)
    np.testing.assert_allclose(stack.data[0], WITH_HOLE * 0.1, atol=1e-6)


@pytest.mark.parametrize("with_names", [True, False])
def test_velocities_of_pivlab_are_refused(tmp_path: Path, with_names: bool) -> None:
    text = PIVLAB.format(2e-7)
    if with_names:
        text += "x [m],y [m],u [m/s],v [m/s],Vector type [-]\r\n"
    path = written(
        tmp_path / "a.txt", text + text_of(table(), at_hole(0, 1), separator=",")
    )
    with pytest.raises(FieldFileError, match="a velocity: per second"):
        read_displacement(path)
    with pytest.raises(FieldFileError, match="a velocity, in 'm per second'"):
        read_displacement(path, dataset="u, v")


# Tecplot


def jpiv(lines: Array, *, rows: int = ROWS) -> str:
    zone = f"ZONE I={COLUMNS}, J={rows}, F=POINT\n"
    header = 'TITLE="a"\nVARIABLES = "x", "y", "ux", "uy", "s"\n' + zone
    return header + text_of(lines, at_hole(-1, 0.8))


def test_jpiv(tmp_path: Path) -> None:
    stack = read_displacement(written(tmp_path / "a.jvc", jpiv(table())))
    assert stack.unit is None
    assert stack.metadata["notes"] == (
        "vectors that the column s marks as missing: 1 of 108 (0 and negative numbers "
        "are missing)",
    )
    assert_field(stack.data, WITH_HOLE)


def test_incomplete_jpiv_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jvc", jpiv(table(), rows=ROWS + 1))
    with pytest.raises(
        FieldFileError, match=r"108 vectors, but its header says I=12, J=10"
    ):
        summarise(path)


def test_insight(tmp_path: Path) -> None:
    header = (
        'TITLE="a" VARIABLES="X mm", "Y mm", "U mm", "V mm", "CHC", ZONE I=12, J=9\n'
    )
    text = header + text_of(table() / 1000, at_hole(-2, 1), separator=", ", number=repr)
    stack = read_displacement(written(tmp_path / "a.vec", text))
    assert stack.unit == "um"
    assert stack.spacing_um == pytest.approx(STEP)
    np.testing.assert_allclose(stack.data[0], WITH_HOLE, atol=1e-6)


def zone(lines: Array, *, columns: int = COLUMNS, more: str = "") -> str:
    return f'ZONE T="a", I={columns}, J={ROWS}, F=POINT\n{more}' + text_of(lines)


TECPLOT = 'TITLE="a"\nVARIABLES = "x [um]", "y [um]", "u [um]", "v [um]"\n'


@pytest.mark.parametrize("more", ["", "STRANDID=1, SOLUTIONTIME=2\nDT=(SINGLE)\n"])
def test_each_zone_is_a_frame(tmp_path: Path, more: str) -> None:
    zones = [zone(table(factor * FIELD), more=more) for factor in (1, 2, 3)]
    stack = read_displacement(written(tmp_path / "a.dat", TECPLOT + "".join(zones)))
    assert stack.unit == "um"
    assert_field(stack.data, np.stack([FIELD, 2 * FIELD, 3 * FIELD]))
    assert "each of the 3 zones of the file is one frame" in stack.metadata["notes"]


def test_an_incomplete_zone_is_refused(tmp_path: Path) -> None:
    text = TECPLOT + zone(table()) + zone(table(2 * FIELD)[:-1])
    with pytest.raises(FieldFileError, match=r"107 vectors in zone 2, .* I=12, J=9"):
        summarise(written(tmp_path / "a.dat", text))


def test_zones_of_other_regions_are_refused(tmp_path: Path) -> None:
    text = TECPLOT + zone(table()) + zone(table() + np.array([STEP, 0, 0, 0]))
    with pytest.raises(FieldFileError, match=r"zone 2 begin at \(12, 4\), but at \(4"):
        summarise(written(tmp_path / "a.dat", text))


def test_zones_variable_by_variable_are_refused(tmp_path: Path) -> None:
    numbers = text_of(table().T.reshape(-1, COLUMNS))
    text = f"{TECPLOT}ZONE I=12, J=9, DATAPACKING=BLOCK\n{numbers}"
    with pytest.raises(FieldFileError, match="DATAPACKING=POINT"):
        summarise(written(tmp_path / "a.dat", text))


# DaVis


def davis(unit: str, *, rows: int = ROWS, names: str = '"x" "mm" "y" "mm"') -> str:
    return f'#DaVis 8.4.0 2D-vector 16 {COLUMNS} {rows} {names} "vector" "{unit}"\n'


@pytest.mark.parametrize("names", ['"x" "mm" "y" "mm"', '"position" "mm" "" "mm"'])
def test_davis(tmp_path: Path, names: str) -> None:
    lines = upwards(table())
    text = davis("mm", names=names) + text_of(lines, separator="\t", number=german)
    stack = read_displacement(written(tmp_path / "B00001.txt", text))
    assert (stack.unit, stack.spacing_um) == ("um", pytest.approx(1000 * STEP))
    np.testing.assert_allclose(stack.data[0], 1000 * FIELD, rtol=1e-6)
    assert len(stack.metadata["notes"]) == 1
    assert "y is taken as pointing up" in stack.metadata["notes"][0]


def test_davis_in_pixels(tmp_path: Path) -> None:
    text = davis("pixel", names='"" "pixel" "" "pixel"') + text_of(table())
    stack = read_displacement(written(tmp_path / "B00001.txt", text))
    assert (stack.unit, stack.spacing_in_unit) == ("px", pytest.approx(STEP))
    assert (stack.metadata["y"], stack.metadata["notes"]) == ("down", ())
    assert_field(stack.data, FIELD)


def test_incomplete_files_of_davis_are_refused(tmp_path: Path) -> None:
    text = davis("mm", rows=ROWS + 1) + text_of(table())
    with pytest.raises(FieldFileError, match=r"108 vectors, .* says 12 x 10"):
        summarise(written(tmp_path / "B00001.txt", text))


def test_the_third_component_of_davis_is_not_used(tmp_path: Path) -> None:
    header = davis("mm").replace("2D", "3D")
    text = header + text_of(table(), at_hole(1, 2), separator="\t")
    stack = read_displacement(written(tmp_path / "B00001.txt", text))
    np.testing.assert_allclose(stack.data[0], 1000 * FIELD, rtol=1e-6)
    assert "other columns are not used: w" in stack.metadata["notes"]


# Tables with names of columns


@pytest.mark.parametrize(
    ("names", "unit"),
    [
        ("x,y,u,v", None),
        ("X,Y,U,V", None),
        ('"x","y","dx","dy"', None),
        ("x [px],y [px],ux [px],uy [px]", "px"),
        ("x (pixels),y (pixels),u_x (pixels),u_y (pixels)", "px"),
        ("x_um,y_um,disp_x_um,disp_y_um", "um"),
        ("pos_x [µm],pos_y [µm],x_displacement [µm],y_displacement [µm]", "um"),
        ("# x,y,u,v", None),
    ],
)
def test_names_and_units(tmp_path: Path, names: str, unit: str | None) -> None:
    text = names + "\n" + text_of(table(), separator=",")
    stack = read_displacement(written(tmp_path / "a.csv", text))
    assert stack.unit == unit
    assert stack.spacing_in_unit == pytest.approx(STEP)
    assert stack.spacing_um == (pytest.approx(STEP) if unit == "um" else None)
    assert_field(stack.data, FIELD)
    assert any("down is assumed" in note for note in stack.metadata["notes"])


@pytest.mark.parametrize("separator", [",", "\t"])
def test_units_in_a_line_below_the_names(tmp_path: Path, separator: str) -> None:
    lines = text_of(table(), separator=separator)
    for unit in ("px", "[px]"):
        names = separator.join("xyuv") + "\n" + separator.join([unit] * 4) + "\n"
        stack = read_displacement(written(tmp_path / "a.txt", names + lines))
        assert (stack.unit, stack.spacing_in_unit) == ("px", pytest.approx(STEP))
    names = separator.join("xyuv") + "\n" + separator.join(["m", "m", "m/s", "m/s"])
    path = written(tmp_path / "a.txt", f"{names}\n{lines}")
    with pytest.raises(FieldFileError, match="a velocity: per second"):
        read_displacement(path)


@pytest.mark.parametrize(
    ("names", "first", "last"),
    [
        (" \tx\ty\tdx\tdy", "1\t", ""),
        ("x\ty\tu\tv", "", "\t"),
        ("x\ty\tu\tv\t", "", ""),
    ],
)
def test_columns_without_a_name_at_the_ends(
    tmp_path: Path, names: str, first: str, last: str
) -> None:
    lines = text_of(table(), separator="\t").splitlines()
    text = names + "\n" + "".join(f"{first}{line}{last}\n" for line in lines)
    assert_field(read_displacement(written(tmp_path / "a.txt", text)).data, FIELD)


def test_other_columns_are_not_used(tmp_path: Path) -> None:
    lines = text_of(table(), separator=";").splitlines()
    text = "un;label;x;y;u;v;\n" + "".join(f"1;cell A;{line};\n" for line in lines)
    stack = read_displacement(written(tmp_path / "a.csv", text))
    assert_field(stack.data, FIELD)
    assert "other columns are not used: un, label" in stack.metadata["notes"]


@pytest.mark.parametrize("missing", ["", "NA", "nan", "null"])
def test_missing_numbers_are_holes(tmp_path: Path, missing: str) -> None:
    text = "x,y,u,v\n" + text_of(table(WITH_HOLE), separator=",").replace(
        "nan", missing
    )
    assert_field(read_displacement(written(tmp_path / "a.csv", text)).data, WITH_HOLE)


def test_a_mask_of_words(tmp_path: Path) -> None:
    lines = text_of(table(np.nan_to_num(WITH_HOLE)), separator=",").splitlines()
    mask = np.where(at_hole(1, 0), "True", "False")
    text = "x,y,u,v,mask\n" + "".join(map("{},{}\n".format, lines, mask))
    assert_field(read_displacement(written(tmp_path / "a.csv", text)).data, WITH_HOLE)


@pytest.mark.parametrize(
    ("name", "missing", "valid"),
    [
        ("mask", 1, 0),
        ("masked", 1, 0),
        ("flag", 1, 0),
        ("flags", 1, 0),
        ("flags", 1, 2),
        ("valid", 0, 1),
        ("is_valid", 0, 1),
        ("type", 0, 1),
        ("typevector", 0, 1),
        ("Vector type [-]", 0, 2),
        ("CHC", -1, 1),
        ("status", 0, 1),
        ("flag", np.nan, 0.0),
    ],
)
def test_columns_of_marks(
    tmp_path: Path, name: str, missing: float, valid: float
) -> None:
    lines = text_of(table(), at_hole(missing, valid), separator=",")
    path = written(tmp_path / "a.csv", f"x,y,u,v,{name}\n{lines}")
    stack = read_displacement(path)
    assert_field(stack.data, WITH_HOLE)
    notes = " ".join(stack.metadata["notes"])
    assert "marks as missing: 1 of 108 (" in notes
    assert ("as interpolated are kept: 107" in notes) == (valid == 2)


def test_numbers_without_a_known_meaning_are_said(tmp_path: Path) -> None:
    lines = text_of(table(), at_hole(7, 0), separator=",")
    stack = read_displacement(written(tmp_path / "a.csv", f"x,y,u,v,flag\n{lines}"))
    assert_field(stack.data, FIELD)
    assert any("the meaning of 7 in" in note for note in stack.metadata["notes"])


@pytest.mark.parametrize(("name", "most"), [("flag", 1), ("valid", 0), ("status", 0)])
def test_marks_that_mean_the_opposite_are_refused(
    tmp_path: Path, name: str, most: float
) -> None:
    lines = text_of(table(), at_hole(1 - most, most), separator=",")
    path = written(tmp_path / "a.csv", f"x,y,u,v,{name}\n{lines}")
    with pytest.raises(FieldFileError, match=r'107 of 108 .* call the column "valid"'):
        summarise(path)


def test_all_columns_of_marks_are_used(tmp_path: Path) -> None:
    other = np.ones(ROWS * COLUMNS)
    other[0] = 0
    lines = text_of(table(), at_hole(1, 0), other, separator=",")
    expected = WITH_HOLE.copy()
    expected[0, 0] = np.nan
    path = written(tmp_path / "a.csv", f"x,y,u,v,mask,valid\n{lines}")
    assert_field(read_displacement(path).data, expected)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = "x [µm];y [µm];u [µm];v [µm]\n" + text_of(
        table(), separator=";", number=german
    )
    path = written(tmp_path / "a.csv", text, encoding=encoding)
    stack = read_displacement(path)
    assert stack.unit == "um"
    assert_field(stack.data, FIELD)


def test_positions_in_um_and_displacements_in_px(tmp_path: Path) -> None:
    text = "x [um],y [um],u [px],v [px]\n" + text_of(table(), separator=",")
    stack = read_displacement(written(tmp_path / "a.csv", text))
    assert (stack.unit, stack.spacing_um) == ("px", pytest.approx(STEP))
    assert stack.spacing_in_unit is None


def test_components_in_different_units_are_refused(tmp_path: Path) -> None:
    text = "x,y,u [px],v [um]\n" + text_of(table(), separator=",")
    with pytest.raises(FieldFileError, match="units px and um, expected the same"):
        summarise(written(tmp_path / "a.csv", text))


@pytest.mark.parametrize("name", ["frame", "t", "Time [s]", "slice"])
def test_frames_in_a_column(tmp_path: Path, name: str) -> None:
    number = np.repeat([10, 2], len(table()))
    lines = RNG.permutation(
        np.column_stack([number, np.concatenate([table(), table(2 * FIELD)])])
    )
    text = f"{name},x,y,u,v\n" + text_of(lines, separator=",")
    stack = read_displacement(written(tmp_path / "a.csv", text))
    assert_field(stack.data, np.stack([2 * FIELD, FIELD]))
    assert any("not consecutive" in note for note in stack.metadata["notes"])


def test_times_that_are_not_whole_are_refused(tmp_path: Path) -> None:
    time = np.repeat([0, 0.5], len(table()))
    text = "t,x,y,u,v\n" + text_of(time, np.tile(table(), (2, 1)), separator=",")
    with pytest.raises(
        FieldFileError, match=r"column t .* 0\.5, expected whole numbers"
    ):
        summarise(written(tmp_path / "a.csv", text))


def test_several_fields_in_one_table(tmp_path: Path) -> None:
    text = "x,y,u,v,u_err,v_err,tx [Pa],ty [Pa]\n" + text_of(
        table(), table()[:, 2:] / 10, table()[:, 2:] * 50, separator=","
    )
    path = written(tmp_path / "a.csv", text)
    assert_field(read_displacement(path).data, FIELD)
    assert_field(read_traction(path).data, 50 * FIELD)


def test_two_displacements_are_not_chosen_from(tmp_path: Path) -> None:
    text = "x,y,u,v,dx,dy\n" + text_of(table(), 2 * table()[:, 2:], separator=",")
    path = written(tmp_path / "a.csv", text)
    with pytest.raises(FieldFileError, match="several arrays may be the displacement"):
        read_displacement(path)
    assert_field(read_displacement(path, dataset="dx, dy").data, 2 * FIELD)


@pytest.mark.parametrize("names", ["x,y,vx,vy", "u,v,a,b", "lon,lat,east,north"])
def test_unknown_names_are_refused(tmp_path: Path, names: str) -> None:
    path = written(tmp_path / "a.csv", f"{names}\n" + text_of(table(), separator=","))
    with pytest.raises(FieldFileError, match=r"expected (positions|names)"):
        summarise(path)


def test_too_few_names_are_refused(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a.csv", "x,y,u,v\n" + text_of(table(), table(), separator=",")
    )
    with pytest.raises(FieldFileError, match=r"4 names of columns .* has 8 columns"):
        summarise(path)


# Tables without names


def test_the_fifth_column_may_be_the_length(tmp_path: Path) -> None:
    text = text_of(table(), np.hypot(*table()[:, 2:].T))
    stack = read_displacement(written(tmp_path / "a.txt", text))
    assert stack.unit is None
    assert_field(stack.data, FIELD)
    assert "the length of the vectors" in stack.metadata["notes"][0]


@pytest.mark.parametrize("n_more", [1, 2])
def test_unknown_columns_are_refused(tmp_path: Path, n_more: int) -> None:
    text = text_of(table(), RNG.normal(size=(len(table()), n_more)))
    with pytest.raises(FieldFileError, match=r"name the columns in a first line"):
        summarise(written(tmp_path / "a.txt", text))


# Matrices of one component


@pytest.mark.parametrize(
    ("names", "unit"), [(("01u", "01v"), "px"), (("disp_x", "disp_y"), None)]
)
def test_two_matrices(tmp_path: Path, names: tuple[str, str], unit: str | None) -> None:
    for name, component in zip(names, np.moveaxis(WITH_HOLE, -1, 0), strict=True):
        np.savetxt(tmp_path / f"{name}.txt", component)
    stack = read_displacement(tmp_path / f"{names[1]}.txt")
    assert stack.unit == unit
    assert_field(stack.data, WITH_HOLE)


def test_matrices_of_16_columns(tmp_path: Path) -> None:
    field = RNG.normal(size=(20, 16, 2))
    for name, component in zip("uv", np.moveaxis(field, -1, 0), strict=True):
        np.savetxt(tmp_path / f"01{name}.txt", component)
    assert_field(read_displacement(tmp_path / "01u.txt").data, field)


def test_matrices_of_tractions(tmp_path: Path) -> None:
    for name, component in zip("xy", np.moveaxis(FIELD, -1, 0), strict=True):
        np.savetxt(tmp_path / f"t{name}.txt", component)
    traction = read_traction(tmp_path / "tx.txt")
    assert traction.unit == "Pa"
    assert_field(traction.data, FIELD)


def test_a_matrix_alone_is_refused(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "01u.txt", FIELD[..., 0])
    with pytest.raises(FieldFileError, match=r"01v\.txt with the other component is"):
        read_displacement(tmp_path / "01u.txt")


def test_tables_called_like_components_are_not_joined(tmp_path: Path) -> None:
    for name, factor in (("a_x", 1), ("a_y", 2)):
        text = "x,y,u,v\n" + text_of(table(factor * FIELD), separator=",")
        written(tmp_path / f"{name}.csv", text)
    assert_field(read_displacement(tmp_path / "a_y.csv").data, 2 * FIELD)


# Damaged files


def test_a_line_of_another_length_is_refused_with_its_number(tmp_path: Path) -> None:
    lines = ("# x y u v\n\n" + text_of(table())).split("\n")
    lines[20] = lines[20].rpartition(" ")[0]
    path = written(tmp_path / "a.txt", "\n".join(lines))
    with pytest.raises(FieldFileError, match="line 21 has 3 columns, but line 3 has 4"):
        summarise(path)


@pytest.mark.parametrize("separator", [",", " "])
def test_a_word_between_numbers_is_refused_with_its_line(
    tmp_path: Path, separator: str
) -> None:
    lines = text_of(table(), separator=separator).split("\n")
    lines[30] = separator.join(["4", "four", "0.5", "0.5"])
    path = written(tmp_path / "a.txt", "\n".join(lines))
    with pytest.raises(FieldFileError, match="line 31, column 2: found 'four'"):
        summarise(path)


@pytest.mark.parametrize("cut", [2, 5, 12, 20])
def test_files_that_are_cut_off_are_refused(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "a.txt", text_of(table())[:-cut])
    with pytest.raises(FieldFileError, match="line 108"):
        summarise(path)


def test_a_file_without_a_newline_at_its_end_is_complete(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", text_of(table())[:-1])
    assert_field(read_displacement(path).data, FIELD)


def test_two_vectors_at_one_position_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", text_of(np.vstack([table(), table()[:1]])))
    with pytest.raises(
        FieldFileError, match=r"a\.txt: vectors: 1 nodes have more than one"
    ):
        read_displacement(path)


@pytest.mark.parametrize(
    "text",
    ["", "Three cells on two gels.\nThe pictures are from 2 days.\n", "1\n2\n3\n"],
)
def test_other_texts_are_refused(tmp_path: Path, text: str) -> None:
    path = written(tmp_path / "README.txt", text)
    with pytest.raises(
        FieldFileError, match=r"README\.txt: found .* expected one of the formats"
    ):
        summarise(path)


TRACTION = TractionStack(
    RNG.normal(size=(2, 4, 5, 2)),
    unit="Pa",
    spacing_um=0.3,
    gel=Gel(young_pa=10_000.0, thickness_um=math.inf),
    model='my "vit", #2',
)


def test_tractions_are_a_tidy_table(tmp_path: Path) -> None:
    path = tmp_path / "traction.csv"
    data = TRACTION.data.copy()
    data[1, 2, 3] = np.nan
    write_traction(path, replace(TRACTION, data=data))
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    names = ["frame", "x_um", "y_um", "tx_Pa", "ty_Pa", "magnitude_Pa", "attributes"]
    assert list(rows[0]) == names
    assert len(rows) == 2 * 4 * 5
    row = rows[1 * 20 + 3 * 5 + 4]
    assert (row["frame"], row["x_um"], row["y_um"]) == ("1", "1.2", "0.9")
    assert np.float32(row["tx_Pa"]) == data[1, 3, 4, 0]
    assert np.float32(row["ty_Pa"]) == data[1, 3, 4, 1]
    assert np.float32(row["magnitude_Pa"]) == np.hypot(*data[1, 3, 4])
    hole = rows[1 * 20 + 2 * 5 + 3]
    assert (hole["x_um"], hole["tx_Pa"], hole["magnitude_Pa"]) == ("0.9", "", "")
    assert json.loads(rows[0]["attributes"])["thickness_um"] == "Infinity"
    assert all(row["attributes"] == "" for row in rows[1:])


def test_a_table_that_a_spreadsheet_has_saved(tmp_path: Path) -> None:
    path = tmp_path / "traction.csv"
    write_traction(path, TRACTION)
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    for row in rows[1:]:
        row[:-1] = [field.replace(".", ",") for field in row[:-1]]
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, delimiter=";").writerows(rows)
    back = read_traction(path)
    np.testing.assert_array_equal(back.data, TRACTION.data)
    for name in ("unit", "spacing_um", "gel", "model"):
        assert getattr(back, name) == getattr(TRACTION, name)


def test_a_table_without_its_attributes_keeps_units_and_spacing(tmp_path: Path) -> None:
    path = tmp_path / "traction.csv"
    write_traction(path, TRACTION)
    with path.open(newline="", encoding="utf-8") as stream:
        rows = [row[:-1] for row in csv.reader(stream)]
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    back = read_traction(path)
    np.testing.assert_array_equal(back.data, TRACTION.data)
    assert (back.unit, back.spacing_um, back.gel) == ("Pa", 0.3, Gel())


def test_damaged_attributes(tmp_path: Path) -> None:
    path = tmp_path / "traction.csv"
    write_traction(path, TRACTION)
    path.write_text(path.read_text("utf-8").replace('"{""', '"{"'))
    with pytest.raises(FieldFileError, match="the column attributes is damaged"):
        read_traction(path)


@pytest.mark.parametrize("spacing", ["3", "0.6"])
def test_a_spacing_that_the_positions_contradict_is_refused(
    tmp_path: Path, spacing: str
) -> None:
    path = tmp_path / "traction.csv"
    write_traction(path, TRACTION)
    text = path.read_text("utf-8")
    assert '""spacing_um"": 0.3' in text
    path.write_text(text.replace('um"": 0.3', f'um"": {spacing}'), "utf-8")
    with pytest.raises(FieldFileError, match=f"is {spacing}, but .* are 0.3 um apart"):
        read_traction(path)


def test_a_table_that_lacks_lines_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "traction.csv"
    write_traction(path, TRACTION)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    n_frame = TRACTION.data[0].size // 2
    for part in (
        lines[: 1 + n_frame],  # cut off between two frames
        lines[:-1],
        [*lines[:5], *lines[6:]],
        [*lines, lines[-1]],
    ):
        path.write_text("".join(part), "utf-8")
        with pytest.raises(FieldFileError, match=f"expected {len(lines) - 1}: the tab"):
            read_traction(path)
    path.write_text("".join([lines[0], *lines[1 + n_frame :]]), "utf-8")
    with pytest.raises(FieldFileError, match="attributes is empty in the first line"):
        read_traction(path)


@pytest.mark.parametrize("word", ["True", "FALSE", "true"])
def test_true_and_false_are_no_vectors(tmp_path: Path, word: str) -> None:
    path = tmp_path / "cell.csv"
    lines = [f"{8 * x},{8 * y},{x},{y}" for y in range(8) for x in range(9)]
    lines[30] = lines[30].rpartition(",")[0] + f",{word}"
    path.write_text("\n".join(["x,y,u,v", *lines, ""]))
    with pytest.raises(FieldFileError, match=f"line 32, column 4: found '{word}'"):
        read_displacement(path, unit="px")
