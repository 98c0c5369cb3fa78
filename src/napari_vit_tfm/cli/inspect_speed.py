"""``vit-tfm benchmark --inspect``: how quick the plugin's inspector is.

It is measured in a window, which only the plugin opens, and the command line
knows nothing of the plugin: a Python of its own runs the plugin's module.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import click

_MODULE = "napari_vit_tfm.napari.inspection_speed"
_VIRTUAL_DISPLAY = ("xvfb-run", "-a", "-s", "-screen 0 1600x1000x24")


def measure_inspection(output: Path) -> None:
    """Write medians, ``first_click_ms`` and ``same_frame_ms``, to ``inspect.json``.

    Parameters
    ----------
    output : Path
        Folder for the file.

    Raises
    ------
    click.ClickException
        If there is no napari, no display, or the measurement fails.
    """
    if find_spec("napari") is None or find_spec("qtpy") is None:
        raise click.ClickException(
            "--inspect opens napari, which is not installed: "
            "pip install napari-vit-tfm[all]"
        )
    command = [*_display(), sys.executable, "-m", _MODULE, str(output)]
    done = subprocess.run(command, check=False)
    if done.returncode != 0:
        raise click.ClickException(
            f"the measurement in napari's window ended with {done.returncode}"
        )


def _display() -> list[str]:
    """What gives a window a display: nothing where there is one."""
    seen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform != "linux" or seen:
        return []
    if which(_VIRTUAL_DISPLAY[0]) is None:
        raise click.ClickException(
            "--inspect opens a window, and there is no display: install xvfb, "
            "which makes a virtual one"
        )
    return list(_VIRTUAL_DISPLAY)
