"""Cases of HDF5 files: attributes, arrays, structure, damage, other programs."""

from __future__ import annotations

import os
import socket
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corpus.case import (
    ARRAYS,
    FIELD,
    IN_UM,
    NUMBERS,
    ONLY_DISPLACEMENT,
    UNITS,
    Either,
    Expected,
    Reads,
    Refuses,
    Value,
    add,
    case,
    elsewhere,
)

Build = Callable[[h5py.File], object]

REFUSES = Refuses()


def put(
    group: h5py.Group, values: Any = FIELD, name: str = "displacement", **about: Any
) -> h5py.Dataset:
    """Write displacements in um, 0.5 um apart, unless other attributes are given."""
    dataset = group.create_dataset(name, data=np.asarray(values))
    for key, value in {"units": "um", "spacing_um": 0.5, **about}.items():
        if value is not None:
            dataset.attrs[key] = value
    return dataset


def hdf5(
    name: str, expected: Expected, *, file_name: str = "cell.h5", **about: Any
) -> Callable[[Build], Build]:
    """Add the decorated function, which fills an HDF5 file, as a case."""

    def added(build: Build) -> Build:
        def make(folder: Path) -> Path:
            path = folder / file_name
            with h5py.File(path, "w") as file:
                build(file)
            return path

        add(f"HDF5: {name}", make, expected, **about)
        return build

    return added


def _value(value: Value) -> None:
    key = "units" if value.name == "unit" else value.name
    hdf5(f"displacement with {value.words}", value.outcome())(
        lambda file: put(file, **{key: value.value})
    )


for _one in (*NUMBERS, *ONLY_DISPLACEMENT, *UNITS):
    _value(_one)

for _words, _name, _stored, _expected, _as_read in [
    ("complex spacing", "spacing_um", 1 + 0j, "refused", None),
    ("float16 spacing", "spacing_um", np.float16(0.5), "read", 0.5),
    ("big-endian spacing", "spacing_um", np.array(0.5, ">f8"), "read", 0.5),
    ("spacing of a compound type", "spacing_um",
     np.array((1.0, 2), "f8,i4"), "refused", None),
    ("spacing as bytes", "spacing_um", np.bytes_(b"0.5x"), "refused", None),
    ("spacing without elements", "spacing_um", np.zeros(0), "either", None),
    ("empty spacing", "spacing_um", h5py.Empty("f8"), "read", None),
    ("spacing in an array of one", "spacing_um", np.array([[0.5]]), "read", 0.5),
    ("unit as bytes", "units", np.bytes_(b"um"), "read", "um"),
    ("unit with NUL", "units", np.bytes_(b"u\0m"), "refused", None),
    ("unit in Latin-1", "units", np.bytes_(b"\xb5m"), "either", "um"),
    ("unit that is not UTF-8", "units", np.bytes_(b"\xff\xfe\xfd"), "refused", None),
    ("unit as an empty string", "units", h5py.Empty("S1"), "read", None),
    ("unit of 40 kB", "units", np.bytes_(b"u" * 40_000), "refused", None),
    ("unit as opaque data", "units", np.void(b"um"), "either", "um"),
]:  # fmt: skip
    _shown = {"units": "unit"}.get(_name, _name)
    hdf5(_words, Value(_shown, _stored, _expected, _as_read).outcome())(  # type: ignore[arg-type]
        lambda file, name=_name, stored=_stored: put(file, **{name: stored})  # type: ignore[misc]
    )


@hdf5("unit as a reference", REFUSES)
def _(file: h5py.File) -> None:
    put(file).attrs["units"] = file.ref


@hdf5("unit of an enumerated type", REFUSES)
def _(file: h5py.File) -> None:
    dtype = h5py.enum_dtype({"um": 0, "px": 1})
    put(file).attrs.create("units", 0, dtype=dtype)


@hdf5("attribute whose name is not UTF-8", IN_UM)
def _(file: h5py.File) -> None:
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5a.create(put(file).id, b"\xff\xfe", h5py.h5t.NATIVE_INT32, space)


