"""Figures hold what they say, drawn without a display."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imread

from napari_vit_tfm.benchmark.evaluate import METRIC_NAMES, MethodScores
from napari_vit_tfm.benchmark.figures import error_figure, fields_figure, kinds_figure
from napari_vit_tfm.benchmark.kinds import KindScores
from napari_vit_tfm.benchmark.solvers import ZERO
from napari_vit_tfm.config import ORACLE
from napari_vit_tfm.plotting import write_png

SIGMAS = (0.0, 1e-4, 1e-3)
METHODS = ("vit", "cnn a", "fttc", ORACLE, ZERO)


@pytest.fixture
def truth() -> np.ndarray:
    truth = np.zeros((20, 30, 2), dtype=np.float32)
    truth[3:6, 20:25] = [0.3, 0.4]
    return truth


@pytest.fixture
def results(truth: np.ndarray) -> list[MethodScores]:
    """Errors that lie close together, and examples half as strong as the truth."""
    made = []
    for number, name in enumerate(METHODS):
        errors = {s: np.full(4, 5 + 1e-3 * number) for s in SIGMAS}
        samples = {s: dict.fromkeys(METRIC_NAMES, e) for s, e in errors.items()}
        examples = dict.fromkeys(SIGMAS, truth / 2)
        made.append(MethodScores(name, samples, 1.0, examples))
    return made


def test_every_method_is_named_and_none_over_another(
    results: list[MethodScores],
) -> None:
    figure = error_figure(results, n_fields=4)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_yscale() == "log"
    assert {text.get_text() for text in axes.texts} == set(METHODS)
    middles = sorted(text.xyann[1] for text in axes.texts)
    heights = axes.transData.transform([(0, middle) for middle in middles])[:, 1]
    size = axes.texts[0].get_size() * figure.dpi / 72
    assert np.all(np.diff(heights) > size)


def test_zero_is_a_line_of_its_own(results: list[MethodScores]) -> None:
    (axes,) = error_figure(results, n_fields=4).axes
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 1
    np.testing.assert_allclose(dashed[0].get_ydata(), 5.004)
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["clean", "0.0001", "0.001"]


@pytest.mark.parametrize("sigmas", [(0.0,), (1e-3,), (1e-4, 1e-2)])
def test_any_noise_levels_and_an_error_of_zero(
    sigmas: tuple[float, ...], tmp_path: Path
) -> None:
    perfect = dict.fromkeys(METRIC_NAMES, np.zeros(4))
    some = [
        MethodScores("perfect", dict.fromkeys(sigmas, perfect), 1.0, {}),
        MethodScores(
            ZERO, dict.fromkeys(sigmas, dict.fromkeys(METRIC_NAMES, np.ones(4))), 0, {}
        ),
    ]
    write_png(tmp_path / "error.png", error_figure(some, n_fields=4))
    assert imread(tmp_path / "error.png").std() > 0


def test_fields_side_by_side(
    results: list[MethodScores], truth: np.ndarray, tmp_path: Path
) -> None:
    displacement = {s: np.full((20, 30, 2), 1e-3 + s, np.float32) for s in SIGMAS}
    figure = fields_figure(displacement, truth, results)
    images = {
        (axes.get_subplotspec().rowspan.start, axes.get_subplotspec().colspan.start): (
            axes.images[0]
        )
        for axes in figure.axes
        if axes.images and axes.get_subplotspec() is not None
    }
    # Two rows per level, displacement and truth and all methods but zero.
    assert set(images) == {
        (row, column) for row in (0, 2, 4) for column in range(6)
    } | {(row, column) for row in (1, 3, 5) for column in range(2, 6)}
    lengths = np.hypot(*np.moveaxis(truth, -1, 0))
    np.testing.assert_allclose(images[0, 1].get_array(), lengths)
    np.testing.assert_allclose(images[4, 3].get_array(), lengths / 2)
    np.testing.assert_allclose(images[5, 3].get_array(), lengths / 2)
    for place, image in images.items():
        # Rows are counted downwards.
        assert image.origin == "upper"
        if place[1] > 0:
            assert image.get_clim() == (0, pytest.approx(0.5))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["displacement", "truth", *METHODS[:-1]]
    write_png(tmp_path / "fields.png", figure)
    picture = imread(tmp_path / "fields.png")
    assert picture.shape[1] > picture.shape[0] > 600


def test_one_method_and_one_level(
    results: list[MethodScores], truth: np.ndarray
) -> None:
    zero = np.zeros_like(truth)
    figure = fields_figure({0.0: zero}, zero, [results[0], results[-1]])
    figure.draw_without_rendering()


def test_a_map_of_ratios_is_centred_on_one(tmp_path: Path) -> None:
    ratios = {("ring", "0"): 30.0, ("ring", "5% correlated"): 1.0, ("pads", "0"): 0.02}
    ratios["pads", "5% correlated"] = 1.5
    scores = KindScores(
        {cell: {"vit": ratio / 4, "fttc": 0.25} for cell, ratio in ratios.items()},
        method="vit",
        classical=("fttc",),
        ms_per_field={},
    )
    figure = kinds_figure(scores)
    axes, bar = figure.axes
    (image,) = axes.images
    np.testing.assert_allclose(image.get_array(), [[30, 1], [0.02, 1.5]])
    assert image.norm(1) == pytest.approx(0.5)
    figure.draw_without_rendering()
    written = {text.get_text(): text for text in axes.texts}
    assert list(written) == ["30.00", "1.00", "0.02", "1.50"]
    # Legible on the darkest and on the lightest colour.
    assert [text.get_color() for text in written.values()] == [
        "white", "black", "white", "black"
    ]  # fmt: skip
    bold = [name for name, text in written.items() if text.get_weight() == "bold"]
    assert bold == ["30.00", "1.50"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ring", "pads"]
    assert "vit" in bar.get_ylabel()
    write_png(tmp_path / "kinds.png", figure)
    assert imread(tmp_path / "kinds.png").std() > 0


def test_neither_window_nor_global_state() -> None:
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from napari_vit_tfm.benchmark.evaluate import METRIC_NAMES, MethodScores\n"
        "from napari_vit_tfm.benchmark.figures import error_figure\n"
        "scores = {0.0: dict.fromkeys(METRIC_NAMES, np.ones(2))}\n"
        "figure = error_figure([MethodScores('a', scores, 1.0, {})], n_fields=2)\n"
        "figure.draw_without_rendering()\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert answer.returncode == 0, answer.stderr
