"""The page in a browser: headless Chromium, driven by selenium, without a network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from relu2mip import study
from tests.study.made_up import made_up

pytest.importorskip("plotly")
pytest.importorskip("selenium")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="no Chromium with its driver here: apt-get install chromium chromium-driver",
)
PLOTS = ("profiles", "means", "ratios", "integrals", "gaps", "root-gaps", "times-by-relus", "times-by-horizon")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return study.report(made_up(tmp_path_factory.mktemp("page"), states=4))


def opened(browser: Any, path: Path, width: int) -> Any:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(path.as_uri())
    return browser


@pytest.mark.parametrize("width", [400, 1100])
def test_plots_are_there_and_nothing_overflows(browser: Any, path: Path, width: int) -> None:
    page = opened(browser, path, width)
    for name in PLOTS:
        traces = page.execute_script(
            f"return document.querySelectorAll('#{name} .main-svg .trace, #{name} .scatter').length"
        )
        assert traces > 0, name
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    outside = page.execute_script(
        "return [...document.querySelectorAll('main *')].filter(e => !e.closest('.wide, .plot') && "
        "e.getBoundingClientRect().right > innerWidth).map(e => e.tagName + '#' + e.id)"
    )
    assert outside == []
    clipped = page.execute_script(
        "return [...document.querySelectorAll('.plot')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.id)"
    )
    assert clipped == []
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_filters_search_sorting_and_pages_work(browser: Any, path: Path) -> None:
    page = opened(browser, path, 1100)

    def shown(column: str) -> list[str]:
        return page.execute_script(
            "const k = [...document.querySelectorAll('#table th')].findIndex(c => c.textContent.split(' ')[0] === "
            "arguments[0]); return [...document.querySelectorAll('#table tbody tr')].map(r => r.cells[k].textContent)",
            column,
        )

    def count() -> int:
        return int(page.execute_script("return document.getElementById('count').textContent").split()[0])

    def choose(name: str, label: str) -> None:
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import Select

        Select(page.find_element(By.NAME, name)).select_by_visible_text(label)

    whole = count()
    assert whole == 2 * 2 * 4 * 11
    assert len(shown("formulation")) == 100
    choose("formulation", "ideal")
    assert set(shown("formulation")) == {"ideal"}
    assert count() == 2 * 2 * 4 * 2
    choose("bounds", "crown")
    assert (count(), set(shown("bounds"))) == (2 * 2 * 4, {"crown"})
    page.execute_script("[...document.querySelectorAll('#table th')].find(c => c.textContent === 'seconds').click()")
    seconds = [float(text) for text in shown("seconds") if text]
    assert seconds == sorted(seconds)
    page.execute_script(
        "[...document.querySelectorAll('#table th')].find(c => c.textContent[0] === 's' && "
        "c.textContent.includes('▲')).click()"
    )
    assert [float(text) for text in shown("seconds") if text] == sorted(seconds, reverse=True)
    choose("formulation", "all")
    choose("bounds", "all")
    page.execute_script(
        "const box = document.querySelector('input[type=search]'); box.value = 'SIGSEGV'; "
        "box.dispatchEvent(new Event('input'))"
    )
    assert 0 < count() < whole
    assert set(shown("outcome")) == {"crashed"}
    page.execute_script(
        "const box = document.querySelector('input[type=search]'); box.value = ''; "
        "box.dispatchEvent(new Event('input')); document.getElementById('next').click()"
    )
    assert len(shown("outcome")) == whole - 100
    assert [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"] == []
