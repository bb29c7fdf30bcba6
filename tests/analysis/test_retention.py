"""Who stays: published matrices, censoring, look-back, and DuckDB's answer."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from augment_insights import analysis
from augment_insights.errors import TableError
from augment_insights.tables import COHORT_RETENTION, RETENTION_CURVE

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS = (date(2023, 12, 27), date(2024, 2, 19), date(2026, 1, 30))
days_by_user = st.dictionaries(
    st.sampled_from(["ada@x.io", "bob@x.io", "Cyd@x.io", "dan@x.io", "eve@x.io", "fay@x.io"]),
    st.lists(st.integers(0, 90), min_size=1, max_size=15),
    min_size=1,
)
KINDS = st.sampled_from(["bounded", "unbounded"])
RULES = st.sampled_from(["first", "recurring"])
UNITS = {"1d": ("day", "1 day"), "1w": ("week", "7 days"), "1mo": ("month", "1 month"), "1q": ("quarter", "3 months")}
few = settings(max_examples=40, deadline=None)

RETENTION_SQL = """
    , p as (select distinct u, date_trunc($unit, date)::date as p from a),
    began as (select u, min(p) as c from p group by u),
    cohorts as (select u, c from began where $rule = 'first' union all select u, p from p where $rule = 'recurring'),
    grid as (select unnest(generate_series(date_trunc($unit, (select min(date) from a)),
             date_trunc($unit, $as_of::date), $step::interval))::date as p),
    cells as (select c.p as c, k.p as k, k.p + $step::interval - interval 1 day <= $as_of::date as complete
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


def matrix(table: pl.DataFrame) -> list[list[int | None]]:
    """One list a cohort: retained users by period."""
    return [cells["retained_users"].to_list() for cells in table.partition_by("cohort", maintain_order=True)]


# ---- Published and hand-worked -----------------------------------------------------------------


def test_the_published_unbounded_matrix(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Rolling retention of recurring day cohorts, as a product-analytics suite tests it."""
    activity = make_activity({"p1": [0, 3, 4], "p2": [0, 1], "p3": [1, 2, 3], "p4": [3, 4], "p5": [4]})
    table = analysis.cohort_retention(
        activity, every="1d", kind="unbounded", cohort="recurring", as_of=date(2026, 1, 10)
    )
    assert matrix(table) == [[2, 2, 1, 1, 1, 0], [2, 1, 1, 0, 0], [1, 1, 0, 0], [3, 2, 0], [3, 0], [0]]


def test_the_published_bounded_matrix(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Classic retention of recurring day cohorts, as a product-analytics suite tests it."""
    activity = make_activity({"p1": [0, 1, 2, 5, 6], "p2": [1, 2, 3, 6]})
    table = analysis.cohort_retention(activity, every="1d", cohort="recurring", as_of=date(2026, 1, 15))
    assert matrix(table)[:2] == [[1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 0], [2, 2, 1, 0, 1, 2, 0, 0, 0, 0]]


def test_a_cell_whose_week_is_not_over_is_null(make_activity: Callable[..., pl.DataFrame]) -> None:
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


def test_a_cohort_nobody_joined_has_no_rate(make_activity: Callable[..., pl.DataFrame]) -> None:
    """0 of 0 is null: an empty week is a row of the matrix, and no 0 % of it."""
    table = analysis.cohort_retention(make_activity({"ada@x.io": [0, 13]}), as_of="2026-01-18")
    assert table.row(-1, named=True) == {
        "cohort": date(2026, 1, 12), "period": 0, "cohort_users": 0, "retained_users": 0, "retention_rate": None,
        "retention_rate_low": None, "retention_rate_high": None, "is_complete": True,
    }  # fmt: skip


def test_whoever_is_seen_in_the_look_back_is_one_cohort_on_request(make_activity: Callable[..., pl.DataFrame]) -> None:
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


@few
@given(days=days_by_user, kind=KINDS, lookback=st.integers(1, 40), every=st.sampled_from(["1d", "1w", "1mo"]))
def test_the_existing_and_the_new_are_everybody(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], kind: Any, lookback: int, every: Any
) -> None:
    """A user is seen in the look-back, or in one first cohort: together as many as there are, and nobody twice."""
    activity = make_activity(days)
    asked = {"kind": kind, "lookback": lookback, "every": every, "as_of": activity["date"].max()}
    existing = analysis.cohort_retention(activity, cohort="existing", **asked).filter(pl.col("period") == 0)
    new = analysis.cohort_retention(activity, cohort="first", **asked).filter(pl.col("period") == 0)
    assert existing["cohort_users"].sum() + new["cohort_users"].sum() == len({name.lower() for name in days})


def test_months_are_cohorts_too(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Month cohorts follow the calendar: 29 February 2024 is in the month after 31 January."""
    activity = make_activity({"ada@x.io": [30, 59, 60]}, start=date(2024, 1, 1))
    table = analysis.cohort_retention(activity, every="1mo", as_of="2024-03-31")
    assert matrix(table) == [[1, 1, 1], [0, 0], [0]]


def test_a_week_across_the_year_is_one_cohort(make_activity: Callable[..., pl.DataFrame]) -> None:
    """31 December and 1 January are the same ISO week, so the same cohort."""
    activity = make_activity({"ada@x.io": [0, 7], "bob@x.io": [1]}, start=date(2025, 12, 31))
    table = analysis.cohort_retention(activity, as_of="2026-01-11")
    assert table["cohort"].unique().sort().to_list() == [date(2025, 12, 29), date(2026, 1, 5)]
    assert matrix(table) == [[2, 1], [0]]


def test_periods_limits_how_far_cohorts_are_shown(make_activity: Callable[..., pl.DataFrame]) -> None:
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
    ],
)
def test_an_unknown_choice_is_refused(
    make_activity: Callable[..., pl.DataFrame], choice: dict[str, Any], message: str
) -> None:
    """A mistyped word says what is known."""
    with pytest.raises(ValueError, match=message):
        analysis.cohort_retention(make_activity({"ada@x.io": [0]}), **choice)


# ---- Look-back ---------------------------------------------------------------------------------


def test_users_at_the_head_are_in_no_cohort_after_a_lookback(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Whoever is seen in the look-back is existing; without one the same window calls them new."""
    activity = make_activity({"ada@x.io": [0, 14, 21], "bob@x.io": [15, 21], "cyd@x.io": [13, 20]})
    window = activity.filter(pl.col("date") >= date(2026, 1, 19))
    assert analysis.cohort_retention(window, as_of="2026-02-01")["cohort_users"].to_list() == [3, 3, 0]
    table = analysis.cohort_retention(activity, lookback=14, as_of="2026-02-01")
    assert table["cohort"].to_list() == [date(2026, 1, 19), date(2026, 1, 19), date(2026, 1, 26)]
    assert matrix(table) == [[1, 1], [0]]


def test_recurring_cohorts_after_a_lookback_hold_everyone_active(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A recurring cohort is who is active in its period, existing or new; only its periods are hidden."""
    activity = make_activity({"ada@x.io": [0, 7, 14], "bob@x.io": [8]})
    for kind in ("bounded", "unbounded"):
        whole = analysis.cohort_retention(activity, cohort="recurring", kind=kind)
        later = whole.filter(pl.col("cohort") >= date(2026, 1, 12))
        assert analysis.cohort_retention(activity, cohort="recurring", kind=kind, lookback=7).equals(later)


def test_a_lookback_that_ends_within_a_week_begins_cohorts_there(make_activity: Callable[..., pl.DataFrame]) -> None:
    """A user first seen after the look-back's last day is new, also in the week it ends in."""
    activity = make_activity({"ada@x.io": [0, 11], "bob@x.io": [10, 14], "cyd@x.io": [11, 14]})
    table = analysis.cohort_retention(activity, lookback=11, as_of="2026-01-25")
    assert table.select("cohort", "cohort_users", "retained_users").rows() == [
        (date(2026, 1, 12), 1, 1),
        (date(2026, 1, 12), 1, 1),
        (date(2026, 1, 19), 0, 0),
    ]


def test_one_long_row_can_look_back() -> None:
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
        (date(2025, 12, 29), 0, 1, 1),
        (date(2025, 12, 29), 1, 1, 1),
        (date(2026, 1, 5), 0, 0, 0),
    ]
    with pytest.raises(TableError, match="spans 2025-10-03 to 2025-12-31"):
        analysis.cohort_retention(activity)


# ---- Against another engine, and laws ----------------------------------------------------------


@few
@given(
    days=days_by_user,
    start=st.sampled_from(STARTS),
    every=st.sampled_from(sorted(UNITS)),
    kind=KINDS,
    cohort=RULES,
    more=st.integers(0, 9),
)
def test_retention_is_what_sql_counts(
    make_activity: Callable[..., pl.DataFrame],
    ask_duckdb: Callable[..., list[tuple[Any, ...]]],
    days: dict[str, list[int]],
    start: date,
    every: str,
    kind: str,
    cohort: str,
    more: int,
) -> None:
    """Every cell of every kind and rule equals DuckDB's, by counting distinct users of joined periods."""
    activity = make_activity(days, start=start)
    as_of = activity["date"].max() + timedelta(days=more)
    unit, step = UNITS[every]
    expected = ask_duckdb(activity, RETENTION_SQL, unit=unit, step=step, as_of=as_of, kind=kind, rule=cohort)
    table = analysis.cohort_retention(activity, every=every, kind=kind, cohort=cohort, as_of=as_of)
    counts = ["cohort", "period", "cohort_users", "retained_users", "is_complete"]
    assert table.select(counts).rows() == expected


@few
@given(days=days_by_user, every=st.sampled_from(["1d", "1w"]), cohort=RULES, lookback=st.integers(0, 40))
def test_the_laws_of_retention(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], every: str, cohort: str, lookback: Any
) -> None:
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


@few
@given(days=days_by_user, lookback=st.integers(0, 60))
def test_cohorts_and_lifecycle_agree(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], lookback: Any
) -> None:
    """A cohort's users are the new users of its week, whatever the look-back."""
    activity = make_activity(days)
    cohorts = analysis.cohort_retention(activity, lookback=lookback, periods=0)
    weeks = analysis.lifecycle(activity, lookback=lookback)
    assert cohorts.select(period_start="cohort", new_users="cohort_users").equals(
        weeks.select("period_start", "new_users")
    )


