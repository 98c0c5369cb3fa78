from __future__ import annotations


def test_the_options_of_a_method_are_used(inspecting, finish):
    inspecting.model.choose("fttc")
    finish(inspecting)
    assert inspecting.inspector.shown.frame.model == "fttc"
    inspecting.method["regularisation"].value = 2.5
    finish(inspecting)
    assert inspecting.inspector.shown.frame.model == "fttc (regularisation 2.5)"
