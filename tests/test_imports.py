"""What is not needed is not imported: start-up stays quick, headless stays headless."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest

import napari_vit_tfm
from napari_vit_tfm.cli.main import COMMANDS
from napari_vit_tfm.models import methods
from napari_vit_tfm.synthesis import disc_timelapse

METHODS = [
    f"{methods.__name__}.{module.name}" for module in iter_modules(methods.__path__)
]

HEADLESS = [
    "napari_vit_tfm",
    "napari_vit_tfm.errors",
    "napari_vit_tfm.units",
    "napari_vit_tfm.gel",
    "napari_vit_tfm.fields",
    "napari_vit_tfm.config",
    "napari_vit_tfm.resample",
    "napari_vit_tfm.physics",
    "napari_vit_tfm.io",
    "napari_vit_tfm.provenance",
    "napari_vit_tfm.plotting",
    "napari_vit_tfm.plotting.files",
    "napari_vit_tfm.plotting.traction",
    "napari_vit_tfm.synthesis",
    *METHODS,
    "napari_vit_tfm.notices",
    "napari_vit_tfm.reconstruction",
    "napari_vit_tfm.attention.patches",
    "napari_vit_tfm.attention.overlay",
    "napari_vit_tfm.attention.frame",
    "napari_vit_tfm.attention.influence",
    "napari_vit_tfm.attention.faithfulness",
    "napari_vit_tfm.attention.patch",
    "napari_vit_tfm.attention.captions",
    "napari_vit_tfm.attention.export",
    "napari_vit_tfm.attention.figures",
    "napari_vit_tfm.benchmark.metrics",
    "napari_vit_tfm.benchmark.held_out",
    "napari_vit_tfm.benchmark.solvers",
    "napari_vit_tfm.benchmark.evaluate",
    "napari_vit_tfm.benchmark.kinds",
    "napari_vit_tfm.benchmark.tables",
    "napari_vit_tfm.benchmark.kinds_tables",
    "napari_vit_tfm.benchmark.figures",
    "napari_vit_tfm.cli",
    "napari_vit_tfm.cli.main",
    *(f"napari_vit_tfm.cli.{command}" for command in COMMANDS),
]

SCIPY = ["fft", "interpolate", "linalg", "ndimage", "sparse", "spatial", "special"]
STATISTICS = ["scipy.integrate", "scipy.optimize", "scipy.signal", "scipy.stats"]
SLOW = ["matplotlib", *(f"scipy.{part}" for part in SCIPY), *STATISTICS]
"""Modules that take tenths of a second, for functions that need them."""

GUI = ["PyQt5", "PyQt6", "PySide2", "PySide6", "magicgui", "napari", "qtpy", "superqt"]

IMPORT_IN_TURN = """
import sys
from importlib import import_module

unwanted, modules, before = (argument.split() for argument in sys.argv[1:])
for module in before:
    import_module(module)
unwanted = [name for name in unwanted if name not in sys.modules]
for module in modules:
    import_module(module)
    came = [name for name in unwanted if name in sys.modules]
    if came:
        sys.exit(f"{module} imports {', '.join(came)}")
"""

RUN_COMMAND = """
import sys
import torch
from napari_vit_tfm.cli.main import main

unwanted, *command = sys.argv[1:]
# Some releases of torch import sympy themselves.
unwanted = [name for name in unwanted.split(",") if name not in sys.modules]
main(command, standalone_mode=False)
if came := [name for name in unwanted if name in sys.modules]:
    sys.exit(f"the command imports {', '.join(came)}")
"""


def python(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh process."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        encoding="utf-8",
    )


def import_without(unwanted: list[str], modules: list[str], *before: str) -> None:
    """Import modules one after the other in a fresh process, looking what comes.

    What the modules `before` import is not theirs.
    """
    answer = python(IMPORT_IN_TURN, *map(" ".join, (unwanted, modules, before)))
    assert answer.returncode == 0, answer.stderr


def test_the_headless_part_needs_neither_torch_nor_a_window() -> None:
    import_without(["torch", "lightning", *SLOW, *GUI], HEADLESS)


def test_the_package_itself_needs_nothing() -> None:
    import_without(
        ["numpy", "scipy", "h5py", "click", "skimage", "PIL", "torch", *GUI],
        ["napari_vit_tfm"],
    )


def test_predict_needs_no_slow_module_but_torch(tmp_path: Path) -> None:
    displacement, _ = disc_timelapse(n_frames=1).on_gel(young_pa=1e4, spacing_um=1.6)
    np.save(tmp_path / "one.npy", displacement.data)
    gel = ["--young", "10000", "--poisson", "0.45", "--units", "um", "--spacing", "1.6"]
    output = ["-o", str(tmp_path / "traction.h5")]
    command = ["predict", str(tmp_path / "one.npy"), *output, *gel]
    unwanted = ["matplotlib", "lightning", "sympy", *STATISTICS, *GUI]
    answer = python(RUN_COMMAND, ",".join(unwanted), *command)
    assert answer.returncode == 0, answer.stderr


def test_models_and_training_need_no_window() -> None:
    modules = ["napari_vit_tfm.models"]
    if find_spec("lightning"):
        modules.append("napari_vit_tfm.training")
    import_without(GUI, modules)


def test_the_plugin_starts_without_torch() -> None:
    pytest.importorskip("napari")
    parts = ("_reader", "_writer", "_samples", "traction.dock", "attention.dock")
    parts += ("quantities.dock", "batch.dock")
    modules = [f"napari_vit_tfm.napari.{part}" for part in parts]
    # Some releases of napari import parts of scipy.
    viewer = ["napari.layers", "napari.components"]
    import_without(["torch", "lightning", *SLOW], modules, *viewer)


def test_an_unwanted_import_is_noticed() -> None:
    with pytest.raises(AssertionError, match=r"fields imports numpy"):
        import_without(["numpy"], ["napari_vit_tfm", "napari_vit_tfm.fields"])


@pytest.mark.parametrize("name", napari_vit_tfm.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(napari_vit_tfm, name) is not None
    assert name in dir(napari_vit_tfm)


def test_no_public_name_is_a_module_s() -> None:
    # Importing such a module would put it in the name's place.
    modules = {module.name for module in iter_modules(napari_vit_tfm.__path__)}
    assert not modules & set(napari_vit_tfm.__all__)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'tractions'"):
        napari_vit_tfm.tractions  # noqa: B018
