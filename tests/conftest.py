"""What every test may need."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# No napari in these tests reads or writes anybody's settings.
os.environ["NAPARI_CONFIG"] = ""

# Without a display Qt would end the whole run, not just the tests that need one.
if sys.platform == "linux" and not os.environ.get("DISPLAY"):
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

# The rest of the package is tested where these extras are not installed, too.
NEEDS = {"napari": ["napari", "pytestqt"], "training": ["lightning", "tomli_w"]}
collect_ignore = [
    folder for folder, modules in NEEDS.items() if not all(map(find_spec, modules))
]

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of other people's data, which stands beside the repository."""
    folder = ROOT.parent / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip(f"no reference data: there is no folder {folder}")
    return folder
