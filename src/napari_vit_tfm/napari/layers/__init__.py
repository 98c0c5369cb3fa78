"""Vector fields as napari layers, and layers as vector fields.

``metadata`` has the layers' descriptions, ``registry`` their vectors. ``drawing``
turns a stack into layers, ``reading`` turns layers into a stack, with ``adoption``
for those of other programs. ``placing`` is about spacing and place, ``axes`` about
the order of components, ``results`` about the layers of a run.
"""
