from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest
from qtpy.QtCore import QThreadPool
from qtpy.QtGui import QGuiApplication

from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import write_displacement
from napari_vit_tfm.napari.batch.dock import BatchDock
from napari_vit_tfm.napari.layers.reading import find_displacements
from napari_vit_tfm.napari.layers.results import result_of, results_of
from napari_vit_tfm.synthesis import synthesise

NAMES = ("one", "two", "three")


def film(path, n_frames=1, **gel) -> None:
    fields = synthesise(n_frames, seed=n_frames, shape=(20, 24))
    displacement, _ = fields.on_gel(young_pa=2000, spacing_um=0.5)
    write_displacement(path, dataclasses.replace(displacement, gel=Gel(**gel)))


@pytest.fixture
def table(tmp_path):
    """Three experiments; the file of the second is broken."""
    for name, n_frames in zip(NAMES, (1, 1, 2), strict=True):
        film(tmp_path / f"{name}.h5", n_frames)
    (tmp_path / "two.h5").write_bytes(b"no field")
    path = tmp_path / "table.csv"
    path.write_text("file,condition,young_pa\none.h5,a,\ntwo.h5,a,\nthree.h5,b,900\n")
    return path


@pytest.fixture
def dock(viewer, qtbot, finish):
    def leave(dock: BatchDock) -> None:
        dock.job.cancel()
        finish(dock)
        dock.unbind()

    dock = BatchDock(viewer)
    qtbot.addWidget(dock, before_close_func=leave)
    dock.bind()
    dock.model.choose("fttc")
    dock.quantities["n_controls"].value = 0
    dock.computing["device"].value = "cpu"
    return dock


@pytest.fixture
def run(dock, finish):
    def run_all() -> None:
        dock.run_button.click()
        finish(dock)

    return run_all


def states(dock) -> list[str]:
    return [dock.table.state_of(row).words for row in range(len(NAMES))]


def test_without_experiments_nothing_can_be_run(dock):
    assert not dock.run_button.isEnabled()
    assert not dock.show_button.isEnabled()
    assert not dock.figure_button.isEnabled()
    assert "Choose a table" in dock.message.text()


def test_the_experiments_of_a_table_are_analysed(dock, run, table, tmp_path):
    dock.open_table(table)
    assert dock.folder.text() == str(tmp_path / "results")
    assert states(dock) == ["waiting"] * 3
    dock.gel["young_pa"].value = 5000
    run()
    assert states(dock) == ["done", "failed", "done"]
    assert dock.message.text().startswith("2 done, 1 failed.\nSummary: ")
    with (tmp_path / "results" / "summary.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["experiment"], row["condition"]) for row in rows] == [
        *(("one", "a"), ("three", "b"), ("three", "b"))
    ]
    assert (tmp_path / "results" / "provenance.json").exists()
    dock.table.setCurrentIndex(dock.table.model().index(0, 0))
    dock.show_button.click()


def test_the_reason_of_a_failure_is_a_tooltip_and_can_be_copied(dock, run, table):
    dock.open_table(table)
    run()
    index = dock.table.model().index(1, 0)
    assert index.data(3).startswith(f"{table.parent / 'two.h5'}\n")
    reason = dock.table.state_of(1).notes[0]
    assert "found text" in reason
    assert reason in index.data(3)
    dock.copy_button.click()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert lines[0] == "experiment\tstate\tnotes"
    assert lines[2].startswith("two\tfailed\t")
    assert reason in lines[2]


def test_a_second_run_computes_nothing_again(dock, run, table, tmp_path):
    dock.open_table(table)
    run()
    film(tmp_path / "two.h5")
    run()
    assert states(dock) == ["done before", "done", "done before"]


def test_the_values_of_the_forms_are_those_of_rows_without(
    dock, run, viewer, tmp_path, finish
):
    stack = synthesise(1, seed=1, shape=(20, 24)).displacement
    write_displacement(tmp_path / "a.h5", DisplacementStack(stack * 40))
    (tmp_path / "t.csv").write_text("file,spacing_um\na.h5,\n")
    dock.open_table(tmp_path / "t.csv")
    run()
    assert "fill the column unit" in dock.table.state_of(0).notes[0]
    dock.reading["unit"].value = "px"
    dock.reading["pixel_size_um"].value = 0.25
    dock.reading["spacing_um"].value = 0.8
    dock.gel["poisson"].value = 0.4
    run()
    assert dock.table.state_of(0).words == "done"
    (tmp_path / "t.csv").write_text("file,spacing_um\na.h5,1.6\n")
    run()
    assert dock.table.state_of(0).words == "done"
    dock.show_experiment(0)
    finish(dock)
    (field,) = find_displacements(viewer.layers)
    (result,) = results_of(viewer.layers, field)
    assert result.stack().spacing_um == 1.6
    assert result.stack().gel.poisson == 0.4
    assert result.description.computed_pixel_size_um == 0.25


