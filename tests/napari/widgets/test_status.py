from __future__ import annotations

from napari_vit_tfm.napari.widgets.status import StatusLine


def test_two_lines_share_the_status_bar(viewer):
    texts = {"first": "one", "second": "two"}
    first = StatusLine(viewer, lambda: texts["first"])
    second = StatusLine(viewer, lambda: texts["second"])
    for line in (first, second):
        line.bind()
    for status in ("here", "there"):
        viewer.status = status
        assert sorted(viewer.status.split()) == sorted(["one", "two", status])
    texts["first"] = "other"
    first.refresh()
    assert sorted(viewer.status.split()) == ["other", "there", "two"]
    for line in (second, first):
        line.unbind()
    viewer.status = "free"
    assert viewer.status == "free"
