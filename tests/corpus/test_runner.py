"""The children notice what they are to notice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from corpus.runner import Reader

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")

WATCHED = """
import io, json, pickle, sys, time
from pathlib import Path
import h5py, numpy as np
from corpus import child as module
from corpus.child import Child
module.MOST_SECONDS = 0.5
folder = Path(sys.argv[1])
(folder / "elsewhere").mkdir()
own, other = folder / "cell.h5", folder / "elsewhere" / "other.h5"
for path in (own, other):
    with h5py.File(path, "w") as file:
        file["displacement"] = np.zeros(3)
with h5py.File(own, "a") as file:
    file["link"] = h5py.ExternalLink("elsewhere/other.h5", "/displacement")
pickled = pickle.dumps(Path("a"))

def follow(path):
    with h5py.File(path) as file:
        file["link"][()]

def grow(path):
    np.ones(50_000_000)

def wait(path):
    start = time.process_time()
    while time.process_time() < start + 0.7:
        pass

child = Child(io.StringIO())
ways = {
    "nothing": lambda path: path.read_bytes(),
    "open": lambda path: Path("/etc/hostname").exists() and open("/etc/passwd").close(),
    "link": follow,
    "pickle": lambda path: pickle.loads(pickled),
    "grow": grow,
    "wait": wait,
    "raise": lambda path: 1 // 0,
    "remove": lambda path: path.unlink(),
}
print(json.dumps({
    name: child._watched(own, folder, (), 0.0, way, ()) for name, way in ways.items()
}))
"""


def test_what_a_child_notices(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WATCHED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    found = {name: " ".join(text) for name, text in json.loads(result.stdout).items()}
    assert found["nothing"] == ""
    assert "opens /etc/passwd" in found["open"]
    assert "loads an object from a pickle" in found["pickle"]
    assert "takes 0." in found["wait"]
    assert "ZeroDivisionError" in found["raise"]
    assert "removes a file" in found["remove"]
    if sys.platform == "linux":
        assert f"opens {tmp_path / 'elsewhere' / 'other.h5'}" in found["link"]
        assert "takes 38" in found["grow"]


def test_a_crash_and_a_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Reader
) -> None:
    path = tmp_path / "dishes.csv"
    path.write_bytes(b"file\na.h5\n")
    assert reader.read(path, tmp_path, kind="experiments").problems == ()
    process = reader._process
    assert process is not None

    def stop() -> None:
        time.sleep(0.2)
        process.kill()

    process.send_signal(signal.SIGSTOP)
    thread = threading.Thread(target=stop)
    thread.start()
    (problem,) = reader.read(path, tmp_path, kind="experiments").problems
    thread.join()
    assert "crashes (SIGKILL)" in problem
    assert reader.read(path, tmp_path, kind="experiments").outcome == "read"
    assert reader._process is not None
    reader._process.send_signal(signal.SIGSTOP)
    monkeypatch.setattr("corpus.runner.HANG_SECONDS", 0.5)
    (problem,) = reader.read(path, tmp_path, kind="experiments").problems
    assert problem.endswith("hangs")
