from __future__ import annotations

import numpy as np
import pytest

from napari_vit_tfm.napari.widgets.region_choice import RegionChoice

WORDS = {"field": "the field", "number": "as typed"}


@pytest.fixture
def choice(qtbot, viewer):
    choice = RegionChoice(viewer.layers, WORDS, usual="field", preposition="from ")
    qtbot.addWidget(choice)
    choice.bind()
    yield choice
    choice.unbind()


def test_the_chosen_layer_is_kept_until_it_is_removed(choice, viewer):
    first, second = (
        viewer.add_labels(np.ones((8, 8), dtype=int), name=name) for name in "ab"
    )
    changes = []
    choice.changed.connect(lambda: changes.append(choice.key()))
    choice.choose(second)
    viewer.layers.move(1, 0)
    second.name = "c"
    assert choice.value() is second
    assert choice.currentText() == "from c"
    viewer.layers.remove(first)
    assert len(changes) == 1
    viewer.layers.remove(second)
    assert choice.value() == "field"
    assert changes[1:] == ["field"]


def test_nothing_is_kept_of_layers_while_it_is_hidden(choice, viewer):
    layer = viewer.add_labels(np.ones((8, 8), dtype=int))
    choice.choose(layer)
    choice.unbind()
    assert choice.value() == "field"
    choice.bind()
    assert choice.value() is layer


def test_other_words_are_offered(choice):
    choice.offer({"field": "the field", "outline": "its outline"}, usual="outline")
    assert choice.value() == "outline"
    choice.choose("field")
    choice.offer(WORDS, usual="number")
    assert choice.value() == "field"
