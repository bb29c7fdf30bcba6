"""What stands beside the numbers: read from files as people write them, and judged by hand and a second way."""

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from augment_insights import Client, analysis
from augment_insights.analysis.context import AIMS
from augment_insights.errors import ConfigurationError, TableError
from augment_insights.tables import CALENDAR_DAYS, ON_TRACK, TARGETS

SUNDAY = date(2026, 3, 8)
SILVESTER = date(2026, 12, 31)
YAML = """
- {metric: adoption_rate, value: 80%, by: 2026-12-31}
- metric: active_users
  value: 1200
  group: Web
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def weeks(values: list[float | None], metric: str = "adoption_rate") -> pl.DataFrame:
    """Return a metric in weeks that end from 8 March 2026 on."""
    ends = [SUNDAY + timedelta(weeks=n) for n in range(len(values))]
    return pl.DataFrame(
        {"period_end": ends, metric: values, "is_complete": True}, schema_overrides={metric: pl.Float64}
    )


def aim(value: float, by: date | None, group: str | None = None, metric: str = "adoption_rate") -> pl.DataFrame:
    return analysis.read_targets(pl.DataFrame({"metric": metric, "value": [value], "by": [by], "group": [group]}))


# ---- Files ----


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "metric,group,value,by\nadoption_rate,,80%,2026-12-31\nactive_users,Web,1200,\n"),
        ("b.csv", "\ufeffGroup;Metric;Value;By when\n;adoption_rate;0.8;2026-12-31\n;;;\nWeb; active_users ;1200;\n"),
        ("c.yaml", YAML),
    ],
)
def test_targets_are_read_as_people_write_them(name, text, tmp_path):
    """Commas or semicolons, a share or per cent, blanks, empty rows, columns in any order; the same from a frame."""
    expected = [("active_users", 1200.0, None, "Web"), ("adoption_rate", 0.8, SILVESTER, None)]
    found = analysis.read_targets(written(tmp_path, name, text))
    assert found.rows() == expected
    assert analysis.read_targets(found.lazy()).rows() == expected
    assert TARGETS.check(found).columns == [*TARGETS.columns, "group"]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "metric,value\nadoptoin_rate,0.8\n", r"t.csv, row 1: metric='adoptoin_rate' .*mean 'adoption_rate'"),
        ("t.csv", "metric,value\nadoption_rate,80\n", "row 1: the value 80 of adoption_rate is out of range.* 80%"),
        ("t.csv", "metric,value\nactive_users,many\n", "value='many' is no number. Hint: write it as 0.8"),
        ("t.csv", "metric,value\nactive_users,nan\n", "is out of range: it is a number above 0"),
        ("t.csv", "metric,value\nactive_users,\n", "row 1: value is empty"),
        (
            "t.csv",
            "metric,value,by\nactive_users,9,31.12.2026\n",
            "by='31.12.2026' is not a day. Hint: write it as YYYY",
        ),
        ("t.csv", "metric,values\nactive_users,9\n", "needs the column 'value'.*did you mean 'values'"),
        ("t.csv", "metric,value\nactive_users,9\nactive_users,8\n", "stands there twice"),
        ("t.csv", "", "needs the columns 'metric', 'value'"),
        ("t.yaml", "- {metric: active_users, value", "t.yaml: it cannot be read"),
        (
            "t.yaml",
            "- {metric: active_users, value: 9, by: 2026-02-31}",
            "t.yaml: it cannot be read: day is out of range",
        ),
        ("t.yaml", "[" * 5000, "t.yaml: it cannot be read"),
        ("t.yaml", "metric: active_users", "it is no list of rows. Hint: write each row as - {metric: ...,"),
        ("t.xlsx", "", "ends in .csv or .yaml, and 't.xlsx' does not"),
        ("t.csv", f'metric,value\n"{"x" * 200_000}",1\n', "t.csv: it cannot be read: field larger"),
        ("t.csv", None, "There is no file of targets at"),
    ],
)
def test_a_wrong_file_is_told_with_its_row_and_what_to_do(name, text, words, tmp_path):
    """One error, about the first thing that is wrong."""
    path = tmp_path / name
    if text is not None:
        written(tmp_path, name, text)
    with pytest.raises(TableError, match=words) as told:
        analysis.read_targets(path)
    assert "\n" not in str(told.value)


def test_events_are_read_and_so_are_those_of_the_sample(tmp_path):
    """Sorted by day; control characters, which would break a picture, are replaced; a text that is missing is told."""
    path = written(tmp_path, "e.csv", 'date,text,group\n2026-10-05,"Training, 2nd",Web\n2026-09-14,Release\x0b2,\n')
    assert analysis.read_events(path).rows() == [
        (date(2026, 9, 14), "Release 2", None), (date(2026, 10, 5), "Training, 2nd", "Web"),
    ]  # fmt: skip
    with pytest.raises(TableError, match="row 1: text is empty"):
        analysis.read_events(pl.DataFrame({"date": ["2026-10-05"], "text": [" "]}))
    organisation = Client.sample(people=30, today="2026-11-25").sample_organisation
    assert organisation is not None
    made_up = analysis.read_events(written(tmp_path, "sample.csv", organisation.events_csv()))
    assert "raining" in " ".join(made_up["text"])


def days_off(calendar: object, start: str, end: str) -> list[tuple[str, str]]:
    found = analysis.read_calendar(calendar, start, end)
    assert CALENDAR_DAYS.check(found).columns == [*CALENDAR_DAYS.columns]
    return [(str(day), kind) for day, kind, _ in found.rows()]


def test_a_country_has_its_holidays_and_its_weekend():
    """Corpus Christi is one in Bavaria, and none in Berlin; in Israel people work on Sundays."""
    span = ("2026-06-03", "2026-06-07")
    weekend = [("2026-06-06", "weekend"), ("2026-06-07", "weekend")]
    assert days_off("DE-BE", *span) == weekend
    assert days_off("de-by", *span) == [("2026-06-04", "holiday"), *weekend]
    assert days_off("IL", *span) == [("2026-06-05", "weekend"), ("2026-06-06", "weekend")]
    assert analysis.read_calendar("DE", "2025-12-25", "2026-01-01")["text"].drop_nulls()[-1] == "New Year's Day"
    for code, words in (("DX", "'DX' is not a country"), ("DE-XX", "DE has no part 'XX'. Hint: BB, BE")):
        with pytest.raises(ConfigurationError, match=words):
            analysis.read_calendar(code, *span)


def test_without_the_extra_a_country_says_what_to_install(monkeypatch):
    """And a list of days needs nothing."""
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'augment-insights\[calendar\]', or name a file"):
        analysis.read_calendar("DE", "2026-06-01", "2026-06-07")
    assert days_off("2026-06-04", "2026-06-03", "2026-06-05") == [("2026-06-04", "holiday")]


def test_days_off_are_a_list_or_a_file_of_any_kind(tmp_path):
    """Saturday and Sunday come besides, unless the file has its own weekends; days outside the range are left out."""
    thursday, friday = "2026-06-04", "2026-06-05"
    week, weekend = ("2026-06-01", "2026-06-07"), [("2026-06-06", "weekend"), ("2026-06-07", "weekend")]
    given = [
        f"{thursday}, {friday}",
        [date(2026, 6, 4), friday, "2027-01-01"],
        written(tmp_path, "off.txt", f"{friday}\n\n{thursday}\n"),
        written(tmp_path, "off.csv", f"date,text\n{thursday},Party\n{friday},\n"),
        str(written(tmp_path, "off.yaml", f"- date: {thursday}\n- date: {friday}\n")),
        pl.DataFrame({"date": [date(2026, 6, 5), date(2026, 6, 4)]}),
    ]
    for calendar in given:
        assert days_off(calendar, *week) == [(thursday, "holiday"), (friday, "holiday"), *weekend]
    own = written(tmp_path, "own.csv", f"date,kind\n{thursday},weekend\n")
    assert days_off(own, *week) == [(thursday, "weekend")]
    for wrong, words in (("2026-06-31", "'2026-06-31' is not a day"), ("off.cvs", "ends in .csv or .yaml")):
        with pytest.raises(TableError, match=words):
            analysis.read_calendar(wrong, *week)
    with pytest.raises(TableError, match=r"kind='hollyday' is not a kind of day off. Hint: did you mean 'holiday'"):
        analysis.read_calendar(written(tmp_path, "own.csv", f"date,kind\n{thursday},hollyday\n"), *week)


# ---- Judging ----

RISING = [0.60, 0.61, 0.62, 0.63, 0.64, 0.65]
IN_TWO_WEEKS, IN_TEN = SUNDAY + timedelta(weeks=7), SUNDAY + timedelta(weeks=15)


@pytest.mark.parametrize(
    ("values", "value", "by", "verdict", "needed"),
    [
        (RISING, 0.65, None, "reached", None),
        (RISING, 0.70, IN_TWO_WEEKS, "behind", 0.025),
        (RISING, 0.70, IN_TEN, "on track", 0.005),
        (RISING, 0.70, SUNDAY, "behind", None),  # the day is over
        (RISING, 0.70, None, "cannot tell", None),  # there is no day
        (RISING[-4:], 0.90, IN_TWO_WEEKS, "cannot tell", 0.25 / 4),  # four weeks, so it is four weeks to the day
        ([0.60, 0.70, 0.58, 0.69, 0.61, 0.65], 0.70, IN_TWO_WEEKS, "cannot tell", 0.025),  # the interval holds it
        ([0.60, None, 0.62, 0.63, 0.64, 0.65], 0.70, IN_TWO_WEEKS, "behind", 0.025),  # a hidden week is left out
        ([None, None], 0.70, IN_TWO_WEEKS, "cannot tell", None),
    ],
)
def test_a_target_is_judged_by_the_pace_it_needs_and_the_one_measured(values, value, by, verdict, needed):
    """A point a week is too little for five points in two weeks, and enough for five in ten."""
    (row,) = analysis.on_track(weeks(values), aim(value, by), metric="adoption_rate").iter_rows(named=True)
    assert (row["verdict"], row["needed_pace"]) == (verdict, None if needed is None else pytest.approx(needed))
    known = [one for one in values if one is not None]
    assert (row["measured"], row["periods"]) == (known[-1] if known else None, len(known))
    if values == RISING:
        assert [row[name] for name in ("pace", "pace_low", "pace_high")] == pytest.approx([0.01] * 3)
    assert (row["pace"] is None) == (len(known) < 5)


def test_groups_have_their_own_target_and_pace_and_the_last_weeks_count():
    """Null is everybody; a group that was not measured is told; a week that is not complete does not count."""
    fall = weeks([0.9, *RISING[::-1]]).with_columns(team=pl.lit("Web"))
    done = pl.Series("is_complete", [True] * 6 + [False])
    ahead = weeks([*RISING, 0.1]).with_columns(done, team=pl.lit(None, pl.String))
    targets = pl.concat(
        [aim(0.8, IN_TEN), aim(0.7, IN_TEN, "Web"), aim(0.7, IN_TEN, "Wbe"), aim(9, None, metric="active_users")]
    )
    found = analysis.on_track(pl.concat([fall, ahead]), targets, metric="adoption_rate", by="team", periods=6)
    assert found.select("group", "measured", pl.col("pace").round(6), "verdict").rows() == [
        (None, 0.65, 0.01, "behind"), ("Web", 0.6, -0.01, "behind"), ("Wbe", None, None, "cannot tell"),
    ]  # fmt: skip
    ON_TRACK.check(found)
    ungrouped = targets.filter(pl.col("group").is_null()).drop("group")
    assert analysis.on_track(weeks(RISING), ungrouped, metric="adoption_rate")["verdict"].to_list() == ["behind"]
    with pytest.raises(TableError, match="'is_complete'"):
        analysis.on_track(weeks(RISING).drop("is_complete"), targets, metric="adoption_rate")
    with pytest.raises(ValueError, match="periods=4"):
        analysis.on_track(weeks(RISING), targets, metric="adoption_rate", periods=4)


def test_the_interval_is_that_of_least_squares_where_weeks_are_independent():
    """As statsmodels has it; and wider where neighbours are alike, which it does not look at."""
    zigzag = [10.0, 14, 11, 15, 12, 17, 13, 18]
    low, high = sm.OLS(zigzag, sm.add_constant(range(8))).fit().conf_int()[1]
    target = aim(100, IN_TEN, metric="active_users")
    row = analysis.on_track(weeks(zigzag, "active_users"), target, metric="active_users").row(0, named=True)
    assert [row["pace_low"], row["pace_high"]] == pytest.approx([low, high])
    alike = [10.0, 14, 17, 18, 17, 15, 13, 12]
    low, high = sm.OLS(alike, sm.add_constant(range(8))).fit().conf_int()[1]
    row = analysis.on_track(weeks(alike, "active_users"), target, metric="active_users").row(0, named=True)
    assert row["pace_high"] - row["pace_low"] > 2 * (high - low)


@pytest.mark.parametrize(("alike", "least"), [(0.0, 0.94), (0.5, 0.88)])
def test_the_interval_holds_the_true_pace_as_often_as_it_says(alike, least):
    """Of 2,000 made-up teams that do not move at all, twelve weeks each; a plain line's has .79 of them at .5."""
    chance = np.random.default_rng(7)
    values = np.zeros((2000, 40))
    for week in range(1, 40):
        values[:, week] = alike * values[:, week - 1] + chance.normal(size=2000)
    ends = [SUNDAY + timedelta(weeks=n) for n in range(12)]
    teams = [str(team) for team in range(2000) for _ in ends]
    frame = pl.DataFrame({"team": teams, "period_end": ends * 2000, "active_users": values[:, -12:].ravel()})
    targets = pl.DataFrame({"metric": "active_users", "value": 99.0, "by": [IN_TEN], "group": [teams[::12]]}).explode(
        "group"
    )
    complete = frame.with_columns(is_complete=pl.lit(value=True))
    found = analysis.on_track(complete, targets, metric="active_users", by="team")
    assert found.select((pl.col("pace_low") <= 0) & (pl.col("pace_high") >= 0)).to_series().mean() >= least


