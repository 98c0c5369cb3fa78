from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from links import link_to
from napari_vit_tfm.config import PreparationConfig, ReconstructionConfig
from napari_vit_tfm.errors import FieldFileError
from napari_vit_tfm.fields import DisplacementStack, TractionStack
from napari_vit_tfm.gel import Gel
from napari_vit_tfm.io import (
    open_resumable_traction,
    open_traction,
    read_traction,
    summarise,
)
from napari_vit_tfm.provenance import KEY, Provenance

N = 5
PARAMETERS: dict[str, dict[str, Any]] = {
    "reading": {},
    "as_read": {},
    "displacement": {},
    "gel": {},
    "preparation": {},
    "reconstruction": {"model": "fttc"},
}
FILM = TractionStack(
    np.random.default_rng(0).normal(size=(N, 16, 20, 2)).astype(np.float32),
    unit="Pa",
    spacing_um=0.5,
    gel=Gel(young_pa=5_000, poisson=0.45, thickness_um=30),
    model="fttc",
    # As many points as frames.
    outline=np.arange(2.0 * N).reshape(N, 2),
    drift=np.random.default_rng(1).normal(size=(N, 2)),
    records={"holes": np.arange(N), "drift_removed": np.ones((N, 3))},
    metadata={
        "preparation": {"reverse": True},
        KEY: Provenance.of(
            DisplacementStack(np.ones((1, 8, 8, 2)), unit="grid"),
            gel=Gel(young_pa=5_000),
            preparation=PreparationConfig(),
            config=ReconstructionConfig(model="fttc"),
            device="cpu",
        ),
    },
)
CHECKS = np.array([(n, n / 2) for n in range(N)], [("holes", "<i8"), ("noise", "<f8")])
RUN: Mapping[str, Any] = {"input": "ab" * 32, "gel": {"young_pa": 5_000}}


class Interrupted(Exception):
    """What stops a run in these tests."""


def part(start: int, stop: int) -> TractionStack:
    assert FILM.drift is not None
    return replace(
        FILM,
        data=FILM.data[start:stop],
        drift=FILM.drift[start:stop],
        records={name: values[start:stop] for name, values in FILM.records.items()},
    )


def write(
    path: Path, *, size: int = 2, stop: int | None = None, run: Mapping[str, Any] = RUN
) -> int:
    """Write the film; the run is interrupted before frame `stop`.

    Returns the number of frames that were there already.
    """
    with open_resumable_traction(path, n_frames=N, run=run) as sink:
        finished = sink.finished
        n_finished = 0 if finished is None else finished.n_frames
        start = 0
        while start < N:
            if start == stop:
                raise Interrupted
            end = min(start + size, n_finished if start < n_finished else N)
            if finished is not None and start < n_finished:
                found = finished.results(start, end)
                np.testing.assert_array_equal(found.data, FILM.data[start:end])
                np.testing.assert_array_equal(found.checks, CHECKS[start:end])
            sink.append(part(start, end), CHECKS[start:end])
            start = end
        if stop == N:
            raise Interrupted
    return n_finished


def interrupt(path: Path, *, stop: int = 4, run: Mapping[str, Any] = RUN) -> Path:
    """Write a part of the film, and give its partial file."""
    with pytest.raises(Interrupted):
        write(path, stop=stop, run=run)
    return path.with_name(f"{path.name.partition('.')[0]}.partial.h5")


def contents(path: Path) -> dict[str, Any]:
    """All arrays and attributes of an HDF5 file."""
    with h5py.File(path) as file:
        return {
            "": dict(file.attrs),
            **{
                name: (item[()].tolist(), item.dtype, dict(item.attrs))
                for name, item in file.items()
            },
        }


def test_an_interrupted_run_gives_the_same_file_as_another(tmp_path: Path) -> None:
    at_once, in_parts = tmp_path / "at_once.h5", tmp_path / "in_parts.h5"
    with open_traction(at_once) as sink:
        sink.append(FILM)
    interrupt(in_parts, stop=2)
    interrupt(in_parts, stop=4)
    assert write(in_parts, size=3) == 4
    assert contents(in_parts) == contents(at_once)
    assert sorted(tmp_path.iterdir()) == [at_once, in_parts]


