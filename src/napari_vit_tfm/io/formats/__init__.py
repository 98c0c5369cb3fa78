"""One module per file format.

`io.registry` imports all modules in this folder. Their classes, subclasses of
`FieldFile` for reading and of `Exporter` for writing, register themselves.
"""
