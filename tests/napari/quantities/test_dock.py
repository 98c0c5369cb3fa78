from __future__ import annotations

import csv
import dataclasses
import weakref

import numpy as np
import pytest
from napari.layers import Labels, Shapes
from qtpy.QtCore import Qt

from layers_of_fields import add, describe, remove_garbage, show_tractions
from napari_vit_tfm.config import (
    ControlConfig,
    PreparationConfig,
    QuantitiesConfig,
    ReconstructionConfig,
)
from napari_vit_tfm.displacement import prepare
from napari_vit_tfm.displacement.preparation import options_in_use
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.napari.layers.reading import layer_stack
from napari_vit_tfm.napari.quantities.dock import QuantitiesDock
from napari_vit_tfm.physics import Substrate
from napari_vit_tfm.provenance import KEY
from napari_vit_tfm.quantities import (
    Measurement,
    Recorder,
    adhesions_of,
    cells_of,
    columns_of,
    measure,
    reconstruction_of,
)
from napari_vit_tfm.quantities.tables import with_ends
from napari_vit_tfm.reconstruction import reconstruct
from napari_vit_tfm.synthesis import disc_timelapse


@pytest.fixture
def dock(viewer, qtbot, finish):
    def leave(dock: QuantitiesDock) -> None:
        finish(dock)
        dock.unbind()

    dock = QuantitiesDock(viewer)
    qtbot.addWidget(dock, before_close_func=leave)
    dock.bind()
    return dock


@pytest.fixture
def run(dock, finish):
    def measure_all():
        dock.measure_button.click()
        finish(dock)
        return dock.measured

    return measure_all


def two_cells(shape) -> np.ndarray:
    numbers = np.zeros(shape, dtype=int)
    numbers[8:14, 6:14] = 1
    numbers[10:18, 24:34] = 5
    return numbers


def labels_of(numbers, **options) -> Labels:
    scale, units = (0.5, 0.5), ("um", "um")
    if numbers.ndim == 3:
        scale, units = (1, *scale), ("pixel", *units)
    return Labels(numbers, scale=scale, units=units, **options)


def assert_same_rows(found, expected):
    expected = list(expected)
    assert [(row.frame, row.cell, row.flags) for row in found] == [
        (row.frame, row.cell, row.flags) for row in expected
    ]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose([*one.values.values()], [*other.values.values()])


def test_without_tractions_nothing_can_be_measured(dock):
    assert not dock.measure_button.isEnabled()
    assert "Compute tractions" in dock.message.text()
    assert dock.tabs.isHidden()


def test_the_whole_field_is_measured(dock, viewer, run, traction):
    add(viewer, traction)
    measured = run()
    assert_same_rows(measured.rows, measure(traction))
    assert measured.columns == columns_of(traction)
    assert dock.tabs.cells.model().rowCount() == 3
    assert not dock.plot.isHidden()


def test_labels_are_cells_with_the_default_dilation(dock, viewer, run, traction):
    add(viewer, traction)
    numbers = two_cells(traction.grid_shape)
    layer = labels_of(numbers)
    viewer.layers.append(layer)
    dock.region.choose(layer)
    assert_same_rows(run().rows, measure(traction, Measurement(labels=numbers)))
    dock.dilation["dilation_um"].value = 1.5
    how = Measurement(labels=numbers, dilation_steps=3.0)
    assert_same_rows(run().rows, measure(traction, how))


def test_shapes_are_cells(dock, viewer, run, traction):
    add(viewer, traction)
    numbers = (two_cells(traction.grid_shape) == 5).astype(int)
    corners = np.array([[9.9, 23.9], [9.9, 33.1], [17.1, 33.1], [17.1, 23.9]]) / 2
    layer = Shapes([corners], shape_type="polygon", units="um")
    viewer.layers.append(layer)
    dock.region.choose(layer)
    assert_same_rows(run().rows, measure(traction, Measurement(labels=numbers)))


def test_the_outline_of_the_file_is_the_usual_region(dock, viewer, run, traction):
    outline = np.array([[4.5, 4.5], [20.5, 4.5], [20.5, 16.5], [4.5, 16.5]])
    add(viewer, dataclasses.replace(traction, outline=outline))
    assert dock.region.value() == "outline"
    numbers = np.zeros(traction.grid_shape, dtype=int)
    numbers[5:17, 5:21] = 1
    assert_same_rows(run().rows, measure(traction, Measurement(labels=numbers)))
    dock.region.choose("field")
    assert_same_rows(run().rows, measure(traction))


def test_the_cells_of_the_shown_frame_in_all_frames(dock, viewer, run, traction):
    add(viewer, traction)
    numbers = np.zeros(traction.data.shape[:3], dtype=int)
    numbers[1] = two_cells(traction.grid_shape)
    layer = labels_of(numbers)
    viewer.layers.append(layer)
    dock.region.choose(layer)
    assert {row.frame for row in run().rows} == {1}
    dock.same_cells.setChecked(True)
    viewer.dims.set_current_step(0, 1)
    how = Measurement(labels=numbers[1])
    assert_same_rows(run().rows, measure(traction, how))
    viewer.dims.set_current_step(0, 2)
    run()
    assert "no cell in the shown frame" in dock.message.text()


