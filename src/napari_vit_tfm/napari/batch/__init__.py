"""The dock that analyses many experiments.

`dock` has the widget, `table` the experiments with their states, `running` what is
computed in a thread, without Qt and layers, `showing` the layers of an experiment, and
`figure` the window with the figure of the summary.
"""
