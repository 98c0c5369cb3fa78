"""Cases of NPZ archives and NPY files."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
    add,
    case,
    elsewhere,
)

REFUSES = Refuses()
ABOUT = {"displacement.units": "um", "displacement.spacing_um": 0.5}


class Harm:
    """When it is unpickled, a file appears that shows it."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.place / "executed"),))


def npy(values: Any, *, version: tuple[int, int] | None = None) -> bytes:
    """An array as the bytes of an NPY file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.asanyarray(values), version=version)
    return stream.getvalue()


def npy_with_header(header: str | bytes, data: bytes = b"", *, n: int = -1) -> bytes:
    """An NPY file with any text as its header; `n` is the length that it claims."""
    raw = header.encode() if isinstance(header, str) else header
    raw += b"\n"
    length = len(raw) if n < 0 else n
    return b"\x93NUMPY\x02\0" + struct.pack("<I", length) + raw + data


def header_of(descr: object, shape: object, *, fortran: object = False) -> str:
    """The header of an array of this type and shape."""
    return repr({"descr": descr, "fortran_order": fortran, "shape": shape})


DATA = FIELD.tobytes()
SHAPE = FIELD.shape

HEADERS: tuple[tuple[str, bytes, Expected], ...] = (
    ("header is empty", npy_with_header("", DATA), REFUSES),
    ("header is not a dictionary", npy_with_header("[1, 2]", DATA), REFUSES),
    ("header is an expression", npy_with_header(
        "__import__('os').mkdir('executed')", DATA), REFUSES),
    ("header lacks the shape", npy_with_header("{'descr': '<f8'}", DATA), REFUSES),
    ("header has more keys", npy_with_header(
        header_of("<f8", SHAPE)[:-1] + ", 'a': 1}", DATA), REFUSES),
    ("header of 4 GB", npy_with_header(
        header_of("<f8", SHAPE), DATA, n=2**32 - 1), REFUSES),
    ("header of 2 MB", npy_with_header(
        header_of("<f8", SHAPE) + " " * 2_000_000, DATA), REFUSES),
    ("header of nested brackets", npy_with_header("(" * 9000, DATA), REFUSES),
    ("header that is not ASCII", npy_with_header(b"\xff\xfe" * 50, DATA), REFUSES),
    ("header with NUL", npy_with_header(
        header_of("<f8", SHAPE) + "\0\0", DATA), Either(Reads())),
    ("shape of 1e12 vectors", npy_with_header(
        header_of("<f8", (10**6, 1000, 1000, 2)), DATA), REFUSES),
    ("shape whose product overflows", npy_with_header(
        header_of("<f8", (2**32, 2**32, 2**32, 2)), DATA), REFUSES),
    ("negative shape", npy_with_header(
        header_of("<f8", (-1, 10, 12, 2)), DATA), REFUSES),
    ("shape of booleans", npy_with_header(
        header_of("<f8", (True, 10, 12, 2)), DATA), Either(Reads(FIELD[:1]))),
    ("shape of text", npy_with_header(header_of("<f8", "2"), DATA), REFUSES),
    ("shape of numbers with fractions", npy_with_header(
        header_of("<f8", (2.0, 10, 12, 2)), DATA), REFUSES),
    ("unknown type", npy_with_header(header_of("<q9", SHAPE), DATA), REFUSES),
    ("type of objects", npy_with_header(header_of("|O", SHAPE), DATA), REFUSES),
    ("type of 1 GB", npy_with_header(header_of("|V1000000000", ()), DATA), REFUSES),
    ("type of overlapping fields", npy_with_header(header_of(
        [("a", "<f4", (2,)), ("a", "<f4")], (3,)), DATA), REFUSES),
    ("type with subarrays of 1 TB", npy_with_header(header_of(
        [("a", "<f8", (10**6, 10**6))], (1,)), DATA), REFUSES),
    ("order that is text", npy_with_header(
        header_of("<f8", SHAPE, fortran="no"), DATA), REFUSES),
    ("magic of version 9", b"\x93NUMPY\x09\x09" + npy(FIELD)[8:], REFUSES),
    ("only the magic", b"\x93NUMPY", REFUSES),
    ("half of the data", npy(FIELD)[:-1000], REFUSES),
    ("a byte less", npy(FIELD)[:-1], REFUSES),
    ("no data", npy(FIELD)[:128], REFUSES),
    ("a byte more", npy(FIELD) + b"\0", Either(Reads())),
    ("pickled list", npy_with_header(header_of("|O", (3,)),
                                     pickle.dumps([1, 2, 3])), REFUSES),
)  # fmt: skip
"""Damaged NPY files, which are also members of archives."""

STORED: tuple[tuple[str, bytes, Expected], ...] = (
    *((words, npy(values), expected) for words, values, expected in ARRAYS),
    ("long double", npy(FIELD.astype(np.longdouble)), Either(Reads())),
    ("version 3", npy(FIELD, version=(3, 0)), Reads()),
    ("dates", npy(np.zeros((10, 12, 2), "M8[s]")), REFUSES),
)
"""Borderline arrays, in NPY files and in archives."""


def npz(name: str, make: Callable[[], bytes], expected: Expected, **about: Any) -> None:
    """Add a case of an archive with these bytes."""

    def written(folder: Path) -> Path:
        path = folder / "cell.npz"
        path.write_bytes(make())
        return path

    add(f"NPZ: {name}", written, expected, **about)


def archive(
    members: Mapping[str, Any] | None = None,
    *,
    method: int = zipfile.ZIP_DEFLATED,
    **more: Any,
) -> bytes:
    """An archive of arrays, and of members that are bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as file:
        for name, value in {**(members or {}), **more}.items():
            content = value if isinstance(value, bytes) else npy(value)
            file.writestr(f"{name}.npy", content)
    return stream.getvalue()