def test_the_energy_of_the_measured_displacements_is_known_for_results(
    dock, viewer, run, displacement, traction
):
    source = add(viewer, displacement)
    image, _ = show_tractions(viewer.layers, traction, source)
    dock.fields.choose(image)
    rows = run().rows
    assert_same_rows(rows, measure(traction, Measurement(measured=displacement)))
    assert np.isfinite(rows[0].values["strain_energy_measured_fJ"])
    describe(viewer.layers, source, unit="grid")
    assert np.isnan(run().rows[0].values["strain_energy_measured_fJ"])


def test_every_field_keeps_its_own_measurement(dock, viewer, run, traction):
    first = add(viewer, traction, title="one")
    other = dataclasses.replace(traction, data=traction.data * 2)
    second = add(viewer, other, title="two")
    dock.fields.choose(first)
    of_first = run()
    dock.fields.choose(second)
    assert dock.measured is None
    assert dock.tabs.cells.model().rowCount() == 0
    dock.measure_button.click()
    # The result belongs to the field for which the measurement was started.
    dock.fields.choose(first)
    assert dock.measured is of_first


def test_the_result_is_that_of_the_field_where_it_was_started(
    dock, viewer, finish, traction
):
    first = add(viewer, traction, title="one")
    other = dataclasses.replace(traction, data=traction.data * 2)
    second = add(viewer, other, title="two")
    dock.fields.choose(first)
    dock.measure_button.click()
    dock.fields.choose(second)
    finish(dock)
    assert dock.measured is None
    dock.fields.choose(first)
    assert_same_rows(dock.measured.rows, measure(traction))


def test_the_result_of_a_removed_field_is_dropped(dock, viewer, finish, traction):
    add(viewer, traction)
    dock.measure_button.click()
    viewer.layers.clear()
    finish(dock)
    assert dock.measured is None


def test_the_message_tells_that_a_measurement_is_out_of_date(
    dock, viewer, run, traction
):
    layer = labels_of(two_cells(traction.grid_shape))
    add(viewer, traction)
    viewer.layers.append(layer)
    dock.region.choose(layer)
    run()
    assert "measure again" not in dock.message.text()
    layer.data_setitem((np.array([2]), np.array([2])), 1)
    assert "measure again" in dock.message.text()
    run()
    assert "measure again" not in dock.message.text()
    dock.dilation["dilation_um"].value = 1.0
    assert "measure again" in dock.message.text()


def test_flags_are_explained(dock, viewer, run, traction):
    data = traction.data.copy()
    data[0, 3, 3] = np.nan
    add(viewer, dataclasses.replace(traction, data=data))
    run()
    assert "rows with the flag holes: 1 of 3;" in dock.message.text()


def test_edited_tractions_are_an_error(dock, viewer, run, traction):
    image = add(viewer, traction)
    image.data[0, 0, 0] = 1e6
    assert run() is None
    assert "were changed" in dock.message.text()


def test_the_plot_marks_the_frame_and_a_click_moves_the_slider(
    dock, viewer, run, traction
):
    add(viewer, traction)
    run()
    viewer.dims.set_current_step(0, 2)
    assert dock.plot._frame == 2
    dock.plot.frame_chosen.emit(1)
    assert viewer.dims.current_step[0] == 1
    assert dock.plot._frame == 1
    dock.tabs.cells.line_opened.emit(0)
    assert viewer.dims.current_step[0] == 0


def test_only_known_quantities_are_plotted_and_the_choice_is_kept(
    dock, viewer, run, traction
):
    add(viewer, traction)
    run()
    names = [dock.quantity.itemData(i) for i in range(dock.quantity.count())]
    assert "total_force" in names
    assert "strain_energy_measured" not in names
    dock.quantity.setCurrentIndex(names.index("total_force"))
    line, label = dock.plot._lines[0], dock.plot._label
    assert label == "total force (nN)"
    assert line.values == tuple(
        row.values["total_force_nN"] for row in measure(traction)
    )
    dock.dilation["dilation_um"].value = 1.0
    run()
    assert dock.quantity.currentData() == "total_force"


def test_regions_and_rings_are_shown_over_the_tractions(dock, viewer, run, traction):
    image = add(viewer, traction)
    image.translate = (0, 3, 4)
    numbers = two_cells(traction.grid_shape)
    layer = labels_of(numbers, translate=(3, 4))
    viewer.layers.append(layer)
    dock.region.choose(layer)
    viewer.layers.selection.active = image
    run()
    dock.show_regions.setChecked(True)
    drawn = viewer.layers[-1]
    assert viewer.layers.selection.active is image
    for row, column in ((10, 10), (26, 39)):
        place = image.data_to_world((0, row, column))
        np.testing.assert_allclose(drawn.world_to_data(place), (0, row, column))
    # The dilation is 2 um, four vectors.
    line = drawn.data[0, 12]
    assert list(np.flatnonzero(line == 1)) == list(range(2, 18))
    assert list(np.flatnonzero(line == 6 + 1)) == [0, 1, 18]
    listed = [dock.region.itemText(i) for i in range(dock.region.count())]
    assert listed == ["the whole field", layer.name]
    dock.show_regions.setChecked(False)
    assert drawn not in viewer.layers