def test_a_working_day_is_what_is_left_of_a_period():
    """February 2026 has 20 days from Monday to Friday; with one off 19. A month that is not over has no rate."""
    months = pl.DataFrame({"period_start": [date(2026, 2, 1), date(2026, 3, 1)], "is_complete": [True, False]})
    table = months.with_columns(total_messages=pl.lit(190), team=pl.lit("Web"))
    calendar = analysis.read_calendar("2026-02-16", "2026-01-01", "2026-03-31")
    found = analysis.per_working_day(table, calendar, "total_messages", every="1mo")
    assert found.select("working_days", "total_messages_per_working_day").rows() == [(19, 10.0), (22, None)]
    day = pl.DataFrame({"period_start": [date(2026, 2, 14), date(2026, 2, 17)], "lines": [5, 6]})
    alone = analysis.per_working_day(day, calendar, "lines", every="1d")
    assert alone["lines_per_working_day"].to_list() == [None, 6.0]
    nothing = analysis.per_working_day(table, calendar.clear(), "total_messages", every="1mo")
    assert nothing["working_days"].to_list() == [28, 31]
    with pytest.raises(TableError, match="'messages'"):
        analysis.per_working_day(table, calendar, "messages")


def test_every_metric_that_can_be_aimed_at_has_words():
    """In the middle of a sentence."""
    assert all(words == words.strip() and words[0].islower() for words in AIMS.values())


def test_the_files_of_the_documentation_are_read(tmp_path):
    """As they stand in docs/context.md; so are the metrics of its table, all that there are."""
    text = (Path(__file__).parents[2] / "docs" / "context.md").read_text("utf-8")
    targets, events = (text.split(f"```{kind}\n")[1].split("```")[0] for kind in ("csv", "yaml"))
    assert analysis.read_targets(written(tmp_path, "targets.csv", targets)).height == 3
    assert analysis.read_events(written(tmp_path, "events.yaml", events)).height == 2
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert {name for line in rows for name in line.split("|")[1].replace("`", "").replace(" ", "").split(",")} == {
        *AIMS
    }
