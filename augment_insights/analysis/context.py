"""What stands beside the numbers: what is aimed at, what happened, and on which days people work.

It is read from a file, a frame or a country's calendar, checked row by row, and set against what was measured.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.analysis.intervals import rate, student_t
from augment_insights.analysis.roster_file import file_bytes
from augment_insights.errors import ConfigurationError, DateRangeError, TableError, did_you_mean, safe_text
from augment_insights.periods import check_count, check_every, parse_day
from augment_insights.tables import CALENDAR_DAYS, EVENTS, ON_TRACK, TARGETS, is_rate, require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from augment_insights.periods import Every
    from augment_insights.tables import Table

    Given = str | Path | pl.DataFrame | pl.LazyFrame

AIMS: Mapping[str, str] = {
    "active_users": "active users",
    "adoption_rate": "adoption of licences",
    "acceptance_rate": "acceptance of completions",
    "agent_rate": "work by agents",
    "retention_rate": "retention",
    "stickiness_rate": "stickiness",
    "cumulative_users": "users ever active",
}
"""The metrics that can be aimed at, and what they are called. The last two are drawn and not judged: each value holds
most of the one before, and a pace has no interval."""

FEWEST_PERIODS = 5
"""From fewer periods no pace is told: its interval would be as wide as the axis."""

_MOST_ALIKE = 0.5
_MOST = 1e9
_ENDINGS = (".csv", ".yaml", ".yml")
_COUNTRY = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,3})?")
_KINDS = ("weekend", "holiday")
_WEEKEND = {5, 6}
_DAY = timedelta(days=1)


# ---- Files ----


def read_targets(path_or_frame: Given) -> pl.DataFrame:
    """Which value of which metric is aimed at, in which group, and by when?

    Parameters
    ----------
    path_or_frame : str, Path, DataFrame or LazyFrame
        A CSV file (UTF-8, with commas or semicolons), a YAML file (a list of rows), or a frame: ``metric`` (see
        ``context.AIMS``) and ``value``, and if wanted ``group`` (a team or another group of a figure; empty: all
        together) and ``by`` (YYYY-MM-DD). A rate is 0 to 1, or in per cent: 0.8 or 80%.

    Returns
    -------
    DataFrame
        The table TARGETS and ``group`` (String), sorted by metric, group and day.

    Raises
    ------
    TableError
        A file that cannot be read, a missing column, an unknown metric, a value that is no number or out of range, a
        day that is none, or two values of one metric, group and day.

    See Also
    --------
    on_track : what becomes of them.

    Examples
    --------
    >>> read_targets(pl.DataFrame({"metric": ["adoption_rate"], "value": ["80%"], "by": ["2026-12-31"]})).row(0)
    ('adoption_rate', 0.8, datetime.date(2026, 12, 31), None)
    """
    rows = _read(path_or_frame, TARGETS, {"metric": _metric, "value": _number, "by": _day, "group": _text})
    for where, row in rows:
        is_share = is_rate(row["metric"])
        if not 0 < row["value"] <= (1 if is_share else _MOST):
            reach = "a share above 0 and up to 1" if is_share else "a number above 0"
            hint = "write 80 per cent as 0.8 or 80%." if is_share else "count users."
            what = f"the value {row['value']:g} of {row['metric']} is out of range: it is {reach}"
            raise _wrong(TARGETS, where, what, hint)
    found = _table(rows, TARGETS)
    twice = found.filter(pl.struct("metric", "group", "by").is_duplicated())
    if twice.height:
        metric, by = twice.row(0)[0], twice.row(0)[2]
        raise _wrong(TARGETS, "", f"{metric} by {by or 'no day'} stands there twice for one group", "keep one of them.")
    return found.sort("metric", "group", "by", nulls_last=[False, False, True])


def read_events(path_or_frame: Given) -> pl.DataFrame:
    """Which events were on which day, and whom did they concern?

    Parameters
    ----------
    path_or_frame : str, Path, DataFrame or LazyFrame
        A CSV or YAML file as for :func:`read_targets`, or a frame: ``date`` (YYYY-MM-DD) and ``text`` ("Training"),
        and if wanted ``group`` (the team that it concerned; empty: everybody).

    Returns
    -------
    DataFrame
        The table EVENTS and ``group`` (String), sorted by day; control characters are replaced.

    Raises
    ------
    TableError
        A file that cannot be read, a missing column, an empty text, or a day that is none.

    See Also
    --------
    augment_insights.charts : charts along time take them as ``events=``.

    Examples
    --------
    >>> read_events(pl.DataFrame({"date": ["2026-09-01"], "text": ["Training"], "group": ["Payments"]})).row(0)
    (datetime.date(2026, 9, 1), 'Training', 'Payments')
    """
    return _table(_read(path_or_frame, EVENTS, {"date": _day, "text": _text, "group": _text}), EVENTS).sort(
        "date", "text", maintain_order=True
    )


def read_calendar(given: Given | Sequence[date | str], start: date | str, end: date | str) -> pl.DataFrame:
    """Which days of a range are weekends and holidays?

    Parameters
    ----------
    given : str, Path, DataFrame, LazyFrame or sequence of days
        A country code ("DE", or "DE-BY" with a subdivision), which needs the extra ``calendar``. Or days off:
        "2026-12-24, 2026-12-25", a list, a text file with one a line, or a CSV file, a YAML file or a frame with
        ``date`` and if wanted ``text`` and ``kind`` ("weekend" or "holiday"). Saturdays and Sundays come besides,
        unless weekends stand there.
    start, end : date or "YYYY-MM-DD"
        The first and the last day.

    Returns
    -------
    DataFrame
        The table CALENDAR_DAYS, sorted by day; working days have no row.

    Raises
    ------
    ConfigurationError
        An unknown country or subdivision, or the extra is not installed.
    TableError
        A file that cannot be read, a missing column, an unknown kind, or a day that is none.

    See Also
    --------
    per_working_day : counts as they are on a working day. stickiness : of the working days alone.

    Examples
    --------
    >>> read_calendar("2026-12-24, 2026-12-25", "2026-12-23", "2026-12-26").rows()
    [(datetime.date(2026, 12, 24), 'holiday', None),
     (datetime.date(2026, 12, 25), 'holiday', None),
     (datetime.date(2026, 12, 26), 'weekend', None)]
    """
    first, last = parse_day(start, name="start"), parse_day(end, name="end")
    if isinstance(given, str) and _COUNTRY.fullmatch(given.strip()):
        days, weekend = _holidays_of(given.strip(), first, last)
    else:
        listed = given
        if isinstance(given, (str, Path)) and str(given).lower().endswith(".txt"):
            listed = _contents(given, CALENDAR_DAYS).split()
        elif isinstance(given, str) and re.fullmatch(r"[\d\s,-]+", given):
            listed = given.split(",")
        if not isinstance(listed, (str, Path, pl.DataFrame, pl.LazyFrame)):
            listed = pl.DataFrame({"date": [str(day) for day in listed]}, schema={"date": pl.String})
        rows = _read(listed, CALENDAR_DAYS, {"date": _day, "kind": _kind, "text": _text}, needed=("date",))
        days, weekend = _table(rows, CALENDAR_DAYS).with_columns(pl.col("kind").fill_null("holiday")), _WEEKEND
        if (days["kind"] == "weekend").any():
            weekend = set()
    span = pl.DataFrame({"date": pl.date_range(first, last, eager=True)})
    free = span.filter(pl.col("date").dt.weekday().sub(1).is_in(sorted(weekend)))
    weekends = free.select("date", kind=pl.lit("weekend"), text=pl.lit(None, dtype=pl.String))
    everything = pl.concat([days.select(weekends.columns), weekends]).filter(pl.col("date").is_between(first, last))
    return everything.unique(["date", "kind"], keep="first", maintain_order=True).sort("date", "kind")


def _holidays_of(code: str, first: date, last: date) -> tuple[pl.DataFrame, set[int]]:
    """Return the holidays of a country, and which days of the week are its weekend, Monday 0."""
    try:
        import holidays  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ConfigurationError(
            f"calendar={code!r} needs the extra 'calendar', which is not installed. "
            "Hint: pip install 'augment-insights[calendar]', or name a file of days off.",
            setting="calendar",
        ) from error
    country, _, part = code.upper().partition("-")
    known = holidays.list_supported_countries()
    if country not in known:
        raise ConfigurationError(
            f"calendar={code!r} is not a country that is known. Hint: a code such as DE, DE-BY or US-NY, or the path "
            "of a file of days off.",
            setting="calendar",
        )
    if part and part not in known[country]:
        raise ConfigurationError(
            f"calendar={code!r}: {country} has no part {part!r}. Hint: {', '.join(known[country]) or 'it has none'}.",
            setting="calendar",
        )
    years = range(first.year, last.year + 1)
    found = holidays.country_holidays(country, subdiv=part or None, years=years, language="en_US")
    rows = [(day, "holiday", safe_text(name)) for day, name in sorted(found.items())]
    return pl.DataFrame(rows, schema=CALENDAR_DAYS.schema, orient="row"), set(found.weekend)


def _read(
    given: Given,
    contract: Table,
    cells: Mapping[str, Callable[[Any], Any]],
    *,
    needed: tuple[str, ...] | None = None,
) -> list[tuple[str, dict[str, Any]]]:
    """Return each row of a file or a frame with the place where it stands, its cells read and checked."""
    if isinstance(given, (str, Path)):
        source = Path(given).name
        columns, raw = _rows_of_file(given, contract)
    else:
        source = contract.name.removesuffix("_days")
        frame = given.lazy().collect()
        columns, raw = frame.columns, frame.to_dicts()
    must = tuple(name for name in contract.columns if name != "by") if needed is None else needed
    require(pl.Schema(dict.fromkeys(columns, pl.String)), must, table=contract.name)
    rows = []
    for number, row in enumerate(raw, start=1):
        where = f"{source}, row {number}"
        read: dict[str, Any] = {}
        for name, cell in cells.items():
            value = row.get(name)
            value = None if isinstance(value, str) and not value.strip() else value
            try:
                read[name] = None if value is None else cell(value)
            except (ValueError, TypeError) as error:
                told = str(error).partition("Hint: ")
                raise _wrong(contract, where, f"{name}={value!r}{told[0].rstrip(' .')}", told[2]) from error
            if read[name] is None and name in must:
                raise _wrong(contract, where, f"{name} is empty", "fill it in, or leave the row out.")
        rows.append((where, read))
    return rows


def _rows_of_file(given: str | Path, contract: Table) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the columns and the rows of a CSV or YAML file."""
    path = Path(given).expanduser()
    if path.suffix.lower() not in _ENDINGS:
        raise _wrong(contract, "", f"a file of {contract.name} ends in .csv or .yaml, and {path.name!r} does not", "")
    text = _contents(path, contract)
    if path.suffix.lower() == ".csv":
        header = text.partition("\n")[0]
        separator = ";" if header.count(";") > header.count(",") else ","
        try:
            grid = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(row)]
        except csv.Error as error:
            raise _wrong(contract, path.name, f"it cannot be read: {error}", "save it again as CSV UTF-8.") from error
        columns = [_plain(name) for name in grid[0]] if grid else []
        return columns, [dict(zip(columns, row, strict=False)) for row in grid[1:]]
    import yaml  # noqa: PLC0415 (only for a file of that kind)

    try:
        listed = yaml.safe_load(text) or []
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a day that is none is a ValueError
        said = str(error).splitlines()[0]
        raise _wrong(contract, path.name, f"it cannot be read: {said}", "check it, or save it as CSV.") from error
    if not (isinstance(listed, list) and all(isinstance(row, dict) for row in listed)):
        example = ", ".join(f"{name}: ..." for name in contract.columns)
        raise _wrong(contract, path.name, "it is no list of rows", f"write each row as - {{{example}}}.")
    rows = [{_plain(str(name)): value for name, value in row.items()} for row in listed]
    return list(dict.fromkeys(name for row in rows for name in row)) if rows else list(contract.columns), rows


