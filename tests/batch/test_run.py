"""A batch: failing, interrupted and finished experiments."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_vit_tfm.batch import (
    Experiment,
    Outcome,
    Progress,
    Settings,
    analysis,
    check_inputs,
    check_overview,
    draw_summary,
    experiments_of,
    read_experiments,
    run_batch,
    summary_rows,
    write_overview,
    write_provenance,
    write_summary,
)
from napari_vit_tfm.batch.outcome import outcome_of
from napari_vit_tfm.batch.summary import _WRITERS
from napari_vit_tfm.config import QuantitiesConfig, ReconstructionConfig
from napari_vit_tfm.errors import Cancelled, ConfigError, FieldFileError, ModelError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.io import read_traction, write_displacement
from napari_vit_tfm.quantities import Recorder
from napari_vit_tfm.reconstruction import reconstruct
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
    with path.open(encoding="utf-8", newline="") as stream:
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
    again = run_batch(experiments, killed, settings=SETTINGS)
    assert [one.was_done for one in again] == [k in (0, 2, 3) for k in range(10)]
    assert write_summary(killed, again).read_bytes() == expected
    rows = rows_of(killed / "summary.csv")
    assert len(rows) == 8
    assert rows[0]["condition"] == "control"
    assert rows[0]["experiment"] == "cell0"
    assert float(rows[0]["total_force_nN"]) > 0
    assert read_traction(killed / "cell5" / "tractions.h5").gel.young_pa == 4000


def test_residual_and_uncertainty_are_those_of_the_tractions_alone(
    tmp_path: Path, experiments: list[Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    controls: list[TractionStack] = []

    def control(*given: Any, **options: Any) -> TractionStack:
        controls.append(reconstruct(*given, **options))
        return controls[-1]

    monkeypatch.setattr("napari_vit_tfm.batch.analysis.reconstruct", control)
    asked = replace(SETTINGS.config, residual=True, uncertainty=True)
    quantities = replace(SETTINGS.quantities, young_error=0.1)
    settings = replace(SETTINGS, config=asked, quantities=quantities)
    folder = tmp_path / "out"
    outcomes = run_batch(experiments[:1], folder, settings=settings)
    found = read_traction(folder / "cell0" / "tractions.h5")
    assert {"residual", "halfwidth_68"} < set(found.companions)
    assert [dict(one.companions) for one in controls] == [{}]
    (row,) = rows_of(write_summary(folder, outcomes))
    force = [float(row[f"total_force_nN_{end}"]) for end in ("low95", "low68")]
    assert 0 < force[0] < force[1] < float(row["total_force_nN_high68"])
    assert float(row["gel_high95"]) == pytest.approx(1.216, abs=1e-3)
    assert list(row)[-1] == "flags"
    (same,) = rows_of(folder / "cell0" / "quantities.csv")
    assert same.items() <= row.items()


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
    steps: list[Progress] = []
    outcomes = run_batch(
        few, two, settings=SETTINGS, n_workers=2, on_progress=steps.append
    )
    assert first.read_bytes() == write_summary(two, outcomes).read_bytes()
    of_last = [step for step in steps if step.experiment == few[2]]
    assert [(one.n_done, one.n_frames) for one in of_last] == [(0, 0), (0, 1), (1, 1)]


def test_the_provenance_tells_what_was_done(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    outcomes = run_batch(experiments[:2], tmp_path / "out", settings=SETTINGS)
    written = json.loads(
        write_provenance(tmp_path / "out", outcomes).read_text("utf-8")
    )
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
    with pytest.raises(FieldFileError, match="expected a folder"):
        run_batch(experiments, tmp_path / "file", settings=SETTINGS)


def test_the_figure_has_a_panel_for_each_quantity(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    folder = tmp_path / "out"
    outcomes = run_batch(experiments[:4], folder, settings=SETTINGS)
    figure = draw_summary(summary_rows(folder, outcomes))
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
    assert draw_summary([]) is None


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


def test_an_input_that_cannot_be_read_fails_alone(
    tmp_path: Path, experiments: list[Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = analysis.files_sha256

    def unreadable(paths: Sequence[Path]) -> str:
        if paths[0].name == "cell0.h5":
            raise OSError(5, "Input/output error")
        return sha256(paths)

    monkeypatch.setattr(analysis, "files_sha256", unreadable)
    found = run_batch(experiments[:3:2], tmp_path / "out", settings=SETTINGS)
    assert found[0].error.endswith("cell0.h5: Input/output error")
    assert found[1].error == ""


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
        (tmp_path / name / "summary.csv").read_text("utf-8")
        for name in ("whole", "killed")
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


def test_an_array_with_the_components_first(tmp_path: Path) -> None:
    fields = synthesise(1, seed=1, shape=(20, 24))
    np.save(tmp_path / "a.npy", fields.displacement[0].transpose(2, 0, 1))
    (one,) = experiments_of([tmp_path / "a.npy"], tmp_path)
    one = replace(one, unit="field")
    as_images, as_frame = (
        run_batch([which], tmp_path / "out", settings=SETTINGS)[0]
        for which in (one, replace(one, components_first=True))
    )
    assert as_images.error
    assert (as_frame.error, as_frame.record["frames"]) == ("", 1)


def film(path: Path, *, n_frames: int, seed: int = 0) -> None:
    fields = synthesise(n_frames, seed=seed, shape=(20, 24))
    write_displacement(path, fields.on_gel(young_pa=5000.0, spacing_um=0.5)[0])


def test_the_progress_of_every_experiment(tmp_path: Path) -> None:
    settings = replace(SETTINGS, config=replace(SETTINGS.config, batch_size=2))
    for name in "ab":
        film(tmp_path / f"{name}.h5", n_frames=3)
    seen: dict[str, list[tuple[int, int]]] = {"a": [], "b": []}

    def keep(step: Progress) -> None:
        seen[step.experiment.name].append((step.n_done, step.n_frames))

    files = (tmp_path / "a.h5", tmp_path / "b.h5")
    run_batch(
        experiments_of(files, tmp_path),
        tmp_path / "out",
        settings=settings,
        on_progress=keep,
    )
    assert seen == {key: [(0, 0), (0, 3), (2, 3), (3, 3)] for key in "ab"}


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_cancelled_batch_goes_on(tmp_path: Path, n_workers: int) -> None:
    settings = Settings(
        config=ReconstructionConfig(model="fttc", device="cpu", batch_size=1),
        quantities=QuantitiesConfig(n_controls=0),
    )
    film(tmp_path / "a.h5", n_frames=1)
    film(tmp_path / "b.h5", n_frames=100)
    film(tmp_path / "c.h5", n_frames=1)
    files = [tmp_path / f"{name}.h5" for name in "abc"]
    experiments = experiments_of(files, tmp_path)
    done: set[str] = set()
    started: set[str] = set()

    def look(step: Progress) -> None:
        if step.n_done:
            started.add(step.experiment.name)

    with pytest.raises(Cancelled):
        run_batch(
            experiments,
            tmp_path / "out",
            settings=settings,
            n_workers=n_workers,
            on_outcome=lambda outcome: done.add(outcome.experiment.name),
            on_progress=look,
            is_cancelled=lambda: "b" in started and "a" in done,
        )
    assert "a" in done
    assert "b" not in done
    assert (tmp_path / "out" / "b").exists()
    assert not (tmp_path / "out" / "b" / "tractions.h5").exists()
    again = run_batch(experiments, tmp_path / "out", settings=settings)
    assert [one.was_done for one in again[:2]] == [True, False]
    assert [one.error for one in again] == ["", "", ""]


_PARENT = """
import sys
from pathlib import Path
from napari_vit_tfm.batch import Settings, experiments_of, run_batch
from napari_vit_tfm.config import ReconstructionConfig

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    config = ReconstructionConfig(model="bayesian-fttc", device="cpu", batch_size=1)
    run_batch(
        experiments_of([folder / "long.h5"], folder),
        folder / "out",
        settings=Settings(config=config),
        n_workers=2,
        on_progress=lambda step: print(step.n_done, flush=True),
    )
