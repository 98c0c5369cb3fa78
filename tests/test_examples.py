"""The examples in the docstrings run, and public functions have one."""

from __future__ import annotations

import doctest
import inspect
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "napari_vit_tfm"

EXTRAS = {"napari", "training"}
"""Parts that need more than the package's own dependencies."""

WITH_EXAMPLES = (
    "napari_vit_tfm.benchmark.held_out",
    "napari_vit_tfm.io:natural_order",
    "napari_vit_tfm.io:open_displacement",
    "napari_vit_tfm.io:open_field_file",
    "napari_vit_tfm.io:open_traction",
    "napari_vit_tfm.io:read_displacement",
    "napari_vit_tfm.io:read_traction",
    "napari_vit_tfm.io:summarise",
    "napari_vit_tfm.io:write_traction",
    "napari_vit_tfm.models",
    "napari_vit_tfm.physics",
    "napari_vit_tfm.reconstruction:load_method",
    "napari_vit_tfm.reconstruction:reconstruct",
    "napari_vit_tfm.synthesis",
)
"""Functions, and packages whose public functions, have an example each."""


def modules_with_examples() -> list[str]:
    """Names of the modules whose text has a prompt in it; nothing is imported."""
    return [
        ".".join(("napari_vit_tfm", *path.relative_to(PACKAGE).with_suffix("").parts))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in EXTRAS
        and ">>> " in path.read_text(encoding="utf-8")
    ]


def public_functions() -> list[tuple[str, object]]:
    functions = []
    for name in WITH_EXAMPLES:
        home, _, function = name.partition(":")
        module = import_module(home)
        for public in [function] if function else module.__all__:
            member = getattr(module, public)
            if inspect.isfunction(member):
                functions.append((f"{home}.{public}", member))
    return functions


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Examples may write files.
    monkeypatch.chdir(tmp_path)
    module = import_module(name.removesuffix(".__init__"))
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0, "see above for what was expected and what came"


@pytest.mark.parametrize(
    "function", [pytest.param(f, id=name) for name, f in public_functions()]
)
def test_public_functions_have_an_example(function: object) -> None:
    assert ">>> " in (inspect.getdoc(function) or "")
