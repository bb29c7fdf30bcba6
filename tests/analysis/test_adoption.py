"""Adoption: active over licensed, period by period, how far it has spread, and the roster behind it."""

import warnings
from datetime import date, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import analysis, tables
from augment_insights.analysis.intervals import kaplan_meier
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import ADOPTION_CURVE, ADOPTION_RATE, ADOPTION_STAGES, DAU, LICENSED_ADOPTION_CURVE

USERS = ["ada@x.io", "bob@x.io", "cyd@x.io", "dan@x.io"]
days_by_user = st.dictionaries(
    st.integers(1, 9).map("user{}@x.io".format), st.lists(st.integers(0, 60), min_size=1, max_size=6), min_size=1
)


def test_seats_are_the_denominator(make_activity, assert_keeps):
    """81 of 263 seats with Wilson's published interval; 49 of 49 are 1, not a 1 that lacks its last bit."""
    activity = make_activity({f"user{n}@x.io": [n % 26] for n in range(81)})
    table = analysis.adoption_rate(activity, licences=263, since=date(2026, 1, 1), as_of=date(2026, 1, 31))
    assert_keeps(table, ADOPTION_RATE)
    found = table.row(0, named=True)
    assert (found["period_start"], found["period_end"]) == (date(2026, 1, 1), date(2026, 1, 31))
    assert (found["active_users"], found["licensed_users"], found["is_complete"]) == (81, 263, True)
    rounded = [round(found[name], 4) for name in ("adoption_rate", "adoption_rate_low", "adoption_rate_high")]
    assert rounded == [0.308, 0.2553, 0.3662]
    activity = make_activity({f"user{n}@x.io": [0] for n in range(49)})
    assert analysis.adoption_rate(activity, licences=49)["adoption_rate"].to_list() == [1.0]
    several = analysis.adoption_rate(activity, licences=49, every="1d", as_of="2026-01-09")
    assert several["adoption_rate"].to_list() == [1.0, 0.0, 0.0, 0.0, 0.0]
    curve = analysis.adoption_curve(activity, licences=49, every="1d", as_of="2026-01-07")
    assert curve["seen_rate"].to_list() == [1.0] * 3


def test_an_idle_week_is_a_zero_and_the_open_one_is_flagged(make_activity):
    """A week without anybody is 0 of 4, not absent; the last week is not over."""
    table = analysis.adoption_rate(make_activity({"ada@x.io": [0, 15], "bob@x.io": [2]}), licences=4, every="1w")
    assert table.select("active_users", "adoption_rate", "is_complete").rows() == [
        (2, 0.5, True),
        (0, 0.0, True),
        (1, 0.25, False),
    ]


def test_the_roster_says_who_is_licensed_when(make_activity):
    """By hand: January has Ada and Bob (whose licence ends on the 6th), February Ada and Cyd (from the 28th)."""
    roster = pl.DataFrame(
        {
            "user": ["Ada@x.io", "bob@x.io", "cyd@x.io"],
            "licensed_from": [None, "2025-01-01", "2026-02-28"],
            "licensed_to": [None, "2026-01-06", None],
        }
    )
    activity = make_activity({"ada@x.io": [0, 40], "bob@x.io": [1]})
    table = analysis.adoption_rate(activity, licences=roster, as_of="2026-02-28")
    assert table.select("active_users", "licensed_users", "adoption_rate").rows() == [(2, 2, 1.0), (1, 2, 0.5)]


def test_strangers_do_not_count_and_are_counted(make_activity):
    """Active users without a licence would push the rate over 1: they are left out, and said."""
    roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "licensed_to": [None, date(2026, 1, 20)]})
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [30], "eve@x.io": [0]})
    with pytest.warns(DataWarning, match="1 active user not on the roster; 1 active user active in a period wi"):
        table = analysis.adoption_rate(activity, licences=roster)
    assert table.select("active_users", "licensed_users").rows() == [(1, 2), (0, 1)]
    one, two = roster_of(ada=(0, None)), make_activity({"ada@x.io": [1], "eve@x.io": [1]})
    with pytest.warns(DataWarning, match="1 active user not on the roster"):
        assert analysis.adoption_curve(two, licences=one).row(0) == (date(2026, 1, 5), 1, 1, 1, 1.0)
    with pytest.warns(DataWarning, match="1 active user not on the roster"):
        assert analysis.time_to_first_use(two, one)["at_risk_users"].to_list() == [1, 1]


