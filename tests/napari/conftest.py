"""Fixtures: a viewer without a window, small fields, a small network."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Vectors
from npe2 import PluginManager
from npe2._pytest_plugin import TestPluginManager
from pytestqt.qtbot import QtBot

from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.synthesis import disc_timelapse

DOCKS = {"attention", "batch", "quantities", "traction"}
"""Folders with the tests of docks."""

SHAPE = (27, 40)
N_FRAMES = 3


@pytest.fixture(scope="session", autouse=True)
def quick_garbage_collection() -> None:
    """Exclude imported modules, hundreds of thousands of objects, from collection."""
    import torch  # noqa: F401

    gc.collect()
    gc.freeze()
    # A viewer has tens of thousands of objects, which die with their test.
    gc.set_threshold(50_000, 10, 10)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests with napari's own fixture first.

    After it, napari initialises its plugins again, which fails if a window was opened
    before without the fixture.
    """
    items.sort(
        key=lambda item: "make_napari_viewer" not in getattr(item, "fixturenames", ())
    )


@pytest.fixture(autouse=True)
def needs_qt(qapp: object) -> None:
    """Docks and the colour bars of layers need a QApplication."""


@pytest.fixture(autouse=True)
def no_thumbnails(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave out thumbnails of vectors, a fifth of the time of tests, in those of docks.

    In tests of layers and of windows they are drawn.
    """
    if request.path.parent.name in DOCKS:
        monkeypatch.setattr(Vectors, "_update_thumbnail", lambda _: None)


@pytest.fixture(scope="session")
def plugins() -> Iterator[TestPluginManager]:
    """A plugin manager with this plugin only, like npe2's fixture for one test."""
    manager = TestPluginManager()
    with manager.tmp_plugin(package="napari-vit-tfm"):
        yield manager


@pytest.fixture
def plugin(plugins: TestPluginManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this plugin is registered in napari."""
    monkeypatch.setattr(PluginManager, "instance", lambda: plugins)


@pytest.fixture
def viewer(plugin: None) -> ViewerModel:
    """A viewer without a window."""
    return ViewerModel()


@pytest.fixture
def finish(qtbot: QtBot) -> Callable[[Any], None]:
    """Waits for the worker of a dock; the first one imports torch."""

    def wait(dock: Any) -> None:
        qtbot.waitUntil(lambda: not dock.is_busy, timeout=120_000)

    return wait


@pytest.fixture(scope="session")
def needs_display() -> None:
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        pytest.skip("no display: a napari window needs one")


@pytest.fixture(scope="session")
def displacement() -> DisplacementStack:
    """Discs on a field that is not square, with an odd height and a spacing."""
    discs = disc_timelapse(n_frames=N_FRAMES, seed=3, shape=SHAPE)
    spacing_um = 0.5
    width = (SHAPE[1] - 1) * spacing_um
    return DisplacementStack(
        discs.displacement * width, unit="um", spacing_um=spacing_um
    )


@pytest.fixture(scope="session")
def traction() -> TractionStack:
    discs = disc_timelapse(n_frames=N_FRAMES, seed=3, shape=SHAPE)
    return TractionStack(
        discs.traction * 2000,
        unit="Pa",
        spacing_um=0.5,
        gel=Gel(young_pa=2000.0, poisson=0.45),
        model="made for a test",
        model_sha256="0" * 64,
    )


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights of a very small, untrained network with two blocks."""
    import torch

    from napari_vit_tfm.models.physics_vit import PhysicsViT, PhysicsViTConfig
    from napari_vit_tfm.models.weights import save_network

    torch.manual_seed(0)
    config = PhysicsViTConfig(
        width=8, depth=2, heads=2, channels=8, stem_layers=1, decoder_layers=1
    )
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_network(path, PhysicsViT(config), training={})
    return path


@pytest.fixture(scope="session")
def one_vector() -> Callable[..., np.ndarray]:
    """Function that makes a frame with one vector ``(x, y)`` at ``(row, column)``."""

    def make(x: float, y: float, *, at: tuple[int, int]) -> np.ndarray:
        data = np.zeros((1, 16, 16, 2), dtype=np.float32)
        data[0, at[0], at[1]] = x, y
        return data

    return make
