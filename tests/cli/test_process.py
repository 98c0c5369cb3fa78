"""Streams and signals of a process, which is `vit-tfm` itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from napari_vit_tfm.fields import TractionStack
from napari_vit_tfm.io import read_traction, write_traction

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")

VIT_TFM = (sys.executable, "-m", "napari_vit_tfm")


@pytest.fixture
def tractions(tmp_path: Path) -> Path:
    path = tmp_path / "traction.h5"
    data = np.ones((1, 16, 16, 2))
    write_traction(path, TractionStack(data, unit="Pa", spacing_um=0.5))
    return path


def shell(command: str) -> subprocess.CompletedProcess[str]:
    vit_tfm = " ".join(VIT_TFM)
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.format(vit_tfm=vit_tfm)}"],
        capture_output=True,
        text=True,
        check=False,
    )


def test_closed_streams_are_no_error(tractions: Path, tmp_path: Path) -> None:
    table, other = tmp_path / "q.csv", tmp_path / "other.csv"
    other.write_text("a table of others")
    found = shell(
        f"{{vit_tfm}} quantities {tractions} -o {table} >&- 2>&- && "
        f"{{vit_tfm}} quantities {tractions} -o {other} >&- 2>&-"
    )
    # The second one would replace a file of others.
    assert (found.returncode, found.stdout, found.stderr) == (2, "", "")
    # No message has gone into the file.
    assert table.read_text().startswith("frame,")
    for stream in ("0<&-", "2>&-"):
        found = shell(f"{{vit_tfm}} info {tractions} {stream}")
        assert found.returncode == 0
        assert "traction" in found.stdout


def test_a_reader_that_stops_causes_no_traceback(tractions: Path) -> None:
    found = shell(f"{{vit_tfm}} info {tractions} | true")
    assert found.returncode in (0, 1)
    assert found.stderr == ""
    found = shell(f"{{vit_tfm}} info {tractions} 2>&1 | head -1")
    assert found.stdout.count("\n") == 1
    assert "Traceback" not in found.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error(tractions: Path) -> None:
    found = shell(f"{{vit_tfm}} info {tractions} >/dev/full")
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1
    assert "No space left on device" in found.stderr
    found = shell(f"{{vit_tfm}} info {tractions}.gone 2>/dev/full")
    assert (found.returncode, found.stdout, found.stderr) == (2, "", "")


WRITE = """
import signal
import sys
from types import ModuleType
import click
import numpy as np
from napari_vit_tfm import TractionStack, io
from napari_vit_tfm.cli.main import main

# It is ignored in programs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
data = np.random.default_rng(0).normal(size=(400, 104, 104, 2)).astype(np.float32)


@click.command()
@click.argument("path")
def write(path):
    print("writing", flush=True)
    io.write_traction(path, TractionStack(data, unit="Pa"))
    print("written", flush=True)


module = sys.modules["napari_vit_tfm.cli.info"] = ModuleType("info")
module.command = write
main(prog_name="vit-tfm")
"""
"""A command that only writes, for seconds."""


@pytest.mark.parametrize("ending", ["h5", "npz", "csv", "ome.tif", "mat"])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_an_interruption_while_writing_ends_the_command(
    tractions: Path, tmp_path: Path, ending: str, number: signal.Signals, status: int
) -> None:
    path = tmp_path / f"out.{ending}"
    write_traction(path, read_traction(tractions))
    before, present = path.read_bytes(), sorted(tmp_path.iterdir())
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, "info", path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        time.sleep(0.1)
        os.kill(process.pid, number)
        output, messages = process.communicate()
    assert "written" not in output
    assert (process.returncode, messages.strip()) == (status, "")
    assert path.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == present