@hdf5("attribute of the file whose name is not UTF-8", IN_UM)
def _(file: h5py.File) -> None:
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    put(file)
    h5py.h5a.create(file["/"].id, b"sp\xe4cing", h5py.h5t.NATIVE_INT32, space)


@hdf5("two spacings that contradict each other", REFUSES)
def _(file: h5py.File) -> None:
    put(file, spacing=0.8)


@hdf5("1,500 attributes", REFUSES)
def _(file: h5py.File) -> None:
    attributes = put(file).attrs
    for number in range(1500):
        attributes[f"a{number}"] = number


@hdf5("unit of the file, not of the array", IN_UM)
def _(file: h5py.File) -> None:
    put(file, units=None, spacing_um=None)
    file.attrs.update({"units": "um", "spacing_um": 0.5})


@hdf5("unit in metres", Reads(FIELD * 1e6, {"unit": "um"}))
def _(file: h5py.File) -> None:
    put(file, units="m")


# Arrays

_HOLE = FIELD.copy()
_HOLE[0, 3, 4] = np.nan

for _words, _values, _outcome in [
    *ARRAYS,
    ("big-endian float32", FIELD.astype(">f4"), IN_UM),
    ("long double", FIELD.astype(np.longdouble), IN_UM),
    ("int16", (FIELD * 100).astype("i2"), REFUSES),
    ("one frame", FIELD[0], Reads(FIELD[:1])),
    ("components on the second axis", np.moveaxis(FIELD, -1, 1), IN_UM),
    ("no rows", FIELD[:, :0], REFUSES),
    ("two rows", FIELD[:, :2], REFUSES),
    ("three rows", FIELD[:, :3], Reads(FIELD[:, :3])),
    ("(T, 2, H, 2), which is ambiguous", np.zeros((3, 2, 9, 2)), REFUSES),
    ("four components", np.concatenate([FIELD, FIELD], -1), REFUSES),
    ("five axes", FIELD[None], REFUSES),
    ("all infinite", np.full(FIELD.shape, np.inf), REFUSES),
    ("one hole", _HOLE, Reads(_HOLE)),
    ("one infinite component", np.where(np.isnan(_HOLE), -np.inf, _HOLE), Reads(_HOLE)),
    ("all beyond float32", FIELD * 1e39, REFUSES),
    ("subnormal numbers", FIELD * 1e-42, Either(Reads(None))),
    ("all zero", np.zeros(FIELD.shape), Either(Reads(np.zeros(FIELD.shape)))),
    ("one frame of zeros", FIELD * [[[[1]]], [[[0]]]], Reads(
        FIELD * [[[[1]]], [[[0]]]], note="(?i)zero|never written")),
]:  # fmt: skip
    hdf5(f"array: {_words}", _outcome)(
        lambda file, values=_values: put(file, values)  # type: ignore[misc]
    )


@hdf5("(2, H, W) when told", Reads(FIELD[:1]), options={"components_first": True})
def _(file: h5py.File) -> None:
    put(file, np.moveaxis(FIELD[0], -1, 0))


@hdf5("array without a dataspace", REFUSES)
def _(file: h5py.File) -> None:
    file["displacement"] = h5py.Empty("f4")


@hdf5("array of references", REFUSES)
def _(file: h5py.File) -> None:
    file.create_dataset("displacement", (4, 5, 2), h5py.ref_dtype)


@hdf5("array of lists", REFUSES)
def _(file: h5py.File) -> None:
    file.create_dataset("displacement", (4, 5, 2), h5py.vlen_dtype(np.float32))


@hdf5("no array at all", REFUSES)
def _(file: h5py.File) -> None:
    file.create_group("nothing")


@hdf5("two arrays, one of which is chosen", IN_UM, options={"dataset": "b"})
def _(file: h5py.File) -> None:
    put(file, np.zeros((4, 5, 2)), "a")
    put(file, FIELD, "b")


@hdf5("two arrays, either of which may be meant", REFUSES)
def _(file: h5py.File) -> None:
    put(file, FIELD, "displacement_1")
    put(file, FIELD, "displacement_2")


@hdf5("a chosen array that does not exist", REFUSES, options={"dataset": "../x\0y"})
def _(file: h5py.File) -> None:
    put(file)


