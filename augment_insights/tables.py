"""The tables that move between the layers: grain, columns, dtypes, units, and the check of a frame.

A table is named after its noun, and one noun runs all the way up: ``fetch.dau_count`` returns the
table ``DAU_COUNT``, ``analysis.acceptance_rate`` returns ``ACCEPTANCE_RATE``, and the chart of the
same name draws it. Columns may be more than a table asks for (a joined ``team``), never fewer.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial, wraps
from inspect import Parameter, isfunction, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import polars as pl
import polars.selectors as cs

from augment_insights.errors import REPLACEMENT, UNSAFE, UNSAFE_BREAKS, ConfigurationError, TableError
from augment_insights.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_P = ParamSpec("_P")
_T = TypeVar("_T")

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)

_COUNTS = ("users", "_days", "_count", "_lines", "cohorts")
"""Columns of whole numbers end so."""

_left_behind = {"in a fork": False, "here": False}


def _note_threads() -> None:
    """Note whether Polars has begun its threads: a fork does not take them along, and waits for them for ever."""
    names = (task.read_text() for task in Path("/proc/self/task").glob("*/comm"))
    _left_behind["in a fork"] = any(name[:7] == "polars-" and name[7:8].isdigit() for name in names)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_note_threads, after_in_child=lambda: _left_behind.update({"here": _left_behind["in a fork"]})
    )


def check_process() -> None:
    """Raise a ConfigurationError in a process that was forked from one that had used Polars: it would hang."""
    if _left_behind["here"]:
        raise ConfigurationError(
            "This process was forked from one that had used Polars already, and Polars cannot go on in it. Hint: start "
            "it with multiprocessing.get_context('spawn'), or fork before the first table.",
            setting="start_method",
        )


_INVISIBLE = r"\p{Cf}"
"""Unicode's format characters: they have no width, and come along when names are copied."""

OF_METRIC = ("before", "after", "difference", "difference_low", "difference_high", "contribution")
"""Columns of what the column ``metric`` names, in its unit."""

_OUR_NAME = re.compile(r"(?=.{1,60}$)[a-z][a-z0-9]*(_[a-z0-9]+)*")
_ABBREVIATION = re.compile(r"\b(api|cli|dau|ide)\b", re.IGNORECASE)

USER_TYPE = pl.Enum(["person", "service_account"])
"""Who a user is: a person (an e-mail) or automation (a service account's name)."""


@dataclass(frozen=True)
class Column:
    """One column: its dtype, what it means with its unit, and whether null can stand in it."""

    dtype: pl.DataType | type[pl.DataType]
    meaning: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """The contract of a table.

    Attributes
    ----------
    name : str
        The noun, in lower case.
    grain : str
        What one row is.
    columns : Mapping of str to Column
        Every column, in order.
    key : tuple of str
        The columns that name a row; no two rows share them. None of its own where the columns grouped by do.
    """

    name: str
    grain: str
    columns: Mapping[str, Column]
    key: tuple[str, ...] = ()

    @property
    def schema(self) -> pl.Schema:
        """The columns and dtypes, in order."""
        return pl.Schema({name: column.dtype for name, column in self.columns.items()})

    def empty(self) -> pl.DataFrame:
        """Return the table without rows."""
        return self.schema.to_frame()

    def check(self, frame: Frame) -> Frame:
        """Return the frame if it keeps this contract.

        Columns may be more; dtypes of the named ones must match (any integer width will do).

        Raises
        ------
        TableError
            Naming what is missing or of another dtype, and what to do.
        ConfigurationError
            In a process that was forked after Polars had begun its threads.

        Examples
        --------
        >>> DAU_COUNT.check(pl.DataFrame({"day": [], "user_count": []}))
        Traceback (most recent call last):
        ...
        augment_insights.errors.TableError: The table dau_count needs the column 'date'. ...
        """
        check_process()
        schema = columns_of(frame)
        require(schema, tuple(self.columns), table=self.name)
        for name, column in self.columns.items():
            if not _same_kind(schema[name], column.dtype):
                raise TableError(
                    f"The table {self.name} has {name!r} as {schema[name]}, and it should be {column.dtype}.",
                    table=self.name,
                    hint=f"cast it: frame.with_columns(pl.col({name!r}).cast(pl.{column.dtype})).",
                )
        return frame

    def of(self, frame: Frame, groups: Sequence[str | pl.Series] = (), *, before: str | None = None) -> Frame:
        """Return the columns grouped by (first, or ``before`` one) and this table's, in order and cast.

        Examples
        --------
        >>> DAU_COUNT.of(pl.DataFrame({"user_count": [2], "n": [1], "team": ["A"], "date": [None]}), ["team"]).columns
        ['team', 'date', 'user_count']
        """
        columns = [pl.col(name).cast(dtype) for name, dtype in self.schema.items()]
        at = 0 if before is None else list(self.columns).index(before)
        return frame.select(*columns[:at], *groups, *columns[at:])

    def sort(self, frame: Frame) -> Frame:
        """Put rows in the table's order: by its key, users without regard to case.

        Examples
        --------
        >>> DAU.sort(pl.DataFrame({"date": [1, 1], "user_type": ["person"] * 2, "user": ["b", "A"]}))["user"].to_list()
        ['A', 'b']
        """
        keys: list[pl.Expr] = []
        for name in self.key:
            if name == "user":
                keys.append(pl.col(name).str.to_lowercase())
            keys.append(pl.col(name))
        return frame.sort(*keys, maintain_order=True)


