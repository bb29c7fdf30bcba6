"""Who stays, who is new, returning, back and gone, and until when: by hand, by laws, and as SQL counts."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from augment_insights import analysis
from augment_insights.analysis.intervals import kaplan_meier
from augment_insights.errors import TableError
from augment_insights.tables import COHORT_RETENTION, LIFECYCLE, RETENTION_CURVE, SURVIVAL

Days = dict[str, list[int]]

MONDAY = date(2026, 1, 5)
STATES = ["new_users", "returning_users", "resurrected_users", "dormant_users"]
STARTS = (date(2023, 12, 27), date(2024, 2, 19), date(2026, 1, 30))
days_by_user = st.dictionaries(
    st.sampled_from(["ada@x.io", "bob@x.io", "Cyd@x.io", "dan@x.io", "eve@x.io", "fay@x.io"]),
    st.lists(st.integers(0, 90), min_size=1, max_size=15),
    min_size=1,
)
KINDS = st.sampled_from(["bounded", "unbounded"])
RULES = st.sampled_from(["first", "recurring"])
UNITS = {"1d": ("day", "1 day"), "1w": ("week", "7 days"), "1mo": ("month", "1 month"), "1q": ("quarter", "3 months")}

RETENTION_SQL = """
    , p as (select distinct u, date_trunc($unit, date)::date as p from a),
    began as (select u, min(p) as c from p group by u),
    cohorts as (select u, c from began where $rule = 'first' union all select u, p from p where $rule = 'recurring'),
    grid as (select unnest(generate_series(date_trunc($unit, (select min(date) from a)),
             date_trunc($unit, $as_of::date), $step::interval))::date as p),
    cells as (select c.p as c, k.p as k, k.p + $step::interval - interval 1 day <= $as_of::date
              and c.p >= (select min(date) from a) as complete
              from grid c join grid k on k.p >= c.p)
    select cells.c, row_number() over (partition by cells.c order by k) - 1,
        (select count(*) from cohorts where cohorts.c = cells.c),
        case when complete then
            (select count(distinct cohorts.u) from cohorts join p using (u)
             where cohorts.c = cells.c and (p.p = cells.k or ($kind = 'unbounded' and p.p > cells.k)))
        end,
        complete
    from cells order by 1, 2
"""
LIFECYCLE_SQL = """
    , p as (select distinct u, date_trunc($unit, date)::date as p from a),
    seen as (select u, p, lag(p) over (partition by u order by p) as before,
             lead(p) over (partition by u order by p) as after from p),
    grid as (select unnest(generate_series(date_trunc($unit, (select min(date) from a)),
             date_trunc($unit, $as_of::date), $step::interval))::date as p)
    select grid.p,
        (select count(*) from seen where seen.p = grid.p and before is null),
        (select count(*) from seen where seen.p = grid.p and before = grid.p - $step::interval),
        (select count(*) from seen where seen.p = grid.p and before < grid.p - $step::interval),
        (select count(*) from seen where seen.p + $step::interval = grid.p and (after is null or after > grid.p)),
        (select count(*) from seen where seen.p = grid.p)
    from grid order by grid.p
"""


def matrix(table: pl.DataFrame) -> list[list[int | None]]:
    """One list a cohort: retained users by period."""
    return [cells["retained_users"].to_list() for cells in table.partition_by("cohort", maintain_order=True)]


def test_the_published_unbounded_matrix(make_activity):
    """Rolling and classic retention of recurring day cohorts, as a product-analytics suite tests them."""
    activity = make_activity({"p1": [0, 3, 4], "p2": [0, 1], "p3": [1, 2, 3], "p4": [3, 4], "p5": [4]})
    table = analysis.cohort_retention(
        activity, every="1d", kind="unbounded", cohort="recurring", as_of=date(2026, 1, 10)
    )
    assert matrix(table) == [[2, 2, 1, 1, 1, 0], [2, 1, 1, 0, 0], [1, 1, 0, 0], [3, 2, 0], [3, 0], [0]]
    activity = make_activity({"p1": [0, 1, 2, 5, 6], "p2": [1, 2, 3, 6]})
    table = analysis.cohort_retention(activity, every="1d", cohort="recurring", as_of=date(2026, 1, 15))
    assert matrix(table)[:2] == [[1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0], [2, 2, 1, 0, 1, 2, 0, 0, 0, 0]]


def test_a_cell_whose_week_is_not_over_is_null(make_activity):
    """The open week is unknown, never 0; counts stand beside each rate and its Wilson interval."""
    # Week 0: Ada and Bob; week 1: Ada, and Cyd begins; week 2 ends on its Tuesday.
    activity = make_activity({"ada@x.io": [0, 8, 14], "bob@x.io": [6], "cyd@x.io": [7, 15]})
    table = analysis.cohort_retention(activity)
    counts = table.select("cohort", "period", "cohort_users", "retained_users", "retention_rate", "is_complete")
    first, second, third = date(2026, 1, 5), date(2026, 1, 12), date(2026, 1, 19)
    assert counts.rows() == [
        (first, 0, 2, 2, 1.0, True),
        (first, 1, 2, 1, 0.5, True),
        (first, 2, 2, None, None, False),
        (second, 0, 1, 1, 1.0, True),
        (second, 1, 1, None, None, False),
        (third, 0, 0, None, None, False),
    ]
    # Wilson for 1 of 2: (1 + z²/2 ± z·sqrt(1/2 + z²/4)) / (2 + z²) with z² = 3.8415 = 0.5 ± 0.4055.
    assert table.row(1, named=True)["retention_rate_low"] == pytest.approx(0.0945, abs=5e-5)
    assert table.row(1, named=True)["retention_rate_high"] == pytest.approx(0.9055, abs=5e-5)
    assert table.filter(~pl.col("is_complete"))["retention_rate_low"].is_null().all()
    assert analysis.cohort_retention(activity, as_of="2026-01-25")["is_complete"].all()


def test_a_cut_first_week_is_no_whole_cohort(make_activity):
    """Data from a Wednesday on: that week's cohort is unknown and in no curve, unless since= covers its Monday."""
    activity = make_activity({"ada@x.io": [2, 7, 14], "bob@x.io": [7, 20]})
    for rule in ("first", "recurring"):
        cut = analysis.cohort_retention(activity, cohort=rule)
        assert cut.filter(cohort=MONDAY).select("retained_users", "is_complete").rows() == [(None, False)] * 3
        assert cut.filter(cohort=date(2026, 1, 12))["is_complete"].all()
    curve = analysis.retention_curve(analysis.cohort_retention(activity))
    assert curve.select("cohorts", "eligible_users", "retained_users").rows() == [(1, 1, 1), (1, 1, 1)]
    whole = analysis.cohort_retention(activity, since=MONDAY)
    assert matrix(whole) == [[1, 1, 1], [1, 1], [0]]
    later = analysis.cohort_retention(activity, since="2026-01-12")  # rows before it do not count
    assert matrix(later) == [[2, 2], [0]]


