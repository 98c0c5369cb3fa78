"""The script that measures how quick the inspector is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "inspection_speed.py"


@pytest.mark.usefixtures("needs_display")
def test_the_inspector_is_timed_in_a_window(tmp_path):
    command = [sys.executable, SCRIPT, "-o", tmp_path, "--clicks", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "inspect.json").read_text(encoding="utf-8"))
    # Clicks in two frames; then as many clicks as steps of the slider.
    assert len(found["first_click_all_ms"]) == 2
    assert len(found["same_frame_all_ms"]) == 4
    for name in ("first_click", "same_frame"):
        values = found[f"{name}_all_ms"]
        assert found[f"{name}_ms"] == pytest.approx(np.median(values))
        assert min(values) > 0
