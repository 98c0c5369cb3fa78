"""Cases of MATLAB files of all versions, with the fields of several programs."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from scipy.io import savemat
from scipy.sparse import csc_array

from corpus.case import FIELD, NUMBERS, Either, Expected, Reads, Refuses, add, case
from mat_files import Cells, Structs, write_5, write_73

REFUSES = Refuses()
ONE = FIELD[0]
Y, X = np.mgrid[0:10, 0:12] * 8.0

DL_TFM = (ONE[::-1] * (1, -1)).transpose(1, 0, 2)
"""`ONE` as DL-TFM stores it: the first index is x, y is counted from the bottom."""

READS = Reads(FIELD[:1])
GRID = Reads(FIELD[:1], {"unit": "grid"})
PX = Reads(FIELD[:1], {"unit": "px"})


def mat(
    name: str, variables: Mapping[str, Any], expected: Expected, **about: Any
) -> None:
    """Add a case of variables, in both versions of the format."""
    for version, write in (("5", write_5), ("7.3", write_73)):

        def make(folder: Path, write: Any = write) -> Path:
            path: Path = write(folder / "cell.mat", **variables)
            return path

        add(f"MATLAB {version}: {name}", make, expected, **about)


_POINTS = np.stack([X.ravel(), Y.ravel()], axis=1)
_VECTORS = ONE.reshape(-1, 2)
_TWO = Structs([{"pos": _POINTS, "vec": f.reshape(-1, 2)} for f in FIELD])
_FULL = {"x": Cells([X]), "y": Cells([Y]), "u_original": Cells([ONE[..., 0]]),
         "v_original": Cells([ONE[..., 1]]), "units": "[px] respectively [px/frame]",
         "typevector_original": Cells([np.ones_like(X)])}  # fmt: skip

for _words, _variables, _outcome in [
    ("DL-TFM", {"dspl": DL_TFM}, GRID),
    ("dspl of one row", {"dspl": DL_TFM[:, :1]}, REFUSES),
    ("dspl of one column", {"dspl": DL_TFM[:1]}, REFUSES),
    ("dspl of one vector", {"dspl": DL_TFM[:1, :1]}, REFUSES),
    ("dspl without vectors", {"dspl": DL_TFM[:0]}, REFUSES),
    ("dspl of three components", {"dspl": np.zeros((12, 10, 3))}, REFUSES),
    ("dspl of one component", {"dspl": DL_TFM[..., 0]}, REFUSES),
    ("dspl of text", {"dspl": "hello"}, REFUSES),
    ("dspl is a struct", {"dspl": {"a": 1.0}}, REFUSES),
    ("dspl is a cell", {"dspl": Cells([DL_TFM])}, REFUSES),
    ("dspl of NaN", {"dspl": DL_TFM * np.nan}, REFUSES),
    ("dspl of whole numbers", {"dspl": np.ones((12, 10, 2), np.int32)}, REFUSES),
    ("dspl of float32", {"dspl": DL_TFM.astype("f4")}, GRID),
    ("outline", {"dspl": DL_TFM, "brdx": np.arange(1.0, 6), "brdy": np.arange(1.0, 6)},
     GRID),
    ("outline of NaN", {"dspl": DL_TFM, "brdx": np.full(4, np.nan),
                        "brdy": np.ones(4)}, REFUSES),
    ("outline of two lengths", {"dspl": DL_TFM, "brdx": np.ones(4),
                                "brdy": np.ones(5)}, REFUSES),
    ("outline of text", {"dspl": DL_TFM, "brdx": "abc", "brdy": "abc"}, REFUSES),
    ("outline of a struct", {"dspl": DL_TFM, "brdx": {"a": 1.0},
                             "brdy": {"a": 1.0}}, REFUSES),
    ("outline without points", {"dspl": DL_TFM, "brdx": np.zeros((0, 0)),
                                "brdy": np.zeros((0, 0))}, Either(GRID)),
    ("Bayesian FTTC", {"input_data": {"displacement": _TWO}},
     Reads(about={"unit": "px"})),
    ("displacement without vec", {"input_data": {"displacement": {"pos": _POINTS}}},
     REFUSES),
    ("input_data without displacement", {"input_data": {"noise": np.ones(3)}}, REFUSES),
    ("input_data of a number", {"input_data": np.ones(3)}, REFUSES),
    ("fewer vectors than positions", {"input_data": {"displacement": {
        "pos": _POINTS, "vec": _VECTORS[1:]}}}, REFUSES),
    ("positions of three columns", {"input_data": {"displacement": {
        "pos": np.ones((120, 3)), "vec": _VECTORS}}}, REFUSES),
    ("positions of text", {"input_data": {"displacement": {
        "pos": "abc", "vec": _VECTORS}}}, REFUSES),
    ("positions without elements", {"input_data": {"displacement": {
        "pos": np.zeros((0, 2)), "vec": np.zeros((0, 2))}}}, REFUSES),
    ("u-inferforce", {"displField": _TWO}, Reads(about={"unit": "px"})),
    ("displField of NaN", {"displField": Structs(
        [{"pos": _POINTS, "vec": _VECTORS * np.nan}])}, REFUSES),
    ("displField of 1e300", {"displField": Structs(
        [{"pos": _POINTS * 1e300, "vec": _VECTORS}])}, REFUSES),
    ("displField at one position", {"displField": Structs(
        [{"pos": _POINTS * 0, "vec": _VECTORS}])}, REFUSES),
    ("only forceField", {"forceField": _TWO}, REFUSES),
    ("PIVlab", _FULL, PX),
    ("PIVlab, velocity", {**_FULL, "units": "[m] respectively [m/s]"}, REFUSES),
    ("PIVlab, unknown unit", {**_FULL, "units": "\x1b[31mfurlong"},
     Either(Reads(FIELD[:1], {"unit": None}))),
    ("PIVlab, no unit", {k: v for k, v in _FULL.items() if k != "units"},
     Either(READS)),
    ("PIVlab, empty vectors", {**_FULL, "u_original": Cells([np.zeros((0, 0))]),
                               "v_original": Cells([np.zeros((0, 0))])}, REFUSES),
    ("PIVlab, no frames", {**_FULL, "u_original": Cells([]), "v_original": Cells([]),
                           "x": Cells([]), "y": Cells([])}, REFUSES),
    ("PIVlab, more v than u", {**_FULL, "v_original": Cells([ONE[..., 1]] * 2)},
     Either(PX)),
    ("PIVlab, v of another shape", {**_FULL, "v_original": Cells([ONE[1:, :, 1]])},
     REFUSES),
    ("PIVlab, text in a cell", {**_FULL, "u_original": Cells(["abc"])}, REFUSES),
    ("PIVlab, types of another shape", {**_FULL, "typevector_original": Cells(
        [np.ones((3, 3))])}, Either(PX)),
    ("FIDIC", {"x": X, "y": Y, "u": np.moveaxis(FIELD[..., 0], 0, -1),
               "v": np.moveaxis(FIELD[..., 1], 0, -1), "d0": 8.0},
     Reads(about={"unit": "px"})),
    ("FIDIC, d0 of another step", {"x": X, "y": Y, "u": ONE[..., 0], "v": ONE[..., 1],
                                   "d0": 9.0}, REFUSES),
    ("FIDIC, d0 of 0", {"x": X, "y": Y, "u": ONE[..., 0], "v": ONE[..., 1], "d0": 0.0},
     Either(READS)),
    ("FIDIC, d0 of text", {"x": X, "y": Y, "u": ONE[..., 0], "v": ONE[..., 1],
                           "d0": "8"}, Either(READS)),
    ("FIDIC, complex u", {"u": ONE[..., 0] + 1j, "v": ONE[..., 1], "d0": 8.0}, REFUSES),
    ("FIDIC, u of text", {"u": "abc", "v": ONE[..., 1], "d0": 8.0}, REFUSES),
    ("TFM-UQ", {"U": ONE[..., 0], "V": ONE[..., 1], "TFMUQ": {"X": X, "Y": Y}},
     Reads(FIELD[:1], {"unit": "um"})),
    ("TFM-UQ without Y", {"U": ONE[..., 0], "V": ONE[..., 1], "TFMUQ": {"X": X}},
     Either(READS)),
    ("TFM-UQ, X of text", {"U": ONE[..., 0], "V": ONE[..., 1],
                           "TFMUQ": {"X": "abc", "Y": Y}}, REFUSES),
    ("one array", {"displacement": ONE}, READS),
    ("nothing that is a field", {"a": np.ones(3), "b": "text"}, REFUSES),
    ("no variables", {}, REFUSES),
    ("components", {"ux": ONE[..., 0], "uy": ONE[..., 1]}, READS),
    ("one component", {"ux": ONE[..., 0]}, REFUSES),
    ("components of two shapes", {"ux": ONE[..., 0], "uy": ONE[1:, :, 1]}, REFUSES),
]:  # fmt: skip
    mat(_words, _variables, _outcome)  # type: ignore[arg-type]

mat("complex dspl", {"dspl": DL_TFM + 1j}, REFUSES)
mat("complex outline", {"dspl": DL_TFM, "brdx": np.ones(4) + 1j, "brdy": np.ones(4)},
    REFUSES)  # fmt: skip
mat("complex positions", {"displField": Structs(
    [{"pos": _POINTS + 1j, "vec": _VECTORS}])}, REFUSES)  # fmt: skip


# Tractions of this package


def own(name: str, expected: Expected, **attributes: Any) -> None:
    """Add a case of tractions as this package writes them."""

    def make(folder: Path) -> Path:
        path = folder / "t.mat"
        of = {"units": "Pa", "spacing_um": 0.5, **attributes}
        values = np.moveaxis(1000 * FIELD, 0, -1)
        variables = {"traction": values, "attributes": {"traction": of}}
        savemat(path, variables, do_compression=True, long_field_names=True)
        return path

    add(f"MATLAB 5: own, {name}", make, expected, kind="traction")


own("good", Reads(1000 * FIELD, {"unit": "Pa", "spacing_um": 0.5}))
for _one in NUMBERS:
    # In MATLAB, true is the number 1, and scipy reads it as such.
    _is_one = _one.value is True and _one.name != "poisson"
    _outcome = Either(Reads(1000 * FIELD)) if _is_one else _one.outcome(1000 * FIELD)
    own(_one.words, _outcome, **{_one.name: _one.value})
for _unit in ("kPa", 3.0, "\x1b[31mPa", np.array([["Pa"], ["Pb"]])):
    own(f"unit {str(_unit)!r}", REFUSES, units=_unit)
own("spacing is a struct", REFUSES, spacing_um={"a": 1.0})
own("complex spacing", REFUSES, spacing_um=0.5 + 1j)
own("unit is a struct", REFUSES, units={"a": 1.0})


# Damage


def raw(name: str, content: bytes, expected: Expected, **about: Any) -> None:
    """Add a case of a file with these bytes."""

    def make(folder: Path) -> Path:
        path = folder / "cell.mat"
        path.write_bytes(content)
        return path

    add(f"MATLAB 5: {name}", make, expected, **about)


def _saved(*, compressed: bool = True, **variables: Any) -> bytes:
    stream = io.BytesIO()
    savemat(stream, variables, do_compression=compressed)
    return stream.getvalue()


_GOOD = _saved(dspl=DL_TFM)
_PLAIN = _saved(dspl=DL_TFM, compressed=False)
_HEAD = _PLAIN[:128]


def _element(kind: int, data: bytes, *, n: int = -1) -> bytes:
    size = len(data) if n < 0 else n
    return struct.pack("<II", kind, size) + data + bytes(-len(data) % 8)


def _matrix(
    values: bytes = b"", *, name: bytes = b"dspl", shape: tuple[int, ...] = (12, 10, 2),
    flags: int = 6, kind: int = 9, n: int = -1, size: int = -1,
) -> bytes:  # fmt: skip
    """A variable; `n` and `size` are the sizes that its tags claim."""
    body = _element(6, struct.pack("<II", flags, 0))
    body += _element(5, struct.pack(f"<{len(shape)}i", *shape))
    body += _element(1, name) + _element(kind, values, n=n)
    return _element(14, body, n=size)


_DATA = np.asfortranarray(DL_TFM).tobytes(order="F")

raw("written by hand", _HEAD + _matrix(_DATA), GRID)
for _words, _variable, _outcome in [
    ("values of 4 GB", _matrix(_DATA, n=2**32 - 1), REFUSES),
    ("values of 0 bytes", _matrix(_DATA, n=0), REFUSES),
    ("variable of 4 GB", _matrix(_DATA, size=2**32 - 1), REFUSES),
    ("variable of 0 bytes", _matrix(_DATA, size=0), REFUSES),
    ("variable of 3 bytes", _matrix(_DATA, size=3), REFUSES),
    ("shape of 2**93", _matrix(_DATA, shape=(2**31 - 1,) * 3), REFUSES),
    ("negative shape", _matrix(_DATA, shape=(-12, 10, 2)), REFUSES),
    ("shape of one axis", _matrix(_DATA, shape=(240,)), REFUSES),
    ("shape without axes", _matrix(_DATA, shape=()), REFUSES),
    ("shape of 5,000 axes", _matrix(_DATA, shape=(1,) * 5000), REFUSES),
    ("unknown class", _matrix(_DATA, flags=99), REFUSES),
    ("class of objects", _matrix(_DATA, flags=3), REFUSES),
    ("class of functions", _matrix(_DATA, flags=16), REFUSES),
    ("class of opaque objects", _matrix(_DATA, flags=17), REFUSES),
    ("struct without fields", _matrix(_DATA, flags=2), REFUSES),
    ("cell of numbers", _matrix(_DATA, flags=1), REFUSES),
    ("sparse", _matrix(_DATA, flags=5), REFUSES),
    ("text of numbers", _matrix(_DATA, flags=4), REFUSES),
    ("complex without imaginary part", _matrix(_DATA, flags=6 | 0x800), REFUSES),
    ("unknown type of values", _matrix(_DATA, kind=88), REFUSES),
    ("type of values is 0", _matrix(_DATA, kind=0), REFUSES),
    ("matrix as values", _matrix(_DATA, kind=14), REFUSES),
    ("name of 60 kB", _matrix(_DATA, name=b"displacement" * 5000),
     Either(Reads(None))),
    ("name with NUL", _matrix(_DATA, name=b"ds\0pl"), Either(Reads(None))),
    ("name that is not UTF-8", _matrix(_DATA, name=b"\xff\xfe"), Either(Reads(None))),
    ("name with escape codes", _matrix(_DATA, name=b"disp\x1b[31m"),
     Either(Reads(None))),
    ("no name", _matrix(_DATA, name=b""), Either(Reads(None))),
    ("a variable twice", _matrix(_DATA) * 2, Either(GRID)),
    ("variable of an unknown kind", _element(77, _DATA), REFUSES),
    ("compressed, but not", _element(15, _DATA), REFUSES),
    ("compressed twice", _element(15, zlib.compress(_element(
        15, zlib.compress(_matrix(_DATA))))), REFUSES),
    ("compressed, half of it", _element(15, zlib.compress(_matrix(_DATA))[:300]),
     REFUSES),
    ("compressed, of 200 MB", _element(15, zlib.compress(_matrix(
        bytes(8 * 25_000_000), shape=(5000, 5000), name=b"a"))), REFUSES),
    ("compressed field of 200 MB", _element(15, zlib.compress(_matrix(
        bytes(8 * 25_000_000), shape=(3535, 3536, 2)))), Either(Reads(None))),
    ("compressed, then 200 MB of zeros", _element(15, zlib.compress(
        _matrix(_DATA) + bytes(200_000_000))), Either(GRID)),
]:  # fmt: skip
    raw(_words, _HEAD + _variable, _outcome,
        honest_mb=200 if "field of" in _words else 0)  # fmt: skip


def _nested(depth: int, flags: int) -> bytes:
    inner = _matrix(_DATA)
    for _ in range(depth):
        body = _element(6, struct.pack("<II", flags, 0))
        body += _element(5, struct.pack("<2i", 1, 1)) + _element(1, b"a")
        if flags == 2:
            body += struct.pack("<HHi", 5, 4, 32) + _element(1, b"a".ljust(32, b"\0"))
        inner = _element(14, body + inner)
    return inner


for _depth in (10, 3000):
    raw(f"{_depth} nested cells", _HEAD + _nested(_depth, 1), REFUSES)
    raw(f"{_depth} nested structs", _HEAD + _nested(_depth, 2), REFUSES)
for _percent in (1, 10, 50, 99):
    raw(f"cut off at {_percent}%", _GOOD[: len(_GOOD) * _percent // 100], REFUSES)
    raw(f"not compressed, cut off at {_percent}%",
        _PLAIN[: len(_PLAIN) * _percent // 100], REFUSES)  # fmt: skip
raw("only the header", _HEAD, REFUSES)
raw("header of another version", _HEAD[:124] + b"\x09\x09IM" + _PLAIN[128:], REFUSES)
raw("header without byte order", _HEAD[:126] + b"??" + _PLAIN[128:], REFUSES)
raw("header of the other byte order", _HEAD[:126] + b"MI" + _PLAIN[128:], REFUSES)
raw("header of version 7.3, but version 5", _HEAD[:124] + b"\0\x02IM" + _PLAIN[128:],
    Either(GRID))  # fmt: skip
raw("header with escape codes", b"MATLAB 5.0 \x1b[31m".ljust(124) + _PLAIN[124:],
    Either(GRID))  # fmt: skip
raw("something after the end", _PLAIN + b"more", Either(GRID))
raw("sparse matrix", _saved(dspl=csc_array(np.eye(300))), REFUSES)
_v4 = io.BytesIO()
savemat(_v4, {"ux": ONE[..., 0], "uy": ONE[..., 1]}, format="4")
raw("version 4, written by MATLAB 4", _v4.getvalue(), Either(READS))


def hdf5(name: str, expected: Expected) -> Callable[..., Any]:
    """Add a case of version 7.3 that the decorated function fills."""

    def added(build: Callable[[h5py.File], object]) -> Any:
        def make(folder: Path) -> Path:
            path = folder / "cell.mat"
            with h5py.File(path, "w", userblock_size=512) as file:
                build(file)
            with path.open("r+b") as stream:
                stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM")
            return path

        add(f"MATLAB 7.3: {name}", make, expected)
        return build

    return added


def _class(item: Any, name: Any) -> None:
    item.attrs["MATLAB_class"] = name


@hdf5("dspl that was never written", REFUSES)
def _(file: h5py.File) -> None:
    _class(file.create_dataset("dspl", DL_TFM.T.shape, "f8"), np.bytes_(b"double"))


@hdf5("class that is not UTF-8", Either(GRID))
def _(file: h5py.File) -> None:
    file["dspl"] = DL_TFM.T
    _class(file["dspl"], np.bytes_(b"\xff\xfe"))


@hdf5("class that is a number", Either(GRID))
def _(file: h5py.File) -> None:
    file["dspl"] = DL_TFM.T
    _class(file["dspl"], 3)


@hdf5("class that is an array", Either(GRID))
def _(file: h5py.File) -> None:
    file["dspl"] = DL_TFM.T
    _class(file["dspl"], ["double", "single"])


@hdf5("text of numbers beyond Unicode", REFUSES)
def _(file: h5py.File) -> None:
    for name, value in (("u_original", X), ("v_original", X), ("x", X), ("y", Y)):
        file[f"#refs#/{name}"] = value.T
        file.create_dataset(name, (1, 1), h5py.ref_dtype)[0, 0] = file[
            f"#refs#/{name}"
        ].ref
        _class(file[name], np.bytes_("cell"))
    file["units"] = np.full((5, 1), 0xFFFFFFFF, np.uint32)
    _class(file["units"], np.bytes_("char"))


@hdf5("cell that contains itself", REFUSES)
def _(file: h5py.File) -> None:
    for name in ("x", "y", "u_original", "v_original"):
        cell = file.create_dataset(name, (1, 1), h5py.ref_dtype)
        _class(cell, np.bytes_("cell"))
        cell[0, 0] = cell.ref


@hdf5("struct that contains itself", REFUSES)
def _(file: h5py.File) -> None:
    group = file.create_group("displField")
    _class(group, np.bytes_("struct"))
    group["pos"] = group
    group["vec"] = group


@hdf5("references to nothing", REFUSES)
def _(file: h5py.File) -> None:
    for name in ("pos", "vec"):
        file.create_dataset(f"displField/{name}", (1, 3), h5py.ref_dtype)


@hdf5("cells that double 40 times", REFUSES)
def _(file: h5py.File) -> None:
    file["#refs#/0"] = np.zeros((3, 3))
    for depth in range(1, 40):
        cell = file.create_dataset(f"#refs#/{depth}", (1, 2), h5py.ref_dtype)
        cell[0, :] = [file[f"#refs#/{depth - 1}"].ref] * 2
        _class(cell, np.bytes_("cell"))
    for name in ("x", "y", "u_original", "v_original"):
        cell = file.create_dataset(name, (1, 1), h5py.ref_dtype)
        cell[0, 0] = file["#refs#/39"].ref
        _class(cell, np.bytes_("cell"))


@hdf5("external link", REFUSES)
def _(file: h5py.File) -> None:
    file["dspl"] = h5py.ExternalLink("elsewhere/none.mat", "/dspl")


@hdf5("reference to an external link", REFUSES)
def _(file: h5py.File) -> None:
    file["dspl"] = DL_TFM.T
    file["#refs#/a"] = h5py.ExternalLink("/dev/zero", "/dspl")


@hdf5("array of 2 TB that is empty", REFUSES)
def _(file: h5py.File) -> None:
    file.create_dataset("dspl", (2, 500_000, 500_000), "f4", chunks=(1, 500, 500))


@case("MATLAB 7.3: cut off", REFUSES)
def _(folder: Path) -> Path:
    path = write_73(folder / "cell.mat", dspl=DL_TFM)
    path.write_bytes(path.read_bytes()[:1500])
    return path


@case("MATLAB 7.3: only the header", REFUSES)
def _(folder: Path) -> Path:
    path = folder / "cell.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\0\2IM" + bytes(384))
    return path