def test_n_day_retention_counts_from_each_users_own_start(make_activity):
    """Ada begins on Monday and Bob on Sunday: both are back on their day 1 and day 7, whatever the week is called."""
    activity = make_activity({"ada@x.io": [0, 1, 7, 9], "bob@x.io": [6, 7, 13], "cyd@x.io": [7]})
    table = analysis.cohort_retention(activity, kind="n_day", as_of="2026-01-19", periods=9)
    # The last day is day 14. Who began on day 6 has reached day 8, and not day 9.
    first = table.filter(cohort=MONDAY)
    assert first["cohort_users"].to_list() == [2] * 10
    assert first["retained_users"].to_list() == [2, 2, 0, 0, 0, 0, 0, 2, 0, None]
    assert table.filter(cohort=date(2026, 1, 12)).select("period", "retained_users").rows()[:2] == [(0, 1), (1, 0)]
    assert table.filter(cohort=date(2026, 1, 12))["period"].to_list() == list(range(8))
    # Day 13 is Sunday: of the second week's cohort it is known who came a day later, on day 14 at the latest.
    assert table.filter(cohort=date(2026, 1, 12))["is_complete"].to_list() == [True, True, *[False] * 6]
    days = {"every": "1d", "lookback": 1, "as_of": "2026-01-19"}
    assert analysis.cohort_retention(activity, kind="n_day", **days).equals(
        analysis.cohort_retention(activity, kind="bounded", **days)
    )
    with pytest.raises(ValueError, match="cohort='recurring' has none"):
        analysis.cohort_retention(activity, kind="n_day", cohort="recurring")
    weekly = activity.select("user", "user_type", period_start="date", period_end=pl.col("date").dt.offset_by("1d"))
    with pytest.raises(TableError, match="one row a user and day"):
        analysis.cohort_retention(weekly, kind="n_day")


def test_a_cohort_nobody_joined_has_no_rate(make_activity):
    """0 of 0 is null: an empty week is a row of the matrix, and no 0 % of it."""
    table = analysis.cohort_retention(make_activity({"ada@x.io": [0, 13]}), as_of="2026-01-18")
    assert table.row(-1, named=True) == {
        "cohort": date(2026, 1, 12), "period": 0, "cohort_users": 0, "retained_users": 0, "retention_rate": None,
        "retention_rate_low": None, "retention_rate_high": None, "is_complete": True,
    }  # fmt: skip


def test_whoever_is_seen_in_the_look_back_is_one_cohort_on_request(make_activity):
    """Period 0 is all of the look-back, also for who was not there in its last week; newcomers are in none of it."""
    # The look-back is weeks 0 and 1: Ada, Bob and Cyd are there. Week 2: Ada, and Dan begins. Week 3: Ada, Cyd, Dan.
    activity = make_activity({"ada@x.io": [0, 8, 14, 21], "bob@x.io": [6], "cyd@x.io": [7, 27], "dan@x.io": [15, 22]})
    expected = {"bounded": [3, 1, 2], "unbounded": [3, 2, 2]}
    for kind, retained in expected.items():
        table = analysis.cohort_retention(activity, cohort="existing", kind=kind, lookback=14)
        assert table["cohort"].unique().to_list() == [date(2026, 1, 12)]
        assert table.select("period", "cohort_users", "retained_users").rows() == [
            (period, 3, users) for period, users in enumerate(retained)
        ]
        COHORT_RETENTION.check(table)
    alone = analysis.cohort_retention(activity.head(1), cohort="existing", lookback=14, as_of=date(2026, 1, 18))
    assert matrix(alone) == [[1]]
    with pytest.raises(ValueError, match="needs lookback="):
        analysis.cohort_retention(activity, cohort="existing")


@given(days=days_by_user, kind=KINDS, lookback=st.integers(1, 40), every=st.sampled_from(["1d", "1w", "1mo"]))
def test_the_existing_and_the_new_are_everybody(make_activity, days, kind, lookback, every):
    """A user is seen in the look-back, or in one first cohort: together as many as there are, and nobody twice."""
    activity = make_activity(days)
    asked = {"kind": kind, "lookback": lookback, "every": every, "as_of": activity["date"].max()}
    existing = analysis.cohort_retention(activity, cohort="existing", **asked).filter(pl.col("period") == 0)
    new = analysis.cohort_retention(activity, cohort="first", **asked).filter(pl.col("period") == 0)
    assert existing["cohort_users"].sum() + new["cohort_users"].sum() == len({name.lower() for name in days})


