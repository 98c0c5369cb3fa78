"""Mutations of files: of their bytes, and of what is in them."""

from __future__ import annotations

import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

Mutation = Callable[[bytes, random.Random], bytes]

EXTREMES = (
    *(value.to_bytes(n, "little") for n in (1, 2, 4, 8) for value in (
        0, 1, 2 ** (8 * n) - 1, 2 ** (8 * n - 1), 2 ** (8 * n - 1) - 1)),
    struct.pack("<d", float("nan")), struct.pack("<d", float("inf")),
    struct.pack("<d", -1e308), struct.pack("<f", float("nan")),
)  # fmt: skip
"""Numbers that are often not expected."""


def flip(content: bytes, draw: random.Random) -> bytes:
    """One bit is another."""
    at = draw.randrange(len(content))
    return put(content, at, bytes([content[at] ^ (1 << draw.randrange(8))]))


def replace(content: bytes, draw: random.Random) -> bytes:
    """An extreme number at any place."""
    return put(content, draw.randrange(len(content)), draw.choice(EXTREMES))


def replace_in_head(content: bytes, draw: random.Random) -> bytes:
    """An extreme number at the beginning, where headers are."""
    at = draw.randrange(min(len(content), 600))
    return put(content, at, draw.choice(EXTREMES))


def cut(content: bytes, draw: random.Random) -> bytes:
    """The end is missing."""
    return content[: draw.randrange(len(content))]


def delete(content: bytes, draw: random.Random) -> bytes:
    """Some bytes are missing."""
    at = draw.randrange(len(content))
    return content[:at] + content[at + draw.choice((1, 2, 4, 8, 100)) :]


def insert(content: bytes, draw: random.Random) -> bytes:
    """Some bytes more."""
    at = draw.randrange(len(content))
    more = draw.choice((draw.randbytes(draw.choice((1, 4, 50))), bytes(8)))
    return content[:at] + more + content[at:]


def splice(content: bytes, draw: random.Random) -> bytes:
    """One part is copied over another."""
    n = draw.choice((4, 16, 64, 400))
    start, to = draw.randrange(len(content)), draw.randrange(len(content))
    return put(content, to, content[start : start + n])


def double(content: bytes, draw: random.Random) -> bytes:
    """A part is there twice."""
    at, n = draw.randrange(len(content)), draw.choice((1, 8, 64, 1000))
    return content[: at + n] + content[at:]


BYTES: tuple[Mutation, ...] = (
    flip, flip, replace, replace, replace_in_head, cut, delete, insert, splice, double,
)  # fmt: skip
"""Mutations of any file."""


def put(content: bytes, at: int, new: bytes) -> bytes:
    """The content with other bytes at one place; its length is kept."""
    return (content[:at] + new + content[at + len(new) :])[: len(content)]


# What is in a file