def test_the_numbers_of_the_shown_frame_are_features_of_labels(
    dock, viewer, run, traction
):
    add(viewer, traction)
    layer = labels_of(two_cells(traction.grid_shape))
    viewer.layers.append(layer)
    dock.region.choose(layer)
    dock.show_regions.setChecked(True)
    viewer.dims.set_current_step(0, 1)
    rows = run().rows
    drawn = viewer.layers[-1]
    for frame in (1, 2):
        viewer.dims.set_current_step(0, frame)
        expected = [row.values["total_force_nN"] for row in rows if row.frame == frame]
        for shown in (layer, drawn):
            assert list(shown.features["index"]) == [1, 5]
            assert list(shown.features["frame"]) == [frame, frame]
            assert list(shown.features["total_force_nN"]) == expected
    status = layer.get_status((6, 14), world=True)["value"]
    assert status.startswith("5; frame: 2, strain_energy_fJ: ")


def test_features_of_somebody_else_are_kept(dock, viewer, run, traction):
    add(viewer, traction)
    numbers = two_cells(traction.grid_shape)
    layer = labels_of(numbers, features={"index": [1, 5], "kind": ["a", "b"]})
    viewer.layers.append(layer)
    dock.region.choose(layer)
    run()
    assert list(layer.features.columns) == ["index", "kind"]


def test_a_frame_without_cells_has_no_features(dock, viewer, run, traction):
    add(viewer, traction)
    numbers = np.zeros(traction.data.shape[:3], dtype=int)
    numbers[1] = two_cells(traction.grid_shape)
    layer = labels_of(numbers)
    viewer.layers.append(layer)
    dock.region.choose(layer)
    viewer.dims.set_current_step(0, 1)
    run()
    assert len(layer.features) == 2
    assert "total_force_corrected_nN" not in layer.features
    viewer.dims.set_current_step(0, 0)
    assert len(layer.features) == 0
    # The slider changes nothing that is measured.
    assert "measure again" not in dock.message.text()


def test_showing_regions_keeps_the_chosen_tractions(dock, viewer, run, traction):
    first = add(viewer, traction, title="one")
    second = add(viewer, traction, title="two")
    viewer.layers.selection.active = second
    dock.fields.choose(first)
    dock.show_regions.setChecked(True)
    run()
    assert viewer.layers[-1].name == "one: regions and rings"
    assert dock.fields.layer() is first
    assert viewer.layers.selection.active is second


def test_removed_regions_are_not_shown_again(dock, viewer, run, traction):
    add(viewer, traction)
    dock.show_regions.setChecked(True)
    run()
    viewer.layers.remove(viewer.layers[-1])
    assert not dock.show_regions.isChecked()
    assert len(viewer.layers) == 2


def test_a_hidden_dock_leaves_no_regions_and_watches_nothing(
    viewer, qtbot, finish, traction
):
    image = add(viewer, traction)
    layer = labels_of(two_cells(traction.grid_shape))
    viewer.layers.append(layer)
    dock = QuantitiesDock(viewer)
    qtbot.addWidget(dock)
    watched = [
        viewer.layers.events.removed,
        viewer.layers.events.inserted,
        viewer.dims.events.current_step,
        viewer.layers.selection.events.active,
        layer.events.paint,
        image.events.data,
    ]
    before = [len(event.callbacks) for event in watched]
    dock.bind()
    dock.region.choose(layer)
    dock.show_regions.setChecked(True)
    dock.measure_button.click()
    finish(dock)
    assert len(viewer.layers) == 4
    dock.unbind()
    assert len(viewer.layers) == 3
    assert [len(event.callbacks) for event in watched] == before
    dock.bind()
    assert len(viewer.layers) == 4
    assert dock.region.value() is layer
    assert "measure again" not in dock.message.text()
    dock.unbind()


def test_a_hidden_dock_keeps_no_layers(
    dock, viewer, run, displacement, traction, two_results
):
    layer = labels_of(two_cells(traction.grid_shape))
    viewer.layers.append(layer)
    dock.region.choose(layer)
    dock.other.choose(two_results[1])
    dock.beside.tick(two_results[1])
    run()
    dock.mark_adhesion(0)
    dock.unbind()
    references = [weakref.ref(one) for one in viewer.layers]
    two_results.clear()
    del layer
    viewer.layers.clear()
    remove_garbage(viewer)
    assert [reference() for reference in references] == [None] * len(references)
    dock.bind()


def test_a_measurement_can_be_cancelled(dock, viewer, finish, traction):
    add(viewer, traction)
    dock.measure_button.click()
    assert dock.measure_button.text() == "Cancel"
    dock.measure_button.click()
    finish(dock)
    assert dock.measure_button.text() == "Measure"
    assert dock.measured is None
    assert dock.message.text() == "Cancelled."


def test_the_region_is_kept_when_the_layers_change(dock, viewer, traction):
    add(viewer, traction)
    layers = [labels_of(two_cells(traction.grid_shape), name=name) for name in "ab"]
    viewer.layers.extend(layers)
    dock.region.choose(layers[1])
    viewer.layers.reverse()
    layers[1].name = "c"
    viewer.layers.remove(layers[0])
    assert dock.region.value() is layers[1]
    assert dock.region.currentText() == "c"
    viewer.layers.remove(layers[1])
    assert dock.region.value() == "field"


def test_the_table_is_saved_as_by_the_command_line(
    dock, viewer, run, traction, tmp_path
):
    add(viewer, traction, title="cell_07")
    run()
    assert dock.suggested_path().name == "cell_07_quantities.csv"
    path = tmp_path / "table.csv"
    dock.save(path)
    assert f"Saved {path}" in dock.message.text()
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = [name for one in columns_of(traction) for name in with_ends(one)]
    assert list(rows[0]) == ["frame", "cell", *columns, "flags"]
    assert float(rows[2]["total_force_nN"]) == pytest.approx(
        dock.measured.rows[2].values["total_force_nN"], rel=1e-6
    )


