"""`vit-tfm batch`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner, Result

from napari_vit_tfm.cli.main import main
from napari_vit_tfm.io import write_displacement
from napari_vit_tfm.synthesis import synthesise

Command = Callable[..., Result]


def test_results_and_summary_of_all_experiments(
    vit_tfm: Command, tmp_path: Path
) -> None:
    for number in range(2):
        fields = synthesise(1, seed=number, shape=(24, 24))
        write_displacement(
            tmp_path / f"{number}.h5", fields.on_gel(young_pa=1.0, spacing_um=0.5)[0]
        )
    table, out = tmp_path / "table.csv", tmp_path / "out"
    table.write_text("file,condition\n0.h5,a\n1.h5,b\n")
    options = ("-o", out, "--young", 3000, "--controls", 0)
    options = (*options, "--model", "bayesian-fttc", "--device", "cpu")
    result = vit_tfm("batch", table, *options)
    assert result.stdout.splitlines() == [
        "0: 1 frames",
        "1: 1 frames",
        "written: "
        + ", ".join(
            str(out / name)
            for name in ("summary.csv", "provenance.json", "summary.png")
        ),
    ]
    assert sorted(path.name for path in out.iterdir()) == [
        *("0", "1", "provenance.json", "summary.csv", "summary.png")
    ]
    assert sorted(path.name for path in (out / "0").iterdir()) == [
        *("adhesions.csv", "quantities.csv", "record.json", "tractions.h5")
    ]
    assert "0: 1 frames, done before" in vit_tfm("batch", table, *options).stdout
    summary = out / "summary.csv"
    before = summary.read_bytes()
    failed = CliRunner().invoke(main, ["batch", str(summary), *map(str, options)])
    assert "the input would be replaced" in failed.stderr
    assert summary.read_bytes() == before
    table.write_text("file,condition\n0.h5,a\nnone.h5,b\n")
    failed = CliRunner().invoke(main, ["batch", str(table), *map(str, options)])
    assert failed.exit_code != 0
    assert "Error: none:" in failed.stderr
    assert "1 of 2 experiments failed" in failed.stderr
    assert (out / "summary.csv").read_text("utf-8").count("\n") == 2


def test_several_inputs_that_are_results(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "a").mkdir(parents=True)
    measured = synthesise(1, seed=0, shape=(24, 24)).on_gel(young_pa=1.0, spacing_um=1)
    files = [tmp_path / "a.h5", out / "a" / "tractions.h5"]
    for file in files:
        write_displacement(file, measured[0])
    before = files[1].read_bytes()
    options = ("-o", out, "--young", 3000, "--controls", 0, "--overwrite")
    options = (*options, "--model", "bayesian-fttc", "--device", "cpu")
    table = out / "a" / "quantities.csv"
    table.write_text(f"file\n{files[0]}\n")
    for given in (("predict", *files), ("batch", table)):
        result = CliRunner().invoke(main, list(map(str, (*given, *options))))
        assert result.exit_code != 0
        assert "the input would be replaced" in result.stderr
    assert files[1].read_bytes() == before
    assert table.read_text() == f"file\n{files[0]}\n"