def test_teams_come_from_the_roster(make_activity):
    """Each team has its own licences, in each period, also the team in which nobody is active."""
    roster = pl.DataFrame({"user": USERS, "team": ["A", "A", "B", None]})
    activity = make_activity({"ada@x.io": [0], "dan@x.io": [8]})
    table = analysis.adoption_rate(activity, licences=roster, every="1w", by="team")
    assert table.columns[:3] == ["period_start", "period_end", "team"]
    assert table.select("team", "active_users", "licensed_users").rows() == [
        *[("A", 1, 2), ("B", 0, 1), (None, 0, 1)],
        *[("A", 0, 2), ("B", 0, 1), (None, 1, 1)],
    ]


def test_seats_cannot_be_split(make_activity):
    """The users of a team over the seats of all would be a wrong rate: refused, with the way out."""
    with pytest.raises(TableError, match=r"cannot be split by 'team'.*roster"):
        analysis.adoption_rate(make_activity({"ada@x.io": [0]}), licences=9, by="team")
    roster = pl.DataFrame({"user": ["ada@x.io"], "team": ["A"]})
    with pytest.raises(TableError, match="did you mean 'team'"):
        analysis.adoption_rate(make_activity({"ada@x.io": [0]}), licences=roster, by="teams")


@pytest.mark.parametrize("question", [analysis.adoption_rate, analysis.adoption_curve])
def test_a_wrong_number_of_seats_is_refused(make_activity, question):
    """Seats are an integer, and the error names the other way, a roster."""
    activity = make_activity({"ada@x.io": [0]})
    for seats in (-1, True, 2.5, "9"):
        with pytest.raises(ValueError, match=r"not a number of seats.*read_roster"):
            question(activity, licences=seats)


def test_no_seats_no_rate(make_activity):
    """0 of 0 is null, neither 0 nor an error; more users than seats have a rate without an interval, and are said."""
    bots = make_activity({"ci": [0]}, user_type="service_account")
    table = analysis.adoption_rate(bots, licences=0).select("licensed_users", "adoption_rate", "adoption_rate_high")
    assert table.row(0) == (0, None, None)
    two = make_activity({"ada@x.io": [0], "bob@x.io": [1]})
    for seats, rate in ((0, None), (1, 2.0)):
        with pytest.warns(DataWarning, match="More active users than licences in 1 period"):
            table = analysis.adoption_rate(two, licences=seats)
        assert table.select("adoption_rate", "adoption_rate_low").row(0) == (rate, None)


def test_automation_and_empty_frames(make_activity):
    """Only automation: its period is there with nobody in it. No rows: no rows, same columns."""
    bots = make_activity({"ci": [0, 1]}, user_type="service_account")
    assert analysis.adoption_rate(bots, licences=5)["active_users"].to_list() == [0]
    assert analysis.adoption_rate(bots, licences=5, user_type="all")["active_users"].to_list() == [1]
    empty = analysis.adoption_rate(DAU.empty(), licences=pl.DataFrame({"user": ["ada@x.io"], "t": ["A"]}), by="t")
    assert empty.drop("t").equals(ADOPTION_RATE.empty())
    assert empty.columns.index("t") == 2


