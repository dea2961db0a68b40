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
    content = SPAN.sub(lambda found: _mathml(found, "inline"), content)
    return BLOCK.sub(lambda found: f'<div class="maths">{_mathml(found, "block")}</div>', content)


def _mathml(found: re.Match[str], display: str) -> str:
    return str(convert(html.unescape(found.group(1)).strip(), display=display))
