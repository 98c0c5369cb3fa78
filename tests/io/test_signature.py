"""Signatures in files of all formats."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from napari_vit_tfm.io.signature import sign_gif, signature_in

SIGNED = {"made_by": "vit-tfm figure", "input": ["a & <b>.h5"], "input_sha256": "0"}


def found(path: Path) -> dict[str, object]:
    return dict(signature_in(path, first="made_by"))


@pytest.mark.parametrize("length", [1, 255, 256, 5_000])
def test_a_gif_keeps_its_frames_and_has_a_comment(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.new("L", (8, 6), grey) for grey in (0, 255)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    signature = {"made_by": "x" * length}
    sign_gif(path, json.dumps(signature))
    assert found(path) == signature
    with Image.open(path) as image:
        assert image.n_frames == 2
        image.seek(1)
        assert image.convert("L").getextrema() == (255, 255)
    assert path.read_bytes().endswith(b"\0;")


def test_a_signature_at_the_end_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    text = json.dumps(SIGNED).encode()
    path.write_bytes(b"{" * 3_000_000 + text + b"}" * 1_000)
    assert found(path) == SIGNED
    path.write_bytes(b"{" * 3_000_000 + text + b"}" * 2_000_000)
    assert found(path) == {}


def test_text_of_others_is_no_signature(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    assert found(path) == {}
    for text in ("", "precious", '{"made_by": ', '{"made_by": ["', '{"input": 1}'):
        path.write_text(text)
        assert found(path) == {}
    path.write_text('{"made_by":' + "[" * 100_000)
    assert found(path) == {}
    path.write_bytes(b"GIF89a!\xfe")
    assert found(path.rename(tmp_path / "a.gif")) == {}


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_named_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert found(tmp_path / "a.png") == {}
