"""Files that are written under a temporary name, and appear when they are complete.

`check_place` says before a computation whether a file can be written, `replacing`
writes it, and `write_bytes` writes what is in memory.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import stat
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_vit_tfm.errors import FieldFileError

_TEMPORARY = re.compile(
    r"\.vit-tfm-([0-9a-f]{8})-([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}(\.\w+)*"
)
"""Names of temporary files: checksums of the machine and of the name of the file, the
process, and a random number. The extensions are those of the file, since some libraries
choose the format by them."""

_WAITS_S = (0.1, 0.2, 0.4, 0.8)
"""Times before a file that is open in another program is tried again."""

_SPECIAL = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISDIR, "a folder"),
)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Write a temporary file in the same folder, which replaces a file at the end.

    A file that is replaced keeps its permissions; a new one has those that the system
    gives to new files. A symbolic link stays, and the file that it points to is
    replaced.

    Parameters
    ----------
    path : path
        The file to write or replace. It does not change if the block fails.

    Yields
    ------
    Path
        The temporary file, which exists and is empty.

    Raises
    ------
    FieldFileError
        If the file cannot be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_vit_tfm.io.replacing import replacing
    >>> with replacing("note.txt") as temporary:
    ...     _ = temporary.write_text("complete")
    ...     Path("note.txt").exists()
    False
    >>> Path("note.txt").read_text()
    'complete'
    """
    path = Path(path)
    with errors_about(path), replacing_quietly(path) as temporary:
        yield temporary


