"""Which ways of working together are used, where do people move to, and for whom is it a habit?"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import polars as pl

from augment_insights import tables
from augment_insights.analysis.intervals import rate, rate_of_people
from augment_insights.analysis.population import (
    GROUP,
    USAGE,
    USER_KEY,
    as_columns,
    data_span,
    first_that_holds,
    is_complete_in,
    is_licensed,
    known_days,
    period_end,
    read_whose,
    row_days,
    spells_of,
    usage_rows,
    user_sums,
)
from augment_insights.analysis.roster import read_roster, resolve_aliases
from augment_insights.errors import did_you_mean, warn_reader
from augment_insights.metrics import METRICS
from augment_insights.periods import calendar_period, check_count, check_every
from augment_insights.tables import columns_of, require, user_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from typing import Unpack

    from augment_insights.analysis.population import Whose
    from augment_insights.periods import Every

MODES: tuple[str, ...] = tuple(tables.MODE.categories)
"""The six ways of working together, in the order of every table here."""

_MESSAGES = {mode: f"{mode}_messages" for mode in MODES if mode != "completions"}
_LINES = {mode: f"{mode}_lines_of_code" for mode in MODES if mode != "chat"}
_ACTIONS = {**_MESSAGES, "completions": "completions_accepted"}
"""What a user does in a mode: write a message, accept a completion."""

_HABIT_ACTIONS = ["total_messages", "completions_accepted"]
_START, _END = "__start", "__end"
_DAY = timedelta(days=1)


def feature_adoption(
    user_activity: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Which share of the active users used each mode at least once?

    Distinct users: of all who have a row, those with an action in the mode: a message, or (for
    completions) an accepted completion. A suggestion that nobody accepted is no use. A mode that the
    API reports for nobody is unknown, not unused: null.

    Parameters
    ----------
    user_activity : DataFrame or LazyFrame
        ``user_activity`` or ``editor_language``.
    by : str or sequence of str, optional
        Columns to group by, such as a joined ``"team"``, ``"language"`` or ``"period_start"``.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table FEATURE_ADOPTION, six rows a group, modes in a fixed order:

        ================= ======= ==========================================================
        feature           Enum    completions, chat, ide_agent, remote_agent,
                                  cli_agent_interactive, cli_agent_non_interactive
        ``by`` columns            as in the frame
        active_users      Int64   distinct users with a row
        feature_users     Int64   those of them who used the mode; null when nobody knows
        feature_rate      Float64 feature_users / active_users, 0 to 1
        feature_rate_low  Float64 lower bound of Wilson's 95 % confidence interval
        feature_rate_high Float64 upper bound
        ================= ======= ==========================================================

    Raises
    ------
    TableError
        A column is missing.
    ValueError
        An unknown ``user_type``.

    See Also
    --------
    mode_mix : how much of the work each mode carries.
    augment_insights.charts.feature_adoption : its chart.

    Examples
    --------
    >>> from augment_insights.metrics import METRICS
    >>> frame = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "user_type": ["person"] * 2})
    >>> frame = frame.with_columns(pl.lit(0).alias(name) for name in METRICS)
    >>> frame = frame.with_columns(chat_messages=pl.Series([4, 0]))
    >>> feature_adoption(frame).filter(pl.col("feature") == "chat").select("active_users", "feature_users").row(0)
    (2, 1)
    """
    require(columns_of(user_activity), ("user", "user_type"), table="user_activity")
    by = as_columns(by, user_activity, reserved=tables.FEATURE_ADOPTION.columns, table=USAGE)
    rows, groups = usage_rows(user_activity, list(_ACTIONS.values()), by=by, **whose)
    uses = [(pl.col(name) > 0).sum().alias(f"{mode}_uses") for mode, name in _ACTIONS.items()]
    known = [pl.col(name).count().alias(f"{mode}_rows") for mode, name in _ACTIONS.items()]
    summed = user_sums(rows, groups, [*uses, *known])
    counted = summed.sums.group_by(GROUP).agg(
        pl.len().alias("active_users"),
        *(
            pl.when(pl.col(f"{mode}_rows").sum() > 0).then((pl.col(f"{mode}_uses") > 0).sum()).alias(mode)
            for mode in MODES
        ),
    )
    named = summed.named(counted)
    long = named.unpivot(MODES, index=[*groups, "active_users"], variable_name="feature", value_name="feature_users")
    active, used = pl.col("active_users"), pl.col("feature_users")
    rated = long.with_columns(pl.col("feature").cast(tables.MODE), *rate_of_people("feature_rate", used, active))
    return tables.FEATURE_ADOPTION.of(rated.sort("feature", *groups, nulls_last=True), groups, before="active_users")