for _name in ("force", "velocity", "pos", "noise", "coords", "stress"):
    hdf5(f"only an array called {_name}", REFUSES)(
        lambda file, name=_name: put(file, FIELD, name, units=None)  # type: ignore[misc]
    )


@hdf5("positions that decrease", Reads(FIELD * (1, -1), {"unit": "um"}))
def _(file: h5py.File) -> None:
    put(file, spacing_um=None)
    y, x = np.mgrid[0:10, 0:12] * 0.5
    file["x"], file["y"] = x, y[::-1]


for _words, _x in [
    ("equal", np.zeros(12)),
    ("NaN", np.full(12, np.nan)),
    ("of another step than y", np.arange(12.0) * 3),
]:

    @hdf5(f"positions that are {_words}", REFUSES)
    def _(file: h5py.File, x: Any = _x) -> None:
        put(file, spacing_um=None)
        file["x"], file["y"] = x, np.arange(10.0)


@hdf5("positions that contradict the spacing", REFUSES)
def _(file: h5py.File) -> None:
    put(file)
    file["x"], file["y"] = np.arange(12) * 3.0, np.arange(10) * 3.0
    file["x"].attrs["units"] = file["y"].attrs["units"] = "um"


@hdf5("components of different shapes", REFUSES)
def _(file: h5py.File) -> None:
    file["u"], file["v"] = np.zeros((8, 9)), np.zeros((8, 10))


@hdf5("components of different units", REFUSES)
def _(file: h5py.File) -> None:
    file["u"], file["v"] = FIELD[..., 0], FIELD[..., 1]
    file["u"].attrs["units"], file["v"].attrs["units"] = "um", "px"


@hdf5("one component alone", REFUSES)
def _(file: h5py.File) -> None:
    file["u"] = FIELD[..., 0]


# Names


for _words, _name in [
    ("escape codes", "displacement\x1b[31m"),
    ("a newline", "displacement\nError: none"),
    ("letters of other languages", "displacement \u4f4d\u79fb \u00e9"),
    ("marks that turn text round", "displacement \u202e mu"),
    ("HTML", "displacement <img src=x>"),
    ("10,000 letters", "displacement " + "x" * 10_000),
    ("two dots", "displacement/.../a"),
]:
    hdf5(f"array whose name has {_words}", IN_UM)(
        lambda file, name=_name: put(file, FIELD, name)  # type: ignore[misc]
    )


@hdf5("array whose name is not UTF-8", IN_UM)
def _(file: h5py.File) -> None:
    put(file)
    h5py.h5d.create(
        file.id, b"\xff\xfe", h5py.h5t.NATIVE_INT32, h5py.h5s.create_simple((3,))
    )


@hdf5("only array has a name that is not UTF-8", Either(Reads(np.zeros((1, 8, 9, 2)))))
def _(file: h5py.File) -> None:
    space = h5py.h5s.create_simple((8, 9, 2))
    h5py.h5d.create(file.id, b"disp\xff", h5py.h5t.NATIVE_FLOAT, space)


# Structure


def _links_to(target: Callable[[Path], object], name: str = "displacement") -> Any:
    def make(folder: Path) -> Path:
        other = elsewhere(folder) / "other.h5"
        target(other)
        path = folder / "cell.h5"
        with h5py.File(path, "w") as file:
            file[name] = h5py.ExternalLink("elsewhere/other.h5", "/displacement")
        return path

    return make


def _write(path: Path) -> None:
    with h5py.File(path, "w") as file:
        put(file)


add("HDF5: external link to a good file", _links_to(_write), REFUSES)
add("HDF5: external link to nothing", _links_to(lambda path: None), REFUSES)
add("HDF5: external link to a FIFO", _links_to(os.mkfifo), REFUSES)
add("HDF5: external link in a group", _links_to(_write, "a/displacement"), REFUSES)


@hdf5("external link to the file itself", REFUSES)
def _(file: h5py.File) -> None:
    put(file, FIELD, "a")
    file["displacement"] = h5py.ExternalLink("cell.h5", "/a")


@hdf5("external link to a device", REFUSES)
def _(file: h5py.File) -> None:
    file["displacement"] = h5py.ExternalLink("/dev/zero", "/a")