def number_in_text(content: bytes, draw: random.Random) -> bytes:
    """A number in a text is another word."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?", content))
    if not found:
        return content
    one = draw.choice(found)
    word = draw.choice((
        b"nan", b"inf", b"-inf", b"1e400", b"-1", b"0", b"1_0", b"", b"a", b"1,5",
        b"9" * 400, b"--1", b"0x10", b'"', b"1.5.2", "\u0663".encode(), b"true",
        b"1e-320", b"18446744073709551616",
    ))  # fmt: skip
    return content[: one.start()] + word + content[one.end() :]


def sign_in_text(content: bytes, draw: random.Random) -> bytes:
    """A sign between the words of a text is another one, everywhere or once."""
    old = draw.choice((b",", b"\n", b";", b"\t", b" ", b".", b'"', b"[", b"=", b"{"))
    new = draw.choice((
        b",", b";", b"\t", b" ", b"\r\n", b"\r", b".", b"", b"\0", b",,", b"\x1b[31m",
        "\u2212".encode(), b"\xff", b"]", b"#",
    ))  # fmt: skip
    return content.replace(old, new, draw.choice((-1, 1)))


def line_in_text(content: bytes, draw: random.Random) -> bytes:
    """A line of a text is missing, there twice, or at another place."""
    lines = content.split(b"\n")
    line = lines.pop(draw.randrange(len(lines)))
    for _ in range(draw.randrange(3)):
        lines.insert(draw.randrange(len(lines) + 1), line)
    return b"\n".join(lines)


TEXT: tuple[Mutation, ...] = (
    number_in_text,
    number_in_text,
    sign_in_text,
    line_in_text,
)
"""Mutations of text."""


def member(content: bytes, draw: random.Random) -> bytes:
    """A member of an archive is damaged, and the archive itself is not."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, OSError,
            RuntimeError, ValueError):  # fmt: skip
        return content
    if not members:
        return content
    name = draw.choice(sorted(members))
    inner = members[name]
    if inner:
        members[name] = draw.choice((*BYTES, *TEXT[:1]))(inner, draw)
    if draw.random() < 0.1:
        members[draw.choice((".npy", "../a.npy", "\x1b[31m.npy"))] = members.pop(name)
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for other, data in members.items():
            archive.writestr(other, data)
    return stream.getvalue()


def compressed_element(content: bytes, draw: random.Random) -> bytes:
    """A variable of a MATLAB file is damaged before it is compressed."""
    if content[128:132] != b"\x0f\0\0\0":
        return content
    (n,) = struct.unpack_from("<I", content, 132)
    try:
        inner = zlib.decompress(content[136 : 136 + n])
    except zlib.error:
        return content
    damaged = zlib.compress(draw.choice(BYTES)(inner, draw))
    tag = struct.pack("<II", 15, len(damaged))
    return content[:128] + tag + damaged + content[136 + n :]


def json_header(content: bytes, draw: random.Random) -> bytes:
    """A value in the header of a safetensors file is another one."""
    try:
        (n,) = struct.unpack_from("<Q", content)
        header = json.loads(content[8 : 8 + n])
        key = draw.choice(sorted(header))
        inner = header[key]
        name = draw.choice(sorted(inner))
    except (struct.error, ValueError, KeyError, TypeError, IndexError):
        return content
    inner[name] = draw.choice((
        None, 0, -1, 2**63, 1.5, "", [], [0], [-1], [2**62, 2], {}, "F64", "I8", "BF16",
        "{}", "[" * 900, True, [10**9, 10**9],
    ))  # fmt: skip
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + content[8 + n :]


WORDS_OF_NPY = (
    (b"<f8", b">f8"), (b"<f8", b"|O8"), (b"<f8", b"<c8"), (b"<f8", b"<U9"),
    (b"False", b"True "), (b"(2, ", b"(9, "), (b"(2, ", b"(-2,"), (b"{", b"["),
    (b"10, ", b"1e1,"), (b"10, ", b"99, "), (b"12, ", b"0,  "), (b"shape", b"shap\0"),
)  # fmt: skip
"""Words in the header of an NPY file, and others of the same length."""


def npy_header(content: bytes, draw: random.Random) -> bytes:
    """A word in the header of an NPY file is another one of the same length."""
    head, data = content[:128], content[128:]
    old, new = draw.choice(WORDS_OF_NPY)
    return head.replace(old, new) + data


@dataclass(frozen=True)
class Damage:
    """A number of mutations, which is repeatable.

    Parameters
    ----------
    source : int
        Number of the valid file.
    seed : int
        Seed of the mutations.
    count : int
        Number of mutations.
    """

    source: int
    seed: int
    count: int

    def done_to(self, files: tuple[bytes, ...], more: tuple[Mutation, ...]) -> bytes:
        """The damaged file."""
        draw = random.Random(self.seed)
        content = files[self.source % len(files)]
        for _ in range(self.count):
            if content:
                # Half of the mutations know the format.
                kinds = more if more and draw.random() < 0.5 else BYTES
                content = draw.choice(kinds)(content, draw)
        return content