def test_months_are_cohorts_too(make_activity):
    """29 February 2024 is in the month after 31 January; 31 December and 1 January are one ISO week."""
    activity = make_activity({"ada@x.io": [30, 59, 60]}, start=date(2024, 1, 1))
    table = analysis.cohort_retention(activity, every="1mo", since="2024-01-01", as_of="2024-03-31")
    assert matrix(table) == [[1, 1, 1], [0, 0], [0]]
    activity = make_activity({"ada@x.io": [0, 7], "bob@x.io": [1]}, start=date(2025, 12, 31))
    table = analysis.cohort_retention(activity, since="2025-12-29", as_of="2026-01-11")
    assert table["cohort"].unique().sort().to_list() == [date(2025, 12, 29), date(2026, 1, 5)]
    assert matrix(table) == [[2, 1], [0]]


def test_periods_limits_how_far_cohorts_are_shown(make_activity):
    """periods=1 shows each cohort's own period and one more, and changes none of the cells."""
    activity = make_activity({"ada@x.io": [0, 1, 3, 4], "bob@x.io": [1, 4]})
    for kind in ("bounded", "unbounded"):
        for cohort in ("first", "recurring"):
            whole = analysis.cohort_retention(activity, every="1d", kind=kind, cohort=cohort)
            some = analysis.cohort_retention(activity, every="1d", kind=kind, cohort=cohort, periods=1)
            assert some.equals(whole.filter(pl.col("period") <= 1))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"kind": "bound"}, "did you mean 'bounded'"),
        ({"cohort": "firsts"}, "did you mean 'first'"),
        ({"periods": -1}, "periods=-1 is not an integer >= 0"),
        ({"every": "1y"}, "is not a period"),
        *(({"lookback": days}, r"lookback=.* is not an integer >= 0") for days in (-1, 1.5, "28d", True)),
    ],
)
def test_an_unknown_choice_is_refused(make_activity, choice, message):
    """A mistyped word says what is known; a look-back is a number of days."""
    with pytest.raises(ValueError, match=message):
        analysis.cohort_retention(make_activity({"ada@x.io": [0]}), **choice)


def test_users_at_the_head_are_in_no_cohort_after_a_lookback(make_activity):
    """Whoever is seen in the look-back is existing; without one the same window calls them new."""
    activity = make_activity({"ada@x.io": [0, 14, 21], "bob@x.io": [15, 21], "cyd@x.io": [13, 20]})
    window = activity.filter(pl.col("date") >= date(2026, 1, 19))
    assert analysis.cohort_retention(window, as_of="2026-02-01")["cohort_users"].to_list() == [3, 3, 0]
    table = analysis.cohort_retention(activity, lookback=14, as_of="2026-02-01")
    assert table["cohort"].to_list() == [date(2026, 1, 19), date(2026, 1, 19), date(2026, 1, 26)]
    assert matrix(table) == [[1, 1], [0]]


def test_recurring_cohorts_after_a_lookback_hold_everyone_active(make_activity):
    """A recurring cohort is who is active in its period, existing or new; only its periods are hidden."""
    activity = make_activity({"ada@x.io": [0, 7, 14], "bob@x.io": [8]})
    for kind in ("bounded", "unbounded"):
        whole = analysis.cohort_retention(activity, cohort="recurring", kind=kind)
        later = whole.filter(pl.col("cohort") >= date(2026, 1, 12))
        assert analysis.cohort_retention(activity, cohort="recurring", kind=kind, lookback=7).equals(later)


def test_a_lookback_that_ends_within_a_week_begins_cohorts_there(make_activity):
    """A user first seen after the look-back's last day is new, also in the week it ends in: that cohort is cut."""
    activity = make_activity({"ada@x.io": [0, 11], "bob@x.io": [10, 14], "cyd@x.io": [11, 14]})
    table = analysis.cohort_retention(activity, lookback=11, as_of="2026-01-25")
    assert table.select("cohort", "cohort_users", "retained_users").rows() == [
        (date(2026, 1, 12), 1, None),
        (date(2026, 1, 12), 1, None),
        (date(2026, 1, 19), 0, 0),
    ]


def test_one_long_row_can_look_back():
    """A report's shape: one row of 90 days tells who existed, clipped weekly rows tell the rest."""
    rows = [
        (date(2025, 10, 3), date(2025, 12, 31), "ada@x.io"),
        (date(2026, 1, 1), date(2026, 1, 4), "ADA@x.io"),
        (date(2026, 1, 1), date(2026, 1, 4), "bob@x.io"),
        (date(2026, 1, 5), date(2026, 1, 11), "bob@x.io"),
        (date(2026, 1, 5), date(2026, 1, 11), "ada@x.io"),
    ]
    activity = pl.DataFrame(rows, schema=["period_start", "period_end", "user"], orient="row").with_columns(
        user_type=pl.lit("person")
    )
    table = analysis.cohort_retention(activity, lookback=90)
    assert table.select("cohort", "period", "cohort_users", "retained_users").rows() == [
        (date(2025, 12, 29), 0, 1, None),  # the look-back ends on Wednesday 31 December: the week is cut
        (date(2025, 12, 29), 1, 1, None),
        (date(2026, 1, 5), 0, 0, 0),
    ]
    with pytest.raises(TableError, match="spans 2025-10-03 to 2025-12-31"):
        analysis.cohort_retention(activity)


