"""Files that are not trusted, and libraries in C that trust them.

A damaged HDF5 or MATLAB file can crash the library that reads it, or keep it busy for
ever. `hdf5` and `matlab_tags` check a file within limits; `process` has it looked at in
a second process, `child`, before this one opens it. The second process starts quickly,
so the modules of this package import nothing of the package but errors.
"""
