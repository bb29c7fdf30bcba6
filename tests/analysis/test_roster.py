"""Rosters: files as people have them, one person under several e-mails and in several teams, and who is on one side."""

import os
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from augment_insights import analysis
from augment_insights.analysis.roster import check_match
from augment_insights.analysis.roster_file import COLUMN_NAMES, MOST_BYTES
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import ROSTER, UNMATCHED

CSV = "user,team,cost_centre,licensed_from,licensed_to\nbob@x.io,Search,0042,2026-02-01,\n Ada@x.io ,Payments,0007,,\n"
ROSTER_ROWS = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "team": ["Payments", "Search"]})
FILES = Path(__file__).parents[1] / "rosters"
A, B = "ada@x.io", "bob@x.io"
TWO = [(A, "Payments"), (B, "Search")]
ZURICH = [(A, "Zürich"), (B, "Search")]


def on(day: str) -> date:
    """Return a day of 2026 from its month and day."""
    return date.fromisoformat(f"2026-{day}")


def dated(first: str, second: str) -> list[tuple[str, str, date]]:
    """Return the two licences with the days on which they begin."""
    return [(*row, on(day)) for row, day in zip(TWO, (first, second), strict=True)]


# The columns that count are user, team, licensed_from, licensed_to and aliases; options are keywords of read_roster.
READ = {
    **dict.fromkeys(["comma.csv", "semicolon.csv", "tab.tsv", "tab.txt", "bar.csv"], TWO),
    **dict.fromkeys(["sep-line.csv", "sep-line-tab.csv"], TWO),
    **dict.fromkeys(["utf8.csv", "utf8-bom.csv", "utf16-le-bom.csv", "utf16-be-bom.csv", "utf16-le.csv"], ZURICH),
    "utf32-le-bom.csv": ZURICH,
    "zero-byte.csv": [(A, "Zürich"), (B, "Search")],
    **dict.fromkeys(["utf16-be.csv", "cp1252.csv"], ZURICH),
    **dict.fromkeys(["line-ends-crlf.csv", "line-ends-cr.csv", "line-ends-mixed.csv", "no-last-line-end.csv"], TWO),
    "quoted.csv": TWO,
    "quoted-separator.csv": [(A, "Payments, EU"), (B, "Search")],
    "quoted-after-blank.csv": [(A, "Payments, EU"), (B, "Search")],
    "quoted-line-end.csv": [(A, "Data Platform"), (B, "Search")],
    "quoted-quotes.csv": [(A, 'The "A" team'), (B, "Search")],
    "quoted-empty.csv": [(A, None, None), (B, None, on("01-15"))],
    "trailing-separators.csv": TWO,
    "short-rows.csv": [(A, "Payments", None), (B, "Search", on("01-15"))],
    **dict.fromkeys(["title-rows.csv", "blank-lines.csv", "header-comment.csv", "header-case.csv"], TWO),
    **dict.fromkeys(["header-twice.csv", "header-repeated.csv", "header-unnamed.csv"], TWO),
    **dict.fromkeys(["title-like-header.csv", "rule-below-header.csv", "footer-e-mail.csv"], TWO),
    "header-only.csv": [],
    **dict.fromkeys(["email-department.csv", "entra.csv", "entra-mail.csv", "google.csv", "user-and-email.csv"], TWO),
    **dict.fromkeys(["french.csv", "spanish.csv", "japanese.csv"], TWO),
    "e-mails-only.txt": [(A,), (B,)],
    **dict.fromkeys(["padded.csv", "invisible.csv", "display-names.csv"], TWO),
    "hard-blanks.csv": [(A, "Data Platform"), (B, "Data Platform")],
    "decomposed.csv": [(A, "Zürich"), (B, "Zürich")],
    "team-numbers.csv": [(A, "7"), (B, "007")],
    "formula-text.csv": [(A, "007"), (B, "7")],
    "days-iso.csv": [(A, "Payments", on("01-15"), None), (B, "Search", on("01-05"), on("03-31"))],
    "days-with-time.csv": dated("01-15", "01-15"),
    "days-with-offset.csv": dated("01-16", "01-14"),
    "days-year-first.csv": dated("01-15", "01-16"),
    "days-none.csv": [(A, "Payments", on("01-15"), None), (B, "Search", None, None)],
    **dict.fromkeys(["total-row.csv", "total-first.csv", "filter-rows.csv", "footer.csv"], TWO),
    "blank-words.csv": [(A, None), (B, None)],
    "periods.csv": [
        (A, "Payments", date(2025, 1, 1), date(2025, 6, 30)),
        (A, "Payments", date(2025, 10, 1), None),
        (B, "Search", None, None),
    ],
    "team-change.csv": [(A, "Payments", None, on("01-31")), (A, "Search", on("02-01"), None)],
    "team-change-alias.csv": [
        (A, "Payments", None, on("01-31"), "ada@old.io"),
        (A, "Search", on("02-01"), None, "ada@old.io"),
    ],
    "aliases.csv": [(A, "Payments", "ada.byron@x.io; ada@old.io"), (B, "Search", None)],
    "proxy-addresses.csv": [(A, "Payments", "ada@x.io; ada.byron@x.io"), (B, "Search", None)],
    "lines.ndjson": TWO,
    "lines-typed.jsonl": [(A, "7", None), (B, "8", "b@x.io")],
    "parquet.parquet": TWO,
    "pattern[1].csv": TWO,
    "options.toml": [(A, "Payments", "ada.byron@x.io"), (B, "Search", None)],
    **dict.fromkeys(["workbook.xlsx", "workbook-second-sheet.xlsx", "workbook-title-total.xlsx"], TWO),
    "workbook-sheets.xlsx": [("eve@x.io", "Other")],
    "workbook-days.xlsx": dated("01-15", "01-16"),
    "workbook-numbers.xlsx": [(A, "7"), (B, "7.5")],
}
READ_AS_TOLD = [
    ("caret.csv", {"separator": "^"}, TWO),
    ("cp850.csv", {"encoding": "cp850"}, ZURICH),
    ("unusual-names.csv", {"columns": {"user": "seat holder", "team": "Chapter"}}, TWO),
    ("unusual-names.csv", {"columns": {"Seat holder": "user", "Chapter": "team"}}, TWO),
    ("german.csv", {"dates": "dd.MM.yyyy"}, dated("01-15", "01-16")),
    ("days-dotted.csv", {"dates": "%d.%m.%Y"}, dated("01-15", "01-16")),
    ("days-american.csv", {"dates": "%m/%d/%Y"}, dated("01-15", "01-03")),
    ("days-american-time.csv", {"dates": "MM/DD/YYYY"}, dated("01-15", "01-03")),
    ("days-ambiguous.csv", {"dates": "%d/%m/%Y"}, dated("04-03", "04-05")),
    ("days-year-first.csv", {"dates": "%Y%m%d"}, dated("01-15", "01-16")),
    ("days-two-digits.csv", {"dates": "%d.%m.%y"}, dated("01-15", "01-16")),
    ("days-month-names.csv", {"dates": "%d-%b-%Y"}, dated("01-15", "02-16")),
    ("workbook-sheets.xlsx", {"sheet": "2026"}, TWO),
    ("workbook-sheets.xlsx", {"sheet": 2}, TWO),
]
REFUSED = {
    "caret.csv": r"needs the column 'user'.*columns=\{'user': 'user\^team'\}",
    "unusual-names.csv": r"needs the column 'user'.*It has: Seat holder, Chapter.*columns=\{'user': 'Seat holder'\}",
    "no-users.csv": "needs the column 'user'.*It has: name, team",
    "cp850.csv": "cannot be read as utf-8 or cp1252.*encoding=",
    "undecodable.csv": "cannot be read as utf-8 or cp1252.*encoding=",
    "empty.csv": "cannot be read: it is empty",
    "quote-unclosed.csv": "cannot be read: unexpected end of data",
    "separator-unquoted.csv": "has 2 columns, and row 1 below its header has 3.*quotes",
    "days-ambiguous.csv": r"03/04/2026.*dates='%d/%m/%Y' or dates='%m/%d/%Y'",
    "days-american.csv": r"1/15/2026.*or name their form: dates='%m/%d/%Y'\.",
    "days-dotted.csv": r"15\.01\.2026 as licensed_from.*YYYY-MM-DD.*dates='%d\.%m\.%Y'\.",
    "days-two-digits.csv": r"dates='%d\.%m\.%y'\.",
    "days-both-orders.csv": "some have the month first and some the day",
    "days-month-names.csv": "15-Jan-2026.*dates=",
    "days-serial.csv": "46037.*not a day",
    "days-impossible.csv": "2026-02-30",
    "days-backward.csv": "1 licence with an end before the start: ada@x.io",
    "german.csv": r"15\.01\.2026",
    "team-contradiction.csv": "different things about one user: ada@x.io.*team_from",
    "days-american-time.csv": r"1/15/2026 12:00:00 AM.*name their form: dates='%m/%d/%Y'\.",
    "aliases-circle.csv": "lead in a circle: ada@old.io, ada@x.io",
    "lines-named-text.txt": "needs the column 'user'",
    "alias-claimed-twice.csv": "claim one alias: old@x.io",
    "lines-broken.ndjson": "line 2 is no JSON",
    "parquet-damaged.parquet": "cannot be read",
    "options-unknown.toml": "has 'seperator'.*separator",
    "workbook-without-users.xlsx": "needs the column 'user'",
    "text-named-workbook.xlsx": "its name says a workbook, and it holds text",
    "workbook-named-text.csv": "its name says text, and it holds a workbook",
    **dict.fromkeys(["workbook-damaged.xlsx", "workbook-flipped.xlsx", "workbook-protected.xlsx"], "cannot be read"),
    "workbook-bomb.xlsx": "unpacks to 400 MB, and at most 300 MB are read",
    "workbook-far-corners.xlsx": "unpacks to 17,179,869,184 cells, and at most 10,000,000 cells are read",
}
SAID = {
    "same-user-twice.csv": ([("ADA@x.io", "Payments"), TWO[1]], "Dropped 1 duplicate row"),
    "user-missing.csv": (TWO, "Dropped 1 row of the roster without a user"),
    "periods-overlapping.csv": ([(A, "Payments", date(2025, 1, 1), date(2025, 12, 31))], "Dropped 1 duplicate row"),
}


