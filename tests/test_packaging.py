"""napari finds the plugin, however it was installed."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from build import ProjectBuilder
from npe2 import PluginManifest
from pyproject_hooks import quiet_subprocess_runner

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_vit_tfm"

DISCOVER = """
import json, site, sys
from importlib.util import find_spec
from pathlib import Path

folder, *others = sys.argv[1:]
site.addsitedir(folder)
sys.path.extend(others)

from npe2 import PluginManifest

found = [
    {
        "manifest": json.loads(result.manifest.model_dump_json()),
        "package": str(Path(find_spec("napari_vit_tfm").origin).parent),
    }
    for result in PluginManifest.discover()
    if Path(result.distribution.locate_file("")) == Path(folder)
]
print(json.dumps(found))
"""
"""Prints which manifests npe2 discovers in one folder of installed packages."""


def install(kind: str, folder: Path) -> Path:
    """Build the project and unpack it as an installer does."""
    builder = ProjectBuilder(ROOT, runner=quiet_subprocess_runner)
    wheel = Path(builder.build(kind, folder / "built"))
    installed = folder / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    return installed


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install("editable", tmp_path_factory.mktemp("editable"))


@pytest.mark.parametrize("kind", ["wheel", "editable"])
def test_npe2_discovers_the_manifest(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    installed: Path = request.getfixturevalue(kind)
    # Without -S, the environment's own installation would be found as well.
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", DISCOVER, installed]
        + [sysconfig.get_path(name) for name in ("purelib", "platlib")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    (found,) = json.loads(answer.stdout)
    written = PluginManifest.from_file(ROOT / "napari.yaml")
    assert found["manifest"]["name"] == "napari-vit-tfm"
    assert (
        found["manifest"]["contributions"]
        == json.loads(written.model_dump_json())["contributions"]
    )
    home = {"wheel": installed / "napari_vit_tfm", "editable": PACKAGE}[kind]
    assert Path(found["package"]) == home


def test_the_wheel_has_every_file_of_the_package(wheel: Path) -> None:
    def files(folder: Path) -> set[Path]:
        return {
            path.relative_to(folder)
            for path in folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    assert files(wheel / "napari_vit_tfm") == files(PACKAGE)


def test_the_manifest_on_top_is_the_one_in_the_package() -> None:
    assert (ROOT / "napari.yaml").samefile(PACKAGE / "napari.yaml")


def test_nothing_but_the_project_lies_in_the_top_folder() -> None:
    try:
        listed = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    top = {name.partition("/")[0] for name in listed.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} == {
        "CITATION.cff",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "README.md",
        "benchmarks",
        "docs",
        "napari.yaml",
        "pyproject.toml",
        "src",
        "tests",
    }