def test_a_table_does_not_overwrite_the_displacements(
    dock, viewer, run, traction, tmp_path, monkeypatch
):
    path = tmp_path / "displacements.csv"
    path.write_text("x,y,u,v\n")
    module = "napari_vit_tfm.napari.quantities.dock"
    monkeypatch.setattr(f"{module}.files_behind", lambda _layers: [str(path)])
    add(viewer, traction)
    run()
    dock.save(path)
    assert "the output file is an input file" in dock.message.text()
    assert path.read_text("utf-8") == "x,y,u,v\n"


def test_a_table_with_a_wrong_name_is_an_error_that_is_shown(
    dock, viewer, run, traction, tmp_path
):
    add(viewer, traction)
    run()
    dock.save(tmp_path / "table.xlsx")
    assert "expected .csv" in dock.message.text()


def test_results_of_binned_displacements_are_measured_where_they_are(dock, viewer, run):
    # A vector of a bin of 2 x 2 lies between those of the displacements.
    binning = PreparationConfig(bin_size=2)
    fine = disc_timelapse(n_frames=2, seed=1, shape=(32, 40))
    displacement = DisplacementStack(
        fine.displacement * 19.5, unit="um", spacing_um=0.5
    )
    coarse = disc_timelapse(n_frames=2, seed=1, shape=(16, 20))
    traction = TractionStack(
        coarse.traction * 1000,
        unit="Pa",
        spacing_um=1.0,
        gel=Gel(young_pa=1000.0),
        metadata={"preparation": options_in_use(binning)},
    )
    source = add(viewer, displacement)
    image, _ = show_tractions(viewer.layers, traction, source)
    numbers = np.zeros((16, 20), dtype=int)
    numbers[5:9, 6:11] = 1
    layer = Labels(numbers, translate=(0.25, 0.25), units="um")
    viewer.layers.append(layer)
    dock.fields.choose(image)
    dock.region.choose(layer)
    how = Measurement(labels=numbers, measured=prepare(displacement, binning))
    assert_same_rows(run().rows, measure(traction, how))


@pytest.fixture
def two_results(dock, viewer, displacement, traction):
    """Layers of two results of a field; the second one is twice as large."""
    source = add(viewer, displacement, title="cell_07")
    larger = dataclasses.replace(traction, data=traction.data * 2, model="fttc")
    smaller = dataclasses.replace(traction, model="vit")
    results = [
        show_tractions(viewer.layers, stack, source)[0] for stack in (smaller, larger)
    ]
    dock.fields.choose(results[0])
    return results


def test_two_results_of_a_field_are_compared(dock, viewer, run, traction, two_results):
    dock.other.choose(two_results[1])
    n_layers = len(viewer.layers)
    measured = run()
    assert measured.names == ["ViT", "FTTC"]
    of_vit, of_fttc = ([row.values for row in one.rows] for one in measured.tractions)
    for one, other in zip(of_vit, of_fttc, strict=True):
        assert other["total_force_nN"] == pytest.approx(2 * one["total_force_nN"])
    assert dock.tabs.cells.model().rowCount() == 6
    assert [line.style for line in dock.plot._lines] == ["-", "--"]
    # With one cell, the colours are those of the tractions.
    assert len({line.colour for line in dock.plot._lines}) == 2
    frame, row, column = np.unravel_index(
        np.argmax(traction.magnitude()), traction.data.shape[:3]
    )
    largest = traction.longest()
    assert (
        f"ViT and FTTC differ most in frame {frame} at x {column * 0.5:.4g}, "
        f"y {row * 0.5:.4g} \N{MICRO SIGN}m: {largest:.4g} and {2 * largest:.4g} Pa, "
        f"difference {largest:.4g} Pa."
    ) in dock.message.text().replace("\N{NO-BREAK SPACE}", " ")
    assert "is 63% of that" in dock.message.text()
    image, arrows = viewer.layers[n_layers:]
    assert image.name == "cell_07: ViT minus FTTC (Pa)"
    assert arrows.name == "cell_07: ViT minus FTTC arrows (Pa)"
    visible = [layer for layer in viewer.layers if layer.visible]
    assert visible == [*viewer.layers[:2], image, arrows]
    np.testing.assert_allclose(image.data, traction.magnitude(), rtol=1e-5)
    place = two_results[0].data_to_world((1, 5, 6))
    np.testing.assert_allclose(image.world_to_data(place), (1, 5, 6))
    # A picture, and no tractions that could be measured or saved.
    assert dock.fields.count() == 2


def test_a_comparison_replaces_the_difference_of_the_last_one(
    dock, viewer, run, two_results
):
    dock.other.choose(two_results[1])
    run()
    n_layers = len(viewer.layers)
    run()
    assert len(viewer.layers) == n_layers


def test_the_difference_follows_its_tractions(dock, viewer, run, two_results, qtbot):
    dock.other.choose(two_results[1])
    n_layers = len(viewer.layers)
    run()
    new = viewer.layers[n_layers:]
    two_results[0].translate = (0, 3, 4)
    for layer in new:
        np.testing.assert_allclose(layer.translate, (0, 3, 4))
    viewer.layers.remove(two_results[0])
    qtbot.waitUntil(lambda: not set(new) & set(viewer.layers))