def facts_of(roster: pl.DataFrame) -> list[tuple[object, ...]]:
    """Return the columns of a roster that count, in order."""
    known = ("user", "team", "licensed_from", "licensed_to", "aliases")
    return roster.select(name for name in known if name in roster.columns).rows()


@pytest.mark.parametrize(
    ("name", "options", "expected"), [*((name, {}, rows) for name, rows in READ.items()), *READ_AS_TOLD]
)
def test_a_file_is_read_as_it_is_meant(name, options, expected):
    """Each file of one kind has one right reading, without a warning, and reading the result again changes nothing."""
    roster = analysis.read_roster(FILES / name, **options)
    assert facts_of(roster) == expected
    assert analysis.read_roster(roster).equals(roster)


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_may_be_meant_otherwise_is_refused(name):
    """The error names what was found and what to do; nothing is guessed, and no traceback of a reader comes through."""
    with pytest.raises(TableError, match=REFUSED[name]):
        analysis.read_roster(FILES / name)


@pytest.mark.parametrize("name", SAID)
def test_what_is_dropped_is_said(name):
    """Duplicates and rows without a user are left out with a warning that counts them."""
    expected, message = SAID[name]
    with pytest.warns(DataWarning, match=message):
        assert facts_of(analysis.read_roster(FILES / name)) == expected