# ---- Groups and contract -----------------------------------------------------------------------


@few
@given(days=days_by_user, teams=st.lists(st.sampled_from(["red", "blue", None]), min_size=90, max_size=90), kind=KINDS)
def test_each_group_has_the_retention_it_has_alone(
    make_activity: Callable[..., pl.DataFrame], days: dict[str, list[int]], teams: list[str | None], kind: str
) -> None:
    """by= gives each group's rows what the group alone gives, on the weeks of the whole table."""
    activity = make_activity({**days, "zoe@x.io": [0, 90]})
    activity = activity.with_columns(team=pl.Series(teams[: activity.height]))
    for cohort in ("first", "recurring"):
        table = analysis.cohort_retention(activity, kind=kind, cohort=cohort, by="team")
        for team in activity["team"].unique():
            alone = activity.filter(pl.col("team").eq_missing(team))
            expected = analysis.cohort_retention(alone, kind=kind, cohort=cohort, as_of=activity["date"].max())
            found = table.filter(pl.col("team").eq_missing(team)).drop("team")
            assert found.join(expected.select("cohort"), on="cohort", how="semi").equals(expected)


def test_results_keep_their_tables(
    make_activity: Callable[..., pl.DataFrame], assert_keeps: Callable[..., None]
) -> None:
    """Columns, order and dtypes are those written down, with and without groups."""
    activity = make_activity({"ada@x.io": [0, 30], "bob@x.io": [3]}).with_columns(team=pl.lit("red"))
    cohorts = analysis.cohort_retention(activity, by="team")
    assert_keeps(analysis.cohort_retention(activity), COHORT_RETENTION)
    assert_keeps(cohorts, COHORT_RETENTION, by=["team"], before="cohort_users")
    assert_keeps(analysis.retention_curve(cohorts), RETENTION_CURVE)
    assert_keeps(analysis.retention_curve(cohorts, by="team"), RETENTION_CURVE, by=["team"], before="cohorts")


