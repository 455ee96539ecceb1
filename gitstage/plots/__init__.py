"""Plots of several states of the project: what is to be drawn, from which files, and the drawings.

`definitions` finds what dvc.yaml asks for, `points` turns files into data points, `figures` joins both over all states,
`page` makes the HTML page. The Vega-Lite templates are those of the package dvc-render.
"""

from gitstage.plots.figures import Figure, Problem, figures
from gitstage.plots.templates import built_in

__all__ = ["Figure", "Problem", "built_in", "figures"]