def test_the_difference_goes_with_the_second_tractions_too(
    dock, viewer, run, two_results, qtbot
):
    dock.other.choose(two_results[1])
    n_layers = len(viewer.layers)
    run()
    new = viewer.layers[n_layers:]
    viewer.layers.remove(two_results[1])
    qtbot.waitUntil(lambda: not set(new) & set(viewer.layers))
    assert two_results[0] in viewer.layers


def test_the_regions_follow_their_tractions(dock, viewer, run, two_results, qtbot):
    numbers = two_cells(two_results[0].data.shape[1:])
    dock.region.choose(viewer.add_labels(numbers, scale=two_results[0].scale[1:]))
    viewer.layers[-1].units = two_results[0].units[1:]
    run()
    dock.show_regions.setChecked(True)
    regions = dock._overlays.regions
    assert regions in viewer.layers
    two_results[0].translate = (0, 3, 4)
    np.testing.assert_allclose(regions.translate[-2:], (3, 4))


def test_only_tractions_of_the_same_field_can_be_compared(
    dock, viewer, run, traction, two_results
):
    add(viewer, traction, title="another cell")
    dock.fields.choose(two_results[0])
    assert [dock.other.itemText(i) for i in range(dock.other.count())] == [
        "nothing",
        two_results[1].name,
    ]
    dock.other.choose(two_results[1])
    run()
    dock.other.setCurrentIndex(0)
    assert "measure again" in dock.message.text()
    run()
    assert dock.tabs.cells.model().rowCount() == 3


def test_known_tractions_of_a_file_are_compared_by_its_name(
    dock, viewer, traction, two_results
):
    known = add(viewer, traction, title="cell_07", quantity="known traction")
    dock.fields.choose(two_results[0])
    dock.other.choose(known)
    assert dock.other.field().first is known


def test_tractions_that_do_not_fit_together_are_an_error(
    dock, viewer, run, traction, two_results
):
    finer = dataclasses.replace(traction, spacing_um=0.4)
    other = add(viewer, finer, title="cell_07")
    dock.fields.choose(two_results[0])
    dock.other.choose(other)
    assert run() is None
    assert "can be compared" in dock.message.text()


def test_results_of_the_same_method_have_different_names(
    dock, viewer, run, traction, displacement
):
    source = add(viewer, displacement, title="cell_07")
    first, _ = show_tractions(viewer.layers, traction, source)
    second, _ = show_tractions(viewer.layers, traction, source)
    dock.fields.choose(first)
    dock.other.choose(second)
    assert run().names == [first.name, second.name]


def test_a_comparison_is_saved_with_the_names_of_the_methods(
    dock, run, two_results, tmp_path
):
    dock.other.choose(two_results[1])
    run()
    path = tmp_path / "table.csv"
    dock.save(path)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["method"] for row in rows] == ["ViT", "FTTC"] * 3
    assert {row["field"] for row in rows} == {"cell_07"}


def test_any_number_of_tractions_is_measured_side_by_side(
    dock, viewer, run, displacement, traction, two_results, tmp_path
):
    # Another field, with another number of frames, another grid and another place.
    other = dataclasses.replace(traction.first(2), data=traction.data[:2, :20])
    place = {"translate": (0, 1.0, 2.0)}
    third = add(viewer, other, title="cell_08", quantity="known traction", **place)
    layer = labels_of(two_cells(traction.grid_shape))
    viewer.layers.append(layer)
    dock.fields.choose(two_results[0])
    dock.region.choose(layer)
    for ticked in (two_results[1], third):
        dock.beside.tick(ticked)
    measured = run()
    assert measured.names == [
        "cell_07, ViT",
        "cell_07, FTTC",
        "cell_08, known traction",
    ]
    numbers = two_cells(traction.grid_shape)
    vit, fttc, known = (one.rows for one in measured.tractions)
    how = Measurement(labels=numbers, measured=displacement)
    assert_same_rows(vit, measure(traction, how))
    larger = dataclasses.replace(traction, data=traction.data * 2)
    assert_same_rows(fttc, measure(larger, how))
    # The cells are where the viewer shows them.
    moved = np.zeros(other.grid_shape, dtype=int)
    moved[:, :36] = numbers[2:22, 4:]
    assert_same_rows(known, measure(other, Measurement(labels=moved)))
    assert dock.tabs.cells.model().rowCount() == 2 * (3 + 3 + 2)
    lines = dock.plot._lines
    assert len(lines) == 6
    assert len({(line.style, line.marker) for line in lines}) == 3
    assert len({line.colour for line in lines}) == 2
    assert [len(line.frames) for line in lines] == [3, 3, 3, 3, 2, 2]
    path = tmp_path / "table.csv"
    dock.save(path)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["field"], row["method"], row["cell"]) for row in rows[:6]] == [
        *(("cell_07", "ViT", "1"), ("cell_07", "FTTC", "1")),
        ("cell_08", "known traction", "1"),
        *(("cell_07", "ViT", "5"), ("cell_07", "FTTC", "5")),
        ("cell_08", "known traction", "5"),
    ]
    # No difference, since none is compared.
    assert measured.comparison == ""
    assert "measure again" not in dock.message.text()
    dock.beside.tick(third, False)
    assert "measure again" in dock.message.text()
    assert len(run().tractions) == 2