# ---- The curve ---------------------------------------------------------------------------------


def test_the_curve_is_a_ratio_of_sums_over_cohorts_that_got_there(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Weeks of 2 and 1 users: (1 + 1) of (2 + 1) after a week; after two only the first has got there."""
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


def test_the_curve_of_groups_is_that_of_each(make_activity: Callable[..., pl.DataFrame]) -> None:
    """by= keeps groups apart; without it they are added up."""
    activity = make_activity({"ada@x.io": [0, 7], "bob@x.io": [0]}).with_columns(team=pl.Series(["red", "red", "blue"]))
    cohorts = analysis.cohort_retention(activity, by="team", as_of="2026-01-18")
    apart = analysis.retention_curve(cohorts, by="team").filter(pl.col("period") == 1)
    assert apart.select("team", "retained_users", "eligible_users").rows() == [("blue", 0, 1), ("red", 1, 1)]
    together = analysis.retention_curve(cohorts).filter(pl.col("period") == 1)
    assert together.select("retained_users", "eligible_users").row(0) == (1, 2)


def test_the_curve_is_lazy_when_asked_lazily(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Nothing must be counted first, so a LazyFrame gives a LazyFrame, with the same answer."""
    cohorts = analysis.cohort_retention(make_activity({"ada@x.io": [0, 8]}))
    lazy = analysis.retention_curve(cohorts.lazy())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(analysis.retention_curve(cohorts))
    assert analysis.retention_curve(cohorts.clear()).schema == RETENTION_CURVE.schema


def test_the_curve_needs_a_retention_table(make_activity: Callable[..., pl.DataFrame]) -> None:
    """Another table is refused, naming what is missing."""
    with pytest.raises(TableError, match="cohort_retention needs the columns"):
        analysis.retention_curve(make_activity({"ada@x.io": [0]}))
