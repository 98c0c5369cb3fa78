"""The child process: reads files in all public ways, and watches itself.

It takes one JSON request in a line of its standard input, and answers in lines of its
standard output: ``{"way": ...}`` before each way of reading, and at the end
``{"problems": [...], "seconds": ..., "outcome": ...}``.
"""

from __future__ import annotations

import ctypes
import fnmatch
import gc
import json
import math
import os
import re
import struct
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import IO, Any

import numpy as np

from corpus.case import CASES, FIELD, Case, Either, Expected, Reads, Refuses

MOST_SECONDS = 5.0
"""Longest computing time of one way of reading."""

MOST_WAITING = 60.0
"""Longest time until it ends, on a machine that also does other things."""

SLACK_MB = 100.0
"""Memory that is not counted: modules that are imported, caches of libraries."""

MOST_ADDRESSES = 4 << 30
"""Address space beyond that of the libraries, in bytes."""

_LIBC = ctypes.CDLL(None, use_errno=True)

_FORBIDDEN = {
    "os.exec": "executes a program",
    "os.fork": "forks",
    "os.posix_spawn": "starts a program",
    "os.system": "runs a command",
    "socket.connect": "opens a connection",
    "socket.getaddrinfo": "looks up a host",
    "pickle.find_class": "loads an object from a pickle",
    "os.remove": "removes a file",
    "os.rename": "renames a file",
    "os.rmdir": "removes a folder",
}
"""Events of the interpreter that no reader may cause in the folder of a file."""


