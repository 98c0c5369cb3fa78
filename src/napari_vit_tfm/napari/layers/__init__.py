"""Vector fields as napari layers, and layers as vector fields.

``metadata`` defines the descriptions of layers, and ``registry`` keeps their vectors.
``drawing`` converts a stack to layers. ``reading`` converts layers to a stack, with
``adoption`` for layers of other programs. ``placing`` reads and sets spacing and
transforms, ``axes`` converts the order of components, and ``results`` manages the
layers of runs.
"""
