from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from click.testing import Result

from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import write_arrays, write_displacement, write_traction
from napari_vit_tfm.synthesis import CellDistribution, PadDistribution, synthesise
from napari_vit_tfm.trust.gauge import Familiarity, familiarity_records

Command = Callable[..., Result]
ErrorOf = Callable[..., str]


def test_displacements(vit_tfm: Command, tmp_path: Path) -> None:
    path = tmp_path / "cells.h5"
    values = np.zeros((3, 16, 20, 2), dtype=np.float32)
    values[1, 2, 3] = 0.5, -2
    said = {"units": "px", "spacing_um": 0.8, "pixel_size_um": 0.1}
    write_arrays(
        path,
        {"displacement": values, "outline": np.zeros((7, 2))},
        {"displacement": said},
    )
    assert vit_tfm("info", path).stdout.splitlines()[:8] == [
        f"{path}: HDF5",
        "  displacement (float32, shape (3, 16, 20, 2))",
        "  outline (float64, shape (7, 2))",
        "displacement: displacement, 3 frames of 16 x 20 vectors, in camera pixels",
        "  largest: 0.5 along x, 2 along y",
        "  spacing: 0.8 um",
        "  pixel size: 0.1 um",
        "  outline: 7 points",
    ]


def test_units_that_are_missing(vit_tfm: Command, unnamed: Path) -> None:
    output = vit_tfm("info", unnamed).stdout
    assert "unit not known" in output
    assert "add --units um|grid|px|field" in output


def test_tractions(vit_tfm: Command, tmp_path: Path) -> None:
    path = tmp_path / "out.npz"
    write_traction(
        path,
        TractionStack(
            np.ones((16, 20, 2)), unit="Pa", model="vit", model_sha256="ab" * 32
        ),
    )
    output = vit_tfm("info", path).stdout
    assert "traction: traction, 1 frame of 16 x 20 vectors, in Pa" in output
    assert "model: vit, sha256 abababababab\n" in output
    assert "displacement:" not in output


def test_original_tractions_are_named(vit_tfm: Command, reference: Path) -> None:
    output = vit_tfm("info", reference / "fields" / "tractions.h5").stdout
    assert "traction: data, 2 frames of 104 x 104 vectors" in output
    assert "displacement:" not in output


def test_files_without_fields(error_of: ErrorOf, tmp_path: Path) -> None:
    path = tmp_path / "weights.h5"
    write_arrays(path, {f"a{k}": np.zeros(3) for k in range(20)}, {})
    assert "has no displacement field: found a0" in error_of("info", path)
    assert "no such file" in error_of("info", tmp_path / "no.h5")
    (tmp_path / "text.h5").write_text("text")
    assert "found text" in error_of("info", tmp_path / "text.h5")


def test_fields_with_gaps(error_of: ErrorOf, tmp_path: Path) -> None:
    path = tmp_path / "gaps.npz"
    write_arrays(path, {"displacement": np.full((16, 16, 2), np.nan)}, {})
    assert "all vectors of displacement are missing" in error_of("info", path)


def test_tractions_without_a_unit_do_not_hide_the_displacements(
    vit_tfm: Command, tmp_path: Path
) -> None:
    path = tmp_path / "both.npz"
    field = np.ones((1, 16, 16, 2))
    np.savez(path, displacement=field, traction=field)
    shown = vit_tfm("info", path).stdout
    assert "traction: traction, not readable" in shown
    assert "displacement: displacement, 1 frame of 16 x 16 vectors" in shown


def test_a_gel_that_cannot_be_is_noted(vit_tfm: Command, tmp_path: Path) -> None:
    path = tmp_path / "cell.npz"
    values, said = np.ones((16, 16, 2)), {"units": "um", "poisson": 0.7}
    write_arrays(path, {"displacement": values}, {"displacement": said})
    result = vit_tfm("info", path)
    assert "16 x 16 vectors, in micrometres" in result.stdout
    (line,) = [x for x in result.stdout.splitlines() if x.startswith("note: ")]
    assert "has poisson = 0.7" in line


def test_json(vit_tfm: Command, tmp_path: Path) -> None:
    path = tmp_path / "cells.h5"
    values = np.random.default_rng(0).normal(0.5, 0.01, (2, 32, 40, 2))
    values[1, 4, 9] = 3.0
    values[0, :, 30:] = 0
    said = {"units": "um", "spacing_um": 0.5, "young_pa": 10.0}
    write_arrays(path, {"displacement": values}, {"displacement": said})
    found = json.loads(vit_tfm("info", path, "--json").stdout)
    warnings = found.pop("warnings")
    assert found.pop("notes") == []
    np.testing.assert_allclose(found.pop("drift"), 1.0, atol=0.01)
    np.testing.assert_allclose(found.pop("noise"), 0.02, rtol=0.1)
    assert found == {
        "frames": 2,
        "grid": [32, 40],
        "unit": "um",
        "spacing_um": 0.5,
        "pixel_size_um": None,
        "y": "down",
        "holes": [0, 0],
        "outliers": [0, 1],
        "marks": [0, 0],
        "zeros": [320, 0],
    }
    for words in ("unlike", "exactly zero", "a drift of", "Young's modulus is 10 Pa"):
        assert sum(words in warning for warning in warnings) == 1


