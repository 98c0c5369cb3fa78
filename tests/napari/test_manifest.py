from __future__ import annotations

import subprocess
import sys

from napari._app_model.constants._menus import is_menu_contributable
from npe2 import PluginManifest

from napari_vit_tfm.io import exporters, readers


def test_all_commands_of_the_manifest_exist():
    manifest = PluginManifest.from_distribution("napari-vit-tfm")
    manifest.validate_imports()
    commands = {command.id for command in manifest.contributions.commands}
    used = [
        *manifest.contributions.readers,
        *manifest.contributions.writers,
        *manifest.contributions.widgets,
        *manifest.contributions.sample_data,
    ]
    menus = manifest.contributions.menus
    used_in_menus = {item.command for items in menus.values() for item in items}
    assert {item.command for item in used} | used_in_menus == commands


def test_the_manifest_has_all_docks():
    manifest = PluginManifest.from_distribution("napari-vit-tfm")
    docks = {item.display_name: item.command for item in manifest.contributions.widgets}
    assert docks == {
        "Traction": "napari-vit-tfm.traction",
        "Attention": "napari-vit-tfm.attention",
        "Quantities": "napari-vit-tfm.quantities",
        "Batch": "napari-vit-tfm.batch",
    }


def test_the_manifest_has_all_file_formats():
    manifest = PluginManifest.from_distribution("napari-vit-tfm")
    (reader,) = manifest.contributions.readers
    read = [suffix for file_format in readers() for suffix in file_format.suffixes]
    assert sorted(reader.filename_patterns) == sorted(f"*{suffix}" for suffix in read)
    (writer,) = manifest.contributions.writers
    written = [suffix for exporter in exporters() for suffix in exporter.suffixes]
    assert sorted(writer.filename_extensions) == sorted(written)


def test_all_menus_of_the_manifest_exist():
    manifest = PluginManifest.from_distribution("napari-vit-tfm")
    assert manifest.contributions.menus
    for menu in manifest.contributions.menus:
        assert is_menu_contributable(menu), menu


def test_opening_docks_files_and_samples_does_not_import_torch():
    script = """
import sys
from napari.components import ViewerModel
from npe2 import PluginManager
from qtpy.QtWidgets import QApplication
from napari_vit_tfm.napari.attention.dock import AttentionDock
from napari_vit_tfm.napari.batch.dock import BatchDock
from napari_vit_tfm.napari.quantities.dock import QuantitiesDock
from napari_vit_tfm.napari.traction.dock import TractionDock
PluginManager.instance().discover()
app = QApplication([])
viewer = ViewerModel()
viewer.open_sample("napari-vit-tfm", "discs")
for kind in (TractionDock, AttentionDock, QuantitiesDock, BatchDock):
    dock = kind(viewer)
    dock.bind()
    dock.unbind()
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
