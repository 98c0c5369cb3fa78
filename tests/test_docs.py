"""What a reader of the repository is told is there and up to date."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from pkgutil import iter_modules

import click
import pytest
import yaml

import napari_vit_tfm
from corpus import CASES
from corpus.targets import TARGETS
from napari_vit_tfm.cli.main import COMMANDS, main
from napari_vit_tfm.io import readers
from napari_vit_tfm.quantities import QUANTITIES, Scale, adhesion_columns
from napari_vit_tfm.quantities.measure import FLAGS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "napari_vit_tfm"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"))

NOT_API = {"__main__", "cli", "guard", "napari", "notices", "plotting", "resample"}
"""What nobody imports from: the command, the plugin, what other modules share."""


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in headings
    }


@pytest.mark.parametrize("page", [pytest.param(page, id=page.name) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


TESTS = sorted(
    {
        name
        for page in PAGES
        for name in re.findall(r"`(tests/[\w/]+\.py::\w+)`", page.read_text("utf-8"))
    }
)


def test_failures_name_their_tests() -> None:
    page = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?!what goes wrong)(.+) \|$", page, re.MULTILINE)
    assert len(rows) >= 40
    labels = [re.fullmatch(r".+ \| \[\^([\w-]+)\]", row) for row in rows]
    assert all(labels)
    notes = dict(re.findall(r"^\[\^([\w-]+)\]: ((?:.+\n)+)", page, re.MULTILINE))
    assert [label[1] for label in labels if label] == list(notes)
    for note in notes.values():
        tests = re.split(r",\s+", note.strip())
        assert all(test[1:-1] in TESTS for test in tests), note


@pytest.mark.parametrize("name", TESTS)
def test_named_tests_exist(name: str) -> None:
    path, function = name.split("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert function in {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef)
    }


def test_there_are_as_many_damaged_files_as_said() -> None:
    for page in PAGES:
        for said in re.findall(
            r"more than ([\d,]+)(?= damaged| files of all formats)",
            page.read_text(encoding="utf-8"),
        ):
            assert len(CASES) > int(said.replace(",", "")), page.name
    formats = re.search(
        r"files of (\d+) formats are damaged",
        (ROOT / "docs" / "failures.md").read_text(encoding="utf-8").replace("\n", " "),
    )
    assert formats is not None
    assert int(formats[1]) == len(TARGETS)


def public_modules() -> list[str]:
    """Modules that the API page shows.

    A package that lists its names shows these, whichever module they come from, except
    that Sphinx finds the texts about `constants` only in their module; any other shows
    all its modules.
    """
    shown = []
    for part in iter_modules([str(PACKAGE)]):
        if part.name in NOT_API:
            continue
        home = f"napari_vit_tfm.{part.name}"
        shown.append(home)
        folder = PACKAGE / part.name
        if not part.ispkg:
            continue
        lists_names = "__all__" in (folder / "__init__.py").read_text("utf-8")
        shown += [
            f"{home}.{inner.name}"
            for inner in iter_modules([str(folder)])
            if inner.name == "constants" or not lists_names
        ]
    return shown


def test_the_api_page_has_every_public_module_and_name() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\.\. automodule:: (\S+)$", text, re.MULTILINE)
    assert sorted(shown) == sorted(["napari_vit_tfm", *public_modules()])
    listed = re.findall(r"^   ~napari_vit_tfm\.\S+\.(\w+)$", text, re.MULTILINE)
    assert sorted(listed) == sorted({*napari_vit_tfm.__all__} - {"__version__"})


def test_every_option_is_explained() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    is_there = re.search(rf"`[^`]*{option}(?![\w-])", text)
                    assert is_there, f"vit-tfm {name} {option}"


def test_the_table_of_files_has_every_format() -> None:
    text = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    table = text.partition("| format |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (\w+)[^|]* \| (`\.[^|]*) \|", table, re.MULTILINE)
    listed = {name: tuple(re.findall(r"`(\.\w+)`", cell)) for name, cell in rows}
    assert listed == {known.name: known.suffixes for known in readers()}


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == napari_vit_tfm.__version__
    assert citation["license"] == "BSD-3-Clause"


def test_every_quantity_is_explained() -> None:
    page = (ROOT / "docs" / "quantities.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"`(\w+)`", page))
    si = Scale("Pa", "um")
    assert {quantity.column(si) for quantity in QUANTITIES.values()} <= explained
    assert set(adhesion_columns(si)) <= explained
    assert set(FLAGS) <= explained