def test_nothing_unusual(vit_tfm: Command, tmp_path: Path) -> None:
    path = tmp_path / "cell.h5"
    cell = synthesise(1, seed=0, shape=(64, 64), distribution=CellDistribution())
    small = cell.displacement * np.float32(0.01)
    write_displacement(path, DisplacementStack(small, unit="field"))
    assert "nothing unusual was found" in vit_tfm("info", path).stdout
    assert json.loads(vit_tfm("info", path, "--json").stdout)["warnings"] == []
    write_displacement(path, DisplacementStack(-small, unit="field"))
    shown = vit_tfm("info", path).stdout
    assert "--reverse" in shown
    assert "the options in brackets are those of vit-tfm predict" in shown


def test_tables_of_other_programs(vit_tfm: Command, tmp_path: Path) -> None:
    path = tmp_path / "piv.txt"
    y, x = np.indices((10, 12))[:, ::-1] * 8
    columns = [x, y, np.hypot(x, y) / 400, -y / 300, np.zeros(x.shape)]
    np.savetxt(path, np.stack(columns, -1).reshape(-1, 5), header="x y u v mask")
    said = vit_tfm("info", path).stdout
    assert "1 frame of 10 x 12 vectors, unit not known" in said
    assert "note: piv.txt: y is taken as pointing up" in said
    options = ("--units", "px", "--pixel-size", 0.25, "--y", "down", "--json")
    found = json.loads(vit_tfm("info", path, *options).stdout)
    assert (found["unit"], found["y"], found["spacing_um"]) == ("px", "down", 2)
    assert found["notes"] == []


def test_a_film_of_several_files(vit_tfm: Command, tmp_path: Path) -> None:
    for number in (2, 10):
        for name in "uv":
            np.save(tmp_path / f"{number}{name}.npy", np.ones((16, 20)))
    said = vit_tfm("info", tmp_path).stdout
    assert "2 frames of 16 x 20 vectors" in said
    assert json.loads(vit_tfm("info", tmp_path, "--json").stdout)["frames"] == 2


def test_tractions_of_another_file_with_a_turned_axis(
    vit_tfm: Command, tmp_path: Path
) -> None:
    cell = synthesise(1, seed=3, shape=(32, 32), distribution=PadDistribution())
    displacement, traction = cell.on_gel(young_pa=10_000, spacing_um=1)
    write_displacement(tmp_path / "cell.npz", displacement)
    turned = replace(traction, data=traction.data * np.float32([1, -1]))
    for name, given in {"right": traction, "turned": turned}.items():
        write_traction(tmp_path / f"{name}.npz", given)
        path = tmp_path / f"{name}.npz"
        shown = vit_tfm("info", tmp_path / "cell.npz", "--traction", path).stdout
        said = "with y components reversed, the tractions would fit" in shown
        assert said == (name == "turned")


def test_tractions_of_another_grid(error_of: ErrorOf, tmp_path: Path) -> None:
    displacement = DisplacementStack(np.ones((1, 16, 20, 2)), unit="um")
    write_displacement(tmp_path / "cell.npz", displacement)
    write_traction(
        tmp_path / "t.npz", TractionStack(np.ones((1, 16, 16, 2)), unit="Pa")
    )
    error = error_of("info", tmp_path / "cell.npz", "--traction", tmp_path / "t.npz")
    assert "differ in frames or grid" in error


def test_several_files_that_are_no_film(error_of: ErrorOf, tmp_path: Path) -> None:
    line = error_of("info", tmp_path / "a.h5", tmp_path / "b.h5")
    assert "found 2 files, expected one" in line
    assert "add --series" in line


def test_residual_in_words(
    vit_tfm: Command, displacements: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.h5"
    fttc = ("--model", "fttc", "--device", "cpu")
    said = vit_tfm("predict", displacements, "-o", out, "--residual", *fttc).stderr
    output = vit_tfm("info", out).stdout
    (line,) = [x for x in output.splitlines() if "residual: " in x]
    assert line.removeprefix("  residual: ") in said
    assert "displacement:" not in output
    values = json.loads(vit_tfm("info", out, "--json").stdout)["traction"]
    assert len(values["explained"]) == len(values["chi_squared"]) == 3


def test_unfamiliar_frames_and_the_gel_of_tractions(
    vit_tfm: Command, tmp_path: Path
) -> None:
    judged = [Familiarity(-1.0, "layer"), Familiarity(0.5, "noise")]
    traction = TractionStack(
        np.ones((2, 32, 32, 2)),
        unit="Pa",
        gel=Gel(young_pa=5000, poisson=0.45),
        model="vit",
        records=familiarity_records(judged),
    )
    write_traction(tmp_path / "t.h5", traction)
    lines = vit_tfm("info", tmp_path / "t.h5").stdout.splitlines()
    (said,) = [line for line in lines if line.startswith("  unfamiliar: ")]
    assert "1 of 2 frames is unlike" in said
    assert "frame 1, where the displacement is mostly noise" in said
    assert "  gel: Young's modulus 5000 Pa, Poisson ratio 0.45" in lines
    values = json.loads(vit_tfm("info", tmp_path / "t.h5", "--json").stdout)
    assert values["traction"]["unfamiliar"] == [0, 1]
    assert values["traction"]["unfamiliar_score"] == [-1, 0.5]


def test_names_do_not_reach_the_terminal_as_they_are(
    vit_tfm: Command, error_of: ErrorOf, tmp_path: Path
) -> None:
    path = tmp_path / "red\x1b[31m.npz"
    np.savez(path, **{"u\x1b]0;title\x07": np.ones((1, 16, 16, 2))})
    result = vit_tfm("info", path, "--units", "um")
    assert r"\x1b[31m.npz" in result.stdout
    assert r"u\x1b]0;title\x07" in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    path.write_bytes(b"nothing")
    assert r"red\x1b[31m.npz" in error_of("info", path)
