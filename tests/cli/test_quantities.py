"""`vit-tfm quantities`, and the table of `vit-tfm predict`."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from click.testing import Result
from PIL import Image

from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import write_displacement, write_traction
from napari_vit_tfm.synthesis import KINDS, synthesise

Command = Callable[..., Result]
ErrorOf = Callable[..., str]

FTTC = ("--model", "bayesian-fttc", "--device", "cpu")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def traction(tmp_path: Path) -> Path:
    """Two frames; one patch of 4 x 4 um pulls to the right, one to the left."""
    data = np.zeros((2, 24, 32, 2), dtype=np.float32)
    data[:, 10:14, 6:10, 0], data[:, 10:14, 20:24, 0] = 100.0, -100.0
    data[1] *= 2
    path = tmp_path / "traction.h5"
    write_traction(
        path,
        TractionStack(data, unit="Pa", spacing_um=1.0, gel=Gel(young_pa=2000.0)),
    )
    return path


def test_one_row_for_each_frame_and_cell(
    vit_tfm: Command, traction: Path, tmp_path: Path
) -> None:
    labels = np.zeros((24, 32), dtype=np.uint8)
    labels[8:16, 4:14], labels[8:16, 18:28] = 3, 5
    tifffile.imwrite(tmp_path / "cells.tif", labels)
    table = tmp_path / "table.csv"
    result = vit_tfm(
        "quantities", traction, "--mask", tmp_path / "cells.tif", "-o", table
    )
    assert f"quantities: {table} (4 rows)" in result.stdout
    assert "note: rows with the flag unbalanced: 4 of 4;" in result.stderr
    rows = rows_of(table)
    assert [(row["frame"], row["cell"]) for row in rows] == [
        *(("0", "3"), ("0", "5"), ("1", "3"), ("1", "5"))
    ]
    assert float(rows[0]["net_force_x_nN"]) == pytest.approx(1.6)
    assert float(rows[3]["net_force_x_nN"]) == pytest.approx(-3.2)
    assert float(rows[0]["area_um2"]) == 80
    assert rows[0]["strain_energy_measured_fJ"] == ""
    assert rows[0]["flags"] == "unbalanced"


@pytest.mark.parametrize("ending", ["npy", "h5", "png"])
def test_masks_of_other_formats_and_of_every_frame(
    vit_tfm: Command, traction: Path, tmp_path: Path, ending: str
) -> None:
    mask = np.zeros((2, 24, 32), dtype=bool)
    mask[0, 8:16, 4:14] = mask[1, 8:16, 18:28] = True
    path = tmp_path / f"mask.{ending}"
    if ending == "npy":
        np.save(path, mask)
    elif ending == "png":
        Image.fromarray(mask[0]).save(path)
    else:
        with h5py.File(path, "w") as file:
            file["labels"] = mask.astype(np.int32)
            file["other"] = np.zeros(3)
    table = tmp_path / "table.csv"
    vit_tfm("quantities", traction, "--mask", path, "-o", table)
    forces = [float(row["net_force_x_nN"]) for row in rows_of(table)]
    # A picture has one frame, for all.
    assert forces == pytest.approx([1.6, 3.2 if ending == "png" else -3.2])


def test_a_cell_that_vanishes_is_named(
    vit_tfm: Command, traction: Path, tmp_path: Path
) -> None:
    labels = np.zeros((2, 24, 32), dtype=np.uint8)
    labels[:, 8:16, 4:14] = 3
    labels[0, 8:16, 18:28] = 5
    tifffile.imwrite(tmp_path / "cells.tif", labels)
    mask = ("--mask", tmp_path / "cells.tif")
    result = vit_tfm("quantities", traction, *mask, "-o", tmp_path / "table.csv")
    assert (
        "note: cells that are not in every frame have no rows in the others: "
        "cell 5 in frame 1" in result.stderr
    )


def test_forces_that_the_method_balances_are_told(
    vit_tfm: Command, tmp_path: Path
) -> None:
    fields = synthesise(1, seed=0, shape=(32, 40), distribution=KINDS["adhesions"]())
    displacement, _ = fields.on_gel(young_pa=5000.0, spacing_um=0.5)
    path, table = tmp_path / "field.h5", tmp_path / "table.csv"
    write_displacement(path, displacement)
    result = vit_tfm(
        *("predict", path, "-o", tmp_path / "out.h5", *FTTC),
        *("--quantities", table, "--controls", 0),
    )
    assert rows_of(table)[0]["flags"] == "balanced"
    assert "note: rows with the flag balanced: 1 of 1; the method" in result.stderr
    vit_tfm("quantities", tmp_path / "out.h5", "-o", table, "--overwrite")
    assert rows_of(table)[0]["flags"] == "balanced"


def test_without_units_the_columns_say_so(vit_tfm: Command, tmp_path: Path) -> None:
    bare = tmp_path / "bare.h5"
    data = np.zeros((16, 16, 2), dtype=np.float32)
    data[6:10, 2:5, 0], data[6:10, 11:14, 0] = 0.1, -0.1
    write_traction(bare, TractionStack(data))
    table = tmp_path / "table.csv"
    vit_tfm("quantities", bare, "-o", table)
    (row,) = rows_of(table)
    assert float(row["total_force_E_steps2"]) == pytest.approx(2.4)
    assert float(row["area_steps2"]) == 256
    assert not any("nN" in name or "Pa" in name or "um" in name for name in row)
    known = ("--spacing", 2, "--young", 1000)
    vit_tfm("quantities", bare, "-o", table, *known, "--overwrite")
    (row,) = rows_of(table)
    assert float(row["total_force_nN"]) == pytest.approx(2.4 * 4 * 1000 * 1e-3)


def test_the_outline_in_the_file_is_the_cell_unless_told(
    vit_tfm: Command, error_of: ErrorOf, traction: Path, tmp_path: Path
) -> None:
    outlined = tmp_path / "outlined.h5"
    data = np.ones((24, 24, 2), dtype=np.float32)
    corners = np.array([[8, 8], [15, 8], [15, 15], [8, 15]], dtype=float)
    write_traction(
        outlined, TractionStack(data, unit="Pa", spacing_um=1.0, outline=corners)
    )
    table = tmp_path / "table.csv"
    areas = []
    for options in ((), ("--region", "outline"), ("--region", "field")):
        vit_tfm("quantities", outlined, "-o", table, *options, "--overwrite")
        areas.append(float(rows_of(table)[0]["area_um2"]))
    assert areas[0] == areas[1]
    assert 49 <= areas[0] <= 64
    assert areas[2] == 576
    error = error_of(
        *("quantities", traction, "-o", table, "--region", "outline", "--overwrite")
    )
    assert "the file has no outline" in error


def test_the_dilation_is_in_micrometres(
    vit_tfm: Command, error_of: ErrorOf, traction: Path, tmp_path: Path
) -> None:
    labels = np.zeros((24, 32), dtype=np.uint8)
    labels[11:13, 14:16] = 1
    np.save(tmp_path / "cell.npy", labels)
    table, mask = tmp_path / "table.csv", ("--mask", tmp_path / "cell.npy")
    found = []
    for dilation in (0, 4, 8):
        options = ("--dilate", dilation, "--overwrite")
        vit_tfm("quantities", traction, "-o", table, *mask, *options)
        found.append(float(rows_of(table)[0]["total_force_nN"]))
    assert found[0] == 0
    assert 0 <= found[1] < found[2]
    bare = tmp_path / "bare.h5"
    write_traction(bare, TractionStack(np.ones((24, 32, 2))))
    error = error_of(
        *("quantities", bare, "-o", table, *mask, "--dilate", 4, "--overwrite")
    )
    assert "needs the vector spacing" in error


def test_the_table_of_adhesions(
    vit_tfm: Command, traction: Path, tmp_path: Path
) -> None:
    table, adhesions = tmp_path / "table.csv", tmp_path / "adhesions.csv"
    vit_tfm("quantities", traction, "-o", table, "--adhesions", adhesions)
    rows = rows_of(adhesions)
    assert [row["adhesion"] for row in rows] == ["1", "2", "1", "2"]
    assert [float(row["force_nN"]) for row in rows] == pytest.approx(
        [1.6, 1.6, 3.2, 3.2]
    )
    assert {float(row["direction_deg"]) % 360 for row in rows} == {0, 180}
    assert float(rows[0]["area_um2"]) == 16


def test_predict_writes_the_table_that_quantities_writes(
    vit_tfm: Command, error_of: ErrorOf, tmp_path: Path
) -> None:
    fields = synthesise(3, seed=0, shape=(32, 40), distribution=KINDS["adhesions"]())
    displacement, _ = fields.on_gel(young_pa=5000.0, spacing_um=0.5)
    path, out = tmp_path / "field.h5", tmp_path / "out.h5"
    write_displacement(path, displacement)
    one, two = tmp_path / "one.csv", tmp_path / "two.csv"
    vit_tfm(
        *("predict", path, "-o", out, *FTTC, "--batch-size", 2),
        *("--quantities", one, "--controls", 2),
    )
    vit_tfm(
        *("quantities", out, "--displacement", path, "-o", two),
        *("--controls", 2, "--device", "cpu"),
    )
    first, second = rows_of(one), rows_of(two)
    assert len(first) == 3
    for a, b in zip(first, second, strict=True):
        for name, value in a.items():
            if name not in ("flags", "source") and value:
                assert float(value) == pytest.approx(float(b[name]), rel=2e-4, abs=1e-4)
        assert (a["source"], b["source"]) == ("field.h5", "out.h5")
        assert float(a["total_force_corrected_nN"]) < float(a["total_force_nN"])
    error = error_of("predict", path, "-o", out, *FTTC, "--region", "field")
    assert "add --quantities" in error
    error = error_of("predict", path, out, "-o", tmp_path, "--quantities", one, *FTTC)
    assert "are tables of one experiment" in error


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("-o", "table.txt"), "expected .csv"),
        (("-o", "nowhere/table.csv"), "there is no folder"),
        (("-o", "table.csv", "--spacing", 3), "1 um in the file, but 3 um"),
        (("-o", "table.csv", "--units", "px"), "add --displacement FILE"),
        (("-o", "table.csv", "--pixel-size", 0.1), "add --displacement FILE"),
        (("-o", "table.csv", "--mask", "small.npy"), "expected one number"),
        (("-o", "table.csv", "--mask", "half.npy"), "not whole"),
        (("-o", "table.csv", "--mask", "long.npy"), "has 3 frames, the tractions 2"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    error_of: ErrorOf,
    traction: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[object, ...],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("small.npy", np.ones((4, 4), dtype=int))
    np.save("half.npy", np.full((24, 32), 0.5))
    np.save("long.npy", np.ones((3, 24, 32), dtype=int))
    assert reason in error_of("quantities", traction, *options)


def test_tables_overwrite_neither_inputs_nor_each_other(
    error_of: ErrorOf, traction: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    copy = tmp_path / "copy.csv"
    write_traction(copy, TractionStack(np.ones((8, 8, 2)), unit="Pa", spacing_um=1.0))
    before = copy.read_bytes()
    error = error_of("quantities", copy, "-o", table, "--adhesions", copy)
    assert "the output file is an input file" in error
    error = error_of("predict", copy, "-o", tmp_path / "t.h5", "--quantities", copy)
    assert "the output file is an input file" in error
    assert copy.read_bytes() == before
    error = error_of("quantities", traction, "-o", table, "--adhesions", table)
    assert "two outputs would have this file" in error
    error = error_of("predict", traction, "-o", table, "--quantities", table)
    assert "two outputs would have this file" in error
    assert not table.exists()


def test_displacements_are_prepared_as_they_were_for_the_tractions(
    vit_tfm: Command, error_of: ErrorOf, tmp_path: Path
) -> None:
    fields = synthesise(2, seed=0, shape=(32, 40), distribution=KINDS["cells"]())
    displacement, _ = fields.on_gel(young_pa=5000.0, spacing_um=0.5)
    upside_down = displacement.data[:, ::-1] * np.float32([-1, 1])
    path, out = tmp_path / "field.npy", tmp_path / "out.h5"
    np.save(path, upside_down)
    one, two, three = (tmp_path / f"{name}.csv" for name in ("one", "two", "three"))
    known = ("--units", "um", "--spacing", 0.5, "--young", 5000)
    done = ("--y", "up", "--reverse", "--bin", 2, "--regularisation", 0.01)
    vit_tfm(
        *("predict", path, "-o", out, *known, *done, "--model", "fttc"),
        *("--device", "cpu", "--quantities", one, "--controls", 1),
    )
    vit_tfm("quantities", out, "--displacement", path, "-o", two, "--controls", 1)
    for a, b in zip(rows_of(one), rows_of(two), strict=True):
        for name in ("strain_energy_measured_fJ", "total_force_corrected_nN"):
            assert float(a[name]) == pytest.approx(float(b[name]), rel=1e-3)
        assert float(a["strain_energy_measured_fJ"]) > 0
    short = tmp_path / "short.npy"
    np.save(short, upside_down[:1])
    error = error_of("quantities", out, "--displacement", short, "-o", three)
    assert "the displacements have 1 frames of 16 x 20" in error


def test_another_gel_than_that_of_the_tractions_is_refused(
    error_of: ErrorOf, traction: Path, tmp_path: Path
) -> None:
    error = error_of("quantities", traction, "-o", tmp_path / "t.csv", "--young", 4000)
    assert "Young's modulus is 2000 in the file" in error


def test_the_tractions_do_not_overwrite_the_mask(
    error_of: ErrorOf, traction: Path, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.tif"
    tifffile.imwrite(mask, np.ones((24, 32), dtype=np.uint8))
    before = mask.read_bytes()
    error = error_of(
        *("predict", traction, "--dataset", "traction", "--units", "grid", *FTTC),
        *("-o", mask, "--quantities", tmp_path / "t.csv", "--mask", mask),
    )
    assert "the output file is an input file" in error
    assert mask.read_bytes() == before


def test_displacements_of_another_spacing_are_refused(
    error_of: ErrorOf, traction: Path, tmp_path: Path
) -> None:
    path = tmp_path / "other.h5"
    data = np.zeros((2, 24, 32, 2), dtype=np.float32)
    write_displacement(path, DisplacementStack(data, unit="um", spacing_um=2.0))
    error = error_of(
        *("quantities", traction, "--displacement", path, "-o", tmp_path / "t.csv")
    )
    assert "displacements is 2 um, that of the tractions 1 um" in error


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A cell whose forces become twice as large, with noise."""
    fields = synthesise(1, seed=2, shape=(32, 32), distribution=KINDS["cells"]())
    displacement, _ = fields.on_gel(young_pa=5000.0, spacing_um=0.5)
    one = displacement.data[0]
    film = np.stack([one, 2 * one])
    film += np.random.default_rng(0).normal(0, 0.1 * one.std(), film.shape)
    path = tmp_path / "film.h5"
    write_displacement(path, displacement.with_data(film))
    return path