class Watch:
    """What is opened, started and removed while a file is read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.is_on = False
        self._folder, self._own, self._partners = Path(), "", ()
        libraries = [sys.prefix, sys.base_prefix, os.__file__, np.__file__]
        import napari_vit_tfm

        libraries.append(napari_vit_tfm.__file__)
        found = {str(Path(p).parent) if p.endswith(".py") else p for p in libraries}
        # Not in the hook: finding it opens files.
        self._temporary = gettempdir()
        self._libraries = (*found, "/proc/", "/sys/", "/usr/", "/etc/ld.so", "/lib")
        sys.addaudithook(self._hook)

    @contextmanager
    def of(self, path: Path, folder: Path, partners: tuple[str, ...]) -> Iterator[None]:
        """Watch while a block lasts."""
        self.problems, self._folder = [], folder
        self._own = os.path.normpath(path)
        self._partners = tuple(partners)
        with _opened_in([folder, folder / "elsewhere"]) as opened:
            self.is_on = True
            try:
                yield
            finally:
                self.is_on = False
        for name in opened:
            self._check_open(name)
        if (folder / "elsewhere" / "executed").exists() or Path("executed").exists():
            self.problems.append("executes code from the file")

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.is_on:
            return
        if event == "open":
            if isinstance(arguments[0], str | bytes | os.PathLike):
                self._check_open(os.fsdecode(arguments[0]))
        elif event == "subprocess.Popen":
            # The package's own helper may look at a file first.
            if "napari_vit_tfm" not in str(arguments[1]):
                self.problems.append(f"starts {arguments[1]!r}")
        elif event in _FORBIDDEN:
            about = str(arguments[0]) if arguments else ""
            is_file = event in ("os.remove", "os.rename", "os.rmdir")
            if not is_file or about.startswith(str(self._folder)):
                self.problems.append(f"{_FORBIDDEN[event]}: {about}")

    def _check_open(self, name: str) -> None:
        path = os.path.normpath(Path.cwd() / name)
        if path == self._own or path.startswith(self._libraries):
            return
        if path in ("/dev/null", "/dev/urandom"):
            return
        folder = str(self._folder)
        if path.startswith(folder + "/out"):
            return
        if path.startswith(folder + "/"):
            inner = path[len(folder) + 1 :]
            is_hidden = inner.startswith("elsewhere")
            if not is_hidden and any(
                fnmatch.fnmatchcase(inner, one) for one in self._partners
            ):
                return
        elif path.startswith(self._temporary) or path == folder:
            return
        problem = f"opens {path}"
        if problem not in self.problems:
            self.problems.append(problem)


@contextmanager
def _opened_in(folders: list[Path]) -> Iterator[list[str]]:
    """Files that are opened in folders, by any library (Linux)."""
    opened: list[str] = []
    if not hasattr(_LIBC, "inotify_init1"):
        yield opened
        return
    stream = _LIBC.inotify_init1(os.O_NONBLOCK)
    watched = {
        _LIBC.inotify_add_watch(stream, os.fsencode(folder), 0x20): folder
        for folder in folders
        if folder.is_dir()
    }
    try:
        yield opened
        with suppress(BlockingIOError):
            while content := os.read(stream, 1 << 16):
                at = 0
                while at < len(content):
                    watch, _, _, n = struct.unpack_from("iIII", content, at)
                    name = content[at + 16 : at + 16 + n].rstrip(b"\0")
                    if name and watch in watched:
                        opened.append(str(watched[watch] / os.fsdecode(name)))
                    at += 16 + n
    finally:
        os.close(stream)


# Memory


def _status(name: str) -> float:
    """A value of this process in MB; 0 where the system does not tell."""
    with suppress(OSError):
        text = Path("/proc/self/status").read_text(encoding="ascii")
        found = re.search(rf"{name}:\s+(\d+) kB", text)
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


def _forget_peak() -> float:
    """Give back free memory, and count the peak from now on; the present size."""
    gc.collect()
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _limit_addresses() -> None:
    with suppress(ImportError):
        import resource

        most = int(_status("VmSize") * 2**20) + MOST_ADDRESSES
        if most > MOST_ADDRESSES:
            resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _size_mb(path: Path) -> float:
    """Size of what is stored in a file or a folder."""
    files = [path] if path.is_file() else path.parent.rglob("*")
    stored = 0.0
    for file in files:
        with suppress(OSError):
            stored += file.stat().st_blocks * 512
    return stored / 2**20


# Ways of reading


class Undocumented(Exception):
    """What a way of reading did that is not documented."""


def _documented(kind: str) -> tuple[type[Exception], ...]:
    from napari_vit_tfm import TFMError

    # The command line tells the system's errors about settings in one line, too.
    return (TFMError, OSError) if kind in ("config", "experiments") else (TFMError,)


def command(*arguments: str | Path) -> tuple[int, str]:
    """Run `vit-tfm`, and check how it ends; exit status and output."""
    from click.testing import CliRunner

    from napari_vit_tfm.cli.main import main

    result = CliRunner().invoke(main, list(map(str, arguments)))
    output = result.output
    if not isinstance(result.exception, SystemExit | None):
        raise Undocumented(f"ends with {result.exception!r}")
    if result.exit_code not in (0, 2):
        raise Undocumented(f"ends with status {result.exit_code}")
    if found := re.search("unexpected .*", output):
        raise Undocumented(found[0][:300])
    # A tab and a newline are the only control characters that a message needs.
    if found := re.search(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u202a-\u202e]", output):
        raise Undocumented(f"prints the control character {found[0]!r}")
    errors = [line for line in output.splitlines() if line.startswith("Error: ")]
    if len(errors) != (result.exit_code == 2) and "Usage:" not in output:
        raise Undocumented(f"prints {len(errors)} errors, status {result.exit_code}")
    return result.exit_code, output


def _command_options(case: Case) -> list[str]:
    flags = {"unit": "--units", "dataset": "--dataset", "y": "--y"}
    found = [x for key, flag in flags.items() if key in case.options
             for x in (flag, case.options[key])]  # fmt: skip
    return [*found, *(["--components-first"] if "components_first" in case.options
                      else [])]  # fmt: skip


def _info(case: Case, path: Path, expected: Expected) -> None:
    name = str(path)
    status, output = command("info", *_command_options(case), "--", name)
    if isinstance(expected, Reads):
        # Of impossible values of the gel, info only warns.
        if status != 0:
            raise Undocumented(f"refuses: {output[-300:]}")
        if expected.note and not re.search(expected.note, output):
            raise Undocumented(f"gives no note that matches {expected.note!r}")


def _predict(case: Case, path: Path, expected: Expected) -> None:
    from napari_vit_tfm import read_traction

    is_refused = isinstance(expected, Refuses)
    # What the user says can stand in for what is wrong in the file.
    said = [] if is_refused else ["--spacing", "0.5", "--pixel-size", "0.1"]
    if not is_refused and "unit" not in case.options:
        said += ["--units", "um"]
    with TemporaryDirectory() as place:
        out = Path(place) / "out.h5"
        status, _ = command(
            *("predict", "--model", "fttc", "--device", "cpu", "-o", out),
            *(*said, *_command_options(case), "--", path),
        )
        if status != 0:
            if out.exists():
                raise Undocumented("leaves an output in spite of the error")
            return
        values = read_traction(out).data
        if is_refused and case.kind == "displacement":
            raise Undocumented(f"computes tractions, {np.nanmax(np.abs(values)):g}")


def _plugin(case: Case, path: Path, expected: Expected) -> None:
    from napari_vit_tfm.napari._reader import get_reader

    reader = get_reader(str(path))
    layers = reader(str(path)) if reader is not None else None
    if isinstance(expected, Reads) and (not layers or len(layers[0]) < 2):
        if case.options:
            return
        raise Undocumented("adds no layer")


def _check_values(found: Any, expected: Reads) -> None:
    if expected.values is None:
        return
    data = np.asarray(found)
    if data.shape != expected.values.shape:
        raise Undocumented(f"reads the shape {data.shape}")
    if not np.allclose(data, expected.values, rtol=1e-4, atol=1e-6, equal_nan=True):
        raise Undocumented("reads other values")


def _check_about(stack: Any, expected: Reads) -> None:
    for name, value in expected.about.items():
        found = getattr(stack if hasattr(stack, name) else stack.gel, name)
        is_close = found == value or (
            isinstance(found, float)
            and isinstance(value, float)
            and math.isclose(found, value, rel_tol=1e-6)
        )
        if not is_close:
            raise Undocumented(f"reads {name} = {found!r}, expected {value!r}")


def _model(path: Path) -> Any:
    import torch

    from napari_vit_tfm import ReconstructionConfig, load_method

    method = load_method(ReconstructionConfig(model=str(path), device="cpu"))
    rows, columns = method.grid or (24, 24)
    with torch.no_grad():
        traction = method.traction(0.01 * torch.ones(1, 2, rows, columns))
    if traction.shape != (1, 2, rows, columns) or not traction.isfinite().all():
        raise Undocumented("computes tractions that are not finite")
    return None


def _experiments(path: Path) -> None:
    from napari_vit_tfm.batch import read_experiments
    from napari_vit_tfm.errors import ConfigError

    for experiment in read_experiments(path):
        if experiment.error:
            raise ConfigError(experiment.error)


def _config(path: Path) -> None:
    from napari_vit_tfm.training.config import TrainingConfig

    TrainingConfig.from_toml(path)


def _first_way(case: Case) -> tuple[str, Callable[[Path], Any]]:
    from napari_vit_tfm import io

    first: dict[str, tuple[str, Callable[[Path], Any]]] = {
        "displacement": (
            "read_displacement",
            lambda path: io.read_displacement(path, **case.options),
        ),
        "traction": ("read_traction", io.read_traction),
        "labels": ("read_labels", io.read_labels),
        "model": ("load_method", _model),
        "experiments": ("read_experiments", _experiments),
        "config": ("TrainingConfig.from_toml", _config),
    }
    return first[case.kind]


def _other_ways(
    case: Case, expected: Expected, *, is_whole: bool
) -> Iterator[tuple[str, Callable[[Path], object]]]:
    from napari_vit_tfm import io

    if case.kind == "model":
        if is_whole:
            yield "vit-tfm predict --model", _predict_with
        return
    if case.kind in ("config", "experiments"):
        return
    # What is expected holds for the first way only, where it depends on its kind.
    anything: Expected = Either(Reads(None))
    is_first = case.kind == "displacement"
    yield "summarise", io.summarise
    if is_first:
        yield "read_traction", io.read_traction
    else:
        yield "read_displacement", io.read_displacement
    if case.kind != "labels":
        yield (
            "plugin",
            lambda path: _plugin(
                case, path, expected if isinstance(expected, Reads) else anything
            ),
        )
        yield "vit-tfm info", lambda path: _info(case, path, expected)
    if is_first and is_whole:
        yield "vit-tfm predict", lambda path: _predict(case, path, expected)


def _predict_with(path: Path) -> None:
    with TemporaryDirectory() as place:
        source = Path(place) / "cell.npy"
        np.save(source, FIELD)
        command(
            *("predict", "--units", "grid", "--device", "cpu", "--model", path),
            *("-o", Path(place) / "out.h5", source),
        )


# Requests


class Child:
    """Answers requests.

    Parameters
    ----------
    answers : file
        Where the answers go.
    """

    def __init__(self, answers: IO[str]) -> None:
        self._answers = answers
        self._watch = Watch()

    def answer(self, request: dict[str, Any]) -> None:
        """Read a file in all ways, and report what was wrong."""
        path, folder = Path(request["path"]), Path(request["folder"])
        case = CASES.get(request.get("case", ""))
        if case is None:
            kind = request["kind"]
            case = Case("fuzz", lambda folder: folder, Either(Reads(None)), kind)
        if case.kind == "config":
            _load_training()
        problems: list[str] = []
        honest = max(_size_mb(path), case.honest_mb)
        name, first = _first_way(case)
        outcome = ""

        def read_first(path: Path) -> None:
            nonlocal outcome
            try:
                found = first(path)
            except _documented(case.kind) as error:
                outcome = f"refused: {error}"
                self._check_refused(str(error), case.expected)
                return
            outcome = "read"
            if isinstance(case.expected, Refuses):
                raise Undocumented(f"is read, not refused: {_described(found)}")
            reads = case.expected
            reads = reads.reads if isinstance(reads, Either) else reads
            _check_values(getattr(found, "data", found), reads)
            _check_about(found, reads)

        started = time.perf_counter()
        ways = [(name, read_first)]
        if not request.get("is_first_only"):
            ways += _other_ways(
                case, case.expected, is_whole=request.get("is_whole", False)
            )
        for name, way in ways:
            self._say(way=name)
            partners = case.partners
            problems += [
                f"{name}: {problem}"
                for problem in self._watched(
                    path, folder, partners, honest, way, _documented(case.kind)
                )
            ]
        self._say(
            problems=problems,
            seconds=time.perf_counter() - started,
            outcome=outcome[:300],
        )

    def _check_refused(self, message: str, expected: Expected) -> None:
        if isinstance(expected, Reads):
            raise Undocumented(f"is refused: {message[:300]}")
        if isinstance(expected, Refuses) and not re.search(expected.message, message):
            raise Undocumented(f"is refused for another reason: {message[:300]}")

    def _watched(
        self,
        path: Path,
        folder: Path,
        partners: tuple[str, ...],
        honest: float,
        way: Callable[[Path], object],
        documented: tuple[type[Exception], ...],
    ) -> list[str]:
        """Read a file in one way; what was wrong."""
        problems = []
        before = _forget_peak()
        started, computed = time.perf_counter(), time.process_time()
        try:
            with self._watch.of(path, folder, partners), warnings.catch_warnings():
                warnings.simplefilter("error")
                way(path)
        except documented:
            pass
        except Undocumented as found:
            problems.append(str(found))
        except Exception as error:
            problems.append(f"raises {type(error).__name__}: {str(error)[:200]}")
        computed = time.process_time() - computed
        seconds = time.perf_counter() - started
        grown = _status("VmHWM") - before
        if computed > MOST_SECONDS:
            problems.append(f"takes {computed:.1f} s")
        elif seconds > MOST_WAITING:
            problems.append(f"takes {seconds:.1f} s, most of it waiting")
        if grown > 2 * honest + SLACK_MB:
            problems.append(f"takes {grown:.0f} MB for {honest:.1f} MB")
        return problems + self._watch.problems

    def _say(self, **answer: Any) -> None:
        self._answers.write(json.dumps(answer) + "\n")
        self._answers.flush()


def _described(found: object) -> str:
    data = getattr(found, "data", None)
    if data is None:
        return ""
    unit, gel = getattr(found, "unit", None), getattr(found, "gel", None)
    spacing = getattr(found, "spacing_um", None)
    return f"{data.shape}, unit {unit}, spacing {spacing}, {gel}"[:200]


def _warm_up() -> None:
    """Import what the ways of reading import, so that it is not counted."""
    import matplotlib.colors
    import scipy.io
    import tifffile
    import torch

    import napari_vit_tfm.batch
    import napari_vit_tfm.models.cnn
    import napari_vit_tfm.models.original
    import napari_vit_tfm.models.weights
    import napari_vit_tfm.napari._reader

    _ = matplotlib.colors, scipy.io, tifffile, napari_vit_tfm
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        for name in ("cell.npy", "cell.h5", "cell.mat", "cell.npz", "cell.csv"):
            path = Path(folder) / name
            _write_small(path)
            with suppress(Exception):
                command("info", "--units", "um", path)
                command("predict", "--model", "fttc", "--units", "um", "--spacing",
                        "0.5", "-o", Path(folder) / "out.h5", path)  # fmt: skip


@cache
def _load_training() -> None:
    """Import what takes longer than all others, when it is needed."""
    import napari_vit_tfm.training.config  # noqa: F401

    _keep_objects()


def _keep_objects() -> None:
    """Objects of libraries stay, and need not be looked through again."""
    gc.collect()
    gc.freeze()


def _write_small(path: Path) -> None:
    from scipy.io import savemat

    from napari_vit_tfm import io

    if path.suffix == ".npy":
        np.save(path, FIELD)
    elif path.suffix == ".mat":
        savemat(path, {"displacement": FIELD[0]})
    elif path.suffix == ".csv":
        np.savetxt(path, FIELD[0, ..., 0])
    else:
        io.write_arrays(
            path, {"displacement": FIELD}, {"displacement": {"units": "um"}}
        )


def main() -> None:
    """Answer requests until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    child = Child(answers)
    _warm_up()
    _keep_objects()
    _limit_addresses()
    answers.write('{"ready": true}\n')
    answers.flush()
    for line in sys.stdin:
        child.answer(json.loads(line))


if __name__ == "__main__":
    import corpus  # noqa: F401

    main()