GOOD = archive({"displacement": FIELD, **ABOUT})

for _one in (*NUMBERS, *ONLY_DISPLACEMENT, *UNITS):
    _key = "units" if _one.name == "unit" else _one.name
    npz(
        f"displacement with {_one.words}",
        lambda key=_key, one=_one: archive(  # type: ignore[misc]
            {"displacement": FIELD, **ABOUT, f"displacement.{key}": one.value}
        ),
        _one.outcome(),
    )
for _words, _content, _outcome in (*HEADERS, *STORED):
    npz(
        f"{_words}",
        lambda content=_content: archive({"displacement": content, **ABOUT}),  # type: ignore[misc]
        _outcome,
    )

npz("good", lambda: GOOD, IN_UM)
npz("empty", archive, REFUSES)
npz(
    "member that is longer than its array",
    lambda: archive({**ABOUT, "displacement": npy(FIELD) + bytes(40)}),
    REFUSES,
)
npz(
    "lengths in arrays of one number",
    lambda: archive(
        {"displacement": FIELD, **ABOUT, "spacing_um": [0.5], "young_pa": [[8e3]]}
    ),
    Reads(about={"unit": "um", "spacing_um": 0.5, "young_pa": 8e3}),
)
npz(
    "two Poisson ratios",
    lambda: archive({"displacement": FIELD, **ABOUT, "poisson": [0.3, 0.4]}),
    REFUSES,
)
npz(
    "3,000 numbers",
    lambda: archive(
        {"displacement": FIELD, **ABOUT, **{f"n{i}": i for i in range(3000)}}
    ),
    IN_UM,
)
npz(
    "3,000 attributes",
    lambda: archive(
        {
            "displacement": FIELD,
            **ABOUT,
            **{f"displacement.n{i}": i for i in range(3000)},
        }
    ),
    IN_UM,
)
npz(
    "300 arrays with 300 attributes of the file",
    lambda: archive(
        {
            "displacement": FIELD,
            **ABOUT,
            **{f"n{i}": i for i in range(300)},
            **{f"a{i}": np.zeros(2) for i in range(300)},
        }
    ),
    IN_UM,
)
npz(
    "unit that unpacks to 1 GB",
    lambda: archive(
        {
            "displacement": FIELD,
            "displacement.units": npy_with_header(
                header_of("<U250000000", ()), bytes(1_000_000_000)
            ),
        }
    ),
    REFUSES,
    is_slow=True,
)
npz(
    "unit that unpacks to 200 MB",
    lambda: archive(
        {
            "displacement": FIELD,
            "displacement.units": npy_with_header(
                header_of("<U50000000", ()), bytes(200_000_000)
            ),
        }
    ),
    REFUSES,
)
npz(
    "unit that claims 4 GB",
    lambda: archive(
        {
            "displacement": FIELD,
            "displacement.units": npy_with_header(
                header_of("<U1000000000", ()), bytes(1000)
            ),
        }
    ),
    REFUSES,
)
npz(
    "number of 200 MB that no array has",
    lambda: archive(
        {
            "displacement": FIELD,
            **ABOUT,
            "comment": npy_with_header(
                header_of("|V200000000", ()), bytes(200_000_000)
            ),
        }
    ),
    Either(Reads()),
)
npz(
    "array of 200 MB that is not a field",
    lambda: archive(
        {
            "displacement": FIELD,
            **ABOUT,
            "x": npy_with_header(header_of("<f8", (25_000_000,)), bytes(200_000_000)),
        }
    ),
    IN_UM,
)
npz(
    "field of zeros that unpacks to 5 MB",
    lambda: archive(
        {
            "displacement": npy_with_header(
                header_of("<f4", (25, 160, 160, 2)), bytes(5_120_000)
            ),
            **ABOUT,
        }
    ),
    Either(Reads(None)),
    honest_mb=5,
)
npz(
    "bzip2",
    lambda: archive({"displacement": FIELD, **ABOUT}, method=zipfile.ZIP_BZIP2),
    IN_UM,
)
npz(
    "LZMA",
    lambda: archive({"displacement": FIELD, **ABOUT}, method=zipfile.ZIP_LZMA),
    IN_UM,
)
npz(
    "complex spacing",
    lambda: archive({"displacement": FIELD, **ABOUT, "displacement.spacing_um": 1j}),
    REFUSES,
)
npz(
    "date as spacing",
    lambda: archive(
        {
            "displacement": FIELD,
            **ABOUT,
            "displacement.spacing_um": np.datetime64("2020-01-01"),
        }
    ),
    REFUSES,
)
npz(
    "unit as bytes",
    lambda: archive(
        {"displacement": FIELD, **ABOUT, "displacement.units": np.bytes_(b"um")}
    ),
    Either(Reads()),
)
npz(
    "unit as bytes that are not UTF-8",
    lambda: archive(
        {"displacement": FIELD, **ABOUT, "displacement.units": np.bytes_(b"\xff\xfe")}
    ),
    REFUSES,
)
npz(
    "unit with NUL",
    lambda: archive({"displacement": FIELD, **ABOUT, "displacement.units": "u\0m"}),
    REFUSES,
)
npz(
    "unit with lone surrogates",
    lambda: archive(
        {
            "displacement": FIELD,
            "displacement.units": npy_with_header(
                header_of("<U2", ()), b"\x00\xd8\0\0\x00\xd8\0\0"
            ),
        }
    ),
    REFUSES,
)
npz(
    "unit with code points beyond Unicode",
    lambda: archive(
        {
            "displacement": FIELD,
            "displacement.units": npy_with_header(
                header_of("<U1", ()), b"\xff\xff\xff\xff"
            ),
        }
    ),
    REFUSES,
)
npz(
    "structured number",
    lambda: archive(
        {
            "displacement": FIELD,
            **ABOUT,
            "displacement.spacing_um": np.array((1, 2), "i4,i4"),
        }
    ),
    REFUSES,
)
npz(
    "complex outline",
    lambda: archive({"displacement": FIELD, **ABOUT, "outline": np.ones((4, 2)) * 1j}),
    REFUSES,
)
npz(
    "outline of objects",
    lambda: archive(
        {
            "displacement": FIELD,
            **ABOUT,
            "outline": npy_with_header(header_of("|O", (4, 2)), b"abc"),
        }
    ),
    REFUSES,
)
for _name in (
    "../../displacement",
    "/displacement",
    "C:\\displacement",
    "displacement\x1b[31m",
    "displacement\nError: x",
    "displacement " * 900,
    "\u4f4d\u79fb displacement",
    "a/b/displacement",
):
    npz(
        f"array called {_name[:30]!r}",
        lambda name=_name: archive({name: FIELD}),
        Either(Reads()),
    )  # type: ignore[misc]