@given(
    days=days_by_user,
    start=st.sampled_from(STARTS),
    every=st.sampled_from(sorted(UNITS)),
    kind=KINDS,
    cohort=RULES,
    more=st.integers(0, 9),
)
def test_retention_is_what_sql_counts(make_activity, ask_duckdb, days, start, every, kind, cohort, more):
    """Every cell of every kind and rule equals DuckDB's, by counting distinct users of joined periods."""
    activity = make_activity(days, start=start)
    as_of = activity["date"].max() + timedelta(days=more)
    unit, step = UNITS[every]
    expected = ask_duckdb(activity, RETENTION_SQL, unit=unit, step=step, as_of=as_of, kind=kind, rule=cohort)
    table = analysis.cohort_retention(activity, every=every, kind=kind, cohort=cohort, as_of=as_of)
    counts = ["cohort", "period", "cohort_users", "retained_users", "is_complete"]
    assert table.select(counts).rows() == expected


@given(days=days_by_user, every=st.sampled_from(["1d", "1w"]), cohort=RULES, lookback=st.integers(0, 40))
def test_the_laws_of_retention(make_activity, days, every, cohort, lookback):
    """All are retained in period 0; unbounded is never below bounded and never rises."""
    activity = make_activity(days)
    bounded, unbounded = (
        analysis.cohort_retention(activity, every=every, kind=kind, cohort=cohort, lookback=lookback)
        for kind in ("bounded", "unbounded")
    )
    for table in (bounded, unbounded):
        own = table.filter(pl.col("period") == 0, pl.col("is_complete"))
        assert own["cohort_users"].equals(own["retained_users"])
        assert (table["retained_users"] <= table["cohort_users"]).all()
    assert bounded["cohort_users"].equals(unbounded["cohort_users"])
    assert (unbounded["retained_users"] >= bounded["retained_users"]).all()
    assert (unbounded.select(pl.col("retained_users").diff().over("cohort")).to_series().drop_nulls() <= 0).all()


@given(days=days_by_user, lookback=st.integers(0, 60))
def test_cohorts_and_lifecycle_agree(make_activity, days, lookback):
    """A cohort's users are the new users of its week, whatever the look-back."""
    activity = make_activity(days)
    cohorts = analysis.cohort_retention(activity, lookback=lookback, periods=0)
    weeks = analysis.lifecycle(activity, lookback=lookback)
    assert cohorts.select(period_start="cohort", new_users="cohort_users").equals(
        weeks.select("period_start", "new_users")
    )


@given(days=days_by_user, teams=st.lists(st.sampled_from(["red", "blue", None]), min_size=90, max_size=90), kind=KINDS)
def test_each_group_has_the_retention_it_has_alone(make_activity, days, teams, kind):
    """by= gives each group's rows what the group alone gives, on the weeks of the whole table."""
    activity = make_activity({**days, "zoe@x.io": [0, 90]})
    activity = activity.with_columns(team=pl.Series(teams[: activity.height]))
    for cohort in ("first", "recurring"):
        table = analysis.cohort_retention(activity, kind=kind, cohort=cohort, by="team")
        for team in activity["team"].unique():
            alone = activity.filter(pl.col("team").eq_missing(team))
            covered = {"since": activity["date"].min(), "as_of": activity["date"].max()}
            expected = analysis.cohort_retention(alone, kind=kind, cohort=cohort, **covered)
            assert table.filter(pl.col("team").eq_missing(team)).drop("team").equals(expected)


def test_results_keep_their_tables(make_activity, assert_keeps):
    """Columns, order and dtypes are those written down, with and without groups; no users, no survival."""
    activity = make_activity({"ada@x.io": [0, 30], "bob@x.io": [3]}).with_columns(team=pl.lit("red"))
    cohorts = analysis.cohort_retention(activity, by="team")
    assert_keeps(analysis.cohort_retention(activity), COHORT_RETENTION)
    assert_keeps(cohorts, COHORT_RETENTION, by=["team"], before="cohort_users")
    assert_keeps(analysis.retention_curve(cohorts), RETENTION_CURVE)
    assert_keeps(analysis.retention_curve(cohorts, by="team"), RETENTION_CURVE, by=["team"], before="cohorts")
    assert_keeps(analysis.lifecycle(activity), LIFECYCLE)
    assert_keeps(analysis.lifecycle(activity, by="team"), LIFECYCLE, by=["team"], before="new_users")
    assert_keeps(analysis.survival(activity), SURVIVAL)
    assert_keeps(analysis.survival(activity, by="team"), SURVIVAL, by=["team"], before="at_risk_users")
    assert_keeps(analysis.survival(activity.clear()), SURVIVAL)


