"""Cases of text tables: numbers, columns, programs, encodings."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from corpus.case import (
    FIELD,
    NUMBERS,
    Either,
    Expected,
    Reads,
    Refuses,
    add,
    case,
)

REFUSES = Refuses()
ONE = FIELD[0]
"""One frame ``(10, 12, 2)``."""

STEP = 8
PX = {"unit": "px"}


def rows(field: Any = ONE, *, step: float = STEP) -> list[tuple[Any, ...]]:
    """Lines ``x, y, u, v`` of one frame."""
    return [
        (step * x, step * y, *(f"{value:.4f}" for value in field[y, x]))
        for y in range(field.shape[0])
        for x in range(field.shape[1])
    ]


def table(
    lines: Iterable[Iterable[object]] | None = None,
    *,
    names: str = "x,y,u,v",
    sign: str = ",",
    end: str = "\n",
) -> str:
    """A text table."""
    body = [sign.join(map(str, line)) for line in (rows() if lines is None else lines)]
    return end.join([*([names] if names else []), *body, ""])


def text(
    name: str, content: str | bytes, expected: Expected, *, file_name: str = "cell.csv",
    **about: Any,
) -> None:  # fmt: skip
    """Add a case of a text file."""

    def make(folder: Path) -> Path:
        path = folder / file_name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    add(f"text: {name}", make, expected, options=about.pop("options", PX), **about)


READS = Reads(FIELD[:1])

# Encodings, line ends, separators

text("good", table(), READS)
text("tabs", table(sign="\t", names="x\ty\tu\tv"), READS)
text("semicolons", table(sign=";", names="x;y;u;v"), READS)
text("blanks", table(sign="   ", names="x y u v"), READS)
text("CRLF", table(end="\r\n"), READS)
text("CR", table(end="\r"), READS)
text("a byte-order mark", "\ufeff" + table(), READS)
text("UTF-16", table().encode("utf-16"), READS)
text("UTF-16, cut off in a letter", table().encode("utf-16")[:-1], Either(READS))
text("UTF-16 without a mark", table().encode("utf-16-le"), REFUSES)
text("Latin-1", ("# \xe9\xe8\xb5\n" + table()).encode("latin-1"), READS)
text("not any encoding", b"# \xff\xfe\x81\x8d\n" + table().encode(), READS)
text("NUL in the header", "\0\0" + table(), REFUSES)
text("NUL in a number", table().replace("0.1", "0.\0", 1), REFUSES)
text("NUL in line 100", table().replace("\n24,64", "\n\0,64"), REFUSES)
text("no newline at the end", table().rstrip("\n"), READS)
text("decimal commas", table(
    [[str(v).replace(".", ",") for v in row] for row in rows()],
    sign=";", names="x;y;u;v"), READS)  # fmt: skip
text("decimal commas, separated by commas", table(
    [[str(v).replace(".", ",") for v in row] for row in rows()]), REFUSES)  # fmt: skip
text("decimal commas in some lines", table(
    [[str(v).replace(".", "," if i % 2 else ".") for v in row]
     for i, row in enumerate(rows())], sign=";", names="x;y;u;v"),
    Either(READS))  # fmt: skip
text("other separators in some lines", table() + "8;8;1;1\n", REFUSES)
text("a line of blanks", table().replace("\n", "\n   \n", 1), READS)
text("quotes", table([[f'"{v}"' for v in row] for row in rows()]), READS)
text("an open quote", table().replace("\n0,", '\n"0,', 1), REFUSES)
text("minus signs of typesetting", table().replace("-", "\u2212"), READS)
text("digits of other languages", table().replace("0.2", "\u0660.\u0662"), REFUSES)
text("underscores in numbers", table().replace("\n16,", "\n1_6,"), REFUSES)
text("1 followed by e400", table().replace("\n16,16,", "\n16,16,1e400 ,", 1), REFUSES)
text("hexadecimal", table().replace("\n16,", "\n0x10,"), REFUSES)
text("exponents of Fortran", table().replace("0.1", "0.1D0"), Either(READS))

# Lines and columns

text("empty", "", REFUSES)
text("a newline", "\n", REFUSES)
text("only a header", "x,y,u,v\n", REFUSES)
text("only comments", "# a\n# b\n" * 50, REFUSES)
text("a header twice", "x,y,u,v\n" + table(), Either(READS))
text("a header in the middle", table() + table(), REFUSES)
text("two tables", table() + "\n\nx,y,u,v\n1,2,3,4\n", REFUSES)
text("one vector", table(rows(ONE[:1, :1])), REFUSES)
text("one row", table(rows(ONE[:1])), REFUSES)
text("one column", table(rows(ONE[:, :1])), REFUSES)
text("two rows", table(rows(ONE[:2])), REFUSES)
text("cut off in a number", table()[:-3], REFUSES)
text("cut off after a separator", table().rstrip("\n").rpartition(",")[0] + ",",
     Either(Reads(None)))  # fmt: skip
text("a line with fewer columns", table() + "1,2,3\n", REFUSES)
text("a line with more columns", table() + "1,2,3,4,5\n", REFUSES)
text("a word in a column", table().replace("\n16,16,", "\n16,16,abc", 1), REFUSES)
text("a vector twice", table([*rows(), rows()[5]]), REFUSES)
text("all vectors twice", table([*rows(), *rows()]), REFUSES)
text("lines in another order", table(rows()[::-1]), READS)
text("lines in any order", table(
    [rows()[i] for i in np.random.default_rng(0).permutation(120)]), READS)  # fmt: skip
_MISSING = FIELD[:1].copy()
_MISSING[0, 2, 3] = np.nan
text("a missing vector", table(rows()[:27] + rows()[28:]), Reads(_MISSING))
text("NaN in a vector", table(
    [(*r[:2], "nan", r[3]) if i == 27 else r for i, r in enumerate(rows())]),
    Reads(_MISSING))  # fmt: skip
text("infinity in a vector", table(
    [(*r[:2], "inf", r[3]) if i == 27 else r for i, r in enumerate(rows())]),
    Reads(_MISSING))  # fmt: skip
text("an empty field", table(
    [(*r[:2], "", r[3]) if i == 27 else r for i, r in enumerate(rows())]),
    Reads(_MISSING))  # fmt: skip
text("NaN as a position", table(
    [("nan", *r[1:]) if i == 27 else r for i, r in enumerate(rows())]),
    Either(Reads(_MISSING)))  # fmt: skip
text("1e308 as a position", table(
    [("1e308", *r[1:]) if i == 27 else r for i, r in enumerate(rows())]),
    Either(Reads(_MISSING)))  # fmt: skip
text("positions of 1e-300", table(rows(step=1e-300)), REFUSES)
text("positions of 1e300", table(rows(step=1e300)), REFUSES)
text("all vectors NaN", table([(*r[:2], "nan", "nan") for r in rows()]), REFUSES)
text("positions that do not differ", table([(1, 1, *r[2:]) for r in rows()]), REFUSES)
text("two steps along x", table(
    [(r[0] ** 2, *r[1:]) for r in rows()]), Either(Reads(None)))  # fmt: skip
text("positions of another step along y", table(
    [(r[0], 3 * r[1], *r[2:]) for r in rows()]), REFUSES)  # fmt: skip
text("a position far outside", table([*rows(), (10**9, 10**9, 1, 1)]),
     Either(READS))  # fmt: skip
text("positions that need a grid of 1e12 nodes", table(
    [(0, 0, 1, 1), (1, 0, 1, 1), (0, 1, 1, 1), (10**6, 10**6, 1, 1),
     (10**6 + 1, 10**6, 1, 1), (10**6, 10**6 + 1, 1, 1)] * 1), REFUSES)  # fmt: skip
text("columns in another order", table(
    [(r[3], r[1], r[0], r[2]) for r in rows()], names="v,y,x,u"), READS)  # fmt: skip
text("columns that are not used", table(
    [(i, *r, "a b") for i, r in enumerate(rows())], names="n,x,y,u,v,name"),
    READS)  # fmt: skip
text("a column twice", table(
    [(*r, r[2]) for r in rows()], names="x,y,u,v,u"), REFUSES)  # fmt: skip
text("no column of x", table([r[1:] for r in rows()], names="y,u,v"), REFUSES)
text("other names", table(names="a,b,c,d"), REFUSES)
text("names with escape codes", table(names="\x1b[31mx,\x1b[0my,a,b"), REFUSES)
text("tractions instead", table(names="x,y,tx,ty"), REFUSES)
text("velocities instead", table(names="x [px],y [px],u [m/s],v [m/s]"), REFUSES,
     options={})  # fmt: skip
text("unit that nobody knows", table(names="x,y,u [furlong],v [furlong]"), REFUSES,
     options={})  # fmt: skip
text("different units of u and v", table(names="x,y,u [px],v [um]"), REFUSES,
     options={})  # fmt: skip
text("100,000 empty lines", "\n" * 100_000 + table(), Either(READS))
text("100,000 comments", "# a\n" * 100_000 + table(), Either(READS))
text("a line of 20 MB", "x,y,u,v\n0,0," + "1" * 20_000_000 + ",1\n" * 4, REFUSES)
text("a line of 20 MB without separators", "1" * 20_000_000, REFUSES)
text(
    "20 MB of minus signs", "x,y,u,v\n" + "-" * 20_000_000 + "\n1,2,3,4\n" * 4, REFUSES
)
text("20 MB of separators", "x,y,u,v\n" + "," * 20_000_000 + "\n1,2,3,4\n" * 4, REFUSES)
text("a million columns", ("1," * 999_999 + "1\n") * 4, REFUSES)
text(
    "a million names", ",".join(f"u{i}" for i in range(10**6)) + "\n1,2\n" * 5, REFUSES
)
text("quotes without end", 'x,y,u,v\n"' + "1,2,3,4\n" * 50_000, REFUSES)
text("a program", "import os\nos.mkdir('executed')\n" * 20, REFUSES)
text("JSON", '{"displacement": [[1, 2], [3, 4]]}\n', REFUSES)
text("HTML", "<html><body>404 not found</body></html>\n" * 20, REFUSES)
text("zeros", bytes(10_000), REFUSES)
text("called like HDF5", table(), READS, file_name="cell.h5")
text("called like a MATLAB file", table(), READS, file_name="cell.mat")

# Frames


def _films(numbers: Iterable[object]) -> str:
    lines = [
        (number, *row)
        for number, frame in zip(numbers, FIELD, strict=True)
        for row in rows(frame)
    ]
    return table(lines, names="frame,x,y,u,v")


text("frames 0 and 1", _films((0, 1)), Reads())
text("frames 1 and 2", _films((1, 2)), Reads())
text("frames in another order", _films((2, 1)), Reads(FIELD[::-1]))
text("frames 0 and 1e15", _films((0, 10**15)), Either(Reads()))
text("negative frames", _films((-2, -1)), Either(Reads()))
text("frames of NaN", _films(("nan", 1)), REFUSES)
text("frames with fractions", _films((0.5, 1.5)), Either(Reads()))
text("frames of words", _films(("one", "two")), REFUSES)

# Marks

_MARKED = [(*row, int(i == 27)) for i, row in enumerate(rows())]
text("mask", table(_MARKED, names="x,y,u,v,mask"), Reads(_MISSING))
text("flags that call all vectors holes", table(
    [(*r, 0) for r in rows()], names="x,y,u,v,valid"), REFUSES)  # fmt: skip
text("flags of an unknown meaning", table(
    [(*r, 7) for r in rows()], names="x,y,u,v,flag"), Either(READS))  # fmt: skip
text("flags that are words", table(
    [(*r, "ok") for r in rows()], names="x,y,u,v,flag"), Either(READS))  # fmt: skip
text("marked with -9999", table(
    [(*r[:2], -9999, -9999) if i == 27 else r for i, r in enumerate(rows())]),
    Either(Reads(None)))  # fmt: skip

# Programs

_IMAGEJ = [
    (*r[:2], *r[2:], f"{np.hypot(*map(float, r[2:])):.4f}", *[0] * 10, 0)
    for r in rows()
]


def _imagej(lines: Iterable[Iterable[object]], **about: Any) -> str:
    return table([(*line, "") for line in lines], names="", sign=" ", **about)


_PIV = "a_PIV3_disp.txt"
text("ImageJ PIV", _imagej(_IMAGEJ), Reads(FIELD[:1], PX), file_name=_PIV, options={})
text("ImageJ PIV, invalid vector", _imagej(
    [(*r[:-1], -1) if i == 27 else r for i, r in enumerate(_IMAGEJ)]),
    Reads(_MISSING, PX), file_name=_PIV, options={})  # fmt: skip
text("ImageJ PIV, 15 columns", _imagej([r[:-1] for r in _IMAGEJ]), REFUSES,
     file_name=_PIV, options={})  # fmt: skip
text("ImageJ PIV, magnitude of others", _imagej(
    [(*r[:4], 9, *r[5:]) for r in _IMAGEJ]), Either(READS), file_name=_PIV,
    options={})  # fmt: skip
_UP = [(r[0], STEP * 9 - r[1], r[2], f"{-float(r[3]):.4f}") for r in rows()]
text("OpenPIV", table([(*r, 0, 0) for r in _UP], names="# x\ty\tu\tv\tflags\tmask",
     sign="\t"), Reads(FIELD[:1]), options={**PX, "y": "up"},
     file_name="a.txt")  # fmt: skip
text("OpenPIV with five columns of six names", table(
    [(*r, 0) for r in _UP], names="# x\ty\tu\tv\tflags\tmask", sign="\t"), REFUSES,
    options={**PX, "y": "up"}, file_name="a.txt")  # fmt: skip
_PIVLAB = "PIVlab by W.Th. & E.J.S., ASCII chart output - \nFRAME: 1, filenames\n"
_NAMES = "x [px],y [px],u [px/frame],v [px/frame],Vector type [-]"
text("PIVlab", _PIVLAB + table([(*r, 1) for r in rows()], names=_NAMES),
     Reads(FIELD[:1], PX), file_name="PIVlab_1.txt", options={})  # fmt: skip
text("PIVlab, masked vector", _PIVLAB + table(
    [(*r, int(i != 27)) for i, r in enumerate(rows())], names=_NAMES),
    Reads(_MISSING, PX), file_name="PIVlab_1.txt", options={})  # fmt: skip
text("PIVlab, header twice", (_PIVLAB + _NAMES + "\n") * 2 + table(
    [(*r, 1) for r in rows()], names=""), Either(READS), file_name="PIVlab_1.txt",
    options={})  # fmt: skip
text("PIVlab, a type less", _PIVLAB + table(names=_NAMES), REFUSES,
     file_name="PIVlab_1.txt", options={})  # fmt: skip
_JPIV = 'TITLE="a"\nVARIABLES="x", "y", "ux", "uy", "s"\nZONE I=12, J=10, F=POINT\n'
_MARK = [(*r, 1) for r in rows()]
text("JPIV", _JPIV + table(_MARK, names="", sign=" "), READS, file_name="cell.jvc")
text("JPIV, sizes of another grid", _JPIV.replace("I=12", "I=99") + table(
    _MARK, names="", sign=" "), Either(READS), file_name="cell.jvc")  # fmt: skip
text("JPIV, sizes of 1e18", _JPIV.replace("I=12", "I=" + "9" * 18) + table(
    _MARK, names="", sign=" "), Either(READS), file_name="cell.jvc")  # fmt: skip
text("JPIV, a zone without numbers", _JPIV + table(_MARK, names="", sign=" ")
     + "ZONE I=12, J=10\n", Either(READS), file_name="cell.jvc")  # fmt: skip
text("JPIV, variables without an end", 'VARIABLES="x", "y\n' + table(
    _MARK, names="", sign=" "), REFUSES, file_name="cell.jvc")  # fmt: skip
_DAVIS = '#DaVis 8 2D-vector 8 10 12 "" "pixel" "" "pixel" "displacement" "pixel"\n'
text("DaVis", _DAVIS + table(names="", sign="\t"), Either(READS),
     file_name="B1.txt")  # fmt: skip
text("DaVis, sizes of another grid", _DAVIS.replace("10 12", "99 99") + table(
    names="", sign="\t"), Either(READS), file_name="B1.txt")  # fmt: skip
text("DaVis, only its first line", _DAVIS, REFUSES, file_name="B1.txt")
text("matrix without its partner", table(ONE[..., 0].tolist(), names="", sign=" "),
     REFUSES, file_name="01u.txt", partners=("01v.*",))  # fmt: skip
text("matrix that is no component", table(ONE[..., 0].tolist(), names="", sign=" "),
     REFUSES, file_name="picture.txt")  # fmt: skip


def _fttc(name: str, parameters: bytes | None, expected: Expected) -> None:
    """A traction of FTTC with the file of its parameters."""

    def make(folder: Path) -> Path:
        path = folder / "Traction_a.txt"
        lines = [(*r[:2], *r[2:], 1) for r in rows(1000 * ONE)]
        path.write_text(table(lines, names="", sign=" "))
        other = folder / "FTTCparameters_a.txt"
        if parameters is None:
            os.mkfifo(other)
        else:
            other.write_bytes(parameters)
        return path

    add(f"FTTC: {name}", make, expected, kind="traction", partners=("FTTC*",))


_PA = Reads(1000 * FIELD[:1], {"unit": "Pa"})
_E = b"Young's Modulus (E): %b\npixel size (in micron): 0.1\nPoisson ratio: 0.5\n"

_fttc("good parameters", _E % b"8000", Reads(
    1000 * FIELD[:1], {"unit": "Pa", "young_pa": 8000.0, "poisson": 0.5}))  # fmt: skip
_fttc("modulus is a word", _E % b"soft", Either(_PA))
_fttc("modulus of 1e39", _E % b"1e39", REFUSES)
_fttc("modulus below 0", _E % b"-8000", REFUSES)
_fttc("Poisson ratio of 3", b"Poisson ratio: 3\n", REFUSES)
_fttc("parameters of 20 MB", b"a" * 20_000_000, Either(_PA))
_fttc("parameters are not text", bytes(range(256)) * 10, Either(_PA))
_fttc("parameters are a FIFO", None, Either(_PA))

# Tables of this package

_OWN = "frame,x_um,y_um,tx_Pa,ty_Pa,magnitude_Pa,attributes\n"


def _own(name: str, attributes: str, expected: Expected) -> None:
    lines = [
        (frame, *row[:2], *row[2:], 1, "")
        for frame, field in enumerate(1000 * FIELD)
        for row in rows(field, step=0.5)
    ]
    lines[0] = (*lines[0][:-1], '"' + attributes.replace('"', '""') + '"')
    text(f"own table, {name}", _OWN + table(lines, names=""), expected,
         kind="traction", options={}, file_name="t.csv")  # fmt: skip


_KNOWN = '{"units": "Pa", "spacing_um": 0.5, %s}'
_ALL = Reads(1000 * FIELD, {"unit": "Pa", "spacing_um": 0.5})
_own("good", _KNOWN % '"poisson": null', _ALL)
_own("attributes are not JSON", '{"units": ', REFUSES)
_own("attributes are a list", "[1, 2]", REFUSES)
_own("attributes are a number", "3", REFUSES)
_own("attributes are 10,000 brackets", "[" * 10_000, REFUSES)
_own("attributes with a number of 5,000 digits", _KNOWN % f'"a": {"9" * 5000}',
     Either(_ALL))  # fmt: skip
_own("attributes twice", _KNOWN % '"poisson": 0.3, "poisson": 3', REFUSES)
_own("unit of kPa", '{"units": "kPa", "spacing_um": 0.5}', REFUSES)
_own("spacing that the positions contradict", '{"units": "Pa", "spacing_um": 5}',
     REFUSES)  # fmt: skip
_own("model with escape codes", _KNOWN % '"model": "\\u001b[31mvit"', _ALL)
_own("unit with escape codes", '{"units": "\\u001b[31mPa", "spacing_um": 0.5}',
     REFUSES)  # fmt: skip
for _one in NUMBERS:
    # JSON has neither NaN nor infinity.
    is_finite = not isinstance(_one.value, float) or math.isfinite(_one.value)
    if is_finite and _one.name != "spacing_um":
        _shown = json.dumps({_one.name: _one.value})[1:-1]
        _own(_one.words, _KNOWN % _shown, _one.outcome(1000 * FIELD))


# Series


def _series(name: str, files: dict[str, str], expected: Expected) -> None:
    def make(folder: Path) -> Path:
        place = folder / "film"
        place.mkdir()
        for file_name, content in files.items():
            (place / file_name).write_text(content)
        return place

    add(f"series: {name}", make, expected, partners=("film", "film/*"), options=PX)


_series("two frames", {"f_2.csv": table(), "f_10.csv": table(rows(FIELD[1]))}, Reads())
_series("no file", {}, REFUSES)
_series("one empty file", {"f_1.csv": table(), "f_2.csv": ""}, REFUSES)
_series("another grid", {"f_1.csv": table(), "f_2.csv": table(rows(ONE[1:]))}, REFUSES)
_series("another spacing", {
    "f_1.csv": table(names="x [um],y [um],u,v"),
    "f_2.csv": table(rows(step=9), names="x [um],y [um],u,v")}, REFUSES)  # fmt: skip
_series("two formats", {"f_1.csv": table(), "f_2.txt": table()}, REFUSES)
_series("hidden files", {"f_1.csv": table(), ".f_2.csv": "a"}, Either(READS))
_series("1,000 damaged files", {
    f"f_{i}.csv": "x,y,u,v\n1,2\n" for i in range(1000)}, REFUSES)  # fmt: skip


@case("series: a FIFO among the files", REFUSES, partners=("film", "film/*"))
def _(folder: Path) -> Path:
    place = folder / "film"
    place.mkdir()
    (place / "f_1.csv").write_text(table())
    os.mkfifo(place / "f_2.csv")
    return place


@case("series: a link to the folder itself", Either(READS), partners=("film", "film/*"))
def _(folder: Path) -> Path:
    place = folder / "film"
    place.mkdir()
    (place / "f_1.csv").write_text(table(names="x [px],y [px],u [px],v [px]"))
    (place / "f_2.csv").symlink_to(place)
    return place