@given(
    st.lists(st.tuples(st.sampled_from([*USERS, "Ada@x.io"]), st.integers(0, 70)), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 70)), min_size=3, max_size=3),
)
def test_counts_are_those_of_sql(days, spans):
    """Licensed and active users of each month are those of DuckDB on the same tables; lazy or not."""

    def day(number: int) -> date:
        return date(2026, 1, 5) + timedelta(days=number)

    rows = [(day(n), user, "person") for user, n in days]
    activity = pl.DataFrame(rows, schema=["date", "user", "user_type"], orient="row")
    licences = [(user, day(min(span)), day(max(span))) for user, span in zip(USERS[:3], spans, strict=True)]
    roster = pl.DataFrame(licences, schema=["user", "licensed_from", "licensed_to"], orient="row")
    with duckdb.connect() as connection:
        connection.register("a", activity.to_arrow())
        connection.register("r", roster.to_arrow())
        expected = connection.execute(
            """
            with m as (select unnest(generate_series(date_trunc('month', (select min(date) from a)),
                       (select max(date) from a), interval 1 month))::date as p),
            l as (select p, "user" as u from m, r
                  where licensed_from < p + interval 1 month and licensed_to >= p),
            s as (select distinct date_trunc('month', date)::date as p, lower("user") as u from a)
            select m.p, (select count(*) from l join s using (p, u) where p = m.p),
                   (select count(*) from l where p = m.p) from m order by 1
            """
        ).fetchall()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # strangers are another test's
        table = analysis.adoption_rate(activity.lazy(), licences=roster.lazy())
    assert table.select("period_start", "active_users", "licensed_users").rows() == expected


def test_unused_licences_are_listed(make_activity):
    """Who has no activity, in any spelling; the roster's columns stay; a bot of that name is not the person."""
    roster = pl.DataFrame({"user": ["cyd@x.io", "ADA@x.io", "bob@x.io"], "team": ["C", "A", "B"]})
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [9]})
    assert analysis.unused_licences(activity, roster).rows() == [("cyd@x.io", "C")]
    assert analysis.unused_licences(activity.lazy(), roster.lazy(), as_of="2026-01-10").rows() == [
        ("bob@x.io", "B"),
        ("cyd@x.io", "C"),
    ]
    roster = pl.DataFrame({"user": ["ada@x.io"]})
    bots = make_activity({"ada@x.io": [0]}, user_type="service_account")
    assert analysis.unused_licences(bots, roster).rows() == [("ada@x.io",)]
    assert analysis.unused_licences(DAU.empty(), roster, user_type="all").rows() == [("ada@x.io",)]
    with pytest.raises(TableError, match="activity needs the columns 'user', 'user_type'"):
        analysis.unused_licences(pl.DataFrame({"date": [date(2026, 1, 5)]}), roster)


def test_zero_active_days_are_no_activity(make_usage):
    """A name on the API's list with 0 active days used nothing: 1 of 2 is active, and the other's licence unused."""
    usage = make_usage({"user": "ada@x.io"}, {"user": "bob@x.io", "active_days": 0})
    roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"]})
    assert analysis.adoption_rate(usage, licences=roster, every="1w")["active_users"].to_list() == [1]
    assert analysis.adoption_curve(usage, licences=roster)["cumulative_users"].to_list() == [1]
    assert analysis.unused_licences(usage, roster).rows() == [("bob@x.io",)]


def test_unused_licences_are_valid_on_the_last_day_and_always_without_a_start(make_activity):
    """Ended on the 11th or begun on the 13th is not there on the 12th, valid then alone is; no start is always."""
    roster = pl.DataFrame(
        {
            "user": ["ended", "ends", "begins", "begins later", "open"],
            "licensed_from": [None, None, date(2026, 1, 12), date(2026, 1, 13), None],
            "licensed_to": [date(2026, 1, 11), date(2026, 1, 12), None, None, None],
        }
    )
    activity = make_activity({"ada@x.io": [0, 7]})
    assert analysis.unused_licences(activity, roster)["user"].to_list() == ["begins", "ends", "open"]
    later = analysis.unused_licences(activity, roster, as_of="2026-01-13")
    assert later["user"].to_list() == ["begins", "begins later", "open"]
    roster = pl.DataFrame(
        {
            "user": ["ada@x.io"] * 2,
            "licensed_from": [None, date(2026, 1, 20)],
            "licensed_to": [date(2026, 1, 6), None],
        }
    )
    curve = analysis.adoption_curve(make_activity({"ada@x.io": [0, 16]}), licences=roster)
    assert curve["ever_licensed_users"].to_list() == [1, 1, 1]


