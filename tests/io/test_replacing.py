from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.io.replacing import (
    check_place,
    create_folder,
    replacing,
    write_bytes,
)

posix = pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_file_stays_whole_if_the_block_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@posix
def test_a_file_is_on_the_disk_before_it_replaces_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    seen: list[tuple[bytes, str]] = []

    def fsync(descriptor: int) -> None:
        seen.append((os.pread(descriptor, 10, 0), path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_bytes(path, b"new")
    assert seen == [(b"new", "old")]
    assert path.read_text() == "new"


def test_a_network_disk_that_is_full_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(FieldFileError, match="No space left on device"):
        write_bytes(path, b"new")
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_replaced_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(mode)
    with replacing(path) as temporary:
        # Others cannot read it meanwhile, either.
        assert mode_of(temporary) & 0o077 & ~mode == 0
        temporary.write_text("new")
    assert (path.read_text(), mode_of(path)) == ("new", mode)


@posix
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_new_file_has_the_usual_permissions(
    tmp_path: Path, mask: int, mode: int
) -> None:
    with umask(mask):
        write_bytes(tmp_path / "a.txt", b"new")
    assert mode_of(tmp_path / "a.txt") == mode


@posix
def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    real, link = tmp_path / "there" / "real.txt", tmp_path / "link.txt"
    link.symlink_to(real)
    # The file that it points to need not exist.
    for content in (b"one", b"other"):
        check_place(link)
        write_bytes(link, content)
        assert link.is_symlink()
        assert real.read_bytes() == content
    assert list((tmp_path / "there").iterdir()) == [real]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def device(path: Path) -> None:
    # Not /dev/null: an administrator could replace it.
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device needs an administrator")


def circle(path: Path) -> None:
    path.symlink_to(path)


def link_to_nowhere(path: Path) -> None:
    path.symlink_to(path.parent / "gone" / "a.h5")


@posix
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (fifo, "is a named pipe, expected a file"),
        (folder, "is a folder, expected a file"),
        (device, "is a device, expected a file"),
        (circle, "cannot be written"),
        (link_to_nowhere, "there is no folder"),
    ],
)
def test_what_is_no_file_is_not_replaced(tmp_path: Path, make, words: str) -> None:
    path = tmp_path / "a.h5"
    make(path)
    before = path.lstat().st_mode
    for refuse in (check_place, lambda path: write_bytes(path, b"new")):
        with pytest.raises(FieldFileError, match=r"a\.h5: ") as error:
            refuse(path)
    assert words in str(error.value) or make is link_to_nowhere
    assert path.lstat().st_mode == before
    assert [item.name for item in tmp_path.iterdir()] == ["a.h5"]


@posix
def test_a_socket_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The name of a socket must be short.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("a.h5")
        with pytest.raises(FieldFileError, match="is a socket"):
            check_place("a.h5")


@posix
def test_a_read_only_file_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"
    path.write_text("old")
    path.chmod(0o444)
    # The administrator may write everything.
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(FieldFileError, match=r"a\.h5: is read-only"):
        check_place(path)
    with pytest.raises(FieldFileError, match=r"a\.h5: is read-only"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"


def test_a_folder_that_cannot_be_written_is_found_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    for check in (check_place, lambda path: create_folder(path.parent)):
        with pytest.raises(FieldFileError, match=r"\(Read-only file system\)"):
            check(tmp_path / "a.h5")


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(FieldFileError, match=r"a\.h5: there is no folder .*missing"):
        check_place(missing / "a.h5")
    (tmp_path / "file").touch()
    with pytest.raises(FieldFileError, match="there is no folder"):
        check_place(tmp_path / "file" / "a.h5")
    assert create_folder(missing / "new").is_dir()
    assert not list((missing / "new").iterdir())
    with pytest.raises(FieldFileError, match="is a file, expected a folder"):
        create_folder(tmp_path / "file")


@posix
def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(FieldFileError, match="name too long"):
        check_place(tmp_path / f"{'a' * 300}.h5")
    # The temporary name is not longer than the system allows.
    path = tmp_path / f"{'a' * 252}.h5"
    check_place(path)
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"


@posix
def test_what_the_process_of_another_user_writes_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.h5"

    def kill(number: int, signal: int) -> None:
        raise PermissionError(errno.EPERM, "not permitted")

    with replacing(path) as temporary:
        other = temporary.with_name(temporary.name.replace(str(os.getpid()), "1"))
        other.write_text("half")
        monkeypatch.setattr(os, "kill", kill)
        write_bytes(path, b"a")
        assert other.exists()
        monkeypatch.undo()


@posix
def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    path, other = tmp_path / "a.ome.tif", tmp_path / "b.h5"
    left: list[Path] = []
    for target in (path, other):
        child = os.fork()
        if child == 0:
            with replacing(target) as temporary:
                temporary.write_text("half")
                os.kill(os.getpid(), 9)
        os.waitpid(child, 0)
        (new,) = set(tmp_path.iterdir()) - set(left)
        left.append(new)
    of_path, of_other = left
    assert of_path.name.endswith(".ome.tif")
    strangers = [
        tmp_path / ".part.0123abcd.a.ome.tif",
        # Our own process is still writing it.
        of_path.with_name(f"{of_path.name[:26]}{os.getpid()}-0123abcd.h5"),
        # Names that are like ours.
        of_path.with_name(f"{of_path.name}~"),
        of_path.with_name(f"{of_path.name[:26]}notes.txt"),
        # Another machine, whose processes are not known here.
        of_path.with_name(f".vit-tfm-00000000-{of_path.name[18:]}"),
    ]
    for stranger in strangers:
        stranger.touch()
    write_bytes(path, b"new")
    assert set(tmp_path.iterdir()) == {path, of_other, *strangers}


@posix
def test_permission_denied_has_a_hint(tmp_path: Path, monkeypatch) -> None:
    def open_in_excel(source: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied", str(source))

    path = tmp_path / "a.csv"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", open_in_excel)
    with pytest.raises(FieldFileError, match=r"a\.csv: .*Permission denied.*Excel"):
        write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_open_for_a_moment_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_file, tries = Path.replace, []

    def open_for_a_moment(source: Path, target: Path) -> Path:
        tries.append(target)
        if len(tries) < 3:
            raise PermissionError(13, "Permission denied", str(source))
        return replace_file(source, target)

    path = tmp_path / "a.csv"
    path.write_text("old")
    monkeypatch.setattr(Path, "replace", open_for_a_moment)
    write_bytes(path, b"new")
    assert (path.read_text(), len(tries)) == ("new", 3)
    assert list(tmp_path.iterdir()) == [path]