def test_files_are_experiments(dock, run, table, tmp_path):
    (tmp_path / "day 2").mkdir()
    film(tmp_path / "day 2" / "one.h5")
    files = [tmp_path / "one.h5", tmp_path / "day 2" / "one.h5"]
    dock.open_files(files)
    assert dock.source.text() == f"2 files in {tmp_path}"
    dock.choose_folder(tmp_path / "out")
    run()
    for name in ("one", "day 2_one"):
        assert (tmp_path / "out" / name / "tractions.h5").exists()


def test_an_experiment_is_shown_with_its_displacements(
    dock, run, viewer, table, tmp_path, finish
):
    dock.open_table(table)
    run()
    dock.table.experiment_chosen.emit(2)
    finish(dock)
    assert [layer.visible for layer in viewer.layers] == [False, False, True, True]
    result = result_of(viewer.layers, viewer.layers.selection.active)
    assert result is not None
    assert result.stack().gel.young_pa == 900
    assert result.provenance is not None
    (field,) = find_displacements(viewer.layers)
    assert field.title == "three"
    assert [one.layers for one in results_of(viewer.layers, field)] == [result.layers]
    dock.table.setCurrentIndex(dock.table.model().index(0, 0))
    dock.show_button.click()
    finish(dock)
    assert len(viewer.layers) == 8
    assert [layer.name for layer in viewer.layers if layer.visible] == [
        layer.name for layer in viewer.layers[-2:]
    ]
    assert viewer.layers[-1].name.startswith("one: ")
    # Layers that are there are shown, not added again.
    dock.show_experiment(2)
    finish(dock)
    assert len(viewer.layers) == 8
    assert viewer.layers.selection.active is result.image
    # If one was removed, those that are left do not stay beside the new ones.
    viewer.layers.remove(result.image)
    dock.show_experiment(2)
    finish(dock)
    assert len(viewer.layers) == 8
    assert not set(result.layers) & set(viewer.layers)
    assert viewer.layers.selection.active.name.startswith("three: ")


def test_failed_and_changed_experiments_are_not_shown(
    dock, run, viewer, table, tmp_path, finish, monkeypatch
):
    monkeypatch.setattr("napari_vit_tfm.napari.errors.show_error", lambda _: None)
    dock.open_table(table)
    run()
    dock.table.setCurrentIndex(dock.table.model().index(1, 0))
    assert not dock.show_button.isEnabled()
    dock.show_experiment(1)
    film(tmp_path / "one.h5", 2)
    dock.show_experiment(0)
    finish(dock)
    assert "have changed since the tractions were computed" in dock.message.text()
    assert len(viewer.layers) == 0


def test_a_batch_is_cancelled_in_the_middle_and_goes_on(
    dock, run, table, tmp_path, qtbot, finish
):
    film(tmp_path / "three.h5", 300)
    dock.open_table(table)
    dock.run_button.click()
    assert dock.run_button.text() == "Cancel"
    assert not dock.table_button.isEnabled()
    qtbot.waitUntil(
        lambda: "of 300 frames" in dock.table.state_of(2).words, timeout=60_000
    )
    assert 0 < dock.progress.value() < dock.progress.maximum()
    dock.run_button.click()
    assert states(dock) == ["done", "failed", "waiting"]
    assert dock.message.text().startswith("Cancelled.")
    finish(dock)
    assert dock.run_button.text() == "Run"
    results = tmp_path / "results" / "three"
    assert not (results / "tractions.h5").exists()
    # The frames that are done belong to the longer film.
    (results / "tractions.partial.h5").unlink(missing_ok=True)
    film(tmp_path / "three.h5", 3)
    run()
    assert states(dock) == ["done before", "failed", "done"]


def test_a_hidden_dock_goes_on(dock, table, qtbot, finish):
    dock.open_table(table)
    dock.show()
    dock.run_button.click()
    dock.hide()
    finish(dock)
    dock.show()
    assert states(dock) == ["done", "failed", "done"]


def test_a_dock_that_is_deleted_stops(viewer, qtbot, table, tmp_path):
    film(tmp_path / "one.h5", 300)
    dock = BatchDock(viewer)
    dock.model.choose("fttc")
    dock.quantities["n_controls"].value = 0
    dock.open_table(table)
    dock.start_job()
    part = tmp_path / "results" / "one"
    qtbot.waitUntil(lambda: part.exists() and any(part.iterdir()), timeout=60_000)
    dock.deleteLater()
    del dock
    threads = QThreadPool.globalInstance()
    qtbot.waitUntil(lambda: threads.activeThreadCount() == 0, timeout=60_000)
    assert not (part / "tractions.h5").exists()
    assert not (tmp_path / "results" / "three").exists()


