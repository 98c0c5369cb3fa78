r"""How long a step through a long time-lapse takes in a real window.

``python benchmarks/stepping.py -o DIR`` opens napari with a film of 500 frames, steps
from frame to frame, and writes medians to ``DIR/stepping.json``: of the magnitude
alone, with the arrows, zoomed in, and with the docks. The times are processor times of
the thread of the window, which other programs do not lengthen; with software OpenGL
and one core, drawing is part of them. A display is needed; a virtual one will do::

    LP_NUM_THREADS=0 xvfb-run -a -s "-screen 0 1600x1000x24" \
        python benchmarks/stepping.py -o DIR
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic, process_time, thread_time
from typing import Any

import napari
import numpy as np
from napari.layers import Layer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scipy import ndimage

from napari_vit_tfm import __version__
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.io.replacing import replacing
from napari_vit_tfm.napari.demo import open_dock, open_window, show_stack

# The binding's types know only its own way of calling static functions.
_test: Any = QTest

_SIDE = 104
_BAR = 1.5
"""A step with arrows may take this many steps without."""
_ZOOM = 4.0
_PATIENCE_S = 120


def film(n_frames: int, *, seed: int = 0) -> DisplacementStack:
    """A film of displacements that change smoothly.

    Parameters
    ----------
    n_frames : int
        Number of frames.
    seed : int, keyword-only
        Seed of the random numbers.
    """
    noise = np.random.default_rng(seed).normal(size=(2, _SIDE, _SIDE, 2))
    one, other = ndimage.gaussian_filter(noise, (0, 4, 4, 0)).astype(np.float32)
    times = np.arange(n_frames, dtype=np.float32)[:, None, None, None]
    data = one * np.cos(times / 20) + other * np.sin(times / 30)
    return DisplacementStack(data, unit="um", spacing_um=0.5)


class Stepper:
    """Steps through the frames of a viewer, and measures.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer with a window that is shown.
    n_steps : int
        Number of steps of a measurement.
    """

    def __init__(self, viewer: napari.Viewer, n_steps: int) -> None:
        self._viewer = viewer
        self._n_steps = n_steps
        self._scene: Any = viewer.window._qt_viewer.canvas._scene_canvas
        self._n_drawn = 0
        self._scene.events.draw.connect(self._on_draw, position="last")

    def steps(self) -> float:
        """Milliseconds of a step, with its picture."""
        n_frames = round(self._viewer.dims.range[0].stop) + 1
        first = self._viewer.dims.current_step[0]
        frames = ((first + number + 1) % n_frames for number in range(self._n_steps))
        return self._median(lambda: self._viewer.dims.set_current_step(0, next(frames)))

    def redraws(self) -> float:
        """Milliseconds of a redraw of the canvas that changes nothing."""
        return self._median(self._scene.update)

    def _median(self, act: Callable[[], None]) -> float:
        times = []
        for _ in range(self._n_steps):
            before, started, patience = self._n_drawn, thread_time(), monotonic()
            act()
            while self._n_drawn == before:
                QApplication.processEvents()
                if monotonic() - patience > _PATIENCE_S:
                    raise TimeoutError("the picture is not drawn")
            times.append(thread_time() - started)
        return 1000 * float(np.median(times))

    def _on_draw(self, _event: object) -> None:
        # Drawing is over when the driver says so, not when it is ordered.
        self._scene.context.finish()
        self._n_drawn += 1


def measure(n_frames: int, n_steps: int) -> dict[str, float]:
    """Open a window and step.

    Parameters
    ----------
    n_frames : int
        Frames of the film.
    n_steps : int
        Number of steps of each kind.

    Returns
    -------
    dict
        Medians in milliseconds, and the number of arrows where they are drawn.
    """
    with open_window() as viewer:
        _, arrows = show_stack(viewer, film(n_frames))
        viewer.reset_view()
        return _step_around(viewer, arrows, Stepper(viewer, n_steps))


def _step_around(
    viewer: napari.Viewer, arrows: Layer, stepper: Stepper
) -> dict[str, float]:
    _settle()
    # The first pictures also make the graphics card's programs.
    stepper.steps()
    found = {"redraw": stepper.redraws()}
    for name, zoom in (("", 1.0), ("zoomed_", _ZOOM)):
        viewer.scene.camera.zoom *= zoom
        arrows.visible = False
        _settle()
        found[f"{name}image"] = stepper.steps()
        arrows.visible = True
        _settle()
        found[f"{name}arrows"] = stepper.steps()
        found[f"{name}n_arrows"] = len(arrows.data)
    viewer.reset_view()
    for name in ("Traction", "Quantities", "Attention"):
        open_dock(viewer, name)
        _settle()
        found[f"with_{name.lower()}"] = stepper.steps()
    return found


def _settle() -> None:
    """Wait until no thread computes."""
    started = monotonic()
    while monotonic() - started < _PATIENCE_S:
        before = process_time()
        _test.qWait(300)
        if process_time() - before < 0.05:
            return
    raise TimeoutError("the window does not come to rest")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write.

    Parameters
    ----------
    arguments : sequence of str, optional
        Instead of the command line's.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(description="How quick steps are.")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--frames", type=int, default=500, metavar="N")
    parser.add_argument("--steps", type=int, default=40, metavar="N")
    options = parser.parse_args(arguments)
    times = measure(options.frames, options.steps)
    found = {
        **times,
        "ratio": times["arrows"] / times["image"],
        "zoomed_ratio": times["zoomed_arrows"] / times["zoomed_image"],
        "frames": options.frames,
        "version": __version__,
        "napari": napari.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    options.output.mkdir(parents=True, exist_ok=True)
    target = options.output / "stepping.json"
    with replacing(target) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for name, value in times.items():
        unit = "" if name.endswith("n_arrows") else " ms"
        print(f"{name.replace('_', ' ')}: {value:.4g}{unit}")
    print(f"arrows / image: {found['ratio']:.2f} (bar {_BAR:g})")
    print(f"arrows / image, zoomed in: {found['zoomed_ratio']:.2f} (bar {_BAR:g})")
    print(f"written: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