def test_a_comparison_and_others_side_by_side(dock, viewer, run, traction, two_results):
    known = add(viewer, traction, title="cell_07", quantity="known traction")
    dock.fields.choose(two_results[0])
    dock.other.choose(two_results[1])
    for ticked in (known, two_results[1]):
        dock.beside.tick(ticked)
    measured = run()
    assert measured.names == ["ViT", "FTTC", "known traction"]
    assert measured.comparison.startswith("ViT and FTTC differ most")


def test_what_is_ticked_stays_ticked(dock, viewer, traction, two_results):
    first, second = two_results
    dock.beside.tick(second)
    dock.fields.choose(second)
    assert dock.beside.fields() == []
    dock.fields.choose(first)
    assert [field.first for field in dock.beside.fields()] == [second]
    dock.unbind()
    dock.bind()
    dock.fields.choose(first)
    assert [field.first for field in dock.beside.fields()] == [second]


def test_tractions_in_other_units_are_not_measured_side_by_side(
    dock, viewer, run, traction, two_results
):
    relative = TractionStack(traction.data, spacing_um=0.5, model="fttc")
    other = add(viewer, relative, title="cell_08")
    dock.fields.choose(two_results[0])
    dock.beside.tick(other)
    assert run() is None
    words = dock.message.text()
    assert "the tractions cell_07, ViT are in Pa and µm, cell_08, traction in " in words


def test_an_error_of_one_of_several_tractions_has_its_name(dock, viewer, run, traction):
    outline = np.array([[4.5, 4.5], [20.5, 4.5], [20.5, 16.5], [4.5, 16.5]])
    first = add(viewer, dataclasses.replace(traction, outline=outline), title="one")
    second = add(viewer, traction, title="two")
    dock.fields.choose(first)
    dock.beside.tick(second)
    assert run() is None
    assert f"{second.name}: there is no outline" in dock.message.text()


def test_adhesions_are_listed_saved_and_outlined(dock, viewer, run, traction, tmp_path):
    image = add(viewer, traction, title="cell_07")
    image.translate = (0, 3, 4)
    viewer.layers.selection.active = image
    measured = run()
    expected = [found for (cell,) in cells_of(traction) for found in adhesions_of(cell)]
    assert dock.tabs.adhesions.model().rowCount() == len(expected) > 3
    dock.tabs.setCurrentWidget(dock.tabs.adhesions)
    assert dock.suggested_path().name == "cell_07_adhesions.csv"
    dock.save(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["force_nN"]) for row in rows] == pytest.approx(
        [one.values["force_nN"] for one in expected], rel=1e-6
    )
    line = next(i for i, one in enumerate(expected) if one.frame == 2)
    dock.tabs.adhesions.line_chosen.emit(line)
    assert viewer.dims.current_step[0] == 2
    mark = viewer.layers[-1]
    assert mark.name == "cell_07: adhesion 1 of cell 1"
    assert viewer.layers.selection.active is image
    # Each line lies between a node of the adhesion and one that is not.
    nodes = {tuple(node) for node in expected[line].nodes}
    for start, direction in mark.data:
        middle = start + direction / 2
        assert middle[0] == 2
        across = np.abs(direction[:0:-1]) / 2
        sides = (middle[1:] + across, middle[1:] - across)
        assert sum(tuple(side) in nodes for side in sides) == 1
    place = image.data_to_world((2, 5, 6))
    np.testing.assert_allclose(mark.world_to_data(place), (2, 5, 6))
    assert dock.fields.count() == 1
    dock.tabs.adhesions.line_chosen.emit(0)
    assert mark not in viewer.layers
    assert len(viewer.layers) == 3
    assert measured is dock.measured
    dock.unbind()
    assert len(viewer.layers) == 2
    dock.bind()


def test_the_outline_of_an_adhesion_that_the_user_removes(dock, viewer, run, traction):
    add(viewer, traction)
    run()
    dock.tabs.adhesions.line_chosen.emit(0)
    viewer.layers.remove(viewer.layers[-1])
    dock.tabs.adhesions.line_chosen.emit(0)
    assert len(viewer.layers) == 3
    run()
    assert len(viewer.layers) == 2


def test_the_outline_of_an_adhesion_follows_its_tractions(
    dock, viewer, run, traction, qtbot
):
    image = add(viewer, traction)
    run()
    dock.tabs.adhesions.line_chosen.emit(0)
    mark = viewer.layers[-1]
    image.translate = (0, 3, 4)
    np.testing.assert_allclose(mark.translate, (0, 3, 4))
    image.data = image.data * 2
    qtbot.waitUntil(lambda: mark not in viewer.layers)


@pytest.fixture
def computed(dock, viewer, displacement):
    """Layers of displacements, and of tractions that Bayesian FTTC computed."""
    config = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1 * displacement.data.std(), displacement.data.shape)
    noisy = displacement.with_data(displacement.data + noise)
    gel = Gel(young_pa=3000.0, poisson=0.4)
    stack = reconstruct(noisy, substrate=Substrate(gel), config=config)
    source = add(viewer, noisy)
    image, _ = show_tractions(viewer.layers, stack, source)
    dock.fields.choose(image)
    return source, image


def test_the_total_force_is_corrected_as_on_the_command_line(dock, run, computed):
    source, image = computed
    assert np.isnan(run().rows[0].values["total_force_corrected_nN"])
    dock.is_corrected.setChecked(True)
    assert "measure again" in dock.message.text()
    found = run().rows
    stack, measured = (layer_stack(layer) for layer in (image, source))
    recorder = Recorder(QuantitiesConfig(), n_frames=3)
    config = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    again = reconstruction_of(stack, config)
    recorder.add(stack, displacement=measured, reconstruct=again)
    for one, other in zip(found, recorder.rows, strict=True):
        assert one.values == pytest.approx(other.values, rel=1e-3, nan_ok=True)
        assert (
            0
            < one.values["total_force_corrected_nN"]
            < 0.99 * one.values["total_force_nN"]
        )
    assert "not corrected" not in dock.message.text()


