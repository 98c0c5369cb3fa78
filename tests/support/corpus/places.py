"""Cases of paths: what is no file, and what is beside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from corpus.case import IN_UM, Either, Expected, Refuses, add, elsewhere
from corpus.numpy_files import GOOD

REFUSES = Refuses()


def place(
    name: str, expected: Expected, make: Callable[[Path], object], file_name: str
) -> None:
    """Add a case of a path; `make` is called with it."""

    def written(folder: Path) -> Path:
        path = folder / file_name
        make(path)
        return path

    add(f"path: {name}", written, expected, partners=("*",))


def _good(path: Path) -> None:
    path.write_bytes(GOOD)


def _link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def _link_to_good(path: Path) -> None:
    path.with_name("real.npz").write_bytes(GOOD)
    path.symlink_to("real.npz")


def _link_to_device(major: int, minor: int) -> Callable[[Path], object]:
    """A link to a device of the case's own: no test may harm those of the system."""

    def make(path: Path) -> None:
        device = elsewhere(path.parent) / "device"
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        path.symlink_to(device)

    return make


def _unreadable(path: Path) -> None:
    path.write_bytes(GOOD)
    path.chmod(0)


def _sparse(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(10 * 2**30)


def _folder_of_folder(path: Path) -> None:
    (path / "inner").mkdir(parents=True)
    (path / "inner" / "cell.npz").write_bytes(GOOD)


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _fifo_elsewhere(path: Path) -> None:
    os.mkfifo(elsewhere(path.parent) / "pipe")
    path.symlink_to("elsewhere/pipe")


for _suffix in (".h5", ".npz", ".npy", ".mat", ".tif", ".csv"):
    place(f"FIFO called {_suffix}", REFUSES, os.mkfifo, f"cell{_suffix}")
    place(f"folder called {_suffix}", REFUSES, Path.mkdir, f"cell{_suffix}")
    place(f"empty file called {_suffix}", REFUSES, Path.touch, f"cell{_suffix}")
for _words, _outcome, _make, _name in [
    ("missing", REFUSES, bool, "cell.h5"),
    ("missing, with escape codes", REFUSES, bool, "\x1b[2J\x1b[31m.h5"),
    ("missing, with a newline", REFUSES, bool, "a\nError: none.h5"),
    ("in a file", REFUSES, lambda path: _good(path.parent), "a.npz/cell.h5"),
    ("a link", IN_UM, _link_to_good, "cell.npz"),
    ("a link to nothing", REFUSES, _link_to("none"), "cell.npz"),
    ("a link to itself", REFUSES, _circle, "cell.npz"),
    ("a link to a device of zeros", REFUSES, _link_to_device(1, 5), "cell.csv"),
    ("a link to a device of random bytes", REFUSES, _link_to_device(1, 8), "cell.npy"),
    ("a link to a terminal", REFUSES, _link_to_device(5, 0), "cell.h5"),
    ("a link to /proc/self/mem", REFUSES, _link_to("/proc/self/mem"), "cell.h5"),
    ("a link to a FIFO", REFUSES, _fifo_elsewhere, "cell.h5"),
    ("no permission", Either(IN_UM), _unreadable, "cell.npz"),
    ("10 GB of zeros", REFUSES, _sparse, "cell.csv"),
    ("10 GB of zeros, called HDF5", REFUSES, _sparse, "cell.h5"),
    ("folder of a folder", REFUSES, _folder_of_folder, "film"),
    ("escape codes", IN_UM, _good, "\x1b[2J\x1b[31mcell.npz"),
    ("a bell", IN_UM, _good, "cell\x07.npz"),
    ("a newline", IN_UM, _good, "cell\nError: none.npz"),
    ("not UTF-8", IN_UM, _good, os.fsdecode(b"cell\xff\xfe.npz")),
    ("other letters", IN_UM, _good, "\u7d30\u80de \u00b5 \u202e.npz"),
    ("mathematics", IN_UM, _good, "$\\frac{a$_^.npz"),
    ("HTML", IN_UM, _good, "<img src=x onerror=a>.npz"),
    ("250 letters", IN_UM, _good, "a" * 246 + ".npz"),
    ("a leading dash", IN_UM, _good, "-o.npz"),
    ("a leading equals sign", IN_UM, _good, "=1+1.npz"),
    ("blanks", IN_UM, _good, "  cell .npz"),
    ("no letters", IN_UM, _good, ".npz"),
    ("capital letters", IN_UM, _good, "CELL.NPZ"),
    ("asterisks", IN_UM, _good, "c[e]l*l?.npz"),
    ("percent signs", IN_UM, _good, "%s%n{0}{a}.npz"),
]:
    place(_words, _outcome, _make, _name)  # type: ignore[arg-type]
