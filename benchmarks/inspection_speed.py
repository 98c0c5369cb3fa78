"""How long it takes from a click to the drawn map, in a real window.

``python benchmarks/inspection_speed.py -o DIR`` opens napari with an example
time-lapse, clicks patches as a mouse does, and writes medians to
``DIR/inspect.json``. Time begins when the button is released, since a press may
begin a drag. A click is compared with what it cannot do without: a redraw of the
same window, and for a frame that is not known yet the attention itself. A display
is needed; a virtual one will do::

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/inspection_speed.py -o DIR
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import napari
import numpy as np
from napari.layers import Layer
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest

from napari_vit_tfm import __version__
from napari_vit_tfm.attention.frame import PreparedFrame, prepare_frame
from napari_vit_tfm.attention.patches import Patch
from napari_vit_tfm.config import BUNDLED_MODEL
from napari_vit_tfm.fields import DisplacementStack
from napari_vit_tfm.io.replacing import replacing
from napari_vit_tfm.napari.attention.dock import AttentionDock
from napari_vit_tfm.napari.demo import open_dock, open_window, show_stack
from napari_vit_tfm.napari.layers.drawing import show_colorbar
from napari_vit_tfm.synthesis import disc_timelapse

# The binding's types know only its own way of calling static functions.
_test: Any = QTest

_N_FRAMES = 4
_WITHIN_FRAME_BAR = 1.3
"""A click in a known frame may take this many redraws."""
_ATTENTION_BAR = 1.3
"""A first click may take one redraw and this many times the attention."""
_PATIENCE_S = 120


class Stopwatch:
    """Measures until a window's picture shows what was asked for.

    Parameters
    ----------
    viewer : napari.Viewer
        A viewer with a window that is shown.
    dock : AttentionDock
        Its attention dock.
    """

    def __init__(self, viewer: napari.Viewer, dock: AttentionDock) -> None:
        self._viewer = viewer
        self._dock = dock
        canvas = viewer.window._qt_viewer.canvas
        self._scene: Any = canvas._scene_canvas
        self.native: Any = canvas.native

    def until_drawn(
        self, act: Callable[[], None], *, patch: Patch, block: int
    ) -> float:
        """Milliseconds from an action to the drawn map of a patch and block.

        Parameters
        ----------
        act : callable
            What the user does.
        patch : tuple of int, keyword-only
            Row and column of the patch.
        block : int, keyword-only
            The block, counted from zero.

        Raises
        ------
        TimeoutError
            If it does not appear.
        """
        inspector = self._dock.inspector

        def is_shown() -> bool:
            shown = inspector.shown
            is_wanted = (shown.patch, shown.view.block) == (patch, block)
            return is_wanted and shown.picture is not None

        return self._until(act, is_shown, f"the map of patch {patch}")

    def redraw(self) -> float:
        """Milliseconds of a redraw of the canvas that changes nothing."""
        return self._until(self._scene.update, lambda: True, "the picture")

    def _until(
        self, act: Callable[[], None], is_shown: Callable[[], bool], what: str
    ) -> float:
        """Milliseconds from an action to the first picture that shows its result."""
        drawn: list[float] = []
        waiting, patience = QEventLoop(), QTimer()
        patience.timeout.connect(waiting.quit)

        def on_draw(_event: object) -> None:
            if not is_shown():
                return
            # Drawing is over when the driver says so, not when it is ordered.
            self._scene.context.finish()
            drawn.append(perf_counter())
            waiting.quit()

        self._scene.events.draw.connect(on_draw, position="last")
        started = perf_counter()
        try:
            act()
            if not drawn:
                patience.start(_PATIENCE_S * 1000)
                waiting.exec()
        finally:
            patience.stop()
            self._scene.events.draw.disconnect(on_draw)
        if not drawn:
            raise TimeoutError(f"{what} does not appear")
        return (drawn[0] - started) * 1000

    def press(self, source: Layer, patch: Patch) -> Callable[[], None]:
        """Move the mouse to the middle of a patch and press.

        Parameters
        ----------
        source : Layer
            A layer of the field.
        patch : tuple of int
            Row and column of the patch.

        Returns
        -------
        callable
            Lets the button go: only now is it a click and not a drag.
        """
        frame = self._dock.inspector.shown.frame
        assert frame is not None
        x0, y0, x1, y1 = frame.grid.bounds(*patch)
        world = source.data_to_world((0, (y0 + y1) / 2, (x0 + x1) / 2))[-2:]
        camera = self._viewer.scene.camera
        middle = np.array([self.native.height(), self.native.width()]) / 2
        row, column = middle + (np.array(world) - camera.center[-2:]) * camera.zoom
        place = QPoint(round(column), round(row))
        left = Qt.MouseButton.LeftButton
        _test.mouseMove(self.native, place)
        _test.mousePress(self.native, left, pos=place)
        return lambda: _test.mouseRelease(self.native, left, pos=place)


def measure(n_clicks: int) -> dict[str, Any]:
    """Open a window and click.

    Parameters
    ----------
    n_clicks : int
        How often each kind of click is repeated.

    Returns
    -------
    dict
        Medians: ``first_click_ms`` in frames that are not known,
        ``same_frame_ms`` for other patches and blocks of a known frame,
        ``redraw_ms`` of the same window, and ``attention_ms`` of the computation
        alone. The ratios that the bars are for, and all single values.
    """
    discs = disc_timelapse(n_frames=_N_FRAMES, seed=0)
    stack = DisplacementStack(discs.displacement, unit="field")
    with open_window() as viewer:
        source, _ = show_stack(viewer, stack)
        show_colorbar(source)
        dock = open_dock(viewer, "Attention")
        _settle()
        dock.switch.setChecked(True)
        _wait(lambda: dock.inspector.shown.frame is not None)
        viewer.reset_view()
        _settle()
        return _click_around(viewer, dock, source, n_clicks)


def _click_around(
    viewer: napari.Viewer, dock: AttentionDock, source: Layer, n_clicks: int
) -> dict[str, Any]:
    watch = Stopwatch(viewer, dock)
    inspector = dock.inspector
    frame = inspector.shown.frame
    assert frame is not None
    grid, blocks = frame.grid, frame.method.n_blocks
    rng = np.random.default_rng(0)
    # All patches once, then again.
    order = np.resize(rng.permutation(grid.rows * grid.columns), 2 * n_clicks + 1)
    patches = [divmod(int(number), grid.columns) for number in order]
    last = blocks - 1
    # The first map of all also makes the graphics card's programs.
    watch.until_drawn(watch.press(source, patches[-1]), patch=patches[-1], block=last)
    _settle()
    first, same, redraw = [], [], []
    for number, patch in enumerate(patches[:n_clicks]):
        viewer.dims.set_current_step(0, number % _N_FRAMES)
        _wait(lambda: not dock.is_busy)
        release = watch.press(source, patch)
        # As if it had not been computed as soon as the frame was shown.
        inspector.clear_caches()
        _settle()
        first.append(watch.until_drawn(release, patch=patch, block=last))
        _settle()
        redraw.append(watch.redraw())
    for patch in patches[n_clicks : 2 * n_clicks]:
        release = watch.press(source, patch)
        _settle()
        same.append(watch.until_drawn(release, patch=patch, block=last))
        _settle()
        redraw.append(watch.redraw())
    slider, patch = dock.controls.block.slider, patches[2 * n_clicks - 1]
    for number in range(n_clicks if blocks > 1 else 0):
        block = number % last if number % last != last else 0
        act = _setter(slider, block + 1)
        same.append(watch.until_drawn(act, patch=patch, block=block))
        _settle()
    times = {
        "first_click": first,
        "same_frame": same,
        "redraw": redraw,
        "attention": [_attention_ms(frame) for _ in range(n_clicks)],
    }
    medians = {f"{name}_ms": float(np.median(all_)) for name, all_ in times.items()}
    return {
        **medians,
        **_ratios(medians),
        **{f"{name}_all_ms": all_ for name, all_ in times.items()},
        "field": list(grid.field_shape),
        "blocks": blocks,
    }


def _attention_ms(frame: PreparedFrame) -> float:
    """Milliseconds in which a frame is prepared and its attention computed."""
    started = perf_counter()
    prepare_frame(frame.field, 0, config=frame.config, method=frame.method).attention()
    return (perf_counter() - started) * 1000


def _ratios(medians: dict[str, float]) -> dict[str, float]:
    """Clicks relative to what they cannot do without; 1 is the bar of the second."""
    redraw_ms = medians["redraw_ms"]
    least_ms = redraw_ms + _ATTENTION_BAR * medians["attention_ms"]
    return {
        "same_frame_to_redraw": medians["same_frame_ms"] / redraw_ms,
        "first_click_to_redraw_and_attention": medians["first_click_ms"] / least_ms,
    }


def _setter(slider: Any, value: int) -> Callable[[], None]:
    return lambda: slider.setValue(value)


def _settle() -> None:
    """Let the window do what it still has to do."""
    for _ in range(3):
        _test.qWait(30)


def _wait(ready: Callable[[], bool]) -> None:
    started = perf_counter()
    while not ready():
        _test.qWait(10)
        if perf_counter() - started > _PATIENCE_S:
            raise TimeoutError("the attention is not there after two minutes")


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
    parser = argparse.ArgumentParser(description="How quick the inspector is.")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--clicks", type=int, default=20, metavar="N")
    options = parser.parse_args(arguments)
    found = {
        **measure(options.clicks),
        "model": BUNDLED_MODEL,
        "version": __version__,
        "napari": napari.__version__,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    options.output.mkdir(parents=True, exist_ok=True)
    target = options.output / "inspect.json"
    with replacing(target) as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for name in ("first_click", "same_frame", "redraw", "attention"):
        print(f"{name.replace('_', ' ')}: {found[f'{name}_ms']:.1f} ms (median)")
    within, first = (
        found["same_frame_to_redraw"],
        found["first_click_to_redraw_and_attention"],
    )
    print(f"same frame / redraw: {within:.2f} (bar {_WITHIN_FRAME_BAR:g})")
    print(f"first click / (redraw + {_ATTENTION_BAR:g} attention): {first:.2f} (bar 1)")
    print(f"written: {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