def mode_mix(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    every: Every | None = None,
    by: str | Sequence[str] | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Which share of the messages and of the lines does each mode carry?

    Sums over rows; shares of the sum over the modes (not of the API's own total, which may differ:
    see :func:`reconcile`). Completions have no messages and chat has no lines: null. A metric that no row
    knows is null too, and a share without a whole.

    Parameters
    ----------
    frame : DataFrame or LazyFrame
        ``user_activity``, ``editor_language`` or ``daily_usage``. The last has no users: it counts
        people and automation.
    every : {"1d", "1w", "1mo", "1q"}, optional
        A mix a calendar period; the first and last may be parts, as far as the data goes: see ``is_complete``.
    by : str or sequence of str, optional
        Columns to group by; ``user`` in one spelling, and with ``user_type="all"`` the type beside it.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table MODE_MIX, six rows a period and group, modes in a fixed order:

        ============== ======= =======================================================
        period_start   Date    first UTC day of the period, with ``every`` only
        ``by`` columns         as in the frame
        mode           Enum    the mode
        messages_count Int64   its messages
        messages_share Float64 of the messages of all modes, 0 to 1
        lines_count    Int64   its lines of code
        lines_share    Float64 of the lines of all modes, 0 to 1
        is_complete    Boolean with ``every`` only: whether the data holds all days of the period
        ============== ======= =======================================================

    Raises
    ------
    TableError
        A column is missing, or a row spans a border of the periods asked for.
    ValueError
        An unknown ``every`` or ``user_type``.

    See Also
    --------
    feature_adoption : how many users each mode has.
    mode_transitions : who moves from mode to mode.
    augment_insights.charts.mode_mix : its chart.

    Examples
    --------
    >>> from augment_insights.metrics import METRICS
    >>> day = pl.DataFrame({name: [0] for name in METRICS}).with_columns(chat_messages=30, ide_agent_messages=10)
    >>> mode_mix(day).select("mode", "messages_count", "messages_share").row(2)
    ('ide_agent', 10, 0.25)
    """
    metrics = [*_MESSAGES.values(), *_LINES.values()]
    by = as_columns(by, frame, reserved=tables.MODE_MIX.columns, table=USAGE)
    rows, grouped = usage_rows(frame, metrics, by=by, every=every, **whose)
    # The period comes before the other groups here.
    groups = sorted(grouped, key=lambda name: name != "period_start") if every else grouped
    total = [pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).cast(pl.Int64).alias(name) for name in metrics]
    sums = rows.group_by(groups).agg(total) if groups else rows.select(total).head(min(1, rows.height))
    parts = []
    for mode in MODES:
        part = [pl.lit(mode, dtype=tables.MODE).alias("mode")]
        for unit, names in (("messages", _MESSAGES), ("lines", _LINES)):
            count = pl.col(names[mode]) if mode in names else pl.lit(None, pl.Int64)
            share = rate(count, pl.sum_horizontal(list(names.values())))
            part += [count.alias(f"{unit}_count"), share.alias(f"{unit}_share")]
        parts.append(sums.select(*groups, *part))
    mix = tables.MODE_MIX.of(pl.concat(parts).sort(*groups, "mode", nulls_last=True), groups)
    return mix if every is None else mix.with_columns(is_complete_in(frame, every, **whose))


def mode_change(
    before: pl.DataFrame | pl.LazyFrame,
    after: pl.DataFrame | pl.LazyFrame,
    *,
    of: Literal["messages", "lines"] = "lines",
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Which ways of working carry more of the messages, or of the lines, than before, and which carry less?

    The differences of all modes add up to 0, and those of the agents to the change of the agents' share.

    Parameters
    ----------
    before, after : DataFrame or LazyFrame
        As for :func:`mode_mix`: the rows of the one period, and of the other.
    of : {"messages", "lines"}
        What is shared.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table MODE_CHANGE: ``mode`` (Enum), ``before``, ``after`` and ``difference`` (Float64, shares).

    Raises
    ------
    TableError
        A column is missing.
    ValueError
        An unknown ``user_type``.

    See Also
    --------
    mode_mix : the shares, period by period.
    contributions : which groups of people drive a change.

    Examples
    --------
    >>> from augment_insights.metrics import METRICS
    >>> day = pl.DataFrame({name: [0] for name in METRICS})
    >>> was = day.with_columns(completions_lines_of_code=80, ide_agent_lines_of_code=20)
    >>> now = day.with_columns(completions_lines_of_code=60, ide_agent_lines_of_code=40)
    >>> mode_change(was, now).filter(pl.col("difference") != 0).select("mode", pl.col("difference").round(3)).rows()
    [('completions', -0.2), ('ide_agent', 0.2)]
    """
    sides = [mode_mix(side, **whose).select("mode", f"{of}_share") for side in (before, after)]
    was, now = (side.rename({f"{of}_share": name}) for side, name in zip(sides, ("before", "after"), strict=True))
    both = was.join(now, on="mode", how="full", coalesce=True).sort("mode")
    return both.with_columns(difference=pl.col("after") - pl.col("before"))


def mode_transitions(
    user_activity: pl.DataFrame | pl.LazyFrame,
    *,
    every: Every | None = None,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Where do people move to: which mode is a user's main one in a period, and which in the next?

    A user's dominant mode in a period has most actions: messages, or accepted completions; of two
    with the same number, the one that comes first in the order of the modes. A period without actions
    has none. Only a period that begins the day after the last one ended is its next: nothing is
    said of users who paused in between. With ``every``, periods that the data holds only in part are left out.

    Parameters
    ----------
    user_activity : DataFrame or LazyFrame
        ``user_activity`` by week or month (or ``editor_language``, with ``every``).
    every : {"1d", "1w", "1mo", "1q"}, optional
        Sum the rows to calendar periods first; left out, each row's own period counts.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table MODE_TRANSITIONS, one row a pair of modes that occurs, modes in their order:

        ========= ======= ==================================================================
        from_mode Enum    dominant mode in a period
        to_mode   Enum    dominant mode in the next
        users     Int64   distinct users who made this step at least once
        share     Float64 this step, of all steps from ``from_mode``; these add up to 1
        ========= ======= ==================================================================

        Over more than two periods a user may make several steps: ``users`` counts the user once
        in each row, ``share`` counts every step.

    Raises
    ------
    TableError
        A column is missing, or a row spans a border of the periods asked for.
    ValueError
        An unknown ``every`` or ``user_type``.

    See Also
    --------
    mode_mix : the volume of each mode.
    augment_insights.charts.mode_transitions : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> from augment_insights.metrics import METRICS
    >>> weeks = pl.DataFrame(
    ...     {
    ...         "period_start": [date(2026, 3, 2), date(2026, 3, 9)],
    ...         "period_end": [date(2026, 3, 8), date(2026, 3, 15)],
    ...         "user": ["ada@x.io"] * 2,
    ...         "user_type": ["person"] * 2,
    ...     }
    ... ).with_columns(pl.lit(0).alias(name) for name in METRICS)
    >>> weeks = weeks.with_columns(chat_messages=pl.Series([9, 2]), ide_agent_messages=pl.Series([1, 8]))
    >>> mode_transitions(weeks).rows()
    [('chat', 'ide_agent', 1, 1.0)]
    """
    require(columns_of(user_activity), ("user", "user_type"), table="user_activity")
    start, end = row_days(user_activity)
    framed = user_activity.lazy().with_columns(start.alias(_START), end.alias(_END))
    rows, grouped = usage_rows(framed, list(_ACTIONS.values()), by=[_START, _END], every=every, **whose)
    if every is not None:
        first = pl.col("period_start")
        rows = rows.with_columns(first.alias(_START), period_end(first, check_every(every)).alias(_END))
        # A period that is cut may have another main mode as a whole.
        rows = rows.filter(is_complete_in(user_activity, every, **whose))
        grouped = [_START, _END]
    summed = user_sums(rows, grouped, [pl.col(name).sum().alias(mode) for mode, name in _ACTIONS.items()])
    most = pl.concat_list(MODES).list.arg_max()
    main = (
        summed.sums.filter(pl.max_horizontal(MODES) > 0)
        .select(GROUP, USER_KEY, mode=pl.lit(pl.Series(MODES, dtype=tables.MODE)).gather(most))
        .join(summed.groups, on=GROUP)
    )
    nexts = main.select(USER_KEY, pl.col(_START).dt.offset_by("-1d").alias(_END), to_mode="mode")
    steps = main.select(USER_KEY, _END, from_mode="mode").join(nexts, on=[USER_KEY, _END])
    counted = steps.group_by("from_mode", "to_mode").agg(users=pl.col(USER_KEY).n_unique(), steps=pl.len())
    shared = counted.with_columns(share=rate(pl.col("steps"), pl.col("steps").sum().over("from_mode")))
    return tables.MODE_TRANSITIONS.of(shared.sort("from_mode", "to_mode"))


def habit_ladder(
    weekly_user_activity: pl.DataFrame | pl.LazyFrame,
    *,
    roster: pl.DataFrame | pl.LazyFrame | None = None,
    weeks: int = 12,
    habitual_weeks: int = 9,
    power_actions: int = 15,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """Who has made a habit of it: which users are power users, habitual, novices, low, or none?

    Over the last ``weeks`` complete weeks (Monday to Sunday); the first tier that fits is a user's:

    * power: habitual, and at least ``power_actions`` actions a week on average;
    * habitual: active in at least ``habitual_weeks`` of the weeks;
    * novice: at least one action a week on average;
    * low: some activity;
    * non-user: on the roster, licensed in these weeks, and no activity in them.

    Actions are messages and accepted completions. The API leaves out inactive users: a week without
    a row is an inactive week, and counts in the average with nothing. A missing metric adds nothing.
    The tiers are Microsoft's published usage segments; their thresholds are the parameters.

    Parameters
    ----------
    weekly_user_activity : DataFrame or LazyFrame
        ``user_activity`` by week (or finer): ``user``, ``user_type``, ``total_messages``,
        ``completions_accepted``, and ``period_start`` with ``period_end``, or ``date``.
    roster : DataFrame or LazyFrame, optional
        As for :func:`read_roster`; without it there are no non-users.
    weeks : int
        How many complete weeks are looked at.
    habitual_weeks : int
        From how many active weeks on a user is habitual.
    power_actions : int
        From how many actions a week on a habitual user is a power user.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table HABIT_LADDER, one row a user with activity in these weeks (or on the roster),
        sorted by name:

        ============ ======= ==============================================================
        user         String  as the API gave it, or else the roster
        user_type    Enum    person or service_account
        active_weeks Int64   weeks with activity, 0 to ``weeks``
        mean_actions Float64 actions a week, over all ``weeks``
        tier         Enum    power, habitual, novice, low or non-user
        ============ ======= ==============================================================

    Raises
    ------
    TableError
        A column is missing, or a row spans two weeks.
    ValueError
        ``weeks`` below 1, ``habitual_weeks`` outside 1 to ``weeks``, an unknown ``user_type``.

    Warns
    -----
    DataWarning
        The frame begins after these weeks do: what it does not hold counts as inactive.

    See Also
    --------
    lifecycle : who is new, returning, resurrected or dormant.
    augment_insights.charts.habit_ladder : its chart.

    Examples
    --------
    >>> from datetime import date
    >>> monday = pl.date_range(date(2026, 1, 5), date(2026, 3, 23), "1w", eager=True)
    >>> activity = pl.DataFrame({"period_start": monday}).with_columns(
    ...     period_end=pl.col("period_start").dt.offset_by("6d"), user=pl.lit("ada@x.io"), user_type=pl.lit("person"),
    ...     total_messages=20, completions_accepted=0,
    ... )
    >>> habit_ladder(activity).select("active_weeks", "mean_actions", "tier").rows()
    [(12, 20.0, 'power')]
    """
    check_count("weeks", weeks)
    check_count("habitual_weeks", habitual_weeks, at_most=weeks)
    require(columns_of(weekly_user_activity), ("user",), table="weekly_user_activity")
    if roster is not None:
        roster = read_roster(roster)
        weekly_user_activity = resolve_aliases(weekly_user_activity, roster)
    rows, _ = usage_rows(weekly_user_activity, _HABIT_ACTIONS, every="1w", **whose)
    first, last = known_days(data_span(weekly_user_activity), **whose)
    if last is None:
        return tables.HABIT_LADDER.empty()
    end = calendar_period(last + _DAY, "1w").start - _DAY
    start = end + _DAY - timedelta(weeks=weeks)
    if first is not None and first > start:
        warn_reader(
            f"The last {weeks} complete weeks begin on {start}, and the data begins on {first}: the days "
            f"before count as inactive. Hint: fetch from {start} on, or pass weeks=."
        )
    active = (
        rows.filter(pl.col("period_start").is_between(start, end))
        .group_by("user_type", "user")
        .agg(
            active_weeks=pl.col("period_start").n_unique(),
            actions=pl.sum_horizontal(pl.col(_HABIT_ACTIONS).sum()),
        )
        .with_columns(user_key())
    )
    if roster is not None:
        active = _with_licensed(active, roster, start=start, end=end, user_type=read_whose(**whose)[0])
    counted = active.with_columns(mean_actions=rate(pl.col("actions"), pl.lit(weeks)))
    habitual, mean = pl.col("active_weeks") >= habitual_weeks, pl.col("mean_actions")
    words = {
        "power": habitual & (mean >= power_actions),
        "habitual": habitual,
        "novice": mean >= 1,
        "low": pl.col("active_weeks") > 0,
        "non-user": pl.lit(value=True),
    }
    tier = first_that_holds(words)
    return tables.HABIT_LADDER.of(counted.with_columns(tier=tier.cast(tables.HABIT_TIER)).sort("user_key"))


def concentration(
    user_activity: pl.DataFrame | pl.LazyFrame,
    *,
    metric: str,
    **whose: Unpack[Whose],
) -> pl.DataFrame:
    """How much of the work do a few users do?

    Over users' sums. The top decile is the tenth of the users with the highest sums, rounded up to whole
    users. Gini's coefficient is 0 when all do the same and comes near 1 when one does all; users
    with a sum of 0 count, users of whom the metric is not known do not. Nothing done: null.

    Parameters
    ----------
    user_activity : DataFrame or LazyFrame
        ``user_activity`` or ``editor_language``.
    metric : str
        One of the API's metrics, such as ``"total_messages"``.
    **whose
        ``user_type``, ``since`` and ``as_of``: whose activity counts, and the first and the last day of the data (see
        :class:`.Whose`).

    Returns
    -------
    DataFrame
        The table CONCENTRATION, one row (none when there are no users):

        ================ ======= =================================================================
        top_decile_share Float64 share of the metric by the top tenth of the users, 0 to 1
        gini             Float64 Gini's coefficient, 0 to 1 - 1 / users
        users            Int64   users whose metric is known
        ================ ======= =================================================================

    Raises
    ------
    TableError
        A column is missing.
    ValueError
        An unknown ``metric`` or ``user_type``.

    See Also
    --------
    habit_ladder : users by how regular their activity is.
    augment_insights.charts.concentration : its chart.

    Examples
    --------
    >>> frame = pl.DataFrame(
    ...     {"user": ["ada", "bob", "cleo", "dan"], "user_type": ["person"] * 4, "total_messages": [0, 0, 0, 8]}
    ... )
    >>> concentration(frame, metric="total_messages").rows()
    [(1.0, 0.75, 4)]
    """
    if metric not in METRICS:
        raise ValueError(f"metric={metric!r} is not a metric.{did_you_mean(metric, METRICS)}")
    require(columns_of(user_activity), ("user",), table="user_activity")
    rows, _ = usage_rows(user_activity, [metric], **whose)
    known = rows.filter(pl.col(metric).is_not_null())
    amount = pl.col(metric).cast(pl.Float64)
    users = user_sums(known, [], [pl.col(metric).sum()]).sums.sort(metric)
    count, whole = pl.len().cast(pl.Float64), amount.sum()
    rank = pl.int_range(1, pl.len() + 1)
    top = amount.reverse().head((count / 10).ceil().cast(pl.Int64)).sum()
    answer = users.group_by(GROUP).agg(
        top_decile_share=rate(top, whole),
        gini=pl.when(whole > 0).then(2 * (rank * amount).sum() / (count * whole) - (count + 1) / count),
        users=pl.len(),
    )
    return tables.CONCENTRATION.of(answer)


def _with_licensed(
    active: pl.DataFrame, roster: pl.DataFrame, *, start: date, end: date, user_type: str
) -> pl.DataFrame:
    """Add the users who have a licence in these weeks and no activity."""
    licences = spells_of(roster, user_type, keep=["user"]).filter(is_licensed(pl.lit(start), pl.lit(end)))
    idle = licences.unique("user_key", keep="last", maintain_order=True).join(active, on="user_key", how="anti")
    kind = pl.col("user_key").str.splitn(":", 2).struct.field("field_0").cast(active.schema["user_type"])
    added = idle.select("user_key", "user", user_type=kind, active_weeks=0, actions=0)
    return pl.concat([active, added.select(active.columns)], how="vertical_relaxed")