@pytest.mark.parametrize("name", ["film.npz", "film.csv", "film.ome.tif", "film.mat"])
def test_files_of_other_formats_have_a_partial_file_too(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    with pytest.raises(Interrupted):
        write(path, stop=2)
    (partial,) = tmp_path.iterdir()
    assert partial.name == f"{path.stem}.partial.h5"
    assert write(path) == 2
    np.testing.assert_array_equal(read_traction(path).data, FILM.data)
    assert list(tmp_path.iterdir()) == [path]


def test_a_partial_file_is_read_like_any_other(tmp_path: Path) -> None:
    notices: list[str] = []
    partial = interrupt(tmp_path / "film.h5")
    assert summarise(partial).traction == "traction"
    found, expected = read_traction(partial, on_notice=notices.append), part(0, 4)
    assert notices == ["film.partial.h5: unfinished: 4 of 5 frames are there"]
    for name in ("data", "drift", "outline"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("unit", "spacing_um", "gel", "model"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.records.keys() == FILM.records.keys()
    np.testing.assert_array_equal(found.records["holes"], FILM.records["holes"][:4])
    assert found.metadata[KEY] == FILM.metadata[KEY]
    with h5py.File(partial) as file:
        assert np.isnan(file["traction"][4]).all()
        assert len(file.attrs["unfinished_run_sha256"]) == 64


def test_every_batch_is_in_the_file_at_once(tmp_path: Path) -> None:
    copy = tmp_path / "copy.partial.h5"
    with open_resumable_traction(tmp_path / "film.h5", n_frames=N, run=RUN) as sink:
        for start, stop in ((0, 2), (2, 3), (3, 5)):
            sink.append(part(start, stop), CHECKS[start:stop])
            copy.write_bytes(sink.path.read_bytes())
            found = read_traction(copy).data
            np.testing.assert_array_equal(found, FILM.data[:stop])


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "film.h5"
    path.write_bytes(b"old")
    partial = interrupt(path)
    assert path.read_bytes() == b"old"
    write(path)
    assert read_traction(path).n_frames == N
    assert not partial.exists()


def test_the_partial_file_of_a_link_lies_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "film.h5"
    link_to(link, tmp_path / "there" / "real.h5")
    with pytest.raises(Interrupted):
        write(link, stop=2)
    assert read_traction(tmp_path / "there" / "real.partial.h5").n_frames == 2
    assert write(link) == 2
    assert link.is_symlink()
    assert read_traction(link).n_frames == N


def test_a_run_of_one_batch_needs_no_partial_file(tmp_path: Path) -> None:
    path = tmp_path / "film.h5"
    with open_resumable_traction(path, n_frames=N, run=RUN) as sink:
        sink.append(FILM)
        assert not list(tmp_path.iterdir())
    assert read_traction(path).n_frames == N


def test_a_complete_partial_file_becomes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "film.h5"
    partial = interrupt(path, stop=N)
    assert read_traction(partial).n_frames == N
    assert not path.exists()
    assert write(path) == N
    assert read_traction(path).n_frames == N


def test_a_partial_file_that_is_open_elsewhere_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "film.h5"
    unlink = Path.unlink

    def as_on_windows(self: Path, missing_ok: bool = False) -> None:
        if self.name == "film.partial.h5":
            raise PermissionError(13, "used by another process", str(self))
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", as_on_windows)
    batch = TractionStack(np.ones((2, 16, 24, 2)), unit="Pa")
    for _ in range(2):
        # The same run again takes its frames from it.
        with open_resumable_traction(path, n_frames=4, run={}) as sink:
            for _ in range(2):
                sink.append(batch)
        assert read_traction(path).n_frames == 4
        assert sink.path.exists()


def test_a_partial_file_for_another_number_of_frames_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "film.h5"
    interrupt(path)
    with (
        pytest.raises(FieldFileError, match="damaged"),
        open_resumable_traction(path, n_frames=N + 1, run=RUN),
    ):
        pass


def test_two_runs_that_begin_together(tmp_path: Path) -> None:
    path = tmp_path / "film.h5"
    with suppress(ValueError), ExitStack() as runs:
        one, other = (
            runs.enter_context(open_resumable_traction(path, n_frames=N, run=RUN))
            for _ in range(2)
        )
        one.append(part(0, 2))
        with pytest.raises(FieldFileError, match="another process has begun"):
            other.append(part(0, 2))
        # Both end before the film is complete.
        raise ValueError


def test_another_run_does_not_continue(tmp_path: Path) -> None:
    path = tmp_path / "film.h5"
    partial = interrupt(path)
    before = partial.read_bytes()
    other = {**RUN, "gel": {"young_pa": 6_000}}
    with pytest.raises(
        FieldFileError,
        match=r"film\.partial\.h5: .* differs in gel \(young_pa\), .* remove this",
    ):
        write(path, run=other)
    assert partial.read_bytes() == before
    write(tmp_path / "other.h5", run=other)
    assert write(path) == 4


def cut(content: bytes) -> bytes:
    return content[:-100]


def turned_over(content: bytes) -> bytes:
    """One byte of the second frame is wrong."""
    at = content.index(FILM.data[1].tobytes()) + 99
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def replaced(_: bytes) -> bytes:
    return b"not HDF5"


def with_more_frames(content: bytes) -> bytes:
    """The number of finished frames is larger than what was written."""
    return content.replace((4).to_bytes(8, "little"), (5).to_bytes(8, "little"))


def with_another_type(content: bytes) -> bytes:
    """The numbers have more bits than bytes: HDF5 crashes when it writes them."""
    of_float64 = bytes.fromhex("11203f0008000000") + (64 << 16).to_bytes(4, "little")
    assert of_float64 in content
    return content.replace(of_float64, of_float64[:-1] + b"\x04")


def with_another_name(content: bytes) -> bytes:
    return content.replace(b"holes\0", b"hales\0")


@pytest.mark.parametrize(
    "damage",
    [
        *(cut, turned_over, replaced, with_more_frames),
        *(with_another_type, with_another_name),
    ],
)
def test_a_damaged_file_is_not_continued(tmp_path: Path, damage: Any) -> None:
    path = tmp_path / "film.h5"
    partial = interrupt(path)
    content = damage(partial.read_bytes())
    partial.write_bytes(content)
    with pytest.raises(FieldFileError, match=r"film\.partial\.h5: .* damaged.* remove"):
        write(path)
    assert partial.read_bytes() == content
    assert not path.exists()


def test_a_partial_file_that_names_another_file(tmp_path: Path) -> None:
    partial, other = interrupt(tmp_path / "film.h5"), tmp_path / "other.h5"
    with h5py.File(partial, "a") as file, h5py.File(other, "w") as target:
        file.copy("traction", target)
        del file["traction"]
        file["traction"] = h5py.ExternalLink("other.h5", "traction")
    before = other.read_bytes()
    with pytest.raises(FieldFileError, match="is no partial file"):
        write(tmp_path / "film.h5")
    assert other.read_bytes() == before


def test_a_file_of_another_program_is_not_overwritten(tmp_path: Path) -> None:
    partial = tmp_path / "film.partial.h5"
    with h5py.File(partial, "w") as file:
        file["frames_done"] = 3
        file["traction"] = np.ones((4, 16, 16, 2))
    before = partial.read_bytes()
    with pytest.raises(FieldFileError, match="no partial file of an interrupted run"):
        write(tmp_path / "film.h5")
    assert partial.read_bytes() == before
    assert read_traction(partial, unit="Pa").n_frames == 4


def test_frames_are_appended_in_order_and_all_of_them(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="expected 5 frames of tractions, not 2"),
        open_resumable_traction(tmp_path / "a.h5", n_frames=N, run=RUN) as sink,
    ):
        sink.append(part(0, 2))
    with open_resumable_traction(tmp_path / "b.h5", n_frames=N, run=RUN) as sink:
        sink.append(part(0, 2), CHECKS[:2])
        with pytest.raises(ValueError, match="expected checks, "):
            sink.append(part(2, 4))
        with pytest.raises(ValueError, match="the same grid, unit"):
            sink.append(replace(part(2, 4), spacing_um=1.0), CHECKS[2:4])
        sink.append(part(2, 5), CHECKS[2:5])


WRITER = """
import sys
import numpy as np
from napari_vit_tfm import TractionStack, io

path, n_frames = sys.argv[1], int(sys.argv[2])
with io.open_resumable_traction(path, n_frames=n_frames, run={}) as sink:
    print("open", flush=True)
    for frame in range(n_frames):
        data = np.full((1, 64, 64, 2), frame, np.float32)
        records = {"holes": np.array([frame])}
        sink.append(TractionStack(data, unit="Pa", records=records))
"""
"""Writes frames as fast as it can; the vectors of a frame are its number."""


@contextmanager
def writer(path: Path, n_frames: int) -> Iterator[subprocess.Popen[str]]:
    """A process that writes frames; it is killed when the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(n_frames)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


def are_numbered(found: TractionStack) -> bool:
    numbers = np.arange(found.n_frames)
    return bool(
        (found.data == numbers[:, None, None, None]).all()
        and (found.records["holes"] == numbers).all()
    )


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_writer_leaves_a_file_that_is_read_and_continued(
    tmp_path: Path,
) -> None:
    path, partial = tmp_path / "film.h5", tmp_path / "film.partial.h5"
    rng, n_frames, n_kept = random.Random(0), 3_000, []
    for _ in range(3):
        with writer(path, n_frames) as process:
            while not partial.exists():
                assert process.poll() is None
            until = time.monotonic() + rng.uniform(0.02, 0.2)
            while time.monotonic() < until:
                # Another process writes it meanwhile.
                assert are_numbered(read_traction(partial))
            assert process.poll() is None, "it was finished before it was killed"
        found = read_traction(partial)
        assert are_numbered(found)
        n_kept.append(found.n_frames)
    assert n_kept == sorted(n_kept)
    with writer(path, n_frames) as process:
        with (
            pytest.raises(FieldFileError, match="another process uses it: wait"),
            open_resumable_traction(path, n_frames=n_frames, run={}),
        ):
            pass
        assert process.wait() == 0
    found = read_traction(path)
    assert found.n_frames == n_frames
    assert are_numbered(found)
