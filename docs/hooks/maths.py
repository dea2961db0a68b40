"""TeX to MathML while the site is built: browsers draw it themselves, without a script and without a network."""

from __future__ import annotations

import html
import re
from typing import Any

from latex2mathml.converter import convert

SPAN = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def on_page_content(content: str, **_: Any) -> str:
    """Replace what pymdownx.arithmatex marks."""
    content = SPAN.sub(lambda found: f'<span class="maths">{_mathml(found, "inline")}</span>', content)
    return BLOCK.sub(lambda found: f'<div class="maths">{_mathml(found, "block")}</div>', content)


def _mathml(found: re.Match[str], display: str) -> str:
    tex = html.unescape(found.group(1)).strip()
    tex = tex.replace("{aligned}", "{align*}").replace("\\_", "_")  # the same, as the converter knows it
    mathml = str(convert(tex, display=display))
    if "<mi>&</mi>" in mathml or "<mi>\\" in mathml:
        raise ValueError(f"the documentation has TeX that cannot be written as MathML: {tex}")
    return mathml