def user_key() -> pl.Expr:
    """Return the key by which two names are the same user: the kind of user, and :func:`folded_user`.

    A person and a service account of one name are two users. Whatever joins, counts or looks up users uses this.

    Examples
    --------
    >>> pl.DataFrame({"user": ["Ada@x.io ", "CI"], "user_type": ["person", "service_account"]}).select(user_key())
    shape: (2, 1)
    ┌────────────────────┐
    │ user_key           │
    │ ---                │
    │ str                │
    ╞════════════════════╡
    │ person:ada@x.io    │
    │ service_account:CI │
    └────────────────────┘
    """
    kind = pl.when(_is_person()).then(pl.lit("person:")).otherwise(pl.lit("service_account:"))
    return (kind + folded_user()).alias("user_key")


def folded_user() -> pl.Expr:
    """Return the name that all spellings of one user share.

    A person is an e-mail, compared without case, surrounding blanks or invisible characters (zero-width, BOM,
    soft hyphen), in Unicode's composed form; a service account is its exact name.

    Examples
    --------
    >>> names = pl.DataFrame({"user": ["\ufeffAda@X.io", "ada@x.io\u200b"], "user_type": "person"})
    >>> names.select(folded_user())["user"].to_list()
    ['ada@x.io', 'ada@x.io']
    """
    name = pl.col("user").cast(pl.String)
    # Only names beyond ASCII have invisible characters or something to compose, and looking costs most of the time.
    beyond_ascii = pl.when(name.str.len_bytes() > name.str.len_chars()).then(name)
    composed = beyond_ascii.str.replace_all(_INVISIBLE, "").str.strip_chars().str.to_lowercase().str.normalize("NFC")
    folded = pl.coalesce(composed, name.str.strip_chars().str.to_lowercase())
    return pl.when(_is_person()).then(folded).otherwise(name).alias("user")


def _is_person() -> pl.Expr:
    return pl.col("user_type").cast(pl.String) == "person"


def safe_strings() -> pl.Expr:
    r"""Return all text columns with control characters replaced, as ``errors.safe_text`` does it: for whatever draws.

    Examples
    --------
    >>> pl.select(team=pl.lit("Data\x0bPlatform\x00")).select(safe_strings()).item()[:13]
    'Data Platform'
    """
    return cs.string().str.replace_all(UNSAFE_BREAKS, " ").str.replace_all(UNSAFE, REPLACEMENT)


def is_rate(column: str) -> bool:
    """Tell whether a column holds shares, which readers want in per cent: result columns end in their unit.

    Examples
    --------
    >>> is_rate("adoption_rate_low"), is_rate("active_users")
    (True, False)
    """
    return f"_{column}".endswith(("_rate", "_share", "_low", "_high"))


def rates_of(frame: pl.DataFrame) -> list[str]:
    """Return the columns of shares, those of a comparison among them where all that it compares are shares.

    Examples
    --------
    >>> rates_of(pl.DataFrame({"metric": ["acceptance_rate"], "before": [0.3], "users": [7], "chat_rate": [0.5]}))
    ['before', 'chat_rate']
    """
    metrics = frame["metric"].cast(pl.String).to_list() if "metric" in frame.columns else []
    compares_rates = all(map(is_rate, metrics))
    return [
        name
        for name, dtype in frame.schema.items()
        if dtype.is_float() and (compares_rates if name in OF_METRIC and metrics else is_rate(name))
    ]


