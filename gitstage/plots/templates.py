"""The Vega-Lite templates of the package dvc-render, which is imported here only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from gitstage import extras
from gitstage.errors import FormatError, GitstageError
from gitstage.static import Any


def built_in() -> dict[str, Any]:
    """The built-in templates by name. Raises GitstageError if dvc-render is not installed."""
    return {one.DEFAULT_NAME: one.DEFAULT_CONTENT for one in _module("vega_templates").TEMPLATES}


def renderer(points: Sequence[Mapping[str, Any]], name: str, properties: Mapping[str, Any]) -> Any:
    """What fills the template that `properties` name. Raises GitstageError if there is no such template."""
    known = _module("vega_templates")
    try:
        return _module("vega").VegaRenderer(points, name, **properties)
    except known.TemplateNotFoundError:
        names = ", ".join(one.DEFAULT_NAME for one in known.TEMPLATES)
        raise GitstageError(
            f"there is no plot template '{properties.get('template')}'", f"built in are {names}"
        ) from None
    except json.JSONDecodeError as error:
        raise FormatError(str(properties.get("template")), f"not JSON: {error.msg}", error.lineno) from None


def errors() -> tuple[type[Exception], ...]:
    """What a renderer raises for a template that does not fit the data."""
    return (_module("exceptions").DvcRenderError,)


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"dvc_render.{name}")
    except ImportError:
        raise GitstageError(
            "drawing plots needs the package dvc-render, which is not installed", extras.command("plots")
        ) from None
