"""The built site, in a browser where there is one: no error, nothing from elsewhere, maths drawn, code not cut off."""

import functools
import http.server
import json
import queue
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
LOOK = """<!doctype html><body><script>
const pages = PAGES, found = [];
async function look(width, page) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px"; frame.style.height = "900px"; frame.src = page;
  document.body.appendChild(frame);
  await new Promise(done => frame.onload = done);
  const inside = frame.contentDocument;
  const cut = [...inside.querySelectorAll("pre code")].filter(code => code.scrollWidth > code.clientWidth + 1);
  const far = part => part.getBoundingClientRect().right > width + 1 && getComputedStyle(part).overflowX == "visible";
  const broad = inside.documentElement.scrollWidth > width + 1;
  const parts = broad ? [...inside.querySelectorAll("article *")].filter(far) : [];
  const wide = parts.map(part => part.outerHTML.slice(0, 80));
  found.push({page, width, cut: cut.map(code => code.textContent.slice(0, 60)), wide});
  frame.remove();
}
(async () => {
  for (const page of pages) for (const width of [1280, 400]) await look(width, page);
  await fetch("/looked", {method: "POST", body: JSON.stringify(found)});
})();
</script></body>"""


class Site(http.server.SimpleHTTPRequestHandler):
    """Serves the pages, and takes what the browser saw of them."""

    def log_message(self, *_: object) -> None:
        """Requests are not logged."""

    def do_POST(self) -> None:
        """Take the result."""
        self.server.looked.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="mkdocs-material is a tool of development")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture
def server(site: Path) -> Iterator[http.server.ThreadingHTTPServer]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Site, directory=str(site))) as server:
        server.looked = queue.Queue()  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def pages(site: Path) -> list[str]:
    return sorted(str(path.relative_to(site)) for path in site.rglob("*.html") if path.name != "404.html")


def test_no_page_needs_the_network_and_maths_is_markup(site: Path) -> None:
    maths = 0
    for page in pages(site):
        text = (site / page).read_text(encoding="utf-8")
        assert not re.findall(
            r"""<(?:script|link|img)[^>]*(?:src|href)="https?://(?!localhost)[^"]*\.(?:js|css|png|svg)""", text
        ), page
        assert "arithmatex" not in text, f"{page} has TeX that was not turned into MathML"
        maths += text.count("<math")
    assert maths > 50


def test_the_picture_of_the_floors_is_that_of_the_imports() -> None:
    script = "import runpy, sys; found = runpy.run_path('docs/hooks/floors.py'); sys.stdout.write(found['picture']())"
    drawn = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert drawn == (ROOT / "docs" / "images" / "floors.svg").read_text(encoding="utf-8"), (
        "run python docs/hooks/floors.py"
    )


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
def test_pages_in_a_browser(site: Path, server: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    (site / "look.html").write_text(LOOK.replace("PAGES", json.dumps(pages(site))), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={tmp_path}"]
    with (tmp_path / "log").open("w+") as log:
        command = [BROWSER, *flags, "--remote-debugging-port=0", f"http://127.0.0.1:{server.server_port}/look.html"]
        with subprocess.Popen(command, stdout=log, stderr=log) as browser:
            try:
                looked = server.looked.get(timeout=120)  # type: ignore[attr-defined]
            finally:
                browser.kill()
                (site / "look.html").unlink()
        log.seek(0)
        assert [line for line in log if ":CONSOLE" in line and "favicon" not in line] == []
    assert len(looked) == 2 * len(pages(site))
    cut = [(one["page"], line) for one in looked if one["width"] == 1280 for line in one["cut"]]
    assert not cut, "\n".join(map(str, cut))
    wide = [(one["page"], one["width"], one["wide"][:2]) for one in looked if one["wide"]]
    assert not wide, "\n".join(map(str, wide))
