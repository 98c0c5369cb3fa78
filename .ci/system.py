"""Looks for what pip cannot install; installs it as root on Debian.

Qt and OpenGL need shared libraries, tests and screenshots a virtual display.
Anywhere but on Linux, Qt's own wheels bring all there is to bring.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}
"""Shared library -> Debian package."""

PROGRAMS = {"xvfb-run": "xvfb", "xauth": "xauth"}
"""Program -> Debian package."""


def loads(library: str) -> bool:
    """Whether the dynamic linker finds a library and all that it needs."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def missing() -> dict[str, str]:
    """What is not there, each with the Debian package that brings it."""
    absent = {name: package for name, package in LIBRARIES.items() if not loads(name)}
    absent |= {
        name: package for name, package in PROGRAMS.items() if not shutil.which(name)
    }
    # Debian ships Python without what `python -m venv` needs.
    if importlib.util.find_spec("ensurepip") is None:
        major, minor = sys.version_info[:2]
        absent["Python's ensurepip"] = f"python{major}.{minor}-venv"
    return absent


def install(packages: list[str]) -> None:
    """Install Debian packages, waiting for another apt-get to end."""
    apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # A source that does not answer is no reason to stop: the install will tell.
    subprocess.run([*apt, "update"], env=environment, check=False)
    subprocess.run(
        [*apt, "install", "-y", "--no-install-recommends", *packages],
        env=environment,
        check=False,
    )


def main() -> int:
    """Return the exit code: 0 if everything is there."""
    if sys.version_info < (3, 11):  # noqa: UP036 - an older Python may run this
        print("Python 3.11 or newer is needed: make PYTHON=python3.11 ...")
        return 1
    if sys.platform != "linux" or not (absent := missing()):
        return 0
    debian = Path("/etc/debian_version").exists() and shutil.which("apt-get")
    if debian and os.geteuid() == 0:
        print("Installing what is missing:", *absent, flush=True)
        install(sorted(absent.values()))
        absent = missing()
    if not absent:
        return 0
    print("Missing on this system:", *absent, file=sys.stderr)
    print(
        "Install them, on Debian with:\n  sudo apt-get install --no-install-recommends",
        *sorted(absent.values()),
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