def test_each_file_has_its_reading():
    """No file lies there without a promise."""
    told = {*READ, *REFUSED, *SAID, *(name for name, _, _ in READ_AS_TOLD), "pattern1.csv"}
    assert {path.name for path in FILES.iterdir()} == told


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("comma.csv", "2 licences, 2 teams, separator `,`"),
        ("sep-line-tab.csv", "2 licences, 2 teams, separator `tab`"),
        ("cp1252.csv", "2 licences, 2 teams, separator `,`, encoding cp1252"),
        (
            "total-first.csv",
            "2 licences, 2 teams, separator `,`, user from `Email`, team from `Department`, 2 rows left out: 2 totals or notes",  # noqa: E501 (as it is said)
        ),
        ("same-user-twice.csv", "2 licences, 2 teams, separator `,`, 1 row left out: 1 duplicate"),
        ("user-missing.csv", "2 licences, 2 teams, separator `,`, 1 row left out: 1 without a user"),
        ("periods.csv", "2 licences, 2 teams, separator `,`"),
        ("workbook-second-sheet.xlsx", "2 licences, 2 teams, sheet `People`"),
    ],
)
def test_what_was_understood_is_said_in_one_line(name, said):
    """Licences are people, not rows; what was found out, and what was left out and why."""
    assert analysis.describe_roster(FILES / name) == said