"""


@pytest.mark.skipif(sys.platform == "win32", reason="process groups of POSIX")
def test_the_processes_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    film(tmp_path / "long.h5", n_frames=2000)
    (tmp_path / "parent.py").write_text(_PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py"), str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    try:
        while parent.stdout.readline().strip() in ("", "0"):
            assert parent.poll() is None
        parent.kill()
        # The processes have the same output, which ends with the last of them.
        ended = threading.Thread(target=parent.stdout.read, daemon=True)
        ended.start()
        ended.join(timeout=20)
        assert not ended.is_alive()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(parent.pid, signal.SIGKILL)
        parent.wait()
        parent.stdout.close()
    assert not (tmp_path / "out" / "long" / "tractions.h5").exists()


def test_a_file_that_cannot_be_written_is_named_and_the_rest_kept(
    tmp_path: Path, experiments: list[Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    outcomes = run_batch(experiments[:1], folder, settings=SETTINGS)
    assert write_overview(folder, outcomes).problems == ()
    old = (folder / "summary.csv").read_bytes()
    replace_file = Path.replace

    def open_in_excel(source: Path, target: Path) -> Path:
        if target.name == "summary.csv":
            raise PermissionError(13, "Permission denied", str(source))
        return replace_file(source, target)

    monkeypatch.setattr(Path, "replace", open_in_excel)
    (folder / "provenance.json").unlink()
    overview = write_overview(folder, outcomes)
    assert [path.name for path in overview.files] == ["provenance.json", "summary.png"]
    (problem,) = overview.problems
    assert problem.startswith(
        f"{folder / 'summary.csv'}: cannot be written (Permission denied)"
    )
    assert "such as Excel, close it, and run the same again" in problem
    assert (folder / "summary.csv").read_bytes() == old
    assert (folder / "provenance.json").exists()


def test_without_provenance_nothing_is_in_the_way_of_the_same_batch(
    tmp_path: Path, experiments: list[Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    outcomes = run_batch(experiments[:1], folder, settings=SETTINGS)

    def full(*_: object) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setitem(_WRITERS, "provenance.json", full)
        overview = write_overview(folder, outcomes)
    assert overview.files == ()
    assert "No space left on device" in overview.problems[0]
    # The same batch again.
    check_overview(folder)
    assert write_overview(folder, outcomes).problems == ()


def test_a_table_that_is_open_fails_its_experiment_alone(
    tmp_path: Path, experiments: list[Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_file = Path.replace

    def open_in_excel(source: Path, target: Path) -> Path:
        if target == tmp_path / "out" / "cell0" / "quantities.csv":
            raise PermissionError(13, "Permission denied", str(source), None, target)
        return replace_file(source, target)

    monkeypatch.setattr(Path, "replace", open_in_excel)
    found = run_batch(
        [experiments[0], experiments[2]], tmp_path / "out", settings=SETTINGS
    )
    assert "quantities.csv: cannot be written (Permission denied); if the file is" in (
        found[0].error
    )
    assert found[1].error == ""


def test_results_are_not_written_beside_their_input(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    folder = tmp_path / "film"
    folder.mkdir()
    (tmp_path / "cell0.h5").rename(folder / "1.h5")
    (one,) = experiments_of([folder], tmp_path)
    (found,) = run_batch([one], tmp_path, settings=SETTINGS)
    assert "would be beside their input 1.h5" in found.error
    assert [path.name for path in folder.iterdir()] == ["1.h5"]


def test_the_overview_replaces_no_input(tmp_path: Path) -> None:
    other = tmp_path / "a" / "summary.csv"
    check_inputs(tmp_path, [], [tmp_path / "table.csv", other])
    with pytest.raises(ConfigError, match="would be replaced"):
        check_inputs(tmp_path, [], [tmp_path / "summary.csv"])


def test_an_input_that_is_a_result_of_another_experiment(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    folder = tmp_path / "out"
    (folder / "cell0").mkdir(parents=True)
    measured = folder / "cell0" / "tractions.h5"
    (tmp_path / "cell2.h5").rename(measured)
    before = measured.read_bytes()
    first, second = experiments[0], experiments[2]
    (tmp_path / "linked.h5").symlink_to(measured)
    (tmp_path / "film").mkdir()
    (tmp_path / "film" / "0.h5").symlink_to(measured)
    for given in (
        replace(second, file=measured),
        replace(second, file=tmp_path / "linked.h5"),
        replace(second, file=tmp_path / "film"),
        replace(second, file=tmp_path / "cell3.h5", mask=measured),
        # It does not exist yet.
        replace(second, file=folder / "cell0" / "quantities.csv"),
    ):
        with pytest.raises(ConfigError, match="the input would be replaced"):
            run_batch([first, given], folder, settings=SETTINGS, overwrite=True)
    model = replace(SETTINGS, config=replace(SETTINGS.config, model=str(measured)))
    with pytest.raises(ConfigError, match="the input would be replaced"):
        run_batch([first], folder, settings=model, overwrite=True)
    assert measured.read_bytes() == before


def test_a_link_to_the_input_in_the_folder_of_results(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    link = tmp_path / "out" / "cell0" / "tractions.h5"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "cell0.h5")
    with pytest.raises(ConfigError, match="the input would be replaced"):
        run_batch(experiments[:1], tmp_path / "out", settings=SETTINGS, overwrite=True)


def test_two_experiments_of_the_same_name_are_refused(
    tmp_path: Path, experiments: list[Experiment]
) -> None:
    same = replace(experiments[2], name="CELL0")
    with pytest.raises(ConfigError, match="two experiments have this name"):
        run_batch([experiments[0], same], tmp_path / "out", settings=SETTINGS)