def test_the_curve_is_a_ratio_of_sums_over_cohorts_that_got_there(make_activity):
    """Weeks of 2 and 1 users: 2 of 3 after a week, then the first alone; by= keeps groups apart, else they add up."""
    activity = make_activity({"ada@x.io": [0, 8, 14], "bob@x.io": [6], "cyd@x.io": [7, 15]})
    curve = analysis.retention_curve(analysis.cohort_retention(activity, as_of="2026-01-25"))
    counts = curve.select("period", "cohorts", "eligible_users", "retained_users")
    assert counts.rows() == [(0, 2, 3, 3), (1, 2, 3, 2), (2, 1, 2, 1)]
    assert curve["retention_rate"].to_list() == pytest.approx([1, 2 / 3, 1 / 2])
    open_week = analysis.retention_curve(analysis.cohort_retention(activity))
    assert open_week.select("period", "cohorts", "eligible_users", "retained_users").rows() == [
        (0, 2, 3, 3),
        (1, 1, 2, 1),
    ]
    activity = make_activity({"ada@x.io": [0, 7], "bob@x.io": [0]}).with_columns(team=pl.Series(["red", "red", "blue"]))
    cohorts = analysis.cohort_retention(activity, by="team", as_of="2026-01-18")
    apart = analysis.retention_curve(cohorts, by="team").filter(pl.col("period") == 1)
    assert apart.select("team", "retained_users", "eligible_users").rows() == [("blue", 0, 1), ("red", 1, 1)]
    together = analysis.retention_curve(cohorts).filter(pl.col("period") == 1)
    assert together.select("cohorts", "retained_users", "eligible_users").row(0) == (1, 1, 2)
    assert together.equals(analysis.retention_curve(analysis.cohort_retention(activity, as_of="2026-01-18"))[1:2])