def column_words(name: str, *, people: str = "people") -> str:
    """Return what a column of a result is called for readers, with its unit: the same in every format.

    A name that is none of ours (a roster's own column) stays as it is.

    Parameters
    ----------
    name : str
        The column.
    people : str
        What its users are, if that is known; empty where service accounts may be among them.

    Examples
    --------
    >>> column_words("active_users"), column_words("adoption_rate_low"), column_words("suggested_count")
    ('Active users (people)', 'Adoption rate, 95 % CI low (%)', 'Suggested (count)')
    >>> column_words("period_start"), column_words("active_days"), column_words("Cost centre")
    ('Period start (UTC day)', 'Active days', 'Cost centre')
    """
    if name == "users":
        return (people or name).capitalize()
    if not _OUR_NAME.fullmatch(name):
        return name
    stem, end = (name[: -len(end)], end) if (end := name[name.rfind("_") :]) in ("_low", "_high") else (name, "")
    words = stem.removeprefix("is_").removesuffix("_count").replace("_", " ")
    words = _ABBREVIATION.sub(lambda found: found[0].upper(), words[:1].upper() + words[1:])
    units = {"users": people, "count": "count", **dict.fromkeys(("date", "start", "end", "cohort"), "UTC day")}
    unit = "%" if is_rate(stem) else units.get(stem.rpartition("_")[2], "")
    return words + (f", 95 % CI {end[1:]}" if end else "") + (f" ({unit})" if unit else "")


def takes_any_frame(function: Callable[_P, _T], shared: Mapping[str, Mapping[str, object]]) -> Callable[_P, _T]:
    """Let a function of Polars frames take any dataframe: each argument that is one is converted.

    The keywords that it shares with its siblings stand in its signature one by one, for help and completion: ``shared``
    has their names and defaults, by the name of the mapping that collects them. In its module too the function is
    replaced, so that it can be pickled. A class is returned as it is.
    """
    if not isfunction(function) or hasattr(function, "__wrapped__"):
        return function

    @wraps(function)
    def converting(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        check_process()
        converted: Any = {name: _as_polars(value) for name, value in kwargs.items()}
        answer: _T = function(*map(_as_polars, args), **converted)
        return answer

    own = signature(function)
    collecting = [one for one in own.parameters.values() if one.name in shared]
    named = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default)
        for one in collecting
        for name, default in shared[one.name].items()
    ]
    kept = [one for one in own.parameters.values() if one not in collecting]
    converting.__signature__ = own.replace(parameters=[*kept, *named])  # type: ignore[attr-defined]
    setattr(sys.modules[function.__module__], function.__name__, converting)
    return converting


def _as_polars(value: Any) -> Any:
    """Return another library's table as a Polars DataFrame; anything else as it is.

    Tables are told by Arrow's interface (pandas, pyarrow, DuckDB and others have it). pandas knows no days and no
    missing integers: moments at midnight become days, and counts with gaps become integers again.
    """
    if isinstance(value, (pl.DataFrame, pl.LazyFrame, pl.Series)) or not hasattr(value, "__arrow_c_stream__"):
        return value
    if (hasattr(value, "dtype") or hasattr(value, "type")) and not hasattr(value, "columns"):  # a column alone
        return value
    try:
        frame = pl.DataFrame(value)
    except ImportError as error:
        raise TableError(
            f"A {type(value).__module__.partition('.')[0]} DataFrame needs the package pyarrow to be read.",
            table="frame",
            hint="run pip install 'augment-insights[pandas]', or convert it with pl.DataFrame(...).",
        ) from error
    counts = [name for name in frame.columns if name in METRICS or name.endswith(_COUNTS)]
    gapped = [pl.col(name) for name in counts if frame.schema[name].is_float() and frame[name].null_count()]
    days = [pl.col(name) for name, dtype in frame.schema.items() if isinstance(dtype, pl.Datetime)]
    whole = frame.select(*[(each == each.round()).all() for each in gapped])
    midnight = frame.select(*[(each == each.dt.truncate("1d")).all() for each in days])
    return frame.with_columns(
        *_in_order(frame),
        *[pl.col(name).cast(pl.Int64) for name in whole.columns if whole[name].item()],
        *[pl.col(name).dt.date() for name in midnight.columns if midnight[name].item()],
    )


def _in_order(frame: pl.DataFrame) -> list[pl.Expr]:
    """Return the columns of a closed list of words with its order, which other libraries do not keep."""
    ours = [one.columns for one in globals().values() if isinstance(one, Table)]
    lists: dict[str, list[pl.Enum]] = {}
    for name, column in (pair for columns in ours for pair in columns.items() if pair[0] in frame.columns):
        if isinstance(column.dtype, pl.Enum):
            lists.setdefault(name, []).append(column.dtype)
    words = {name: {*frame[name].unique()} - {None} for name in lists}
    fitting = {name: [one for one in found if words[name] <= {*one.categories}] for name, found in lists.items()}
    return [pl.col(name).cast(pl.String).cast(found[0]) for name, found in fitting.items() if found]