def test_what_is_no_ordinary_file_is_refused_before_it_is_read(tmp_path):
    """A pipe would be waited for and a huge file fill the memory; a folder, another ending, no file are told apart."""
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    for name, message in (
        ("pipe.csv", "no ordinary file"),
        ("folder.csv", "no ordinary file"),
        ("huge.csv", "has 50 MB, and a roster of at most 50 MB is read"),
        ("roster.ods", "ends in .csv, .parquet, .xlsx"),
        ("elsewhere/roster.csv", "no roster at"),
    ):
        with pytest.raises(TableError, match=message):
            analysis.read_roster(tmp_path / name)


def test_wrong_options_are_told(tmp_path):
    """A column, a sheet, an encoding or a separator that is none; a TOML file finds its roster beside it."""
    for name, options, message in (
        ("comma.csv", {"columns": {"user": "mail"}}, "no column 'mail'.*It has: user, team"),
        ("comma.csv", {"encoding": "utf-99"}, "encoding='utf-99' is no encoding"),
        ("comma.csv", {"separator": ";;"}, "separator=';;' is not one character"),
        ("workbook-sheets.xlsx", {"sheet": "2027"}, "no sheet '2027'. It has: 2025, 2026"),
    ):
        with pytest.raises(TableError, match=message):
            analysis.read_roster(FILES / name, **options)
    shutil.copy(FILES / "caret.csv", tmp_path)
    for text, message in (
        ('path = "a.csv"\nseparator = 1', r"wrong value: Expected .*str.* at `\$\.separator`"),
        ('path = "a.toml"', "has path = 'a.toml'"),
        ("path = ", "cannot be read: Invalid value"),
    ):
        (tmp_path / "roster.toml").write_text(text)
        with pytest.raises(TableError, match=message):
            analysis.read_roster(tmp_path / "roster.toml")
    (tmp_path / "roster.toml").write_text('path = "caret.csv"\nseparator = ";"\n')
    assert facts_of(analysis.read_roster(tmp_path / "roster.toml", separator="^")) == TWO  # a keyword wins


def test_the_usual_names_are_those_of_the_docs():
    """Each name under which a column is recognised stands in docs/rosters.md, in the row of that column."""
    text = (Path(__file__).parents[2] / "docs" / "rosters.md").read_text("utf-8")
    rows = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for ours, names in COLUMN_NAMES.items():
        assert [name for name in names if f"`{name}`" not in rows[ours]] == []


def test_a_frame_of_another_library_is_a_roster():
    """A pandas frame with a directory's names: moments are days, and the columns get our names."""
    frame = pl.DataFrame({"Email": [A], "Department": ["Payments"], "Start date": [on("01-15")]}).to_pandas()
    frame["Start date"] = frame["Start date"].astype("datetime64[ns]")
    assert facts_of(analysis.read_roster(frame)) == [(A, "Payments", on("01-15"))]


@pytest.mark.parametrize(
    "team", [pl.Series([7.0, None]), pl.Series([7, None]), pl.Series([" 7 ", None], dtype=pl.Categorical)]
)
def test_a_team_of_a_frame_is_text_as_that_of_a_file(team):
    """A number may be a team's name, with a gap besides it; categories too are trimmed."""
    assert facts_of(analysis.read_roster(pl.DataFrame({"user": [A, B], "team": team}))) == [(A, "7"), (B, None)]


