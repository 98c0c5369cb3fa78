"""The section of the attention dock about the forces that could have been found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from qtpy.QtGui import QGuiApplication

from canvas import choose, names
from layers_of_fields import add, describe, field_at, remove_garbage
from napari_vit_tfm.napari.layers.placing import nodes_to_world
from napari_vit_tfm.napari.layers.results import set_field_spacing
from napari_vit_tfm.trust.limits import detection_map
from napari_vit_tfm.trust.limits_file import read_detection_map


@pytest.fixture
def section(dock, finish):
    """The section, with FTTC, which has no attention, and a patch that is chosen."""
    dock.model.choose("fttc")
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (1, 2))
    return dock.limits


def maps(viewer) -> list:
    return [layer for layer in viewer.layers if "smallest force" in layer.name]


def test_the_text_is_shown_with_the_section(section):
    assert section.text.isHidden()
    section.section.expand()
    assert not section.text.isHidden()
    section.section.collapse()
    assert section.text.isHidden()


def test_a_patch_on_request(dock, section, finish):
    assert "press" in section.text.text()
    assert not section.copy.isEnabled()
    section.here.click()
    assert section.here.text() == "Cancel"
    assert not section.map.isEnabled()
    finish(dock)
    assert section.here.text() == "What could be seen here?"
    text = section.text.text()
    assert text.startswith("Patch (1, 2)")
    # Four grid steps of 0.7 um; Young's modulus is not known.
    assert "2.8 \N{MICRO SIGN}m in diameter" in section.sentence()
    assert "E times a squared grid step" in text
    # Other patches have limits of their own, and the first one is remembered.
    choose(dock, (0, 0))
    assert "press" in section.text.text()
    choose(dock, (1, 2))
    assert section.text.text() == text
    section.copy.click()
    assert QGuiApplication.clipboard().text() == section.sentence()


def test_it_is_computed_in_the_middle_of_the_patch(dock, section, finish, monkeypatch):
    calls = []

    def spy(*stacks, **options):
        calls.append(options)
        return detection_map(*stacks, **options)

    monkeypatch.setattr("napari_vit_tfm.trust.limits.detection_map", spy)
    section.here.click()
    finish(dock)
    choose(dock, (0, 1))
    section.here.click()
    finish(dock)
    assert [call["place"] for call in calls] == [(11, 19), (3, 11)]
    # What does not depend on the place is computed once.
    assert calls[0]["kept"] is calls[1]["kept"]


def test_forces_are_in_nanonewtons_when_youngs_modulus_is_known(
    viewer, dock, section, finish, source
):
    section.here.click()
    finish(dock)
    plain = section._known((1, 2)).smallest_force
    describe(viewer.layers, source, young_pa=5_000.0)
    finish(dock)
    choose(dock, (1, 2))
    section.here.click()
    finish(dock)
    assert "nN" in section.text.text()
    force, unit = section._known((1, 2)).in_known_units()
    assert unit == "nN"
    # E h^2 = 5 kPa x (0.7 um)^2 = 2.45 nN.
    np.testing.assert_allclose(force, 2.45 * plain, rtol=1e-6)


def test_a_map_has_the_gel_of_its_field_whatever_is_inspected(
    viewer, dock, section, finish, source
):
    describe(viewer.layers, source, young_pa=5_000.0)
    finish(dock)
    choose(dock, (1, 2))
    section.map.click()
    # As if a field on another gel were chosen in the meantime.
    gel = dataclasses.replace(section._shown.gel, young_pa=20_000.0)
    section._shown = dataclasses.replace(section._shown, gel=gel)
    finish(dock)
    (layer,) = maps(viewer)
    gel = dataclasses.replace(gel, young_pa=5_000.0)
    section._shown = dataclasses.replace(section._shown, gel=gel)
    force, unit = section._known(None).in_known_units()
    assert unit == "nN"
    assert layer.data[0, 0] == pytest.approx(force[0, 0, 0])


def test_the_map_lies_at_its_places(viewer, dock, section, finish, source):
    section.map.click()
    finish(dock)
    (layer,) = maps(viewer)
    found = section._known(None)
    assert layer.data.shape == source.data.shape[-2:]
    at_places = layer.data[np.ix_(found.row, found.column)]
    np.testing.assert_array_equal(at_places, found.smallest_force[0])
    assert layer.data[0, 0] == found.smallest_force[0, 0, 0]
    for node in ((0, 0), (5, 3)):
        at = nodes_to_world(source) @ (0, *node, 1)
        np.testing.assert_allclose(layer.data_to_world(node), at[1:3])
    assert "frame 0" in layer.name
    assert "grid step" in layer.name
    assert layer.colorbar.visible
    # A second click shows it again and computes nothing.
    viewer.layers.remove(layer)
    section.map.click()
    assert not dock.is_busy
    assert len(maps(viewer)) == 1


def test_options_are_those_of_the_library(dock, section, finish):
    section.form["size_um"].value = 3.5
    section.form["direction_deg"].value = 90
    section.here.click()
    finish(dock)
    text = section.sentence()
    assert "3.5 \N{MICRO SIGN}m in diameter" in text
    assert "at 90\N{DEGREE SIGN} to x" in text
    section.form["direction_deg"].value = 0
    assert "press" in section.text.text()
    section.form["size_um"].value = 500
    section.here.click()
    finish(dock)
    assert "not more than half of the field" in section.text.text()


def test_save_writes_the_map(dock, section, finish, tmp_path):
    section.here.click()
    finish(dock)
    assert not section.save.isEnabled()
    section.map.click()
    finish(dock)
    assert section.save.isEnabled()
    section.save_as(tmp_path / "limits.h5")
    read, found = read_detection_map(tmp_path / "limits.h5"), section._known(None)
    np.testing.assert_allclose(read.smallest_force, found.smallest_force)
    assert read.model == "fttc"
    assert read.sentence() == section.sentence()


def test_cancelling_leaves_nothing(viewer, dock, section, finish):
    before = names(viewer)
    section.map.click()
    section.map.click()
    assert section.map.text() == "Map"
    assert section.progress.isHidden()
    finish(dock)
    assert names(viewer) == before
    assert "press" in section.text.text()


def test_switching_off_cancels(viewer, dock, section, finish):
    section.map.click()
    dock.switch.setChecked(False)
    finish(dock)
    assert not maps(viewer)
    assert not section.here.isEnabled()
    assert not section.map.isEnabled()


def test_networks_have_limits_too(inspecting, finish):
    choose(inspecting, (0, 0))
    inspecting.limits.here.click()
    finish(inspecting)
    assert "Patch (0, 0)" in inspecting.limits.text.text()
    assert "press" not in inspecting.limits.text.text()


def test_results_go_with_their_layer(viewer, dock, finish, displacement):
    viewer.layers.clear()
    add(viewer, dataclasses.replace(displacement, data=displacement.data.copy()))
    dock.model.choose("fttc")
    dock.switch.setChecked(True)
    finish(dock)
    choose(dock, (1, 2))
    section = dock.limits
    section.here.click()
    finish(dock)
    assert list(section._found)
    assert list(section._kept)
    dock.hide()
    viewer.layers.clear()
    remove_garbage(viewer)
    assert not list(section._found)
    assert not list(section._kept)


def test_the_map_follows_its_field(viewer, section, finish, dock, source, qtbot):
    section.map.click()
    finish(dock)
    (layer,) = maps(viewer)
    source.translate = (0, 5, -6)
    source.scale = (2, 1.5, 1.5)
    source.affine = [[1, 0, 0, 0], [0, 0, -1, 2], [0, 1, 0, 3], [0, 0, 0, 1]]
    for node in ((0, 0), (5, 3)):
        at = nodes_to_world(source) @ (0, *node, 1)
        np.testing.assert_allclose(layer.data_to_world(node), at[1:3])
    source.data = source.data * 2
    qtbot.waitUntil(lambda: not maps(viewer))


def test_the_map_is_removed_with_its_field(
    viewer, section, finish, dock, source, qtbot
):
    section.map.click()
    finish(dock)
    assert maps(viewer)
    viewer.layers.remove(source)
    qtbot.waitUntil(lambda: not maps(viewer))


@pytest.mark.parametrize("change", ["spacing", "gel", "place"])
def test_a_map_of_another_spacing_or_gel_is_removed(
    viewer, dock, section, finish, source, qtbot, change
):
    describe(viewer.layers, source, young_pa=5_000.0)
    finish(dock)
    choose(dock, (1, 2))
    section.map.click()
    finish(dock)
    (layer,) = maps(viewer)
    if change == "spacing":
        set_field_spacing(viewer.layers, field_at(viewer.layers, source), 1.4)
    elif change == "gel":
        describe(viewer.layers, source, thickness_um=20.0)
    else:
        source.translate = [0, 5, 7]
    if change == "place":
        qtbot.wait(20)
        assert maps(viewer) == [layer]
        return
    qtbot.waitUntil(lambda: not maps(viewer))