def test_two_processes(dock, run, table):
    dock.open_table(table)
    dock.computing["n_workers"].value = 2
    run()
    assert states(dock) == ["done", "failed", "done"]


def test_the_figure_of_the_summary(dock, run, table):
    dock.open_table(table)
    run()
    assert dock.figure_button.isEnabled()
    dock.figure_button.click()
    assert dock.figure.isVisible()
    assert dock.figure.windowTitle().endswith("summary.png")
    dock.figure.close()


def test_an_open_figure_is_that_of_the_last_run(dock, run, table, tmp_path):
    dock.open_table(table)
    run()
    dock.figure_button.click()
    before = dock.figure.grab().toImage()
    film(tmp_path / "two.h5", 2)
    run()
    assert dock.figure.isVisible()
    assert dock.figure.grab().toImage() != before
    # Without results there is no figure.
    for name in NAMES:
        (tmp_path / f"{name}.h5").write_bytes(b"no field")
    run()
    assert not dock.figure.isVisible()


def test_no_window_is_opened_by_a_run(dock, run, table):
    dock.open_table(table)
    run()
    assert not dock.figure.isVisible()


def test_the_error_of_showing_goes_with_the_next_success(
    dock, run, table, tmp_path, finish, monkeypatch
):
    monkeypatch.setattr("napari_vit_tfm.napari.errors.show_error", lambda _: None)
    dock.open_table(table)
    run()
    outcome = dock.message.text()
    film(tmp_path / "one.h5", 2)
    for _ in range(2):
        # The second time, the layers of the third experiment are there already.
        dock.show_experiment(0)
        finish(dock)
        assert "have changed" in dock.message.text()
        dock.show_experiment(2)
        finish(dock)
        assert dock.message.text() == outcome
    dock.show_experiment(0)
    finish(dock)
    assert "have changed" in dock.message.text()
    run()
    assert "done" in dock.message.text()
    assert "have changed" not in dock.message.text()


def test_one_file(dock, tmp_path):
    film(tmp_path / "one.h5")
    dock.open_files([tmp_path / "one.h5"])
    assert dock.source.text() == f"1 file in {tmp_path}"
    assert dock.message.text() == "1 experiment."


def test_a_table_that_cannot_be_read_is_told(dock, table, monkeypatch):
    told = []
    monkeypatch.setattr("napari_vit_tfm.napari.errors.show_error", told.append)
    dock.open_table(table)
    table.write_text("path\na.h5\n")
    dock.run_button.click()
    assert "called 'file'" in told[0]
    assert "called 'file'" in dock.message.text()
    assert dock.table.model().rowCount() == 0
    table.unlink()
    dock.open_table(table)
    assert len(told) == 2


def test_the_summary_does_not_replace_the_table(dock, table, tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("napari_vit_tfm.napari.errors.show_error", told.append)
    summary = table.rename(tmp_path / "summary.csv")
    before = summary.read_text("utf-8")
    dock.open_table(summary)
    dock.choose_folder(tmp_path)
    dock.run_button.click()
    assert "the input would be replaced" in told[0]
    assert not dock.is_busy
    assert summary.read_text("utf-8") == before


def test_a_summary_that_cannot_be_written_is_told(
    dock, run, table, tmp_path, monkeypatch
):
    replace_file = Path.replace

    def open_in_excel(source, target):
        if target.name == "summary.csv":
            raise PermissionError(13, "Permission denied", str(source))
        return replace_file(source, target)

    monkeypatch.setattr(Path, "replace", open_in_excel)
    dock.open_table(table)
    run()
    told = "summary.csv: cannot be written (Permission denied); if the file is open"
    assert told in dock.message.text()
    assert (tmp_path / "results" / "provenance.json").exists()


def test_the_summary_of_others_is_found_before_the_run(dock, table, tmp_path):
    summary = tmp_path / "results" / "summary.csv"
    summary.parent.mkdir()
    summary.write_text("precious")
    dock.open_table(table)
    dock.run_button.click()
    assert "summary.csv: already exists, and is not of a batch" in dock.message.text()
    assert not dock.is_busy
    assert summary.read_text() == "precious"


def test_a_model_that_cannot_be_loaded_is_told(dock, run, table, monkeypatch):
    told = []
    monkeypatch.setattr("napari_vit_tfm.napari.errors.show_error", told.append)
    dock.open_table(table)
    dock.model.choose("nowhere.safetensors")
    run()
    assert "nowhere.safetensors" in told[0]
    assert states(dock) == ["waiting"] * 3
