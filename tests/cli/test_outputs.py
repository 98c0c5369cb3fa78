"""What the files of each command replace, and what they do not."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner, Result

import napari_vit_tfm
from napari_vit_tfm.cli.main import COMMANDS, main
from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import read_displacement, write_displacement, write_traction
from napari_vit_tfm.synthesis import synthesise

Command = Callable[..., Result]
ErrorOf = Callable[..., str]

FTTC = ("--model", "bayesian-fttc", "--device", "cpu")


class Case(NamedTuple):
    """A command in a folder with its inputs."""

    arguments: tuple[object, ...]
    outputs: tuple[str, ...]
    inputs: tuple[str, ...] = ()


PREDICT = ("predict", "cells.h5", *FTTC, "-o", "out.h5")
CASES = {
    "predict": Case(PREDICT, ("out.h5",), ("cells.h5",)),
    "predict, with tables": Case(
        (*PREDICT, "--quantities", "q.csv", "--adhesions", "a.csv", "--controls", 0),
        ("out.h5", "q.csv", "a.csv"),
        ("cells.h5",),
    ),
    "predict, several": Case(
        ("predict", "cells.h5", "more.h5", *FTTC, "-o", "all", "--controls", 0),
        ("all/summary.csv", "all/provenance.json", "all/summary.png"),
    ),
    "rerun": Case(
        ("rerun", "traction.h5", "-o", "again.h5"), ("again.h5",), ("traction.h5",)
    ),
    "figure": Case(
        ("figure", "traction.h5", "-o", "a.png"),
        ("a.png",),
        ("traction.h5",),
    ),
    "quantities": Case(
        ("quantities", "traction.h5", "-o", "q.csv", "--adhesions", "a.csv"),
        ("q.csv", "a.csv"),
        ("traction.h5",),
    ),
    "limits": Case(
        ("limits", "cells.h5", *FTTC, "-o", "l.npz", "--frame", 0, "--step", 4),
        ("l.npz",),
        ("cells.h5",),
    ),
    "batch": Case(
        ("batch", "table.csv", *FTTC, "-o", "all", "--controls", 0),
        ("all/summary.csv", "all/provenance.json", "all/summary.png"),
    ),
    "attention": Case(
        *(("attention", "cells.h5", "--frame", 0, "--patch", "1,1", "-o", "a.h5"),),
        ("a.h5",),
        ("cells.h5",),
    ),
    "attention, with a figure": Case(
        (
            *("attention", "cells.h5", "--frame", 0, "--patch", "1,1", "-o", "a.h5"),
            *("--figure", "a.png"),
        ),
        ("a.h5", "a.png"),
        ("cells.h5",),
    ),
    "demo": Case(
        ("demo", *FTTC, "-o", "demo"),
        ("demo/displacement.h5", "demo/truth.h5", "demo/traction.h5"),
    ),
    "synthesize": Case(
        ("synthesize", "-n", 1, "--seed", 0, "--grid", 16, 16, "-o", "s.h5"),
        ("s.h5",),
    ),
    "benchmark": Case(
        (
            *("benchmark", "--data", "known.npz", "--noise", 0, "--methods", "fttc"),
            *("-o", "compared"),
        ),
        tuple(
            f"compared/{name}"
            for name in (
                *("benchmark.md", "benchmark.json", "summary.csv", "samples.csv"),
                *("error_against_noise.png", "fields.png"),
            )
        ),
    ),
}

SINGLE = [(name, output) for name, case in CASES.items() for output in case.outputs[:2]]


@pytest.fixture(autouse=True)
def folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: Path, vit_tfm: Command
) -> Path:
    """A folder with the inputs of all commands."""
    monkeypatch.chdir(tmp_path)
    fields = synthesise(1, seed=1, shape=(24, 24))
    displacement, _ = fields.on_gel(young_pa=5_000.0, spacing_um=0.5)
    write_displacement("cells.h5", displacement)
    write_displacement("more.h5", displacement)
    Path("table.csv").write_text("file\ncells.h5\n")
    np.savez("known.npz", displacement=fields.displacement, traction=fields.traction)
    vit_tfm("predict", "cells.h5", "-o", "traction.h5", *FTTC)
    return tmp_path


def arguments(name: str, network: Path) -> tuple[object, ...]:
    given = CASES[name].arguments
    return (*given, "--model", network) if given[0] == "attention" else given


def test_every_command_that_writes_is_here() -> None:
    # `info` writes nothing, and training takes long: see `test_train`.
    tested = {str(case.arguments[0]) for case in CASES.values()}
    assert tested == {*COMMANDS} - {"info", "train"}


@pytest.mark.parametrize(("name", "output"), SINGLE)
def test_a_file_of_others_is_not_replaced(
    error_of: ErrorOf, network: Path, name: str, output: str
) -> None:
    path = Path(output)
    path.parent.mkdir(exist_ok=True)
    path.write_text("precious")
    line = error_of(*arguments(name, network))
    assert line.startswith(f"{output}: already exists")
    assert "--overwrite" in line
    assert path.read_text() == "precious"
    assert list(path.parent.glob(".*")) == []


@pytest.mark.parametrize("name", CASES)
def test_the_same_command_again(
    vit_tfm: Command, error_of: ErrorOf, network: Path, name: str
) -> None:
    case, given = CASES[name], arguments(name, network)
    for output in case.outputs:
        Path(output).parent.mkdir(exist_ok=True)
        Path(output).write_text("of others")
    vit_tfm(*given, "--overwrite")
    written = {output: Path(output).stat().st_mtime_ns for output in case.outputs}
    for output in case.outputs:
        assert Path(output).read_bytes() != b"of others"
    vit_tfm(*given)
    for output, time in written.items():
        assert Path(output).stat().st_mtime_ns > time


@pytest.mark.parametrize(
    ("name", "read"),
    [(name, read) for name, case in CASES.items() for read in case.inputs],
)
def test_an_input_is_never_replaced(
    error_of: ErrorOf, network: Path, name: str, read: str
) -> None:
    given = list(arguments(name, network))
    path, output = Path(read), given.index("-o") + 1
    before = path.read_bytes()
    # Under another name, with the extension that is needed.
    ending = Path(str(given[output])).suffix
    other = Path(f"other{ending}")
    os.link(path, other)
    given[output] = other
    line = error_of(*given, "--overwrite")
    assert line == f"{other}: the output file is an input file"
    assert path.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
@pytest.mark.parametrize(("name", "output"), SINGLE)
def test_a_named_pipe_is_no_file(
    error_of: ErrorOf, network: Path, name: str, output: str
) -> None:
    Path(output).parent.mkdir(exist_ok=True)
    os.mkfifo(output)
    line = error_of(*arguments(name, network), "--overwrite")
    assert line.startswith(f"{output}: is a named pipe")
    assert Path(output).is_fifo()


def test_models_and_masks_are_never_replaced(
    error_of: ErrorOf, network: Path, folder: Path
) -> None:
    model = folder / "own.h5"
    os.link(network, model)
    before = model.read_bytes()
    options = ("predict", "cells.h5", "-o", model, "--overwrite", "--model")
    assert "is an input file" in error_of(*options, model)
    package = Path(napari_vit_tfm.__file__).parent
    bundled = folder / "bundled.h5"
    bundled.symlink_to(next((package / "weights").glob("*.safetensors")))
    assert "belongs to napari-vit-tfm" in error_of(*options[:3], bundled, *FTTC)
    mask = folder / "mask.h5"
    write_traction(mask, TractionStack(np.zeros((1, 24, 24, 2))))
    tables = ("--quantities", "q.csv", "--mask", mask)
    line = error_of("predict", "cells.h5", "-o", mask, *FTTC, *tables, "--overwrite")
    assert "is an input file" in line
    assert model.read_bytes() == before


def test_the_files_of_a_film_and_the_second_component_are_inputs(
    error_of: ErrorOf, folder: Path
) -> None:
    (folder / "film").mkdir()
    u, v = np.ones((2, 24, 24), np.float32)
    for number in range(2):
        np.savez(folder / "film" / f"{number}.npz", displacement=np.stack([u, v], -1))
    known = ("--units", "grid", *FTTC, "--overwrite")
    line = error_of("predict", "film", "-o", "film/1.npz", *known)
    assert line == "film/1.npz: the output file is an input file"
    np.savetxt("u.csv", u)
    np.savetxt("v.csv", v)
    line = error_of("predict", "u.csv", "-o", "v.csv", *known)
    assert line == "v.csv: the output file is an input file"


def test_tractions_of_another_input_or_command_are_kept(
    vit_tfm: Command, error_of: ErrorOf, folder: Path
) -> None:
    # Tractions of a copy are those of the same input, and so are those of a new file
    # in the same place.
    vit_tfm("predict", "more.h5", "-o", "traction.h5", *FTTC)
    stack = read_displacement("more.h5")
    doubled = type(stack)(2 * stack.data, unit="um", spacing_um=0.5, gel=Gel(5_000.0))
    write_displacement("more.h5", doubled)
    vit_tfm("predict", "more.h5", "-o", "traction.h5", *FTTC)
    before = (folder / "traction.h5").read_bytes()
    line = error_of("predict", "cells.h5", "-o", "traction.h5", *FTTC)
    assert "vit-tfm predict has written it from the same input" in line
    line = error_of("limits", "more.h5", "-o", "traction.h5", *FTTC)
    assert "vit-tfm limits has written it" in line
    assert (folder / "traction.h5").read_bytes() == before


@pytest.mark.parametrize("ending", ["h5", "npz", "mat", "ome.tif", "csv"])
def test_tractions_of_all_formats_know_what_made_them(
    vit_tfm: Command, error_of: ErrorOf, ending: str
) -> None:
    out = f"out.{ending}"
    for _ in range(2):
        vit_tfm("predict", "cells.h5", "-o", out, *FTTC)
    doubled = read_displacement("cells.h5")
    write_displacement(
        "third.h5", type(doubled)(3 * doubled.data, unit="um", spacing_um=0.5)
    )
    assert "--overwrite" in error_of("predict", "third.h5", "-o", out, *FTTC)


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.gif", "a.mp4"])
def test_a_figure_knows_what_made_it(
    vit_tfm: Command, error_of: ErrorOf, folder: Path, name: str
) -> None:
    if name.endswith("mp4"):
        pytest.importorskip("imageio_ffmpeg")
    for _ in range(2):
        vit_tfm("figure", "traction.h5", "-o", name, "--dpi", 50)
    # In another place, with the same content.
    (folder / "moved").mkdir()
    other = folder / "moved" / "other.h5"
    other.write_bytes((folder / "traction.h5").read_bytes())
    vit_tfm("figure", other, "-o", name, "--dpi", 50)
    write_traction(other, TractionStack(np.ones((1, 24, 24, 2)), unit="Pa"))
    vit_tfm("figure", "traction.h5", "-o", name, "--dpi", 50)
    before = (folder / name).read_bytes()
    assert "does not say that vit-tfm figure" in error_of(
        "figure", other, "-o", name, "--dpi", 50
    )
    assert (folder / name).read_bytes() == before


def test_a_table_is_replaced_by_one_of_its_kind(
    vit_tfm: Command, error_of: ErrorOf, folder: Path
) -> None:
    given = ("quantities", "traction.h5", "-o", "q.csv", "--adhesions", "a.csv")
    vit_tfm(*given)
    # With other columns.
    vit_tfm(*given, "--young-error", 0.1)
    vit_tfm(*given)
    line = error_of("quantities", "traction.h5", "-o", "a.csv")
    assert line.startswith("a.csv: already exists, and is not such a table")
    # Of another input.
    before = (folder / "q.csv").read_bytes()
    vit_tfm("predict", "more.h5", "-o", "more_traction.h5", *FTTC)
    line = error_of("quantities", "more_traction.h5", "-o", "q.csv")
    assert line.startswith("q.csv: already exists, and is not such a table")
    assert (folder / "q.csv").read_bytes() == before
    vit_tfm("quantities", "more_traction.h5", "-o", "q.csv", "--overwrite")
    assert "--overwrite" in error_of(*given)
    vit_tfm(*given, "--overwrite")
    # Somebody has added a column.
    table = folder / "q.csv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(f"{line},mine" for line in lines))
    assert "--overwrite" in error_of(*given)
    assert "mine" in table.read_text()


def test_tables_are_replaced_together_with_the_tractions(
    vit_tfm: Command, error_of: ErrorOf, folder: Path
) -> None:
    tables = ("--controls", 0, "--quantities", "q.csv")
    vit_tfm("predict", "cells.h5", *FTTC, "-o", "out.h5", *tables)
    before = (folder / "q.csv").read_bytes()
    line = error_of("predict", "more.h5", *FTTC, "-o", "other.h5", *tables)
    assert "q.csv: already exists, and is not such a table, or not of the same" in line
    assert (folder / "q.csv").read_bytes() == before
    assert not (folder / "other.h5").exists()


def test_a_benchmark_replaces_that_of_the_same_fields(
    vit_tfm: Command, error_of: ErrorOf, folder: Path, network: Path
) -> None:
    given = arguments("benchmark", network)
    vit_tfm(*given)
    fields = synthesise(1, seed=2, shape=(24, 24))
    np.savez("known.npz", displacement=fields.displacement, traction=fields.traction)
    vit_tfm(*given)
    (folder / "known.npz").rename("other.npz")
    np.savez("other.npz", displacement=fields.displacement, traction=-fields.traction)
    changed = ["other.npz" if one == "known.npz" else one for one in given]
    assert "compared/benchmark.md: already exists" in error_of(*changed)


def test_experiments_of_a_batch_are_kept_and_go_on(
    vit_tfm: Command, folder: Path
) -> None:
    given = arguments("batch", folder)
    vit_tfm(*given)
    assert "done before" in vit_tfm(*given).stdout
    # Interrupted: there is no record.
    (folder / "all" / "cells" / "record.json").unlink()
    assert "done before" not in vit_tfm(*given).stdout


def test_an_experiment_does_not_replace_the_files_of_others(
    vit_tfm: Command, folder: Path
) -> None:
    (folder / "all" / "cells").mkdir(parents=True)
    tractions = folder / "all" / "cells" / "tractions.h5"
    tractions.write_text("precious")
    given = arguments("batch", folder)
    result = CliRunner().invoke(main, list(map(str, given)))
    assert result.exit_code == 2
    assert f"{tractions}: already exists" in result.stderr
    assert tractions.read_text() == "precious"
    vit_tfm(*given, "--overwrite")
    assert tractions.read_bytes() != b"precious"