def columns_of(frame: object) -> pl.Schema:
    """Return a frame's schema, and a clear error for what is no Polars frame."""
    if isinstance(frame, (pl.DataFrame, pl.LazyFrame)):
        return frame.collect_schema()
    library = type(frame).__module__.partition(".")[0]  # others have a DataFrame too
    whose = "" if library in ("builtins", __package__) else f"{library} "
    raise TableError(
        f"A Polars DataFrame or LazyFrame is needed, and a {whose}{type(frame).__name__} came.",
        table="frame",
        hint="convert it with pl.DataFrame(...) or pl.from_pandas(...).",
    )


def require(schema: pl.Schema, names: tuple[str, ...], *, table: str) -> None:
    """Raise a TableError that names every missing column, and the nearest that is there."""
    missing = [name for name in names if name not in schema]
    if not missing:
        return
    near = {name: get_close_matches(name, schema.names(), n=1) for name in missing}
    hints = [f"did you mean {found[0]!r} for {name!r}?" for name, found in near.items() if found]
    listed = ", ".join(map(repr, missing))
    plural = "s" if len(missing) > 1 else ""
    raise TableError(
        f"The table {table} needs the column{plural} {listed}. It has: {', '.join(schema.names()) or 'no columns'}.",
        table=table,
        missing=missing,
        hint=" ".join(hints),
    )


def _same_kind(found: pl.DataType, wanted: pl.DataType | type[pl.DataType]) -> bool:
    """Tell whether a dtype will do: text may be text of any kind, an integer of any width."""
    text = (pl.String, pl.Categorical, pl.Enum)
    if isinstance(wanted, pl.Enum) or wanted in text:
        return isinstance(found, text)
    if wanted in (pl.Int64, pl.UInt32):
        return found.is_integer()
    return found.is_numeric() if wanted == pl.Float64 else found == wanted


def _table(name: str, grain: str, key: tuple[str, ...] = (), /, **columns: Column) -> Table:
    """Return the table of these columns, in their order."""
    return Table(name, grain, columns, key)


_count = partial(Column, pl.Int64())
_number = partial(Column, pl.Float64())

_DATE = Column(pl.Date(), "UTC day")
_USER = {
    "user": Column(pl.String(), "e-mail of a person, name of a service account, as the API gave it"),
    "user_type": Column(USER_TYPE, "person or service_account"),
}
_METRIC_COLUMNS = {name: _count(meaning, nullable=True) for name, meaning in METRICS.items()}

DAU_COUNT = _table(
    "dau_count",
    "one row a UTC day of the range",
    ("date",),
    date=_DATE,
    user_count=_count("active users that day; null where the API lost the day", nullable=True),
)

DAU = _table(
    "dau",
    "one row a user and active UTC day",
    ("date", "user_type", "user"),
    date=_DATE,
    **_USER,
)

DAILY_USAGE = _table(
    "daily_usage",
    "one row a UTC day of the range",
    ("date",),
    date=_DATE,
    **_METRIC_COLUMNS,
)

ACTIVITY = _table(
    "activity",
    "one row a user with activity, and a period",
    ("period_start", "user_type", "user"),
    period_start=Column(pl.Date(), "first UTC day of the period"),
    period_end=Column(pl.Date(), "last UTC day of the period"),
    **_USER,
    active_days=_count("days with activity in the period"),
)

USER_ACTIVITY = _table(
    "user_activity",
    "one row a user with activity, and a period",
    ("period_start", "user_type", "user"),
    **ACTIVITY.columns,
    **_METRIC_COLUMNS,
)

EDITOR_LANGUAGE = _table(
    "editor_language",
    "one row a user, active UTC day, language and editor",
    ("date", "user_type", "user", "language", "editor"),
    date=_DATE,
    **_USER,
    language=Column(pl.String(), "programming language, as the API names it; may be Unknown"),
    editor=Column(pl.String(), "editor, as the API names it; may be Unknown"),
    **_METRIC_COLUMNS,
)

ENDPOINT_TABLES: Mapping[str, Table] = {
    table.name: table for table in (DAU_COUNT, DAU, DAILY_USAGE, USER_ACTIVITY, EDITOR_LANGUAGE)
}
"""The five tables that come from the API, by name."""

# ---- Activity over time: what analysis answers. Grouped with by=, the groups stand before the first count. ----