def _contents(given: str | Path, contract: Table) -> str:
    """Return the text of a file."""
    path = Path(given).expanduser()
    try:
        return file_bytes(path, what=f"file of {contract.name}", table=contract.name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(contract, path.name, "it is no UTF-8 text", "save it as CSV UTF-8.") from error


def _plain(name: str) -> str:
    """Return a header as a column is called: "By when" is "by"."""
    return {"by_when": "by"}.get(plain := name.strip().lower().replace(" ", "_"), plain)


def _wrong(contract: Table, where: str, what: str, hint: str) -> TableError:
    return TableError(f"{where}: {what}." if where else f"{what[0].upper()}{what[1:]}.", table=contract.name, hint=hint)


def _table(rows: Sequence[tuple[str, dict[str, Any]]], contract: Table) -> pl.DataFrame:
    group = {} if contract is CALENDAR_DAYS else {"group": pl.String}
    return pl.DataFrame([row for _, row in rows], schema={**contract.schema, **group})


# ---- Cells ----


def _metric(value: object) -> str:
    if str(value).strip() not in AIMS:
        raise ValueError(f" is not a metric that can be aimed at.{did_you_mean(str(value), AIMS)}")
    return str(value).strip()


def _number(value: object) -> float:
    written = str(value).strip()
    try:
        number = float(written.removesuffix("%"))
    except ValueError as error:
        raise ValueError(" is no number. Hint: write it as 0.8, 80% or 1200.") from error
    return number / 100 if written.endswith("%") else number


def _day(value: object) -> date:
    day = value.date() if isinstance(value, datetime) else value
    try:
        return parse_day(day.strip() if isinstance(day, str) else day)  # type: ignore[arg-type]
    except DateRangeError as error:
        raise ValueError(" is not a day. Hint: write it as YYYY-MM-DD, such as 2026-01-31.") from error


def _text(value: object) -> str:
    return safe_text(str(value).strip())


def _kind(value: object) -> str:
    if value not in _KINDS:
        raise ValueError(f" is not a kind of day off.{did_you_mean(str(value), _KINDS)}")
    return str(value)


# ---- What was measured beside it ----


def on_track(
    measured: pl.DataFrame,
    targets: pl.DataFrame,
    *,
    metric: str,
    by: str | None = None,
    periods: int = 12,
) -> pl.DataFrame:
    """Will the target be reached in time, at the pace at which the metric has moved?

    The pace is the slope of a straight line through the last complete periods. Its 95 % interval is widened as far as
    neighbouring periods are alike: their correlation, at most 0.5, lowers the number of periods that count. The pace
    needed is what is missing in the last complete period, over the weeks from then to the day. "On track" and "behind"
    are said where the whole interval lies on one side of it; otherwise the data cannot tell.

    Parameters
    ----------
    measured : DataFrame
        One row a period (and group): ``period_end``, ``is_complete`` and the metric. Periods without a value, and such
        that are not complete, are left out.
    targets : DataFrame
        As :func:`read_targets` returns them; those of other metrics have no row.
    metric : str
        The column that was measured, and the metric of the targets.
    by : str, optional
        The column of the groups; its null is all together.
    periods : int
        So many last periods make the pace.

    Returns
    -------
    DataFrame
        The table ON_TRACK, one row a target: ``metric``, ``group``, ``value``, ``by``, then

        =================== ======= ==================================================================
        measured            Float64 the metric in the last complete period; null: the group has none
        measured_to         Date    that period's last day
        periods             Int64   the periods of the pace
        needed_pace         Float64 what is missing a week; null: reached, or no time is left or set
        pace                Float64 the slope a week; null with fewer than five periods
        pace_low, pace_high Float64 its 95 % interval
        verdict             Enum    "reached", "on track", "behind" or "cannot tell"
        =================== ======= ==================================================================

    Raises
    ------
    TableError
        A column is missing.
    ValueError
        ``periods`` is not an integer of at least five.

    See Also
    --------
    read_targets : the targets.

    Examples
    --------
    Five weeks, a point more in each; nine points are missing, and there are three weeks left:

    >>> from datetime import date
    >>> weeks = pl.DataFrame({
    ...     "period_end": [date(2026, 3, 8) + timedelta(weeks=n) for n in range(5)],
    ...     "adoption_rate": [0.67, 0.68, 0.69, 0.70, 0.71], "is_complete": [True] * 5})
    >>> targets = read_targets(pl.DataFrame({"metric": "adoption_rate", "value": [0.8], "by": ["2026-04-26"]}))
    >>> judged = on_track(weeks, targets, metric="adoption_rate")
    >>> judged.select(pl.col("needed_pace", "pace").round(4), "verdict").row(0)
    (0.03, 0.01, 'behind')
    """
    check_count("periods", periods, at_least=FEWEST_PERIODS)
    require(targets.collect_schema(), tuple(TARGETS.columns), table=TARGETS.name)
    require(measured.collect_schema(), ("period_end", "is_complete", metric, *([by] if by else [])), table="measured")
    group = pl.lit(None, dtype=pl.String) if by is None else pl.col(by).cast(pl.String)
    known = measured.filter("is_complete").select(group=group, day="period_end", y=pl.col(metric).cast(pl.Float64))
    recent = known.drop_nulls("y").sort("group", "day").group_by("group", maintain_order=True).tail(periods)
    aimed = targets if "group" in targets.columns else targets.with_columns(group=pl.lit(None, dtype=pl.String))
    judged = aimed.filter(metric=metric).join(
        _paces(recent), on="group", how="left", nulls_equal=True, maintain_order="left"
    )
    missing, weeks = pl.col("value") - pl.col("measured"), (pl.col("by") - pl.col("measured_to")).dt.total_days() / 7
    pace = pl.when(missing > 0, weeks > 0).then(missing / weeks)
    return ON_TRACK.of(
        judged.with_columns(pl.col("periods").fill_null(0), needed_pace=pace).with_columns(verdict=_verdict())
    )


def _paces(values: pl.DataFrame) -> pl.DataFrame:
    """Return each group's last value, and the slope of its values a week with its interval."""
    x = (pl.col("day") - pl.col("day").first()).dt.total_days() / 7
    sums = (
        values.with_columns(x=(x - x.mean()).over("group"), centred=(pl.col("y") - pl.col("y").mean()).over("group"))
        .with_columns(slope=((pl.col("x") * pl.col("y")).sum() / pl.col("x").pow(2).sum()).over("group"))
        .with_columns(left=pl.col("centred") - pl.col("slope") * pl.col("x"))
        .group_by("group", maintain_order=True)
        .agg(
            pl.col("slope").first(),
            measured=pl.col("y").last(),
            measured_to=pl.col("day").last(),
            periods=pl.len().cast(pl.Int64),
            spread=pl.col("x").pow(2).sum(),
            squares=pl.col("left").pow(2).sum(),
            alike=(pl.col("left") * pl.col("left").shift(1)).sum(),
        )
    )
    n = pl.col("periods")
    # A line through few points leaves residuals that are less alike than what they stand for (2 of n - 3).
    alike = ((n * rate(pl.col("alike"), pl.col("squares")).fill_null(0) + 2) / (n - 3).clip(lower_bound=1)).clip(
        0, _MOST_ALIKE
    )
    counted = n * (1 - alike) / (1 + alike)
    t = (counted - 2).clip(lower_bound=1).map_elements(student_t, return_dtype=pl.Float64)
    error = (pl.col("squares") / (n - 2) / pl.col("spread") * n / counted).sqrt()
    enough = pl.when(n >= FEWEST_PERIODS)
    return sums.with_columns(
        pace=enough.then("slope"),
        pace_low=enough.then(pl.col("slope") - t * error),
        pace_high=enough.then(pl.col("slope") + t * error),
    )


def _verdict() -> pl.Expr:
    """Return what can be said of a target, by the pace that it needs and the one that was measured."""
    return (
        pl.when(pl.col("measured") >= pl.col("value"))
        .then(pl.lit("reached"))
        .when(pl.col("by") <= pl.col("measured_to"))
        .then(pl.lit("behind"))
        .when(pl.col("pace_low") >= pl.col("needed_pace"))
        .then(pl.lit("on track"))
        .when(pl.col("pace_high") < pl.col("needed_pace"))
        .then(pl.lit("behind"))
        .otherwise(pl.lit("cannot tell"))
    )


def per_working_day(table: pl.DataFrame, calendar: pl.DataFrame, *columns: str, every: Every = "1w") -> pl.DataFrame:
    """How much is that on a working day, so that a week with a holiday can be laid beside one without?

    Parameters
    ----------
    table : DataFrame
        One row a period (and group): ``period_start``; ``is_complete`` where periods may not be over.
    calendar : DataFrame
        The table CALENDAR_DAYS, as :func:`read_calendar` returns it for these days.
    *columns : str
        The columns of sums, such as ``"total_messages"``. What counts people is no sum over days.
    every : {"1d", "1w", "1mo", "1q"}
        The calendar period.

    Returns
    -------
    DataFrame
        The same with ``working_days`` (Int64) and each column ``X_per_working_day`` (Float64): null in a period that is
        not complete, or without a working day.

    Raises
    ------
    TableError
        A column is missing.

    See Also
    --------
    stickiness : mean users of a working day.

    Examples
    --------
    >>> from datetime import date
    >>> week = pl.DataFrame({"period_start": [date(2026, 4, 6)], "messages": [800]})
    >>> per_working_day(week, read_calendar("2026-04-06", "2026-04-06", "2026-04-12"), "messages").row(0)[-2:]
    (4, 200.0)
    """
    table = table.lazy().collect()
    require(table.schema, ("period_start", *columns), table="table")
    off = CALENDAR_DAYS.check(calendar)["date"].unique().sort()
    first = table["period_start"]
    after = table.select(pl.col("period_start").dt.offset_by(check_every(every))).to_series()
    free = off.search_sorted(after, "left").cast(pl.Int64) - off.search_sorted(first, "left").cast(pl.Int64)
    counted = table.with_columns(working_days=(after - first).dt.total_days() - free)
    whole = pl.col("is_complete") if "is_complete" in table.columns else pl.lit(value=True)
    each = [
        rate(pl.col(name), pl.when(whole).then("working_days")).alias(f"{name}_per_working_day") for name in columns
    ]
    return counted.with_columns(*each)
