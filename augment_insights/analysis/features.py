"""Which ways of working together are used, by whom, and where do people move to?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import active_rows, period_end, row_days, user_key
from augment_insights.analysis._usage import GROUP, USER_KEY, usage_rows, user_sums
from augment_insights.analysis.intervals import rate, wilson
from augment_insights.periods import check_every
from augment_insights.tables import FEATURE_ADOPTION, MODE, MODE_MIX, MODE_TRANSITIONS, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from augment_insights.periods import Every

MODES: tuple[str, ...] = tuple(MODE.categories)
"""The six ways of working together, in the order of every table here."""

_MESSAGES = {mode: f"{mode}_messages" for mode in MODES if mode != "completions"}
_LINES = {mode: f"{mode}_lines_of_code" for mode in MODES if mode != "chat"}
_USE = {
    mode: [name for name in (_MESSAGES.get(mode), _LINES.get(mode)) if name]
    + (["completions_count"] if mode == "completions" else [])
    for mode in MODES
}
_ACTIONS = {**_MESSAGES, "completions": "completions_accepted"}


def feature_adoption(
    user_activity: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str] | None = None,
    user_type: str = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """Which share of the active users used each mode at least once?

    Distinct users: of all who have a row, those with any message or line of the mode (for
    completions: any requested completion or accepted line). A mode that the API reports for nobody
    is unknown, not unused: null.

    Parameters
    ----------
    user_activity : DataFrame or LazyFrame
        ``user_activity`` or ``editor_language``.
    by : str or sequence of str, optional
        Columns to group by, such as a joined ``"team"``, ``"language"`` or ``"period_start"``.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day that counts; rows that reach past it are left out.

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
        feature_rate_low  Float64 lower bound of Wilson's 95 % interval
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
    >>> from augment_insights.tables import METRICS
    >>> frame = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "user_type": ["person"] * 2})
    >>> frame = frame.with_columns(pl.lit(0).alias(name) for name in METRICS)
    >>> frame = frame.with_columns(chat_messages=pl.Series([4, 0]))
    >>> feature_adoption(frame).filter(pl.col("feature") == "chat").select("active_users", "feature_users").row(0)
    (2, 1)
    """
    require(columns_of(user_activity), ("user", "user_type"), table="user_activity")
    metrics = list(dict.fromkeys(name for names in _USE.values() for name in names))
    rows, groups = usage_rows(
        active_rows(user_activity.lazy()),
        metrics,
        by=by,
        user_type=user_type,
        as_of=as_of,
        reserved=FEATURE_ADOPTION.columns,
    )
    uses = [pl.any_horizontal(pl.col(names) > 0).sum().alias(f"{mode}_uses") for mode, names in _USE.items()]
    known = [pl.any_horizontal(pl.col(names).is_not_null()).sum().alias(f"{mode}_rows") for mode, names in _USE.items()]
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
    low, high = wilson(used, active)
    rated = long.with_columns(
        pl.col("feature").cast(MODE), feature_rate=rate(used, active), feature_rate_low=low, feature_rate_high=high
    )
    schema = {"feature": MODE, **{name: rows.schema[name] for name in groups}, **FEATURE_ADOPTION.schema}
    return _in_order(rated, schema, ["feature", *groups])


def mode_mix(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    every: Every | None = None,
    by: str | Sequence[str] | None = None,
    user_type: str = "person",
    as_of: date | str | None = None,
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
        A mix a calendar period; the first and last may be parts, as far as the data goes.
    by : str or sequence of str, optional
        Columns to group by; ``user`` in one spelling.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day that counts; rows that reach past it are left out.

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
    >>> from augment_insights.tables import METRICS
    >>> day = pl.DataFrame({name: [0] for name in METRICS}).with_columns(chat_messages=30, ide_agent_messages=10)
    >>> mode_mix(day).select("mode", "messages_count", "messages_share").row(2)
    ('ide_agent', 10, 0.25)
    """
    metrics = [*_MESSAGES.values(), *_LINES.values()]
    rows, grouped = usage_rows(
        frame, metrics, by=by, every=every, user_type=user_type, as_of=as_of, reserved=MODE_MIX.columns
    )
    calendar = ["period_start"] if every else []
    groups = [*calendar, *(name for name in grouped if name not in calendar)]
    if "user" in groups:
        rows = rows.with_columns(pl.col("user").min().over(user_key()))
    total = [pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).cast(pl.Int64).alias(name) for name in metrics]
    sums = rows.group_by(groups).agg(total) if groups else rows.select(total).head(min(1, rows.height))
    parts = [
        sums.select(
            *groups,
            pl.lit(mode, dtype=MODE).alias("mode"),
            (pl.col(_MESSAGES[mode]) if mode in _MESSAGES else pl.lit(None, pl.Int64)).alias("messages_count"),
            _share(mode, _MESSAGES).alias("messages_share"),
            (pl.col(_LINES[mode]) if mode in _LINES else pl.lit(None, pl.Int64)).alias("lines_count"),
            _share(mode, _LINES).alias("lines_share"),
        )
        for mode in MODES
    ]
    schema = {**{name: sums.schema[name] for name in groups}, **MODE_MIX.schema}
    return _in_order(pl.concat(parts), schema, [*groups, "mode"])


