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
    assert "would be replaced by the summary" in failed.stderr
    assert summary.read_bytes() == before
    table.write_text("file,condition\n0.h5,a\nnone.h5,b\n")
    failed = CliRunner().invoke(main, ["batch", str(table), *map(str, options)])
    assert failed.exit_code != 0
    assert "Error: none:" in failed.stderr
    assert "1 of 2 experiments failed" in failed.stderr
    assert (out / "summary.csv").read_text("utf-8").count("\n") == 2