def test_users_are_counted_when_first_seen(make_activity):
    """Who comes again adds nothing, an empty week keeps the level; who is in the look-back is in it, and not new."""
    activity = make_activity({"ada@x.io": [0, 7, 15], "bob@x.io": [1], "cyd@x.io": [16]})
    weeks = [(date(2026, 1, 5), 2, 2), (date(2026, 1, 12), 0, 2), (date(2026, 1, 19), 1, 3)]
    assert analysis.adoption_curve(activity).rows() == weeks
    assert analysis.adoption_curve(activity, lookback=7).rows() == weeks[1:]


@given(days=days_by_user, lookback=st.integers(0, 70), every=st.sampled_from(["1d", "1w", "1mo"]))
def test_the_curve_ends_with_everyone_ever_seen(make_activity, days, lookback, every):
    """Whatever looks back, the last cumulative count is all users, and it grows by the new ones."""
    activity = make_activity(days)
    table = analysis.adoption_curve(activity, every=every, lookback=lookback)
    if table.is_empty():
        return
    assert table["cumulative_users"].last() == len(days)
    assert table["cumulative_users"].diff()[1:].equals(table["new_users"][1:].rename("cumulative_users"))
    if lookback == 0:
        assert table["new_users"].sum() == len(days)


def test_seats_stand_in_every_period_of_the_curve(make_activity):
    """A number of seats is the same in all periods; no seats, no rate."""
    activity = make_activity({"ada@x.io": [0], "bob@x.io": [7]})
    assert analysis.adoption_curve(activity, licences=8).rows() == [
        (date(2026, 1, 5), 1, 1, 8, 0.125),
        (date(2026, 1, 12), 1, 2, 8, 0.25),
    ]
    assert analysis.adoption_curve(activity, licences=0).row(1) == (date(2026, 1, 12), 1, 2, 0, None)


def test_licences_of_a_roster_begin_on_their_day(make_activity):
    """Licensed users grow with the roster; a licence that ended stays counted, like its user; no licence, no rate."""
    activity = make_activity({"Ada@x.io": [0], "bob@x.io": [8], "cyd@x.io": [21]})
    roster = pl.DataFrame(
        {
            "user": ["ada@x.io", "bob@x.io", "CYD@x.io", "dan@x.io"],
            "licensed_from": [date(2026, 1, 12), date(2026, 1, 18), date(2026, 1, 26), date(2026, 1, 12)],
            "licensed_to": [date(2026, 1, 20), None, None, None],
        }
    )
    assert analysis.adoption_curve(activity, licences=roster).rows() == [
        (date(2026, 1, 5), 1, 1, 0, None),
        (date(2026, 1, 12), 1, 2, 3, 2 / 3),
        (date(2026, 1, 19), 0, 2, 3, 2 / 3),
        (date(2026, 1, 26), 1, 3, 4, 0.75),
    ]


def test_a_roster_counts_alike_in_every_question(make_activity):
    """Spaces, spellings and days as text: curve and rate find the same users; who has no date is always licensed."""
    roster = pl.DataFrame({"user": [" ADA@x.io ", "bob@x.io"], "licensed_from": ["2026-01-05", "2026-01-12"]})
    activity = make_activity({"Ada@x.io": [0, 8], "bob@x.io": [9]})
    curve = analysis.adoption_curve(activity, licences=roster)
    assert curve.rows() == [(date(2026, 1, 5), 1, 1, 1, 1.0), (date(2026, 1, 12), 1, 2, 2, 1.0)]
    rate = analysis.adoption_rate(activity, licences=roster, every="1w")
    assert rate.select("active_users", "licensed_users").rows() == [(1, 1), (2, 2)]
    undated = pl.LazyFrame({"user": ["ada@x.io", "ADA@x.io", "bob@x.io"]})
    assert analysis.adoption_curve(activity, licences=undated)["ever_licensed_users"].to_list() == [2, 2]