def test_a_csv_is_read_as_it_is_written(tmp_path):
    """Names lose the spaces around them, codes keep their zeros, days become dates, rows are sorted."""
    path = tmp_path / "roster.csv"
    path.write_text(CSV, encoding="utf-8")
    roster = analysis.read_roster(path)
    assert roster.rows() == [
        ("Ada@x.io", "Payments", "0007", None, None),
        ("bob@x.io", "Search", "0042", date(2026, 2, 1), None),
    ]
    assert roster.schema["licensed_to"] == pl.Date
    ROSTER.check(roster)
    assert analysis.read_roster(str(path)).equals(roster)
    assert analysis.read_roster(roster).equals(roster)


def test_parquet_and_frames_are_read_alike(tmp_path):
    """A Parquet file, a DataFrame and a LazyFrame of it give the same roster; moments become days."""
    moment = pl.Series(["2026-01-31 09:00"]).str.to_datetime()
    frame = pl.DataFrame({"user": ["ada@x.io"], "licensed_from": moment, "licensed_to": [None]})
    frame.write_parquet(tmp_path / "roster.parquet")
    expected = [("ada@x.io", date(2026, 1, 31), None)]
    for source in (tmp_path / "roster.parquet", frame, frame.lazy()):
        assert analysis.read_roster(source).rows() == expected
    with pytest.raises(TableError, match=r"Int64.*licensed_from"):  # a number (an Excel serial) is not guessed at
        analysis.read_roster(pl.DataFrame({"user": ["ada@x.io"], "licensed_from": [46000]}))


def test_a_roster_is_one_row_a_user():
    """Two spellings with the same facts are one row, and said; an empty row is nothing, a row with a team is said."""
    frame = pl.DataFrame({"user": ["ada@x.io", "Ada@x.io", "bob@x.io"], "team": ["A", "A", "B"]})
    with pytest.warns(DataWarning, match="Dropped 1 duplicate row of the roster"):
        roster = analysis.read_roster(frame)
    assert roster.rows() == [("Ada@x.io", "A"), ("bob@x.io", "B")]
    frame = pl.DataFrame({"user": ["ada@x.io", None, "  "], "team": ["A", None, "B"]})
    with pytest.warns(DataWarning, match="Dropped 1 row of the roster without a user"):
        assert analysis.read_roster(frame).height == 1
    empty = pl.DataFrame(schema={"user": pl.String, "team": pl.String, "licensed_from": pl.String})
    assert analysis.read_roster(empty).schema == pl.Schema({**empty.schema, "licensed_from": pl.Date})


def test_every_row_keeps_its_place(make_usage):
    """Rows stay in their order, e-mails match in any case, and strangers of both sides are named, if they may be."""
    usage = make_usage(
        {"user": "cyd@x.io"}, {"user": "ADA@x.io"}, {"user": "bob@x.io", "user_type": "service_account"}, {"user": None}
    )
    said = (
        "1 user of the frame not on the roster (cyd@x.io); 1 user on the roster without a row in the frame (bob@x.io)."
    )
    with pytest.warns(DataWarning) as caught:
        joined = analysis.join_roster(usage, ROSTER_ROWS)
    assert [str(warning.message) for warning in caught] == [said]
    assert joined["team"].to_list() == [None, "Payments", None, None]
    assert joined.drop("team").equals(usage)
    assert analysis.join_roster(usage, ROSTER_ROWS, warn=False).equals(joined)  # warnings are errors here


def test_a_full_match_says_nothing(make_usage):
    """When both sides know each other there is no warning; lazy frames do, and results, which are of people.

    A team on both sides is not renamed behind the analyst's back.
    """
    counts = {"completions_count": 2, "completions_accepted": 1}
    usage = make_usage({"user": "ada@x.io", **counts}, {"user": "bob@x.io", **counts})
    for frame in (usage.lazy(), analysis.acceptance_rate(usage, by="user")):
        assert analysis.join_roster(frame, ROSTER_ROWS.lazy())["team"].to_list() == ["Payments", "Search"]
    with pytest.raises(TableError, match=r"both have 'team'.*frame.drop"):
        analysis.join_roster(usage.with_columns(team=pl.lit("A")), ROSTER_ROWS)


