"""The page: complete, honest, safe, self-contained, and fit for every screen."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter as Tally
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_lab import GPU, NO_GPU, OPENVINO, TORCH, Lab, stack, truth

from hwnas.core.counter import LLC_MISSES, Counter
from hwnas.core.errors import UsageError
from hwnas.core.kernel import Kernel
from hwnas.core.measurement import Status
from hwnas.core.workload import Workload
from hwnas.report.cells import Selection
from hwnas.report.claims.catalogue import CLAIMS
from hwnas.report.claims.evidence import Evidence
from hwnas.report.claims.finding import READINGS
from hwnas.report.columns import interval
from hwnas.report.html.colours import ON_DARK, with_variables
from hwnas.report.html.headline import arms
from hwnas.report.html.writing import write_report
from hwnas.report.style import _PALETTE, GRID, INK, MUTED, OPERATOR_COLOURS
from hwnas.store import LatencyStore
from hwnas.workloads.patterns import PATTERNS, pattern_workload

HOSTILE = "<script>alert(1)</script>&amp;\"'"
_VOID = {"meta", "link", "br", "img", "input", "hr"}


class _Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Tally[str] = Tally()
        self.ids: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.headings: list[dict[str, str | None]] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, dict(attrs))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._see(tag, dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    def _see(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tags[tag] += 1
        if attributes.get("id"):
            self.ids.append(str(attributes["id"]))
        self.links += [(tag, str(attributes[k])) for k in ("href", "src", "xlink:href") if attributes.get(k)]
        if tag == "th":
            self.headings.append(attributes)
        if tag == "svg":
            self.images.append(attributes)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def write(
    selection: Selection, folder: Path, select: Callable[[str], Selection] | None = None
) -> tuple[str, _Page]:
    written = write_report(selection, Evidence(select or (lambda baseline: selection)), folder)
    assert written[-1] == folder / "index.html"
    text = written[-1].read_text(encoding="utf-8")
    return text, _Page(text)


@pytest.fixture(scope="module")
def page(study: Selection, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, _Page, Path]:
    folder = tmp_path_factory.mktemp("page")
    return (*write(study, folder), folder)


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Selection:
    """Patterns with misses on two caches, networks with kernels, and a name that nobody should trust."""
    with LatencyStore.open(tmp_path_factory.mktemp("everything") / "latency.sqlite") as store:
        return _everything(Lab(store))


@pytest.fixture(scope="module")
def full_page(everything: Selection, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, _Page, Path]:
    folder = tmp_path_factory.mktemp("full_page")
    return (*write(everything, folder), folder)


def _everything(lab: Lab) -> Selection:
    cells = {
        w: {**truth(w), GPU: NO_GPU}
        for p in PATTERNS
        for d in (10, 20, 30, 40, 50)
        for w in [pattern_workload(p, depth=d, width=64)]
    }
    uid = lab.campaign(cells, "depth", passes=1)
    for stored in list(lab.store.measurements(campaign_uid=uid)):
        m = stored.measurement
        if m.status is Status.OK:
            counters = [
                Counter(LLC_MISSES, 1e5 * int(m.workload.params["depth"]), "model", g, 1)
                for g in ("4194304,16,64", "33554432,16,64")
            ]
            with lab.store.writing() as writer:
                writer.counters(m.uid, counters)
    kernels = {OPENVINO: (Kernel(0, "c", "Convolution", "brgconv", "f32", time_s=0.009),)}
    networks = {
        Workload("torchvision", name, (1, 3, 224, 224)): {TORCH: 0.02, OPENVINO: 0.01}
        for name in ("resnet18", HOSTILE)
    }
    lab.campaign(networks, f"{HOSTILE}", passes=1, kernels=kernels)
    return lab.select()


def test_everything_is_said(page: tuple[str, _Page, Path], study: Selection) -> None:
    _, found, _ = page
    for part in (
        "Example CPU",
        "torch 2.13",
        "as fast as torch:cpu:fp32 with 1 thread, in the geometric mean of",
        "what narrows the page narrows them too, all but --status",
        "What differs from the study's set-up",
        "Intel Core i5-7600K",
        "dilated convolutions run in it as well",
        "the worker died: signal 9",
        "would need 9 GiB of memory",
        "no GPU was found",
        "hwnas measure depth",
        f"hwnas report --environment {study.environment.fingerprint}",
        "for what you measure yourself, leave out the options that name database and environment",
        "95 % bootstrap intervals",
        "agree with the reference",
    ):
        assert part in found.text, part
    for claim in CLAIMS:
        assert f"claim-{claim.id}" in found.ids
        assert " ".join(claim.rule.split()) in found.text
    for reading in READINGS:
        assert " ".join(reading.split()) in found.text
    missing = sum(c.estimate is None for c in study.cells)
    assert f"{len(study.cells) - missing} of {len(study.cells)} cells have a latency" in found.text


def test_every_latency_stands_in_a_table(page: tuple[str, _Page, Path], study: Selection) -> None:
    for cell in study.cells:
        if cell.estimate:
            e = cell.estimate
            assert interval(e.latency_s * 1e3, e.low_s * 1e3, e.high_s * 1e3) in page[1].text


def test_what_is_missing_is_said_with_its_reason_and_never_a_zero(page: tuple[str, _Page, Path]) -> None:
    text, found, _ = page
    assert re.search(r"not measured: failed \(\d+\)", found.text)
    assert f"{GPU}: not measured in" in found.text
    assert "Not measured: no whole network has a latency. Run hwnas measure networks" in found.text
    assert "Not measured: no campaign counted cache misses" in found.text
    assert "its kernels are not stored" in found.text
    assert re.search(r"MACs and latency, standard, [\w, ]+: none, 3 of at least 5 points", found.text)
    assert not re.search(r"\b(nan|None|inf)\b", found.text)
    assert not re.search(r">\s*0(\.0+)?\s*(ms|×)?\s*</td>", text)
    for target in re.findall(r'href="#(reason-\d+)"', text):
        assert target in found.ids


def test_nothing_is_fetched_and_no_script_runs(page: tuple[str, _Page, Path]) -> None:
    text, found, folder = page
    assert found.tags["script"] == found.tags["img"] == found.tags["iframe"] == 0
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert not re.search(r'\son\w+="', text)
    for tag, target in found.links:
        assert not re.match(r"(https?:)?//", target), (tag, target)
        if not target.startswith(("#", "data:,")):
            # Beside the page, for who wants the numbers; the page does without them.
            assert tag == "a"
            assert (folder / target).exists(), target


def test_ids_are_unique_and_every_reference_has_its_target(page: tuple[str, _Page, Path]) -> None:
    text, found, _ = page
    assert [i for i, n in Tally(found.ids).items() if n > 1] == []
    wanted = {t[1:] for _, t in found.links if t.startswith("#")} | set(re.findall(r"url\(#([^)]+)\)", text))
    assert wanted <= set(found.ids)
    assert not found.open


def test_tables_and_drawings_speak_to_who_does_not_see_them(page: tuple[str, _Page, Path]) -> None:
    text, found, _ = page
    assert all(h.get("scope") for h in found.headings)
    assert not re.search(r"<th[^>]*>\s*</th>", text)
    assert found.tags["caption"] == found.tags["table"]
    assert len(found.images) == 2
    for image in found.images:
        assert image["role"] == "img"
        assert len(str(image["aria-label"])) > 40


def test_every_section_has_something_to_show_or_says_why_not(full_page: tuple[str, _Page, Path]) -> None:
    _, found, folder = full_page
    assert "figure-networks" in found.ids
    assert "figure-kernel_times" in found.ids
    assert "figure-depth_latency_and_misses_model_4MiB-16way" in found.ids
    # The study's cache stands first.
    text = found.text
    assert text.index("depth_latency_and_misses_model_4MiB-16way:") < text.index(
        "depth_latency_and_misses_model_32MiB-16way:"
    )
    assert "convolution 100%" in text
    assert "All patterns together" in text
    drawn = {p.stem for p in folder.glob("*.svg")}
    assert {i.removeprefix("figure-") for i in found.ids if re.fullmatch(r"figure-[\w-]+", i)} >= drawn


def test_the_page_begins_with_the_arm_that_gains_the_most(lab: Lab) -> None:
    slower = "torch-nomkldnn:cpu:fp32"
    lab.campaign({stack(): {TORCH: 0.02, slower: 0.03, OPENVINO: 0.01}})
    assert [arm.backend for arm in arms(lab.select())] == [OPENVINO, slower]


def test_a_hostile_name_is_text(full_page: tuple[str, _Page, Path]) -> None:
    text, found, _ = full_page
    assert found.tags["script"] == 0
    assert "<script" not in text.lower()
    assert "alert(1)" in found.text
    assert [i for i, n in Tally(found.ids).items() if n > 1] == []


def test_one_failed_cell_makes_a_page(lab: Lab, tmp_path: Path) -> None:
    lab.campaign({stack(): {TORCH: (Status.FAILED, "crashed"), GPU: NO_GPU}})
    _, found = write(lab.select(), tmp_path / "out")
    assert "Not measured: no arm was compared with torch:cpu:fp32" in found.text
    assert "0 of 2 cells have a latency" in found.text
    assert found.text.count("crashed") >= 1
    assert found.tags["svg"] == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"index.html"}


def test_a_page_that_cannot_be_written_is_said_in_one_line(study: Selection, tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(UsageError, match="--out"):
        write(study, tmp_path)


def test_same_measurements_give_the_same_bytes(
    everything: Selection, full_page: tuple[str, _Page, Path], tmp_path: Path
) -> None:
    again, _ = write(everything, tmp_path)
    assert again == full_page[0]


def _luminance(colour: str) -> float:
    """Source: WCAG 2.2, relative luminance."""
    parts = (int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5))
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    light, dark = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_colour_of_the_figures_is_legible_on_dark_ground(page: tuple[str, _Page, Path]) -> None:
    ground = ON_DARK["#ffffff"]
    for colour in {*_PALETTE, *OPERATOR_COLOURS.values(), INK, MUTED}:
        assert _contrast(ON_DARK[colour.lower()], ground) >= 3.0, colour
    assert _contrast(ON_DARK[INK], ground) >= 7.0
    assert ON_DARK[GRID] != GRID
    # None was left as it is for white paper.
    body = page[0].partition("</style>")[2]
    assert re.findall(r"(?:fill|stroke): #[0-9a-f]{6}", body) == []
    # Matplotlib leaves out the fill of what is black.
    assert body.count('style="fill: var(--c000000)">') == body.count('<svg viewBox="')
    assert with_variables("fill: #FFFFFF; stroke: #123456") == "fill: var(--cffffff); stroke: #123456"


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_a_browser_finds_no_fault(
    full_page: tuple[str, _Page, Path], tmp_path: Path, width: int, scheme: str
) -> None:
    """The page itself never scrolls sideways, whatever its tables do."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    text = full_page[0]
    probe = (
        "<script>document.querySelectorAll('details').forEach(d => d.open = true);"
        "document.title = [document.documentElement.scrollWidth, innerWidth,"
        "getComputedStyle(document.body).backgroundColor].join(' | ')</script></body>"
    )
    probed = tmp_path / "probed.html"
    # Chromium's own windows are at least 500 pixels wide; a frame is as wide as it is told.
    probed.write_text(text.replace("</body>", probe), encoding="utf-8")
    frame = tmp_path / "frame.html"
    frame.write_text(
        f"<iframe id=f src=probed.html style='width:{width}px;height:900px;border:0'></iframe>"
        "<script>f.onload = () => document.title = f.contentDocument.title</script>"
    )
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"),
            *(
                "--enable-logging=stderr",
                "--v=0",
                f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
            ),
            *(f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=10000", "--dump-dom"),
            frame.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    title = re.search(r"<title>([^<]*)</title>", done.stdout)
    assert title, done.stderr
    scrolled, inner, ground = title[1].split(" | ")
    assert int(inner) == width
    assert int(scrolled) <= width
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[scheme]
    assert "CONSOLE" not in done.stderr
