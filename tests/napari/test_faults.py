"""What happens to the plugin when a run, a layer, a file or the window goes away.

That a run is cancelled, that its layers are removed, and that a second one is started,
is in `traction/test_dock.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from qtpy.QtCore import QThreadPool

from layers_of_fields import add, tractions_of
from napari_vit_tfm import io
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.models import load
from napari_vit_tfm.napari.method_cache import MethodCache
from napari_vit_tfm.napari.opening import open_files
from napari_vit_tfm.napari.traction.dock import TractionDock


def choose_fttc(dock: TractionDock) -> None:
    dock.model.choose("fttc")
    dock.computing["device"].value = "cpu"
    dock.computing["residual"].value = dock.computing["uncertainty"].value = False


@pytest.fixture
def dock(viewer, qtbot, finish) -> TractionDock:
    def leave(dock: TractionDock) -> None:
        finish(dock)
        dock.unbind()

    dock = TractionDock(viewer)
    qtbot.addWidget(dock, before_close_func=leave)
    dock.bind()
    choose_fttc(dock)
    return dock


@pytest.fixture
def held(monkeypatch, qtbot):
    """Run docks with a method that waits in its first frame.

    The function starts a run and waits until it is in that frame. The block that
    follows is what happens meanwhile; at its end, the method goes on.
    """
    method, began, go_on = load("fttc"), threading.Event(), threading.Event()
    before = method.traction

    def slowly(displacement):
        began.set()
        go_on.wait(30)
        return before(displacement)

    @contextmanager
    def running(dock: TractionDock) -> Iterator[None]:
        dock.run_button.click()
        qtbot.waitUntil(began.is_set)
        yield
        go_on.set()

    monkeypatch.setattr(method, "traction", slowly)
    monkeypatch.setattr(MethodCache, "load", lambda _cache, _config: method)
    yield running
    go_on.set()


@pytest.fixture
def run(dock, finish):
    """Function that runs the dock to its end."""

    def run() -> None:
        dock.run_button.click()
        finish(dock)

    return run


def has_tractions(viewer, source) -> bool:
    """Whether a field has tractions; not only their magnitude or their arrows."""
    found = [layer is not None for layer in tractions_of(viewer.layers, source)]
    assert any(found) == all(found)
    return all(found)


def rename(viewer) -> None:
    for number, layer in enumerate(viewer.layers):
        layer.name = f"\x1b[31m<b>{number}</b>"


def move(viewer) -> None:
    viewer.layers.move(0, len(viewer.layers))
    viewer.dims.set_current_step(0, 1)


@pytest.mark.parametrize("change", [rename, move])
def test_layers_that_are_renamed_or_moved_during_a_run(
    dock, viewer, finish, displacement, held, change
):
    source = add(viewer, displacement)
    with held(dock):
        change(viewer)
    finish(dock)
    assert has_tractions(viewer, source)


def test_all_layers_are_removed_during_a_run(
    dock, viewer, finish, run, displacement, held
):
    add(viewer, displacement)
    with held(dock):
        viewer.layers.clear()
    finish(dock)
    assert len(viewer.layers) == 0
    # The dock can be used again.
    source = add(viewer, displacement)
    run()
    assert has_tractions(viewer, source)


def test_vectors_that_are_edited_during_a_run(dock, viewer, finish, displacement, held):
    source = add(viewer, displacement)
    with held(dock):
        source.data = np.zeros_like(source.data)
    finish(dock)
    # The tractions are those of the vectors with which the run was started.
    magnitude, _ = tractions_of(viewer.layers, source)
    assert magnitude is None or np.asarray(magnitude.data).any()


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")]
)
def test_too_little_memory(dock, viewer, run, displacement, monkeypatch, error):
    method = load("fttc")

    def traction(displacement):
        raise error

    monkeypatch.setattr(method, "traction", traction)
    with monkeypatch.context() as patch:
        patch.setattr(MethodCache, "load", lambda _cache, _config: method)
        source = add(viewer, displacement)
        run()
    assert "memory" in dock.message.text()
    assert not has_tractions(viewer, source)
    run()
    assert has_tractions(viewer, source)


@pytest.mark.parametrize("change", ["removed", "damaged", "replaced by a folder"])
def test_a_file_that_is_changed_after_it_was_opened(
    dock, viewer, run, displacement, tmp_path, change
):
    path = tmp_path / "cell.h5"
    io.write_displacement(path, displacement)
    open_files(viewer, [str(path)])
    if change == "damaged":
        path.write_bytes(b"damaged")
    else:
        path.unlink()
    if change == "replaced by a folder":
        path.mkdir()
    run()
    # The vectors are in memory.
    assert has_tractions(viewer, dock.fields.layer()), dock.message.text()


@pytest.mark.parametrize("name", ["cell.h5", "cell.npz", "cell.mat", "cell.csv"])
def test_a_damaged_file_adds_no_layer(viewer, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    with pytest.raises(FieldFileError):
        open_files(viewer, [str(path)])
    assert len(viewer.layers) == 0


@pytest.mark.usefixtures("needs_display", "plugin")
@pytest.mark.parametrize("what", ["window", "dock"])
def test_a_window_that_is_closed_during_a_run(
    make_napari_viewer, displacement, qtbot, held, what
):
    viewer = make_napari_viewer(show=True)
    add(viewer, displacement)
    _, dock = viewer.window.add_plugin_dock_widget("napari-vit-tfm", "Traction")
    qtbot.waitUntil(dock.isVisible)
    choose_fttc(dock)
    n_layers = len(viewer.layers)
    with held(dock):
        if what == "dock":
            viewer.window.remove_dock_widget(dock)
        else:
            viewer.close()
    assert QThreadPool.globalInstance().waitForDone(60_000)
    qtbot.wait(200)
    if what == "dock":
        # A run whose dock is closed ends without adding layers to the viewer, or
        # adds all of them; it does not fail.
        assert len(viewer.layers) in (n_layers, n_layers + 2)
