"""One module per file format.

`io.registry` finds the modules of this folder by itself. Each registers its format
with `io.base.register`.
"""
