"""Figures as one HTML page that needs nothing but itself: no network, no other file."""

from __future__ import annotations

import html
import importlib
import json
import os
from collections.abc import Sequence

from gitstage import extras, fs
from gitstage.errors import GitstageError, SystemFailure
from gitstage.plots.figures import Figure
from gitstage.static import Any

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
style-src 'unsafe-inline'; img-src data: blob:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Plots</title>
<style>
body { font-family: system-ui, sans-serif; margin: 1.5rem; color: #222; background: #fff; }
.figures { display: flex; flex-wrap: wrap; gap: 2rem; align-items: flex-start; }
figure { margin: 0; max-width: 100%; overflow-x: auto; }
figcaption { font-weight: 600; margin-bottom: .5rem; }
.images { display: flex; flex-wrap: wrap; gap: 1rem; }
.images div { border: 1px solid #ccc; padding: .5rem; }
.images p { margin: 0 0 .5rem; font-size: .85rem; }
.images img { max-width: 100%; }
.vega-bindings { font-size: .85rem; margin-top: .5rem; }
.failed { color: #b00020; }
</style>
{scripts}
</head>
<body>
<div class="figures">
{plot_divs}
</div>
</body>
</html>
"""
_DRAW = """
document.addEventListener("DOMContentLoaded", () => {
  for (const source of document.querySelectorAll('script[type="application/json"][data-figure]')) {
    const target = document.getElementById(source.dataset.figure);
    vegaEmbed(target, JSON.parse(source.textContent), {renderer: "svg"}).catch((error) => {
      target.textContent = String(error);
      target.className = "failed";
    });
  }
});
"""


def page(figures: Sequence[Figure], scripts: str, template: str | None = None) -> str:
    """The page's text. `scripts`: JavaScript that defines vegaEmbed; `template`: HTML with {plot_divs}, and {scripts}
    if something is to be drawn. Raises GitstageError if the first is missing from it."""
    text = _PAGE if template is None else template
    if "{plot_divs}" not in text:
        raise GitstageError("the HTML template has no {plot_divs}")
    drawings, images = [], []
    for number, figure in enumerate(figures):
        if figure.is_image:
            images += [_images(figure)] if figure.images else []
            continue
        specification = figure.specification()
        if specification is not None:
            drawings.append(_drawing(f"figure-{number}", specification))
    script = f"<script>{_inside_script(scripts)}</script>\n<script>{_DRAW}</script>" if drawings else ""
    values = {"scripts": script, "plot_divs": "\n".join(drawings + images), "refresh_tag": ""}
    for name, value in values.items():
        before, marker, after = text.partition("{" + name + "}")
        text = before + value + after if marker else text
    return text


def _drawing(name: str, specification: object) -> str:
    data = json.dumps(specification).replace("<", "\\u003c")
    return (
        f'<figure><div id="{name}"></div><script type="application/json" data-figure="{name}">{data}</script></figure>'
    )


def _images(figure: Figure) -> str:
    shown = "\n".join(
        f'<div><p>{html.escape(one.revision)}</p><img alt="{html.escape(one.path)}" src="{html.escape(one.url)}"></div>'
        for one in figure.images
    )
    return f'<figure><figcaption>{html.escape(figure.name)}</figcaption><div class="images">\n{shown}\n</div></figure>'


def _inside_script(text: str) -> str:
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def scripts(folder: str) -> str:
    """Vega, Vega-Lite and Vega-Embed as one script, kept in `folder` because making it takes more than a second.

    Raises GitstageError if vl-convert-python, which has them, is not installed.
    """
    try:
        vl_convert: Any = importlib.import_module("vl_convert")
    except ImportError:
        raise GitstageError(
            "the HTML page needs the package vl-convert-python, which is not installed",
            f"{extras.command('plots')}, or --json",
        ) from None
    fifth = [version for version in vl_convert.get_vegalite_versions() if version.startswith("5.")]
    version = max(fifth or vl_convert.get_vegalite_versions(), key=lambda text: [int(part) for part in text.split(".")])
    path = os.path.join(folder, f"vega-{vl_convert.__version__}-{version}.js")
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        pass
    made: str = vl_convert.javascript_bundle(vl_version=version)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        fs.atomic_write(path, made.encode())
    except (OSError, SystemFailure):
        pass  # only slower
    return made