_COMPLETE = Column(pl.Boolean(), "whether all its days lie within those of the data")
_PERIOD = {
    "period_start": Column(pl.Date(), "first UTC day of the calendar period"),
    "period_end": Column(pl.Date(), "last UTC day of the whole calendar period"),
}
_WINDOW_DAYS = _count("length of the window in days, the date included")


def _interval(name: str) -> dict[str, Column]:
    """Return the columns of a rate's 95 % confidence interval."""
    return {
        f"{name}_{end}": _number(f"{bound} bound of the rate's 95 % confidence interval", nullable=True)
        for end, bound in (("low", "lower"), ("high", "upper"))
    }


def _rate(name: str, meaning: str) -> dict[str, Column]:
    """Return the columns of a rate and its 95 % confidence interval."""
    rate = _number(f"{meaning}, 0 to 1; null without a denominator", nullable=True)
    return {name: rate, **_interval(name)}


ACTIVE_USERS = _table(
    "active_users",
    "one row a calendar period",
    ("period_start",),
    **_PERIOD,
    active_users=_count("users active on at least one day of the period"),
    is_complete=_COMPLETE,
)

ROLLING_ACTIVE_USERS = _table(
    "rolling_active_users",
    "one row a UTC day and window",
    ("date", "window_days"),
    date=_DATE,
    window_days=_WINDOW_DAYS,
    active_users=_count("users active on at least one day of the window that ends on the date"),
    is_complete=Column(pl.Boolean(), "whether the data reaches back to the window's first day"),
)

STICKINESS = _table(
    "stickiness",
    "one row a UTC day",
    ("date",),
    date=_DATE,
    window_days=_WINDOW_DAYS,
    mean_daily_users=_number("mean of the daily active users over the window (day: of the day)"),
    active_users=_count("users active on at least one day of the window"),
    stickiness_rate=_number("mean_daily_users / active_users, 0 to 1", nullable=True),
    is_complete=Column(pl.Boolean(), "whether the data reaches back to the window's first day"),
)

ACTIVE_DAY_DISTRIBUTION = _table(
    "active_day_distribution",
    "one row a number of active days, 1 to the window's length",
    ("active_days",),
    active_days=_count("days with activity in the window"),
    users=_count("users who were active on exactly so many days"),
)

ADOPTION_CURVE = _table(
    "adoption_curve",
    "one row a calendar period",
    ("period_start",),
    period_start=_PERIOD["period_start"],
    new_users=_count("users first seen in the period"),
    cumulative_users=_count("users seen in the period or before, the look-back included"),
)

LICENSED_ADOPTION_CURVE = _table(
    "licensed_adoption_curve",
    "one row a calendar period",
    ("period_start",),
    **ADOPTION_CURVE.columns,
    ever_licensed_users=_count("users who got a licence in the period or before, ended ones too"),
    seen_rate=_number("cumulative_users / ever_licensed_users", nullable=True),
)

TIME_TO_FIRST_USE = _table(
    "time_to_first_use",
    "one row a number of days since the licence began",
    ("days",),
    days=_count("days since the licence began; 0 is its first day"),
    at_risk_users=_count("users who had not started before, and are still followed"),
    started_users=_count("users whose first activity is on that day"),
    started_rate=_number("share started by then, 1 - Kaplan-Meier survival, 0 to 1"),
    **_interval("started_rate"),
)

LIFECYCLE = _table(
    "lifecycle",
    "one row a calendar period",
    ("period_start",),
    period_start=_PERIOD["period_start"],
    new_users=_count("users never active before the period"),
    returning_users=_count("active users who were active in the period before too", nullable=True),
    resurrected_users=_count("active users seen before, but not in the period before", nullable=True),
    dormant_users=_count("users active in the period before and not in this one", nullable=True),
    active_users=_count("users active in the period"),
    is_complete=_COMPLETE,
)

COHORT_RETENTION = _table(
    "cohort_retention",
    "one row a cohort and period since it began",
    ("cohort", "period"),
    cohort=Column(pl.Date(), "first UTC day of the calendar period in which the cohort began"),
    period=_count("periods since then (n_day: days since each user's own start); 0 is the start"),
    cohort_users=_count("users in the cohort"),
    retained_users=_count("those active in the period (unbounded: or later)", nullable=True),
    retention_rate=_number("retained_users / cohort_users, 0 to 1", nullable=True),
    **_interval("retention_rate"),
    is_complete=_COMPLETE,
)

RETENTION_CURVE = _table(
    "retention_curve",
    "one row a period since the cohorts began",
    ("period",),
    period=_count("periods since the cohort began; 0 is the cohort's own"),
    cohorts=_count("cohorts with users that have reached the period"),
    eligible_users=_count("users of these cohorts"),
    retained_users=_count("those active in the period (unbounded: or later)"),
    retention_rate=_number("retained_users / eligible_users, 0 to 1", nullable=True),
    **_interval("retention_rate"),
)