def test_intervals_changes_and_the_control_of_a_film(
    vit_tfm: Command, film: Path, tmp_path: Path
) -> None:
    table, changes, control = (tmp_path / f"{name}.csv" for name in "abc")
    result = vit_tfm(
        *("predict", film, "-o", tmp_path / "t.h5", *FTTC, "--quantities", table),
        *("--changes", changes, "--control-table", control, "--control-runs", 9),
        *("--young-error", 0.1, "--controls", 1),
    )
    assert f"control: {control}" in result.stdout
    first, _ = rows_of(table)
    names = list(first)
    at = names.index("total_force_nN")
    assert names[at + 1 : at + 5] == [
        f"total_force_nN_{end}" for end in ("low68", "high68", "low95", "high95")
    ]
    low, high = (float(first[f"total_force_nN_{end}95"]) for end in ("low", "high"))
    assert 0 < low < high
    assert "area_um2_low68" not in names
    assert float(first["gel_low95"]) == pytest.approx(0.8224, abs=1e-3)
    force = next(r for r in rows_of(changes) if r["quantity"] == "total_force_nN")
    assert (force["frame"], force["kind"]) == ("1", "ratio")
    assert float(force["low95"]) < 2 < float(force["high95"])
    tested = {(r["frame"], r["quantity"]): r for r in rows_of(control)}
    force = tested["1", "total_force_nN"]
    assert float(force["p"]) == pytest.approx(0.1)
    assert float(force["floor"]) < float(force["value"])


