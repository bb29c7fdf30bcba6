"""The way to the screen: what a notebook is given, and that the ground under it has not moved."""

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import altair as alt
import pytest

from augment_insights import charts
from augment_insights.charts import theme


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    """Leave Altair's settings as they were."""
    with alt.theme.enable(alt.theme.active), alt.renderers.enable(alt.renderers.active):
        yield


def lab_folder() -> Path:
    return Path(sys.prefix) / "share" / "jupyter" / "lab" / "static"


def test_a_notebook_gets_vega_an_image_and_words(weekly_users):
    """Three forms for each front end to choose from, the image if wanted; the menu sends no data away."""
    charts.setup()
    data, metadata = charts.active_users(weekly_users)._repr_mimebundle_()
    assert set(data) == {"application/vnd.vega.v5+json", "image/png", "text/plain"}
    assert data["application/vnd.vega.v5+json"]["$schema"] == "https://vega.github.io/schema/vega/v5.json"
    assert data["text/plain"].startswith("Line chart of weekly active users")
    png = base64.b64decode(data["image/png"])
    assert png.startswith(b"\x89PNG")
    shown = metadata["image/png"]
    assert shown["alt"] == data["text/plain"]
    assert int.from_bytes(png[16:20], "big") // 2 == shown["width"]
    actions = metadata["application/vnd.vega.v5+json"]["embed_options"]["actions"]
    assert actions == {"export": True, "source": False, "compiled": False, "editor": False}
    charts.setup(png=False)  # live widgets redraw faster without it
    assert "image/png" not in charts.active_users(weekly_users)._repr_mimebundle_()[0]


def test_the_theme_is_applied_with_and_without_setup(weekly_users):
    """A page looks the same whatever theme a notebook has enabled; what an analyst has set on purpose stays."""
    chart = charts.active_users(weekly_users)
    with alt.theme.enable("dark"):
        before = theme.to_vegalite(chart)
    charts.setup()
    assert theme.to_vegalite(chart) == before
    assert chart.to_dict()["config"] == before["config"]
    assert before["config"]["range"]["heatmap"] == {"scheme": "cividis"}
    chart = charts.active_users(weekly_users).configure_axis(labelFontSize=30)
    assert theme.to_vegalite(chart)["config"]["axis"]["labelFontSize"] == 30


def test_another_paper_repaints_marks_and_words(weekly_users):
    """Lines, hollow points and text follow the page."""
    night = theme.Palette(
        paper=None, ink="ink", muted="muted", grid="grid", ghost="ghost", surface="surface", accent="accent"
    )
    spec = theme.to_vegalite(charts.active_users(weekly_users), palette=night)
    assert spec["config"]["title"]["color"] == "ink"
    del spec["config"]["range"]  # the colours of groups are the same on any paper
    text = json.dumps(spec)
    assert not [color for color in vars(theme.LIGHT).values() if color and color in text]


def test_words_and_marks_stand_out_from_the_paper(contrast):
    """WCAG 2.2: 4.5 for words, 3 for what is drawn.

    Okabe and Ito's orange and sky blue have 2.3 on white. They stay as published: at 3, orange comes three times
    nearer to vermilion for readers without green cones, and every mark has its number under the pointer and in the
    table.
    """
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    white = theme.LIGHT.paper or ""
    assert min(contrast(theme.LIGHT.ink, white), contrast(theme.LIGHT.muted, white)) >= 4.5
    assert contrast(theme.LIGHT.accent, white) >= 4.5
    faint = {color for color in theme.CATEGORIES if contrast(color, white) < 3}
    assert faint == {"#E69F00", "#56B4E9"}
    assert all(contrast(color, white) > 2.2 for color in faint)


def test_charts_stand_out_from_a_dark_notebook(contrast):
    """WCAG 2.2 again: 4.5 for words, 3 for what is drawn; and each colour of the light paper has its dark one."""
    assert min(contrast(theme.NIGHT.ink, "#111111"), contrast(theme.NIGHT.muted, "#111111")) >= 4.5
    assert min(contrast(color, "#111111") for color in theme.CATEGORIES) >= 3
    style = theme.embed_style()
    for name in ("ink", "muted", "grid", "ghost", "surface"):
        for paint in ("fill", "stroke"):
            light, dark = getattr(theme.LIGHT, name), getattr(theme.NIGHT, name)
            assert style.count(f'[{paint}="{light}"] {{ {paint}: {dark}; }}') == 2


def test_altair_and_jupyterlab_still_speak_what_we_compile_and_send():
    """If this fails, Altair or JupyterLab's Vega has moved: set VEGALITE_VERSION, or VEGA_MIME, and look."""
    assert alt.SCHEMA_VERSION.removeprefix("v").startswith(theme.VEGALITE_VERSION)
    licences = json.loads((lab_folder() / "third-party-licenses.json").read_text("utf-8"))
    versions = {package["name"]: package["versionInfo"] for package in licences["packages"]}
    assert versions["vega"].split(".")[0] == "5"
    scripts = (path.read_text("utf-8") for path in lab_folder().glob("*.js"))
    assert any(theme.VEGA_MIME in script for script in scripts)


def test_the_quick_import_leaves_no_trace():
    """Whether the grammar was there before or not, it is as it was afterwards."""
    name = "rfc3987_syntax"
    was = sys.modules.pop(name, None)
    try:
        with theme.without_iri_grammar():
            assert sys.modules[name] is None
        assert name not in sys.modules
        sys.modules[name] = json
        with theme.without_iri_grammar():
            assert sys.modules[name] is json
    finally:
        sys.modules.pop(name, None)
        if was is not None:
            sys.modules[name] = was
