"""Numbers of frames in words."""

from __future__ import annotations

import pytest

from napari_vit_tfm.fields import frames_in_words


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([4], "frame 4"),
        ([4, 5], "frames 4 to 5"),
        ([0, 2, 3, 4, 9], "frames 0, 2 to 4, 9"),
    ],
)
def test_frames_in_words(numbers: list[int], words: str) -> None:
    assert frames_in_words(numbers) == words
