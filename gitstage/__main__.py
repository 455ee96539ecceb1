"""`python -m gitstage`."""

from gitstage.cli import program

program()
