"""Tests the package with several Pythons, Qt bindings and versions of its requirements.

Each environment is built in build/versions/NAME, tested, and written to the table of
docs/versions.md: date, versions, and the closing line of pytest. An environment that
is not available on this machine is named there, too.

    python .ci/versions.py [NAME ...] [--tests PATH ...] [--cuda]
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "versions"
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
PAGE = ROOT / "docs" / "versions.md"
START, END = "<!-- table -->\n", "<!-- end of the table -->"
SHOWN = ["torch", "numpy", "scipy", "h5py", "napari"]
COLUMNS = ["environment", "Python", "Qt", *SHOWN, "date", "tests", "result"]
EXTRAS = ["napari", "cluster", "train", "test"]
NEEDS_TORCH = {"torch", "lightning", "pytorch-optimizer"}
REQUIREMENT = re.compile(r"([\w.-]+)>=([\w.]+)")


@dataclass(frozen=True)
class Environment:
    """A Python, a Qt binding, and which versions of everything else."""

    python: str
    binding: str
    versions: str
    """``tested``: those of .ci/constraints.txt; ``oldest``: the lower bounds of
    pyproject.toml; ``newest``: what pip chooses."""


ENVIRONMENTS = {
    "pyqt6": Environment("3.11", "PyQt6", "tested"),
    "pyside6": Environment("3.11", "PySide6", "tested"),
    "oldest": Environment("3.11", "PyQt6", "oldest"),
    "newest": Environment("3.11", "PyQt6", "newest"),
    "python3.12": Environment("3.12", "PyQt6", "tested"),
    "python3.13": Environment("3.13", "PySide6", "tested"),
}


class UnavailableError(Exception):
    """An environment cannot be made on this machine; the message says why."""


def interpreter(version: str) -> str:
    """Return the path of a Python on PATH or of pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for path in (sys.executable, shutil.which(f"python{version}"), *found):
        if path and output(path, "-c", ask) == version:
            return str(path)
    raise UnavailableError(f"no Python {version} on this machine")


def output(*command: object) -> str:
    """Return what a command prints, nothing if it fails."""
    answer = subprocess.run(
        list(map(str, command)), capture_output=True, encoding="utf-8", check=False
    )
    return answer.stdout.strip() if answer.returncode == 0 else ""


def requirements(binding: str) -> list[str]:
    """Return what the package and its tests need, each with a lower bound."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    optional = project["optional-dependencies"]
    groups = [project["dependencies"], *(optional[extra] for extra in EXTRAS)]
    bounds = {"PyQt6": optional["all"][-1], "PySide6": "PySide6>=6.7"}
    pytest_qt = next(line for line in optional["dev"] if line.startswith("pytest-qt"))
    return [line for group in groups for line in group] + [bounds[binding], pytest_qt]


def name_of(requirement: str) -> str:
    """Return the package's name in a requirement, which has a lower bound."""
    match = REQUIREMENT.fullmatch(requirement)
    if match is None:
        raise ValueError(f"{requirement} is no name with a lower bound")
    return match[1]


