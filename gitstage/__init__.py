"""Data pipelines as a native part of Git."""

__version__ = "0.1.0"
