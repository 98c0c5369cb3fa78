"""How long it takes to start: the package, the command line, the plugin's docks.

``python benchmarks/start.py`` prints tables of seconds, each the median of some runs in
processes of their own: imports, the parts of ``vit-tfm predict`` on one field of
104 x 104 vectors, and the docks, if there is napari and a display; a virtual one will
do::

    xvfb-run -a python benchmarks/start.py

Every time is given as processor time, too, which other programs hardly lengthen. A
first run, which compiles modules, does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from napari_vit_tfm.io import write_displacement
from napari_vit_tfm.synthesis import disc_timelapse

Times = dict[str, tuple[float, float]]
"""Wall time and processor time in seconds of each part."""

STOPWATCH = """
import json, sys, time
from contextlib import contextmanager

times, inner = {}, [[0.0, 0.0]]


def now():
    return time.time(), time.process_time()


@contextmanager
def part(name):
    # A part within another one is not counted twice.
    before = now()
    inner.append([0.0, 0.0])
    try:
        yield
    finally:
        spent = [b - a for a, b in zip(before, now())]
        within = inner.pop()
        inner[-1] = [a + b for a, b in zip(inner[-1], spent)]
        old = times.get(name, (0.0, 0.0))
        times[name] = [o + s - w for o, s, w in zip(old, spent, within)]


def watch(owner, attribute, name):
    function = getattr(owner, attribute)

    def watched(*args, **options):
        with part(name):
            return function(*args, **options)

    setattr(owner, attribute, watched)


wall, processor = now()
times["Python"] = [wall - float(sys.argv[1]), processor]
"""

REPORT = """
print(json.dumps(times))
"""

IMPORTS = """
for module in sys.argv[2:]:
    with part(module):
        __import__(module)
"""

PREDICT = """
import os

with part("import of the command"):
    from napari_vit_tfm.cli.main import main
    from napari_vit_tfm.cli import predict, reporting
    from napari_vit_tfm.guard import process
    from napari_vit_tfm.io import partial, reading
with part("import of torch"):
    import torch
with part("other imports"):
    from napari_vit_tfm import reconstruction
    from napari_vit_tfm.displacement.preparation import PreparedFrames
    from napari_vit_tfm.models import cnn, original, weights
    from napari_vit_tfm.notices import FrameNotices
    from napari_vit_tfm.reconstruction import run

load = reconstruction.load_method


def load_method(config):
    with part("weights"):
        method = load(config)
    watch(method, "traction", "tractions")
    return method


reconstruction.load_method = run.load_method = load_method
watch(PreparedFrames, "__init__", "preparation")
watch(PreparedFrames, "with_records", "preparation")
watch(FrameNotices, "add", "notices")
watch(run, "assess", "residual")
watch(run.Provenance, "of", "SHA-256 and versions")
for step in ("__init__", "append", "finish"):
    watch(partial.ResumableSink, step, "writing")
opened = predict.DisplacementSource.open


@contextmanager
def open_source(self, **options):
    with part("reading"):
        manager = opened(self, **options)
        displacement = manager.__enter__()
    try:
        yield displacement
    finally:
        manager.__exit__(None, None, None)


predict.DisplacementSource.open = open_source
with part("everything else"):
    main(sys.argv[2:], standalone_mode=False)
process.close()
spent = os.times()
# Reading waits for it, so that its wall time is in that of reading.
times["second process"] = [0.0, spent.children_user + spent.children_system]
"""

DOCKS = """
with part("napari and its window"):
    import napari

    viewer = napari.Viewer()
for dock in sys.argv[2:]:
    with part(f"dock {dock}"):
        viewer.window.add_plugin_dock_widget("napari-vit-tfm", dock)
viewer.close()
"""

MODULES = ["numpy", "napari_vit_tfm", "napari_vit_tfm.cli.main"]
NAMES = ["Traction", "Attention", "Quantities", "Batch"]
GEL = ["--young", "10000", "--poisson", "0.45", "--units", "um", "--spacing", "1.6"]


def once(script: str, *arguments: str) -> Times:
    """Run a script in a process of its own, and return the times of its parts."""
    command = [sys.executable, "-c", STOPWATCH + script + REPORT]
    answer = subprocess.run(
        [*command, str(time.time()), *arguments],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        check=False,
    )
    if answer.returncode:
        raise SystemExit(answer.stderr)
    times: Times = json.loads(answer.stdout.splitlines()[-1])
    return times


def medians(runs: int, script: str, *arguments: str) -> Times:
    """Medians of several runs."""
    once(script, *arguments)
    measured = [once(script, *arguments) for _ in range(runs)]
    return {
        name: (
            median(times[name][0] for times in measured),
            median(times[name][1] for times in measured),
        )
        for name in measured[0]
    }


def show(title: str, times: Times) -> None:
    """Print a table."""
    print(f"\n| {title} | s | processor s |")
    print("|---|---|---|")
    for name, (wall, processor) in times.items():
        print(f"| {name} | {wall:.3f} | {processor:.3f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=["--residual"])
    given = parser.parse_args()
    # Each in a process of its own, since the later ones need what the first imports.
    times = {module: medians(given.runs, IMPORTS, module)[module] for module in MODULES}
    show("import", times)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        displacement, _ = disc_timelapse(n_frames=1).on_gel(
            young_pa=10_000, spacing_um=1.6
        )
        write_displacement(path / "one.h5", displacement)
        command = ["predict", str(path / "one.h5"), "-o", str(path / "traction.h5")]
        times = medians(given.runs, PREDICT, *command, *GEL, *given.options)
    total = (sum(wall for wall, _ in times.values()), sum(p for _, p in times.values()))
    show("vit-tfm predict", {**times, "all": total})
    if find_spec("napari"):
        show("napari", medians(given.runs, DOCKS, *NAMES))


if __name__ == "__main__":
    main()