def brings_cuda(python: Path, torch: str) -> bool:
    """Whether pip would take a torch that needs the libraries of CUDA."""
    report = output(
        *(python, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"),
        *("--ignore-installed", "--report", "-", torch),
    )
    if not report:
        raise UnavailableError(f"pip finds no {torch}")
    needs = json.loads(report)["install"][0]["metadata"].get("requires_dist", [])
    return any(need.startswith(("nvidia-", "cuda-")) for need in needs)


def choose_torch(python: Path, versions: str, *, cuda: bool) -> str | None:
    """Return the requirement of torch, None if there is only one with CUDA."""
    tested = re.search(r"^torch==.*$", CONSTRAINTS.read_text("utf-8"), re.MULTILINE)
    assert tested is not None
    oldest = next(need for need in requirements("PyQt6") if name_of(need) == "torch")
    wanted = {"newest": "torch", "oldest": oldest.replace(">=", "==")}
    for torch in (wanted.get(versions, tested[0]), tested[0]):
        if cuda or not brings_cuda(python, torch):
            return torch
    return None


def install(name: str, environment: Environment, *, cuda: bool) -> Path:
    """Build an environment and return its Python."""
    folder = BUILD / name
    subprocess.run([interpreter(environment.python), "-m", "venv", folder], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--upgrade", "pip"], check=True)
    needs = requirements(environment.binding)
    torch = choose_torch(python, environment.versions, cuda=cuda)
    if torch is None:
        needs = [need for need in needs if name_of(need) not in NEEDS_TORCH]
    else:
        # First and on its own, so that no other requirement chooses its build.
        subprocess.run([*pip, torch], check=True)
        needs = [need if name_of(need) != "torch" else torch for need in needs]
    if environment.versions == "tested":
        pip += ["--constraint", CONSTRAINTS]
    if environment.versions == "newest":
        pip += ["--upgrade"]
    if environment.versions == "oldest":
        needs = [need.replace(">=", "==") for need in needs]
    subprocess.run([*pip, *needs], check=True)
    subprocess.run([*pip, "--no-deps", "--editable", ROOT], check=True)
    return python


def test(name: str, environment: Environment, python: Path, tests: list[str]) -> str:
    """Run tests and return pytest's closing line."""
    command = [python, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    if not output(python, "-c", "import torch; print(torch.__version__)"):
        command += ["-p", "without_torch"]
    if environment.versions == "oldest":
        # Old releases use what newer ones, which they need, call deprecated.
        command += ["-W", "ignore::DeprecationWarning"]
    if sys.platform == "linux":
        screen = "-screen 0 1600x1000x24"
        command = ["xvfb-run", "-a", "-s", screen, *command]
    variables = {
        "PYTHONPATH": str(ROOT / ".ci"),
        "QT_API": environment.binding.lower(),
        "PYTEST_QT_API": environment.binding.lower(),
    }
    closing = ""
    with (BUILD / f"{name}.log").open("w", encoding="utf-8") as log:
        running = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            cwd=ROOT,
            env=os.environ | variables,
        )
        assert running.stdout is not None
        for line in running.stdout:
            log.write(line)
            sys.stdout.write(line)
            if re.search(r"\d+ (passed|failed|skipped|errors?)\b.* in [\d.]+s", line):
                closing = line.strip().strip("= ")
    code = running.wait()
    return closing or f"ended with code {code} and no closing line"


def versions_of(python: Path, binding: str) -> dict[str, str]:
    """Return the versions of Python and of what the table shows."""
    listed = json.loads(output(python, "-m", "pip", "list", "--format", "json"))
    there = {package["name"].lower(): package["version"] for package in listed}
    shown = {name: there.get(name, "none") for name in SHOWN}
    version = output(python, "-c", "import platform; print(platform.python_version())")
    qt = f"{binding} {there[binding.lower()]}"
    return {"Python": version, "Qt": qt, **shown}


def table() -> dict[str, list[str]]:
    """Return the rows of the page's table by environment."""
    lines = PAGE.read_text("utf-8").split(START)[1].split(END)[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row for row in rows}


def write_row(row: dict[str, str]) -> None:
    """Put a row into the page's table in place of the environment's earlier one."""
    rows = table() | {row["environment"]: [row.get(name, "") for name in COLUMNS]}
    ordered = [rows[name] for name in ENVIRONMENTS if name in rows]
    lines = [COLUMNS, ["---"] * len(COLUMNS), *ordered]
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    before, after = PAGE.read_text("utf-8").split(START)
    after = after.split(END)[1]
    PAGE.write_text(before + START + text + END + after, "utf-8", newline="\n")


def check(name: str, tests: list[str], *, cuda: bool) -> bool:
    """Build and test an environment, and say whether its tests passed."""
    environment = ENVIRONMENTS[name]
    row = {
        "environment": name,
        "Python": environment.python,
        "date": datetime.date.today().isoformat(),
    }
    try:
        python = install(name, environment, cuda=cuda)
    except UnavailableError as error:
        write_row({**row, "result": f"not tested: {error}"})
        return True
    row |= versions_of(python, environment.binding)
    row["tests"] = " ".join(f"`{path}`" for path in tests) or "all"
    row["result"] = test(name, environment, python, tests)
    write_row(row)
    return "passed" in row["result"] and not re.search("failed|error", row["result"])


def main() -> int:
    """Return the exit code: 0 if all tests passed that could be run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=", ".join(ENVIRONMENTS)
    )
    parser.add_argument("--tests", type=shlex.split, default=[], help="paths of tests")
    parser.add_argument(
        "--cuda", action="store_true", help="take a torch with several GB of CUDA"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(ENVIRONMENTS):
        parser.error(f"no such environment: {', '.join(sorted(unknown))}")
    BUILD.mkdir(parents=True, exist_ok=True)
    names = arguments.names or list(ENVIRONMENTS)
    passed = [check(name, arguments.tests, cuda=arguments.cuda) for name in names]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    raise SystemExit(main())