def test_results_keep_their_tables(make_activity, assert_keeps):
    """Columns, order and dtypes are those written down, with and without licences, team and activity."""
    activity = make_activity({"ada@x.io": [0, 30], "bob@x.io": [3]})
    assert_keeps(analysis.adoption_curve(activity), ADOPTION_CURVE)
    assert_keeps(analysis.adoption_curve(activity, licences=3), LICENSED_ADOPTION_CURVE)
    roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"]})
    assert_keeps(analysis.adoption_curve(activity, licences=roster), LICENSED_ADOPTION_CURVE)
    assert_keeps(analysis.adoption_curve(activity.clear(), licences=roster), LICENSED_ADOPTION_CURVE)
    for activity in (make_activity({"ada@x.io": [0]}), make_activity({})):
        assert_keeps(analysis.licences(roster, activity), tables.LICENCES)
    nothing = make_activity({"ADA@x.io": [0]}).with_columns(active_days=pl.lit(0))
    assert analysis.licences(roster, nothing)["status"].to_list() == ["never_used"] * 2


def roster_of(**licences: tuple[int, int | None]) -> pl.DataFrame:
    """Make a roster from ``name=(first licensed day, last or None)``, in days after the Monday."""
    rows = [
        (
            f"{name}@x.io",
            date(2026, 1, 5) + timedelta(days=start),
            None if end is None else date(2026, 1, 5) + timedelta(days=end),
        )
        for name, (start, end) in licences.items()
    ]
    schema = {"user": pl.String, "licensed_from": pl.Date, "licensed_to": pl.Date}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_time_to_first_use_by_hand(make_activity, assert_keeps):
    """Who has not started is censored at the last day, or when the licence ends; not dropped."""
    activity = make_activity({"ada@x.io": [0, 4], "BOB@x.io": [5], "zed@x.io": [10], "eve@x.io": [9]})
    roster = roster_of(ada=(0, None), bob=(2, None), cyd=(1, 4), dan=(4, None), zed=(7, None), eve=(0, 6))
    # Ada 0 days, Bob and Zed 3: started. Cyd 3 days until her licence ended, Dan 6 until the last
    # day (10). Eve's licence ended after 6 days, and her later activity is not a start in it.
    table = analysis.time_to_first_use(activity, roster)
    assert table.select("at_risk_users", "started_users").rows() == [
        (6, 1), (5, 0), (5, 0), (5, 2), (2, 0), (2, 0), (2, 0),
    ]  # fmt: skip
    # S = 5/6, and after day 3 5/6 x 3/5 = 1/2.
    assert table["started_rate"].to_list() == pytest.approx([1 / 6] * 3 + [1 / 2] * 4)
    assert (table["started_rate_low"] < table["started_rate"]).all()
    assert (table["started_rate_high"] > table["started_rate"]).all()
    assert_keeps(table, tables.TIME_TO_FIRST_USE)
    assert_keeps(analysis.time_to_first_use(activity.clear(), roster.clear()), tables.TIME_TO_FIRST_USE)
    with pytest.raises(TableError, match="time_to_first_use needs one row a user and day"):
        analysis.time_to_first_use(
            activity.select("user", "user_type", period_start="date", period_end=pl.lit(date(2026, 2, 1))), roster
        )


@given(
    days=st.dictionaries(st.integers(1, 12).map("user{}".format), st.lists(st.integers(0, 90), min_size=1)),
    licences=st.dictionaries(
        st.integers(1, 12).map("user{}".format),
        st.tuples(st.integers(0, 80), st.none() | st.integers(0, 40)),
        min_size=1,
    ),
)
def test_time_to_first_use_is_kaplan_meiers_of_each_licence(make_activity, days, licences):
    """One minus the Kaplan-Meier estimate of each licence's time, with the bounds turned round."""
    ends = {user: (start, None if length is None else start + length) for user, (start, length) in licences.items()}
    active = {f"{user}@x.io": numbers for user, numbers in days.items() if user in ends} | {"anchor@x.io": [90]}
    times = [(0, True)]
    for user, (start, end) in ends.items():
        until = 90 if end is None else min(end, 90)
        begun = min(days.get(user, [999]))
        times.append((max(begun, start) - start, True) if begun <= until else (until - start, False))
    curve = kaplan_meier(pl.DataFrame(times, schema=["days", "event"], orient="row").with_columns(group=0))
    turned = {column: 1 - pl.col(bound) for column, bound in (("rate", "rate"), ("low", "high"), ("high", "low"))}
    expected = curve.select("days", "at_risk_users", "event_users", **turned)
    table = analysis.time_to_first_use(make_activity(active), roster_of(**ends, anchor=(90, None)))
    assert table.rows() == expected.rows()