# fmt: off


def _raw(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    return lambda: change(GOOD)


# fmt: on
for _percent in (1, 20, 50, 80, 99):
    npz(
        f"cut off at {_percent}%",
        _raw(lambda content, p=_percent: content[: len(content) * p // 100]),  # type: ignore[misc]
        REFUSES,
    )
npz("something before the archive", _raw(lambda b: b"x" * 100 + b), REFUSES)
npz("something after the archive", _raw(lambda b: b + b"x" * 100), Either(Reads()))
npz("zeros from the middle on", _raw(lambda b: b[:200] + bytes(len(b) - 200)), REFUSES)
npz("no directory", _raw(lambda b: b[: b.find(b"PK\x01\x02")]), REFUSES)
npz("no data before the directory", _raw(lambda b: b[b.find(b"PK\x01\x02") :]), REFUSES)
npz("only the end of an archive", lambda: b"PK\x05\x06" + bytes(18), REFUSES)
npz("only the signature", lambda: b"PK\x03\x04", REFUSES)
npz("converted line ends", _raw(lambda b: b.replace(b"\n", b"\r\n")), REFUSES)


def _at_directory(offset: int, new: bytes) -> Callable[[bytes], bytes]:
    """Change the entry of the first member in the directory."""

    def change(content: bytes) -> bytes:
        at = content.find(b"PK\x01\x02") + offset
        return content[:at] + new + content[at + len(new) :]

    return change


npz("member that is encrypted", _raw(_at_directory(8, b"\x01\0")), REFUSES)
npz("member of an unknown compression", _raw(_at_directory(10, b"\x63\0")), REFUSES)
npz("member with a wrong checksum", _raw(_at_directory(16, b"abcd")), REFUSES)
npz("member that claims 2 GB", _raw(_at_directory(24, b"\xff\xff\xff\x7f")),
    Either(Reads()))  # fmt: skip
npz("member that claims one byte", _raw(_at_directory(24, b"\x01\0\0\0")), REFUSES)
npz("member at a wrong place", _raw(_at_directory(42, b"\x50\0\0\0")), REFUSES)


@case("NPZ: a member twice", Either(Reads(FIELD, {"unit": "um"})))
def _(folder: Path) -> Path:
    path = folder / "cell.npz"
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as file:
        warnings.simplefilter("ignore")
        for values in (FIELD, FIELD):
            file.writestr("displacement.npy", npy(values))
        file.writestr("displacement.units.npy", npy("um"))
    return path


@case("NPZ: members of two different values by one name", REFUSES)
def _(folder: Path) -> Path:
    path = folder / "cell.npz"
    import warnings

    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as file:
        warnings.simplefilter("ignore")
        for values in (FIELD, 2 * FIELD):
            file.writestr("displacement.npy", npy(values))
        file.writestr("displacement.units.npy", npy("um"))
    return path


@case("NPZ: members of other kinds", IN_UM)
def _(folder: Path) -> Path:
    path = folder / "cell.npz"
    path.write_bytes(GOOD)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("folder/", b"")
        file.writestr("readme.txt", b"hello")
        file.writestr("inner.zip", GOOD)
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
    return path


@case("NPZ: a member that is no array", REFUSES)
def _(folder: Path) -> Path:
    path = folder / "cell.npz"
    path.write_bytes(GOOD)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("notes.npy", b"hello")
    return path


for _words, _protocol in [("protocol 0", 0), ("protocol 5", 5)]:

    @case(f"NPZ: pickle that runs code, {_words}", REFUSES)
    def _(folder: Path, protocol: int = _protocol) -> Path:
        harm = pickle.dumps(Harm(elsewhere(folder)), protocol=protocol)
        path = folder / "cell.npz"
        content = npy_with_header(header_of("|O", (3, 4, 2)), harm)
        path.write_bytes(archive({"displacement": content}))
        return path


@case("NPZ: pickle that runs code, as a number", Either(Reads()))
def _(folder: Path) -> Path:
    harm = pickle.dumps(Harm(elsewhere(folder)))
    path = folder / "cell.npz"
    unit = npy_with_header(header_of("|O", ()), harm)
    path.write_bytes(archive({"displacement": FIELD, "displacement.units": unit}))
    return path


# NPY

UM = {"unit": "um"}


def one(name: str, content: bytes, expected: Expected, **about: Any) -> None:
    """Add a case of one NPY file with these bytes."""

    def make(folder: Path) -> Path:
        path = folder / "cell.npy"
        path.write_bytes(content)
        return path

    add(f"NPY: {name}", make, expected, options=UM, **about)


for _words, _content, _outcome in (*HEADERS, *STORED):
    # A file has no name of an array: three components may be anything.
    one(_words, _content, REFUSES if _words == "three components" else _outcome)
one("empty", b"", REFUSES)
one("converted line ends", npy(FIELD).replace(b"\n", b"\r\n"), REFUSES)


@case("NPY: pickle that runs code", REFUSES)
def _(folder: Path) -> Path:
    path = folder / "cell.npy"
    path.write_bytes(pickle.dumps(Harm(elsewhere(folder))))
    return path


@case("NPY: pickled objects that run code", REFUSES)
def _(folder: Path) -> Path:
    path = folder / "cell.npy"
    harm = pickle.dumps(Harm(elsewhere(folder)))
    path.write_bytes(npy_with_header(header_of("|O", (8, 9, 2)), harm))
    return path


def pair(name: str, u: bytes | None, v: bytes | None, expected: Expected) -> None:
    """Add a case of two files with one component each."""

    def make(folder: Path) -> Path:
        for letter, content in (("u", u), ("v", v)):
            if content is not None:
                (folder / f"01{letter}.npy").write_bytes(content)
        return folder / "01u.npy"

    add(f"NPY pair: {name}", make, expected, partners=("01v.*",))


_U, _V = npy(FIELD[0, ..., 0]), npy(FIELD[0, ..., 1])
_PAIR = Reads(FIELD[:1], {"unit": "px"})

pair("good", _U, _V, _PAIR)
pair("partner missing", _U, None, REFUSES)
pair("partner of another shape", _U, npy(FIELD[0, 1:, :, 0]), REFUSES)
pair("partner is damaged", _U, _V[:-100], REFUSES)
pair("partner is empty", _U, b"", REFUSES)
pair("partner of another type", _U, npy(FIELD[0, ..., 1].astype("f4")), Either(_PAIR))
pair("partner of whole numbers", _U, npy((FIELD[0, ..., 1] * 9).astype(int)), REFUSES)
pair("partner is complex", _U, npy(FIELD[0, ..., 1] + 1j), REFUSES)
pair("partner is a field of its own", _U, npy(FIELD), REFUSES)


@case("NPY pair: partner is a FIFO", REFUSES, partners=("01v.*",))
def _(folder: Path) -> Path:
    (folder / "01u.npy").write_bytes(_U)
    os.mkfifo(folder / "01v.npy")
    return folder / "01u.npy"


@case("NPY pair: partner is a folder", REFUSES, partners=("01v.*",))
def _(folder: Path) -> Path:
    (folder / "01u.npy").write_bytes(_U)
    (folder / "01v.npy").mkdir()
    return folder / "01u.npy"


@case("NPY pair: partner of another format", _PAIR, partners=("01v.*",))
def _(folder: Path) -> Path:
    (folder / "01u.npy").write_bytes(_U)
    np.savetxt(folder / "01v.txt", FIELD[0, ..., 1])
    return folder / "01u.npy"


@case("NPY pair: two partners of other formats", REFUSES, partners=("01v.*",))
def _(folder: Path) -> Path:
    (folder / "01u.npy").write_bytes(_U)
    np.savetxt(folder / "01v.txt", FIELD[0, ..., 1])
    np.savetxt(folder / "01v.csv", FIELD[0, ..., 1])
    return folder / "01u.npy"