@contextmanager
def replacing_quietly(path: Path) -> Iterator[Path]:
    """Do the same as `replacing`, for a block that may fail for other reasons.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    target = _real(path)
    _check_kind(path, target)
    _remove_leftovers(target)
    temporary = _temporary_path(target)
    try:
        _create(temporary, target)
        yield temporary
        _bring_to_disk(temporary)
        _copy_permissions(temporary, target)
        _move(temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], content: bytes | memoryview) -> None:
    """Write a whole file from memory.

    Parameters
    ----------
    path : path
        The file to write or replace.
    content : bytes or memoryview
        Its content.

    Raises
    ------
    FieldFileError
        If the file cannot be written; an existing one is as it was.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def check_place(path: str | os.PathLike[str]) -> None:
    """Raise an error if there can be no file of this name, before a computation.

    Parameters
    ----------
    path : path
        The file to write or replace. It is not touched; a temporary file beside it
        appears for a moment.

    Raises
    ------
    FieldFileError
        If the folder is missing or cannot be written, the name is too long, or there
        is something else that is not replaced: a folder, a read-only file, a named
        pipe, a socket or a device.

    Examples
    --------
    >>> from pathlib import Path
    >>> from napari_vit_tfm.io.replacing import check_place
    >>> check_place("new.h5")
    >>> Path("results").mkdir()
    >>> check_place("results")
    Traceback (most recent call last):
    napari_vit_tfm.errors.FieldFileError: results: is a folder, expected a file to write
    """
    path = Path(path)
    with errors_about(path):
        target = _real(path)
        _check_kind(path, target)
        if not target.parent.is_dir():
            raise FieldFileError(f"{path}: there is no folder {_folder(path, target)}")
        temporary = _temporary_path(target)
        try:
            _create(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def create_folder(path: str | os.PathLike[str]) -> Path:
    """Create a folder for results, unless it exists, and check that files can be there.

    Parameters
    ----------
    path : path
        The folder. Folders in which it lies are created, too.

    Raises
    ------
    FieldFileError
        If it cannot be created or written, or is a file.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise FieldFileError(f"{path}: is a file, expected a folder for the results")
    with errors_about(path):
        path.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_path(path / "results")
        try:
            _create(temporary, path / "results")
        finally:
            temporary.unlink(missing_ok=True)
    return path


@contextmanager
def errors_about(path: Path) -> Iterator[None]:
    """Turn every OSError of the block into the error that a file cannot be written."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(target: Path, error: OSError) -> FieldFileError:
    """The error for a file that cannot be written, with its reason."""
    told = f"{target}: cannot be written ({_reason(error)})"
    if isinstance(error, PermissionError):
        told += (
            "; if the file is open in another program, such as Excel, close it, and "
            "run the same again"
        )
    return FieldFileError(told)


def _reason(error: OSError) -> str:
    """Why a file cannot be written, without the name of the temporary file."""
    # Messages of HDF5 have many details; one is the number of the error.
    number = re.search(r"\berrno = (\d+)", str(error))
    if number is not None:
        return os.strerror(int(number[1]))
    return error.strerror or type(error).__name__


def _real(path: Path) -> Path:
    """The file itself, if the path is a symbolic link."""
    target = Path(os.path.realpath(path))
    # A name that is too long, and a link that leads to itself, are errors here.
    with suppress(FileNotFoundError, NotADirectoryError):
        target.stat()
    return target


def _folder(path: Path, target: Path) -> Path:
    return target.parent if path.is_symlink() else path.parent


def _check_kind(path: Path, target: Path) -> None:
    """Raise an error if there is something that must not be replaced."""
    if not target.exists():
        return
    mode = target.stat().st_mode
    for is_kind, words in _SPECIAL:
        if is_kind(mode):
            raise FieldFileError(f"{path}: is {words}, expected a file to write")
    if not os.access(target, os.W_OK):
        raise FieldFileError(
            f"{path}: is read-only, so it is not replaced: choose another name, or "
            "change its permissions"
        )


def _temporary_path(target: Path) -> Path:
    endings = "".join(target.suffixes[-2:])
    if re.fullmatch(r"(\.\w{1,10})*", endings) is None:
        endings = ""
    token = secrets.token_hex(4)
    return target.with_name(f"{_prefix(target)}{os.getpid()}-{token}{endings}")


def _prefix(target: Path) -> str:
    """The beginning of the names of all temporary files of a file on this machine."""
    machine = zlib.crc32(socket.gethostname().encode(errors="replace"))
    name = zlib.crc32(os.fsencode(target.name))
    return f".vit-tfm-{machine:08x}-{name:08x}-"


def _create(temporary: Path, target: Path) -> None:
    """Create an empty file, which nobody can read who cannot read the target."""
    mode = 0o666
    if target.exists():
        mode = stat.S_IMODE(target.stat().st_mode) & 0o666 | stat.S_IRUSR | stat.S_IWUSR
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    os.close(os.open(temporary, flags, mode))


def _bring_to_disk(temporary: Path) -> None:
    """Wait until the content is on the disk.

    A file that is renamed earlier may be empty after a power failure. Some network
    disks say only here that they are full.
    """
    descriptor = os.open(temporary, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems cannot do it.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _copy_permissions(temporary: Path, target: Path) -> None:
    try:
        before = target.stat()
    except FileNotFoundError:
        return
    if hasattr(os, "chown"):
        # Only some users may give files away; the others keep them.
        with suppress(OSError):
            os.chown(temporary, before.st_uid, before.st_gid)
    temporary.chmod(stat.S_IMODE(before.st_mode))


def _move(temporary: Path, target: Path) -> None:
    """Replace the target, also if another program has it open for a moment.

    On Windows, virus scanners and previews do so.
    """
    for wait_s in _WAITS_S:
        try:
            temporary.replace(target)
        except PermissionError:
            time.sleep(wait_s)
        else:
            return
    temporary.replace(target)


def _remove_leftovers(target: Path) -> None:
    """Remove what killed processes have left of earlier runs with the same output."""
    prefix = _prefix(target)
    with suppress(OSError):
        for path in target.parent.iterdir():
            if not path.name.startswith(prefix):
                continue
            found = _TEMPORARY.fullmatch(path.name)
            if found is not None and not _is_running(int(found[3])):
                with suppress(OSError):
                    path.unlink()


def _is_running(process: int) -> bool:
    """Whether there is a process with this number, which may be this one."""
    if process == os.getpid():
        return True
    if sys.platform == "win32":
        # There, a file that another process writes cannot be removed.
        return False
    try:
        os.kill(process, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    except OverflowError:
        return False
    return True