def test_two_rows_of_one_user_are_one_licence_in_any_spelling(make_activity):
    """From the earlier start, and open where one is; spaces, capitals and text for days give the tidy one's answer."""
    roster = pl.concat([roster_of(ada=(2, 4)), roster_of(Ada=(1, None))])
    table = analysis.time_to_first_use(make_activity({"ada@x.io": [9]}), roster)
    assert table.filter(pl.col("started_users") > 0).select("days", "at_risk_users").rows() == [(8, 1)]
    roster = roster_of(ada=(0, None), bob=(1, 4), cyd=(2, None))
    untidy = roster.select(
        user=" " + pl.col("user").str.to_uppercase() + " ",
        licensed_from=pl.col("licensed_from").cast(pl.String),
        licensed_to=pl.col("licensed_to").cast(pl.String).fill_null(""),
    )
    activity = make_activity({"ada@x.io": [2], "bob@x.io": [1], "cyd@x.io": [9]})
    table = analysis.time_to_first_use(activity, untidy)
    assert table.equals(analysis.time_to_first_use(activity, roster))
    assert table.filter(pl.col("started_users") > 0).select("days", "at_risk_users").rows() == [(0, 3), (2, 2), (7, 1)]


def test_a_start_before_the_licence_counts_on_its_first_day(make_activity):
    """A trial user licensed later has started after 0 days; who is licensed after the last day is in no count."""
    table = analysis.time_to_first_use(make_activity({"ada@x.io": [0, 9]}), roster_of(ada=(5, None)))
    assert table.select("days", "started_users").rows() == [(0, 1)]
    table = analysis.time_to_first_use(make_activity({"ada@x.io": [0]}), roster_of(ada=(0, None), bob=(1, None)))
    assert table["at_risk_users"].to_list() == [1]


def test_a_licence_without_a_beginning_is_warned_of(make_activity):
    """A null licensed_from has no time to first use; without the column nobody has one."""
    roster = pl.concat([roster_of(ada=(0, None)), roster_of(bob=(0, None)).with_columns(licensed_from=None)])
    with pytest.warns(DataWarning, match="1 users of the roster without licensed_from"):
        table = analysis.time_to_first_use(make_activity({"ada@x.io": [1], "bob@x.io": [1]}), roster)
    assert table["at_risk_users"].to_list() == [1, 1]
    with pytest.raises(TableError, match="roster needs the column 'licensed_from'"):
        analysis.time_to_first_use(make_activity({"ada@x.io": [1]}), roster.drop("licensed_from"))


ROSTER_OF_ALL = pl.DataFrame(
    {
        "user": ["Active", "begins", "ended", "idle", "never", "new", "new-active", "open"],
        "team": ["A"] * 4 + ["B"] * 4,
        "licensed_from": [
            "2025-01-01",
            "2026-02-01",
            "2025-01-01",
            None,
            "2026-01-17",
            "2026-01-18",
            "2026-01-30",
            None,
        ],
        "licensed_to": [None, None, "2026-01-30", "2026-01-31", None, None, None, None],
    }
)
"""With the last day 31 January: the licence of "never" is 14 days old, that of "new" 13; "ended" is over."""

SEEN_OF_ALL = {"active": [0, 26], "idle": [-4], "open": [-3], "ended": [24], "new-active": [25], "stranger": [-9, 25]}
"""Days after 5 January, which is 26 days before the last one: "idle" was last active 30 days before it, "open" 29."""


def test_each_licence_has_the_status_of_the_last_day(make_activity):
    """By hand: 29 days without activity are active, 30 idle; a licence of 13 days is new, unless it is used."""
    table = analysis.licences(ROSTER_OF_ALL, make_activity(SEEN_OF_ALL), as_of="2026-01-31", price=20)
    assert table.select("user", "team", "status", "idle_days", "cost").rows() == [
        ("Active", "A", "active", 0, 20.0),
        ("begins", "A", "not_begun", None, 0.0),
        ("ended", "A", "ended", 2, 0.0),
        ("idle", "A", "idle", 30, 20.0),
        ("never", "B", "never_used", None, 20.0),
        ("new", "B", "new", None, 20.0),
        ("new-active", "B", "active", 1, 20.0),
        ("open", "B", "active", 29, 20.0),
    ]
    assert table["last_active"][0] == date(2026, 1, 31)


