"""Cases of TIFF files with fields, and of masks in PNG and other files."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from corpus.case import FIELD, NUMBERS, Either, Expected, Reads, Refuses, add, case
from corpus.numpy_files import npy

REFUSES = Refuses()
PLANES = np.moveaxis(FIELD, -1, 1).astype("f4")
"""``(T, C, Y, X)``."""

UM = {"unit": "um"}


def tiff(
    name: str, expected: Expected, make: Callable[[Any], object], **about: Any
) -> None:
    """Add a case; `make` writes a TIFF file to a stream."""
    file_name = about.pop("file_name", "cell.tif")

    def written(folder: Path) -> Path:
        stream = io.BytesIO()
        content = make(stream)
        path: Path = folder / file_name
        path.write_bytes(content if isinstance(content, bytes) else stream.getvalue())
        return path

    add(f"TIFF: {name}", written, expected, options=about.pop("options", UM), **about)


def _image(values: Any = PLANES, **about: Any) -> Callable[[Any], object]:
    about = {"photometric": "minisblack", "metadata": {"axes": "TCYX"}, **about}
    return lambda stream: tifffile.imwrite(stream, values, imagej=False, **about)


def _good(**about: Any) -> bytes:
    stream = io.BytesIO()
    _image(ome=True, **about)(stream)
    return stream.getvalue()


OME: Any = {"ome": True}

for _words, _make, _outcome in [
    ("good", _image(**OME), Reads()),
    ("float64", _image(FIELD.transpose(0, 3, 1, 2), **OME), Reads()),
    ("float16", lambda s: tifffile.imwrite(
        s, PLANES.astype("f2"), metadata={"axes": "TCYX"},
        photometric="minisblack"), Reads(FIELD.astype("f2"))),
    ("big-endian", _image(byteorder=">", **OME), Reads()),
    ("BigTIFF", _image(bigtiff=True, **OME), Reads()),
    ("deflate", _image(compression="zlib", **OME), Reads()),
    ("tiles", _image(np.pad(PLANES, [(0, 0), (0, 0), (0, 6), (0, 4)]), tile=(16, 16),
                     **OME), Reads(None)),
    ("int16", _image((PLANES * 100).astype("i2"), **OME), REFUSES),
    ("uint8", _image((PLANES * 100).astype("u1"), **OME), REFUSES),
    ("complex", _image(PLANES.astype("c8"), **OME), REFUSES),
    ("colour", lambda s: tifffile.imwrite(
        s, np.zeros((10, 12, 3), "u1"), photometric="rgb"), REFUSES),
    ("one image", lambda s: tifffile.imwrite(s, PLANES[0, 0]), REFUSES),
    ("two images", lambda s: tifffile.imwrite(
        s, PLANES[0], photometric="minisblack"), Either(Reads(FIELD[:1]))),
    ("one row", _image(PLANES[:, :, :1], **OME), REFUSES),
    ("one column", _image(PLANES[..., :1], **OME), REFUSES),
    ("one vector", _image(PLANES[..., :1, :1], **OME), REFUSES),
    ("all NaN", _image(PLANES * np.nan, **OME), REFUSES),
    ("ImageJ hyperstack", lambda s: tifffile.imwrite(
        s, PLANES, imagej=True, metadata={"axes": "TCYX"}), Reads()),
    ("2,000 pages", lambda s: tifffile.imwrite(
        s, np.zeros((2000, 3, 3), "f4"), photometric="minisblack"), REFUSES),
    ("JPEG", lambda s: Image.new("RGB", (12, 10)).save(
        s, "TIFF", compression="jpeg"), REFUSES),
]:  # fmt: skip
    tiff(_words, _outcome, _make)


def _pages_that_break_off(stream: Any) -> bytes:
    """Two frames, of which the list of images has only the first."""
    tifffile.imwrite(
        stream, FIELD, photometric="minisblack", planarconfig="contig", metadata=None
    )
    content: bytes = stream.getvalue()
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        return content[: file.pages[1].offset]


tiff("pages that break off", REFUSES, _pages_that_break_off)
tiff("unit in the OME metadata is not read", Reads(), _image(**OME))
tiff("unit is not given", Reads(about={"unit": None}), _image(**OME), options={})
for _other in ("cell.h5", "cell.csv", "cell"):
    tiff(f"called {_other}", Reads(), _image(**OME), file_name=_other)


# Damage

GOOD = _good()
_IFD = struct.unpack_from("<I", GOOD, 4)[0]


def _tag_at(code: int, content: bytes = GOOD, at: int = _IFD) -> int:
    """Position of a tag in the first directory."""
    (n,) = struct.unpack_from("<H", content, at)
    for number in range(n):
        place = at + 2 + 12 * number
        if struct.unpack_from("<H", content, place)[0] == code:
            return place
    raise LookupError(code)


def _value(code: int, value: int) -> bytes:
    content = bytearray(GOOD)
    place = _tag_at(code)
    (kind,) = struct.unpack_from("<H", content, place + 2)
    struct.pack_into({3: "<H", 4: "<I"}.get(kind, "<I"), content, place + 8, value)
    return bytes(content)


def _typed(code: int, kind: int, count: int) -> bytes:
    content = bytearray(GOOD)
    struct.pack_into("<HI", content, _tag_at(code) + 2, kind, count)
    return bytes(content)


def _patched(at: int, new: bytes) -> bytes:
    return GOOD[:at] + new + GOOD[at + len(new) :]


_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _DESCRIPTION = 256, 257, 258, 259, 270
_OFFSETS, _SAMPLES, _ROWS, _COUNTS, _FORMAT = 273, 277, 278, 279, 339
_END = len(GOOD)

for _words, _content, _outcome in [
    ("only the signature", GOOD[:4], REFUSES),
    ("signature and zeros", GOOD[:4] + bytes(500), REFUSES),
    ("first directory beyond the end", _patched(4, b"\xff\xff\xff\x7f"), REFUSES),
    ("first directory in the header", _patched(4, b"\0\0\0\0"), REFUSES),
    ("directory that follows itself", _patched(
        _IFD + 2 + 12 * struct.unpack_from("<H", GOOD, _IFD)[0],
        struct.pack("<I", _IFD)), Either(Reads(None))),
    ("directory of 65,535 tags", _patched(_IFD, b"\xff\xff"), REFUSES),
    ("width of 2**31", _value(_WIDTH, 2**31), REFUSES),
    ("width of 0", _value(_WIDTH, 0), REFUSES),
    ("height of 2**31", _value(_HEIGHT, 2**31), REFUSES),
    ("width and rows of another size", _value(_WIDTH, 13), REFUSES),
    ("3 bits", _value(_BITS, 3), REFUSES),
    ("64 bits", _value(_BITS, 64), Either(Reads())),
    ("whole numbers", _value(_FORMAT, 1), REFUSES),
    ("unknown format of numbers", _value(_FORMAT, 9), REFUSES),
    ("unknown compression", _value(_COMPRESSION, 9999), REFUSES),
    ("deflate that is not compressed", _value(_COMPRESSION, 8), REFUSES),
    ("LZW that is not compressed", _value(_COMPRESSION, 5), REFUSES),
    ("9 samples for each pixel", _value(_SAMPLES, 9), REFUSES),
    ("65,535 samples for each pixel", _value(_SAMPLES, 65_535), REFUSES),
    ("pixels beyond the end", _value(_OFFSETS, 2**31), REFUSES),
    ("4 GB of pixels", _value(_COUNTS, 2**32 - 1), Either(Reads())),
    ("2 billion strips", _typed(_OFFSETS, 4, 2**31 - 1), REFUSES),
    ("tags of unknown types", _typed(_WIDTH, 77, 1), REFUSES),
    ("description of 4 GB", _typed(_DESCRIPTION, 2, 2**32 - 1), Either(Reads(None))),
    ("description of numbers", _typed(_DESCRIPTION, 12, 4), Either(Reads(None))),
    ("something after the end", GOOD + b"x" * 1000, Reads()),
    ("converted line ends", GOOD.replace(b"\n", b"\r\n").replace(
        b"\x0a", b"\x0d\x0a"), Either(Reads())),
    *[(f"cut off at {p}%", GOOD[: _END * p // 100], REFUSES) for p in (5, 30, 60, 95)],
]:  # fmt: skip
    tiff(_words, _outcome, lambda stream, content=_content: content)  # type: ignore[misc]


def _bomb(stream: Any) -> bytes:
    """An image of 2 GB of zeros, in 2 MB."""
    side = 23_170
    pixels = zlib.compress(bytes(1_000_000))
    tags = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 32), (259, 3, 1, 8),
            (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, side),
            (279, 4, 1, len(pixels)), (339, 3, 1, 3)]  # fmt: skip
    at = 8 + len(pixels) + len(pixels) % 2
    head = b"II*\0" + struct.pack("<I", at) + pixels + b"\0" * (len(pixels) % 2)
    ifd = struct.pack("<H", len(tags))
    for code, kind, count, value in tags:
        shown = struct.pack("<I", value)
        ifd += struct.pack("<HHI", code, kind, count) + shown
    return head + ifd + bytes(4)


tiff("image of 2 GB in 1 kB", REFUSES, _bomb)


def _described(text: str | bytes, values: Any = PLANES) -> Callable[[Any], object]:
    raw = text.encode() if isinstance(text, str) else text
    return lambda stream: tifffile.imwrite(
        stream, values, photometric="minisblack", description=raw, metadata=None
    )


_XML = '<?xml version="1.0"?>'
_LAUGHS = "".join(
    f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha" * 10}">' for i in range(10)
)
for _words, _text in [
    ("is not XML", "<OME "),
    ("is 5 MB", "<OME>" + "x" * 5_000_000 + "</OME>"),
    ("is a million tags", "<OME>" + "<a/>" * 1_000_000 + "</OME>"),
    ("is nested", "<OME>" * 100_000),
    ("has entities that grow", f"{_XML}<!DOCTYPE a [{_LAUGHS}]><OME>&a9;</OME>"),
    ("names a file", f'{_XML}<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
                     "<OME>&x;</OME>"),
    ("is not UTF-8", b"<OME Creator='\xff\xfe'></OME>"),
    ("names more images than there are",
     '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="a">'
     '<Pixels SizeX="12" SizeY="10" SizeZ="1" SizeC="2" SizeT="1000000000" '
     'DimensionOrder="XYCZT" Type="float"><TiffData/></Pixels></Image></OME>'),
    ("names another file",
     '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="a">'
     '<Pixels SizeX="12" SizeY="10" SizeZ="1" SizeC="2" SizeT="2" '
     'DimensionOrder="XYCZT" Type="float"><Channel ID="c"/><TiffData IFD="0" '
     'PlaneCount="4"><UUID FileName="elsewhere/other.tif">urn:uuid:'
     "00000000-0000-0000-0000-000000000001</UUID></TiffData></Pixels></Image></OME>"),
    ("says what numpy cannot", '{"shape": [2, "a", 10, 12]}'),
    ("says a shape of 1e12", '{"shape": [1000000, 1000, 1000]}'),
    ("is of ImageJ, with 1e9 images", "ImageJ=1.11a\nimages=1000000000\nslices=1e9\n"),
]:  # fmt: skip
    tiff(f"description {_words}", Either(Reads(None)), _described(_text))  # type: ignore[arg-type]


# Tractions of this package

THREE = np.stack([*np.moveaxis(1000 * PLANES, 1, 0), np.hypot(*np.moveaxis(
    1000 * PLANES, 1, 0))], axis=1)  # fmt: skip


def own(name: str, description: str, expected: Expected, planes: Any = THREE) -> None:
    """Add a case of tractions with this description."""

    def make(stream: Any) -> None:
        tifffile.imwrite(stream, planes, ome=True, photometric="minisblack", metadata={
            "axes": "TCYX", "Creator": "napari-vit-tfm 0", "Description": description,
        })  # fmt: skip

    tiff(f"own, {name}", expected, make, kind="traction", options={})


def _json(**attributes: Any) -> str:
    return json.dumps({"traction": {"units": "Pa", "spacing_um": 0.5, **attributes}})


_PA = Reads(1000 * FIELD, {"unit": "Pa", "spacing_um": 0.5})
own("good", _json(), _PA)
own("description is not JSON", "{", REFUSES)
own("description is a list", "[]", REFUSES)
own("description is 10,000 brackets", "[" * 10_000, REFUSES)
own("traction is a number", '{"traction": 3}', REFUSES)
own("no unit", '{"traction": {}}', REFUSES)
own("two channels", _json(), REFUSES, THREE[:, :2])
own("four channels", _json(), REFUSES, np.concatenate([THREE, THREE[:, :1]], axis=1))
own("whole numbers", _json(), REFUSES, THREE.astype("i4"))
own("magnitude of others", _json(), Either(_PA), THREE * [[[[1]], [[1]], [[2]]]])
own("outline of words", json.dumps({"traction": {"units": "Pa", "spacing_um": 0.5},
    "outline": {"values": ["a", "b"]}}), REFUSES)  # fmt: skip
own("outline without values", json.dumps({"traction": {
    "units": "Pa", "spacing_um": 0.5}, "outline": {}}), Either(_PA))  # fmt: skip
own("ragged outline", json.dumps({"traction": {"units": "Pa", "spacing_um": 0.5},
    "outline": {"values": [[1, 2], [3]]}}), REFUSES)  # fmt: skip
for _one in NUMBERS:
    if not isinstance(_one.value, float) or abs(_one.value) < float("inf"):
        own(_one.words, _json(**{_one.name: _one.value}), _one.outcome(1000 * FIELD))


# Pairs


def pair(name: str, x: Any, y: Any, expected: Expected) -> None:
    """Add a case of two TIFF files with one component each."""

    def make(folder: Path) -> Path:
        for letter, values in (("x", x), ("y", y)):
            path = folder / f"displacement_{letter}.tif"
            if isinstance(values, bytes):
                path.write_bytes(values)
            elif values is not None:
                tifffile.imwrite(path, values, photometric="minisblack")
        return folder / "displacement_x.tif"

    add(f"TIFF pair: {name}", make, expected, options=UM,
        partners=("displacement_y.*",))  # fmt: skip


pair("good", PLANES[0, 0], PLANES[0, 1], Reads(FIELD[:1]))
pair("partner missing", PLANES[0, 0], None, REFUSES)
pair("partner of another shape", PLANES[0, 0], PLANES[0, 1, 1:], REFUSES)
pair("partner of whole numbers", PLANES[0, 0], PLANES[0, 1].astype("i2"), REFUSES)
pair("partner is damaged", PLANES[0, 0], GOOD[:100], REFUSES)
pair("partner is empty", PLANES[0, 0], b"", REFUSES)


# Masks

LABELS = np.zeros((10, 12), np.uint8)
LABELS[2:5, 3:8], LABELS[6:9, 1:5] = 1, 2
MASK = Reads(LABELS)


def mask(name: str, expected: Expected, content: bytes, file: str = "m.png") -> None:
    """Add a case of a mask."""

    def make(folder: Path) -> Path:
        path = folder / file
        path.write_bytes(content)
        return path

    add(f"mask: {name}", make, expected, kind="labels")


def _png(image: Image.Image, **about: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", **about)
    return stream.getvalue()


_GREY = _png(Image.fromarray(LABELS))
_PALETTE = Image.fromarray(LABELS).convert("P")
_PALETTE.putpalette(list(range(256)) * 3)
_16 = Image.fromarray(LABELS.astype(np.uint16) * 700)


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def _png_of(width: int, height: int, *, bits: int = 8, colour: int = 0,
            data: bytes = b"", more: bytes = b"") -> bytes:  # fmt: skip
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    pixels = _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + more + pixels


mask("grey", MASK, _GREY)
mask("palette", MASK, _png(_PALETTE))
mask("16 bits", Reads(LABELS.astype(int) * 700), _png(_16))
mask("1 bit", Reads((LABELS > 0).astype(int)),
     _png(Image.fromarray(LABELS > 0)))  # fmt: skip
mask("colour", REFUSES, _png(Image.fromarray(LABELS).convert("RGB")))
mask("transparency", REFUSES, _png(Image.fromarray(LABELS).convert("LA")))
mask("animation", REFUSES, _png(Image.fromarray(LABELS), save_all=True,
     append_images=[Image.fromarray(LABELS + 1)]))  # fmt: skip
mask("cut off", REFUSES, _GREY[: len(_GREY) // 2])
mask("only the signature", REFUSES, _GREY[:8])
mask("wrong checksum", REFUSES, _GREY[:29] + b"abcd" + _GREY[33:])
mask("no pixels", REFUSES, _png_of(12, 10))
mask("0 x 0", REFUSES, _png_of(0, 0))
mask("30,000 x 30,000 in 1 kB", REFUSES, _png_of(30_000, 30_000, data=bytes(10_000)))
mask("2**31 x 2**31", REFUSES, _png_of(2**31 - 1, 2**31 - 1))
mask("9 bits", REFUSES, _png_of(12, 10, bits=9))
mask("text of 50 MB", Either(MASK), _png_of(12, 10, data=b"".join(
    b"\0" + row.tobytes() for row in LABELS),
    more=_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))))  # fmt: skip
mask("called PNG, but text", REFUSES, b"hello\n" * 100)
mask("called TIFF", MASK, _GREY, "m.tif")
mask("NPY", MASK, npy(LABELS), "m.npy")
mask("NPY of whole numbers as floats", MASK, npy(LABELS.astype(float)), "m.npy")
mask("fractions", REFUSES, npy(LABELS + 0.5), "m.npy")
mask("NaN", REFUSES, npy(LABELS * np.nan), "m.npy")
mask("negative", REFUSES, npy(LABELS.astype(int) - 1), "m.npy")
mask("int64 extremes", REFUSES, npy(np.full((10, 12), 2**63 - 1)), "m.npy")
mask("uint64 extremes", REFUSES, npy(np.full((10, 12), 2**64 - 1, "u8")), "m.npy")
mask("floats of 1e300", REFUSES, npy(np.full((10, 12), 1e300)), "m.npy")
mask("complex", REFUSES, npy(LABELS * 1j), "m.npy")
mask("text", REFUSES, npy(np.full((10, 12), "a")), "m.npy")
mask("no pixels in NPY", REFUSES, npy(LABELS[:0]), "m.npy")
mask("one axis", REFUSES, npy(LABELS[0]), "m.npy")
mask("five axes", REFUSES, npy(np.zeros((2, 2, 2, 2, 2), int)), "m.npy")
mask("bool", Reads((LABELS > 0).astype(int)), npy(LABELS > 0), "m.npy")
mask("empty", REFUSES, b"")


@case("mask: a FIFO", REFUSES, kind="labels")
def _(folder: Path) -> Path:
    os.mkfifo(folder / "m.png")
    return folder / "m.png"


@case("mask: a folder", REFUSES, kind="labels")
def _(folder: Path) -> Path:
    (folder / "m.png").mkdir()
    return folder / "m.png"