# ---- One person, several periods, teams and e-mails ----

MOVED = pl.DataFrame(
    {"user": [A, A, B], "team": ["Payments", "Search", "Search"], "team_from": [None, on("02-01"), None]},
    schema_overrides={"team_from": pl.Date},
)


def test_a_change_of_team_is_followed(make_activity):
    """Before the first of February Ada counts in Payments, from it in Search: in each function that takes teams."""
    activity = make_activity({A: [0, 40], B: [0, 40]})  # 5 January and 14 February
    assert analysis.join_roster(activity, MOVED)["team"].to_list() == ["Payments", "Search", "Search", "Search"]
    months = analysis.adoption_rate(activity, licences=MOVED, by="team").select(
        "team", "active_users", "licensed_users"
    )
    assert months.rows() == [
        ("Payments", 1, 1),
        ("Search", 1, 1),
        ("Payments", 0, 0),
        ("Search", 2, 2),
    ]
    assert analysis.licences(MOVED, activity).select("user", "team", "status").rows() == [
        (A, "Search", "active"),
        (B, "Search", "active"),
    ]
    assert analysis.join_roster(activity.select("user", "user_type"), MOVED)["team"].to_list() == ["Search"] * 4
    unused = analysis.unused_licences(activity.filter(pl.col("user") == B), MOVED)
    assert unused.select("user", "team").rows() == [(A, "Search")]
    licensed = analysis.population_bridge(MOVED, activity).filter(licence="licensed", seen="active")
    assert licensed["users"].item() == 2


def test_two_licence_periods_leave_a_gap(make_activity):
    """Licensed in January and from March on: in February she is no licence; the status is that of the last day."""
    roster = pl.DataFrame(
        {"user": [A, A], "licensed_from": ["2026-01-01", "2026-03-01"], "licensed_to": ["2026-01-31", None]}
    )
    activity = make_activity({A: [0, 40, 60]})  # 5 January, 14 February, 6 March
    with pytest.warns(DataWarning, match="1 active user active in a period without a licence"):
        months = analysis.adoption_rate(activity, licences=roster)
    assert months.select("active_users", "licensed_users").rows() == [(1, 1), (0, 0), (1, 1)]
    status = {
        day: analysis.licences(roster, activity, as_of=day)["status"].to_list() for day in ("2026-02-20", "2026-03-06")
    }
    assert status == {"2026-02-20": ["ended"], "2026-03-06": ["active"]}


def test_an_idle_licence_is_not_new_for_a_change_of_team(make_activity):
    """Whoever moved a week ago has held the licence before: without activity it is never used, and not new."""
    roster = MOVED.with_columns(
        team_from=pl.when(pl.col("team_from").is_not_null()).then(pl.lit(on("02-10"))),
        licensed_from=pl.lit(on("01-01")),
    )
    table = analysis.licences(roster, make_activity({B: [40]}))
    assert table.filter(user=A).select("team", "status").row(0) == ("Search", "never_used")


ALIASED = pl.DataFrame(
    {"user": ["ada.lovelace@x.io", B], "aliases": ["ada.byron@x.io", None], "licensed_from": [on("01-05"), on("01-05")]}
)


