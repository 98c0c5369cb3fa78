"""A batch: failing, interrupted and finished experiments."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vit_tfm.batch import (
    Experiment,
    Outcome,
    Settings,
    draw_summary,
    read_experiments,
    run_batch,
    write_provenance,
    write_summary,
)
from napari_vit_tfm.batch.outcome import outcome_of
from napari_vit_tfm.config import QuantitiesConfig, ReconstructionConfig
from napari_vit_tfm.errors import ConfigError, ModelError
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.io import read_traction, write_displacement
from napari_vit_tfm.quantities import Recorder
from napari_vit_tfm.synthesis import KINDS, synthesise

SETTINGS = Settings(
    config=ReconstructionConfig(model="bayesian-fttc", device="cpu"),
    quantities=QuantitiesConfig(n_controls=1),
)


@pytest.fixture
def experiments(tmp_path: Path) -> list[Experiment]:
    """Ten experiments; the second has no file, the fifth one that is no field."""
    lines = ["file,condition,replicate,young_pa"]
    for number in range(10):
        fields = synthesise(
            1, seed=number, shape=(20, 24), distribution=KINDS["adhesions"]()
        )
        displacement, _ = fields.on_gel(young_pa=5000.0, spacing_um=0.5)
        if number != 1:
            write_displacement(tmp_path / f"cell{number}.h5", displacement)
        condition = "drug" if number % 2 else "control"
        lines.append(f"cell{number}.h5,{condition},dish {number // 4},4000")
    (tmp_path / "cell4.h5").write_bytes(b"no field")
    (tmp_path / "table.csv").write_text("\n".join(lines), encoding="utf-8")
    return read_experiments(tmp_path / "table.csv")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


class Killed(BaseException):
    """As if the process were killed."""


def killed_after(n: int) -> Callable[[Outcome], None]:
    seen: list[Outcome] = []

    def look(outcome: Outcome) -> None:
        seen.append(outcome)
        if len(seen) == n:
            raise Killed

    return look


def test_a_killed_batch_goes_on_to_the_same_summary(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    outcomes = run_batch(experiments, whole, settings=SETTINGS)
    assert [bool(one.error) for one in outcomes] == [k in (1, 4) for k in range(10)]
    assert "there is no such file" in outcomes[1].error
    assert "cell4.h5" in outcomes[4].error
    expected = write_summary(whole, outcomes).read_bytes()
    with pytest.raises(Killed):
        run_batch(experiments, killed, settings=SETTINGS, on_outcome=killed_after(4))
    # Killed while the fifth was written: there is no record yet.
    (killed / "cell5").mkdir()
    (killed / "cell5" / "tractions.h5").write_bytes(b"half")
    again = run_batch(experiments, killed, settings=SETTINGS)
    assert [one.was_done for one in again] == [k in (0, 2, 3) for k in range(10)]
    assert write_summary(killed, again).read_bytes() == expected
    rows = rows_of(killed / "summary.csv")
    assert len(rows) == 8
    assert rows[0]["condition"] == "control"
    assert rows[0]["experiment"] == "cell0"
    assert float(rows[0]["total_force_nN"]) > 0
    assert read_traction(killed / "cell5" / "tractions.h5").gel.young_pa == 4000


def test_what_changed_is_computed_again(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    one = experiments[:1]
    folder = tmp_path / "out"
    assert not run_batch(one, folder, settings=SETTINGS)[0].was_done
    assert run_batch(one, folder, settings=SETTINGS)[0].was_done
    other = Settings(config=SETTINGS.config, quantities=QuantitiesConfig(n_controls=0))
    assert not run_batch(one, folder, settings=other)[0].was_done
    fields = synthesise(1, seed=99, shape=(24, 24))
    write_displacement(one[0].file, fields.on_gel(young_pa=1.0, spacing_um=0.5)[0])
    assert not run_batch(one, folder, settings=other)[0].was_done
    for name in ("quantities.csv", "adhesions.csv"):
        (folder / "cell0" / name).unlink()
        assert not run_batch(one, folder, settings=other)[0].was_done
    (folder / "cell0" / "record.json").write_text("{")
    assert not run_batch(one, folder, settings=other)[0].was_done


def test_processes_give_the_same(tmp_path: Path, experiments: list[Experiment]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    few = experiments[:3]
    first = write_summary(one, run_batch(few, one, settings=SETTINGS))
    second = write_summary(two, run_batch(few, two, settings=SETTINGS, n_workers=2))
    assert first.read_bytes() == second.read_bytes()


def test_the_provenance_tells_what_was_done(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    outcomes = run_batch(experiments[:2], tmp_path / "out", settings=SETTINGS)
    written = json.loads(write_provenance(tmp_path / "out", outcomes).read_text())
    done, failed = written["experiments"]
    assert done["model"] == "bayesian-fttc"
    assert len(done["input_sha256"]) == 64
    assert done["options"]["gel"]["young_pa"] == 4000
    assert done["options"]["quantities"]["n_controls"] == 1
    assert "no such file" in failed["error"]
    assert failed["labels"]["condition"] == "drug"


def test_a_mask_of_another_grid_fails_alone(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    np.save(tmp_path / "mask.npy", np.ones((5, 5), dtype=int))
    bad = replace(experiments[0], mask=tmp_path / "mask.npy")
    outcomes = run_batch([bad, experiments[2]], tmp_path / "out", settings=SETTINGS)
    assert "expected one number for each vector" in outcomes[0].error
    assert not outcomes[1].error


def test_a_model_that_is_not_there_fails_at_once(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    missing = Settings(config=ReconstructionConfig(model="nowhere.safetensors"))
    with pytest.raises(ModelError):
        run_batch(experiments, tmp_path / "out", settings=missing)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="expected a folder"):
        run_batch(experiments, tmp_path / "file", settings=SETTINGS)


def test_the_figure_has_a_panel_for_each_quantity(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    folder = tmp_path / "out"
    summary = write_summary(
        folder, run_batch(experiments[:4], folder, settings=SETTINGS)
    )
    figure = draw_summary(summary)
    assert figure is not None
    labels = [axes.get_ylabel() for axes in figure.axes]
    assert labels == [
        "strain energy (fJ)",
        "total force (nN)",
        "net contractile moment (nN um)",
        "95th percentile of the traction (Pa)",
    ]
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names == ["control", "drug"]
    # Two cells in one dish of the control, and the dish on top.
    drawn = [line.get_xydata().shape[0] for line in figure.axes[0].lines]
    assert drawn == [2, 1, 1, 1]
    empty = write_summary(folder, [])
    assert draw_summary(empty) is None


class DeadWorker:
    """A task whose process was killed."""

    def exception(self) -> Exception:
        return RuntimeError("a process was terminated abruptly")


def test_an_experiment_whose_worker_died_has_failed(
    experiments: list[Experiment],
) -> None:
    found = outcome_of(DeadWorker(), experiments[0])
    assert found.experiment is experiments[0]
    assert found.error == "RuntimeError: a process was terminated abruptly"


def test_a_killed_batch_goes_on_inside_a_film(tmp_path: Path) -> None:
    fields = 0.1 * synthesise(6, seed=1, shape=(20, 24)).displacement
    path, table = tmp_path / "film.h5", tmp_path / "table.csv"
    write_displacement(path, DisplacementStack(fields, unit="um", spacing_um=0.5))
    table.write_text("file\nfilm.h5\n")
    settings = replace(SETTINGS, config=replace(SETTINGS.config, batch_size=2))
    for folder in (tmp_path / "whole", tmp_path / "killed"):
        experiments = read_experiments(table)
        if folder.name == "killed":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Recorder, "add", killed_in_second_batch())
                with pytest.raises(Killed):
                    run_batch(experiments, folder, settings=settings)
            partial = folder / "film" / "tractions.partial.h5"
            assert read_traction(partial).n_frames == 4
        outcomes = run_batch(experiments, folder, settings=settings)
        assert not outcomes[0].error
        write_summary(folder, outcomes)
    summaries = [
        (tmp_path / name / "summary.csv").read_text() for name in ("whole", "killed")
    ]
    assert summaries[0] == summaries[1]
    notes = outcomes[0].record["notes"]
    assert any("tractions.partial.h5, which has 4 of 6 frames" in one for one in notes)


def killed_in_second_batch() -> Callable[..., None]:
    """In place of `Recorder.add`: the process is killed in the second batch."""
    calls: list[object] = []
    add = Recorder.add

    def look(recorder: Recorder, *given: Any, **options: Any) -> None:
        calls.append(recorder)
        if len(calls) == 2:
            raise Killed
        add(recorder, *given, **options)

    return look