@hdf5("external link beside the displacements", REFUSES)
def _(file: h5py.File) -> None:
    put(file)
    file["other"] = h5py.ExternalLink("elsewhere/none.h5", "/a")


def _stored_in(target: Callable[[Path], object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        place = elsewhere(folder) / "raw"
        target(place)
        path = folder / "cell.h5"
        with h5py.File(path, "w") as file:
            storage = [("elsewhere/raw", 0, h5py.h5f.UNLIMITED)]
            file.create_dataset("displacement", FIELD.shape, "f4", external=storage)
        return path

    return make


add(
    "HDF5: external storage",
    _stored_in(lambda path: path.write_bytes(FIELD.astype("f4").tobytes())),
    REFUSES,
)
add("HDF5: external storage in a FIFO", _stored_in(os.mkfifo), REFUSES)
add("HDF5: external storage in nothing", _stored_in(lambda path: None), REFUSES)


@hdf5("external storage in /etc/passwd", REFUSES)
def _(file: h5py.File) -> None:
    file.create_dataset(
        "displacement", (4, 5, 2), "f4", external=[("/etc/passwd", 0, 160)]
    )


def _virtual(source: str, target: Callable[[Path], object]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        target(elsewhere(folder) / "other.h5")
        layout = h5py.VirtualLayout(FIELD.shape, "f8")
        layout[:] = h5py.VirtualSource(source, "displacement", shape=FIELD.shape)
        path = folder / "cell.h5"
        with h5py.File(path, "w") as file:
            file.create_virtual_dataset("displacement", layout)
        return path

    return make


add("HDF5: virtual dataset", _virtual("elsewhere/other.h5", _write), REFUSES)
add(
    "HDF5: virtual dataset without source",
    _virtual("elsewhere/other.h5", lambda path: None),
    REFUSES,
)
add(
    "HDF5: virtual dataset of a FIFO",
    _virtual("elsewhere/other.h5", os.mkfifo),
    REFUSES,
)
add("HDF5: virtual dataset of itself", _virtual(".", lambda path: None), REFUSES)


@hdf5("virtual dataset beside the displacements", REFUSES)
def _(file: h5py.File) -> None:
    put(file)
    layout = h5py.VirtualLayout((4, 5), "f8")
    layout[:] = h5py.VirtualSource("elsewhere/none.h5", "a", shape=(4, 5))
    file.create_virtual_dataset("mask", layout)


@hdf5("virtual dataset without any source", REFUSES)
def _(file: h5py.File) -> None:
    file.create_virtual_dataset("displacement", h5py.VirtualLayout(FIELD.shape, "f8"))


@hdf5("soft links that lead nowhere and in a circle", IN_UM)
def _(file: h5py.File) -> None:
    put(file)
    file["never"] = h5py.SoftLink("/nothing")
    file["one"], file["two"] = h5py.SoftLink("/two"), h5py.SoftLink("/one")


@hdf5("displacement is a soft link", Either(Reads()))
def _(file: h5py.File) -> None:
    put(file, FIELD, "a/b")
    file["displacement"] = h5py.SoftLink("/a/b")


@hdf5("two names of one array", Either(Reads()))
def _(file: h5py.File) -> None:
    file["again"] = put(file)


@hdf5("groups that contain each other", IN_UM)
def _(file: h5py.File) -> None:
    put(file)
    inner = file.create_group("a/b/c")
    inner["a"], inner["root"] = file["a"], file["/"]


for _depth, _outcome in [(20, IN_UM), (40, REFUSES), (2000, REFUSES)]:
    hdf5(f"{_depth} nested groups", _outcome)(
        lambda file, depth=_depth: put(
            file, name="/".join("a" * depth) + "/displacement"
        )  # type: ignore[misc]
    )


@hdf5("3,000 arrays", IN_UM)
def _(file: h5py.File) -> None:
    put(file)
    for number in range(3000):
        file[f"numbers/{number}"] = number


@hdf5("named type", IN_UM)
def _(file: h5py.File) -> None:
    put(file)
    file["type"] = np.dtype("f4,i2")


@hdf5("region references", IN_UM)
def _(file: h5py.File) -> None:
    array = put(file)
    file["regions"] = np.array([array.regionref[0, :3]], h5py.regionref_dtype)


# Chunks


def _chunked(file: h5py.File, shape: Any = FIELD.shape, **about: Any) -> h5py.Dataset:
    array = file.create_dataset("displacement", shape, "f4", **about)
    array.attrs.update({"units": "um", "spacing_um": 0.5})
    return array


_FIRST = FIELD.copy()
_FIRST[1] = 0


@hdf5("chunks that were never written", Reads(_FIRST, note="(?i)never written|zero"))
def _(file: h5py.File) -> None:
    _chunked(file, chunks=(1, 10, 12, 2))[:1] = FIELD[:1]


@hdf5("nothing was written", REFUSES)
def _(file: h5py.File) -> None:
    _chunked(file, chunks=(1, 10, 12, 2))


@hdf5("nothing was written, in one piece", REFUSES)
def _(file: h5py.File) -> None:
    _chunked(file)


@hdf5("nothing was written, and NaN is the fill value", REFUSES)
def _(file: h5py.File) -> None:
    _chunked(file, chunks=(1, 10, 12, 2), fillvalue=np.nan)


@hdf5("a film of 2 TB, of which nothing was written", REFUSES)
def _(file: h5py.File) -> None:
    _chunked(file, (1_000_000, 512, 512, 2), chunks=(1, 512, 512, 2))


@hdf5("a chunk of 2 GB, of which 1 kB is stored", REFUSES)
def _(file: h5py.File) -> None:
    shape = (1, 16384, 16383, 2)
    array = _chunked(file, shape, chunks=shape, compression="gzip")
    array.id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(4000)))


@hdf5("another array of 2 TB", IN_UM)
def _(file: h5py.File) -> None:
    put(file)
    file.create_dataset("x", (1_000_000, 512, 512), "f8", chunks=(1, 512, 512))


@hdf5("positions of 2 TB", Either(Reads(None)))
def _(file: h5py.File) -> None:
    put(file)
    for name in "xy":
        file.create_dataset(name, (10, 12, 1_000_000_000), "f8", chunks=(1, 1, 1000))


for _words, _about in [
    ("lzf", {"compression": "lzf"}),
    ("gzip, shuffle and checksums", {
        "compression": "gzip", "shuffle": True, "fletcher32": True}),
]:  # fmt: skip

    @hdf5(_words, IN_UM)
    def _(file: h5py.File, about: Any = _about) -> None:
        _chunked(file, **about)[:] = FIELD


def _with_bytes(
    name: str, change: Callable[[bytes], bytes], expected: Expected
) -> None:
    def make(folder: Path) -> Path:
        path = folder / "cell.h5"
        with h5py.File(path, "w") as file:
            _chunked(file, chunks=(1, 10, 12, 2), fletcher32=True)[:] = FIELD
        path.write_bytes(change(path.read_bytes()))
        return path

    add(f"HDF5: {name}", make, expected)


def _in_chunk(content: bytes) -> bytes:
    at = content.find(FIELD[0].astype("f4").tobytes()[:32])
    assert at > 0
    return content[: at + 8] + bytes([content[at + 8] ^ 64]) + content[at + 9 :]


_with_bytes("a chunk that does not match its checksum", _in_chunk, REFUSES)
for _percent in (1, 10, 25, 50, 75, 90, 99):
    _with_bytes(
        f"cut off at {_percent}%",
        lambda content, percent=_percent: content[: len(content) * percent // 100],  # type: ignore[misc]
        REFUSES,
    )
_with_bytes("only the signature", lambda content: content[:8], REFUSES)
_with_bytes("signature, then zeros", lambda b: b[:8] + bytes(5000), REFUSES)
_with_bytes("signature, then ones", lambda b: b[:8] + b"\xff" * 5000, REFUSES)
_with_bytes("something after the end", lambda b: b + b"more" * 1000, IN_UM)
_with_bytes("the file twice", lambda b: b + b, IN_UM)
_with_bytes("after 512 zeros", lambda b: bytes(512) + b, Either(Reads()))
_with_bytes("after 100 zeros", lambda b: bytes(100) + b, REFUSES)
_with_bytes(
    "zeros from the middle on", lambda b: b[:300] + bytes(len(b) - 300), REFUSES
)
_with_bytes("superblock of version 9", lambda b: b[:8] + b"\x09" + b[9:], REFUSES)
_with_bytes("converted line ends", lambda b: b.replace(b"\n", b"\r\n"), REFUSES)
_with_bytes("read as text and written as UTF-8", lambda b: b.decode(
    "latin-1").encode(), REFUSES)  # fmt: skip


@case("HDF5: user block, new version of the format", IN_UM)
def _(folder: Path) -> Path:
    path = folder / "cell.h5"
    with h5py.File(path, "w", libver="latest", userblock_size=1024) as file:
        put(file)
    return path


@case("HDF5: still open for writing", Either(Reads()))
def _(folder: Path) -> Path:
    """The mark of a file that was not closed is set."""
    path = folder / "cell.h5"
    with h5py.File(path, "w", libver="latest") as file:
        put(file)
    content = bytearray(path.read_bytes())
    content[11] |= 1
    path.write_bytes(content)
    return path


for _other in ("cell.npz", "cell.csv", "cell.tif", "cell.mat", "cell", "cell.PNG"):
    hdf5(f"called {_other}", IN_UM, file_name=_other)(put)


# The original work, pytraction, partial files


@hdf5("data of the original work", Reads(about={"unit": "field"}))
def _(file: h5py.File) -> None:
    file["data"] = FIELD


@hdf5("positions at a distance that is a list", REFUSES)
def _(file: h5py.File) -> None:
    put(file, spacing_of_positions_px=[1.0, 2.0])


for _key, _values in [
    ("spacing_um", (0.5, 0.6)),
    ("pixel_size_um", (0.1, 0.2)),
    ("young_pa", (8e3, 9e3)),
]:

    @hdf5(f"components of which each has another {_key}", REFUSES)
    def _(file: h5py.File, key: str = _key, values: Any = _values) -> None:
        for axis, name in enumerate("uv"):
            put(file, FIELD[..., axis], name, **{key: values[axis]})


@hdf5("data of whole numbers", REFUSES)
def _(file: h5py.File) -> None:
    file["data"] = (FIELD * 1000).astype(int)


def _pytraction(file: h5py.File) -> None:
    y, x = np.mgrid[0:10, 0:12] * 8.0
    for frame, field in enumerate(FIELD):
        file[f"pos/{frame}"] = np.stack([x.ravel(), y.ravel()])
        file[f"vec/{frame}"] = field.reshape(-1, 2).T
    file.create_group("metadata").attrs["E"] = np.bytes_(b"8000")


_UP = FIELD[:, ::-1] * (1, -1)

hdf5("pytraction", Reads(_UP, {"unit": "px", "young_pa": 8000.0}))(_pytraction)


def _changed(name: str, expected: Expected, change: Build) -> None:
    @hdf5(f"pytraction: {name}", expected)
    def _(file: h5py.File) -> None:
        _pytraction(file)
        change(file)


def _replace(name: str, value: Any) -> Build:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = value

    return change


def _set(**attributes: Any) -> Build:
    return lambda file: file["metadata"].attrs.update(attributes)


_changed("a frame without vectors", REFUSES, lambda file: file.__delitem__("vec/1"))
_changed("three rows", REFUSES, _replace("vec/1", np.zeros((3, 120))))
_changed("fewer vectors than positions", REFUSES, _replace("vec/1", np.zeros((2, 7))))
_changed("all at one position", REFUSES, _replace("pos/0", np.zeros((2, 120))))
_changed(
    "positions of a frame are NaN",
    Either(Reads(np.stack([_UP[0] * np.nan, _UP[1]]))),
    _replace("pos/0", np.full((2, 120), np.nan)),
)
_changed("vectors are text", REFUSES, _replace("vec/0", np.full((2, 120), b"a")))
_changed("complex vectors", REFUSES, _replace("vec/0", np.zeros((2, 120), "c8")))
_changed("E in brackets", Reads(_UP, {"young_pa": 8000.0}), _set(E="(8000,)"))
_changed("E = 1e39", REFUSES, _set(E=1e39))
_changed("E = -3", REFUSES, _set(E=-3))
_changed("Poisson ratio of 3", REFUSES, _set(s=3.0))
for _text in ("8_000", "8,000", "8 kPa", "(8000, 9000)", "8.000.000", "E=8000"):
    _changed(f"E = {_text}", REFUSES, _set(E=_text))
for _words, _stored in [("a list", [8e3, 9e3]), ("True", True), ("complex", 8e3 + 1j)]:  # type: ignore[assignment]
    _changed(f"E is {_words}", REFUSES, _set(E=_stored))
_changed("E is nothing", Reads(_UP, {"young_pa": None}), _set(E=h5py.Empty("f4")))
_changed("Poisson ratio of 0,49", REFUSES, _set(s="(0,49,)"))
_changed(
    "frame of 5,000 digits",
    Reads(_UP),
    lambda file: [
        file.move(f"{group}/1", f"{group}/" + "9" * 5000) for group in ("pos", "vec")
    ],
)
_changed("no pixels in a micrometre", REFUSES, _set(pix_per_mu=0))
_changed("-4 pixels in a micrometre", REFUSES, _set(pix_per_mu=-4))
_changed("infinite pixels in a micrometre", Either(Reads(_UP)), _set(pix_per_mu=np.inf))
_changed("1e-320 pixels in a micrometre", REFUSES, _set(pix_per_mu=1e-320))
_changed(
    "metadata is an external link",
    REFUSES,
    lambda file: (
        file.__delitem__("metadata"),
        file.__setitem__("metadata", h5py.ExternalLink("elsewhere/none.h5", "/")),
    ),
)
_changed(
    "frame that is a link to a FIFO",
    REFUSES,
    lambda file: file.__setitem__("vec/2", h5py.ExternalLink("/dev/zero", "/")),
)


def _partial(done: Any, run: Any = "{}") -> Build:
    def build(file: h5py.File) -> None:
        put(file, FIELD * 1000, "traction", units="Pa")
        file["frames_done"] = done
        file.attrs["unfinished_run"] = run

    return build


_TRACTIONS: dict[str, Any] = {"kind": "traction", "file_name": "t.partial.h5"}

for _words, _done, _outcome in [
    ("one of two frames", 1, Reads(1000 * FIELD[:1])),
    ("no frame", 0, REFUSES),
    ("more frames than there are", 9, Either(Reads(1000 * FIELD))),
    ("-1 frames", -1, REFUSES),
    ("NaN frames", np.nan, REFUSES),
    ("frames as text", "one", REFUSES),
    ("an array of frames", np.arange(3), REFUSES),
    ("2**63 - 1 frames", 2**63 - 1, Either(Reads(1000 * FIELD))),
]:
    hdf5(f"partial file: {_words}", _outcome, **_TRACTIONS)(_partial(_done))
for _words, _run in [
    ("not JSON", "{" * 1000),
    ("deep JSON", "[" * 20_000),
    ("a number", 3),
    ("not UTF-8", np.bytes_(b"\xff\xfe")),
]:
    hdf5(f"partial file: its run is {_words}", Either(Reads(1000 * FIELD[:1])),
         **_TRACTIONS)(_partial(1, _run))  # fmt: skip


# Tractions of this package

TRACTION = np.round(1000 * FIELD, 1)


def traction(name: str, expected: Expected, change: Build, **about: Any) -> None:
    """Add a case of a file with tractions."""

    @hdf5(f"traction: {name}", expected, kind="traction", file_name="t.h5")
    def _(file: h5py.File) -> None:
        put(file, TRACTION, "traction", **{"units": "Pa", **about})
        change(file)


_GOOD = Reads(TRACTION, {"unit": "Pa", "spacing_um": 0.5})
_NOTHING: Build = bool

traction("good", _GOOD, _NOTHING, young_pa=np.nan, poisson=np.nan)
for _one in NUMBERS:
    traction(_one.words, _one.outcome(TRACTION), _NOTHING, **{_one.name: _one.value})
for _unit in ("kPa", None, "um", 3, ["Pa", "Pa"], "\x1b]0;x\x07", "1e3"):
    traction(f"unit {_unit!r}", REFUSES, _NOTHING, units=_unit)


def _beside(name: str, value: Any, **attributes: Any) -> Build:
    def change(file: h5py.File) -> None:
        file[name] = value
        file[name].attrs.update(attributes)

    return change


for _words, _outcome, _build in [
    ("complex outline", REFUSES, _beside("outline", np.ones((5, 2)) + 1j)),
    ("outline of three columns", REFUSES, _beside("outline", np.ones((5, 3)))),
    ("outline with NaN", REFUSES, _beside("outline", np.full((5, 2), np.nan))),
    ("outline of text", REFUSES, _beside("outline", np.full((5, 2), b"a"))),
    ("outline without points", Either(_GOOD), _beside("outline", np.ones((0, 2)))),
    ("outline of whole numbers", _GOOD, _beside("outline", np.ones((5, 2), int))),
    ("outline of 1e300", Either(_GOOD), _beside("outline", np.full((5, 2), 1e300))),
    ("drift of another shape", REFUSES,
     _beside("drift", np.ones((9, 2)), units="grid")),
    ("drift with NaN", REFUSES,
     _beside("drift", np.full((2, 2), np.nan), units="grid")),
    ("drift of text", REFUSES, _beside("drift", np.full((2, 2), b"a"), units="grid")),
    ("residual of another shape", _GOOD,
     _beside("residual", np.ones((3, 4, 5, 2)), units="um")),
    ("complex residual", Either(_GOOD),
     _beside("residual", FIELD + 1j, units="um")),
    ("residual of text", Either(_GOOD),
     _beside("residual", np.full(FIELD.shape, b"a"), units="um")),
    ("drift whose unit is a list", _GOOD,
     _beside("drift", np.ones((2, 2)), units=[1, 2])),
    ("holes that say in a list that they are a record", _GOOD,
     _beside("holes", np.ones(2, int), is_record=[1, 2])),
    ("-5 holes", REFUSES, _beside("holes", np.array([-5, 2]), is_record=True)),
    ("infinite noise", REFUSES,
     _beside("relative_noise", np.array([np.inf, 1]), is_record=True)),
    ("negative half-widths", REFUSES,
     _beside("halfwidth_68", -np.abs(TRACTION) - 1, units="Pa")),
    ("positions at a distance that is text", REFUSES, lambda file: file["traction"]
     .attrs.update({"spacing_of_positions_px": "ab", "pixel_size_um": 0.1})),
    ("provenance that is not JSON", Either(_GOOD), lambda file: file["traction"].attrs
     .update({"input": "[", "parameters": "{", "versions": "nul"})),
    ("provenance that is a list", Either(_GOOD), lambda file: file["traction"].attrs
     .update({"input": "3", "parameters": "[]", "versions": "[[]]"})),
    ("provenance that names other files", Either(_GOOD), lambda file: file[
        "traction"].attrs.update({"input": '["/dev/zero", "../../etc/passwd"]',
                                  "input_sha256": "0", "parameters": "{}",
                                  "versions": "{}"})),
    ("model of a number", Either(_GOOD), lambda file: file["traction"].attrs
     .update({"model": 3, "model_sha256": 4.5})),
    ("model with escape codes", _GOOD, lambda file: file["traction"].attrs
     .update({"model": "\x1b[2J\x1b[31mvit", "version": "\x07"})),
]:  # fmt: skip
    traction(_words, _outcome, _build)  # type: ignore[arg-type]


@hdf5("segmentation of text", Either(_GOOD), kind="traction")
def _(file: h5py.File) -> None:
    put(file, TRACTION, "traction", units="Pa")
    file["segmentation"] = np.full((2, 10, 12), b"a")


@case("HDF5: socket of this name", REFUSES)
def _(folder: Path) -> Path:
    path = folder / "cell.h5"
    there = Path.cwd()
    os.chdir(folder)  # The whole path may be too long for a socket.
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("cell.h5")
    finally:
        os.chdir(there)
    return path