SURVIVAL = _table(
    "survival",
    "one row a number of days since the first activity",
    ("days",),
    days=_count("days since the first activity"),
    at_risk_users=_count("users who had not lapsed before, and are still followed"),
    lapsed_users=_count("users whose inactivity gap begins on that day"),
    survival_rate=_number("share not yet lapsed, Kaplan-Meier, 0 to 1"),
    **_interval("survival_rate"),
)

# ---- Rates, features, habits, comparisons, reconciliation: a table names its own columns, groups come besides. ----


ACCEPTANCE_RATE = _table(
    "acceptance_rate",
    "one row a group and period; the columns grouped by, and period_start, come first",
    users=_count("distinct users with a suggestion; null where the frame has no users", nullable=True),
    suggested_count=_count("suggested completions, or lines", nullable=True),
    accepted_count=_count("accepted of them", nullable=True),
    **_rate("acceptance_rate", "accepted_count / suggested_count"),
)

ACCEPTANCE_DISTRIBUTION = _table(
    "acceptance_distribution",
    "one row a step of the rate, from 0 to 1",
    ("acceptance_from",),
    acceptance_from=_number("acceptance rate from which the step reaches, included"),
    acceptance_to=_number("acceptance rate up to which it reaches, included in the last step only"),
    users=_count("users whose own rate lies in the step"),
)

ACCEPTANCE_CHANGE = _table(
    "acceptance_change",
    "one row a group, and the total last; the columns grouped by come first, null in the total",
    rate_effect=_number("change of the rate because the group accepts more or less", nullable=True),
    mix_effect=_number("change of the rate because the group's weight moved", nullable=True),
    entry_exit_effect=_number("change of the rate because the group is new or gone", nullable=True),
    total_effect=_number("the three together; in the total, after minus before", nullable=True),
)

ROSTER = _table(
    "roster",
    "one row a licensed user (and licence period, and team); licence dates and other columns may be there too",
    ("user",),
    user=Column(pl.String(), "e-mail of a person; compared without case"),
)

UNMATCHED_SIDE = pl.Enum(["active, not on the roster", "licensed, never active"])
"""On which side somebody is who is not on the other."""

UNMATCHED = _table(
    "unmatched",
    "one row a person who is on one side only",
    ("side", "user"),
    side=Column(UNMATCHED_SIDE, "active and on no roster, or licensed on the last day and never active"),
    user=Column(pl.String(), "e-mail, as that side has it"),
    last_active=Column(pl.Date(), "last day with activity; null: never", nullable=True),
    maybe=Column(pl.String(), "the one user of the other side with the same name before the @", nullable=True),
)

ADOPTION_RATE = _table(
    "adoption_rate",
    "one row a calendar period and group; the columns grouped by stand before active_users",
    ("period_start",),
    **_PERIOD,
    active_users=_count("users active on at least one day of the period (with a roster: licensed)"),
    licensed_users=_count("users licensed on at least one day of the period, or seats"),
    **_rate("adoption_rate", "active_users / licensed_users"),
    is_complete=_COMPLETE,
)

LICENCE_STATUS = pl.Enum(["new", "never_used", "idle", "active", "ended", "not_begun"])
"""What can be said of a licence on the last day of the data."""

LICENCES = _table(
    "licences",
    "one row a licence of the roster",
    ("user",),
    user=Column(pl.String(), "e-mail of a person, as on the roster"),
    team=Column(pl.String(), "the roster's team; null where it has none", nullable=True),
    status=Column(LICENCE_STATUS, "new, never_used, idle, active; ended and not_begun are not valid that day"),
    last_active=Column(pl.Date(), "last day with activity; null: never", nullable=True),
    idle_days=_count("days from then to the last day of the data", nullable=True),
)

LICENSED = pl.Enum(["licensed", "licence ended or not begun", "not on the roster"])
SEEN = pl.Enum(["active", "seen before", "never seen"])
"""Whether somebody has a licence on the last day, and whether they were active in the range, or before it."""

POPULATION_BRIDGE = _table(
    "population_bridge",
    "one row a kind of licence, and whether its people were seen; everybody is in exactly one",
    ("licence", "seen"),
    licence=Column(LICENSED, "on the last day of the data"),
    seen=Column(SEEN, "active in the range, seen before it only, or never"),
    users=_count("people of the roster or the activity who are both"),
)

MODE = pl.Enum(
    ["completions", "chat", "ide_agent", "remote_agent", "cli_agent_interactive", "cli_agent_non_interactive"]
)
"""The six ways of working together, in the order in which every table lists them."""