def test_why_the_total_force_is_not_corrected(dock, viewer, run, computed, traction):
    source, _ = computed
    dock.is_corrected.setChecked(True)
    describe(viewer.layers, source, unit="grid")
    assert np.isnan(run().rows[0].values["total_force_corrected_nN"])
    assert "the displacements are not open, or changed since" in dock.message.text()
    known = add(viewer, traction, title="known")
    dock.fields.choose(known)
    run()
    assert "it is not known how the tractions were computed" in dock.message.text()


def test_a_method_with_other_weights_does_not_correct(
    dock, viewer, run, displacement, weights, tmp_path
):
    file = tmp_path / "own.safetensors"
    file.write_bytes(weights.read_bytes())
    config = ReconstructionConfig(model=str(file), device="cpu")
    stack = reconstruct(displacement, config=config)
    changed = dataclasses.replace(stack, model_sha256="0" * 64)
    source = add(viewer, displacement)
    image, _ = show_tractions(viewer.layers, changed, source)
    dock.fields.choose(image)
    dock.is_corrected.setChecked(True)
    run()
    assert "has other weights" in dock.message.text()
    file.unlink()
    run()
    assert "the total force is not corrected for noise: no model" in dock.message.text()


def test_options_of_another_version_do_not_correct(dock, viewer, run, displacement):
    config = ReconstructionConfig(model="fttc", device="cpu")
    stack = reconstruct(displacement, config=config)
    known = stack.metadata[KEY]
    method = {**known.parameters["reconstruction"], "speed": 3}
    other = dataclasses.replace(
        known, parameters={**known.parameters, "reconstruction": method}
    )
    metadata = {**stack.metadata, KEY: other}
    changed = dataclasses.replace(stack, metadata=metadata)
    image, _ = show_tractions(viewer.layers, changed, add(viewer, displacement))
    dock.fields.choose(image)
    dock.is_corrected.setChecked(True)
    run()
    assert "this version has no option speed" in dock.message.text()


def test_a_correction_can_be_cancelled(dock, qtbot, finish, computed):
    dock.is_corrected.setChecked(True)
    dock.measure_button.click()
    qtbot.waitUntil(lambda: "frames measured" in dock.message.text())
    dock.measure_button.click()
    finish(dock)
    assert dock.measured is None
    assert dock.message.text() == "Cancelled."


@pytest.fixture
def with_known_errors(dock, viewer, computed, traction):
    """The computed tractions in two cells of a Labels layer."""
    layer = labels_of(two_cells(traction.grid_shape))
    viewer.layers.append(layer)
    dock.region.choose(layer)
    return computed


def choose_quantity(dock, name):
    dock.quantity.setCurrentIndex(dock.quantity.findData(name))


def plotted(dock):
    """Values and ends of the plotted lines."""
    return [(line.values, line.ends) for line in dock.plot._lines]