def test_the_curve_is_lazy_when_asked_lazily(make_activity):
    """Nothing must be counted first: lazy in, lazy out, the same answer. Another table is refused."""
    cohorts = analysis.cohort_retention(make_activity({"ada@x.io": [0, 8]}))
    lazy = analysis.retention_curve(cohorts.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(analysis.retention_curve(cohorts))
    assert analysis.retention_curve(cohorts.clear()).schema == RETENTION_CURVE.schema
    with pytest.raises(TableError, match="cohort_retention needs the columns"):
        analysis.retention_curve(make_activity({"ada@x.io": [0]}))


def test_one_user_through_all_states(make_activity):
    """The published example: active on days 9, 11, 12, 13, 15, 17, 18 and 19 of 9 to 19."""
    activity = make_activity({"ada@x.io": [9, 11, 12, 13, 15, 17, 18, 19]}, start=date(2026, 1, 1))
    table = analysis.lifecycle(activity, every="1d")
    days = {state: [n + 9 for n, users in enumerate(table[state]) if users] for state in STATES}
    assert days == {
        "new_users": [9],
        "returning_users": [12, 13, 18, 19],
        "resurrected_users": [11, 15, 17],
        "dormant_users": [10, 14, 16],
    }


def test_a_week_of_each_kind_and_one_without_anyone(make_activity):
    """Ada in weeks 0 and 1, Bob in 0 and 3, Cyd in 2; an empty week has a row, and users fall dormant once."""
    activity = make_activity({"ada@x.io": [0, 2, 7], "bob@x.io": [1, 21], "cyd@x.io": [16]})
    assert analysis.lifecycle(activity).rows() == [
        (date(2026, 1, 5), 2, 0, 0, 0, 2, True),
        (date(2026, 1, 12), 0, 1, 0, 1, 1, True),
        (date(2026, 1, 19), 1, 0, 0, 1, 1, True),
        (date(2026, 1, 26), 0, 0, 1, 1, 1, False),
    ]
    table = analysis.lifecycle(make_activity({"ada@x.io": [0]}), as_of="2026-01-25")
    assert table["active_users"].to_list() == [1, 0, 0]
    assert table["dormant_users"].to_list() == [0, 1, 0]


@given(days=days_by_user, start=st.sampled_from(STARTS), every=st.sampled_from(sorted(UNITS)), more=st.integers(0, 9))
def test_lifecycle_is_what_sql_counts(make_activity, ask_duckdb, days, start, every, more):
    """Every state of every period equals DuckDB's, by lag and lead over each user's periods."""
    activity = make_activity(days, start=start)
    as_of = activity["date"].max() + timedelta(days=more)
    unit, step = UNITS[every]
    expected = ask_duckdb(activity, LIFECYCLE_SQL, unit=unit, step=step, as_of=as_of)
    assert analysis.lifecycle(activity, every=every, as_of=as_of).drop("is_complete").rows() == expected


@given(days=days_by_user, every=st.sampled_from(sorted(UNITS)), lookback=st.integers(0, 60))
def test_the_identities_hold(make_activity, days, every, lookback):
    """Active = new + returning + resurrected, and active changes by new + resurrected - dormant."""
    table = analysis.lifecycle(make_activity(days), every=every, lookback=lookback)
    new, returning, resurrected, dormant = (table[state] for state in STATES)
    assert (table["active_users"] == new + returning + resurrected).all()
    change = table["active_users"].diff()
    assert ((new + resurrected - dormant)[1:] == change[1:]).all()


@given(days=days_by_user, weeks=st.integers(0, 12))
def test_a_lookback_hides_periods_and_changes_none(make_activity, days, weeks):
    """With a look-back of whole weeks, the weeks after it are those of the whole history."""
    activity = make_activity({**days, "zoe@x.io": [0]})
    whole = analysis.lifecycle(activity)
    assert analysis.lifecycle(activity, lookback=7 * weeks).equals(whole.slice(weeks))


def test_users_at_the_head_are_not_new_after_a_lookback(make_activity):
    """With a look-back only who really begins is new; if all of the data only looks back, nothing is shown."""
    activity = make_activity({"ada@x.io": [0, 28], "bob@x.io": [21, 28], "cyd@x.io": [29]})
    window = activity.filter(pl.col("date") >= date(2026, 2, 2))
    assert analysis.lifecycle(window).row(0) == (date(2026, 2, 2), 3, 0, 0, 0, 3, False)
    assert analysis.lifecycle(activity, lookback=28).rows() == [(date(2026, 2, 2), 1, 1, 1, 0, 3, False)]
    assert analysis.lifecycle(make_activity({"ada@x.io": [0, 5]}), lookback=6).is_empty()
    assert analysis.lifecycle(make_activity({"ada@x.io": [0, 5]}), lookback=5).height == 1


def test_a_lookback_may_end_within_a_week(make_activity):
    """Then the week is shown from there on; its earlier days count to the week before."""
    # The look-back is Monday 5 to Thursday 15 January; Friday 16 is in the week of Monday 12.
    activity = make_activity({"ada@x.io": [8, 11], "bob@x.io": [9, 14], "cyd@x.io": [12], "dan@x.io": [0, 13]})
    assert analysis.lifecycle(activity, lookback=11).rows() == [
        # Ada (Tuesday 13, Friday 16) returns, Cyd is new, Dan was here in the week before; Bob is silent.
        (date(2026, 1, 12), 1, 2, 0, 1, 3, False),
        (date(2026, 1, 19), 0, 0, 1, 3, 1, False),
    ]


def period_rows(*rows: tuple[date, date, str]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["period_start", "period_end", "user"], orient="row").with_columns(
        user_type=pl.lit("person")
    )


def test_weekly_rows_give_the_weeks_that_daily_rows_give(make_activity):
    """The states of weeks need no days: rows of weeks, clipped at the range's ends, give the same table."""
    daily = make_activity({"ada@x.io": [3, 7, 22], "bob@x.io": [4, 21], "cyd@x.io": [16]})
    monday = pl.col("date").dt.truncate("1w")
    first, last = daily["date"].min(), daily["date"].max()
    weekly = daily.select(
        "user",
        "user_type",
        period_start=pl.max_horizontal(monday, pl.lit(first)),
        period_end=pl.min_horizontal(monday.dt.offset_by("6d"), pl.lit(last)),
    ).unique()
    assert analysis.lifecycle(weekly).equals(analysis.lifecycle(daily))


def test_a_coarse_lookback_tells_who_is_new_and_no_more():
    """Who is in a row of 90 days is not new; active the week before nobody knows, unless the row ends before it."""
    activity = period_rows(
        (date(2025, 10, 7), date(2026, 1, 4), "ada@x.io"),
        (date(2026, 1, 5), date(2026, 1, 11), "ada@x.io"),
        (date(2026, 1, 5), date(2026, 1, 11), "bob@x.io"),
        (date(2026, 1, 12), date(2026, 1, 18), "ada@x.io"),
    )
    assert analysis.lifecycle(activity, lookback=90).rows() == [
        (date(2026, 1, 5), 1, None, None, None, 2, True),
        (date(2026, 1, 12), 0, 1, 0, 1, 1, True),
    ]
    activity = period_rows(
        (date(2025, 10, 7), date(2025, 12, 20), "ada@x.io"),
        (date(2025, 12, 29), date(2026, 1, 4), "bob@x.io"),
        (date(2026, 1, 5), date(2026, 1, 11), "ada@x.io"),
    )
    assert analysis.lifecycle(activity, lookback=90).rows() == [(date(2026, 1, 5), 0, 0, 1, 1, 1, True)]


def test_a_month_across_the_look_backs_end_is_nobodys_first():
    """The look-back ends on 14 February: who has a row of all February may have been there before, and is not new."""
    activity = period_rows(
        (date(2026, 1, 1), date(2026, 1, 31), "ada@x.io"),
        (date(2026, 2, 1), date(2026, 2, 28), "ada@x.io"),
        (date(2026, 2, 1), date(2026, 2, 28), "bob@x.io"),
        (date(2026, 3, 1), date(2026, 3, 31), "bob@x.io"),
        (date(2026, 3, 1), date(2026, 3, 31), "cyd@x.io"),
    )
    assert analysis.lifecycle(activity, every="1mo", lookback=45).rows() == [
        (date(2026, 2, 1), 0, None, None, None, 2, False),
        (date(2026, 3, 1), 1, 1, 0, 1, 2, True),
    ]
    cohorts = analysis.cohort_retention(activity, every="1mo", lookback=45, periods=0)
    assert cohorts["cohort_users"].to_list() == [0, 1]
    curve = analysis.adoption_curve(activity, every="1mo", lookback=45)
    assert curve.select("new_users", "cumulative_users").rows() == [(0, 2), (1, 3)]


def test_coarse_rows_are_refused_where_they_would_be_shown():
    """A row of 90 days cannot stand for a week; one that as_of leaves out refuses nothing."""
    coarse = period_rows((date(2025, 10, 7), date(2026, 1, 4), "ada@x.io"))
    with pytest.raises(TableError, match="every='1w' cannot be answered from a row that spans 2025-10-07"):
        analysis.lifecycle(coarse)
    activity = period_rows(
        (date(2026, 1, 5), date(2026, 1, 11), "ada@x.io"), (date(2026, 1, 12), date(2026, 3, 31), "ada@x.io")
    )
    assert analysis.lifecycle(activity, as_of="2026-01-11")["active_users"].to_list() == [1]


def test_groups_have_lives_of_their_own(make_activity):
    """by= follows a user in each group: new in a team with the first activity in it."""
    activity = make_activity({"ada@x.io": [0, 7, 14]}).with_columns(team=pl.Series(["red", "blue", "red"]))
    table = analysis.lifecycle(activity, by="team")
    assert table.select("team", *STATES).rows() == [
        ("blue", 0, 0, 0, 0), ("red", 1, 0, 0, 0),
        ("blue", 1, 0, 0, 0), ("red", 0, 0, 0, 1),
        ("blue", 0, 0, 0, 1), ("red", 0, 0, 1, 0),
    ]  # fmt: skip


def test_survival_by_hand(make_activity):
    """Gaps of 3 days: one lapses on day 1, one on day 4, two are followed on, one began too late; weeks are refused."""
    activity = make_activity(
        {"ada@x.io": [0], "bob@x.io": [2, 5, 9], "cyd@x.io": [6, 9], "dan@x.io": [0, 3, 6], "eve@x.io": [7]}
    )
    # The last day is day 9, so a gap of 3 that begins after day 6 cannot be told: all are followed to day 6.
    # Ada: silent from day 1 on, lapsed after 1 day. Bob: 6, 7 and 8 are silent, lapsed on day 6, 4 days after
    # his first. Cyd begins on day 6 and is followed for 0 days. Dan is followed for 6: what begins on day 7 is
    # not seen. Eve began after day 6 and is not in it. S(1) = 2/3 (Ada, Bob, Dan at risk); S(4) = 2/3 x 1/2.
    table = analysis.survival(activity, inactive_days=3)
    assert table["at_risk_users"].to_list() == [4, 3, 2, 2, 2, 1, 1]
    assert [day for day, users in enumerate(table["lapsed_users"]) if users] == [1, 4]
    assert table["survival_rate"].to_list() == pytest.approx([1, *[2 / 3] * 3, *[1 / 3] * 3])
    weekly = make_activity({"ada@x.io": [0]}).select(
        "user", "user_type", period_start="date", period_end=pl.col("date").dt.offset_by("6d")
    )
    with pytest.raises(TableError, match="survival needs one row a user and day"):
        analysis.survival(weekly)
    with pytest.raises(ValueError, match="inactive_days=0"):
        analysis.survival(make_activity({"ada@x.io": [0]}), inactive_days=0)


@pytest.mark.parametrize(("last", "at_risk", "lapsed"), [(27, [], 0), (28, [1], 0), (29, [1, 1], 1), (60, [1, 1], 1)])
def test_nobody_is_followed_into_the_last_days(make_activity, last, at_risk, lapsed):
    """Active on day 0 only: followed to the last day minus 28, and a lapse on day 1 once that is followed."""
    table = analysis.survival(make_activity({"ada@x.io": [0]}), as_of=MONDAY + timedelta(days=last))
    assert table["at_risk_users"].to_list() == at_risk
    assert table["lapsed_users"].sum() == lapsed


def test_newcomers_are_those_whom_the_look_back_does_not_have(make_activity):
    """Ada was there before, in another spelling and a row of weeks; Bob began: the curve is Bob's alone."""
    range_days = make_activity({"ada@x.io": [28], "bob@x.io": [28, 35]})
    before = pl.DataFrame({"user": ["ADA@x.io"], "user_type": ["person"], "period_start": [MONDAY]})
    activity = pl.concat(
        [
            before.with_columns(period_end=pl.lit(MONDAY + timedelta(days=27))),
            range_days.with_columns(pl.col("user_type").cast(pl.String)).select(
                "user", "user_type", period_start="date", period_end="date"
            ),
        ]
    )
    asked = {"inactive_days": 3, "as_of": MONDAY + timedelta(days=40)}
    table = analysis.survival(activity, lookback=28, **asked)
    assert table.select("at_risk_users", "lapsed_users").rows() == [(1, 0), (1, 1)]
    assert table.equals(analysis.survival(range_days.filter(pl.col("user") == "bob@x.io"), **asked))
    with pytest.raises(TableError, match="survival needs one row a user and day"):
        analysis.survival(activity, lookback=27, **asked)


def test_each_group_has_a_curve_and_few_have_no_interval(make_activity):
    """Of 12 red users 4 leave at once and 3 after a week; under ten at risk there is no interval."""
    days = {f"red{n}@x.io": [0] if n < 4 else [0, 7] if n < 7 else [0, 7, 14, 20] for n in range(12)}
    activity = make_activity({**days, "blue@x.io": [3]})
    activity = activity.with_columns(
        team=pl.when(pl.col("user") == "blue@x.io").then(pl.lit("blue")).otherwise(pl.lit("red"))
    )
    table = analysis.survival(activity, inactive_days=7, by="team", as_of=MONDAY + timedelta(days=20))
    red = table.filter(team="red").drop("team")
    assert red.equals(
        analysis.survival(activity.filter(team="red"), inactive_days=7, as_of=MONDAY + timedelta(days=20))
    )
    assert red["at_risk_users"].to_list() == [12, 12, *[8] * 7, *[5] * 5]
    assert red["survival_rate"].to_list() == pytest.approx([1, *[8 / 12] * 7, *[5 / 12] * 6])
    assert red["survival_rate_low"].is_not_null().to_list() == [True, True, *[False] * 12]
    assert table.filter(team="blue")["at_risk_users"].to_list() == [1, 1]


def followed(days: list[int], last: int, inactive_days: int) -> list[tuple[int, bool]]:
    """One user's time, the plain way: walk the days, stop at the first silence that is long enough."""
    first, end = min(days), last - inactive_days
    for day in range(first, end):
        if not set(range(day + 1, day + inactive_days + 1)) & set(days):
            return [(day + 1 - first, True)]
    return [(end - first, False)] if first <= end else []


@given(days=days_by_user, inactive_days=st.integers(1, 40), more=st.integers(0, 30))
def test_survival_is_kaplan_meiers_of_each_users_time(make_activity, days, inactive_days, more):
    """The curve is Kaplan-Meier's of the users' times, each found by walking the user's days one by one."""
    last = max(max(numbers) for numbers in days.values()) + more
    activity = make_activity(days)
    table = analysis.survival(activity, inactive_days=inactive_days, as_of=MONDAY + timedelta(days=last))
    times = [time for numbers in days.values() for time in followed(numbers, last, inactive_days)]
    schema = {"days": pl.Int64, "event": pl.Boolean}
    expected = kaplan_meier(pl.DataFrame(times, schema=schema, orient="row").with_columns(group=0))
    found = ["days", "at_risk_users", "lapsed_users", "survival_rate", "survival_rate_low", "survival_rate_high"]
    ours = expected.select("days", "at_risk_users", "event_users", "rate", "low", "high")
    assert table.select(found).equals(ours.rename(dict(zip(ours.columns, found, strict=True))))


RUNS = 1000


@pytest.mark.slow
@pytest.mark.parametrize("weeks", [13, 26, 52])
@pytest.mark.parametrize("hazard", [0.01, 0.02, 0.05])
def test_the_interval_of_survival_holds_the_truth(weeks, hazard):
    """200 newcomers over the weeks leave for good at a daily hazard: no bias, and 95 % intervals that hold in 95 %."""
    random, last = np.random.default_rng([weeks, round(hazard * 100)]), 7 * weeks - 1
    users = pl.DataFrame({"run": np.repeat(np.arange(RUNS), 200), "user": np.tile(np.arange(200), RUNS)}).with_columns(
        start=pl.Series(random.integers(0, last + 1, 200 * RUNS)),
        stay=pl.Series(random.geometric(hazard, 200 * RUNS)),
    )
    # Active on the first day, every ten days while there, and on the last day there.
    looked_at = []
    day = pl.int_ranges("start", pl.col("start") + pl.col("stay"), 10).list.concat(
        pl.concat_list(pl.col("start") + pl.col("stay") - 1)
    )
    activity = users.select("run", "user", day=day).explode("day").filter(pl.col("day") <= last)
    activity = activity.select("run", "user", user_type=pl.lit("person"), date=pl.lit(MONDAY) + pl.duration(days="day"))
    covered = {"since": MONDAY, "as_of": MONDAY + timedelta(days=last)}
    table = analysis.survival(activity, by="run", **covered)
    for days in (7, 14, 28, 56):
        at = table.filter(days=days)
        bounded = at.drop_nulls("survival_rate_low")
        if bounded.height < RUNS * 0.9:  # the corner where almost nobody is left
            continue
        true = (1 - hazard) ** days
        assert at["survival_rate"].mean() == pytest.approx(true, abs=0.01)
        covered = bounded.select(pl.lit(true).is_between("survival_rate_low", "survival_rate_high").mean()).item()
        assert 0.93 <= covered <= 0.97
        looked_at.append(days)
    assert looked_at[:3] == [7, 14, 28]


def test_newcomers_and_existing_users_are_followed_alike():
    """Seen before the range: existing; a later period that is not over has no row; every pair by hand."""
    rows = [("old", -3), ("old", 0), ("old", 1), ("new", 0), ("late", 1), ("new", 2)]
    monday = date(2026, 3, 2)
    activity = pl.DataFrame(
        [{"user": user, "user_type": "person", "date": monday + timedelta(weeks=week)} for user, week in rows]
    )
    again = analysis.retained_users(activity, after=1, since=monday, as_of="2026-03-24")
    found = again.select((pl.col("period_start") - monday).dt.total_days() // 7, "user", "tenure", "retained").rows()
    assert found == [
        (1, "new", "newcomers", 0),
        (1, "old", "existing users", 1),
        (2, "late", "newcomers", 0),
        (2, "old", "existing users", 0),
    ]
    rates = analysis.retention_by_tenure(again)
    assert rates.select("tenure", "eligible_users", "retained_users").row(0) == ("newcomers", 1, 0)


def test_who_is_not_active_within_the_next_weeks_has_lapsed(make_activity):
    """Ada comes again in the second week after, Bob in none; "bounded" asks for the last of the weeks alone."""
    activity = make_activity({"ada@x.io": [0, 14, 28], "bob@x.io": [1], "cyd@x.io": [0, 21]})
    asked = {"every": "1w", "after": 3, "as_of": "2026-02-01"}  # the last day of the fourth week
    for kind, expected in (("within", [1, 0, 1]), ("bounded", [0, 0, 1])):
        again = analysis.retained_users(activity, kind=kind, **asked)
        assert again.select("period_start", "user", "retained").rows() == [
            (date(2026, 1, 26), user, back)
            for user, back in zip(["ada@x.io", "bob@x.io", "cyd@x.io"], expected, strict=True)
        ]
    with pytest.raises(ValueError, match="did you mean 'within'"):
        analysis.retained_users(activity, kind="wihtin")


@pytest.mark.parametrize(("began", "expected"), [([9, 0, 9, 12], "1mo"), ([9, 0, 12, 12], "1w"), ([0, 0], "1w")])
def test_small_cohorts_are_looked_at_in_longer_periods(began, expected):
    """The median of the weeks in which somebody began is 9, or 12; of none it is not known."""
    cohorts = pl.DataFrame(
        {"cohort": [MONDAY + timedelta(weeks=week) for week in range(len(began))], "cohort_users": began}
    ).with_columns(pl.lit(0, pl.Int64).alias("period"), pl.lit(value=True).alias("is_complete"))
    rates = ("retained_users", "retention_rate", "retention_rate_low", "retention_rate_high")
    table = cohorts.with_columns(pl.lit(None).cast(COHORT_RETENTION.schema[name]).alias(name) for name in rates)
    assert analysis.cohort_period(table, "1w") == expected
    assert analysis.cohort_period(table, "1q") == "1q"