FEATURE_ADOPTION = _table(
    "feature_adoption",
    "one row a mode and group; the columns grouped by stand after feature",
    ("feature",),
    feature=Column(MODE, "way of working together"),
    active_users=_count("distinct users with activity"),
    feature_users=_count("those who acted in the mode; null when no row knows it", nullable=True),
    **_rate("feature_rate", "feature_users / active_users"),
)

MODE_MIX = _table(
    "mode_mix",
    "one row a period, group and mode; period_start and the columns grouped by come first",
    ("mode",),
    mode=Column(MODE, "way of working together"),
    messages_count=_count("its messages; completions have none", nullable=True),
    messages_share=_number("of the messages of all modes, 0 to 1", nullable=True),
    lines_count=_count("its lines of code; chat has none", nullable=True),
    lines_share=_number("of the lines of all modes, 0 to 1", nullable=True),
)

MODE_TRANSITIONS = _table(
    "mode_transitions",
    "one row a pair of modes that occurs",
    ("from_mode", "to_mode"),
    from_mode=Column(MODE, "a user's dominant mode in a period"),
    to_mode=Column(MODE, "the user's dominant mode in the next period"),
    users=_count("distinct users who made this step at least once"),
    share=_number("this step, of all steps from from_mode, 0 to 1"),
)

HABIT_TIER = pl.Enum(["power", "habitual", "novice", "low", "non-user"])
"""How much of a habit a user has made of it, strongest first."""

HABIT_LADDER = _table(
    "habit_ladder",
    "one row a user",
    ("user_type", "user"),
    **_USER,
    active_weeks=_count("weeks with activity, of those looked at"),
    mean_actions=_number("messages and accepted completions a week, over all weeks looked at"),
    tier=Column(HABIT_TIER, "power, habitual, novice, low or non-user"),
)

CONCENTRATION = _table(
    "concentration",
    "one row",
    top_decile_share=_number("share by the top tenth of the users, 0 to 1", nullable=True),
    gini=_number("Gini's coefficient over users, 0 to 1", nullable=True),
    users=_count("users whose metric is known"),
)

CHECK_STATUS = pl.Enum(["agrees", "differs", "unknown"])
"""How a check of the API against itself ended."""

RECONCILIATION = _table(
    "reconciliation",
    "one row a check and day (or period), and one for the whole range where date is null",
    ("check", "date"),
    check=Column(pl.String(), "what is compared"),
    date=Column(pl.Date(), "UTC day, or first day of the period; null: the whole range", nullable=True),
    left=_count("the number left of the equals sign", nullable=True),
    right=_count("the number right of it", nullable=True),
    residual=_count("left - right; null when one is not known", nullable=True),
    status=Column(CHECK_STATUS, "agrees, differs or unknown"),
)

DATA_QUALITY = _table(
    "data_quality",
    "one row a check",
    ("check",),
    check=Column(pl.String(), "the table, and what may be missing, duplicate or unknown in it"),
    affected_count=_count("rows (or days, or users) to which that happened"),
    checked_count=_count("rows (or days, or users) that were looked at"),
    affected_share=_number("affected_count / checked_count, 0 to 1; null if there were none", nullable=True),
)

VERDICT = pl.Enum(["higher", "lower", "no measurable change"])
"""What can be said of a difference."""

COMPARISON = _table(
    "comparison",
    "one row a group; the columns grouped by come first",
    metric=Column(pl.String(), "the rate that is compared"),
    before=_number("its value before", nullable=True),
    after=_number("its value after", nullable=True),
    difference=_number("after - before, in points of the rate", nullable=True),
    difference_low=_number("lower bound of its 95 % confidence interval", nullable=True),
    difference_high=_number("upper bound of its 95 % confidence interval", nullable=True),
    is_paired=Column(pl.Boolean(), "whether the same people were compared with themselves"),
    both_users=_count("users who count on both sides; null where the table does not say", nullable=True),
    before_users=_count("users who count before only", nullable=True),
    after_users=_count("users who count after only", nullable=True),
    compared_groups=_count("groups with an interval: the verdicts hold for so many together"),
    verdict=Column(VERDICT, "higher, lower or no measurable change; null without an interval", nullable=True),
)

CONTRIBUTIONS = _table(
    "contributions",
    "one row a group; the columns grouped by come first",
    **COMPARISON.columns,
    contribution=_number("the group's part of the change of the whole; the parts add up to it", nullable=True),
    contribution_share=_number("contribution / the change of the whole; null without one", nullable=True),
)