def test_the_thresholds_and_the_last_day_of_licences_can_be_chosen(make_activity):
    """Activity after the last day is not known yet; idle and new are what the analyst says; no days are refused."""
    activity = make_activity(SEEN_OF_ALL)
    status = dict(
        analysis.licences(ROSTER_OF_ALL, activity, inactive_days=29, grace_days=15).select("user", "status").rows()
    )
    assert (status["open"], status["never"]) == ("idle", "new")
    earlier = analysis.licences(ROSTER_OF_ALL, activity, as_of="2026-01-30")
    assert earlier.filter(user="Active").select("status", "idle_days").row(0) == ("active", 25)
    assert earlier.filter(user="ended")["status"].item() == "active"
    for wrong in ({"inactive_days": 0}, {"grace_days": -1}):
        with pytest.raises(ValueError, match="an integer"):
            analysis.licences(ROSTER_OF_ALL, activity, **wrong)


def test_the_populations_of_a_page_add_up(make_activity):
    """By hand: five of eight licences are seen, three from 29 January on; who is not on the roster is counted too."""
    activity = make_activity(SEEN_OF_ALL)
    table = analysis.population_bridge(ROSTER_OF_ALL, activity, since="2026-01-30", as_of="2026-01-31")
    assert table.rows() == [
        ("licensed", "active", 2),
        ("licensed", "seen before", 2),
        ("licensed", "never seen", 2),
        ("licence ended or not begun", "active", 0),
        ("licence ended or not begun", "seen before", 1),
        ("licence ended or not begun", "never seen", 1),
        ("not on the roster", "active", 1),
        ("not on the roster", "seen before", 0),
    ]
    assert table.schema == tables.POPULATION_BRIDGE.schema
    licences = analysis.licences(ROSTER_OF_ALL, activity, as_of="2026-01-31")
    valid = licences.filter(~pl.col("status").is_in(["ended", "not_begun"])).height
    assert table.filter(licence="licensed")["users"].sum() == valid
    assert table.filter(pl.col("seen") != "never seen")["users"].sum() == activity["user"].n_unique()


def test_a_funnel_narrows_and_a_hidden_stage_hides_what_would_give_it_away():
    """100 licensed: 20 never came, 10 lapsed, 40 are active, 20 habitual, 10 power; no sum tells a hidden 40."""
    counts = [20, 10, 40, 20, 10]
    stages = pl.DataFrame({"status": ADOPTION_STAGES.schema["status"].categories, "users": counts}).cast(
        {"status": ADOPTION_STAGES.schema["status"]}
    )
    assert analysis.adoption_funnel(stages)["reached_users"].to_list() == [100, 80, 70, 30, 10]
    hidden = stages.with_columns(pl.when(pl.col("users") != 40).then("users").alias("users"))
    assert analysis.adoption_funnel(hidden)["reached_users"].to_list() == [None, None, None, 30, 10]


def test_licences_over_time_are_those_of_each_day():
    """Each period says what the licences of its last day say."""
    roster = pl.DataFrame({"user": ["a0", "a1", "b1", "z"], "team": ["A", "A", "B", "B"]})
    weeks = [(user, week) for week in range(4) for user in ("a0", "a1", "b1") if user != "b1" or week < 2]
    activity = pl.DataFrame(
        [
            {"user": user, "user_type": "person", "date": date(2026, 3, 2) + timedelta(weeks=week)}
            for user, week in weeks
        ]
    )
    periods = analysis.active_users(activity, every="1w", as_of="2026-03-29")
    found = analysis.licences_over_time(roster, activity, periods, inactive_days=7)
    for start, end in periods.select("period_start", "period_end").iter_rows():
        status = analysis.licences(roster, activity, as_of=end, inactive_days=7)["status"]
        unused = status.is_in(["idle", "never_used"]).sum()
        assert found.filter(period_start=start)["users"].to_list() == [4 - unused, unused]