def test_values_have_intervals_in_table_plot_and_file(
    dock, run, with_known_errors, tmp_path
):
    rows = run().rows
    found = rows[0].intervals["total_force_nN"]
    model = dock.tabs.cells.model()
    names = [
        model.headerData(column, Qt.Orientation.Horizontal)
        for column in range(model.columnCount())
    ]
    column = names.index("total_force_nN")
    assert dock.tabs.cells.isColumnHidden(names.index("total_force_nN_low68"))
    index = model.index(0, column)
    assert index.data().endswith(")")
    assert " to " in index.data()
    tip = index.data(Qt.ItemDataRole.ToolTipRole)
    assert f"95%: {found.low95:.4g} to {found.high95:.4g}" in tip
    choose_quantity(dock, "total_force")
    for (values, ends), cell in zip(plotted(dock), (1, 5), strict=True):
        own = [row for row in rows if row.cell == cell]
        assert values == tuple(row.values["total_force_nN"] for row in own)
        highest = (row.intervals["total_force_nN"].high95 for row in own)
        assert ends[3] == tuple(highest)
    dock.save(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as stream:
        (first, *_) = csv.DictReader(stream)
    assert float(first["total_force_nN_low68"]) == pytest.approx(found.low68, rel=1e-6)


def test_why_there_are_no_intervals(dock, viewer, run, computed, traction):
    source, _ = computed
    assert run().rows[0].intervals
    assert "no intervals" not in dock.message.text()
    describe(viewer.layers, source, unit="grid")
    assert not run().rows[0].intervals
    assert "the noise is not known" in dock.message.text()
    assert not dock.kind.isEnabled()
    dock.fields.choose(add(viewer, traction, title="known"))
    run()
    assert "the errors of made for a test are not known" in dock.message.text()


def test_tractions_with_their_uncertainty_have_intervals_without_displacements(
    dock, viewer, run, displacement
):
    config = ReconstructionConfig(model="bayesian-fttc", device="cpu", uncertainty=True)
    dock.fields.choose(add(viewer, reconstruct(displacement, config=config)))
    rows = run().rows
    assert np.isnan(rows[0].values["strain_energy_measured_E_um3"])
    assert rows[0].intervals
    assert "no intervals" not in dock.message.text()


def test_the_error_of_the_gel_is_shown_apart_without_measuring_again(
    dock, run, with_known_errors, tmp_path
):
    run()
    choose_quantity(dock, "total_force")
    before = plotted(dock)
    dock.errors["young_error"].value = 0.1
    assert "measure again" not in dock.message.text()
    assert "one factor, \N{MULTIPLICATION SIGN}0.906 to" in dock.message.text()
    assert "0.906" in dock.plot._note
    # The intervals are those of the image alone.
    assert plotted(dock) == before
    choose_quantity(dock, "unbalanced")
    assert "0.906" not in dock.plot._note
    dock.kind.setCurrentIndex(dock.kind.findData("changes"))
    choose_quantity(dock, "total_force")
    assert "0.906" not in dock.plot._note
    dock.save(tmp_path / "table.csv")
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    (factor,) = {row["gel_low68"] for row in rows}
    assert float(factor) == pytest.approx(0.9056, abs=1e-3)
    model = dock.tabs.cells.model()
    for column in range(model.columnCount()):
        name = model.headerData(column, Qt.Orientation.Horizontal)
        tip = model.index(0, column).data(Qt.ItemDataRole.ToolTipRole) or ""
        expected = name.endswith(("_nN", "_Pa", "_fJ", "_nN_um", "_fJ_per_um2"))
        assert ("Young's modulus" in tip) == expected, name


def test_changes_from_frame_to_frame_are_plotted_and_listed(
    dock, run, with_known_errors, tmp_path
):
    measured = run()
    dock.kind.setCurrentIndex(dock.kind.findData("changes"))
    choose_quantity(dock, "total_force")
    assert dock.plot._label == "ratio to the frame before"
    assert dock.plot._reference == 1
    (values, ends), _ = plotted(dock)
    forces = [row.values["total_force_nN"] for row in measured.rows if row.cell == 1]
    assert np.isnan(values[0])
    assert values[1:] == pytest.approx(
        [forces[1] / forces[0], forces[2] / forces[1]], rel=1e-6
    )
    assert ends[2][1] < values[1] < ends[3][1]
    choose_quantity(dock, "net_moment")
    assert dock.plot._label == "minus the frame before (nN um)"
    assert dock.plot._reference == 0
    # Quantities without a known change are not offered.
    assert dock.quantity.findData("area") == -1
    dock.tabs.setCurrentWidget(dock.tabs.changes)
    assert dock.suggested_path().name.endswith("changes.csv")
    dock.save(tmp_path / "changes.csv")
    with (tmp_path / "changes.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    force = next(row for row in rows if row["quantity"] == "total_force_nN")
    assert (force["frame"], force["cell"], force["kind"]) == ("1", "1", "ratio")
    assert float(force["change"]) == pytest.approx(values[1], rel=1e-6)


def test_the_control_without_force_of_the_shown_frame(
    dock, viewer, run, with_known_errors
):
    source, image = with_known_errors
    assert dock.errors["n_runs"].native.isHidden()
    dock.errors["control"].value = "shown"
    dock.errors["n_runs"].value = 12
    viewer.dims.set_current_step(0, 1)
    rows = run().tractions[0].controls
    assert {(row.frame, row.n_runs) for row in rows} == {(1, 12)}
    assert {row.cell for row in rows} == {1, 5}
    stack, measured = (layer_stack(layer) for layer in (image, source))
    numbers = two_cells(stack.grid_shape)
    recorder = Recorder(
        QuantitiesConfig(n_controls=0),
        n_frames=3,
        labels=numbers,
        control=ControlConfig(12),
    )
    config = ReconstructionConfig(model="bayesian-fttc", device="cpu")
    again = reconstruction_of(stack, config)
    recorder.add(stack, displacement=measured, reconstruct=again)
    expected = [row for row in recorder.controls if row.frame == 1]
    for one, other in zip(rows, expected, strict=True):
        assert (one.column, one.cell) == (other.column, other.cell)
        assert one.floor == pytest.approx(other.floor, rel=1e-2, abs=1e-2, nan_ok=True)
    choose_quantity(dock, "total_force")
    first, second = dock.tabs.control_text.splitlines()
    assert first.startswith("cell 1: total force ")
    assert "without a force" in first
    assert second.startswith("cell 5: ")
    assert dock.measured.control_in_words("total_force_corrected_nN", 1) == []
    assert dock.tabs.control.model().rowCount() == len(rows)
    viewer.dims.set_current_step(0, 2)
    assert dock.tabs.control_text.startswith("No control")
    assert "measure again" not in dock.message.text()
    dock.errors["n_runs"].value = 13
    assert "measure again" in dock.message.text()


def test_progress_of_a_control_and_cancel(dock, qtbot, finish, computed):
    dock.errors["control"].value = "all"
    dock.measure_button.click()
    assert dock.job.pending.n_steps == 3 * (1 + 200)
    qtbot.waitUntil(lambda: "of 200 runs" in dock.message.text(), timeout=60_000)
    dock.measure_button.click()
    finish(dock)
    assert dock.message.text() == "Cancelled."


def test_why_there_is_no_control(dock, viewer, run, traction):
    add(viewer, traction)
    dock.errors["control"].value = "all"
    assert run().tractions[0].controls == []
    assert "there is no control without force: it is not" in dock.message.text()
    assert [dock.tabs.isTabVisible(i) for i in range(4)] == [True, True, False, False]