MODE_CHANGE = _table(
    "mode_change",
    "one row a mode",
    ("mode",),
    mode=MODE_MIX.columns["mode"],
    before=_number("its share before, 0 to 1", nullable=True),
    after=_number("its share after, 0 to 1", nullable=True),
    difference=_number("after - before; over all modes they add up to 0", nullable=True),
)

TENURE = pl.Enum(["newcomers", "existing users"])
"""Whether somebody was seen for the first time in a period, or had been before it."""

RETAINED_USERS = _table(
    "retained_users",
    "one row a user active in a period, and whether they were again some periods later",
    ("period_start", "user_type", "user"),
    period_start=Column(pl.Date(), "first UTC day of the later period, in which they were active again or not"),
    period_end=Column(pl.Date(), "its last UTC day"),
    **_USER,
    tenure=Column(TENURE, "newcomers: first seen in the earlier period; existing users: before it"),
    retained=_count("1: active in the later period; 0: not"),
    eligible=_count("1, so that sums are the users who could have been"),
)

RETENTION_BY_TENURE = _table(
    "retention_by_tenure",
    "one row a period and tenure",
    ("period_start", "tenure"),
    period_start=RETAINED_USERS.columns["period_start"],
    tenure=RETAINED_USERS.columns["tenure"],
    eligible_users=_count("users active so many periods earlier"),
    retained_users=_count("those active again"),
    **_rate("retention_rate", "retained_users / eligible_users"),
)

LICENCES_OVER_TIME = _table(
    "licences_over_time",
    "one row a calendar period and whether licences are used",
    ("period_start", "licence"),
    period_start=_PERIOD["period_start"],
    licence=Column(pl.Enum(["used", "unused"]), "unused: idle or never used on the period's last day"),
    users=_count("licences valid that day"),
)

UNUSED_LICENCES = _table(
    "unused_licences",
    "one row a team and status",
    ("team", "status"),
    team=Column(pl.String(), "the roster's team; null: none", nullable=True),
    status=LICENCES.columns["status"],
    users=_count("licences that are so"),
)

REACHED = pl.Enum(["licensed", "ever active", "active", "habitual", "power"])
"""How far somebody has got, each step a part of the one before."""

ADOPTION_STAGES = _table(
    "adoption_stages",
    "one row a stage",
    ("status",),
    status=Column(REACHED, "the furthest stage that they have reached"),
    users=_count("users who have got so far and no further"),
)

ADOPTION_FUNNEL = _table(
    "adoption_funnel",
    "one row a stage",
    ("status",),
    status=Column(REACHED, "the stage"),
    reached_users=_count("users who have reached it; null where a later number is hidden", nullable=True),
    reached_rate=_number("reached_users / those of the first stage, 0 to 1", nullable=True),
)

EVENTS = _table(
    "events",
    "one row an event; a column group names the team or the like that it concerns, null: everybody",
    ("date", "text"),
    date=Column(pl.Date(), "UTC day"),
    text=Column(pl.String(), "what happened: a release, a training"),
)

TARGETS = _table(
    "targets",
    "one row a metric (and group, in a column of that name; null: all together) and day",
    ("metric", "by"),
    metric=Column(pl.String(), "the column that is aimed at: adoption_rate, active_users"),
    value=_number("what is aimed at; rates are 0 to 1"),
    by=Column(pl.Date(), "the day by which; null: no day is set", nullable=True),
)

TRACK = pl.Enum(["reached", "on track", "behind", "cannot tell"])
"""What can be said of a target."""

ON_TRACK = _table(
    "on_track",
    "one row a target",
    ("metric", "group", "by"),
    metric=TARGETS.columns["metric"],
    group=Column(pl.String(), "the team or the like; null: all together", nullable=True),
    value=TARGETS.columns["value"],
    by=TARGETS.columns["by"],
    measured=_number("the metric in the last complete period; null: not known, or not to be shown", nullable=True),
    measured_to=Column(pl.Date(), "last day of that period", nullable=True),
    periods=_count("complete periods that the pace was measured over"),
    needed_pace=_number("what is missing, a week; null: nothing, or no time is left or set", nullable=True),
    pace=_number("by how much it moved, a week; null: too few periods", nullable=True),
    **_interval("pace"),
    verdict=Column(TRACK, "reached, on track, behind, or cannot tell"),
)

CALENDAR_DAYS = _table(
    "calendar_days",
    "one row a day off; working days have none",
    ("date", "kind"),
    date=Column(pl.Date(), "UTC day"),
    kind=Column(pl.String(), "weekend or holiday"),
    text=Column(pl.String(), "what the holiday is called", nullable=True),
)