def _share(mode: str, metrics: dict[str, str]) -> pl.Expr:
    """Return a mode's part of the sum over the modes that have such a metric."""
    if mode not in metrics:
        return pl.lit(None, pl.Float64)
    whole = pl.sum_horizontal(list(metrics.values()))
    return rate(pl.col(metrics[mode]), whole)


def mode_transitions(
    user_activity: pl.DataFrame | pl.LazyFrame,
    *,
    every: Every | None = None,
    user_type: str = "person",
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """Where do people move to: which mode is a user's main one in a period, and which in the next?

    A user's dominant mode in a period has most actions: messages, or accepted completions; of two
    with the same number, the one that comes first in the order of the modes. A period without actions
    has none. Only a period that begins the day after the last one ended is its next: nothing is
    said of users who paused in between.

    Parameters
    ----------
    user_activity : DataFrame or LazyFrame
        ``user_activity`` by week or month (or ``editor_language``, with ``every``).
    every : {"1d", "1w", "1mo", "1q"}, optional
        Sum the rows to calendar periods first; left out, each row's own period counts.
    user_type : {"person", "service_account", "all"}
        Whose activity counts.
    as_of : date or str, optional
        The last day that counts; rows that reach past it are left out.

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
    >>> from augment_insights.tables import METRICS
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
    rows, grouped = usage_rows(
        framed, list(_ACTIONS.values()), by=[_START, _END], every=every, user_type=user_type, as_of=as_of
    )
    if every is not None:
        first = pl.col("period_start")
        rows = rows.with_columns(first.alias(_START), period_end(first, check_every(every)).alias(_END))
        grouped = [_START, _END]
    summed = user_sums(rows, grouped, [pl.col(name).sum().alias(mode) for mode, name in _ACTIONS.items()])
    main = _dominant(summed.sums).join(summed.groups, on=GROUP)
    nexts = main.select(USER_KEY, pl.col(_START).dt.offset_by("-1d").alias(_END), to_mode="mode")
    steps = main.select(USER_KEY, _END, from_mode="mode").join(nexts, on=[USER_KEY, _END])
    counted = steps.group_by("from_mode", "to_mode").agg(users=pl.col(USER_KEY).n_unique(), steps=pl.len())
    shared = counted.with_columns(share=rate(pl.col("steps"), pl.col("steps").sum().over("from_mode")))
    return _in_order(shared, dict(MODE_TRANSITIONS.schema), ["from_mode", "to_mode"])


_START, _END = "__start", "__end"


def _dominant(sums: pl.DataFrame) -> pl.DataFrame:
    """Return the mode with most actions of each user and group; none where nothing was done."""
    counts = pl.concat_list(MODES)
    most = counts.list.arg_max()
    return sums.filter(pl.max_horizontal(MODES) > 0).select(
        GROUP, USER_KEY, mode=pl.lit(pl.Series(MODES, dtype=MODE)).gather(most)
    )


def _in_order(frame: pl.DataFrame, schema: dict[str, pl.DataType], keys: list[str]) -> pl.DataFrame:
    """Return the columns of a schema, rows sorted by the keys."""
    return frame.sort(keys, nulls_last=True).select(pl.col(name).cast(dtype) for name, dtype in schema.items())
