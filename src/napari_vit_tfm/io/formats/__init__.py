"""One module per file format.

`io.registry` imports all modules of this folder. The classes in them, `FieldFile`
for what is read and `Exporter` for what is written, register themselves.
"""