def test_a_file_of_tractions_knows_its_intervals_if_it_was_asked_to(
    vit_tfm: Command, film: Path, tmp_path: Path
) -> None:
    out, table = tmp_path / "t.h5", tmp_path / "table.csv"
    widths = []
    for options in ((), ("--residual",), ("--uncertainty",)):
        vit_tfm("predict", film, "-o", out, *FTTC, *options)
        result = vit_tfm("quantities", out, "-o", table, "--overwrite")
        assert ("since the noise is not known" in result.stderr) == (not options)
        widths.append(rows_of(table)[0]["total_force_nN_high95"])
    assert widths[0] == ""
    # Without the residual, the windows of the displacement are not known.
    assert float(widths[1]) != float(widths[2])
    assert float(widths[1]) == pytest.approx(float(widths[2]), rel=0.1)
    result = vit_tfm(
        *("quantities", out, "-o", table, "--control-table", tmp_path / "c.csv"),
        "--overwrite",
    )
    assert "there is no control without force" in result.stderr


def test_other_networks_have_no_intervals(
    vit_tfm: Command, film: Path, network: Path, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    result = vit_tfm(
        *("predict", film, "-o", tmp_path / "t.h5", "--model", network),
        *("--device", "cpu", "--quantities", table, "--controls", 0),
    )
    assert "the errors of small.safetensors are not known" in result.stderr
    row = rows_of(table)[0]
    assert row["total_force_nN"]
    assert row["total_force_nN_low68"] == ""
