"""MATLAB files: their variables, and the fields that programs store in them.

`variables` reads files of all versions; `values` has the types of their values. Each
program has a module with a function `fields`, which finds the fields of this program
among the variables. `programs` calls all of them.
"""