@pytest.mark.parametrize(
    "old",
    [
        "ada.byron@x.io",
        "ADA.BYRON@x.io ",
        "ada.lovelace+work@x.io",
        "ada.byron+1@x.io",
        "ada.lovelace_x.io#EXT#@t.example",
    ],
)
def test_a_history_goes_on_when_an_e_mail_changes(make_activity, old):
    """An alias, a tag and a guest are the person of the roster in every function that takes one."""
    activity = make_activity({old: [0], "ada.lovelace@x.io": [7], B: [7]})
    assert analysis.resolve_aliases(activity, ALIASED)["user"].n_unique() == 2
    assert analysis.resolve_aliases(activity.lazy(), ALIASED).collect()["user"][0] == "ada.lovelace@x.io"
    weeks = analysis.adoption_rate(activity, licences=ALIASED, every="1w")
    assert weeks["active_users"].to_list() == [1, 2]
    assert analysis.adoption_curve(activity, licences=ALIASED)["new_users"].to_list() == [1, 1]
    assert analysis.time_to_first_use(activity, ALIASED)["started_users"].to_list() == [1, 0, 0, 0, 0, 0, 0, 1]
    assert analysis.unmatched(ALIASED, activity).is_empty()
    assert analysis.unused_licences(activity.head(1), ALIASED)["user"].to_list() == [B]
    days = analysis.licences(ALIASED, activity, as_of="2026-01-10")["idle_days"].to_list()
    assert days == [5, None]


def test_who_is_somebody_else_stays(make_activity):
    """An e-mail that is on the roster itself is no alias by rule; automation has no tags; nobody's guest stays."""
    roster = pl.DataFrame({"user": [A, "ada+2@x.io", "c_y.io#EXT#@t.example"]})
    people = make_activity({"ada+2@x.io": [0], "c@y.io": [0], "d_y.io#EXT#@t.example": [0]})
    resolved = analysis.resolve_aliases(people, roster)["user"].to_list()
    assert resolved == ["ada+2@x.io", "c_y.io#EXT#@t.example", "d_y.io#EXT#@t.example"]
    bots = make_activity({"ada+ci@x.io": [0]}, user_type="service_account")
    assert analysis.resolve_aliases(bots, roster).equals(bots)


def test_an_e_mail_that_changed_twice_is_one_person():
    """The rows of both old e-mails become rows of the new one."""
    roster = pl.DataFrame({"user": ["c@x.io", "b@x.io", "a@x.io"], "aliases": ["b@x.io", "a@x.io", None], "team": "T"})
    with pytest.warns(DataWarning, match="2 duplicate rows"):
        read = analysis.read_roster(roster)
    assert read["user"].to_list() == ["c@x.io"]
    old = pl.DataFrame({"user": ["a@x.io", "b@x.io"]})
    assert analysis.resolve_aliases(old, read)["user"].to_list() == ["c@x.io"] * 2


# ---- Who is on one side ----


def test_those_on_one_side_are_listed(make_activity, assert_keeps):
    """Strangers from the first day on, licences of the last day without activity, and who may be whom."""
    roster = pl.DataFrame(
        {"user": [A, "bob@new.io", "cyd@x.io", "end@x.io"], "licensed_to": [None, None, None, date(2026, 1, 6)]}
    )
    activity = make_activity({"ADA@x.io": [0], "bob@old.io": [9], "eve@x.io": [8], "gone@x.io": [0]})
    table = analysis.unmatched(roster, activity, since="2026-01-06")
    assert_keeps(table, UNMATCHED)
    assert table.rows() == [
        ("active, not on the roster", "bob@old.io", date(2026, 1, 14), "bob@new.io"),
        ("active, not on the roster", "eve@x.io", date(2026, 1, 13), None),
        ("licensed, never active", "bob@new.io", None, "bob@old.io"),
        ("licensed, never active", "cyd@x.io", None, None),
    ]
    assert_keeps(analysis.unmatched(roster, activity.clear()), UNMATCHED)


def test_a_roster_of_other_people_is_refused(make_activity):
    """Of twenty people of another domain one matches: refused, with both domains; half of them, or a few, pass."""
    activity = make_activity({f"user{n}@x.io": [0] for n in range(20)})
    others = pl.DataFrame({"user": ["user0@x.io", *(f"user{n}@corp.x.io" for n in range(1, 20))]})
    with pytest.raises(
        TableError, match=r"matches fewer than a tenth of the people.*end in @corp\.x\.io.*in @x\.io.*aliases"
    ):
        check_match(others, activity)
    check_match(pl.DataFrame({"user": [f"user{n}@x.io" for n in range(10)]}), activity)
    check_match(others.head(9), activity)
