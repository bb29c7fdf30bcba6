"""A theme of one's own, in charts, notebooks and pages, and what is refused of it."""

import base64
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import altair as alt
import polars as pl
import pytest

from augment_insights import charts
from augment_insights.charts import brand, theme
from augment_insights.errors import ConfigurationError
from augment_insights.periods import DayRange
from augment_insights.reports import Page

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
OURS = {"colours": ["#7A1FA2", "#0B6E4F"], "accent": "#B00020", "font": "Inter, 'Open Sans'", "logo": "logo.png"}
FILES = {
    "ours.json": json.dumps(OURS),
    "ours.toml": "\n".join(f"{name} = {json.dumps(value)}" for name, value in OURS.items()),
    "ours.yaml": "\n".join(f"{name}: {json.dumps(value)}" for name, value in OURS.items()),
}


@pytest.fixture(autouse=True)
def no_theme(monkeypatch) -> Iterator[None]:
    """Begin without a theme, and leave none."""
    monkeypatch.setattr("augment_insights.charts.theme._CHOSEN", {})
    monkeypatch.delenv(brand.THEME_VARIABLE, raising=False)
    with alt.theme.enable(alt.theme.active), alt.renderers.enable(alt.renderers.active):
        yield


@pytest.fixture
def folder(tmp_path) -> Path:
    """Return a folder with one theme in three formats, and its logo."""
    (tmp_path / "logo.png").write_bytes(PNG)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def teams(weekly_users) -> pl.DataFrame:
    """Three teams, one more than the theme has colours."""
    return pl.concat([weekly_users.with_columns(team=pl.lit(name)) for name in "ABC"])


@pytest.mark.parametrize("name", FILES)
def test_a_theme_is_read_from_one_file(folder, name):
    """TOML, JSON and YAML say the same; the logo is found beside the file."""
    read = brand.read_theme(folder / name)
    assert read == brand.Theme(
        ("#7A1FA2", "#0B6E4F"),
        "#B00020",
        "Inter, 'Open Sans'",
        f"data:image/png;base64,{base64.b64encode(PNG).decode()}",
    )


def test_charts_take_its_colours_and_font(folder, weekly_users, teams, look):
    """A single line has the accent, groups the colours and then ours; without it all is as it was."""
    plain = [look.spec(charts.active_users(table)) for table in (weekly_users, teams)]
    charts.setup(theme=folder / "ours.toml")
    line, groups = (look.spec(charts.active_users(table)) for table in (weekly_users, teams))
    assert line["config"]["font"].startswith("Inter, 'Open Sans', ")
    assert look.layers(line, "line")[0]["mark"]["color"] == "#B00020"
    assert groups["layer"][0]["encoding"]["color"]["scale"]["range"] == ["#7A1FA2", "#0B6E4F", "#0072B2"]
    data, metadata = charts.active_users(teams)._repr_mimebundle_()
    assert "#7A1FA2" in json.dumps(data[theme.VEGA_MIME])
    style = metadata[theme.VEGA_MIME]["embed_options"]["defaultStyle"]
    dark = brand.read_theme(folder / "ours.toml").dark["#7A1FA2"]
    assert f'[stroke="#7A1FA2"] {{ stroke: {dark}; }}' in style
    charts.setup()  # a template says this, and keeps what was chosen
    assert look.spec(charts.active_users(teams)) == groups
    charts.setup(theme="default")
    assert [look.spec(charts.active_users(table)) for table in (weekly_users, teams)] == plain


def test_a_page_takes_it_from_the_environment(folder, teams, monkeypatch, tmp_path):
    """Colours by the page's own style sheet, so that they follow a dark page, and the logo in its head."""
    monkeypatch.setenv(brand.THEME_VARIABLE, str(folder / "ours.json"))
    days = DayRange(date(2026, 8, 24), date(2026, 9, 20))
    page = Page("Adoption", population="people", as_of=days.end, range_asked=days)
    page = page.figure("Users", charts.active_users(teams), teams, "Up is more.")
    html = page.save_html(tmp_path / "a.html").read_text("utf-8")
    assert b"/Subtype/Image" in page.save_pdf(tmp_path / "a.pdf").read_bytes()
    assert f'<img class="logo" src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in html
    assert ":root { --series-1: #7A1FA2; --series-2: #0B6E4F; --accent: #B00020; }" in html
    assert "body { font-family: Inter, 'Open Sans', system-ui, sans-serif; }" in html
    assert '"range":["var(--series-1)","var(--series-2)","#0072B2"]' in html.replace(", ", ",").replace(": ", ":")


def test_dark_tones_can_be_seen(contrast):
    """Navy on a dark page is a lighter blue: 3 to 1 and more; every named theme can be read on white, too."""
    navy = brand.read_theme({"colours": ["#001f3f"]})
    assert contrast(navy.dark["#001f3f"], "#1a1e24") >= 3
    for named in brand.THEMES.values():
        assert all(contrast(colour, "#ffffff") >= 4.5 for colour in named.colours)
    assert brand.contrast("#001f3f", "#1a1e24") == pytest.approx(contrast("#001f3f", "#1a1e24"), rel=1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("defalt", "There is no theme 'defalt'. Hint: did you mean 'default'?"),
        ("missing.toml", "missing.toml' cannot be read: .*No such file"),
        ("broken.json", "broken.json' cannot be read: "),
        ("list.yaml", "holds no names with values"),
        ({"colors": []}, "has 'colors'. Hint: did you mean 'colours'"),
        ({"colours": "#0072B2"}, "colours='#0072B2'. Hint: up to 6"),
        ({"colours": ["#0072B2"] * 2}, "up to 6 different ones"),
        ({"colours": ["red"]}, "has the colour 'red'. Hint: write it as '#0072B2'"),
        ({"colours": ["#ffee00"], "accent": "#0072B2"}, "lines and bars need 2.*Hint: #[0-9a-f]{6} is a darker tone"),
        ({"accent": "#E69F00"}, "words need 4.5"),
        ({"font": "x; } body { display: none"}, "the name of a font"),
        ({"logo": "none.svg"}, "logo of the mapping cannot be read"),
        ({"logo": "text.svg"}, "text.svg' of the mapping cannot be used"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_drawn(given, message, tmp_path, monkeypatch):
    """One clear error, with what to do."""
    monkeypatch.chdir(tmp_path)
    Path("broken.json").write_text("{")
    Path("list.yaml").write_text("- 1")
    Path("text.svg").write_text("hello")
    with pytest.raises(ConfigurationError, match=message) as refused:
        charts.setup(theme=given)
    assert refused.value.setting == "theme"
