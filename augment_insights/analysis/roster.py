"""Who has a licence, in which team? Reading the roster, and laying it beside the activity."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis._population import user_key
from augment_insights.errors import DataWarning, TableError
from augment_insights.tables import ROSTER, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_KEY = "user_key"
_DATES = ("licensed_from", "licensed_to")
_FEW = 3


def read_roster(path_or_frame: str | Path | pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Who has a licence, from when to when, and in which team?

    Reads the file, or takes the frame, and returns one row a licensed user in a form that every
    function here accepts: names without spaces around them, licence dates as dates, no empty rows.
    A user who stands there twice with the same facts (two spellings of an e-mail) counts once, with a
    DataWarning; with different facts it is an error, because nobody knows which team is right.

    Parameters
    ----------
    path_or_frame : str, Path, DataFrame or LazyFrame
        A CSV, Parquet or Excel file (``.csv``, ``.parquet``, ``.xlsx``), or a frame. A CSV is UTF-8 with
        commas, and its columns are read as text, so that a cost centre ``0042`` stays what it is.

    Returns
    -------
    DataFrame
        The table ROSTER, sorted by name, with whatever other columns were there:

        ============= ====== ==============================================================
        user          String the e-mail (as written, spaces around it removed)
        licensed_from Date   first day of the licence, if the column is there; null: always
        licensed_to   Date   last day of the licence, if the column is there; null: open
        ============= ====== ==============================================================

    Raises
    ------
    TableError
        The file cannot be read, ``user`` is missing, a date is no date (write YYYY-MM-DD), a licence
        ends before it begins, or a user stands there twice with different facts.

    Warns
    -----
    DataWarning
        Rows without a user, and users who stand there twice: left out.

    See Also
    --------
    join_roster : a team for every row of activity.
    adoption_rate : the share of licensed users who are active.

    Examples
    --------
    >>> read_roster(pl.DataFrame({"user": [" ada@x.io"], "team": ["Payments"], "licensed_from": ["2026-01-15"]}))
    shape: (1, 3)
    ┌──────────┬──────────┬───────────────┐
    │ user     ┆ team     ┆ licensed_from │
    │ ---      ┆ ---      ┆ ---           │
    │ str      ┆ str      ┆ date          │
    ╞══════════╪══════════╪═══════════════╡
    │ ada@x.io ┆ Payments ┆ 2026-01-15    │
    └──────────┴──────────┴───────────────┘
    """
    frame = _read_file(Path(path_or_frame)) if isinstance(path_or_frame, (str, Path)) else path_or_frame
    return _one_row_a_user(tidy_roster(frame))


def tidy_roster(frame: pl.DataFrame | pl.LazyFrame) -> pl.DataFrame:
    """Return a roster with names trimmed and licence dates as dates; a user may stand in it twice.

    For questions that ask only from when to when somebody is licensed: two rows of one user, whatever
    else they say, are one licence there (see ``licences_of``).

    Raises
    ------
    TableError
        ``user`` is missing, a date is no date, or a licence ends before it begins.
    """
    require(columns_of(frame), tuple(ROSTER.columns), table=ROSTER.name)
    rows = frame.lazy().collect().with_columns(pl.col("user").cast(pl.String).str.strip_chars())
    rows = rows.with_columns(pl.when(pl.col("user") != "").then("user").alias("user"))
    return _with_dates(_without_nameless(rows))


def _read_file(path: Path) -> pl.DataFrame:
    """Read a roster from disk, by the ending of its name."""
    readers: dict[str, Callable[[Path], pl.DataFrame]] = {
        ".csv": _read_csv,
        ".parquet": pl.read_parquet,
        ".xlsx": _read_excel,
        ".xls": _read_excel,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise TableError(
            f"A roster is a file that ends in {', '.join(readers)}, and {path.name!r} does not.",
            table=ROSTER.name,
            hint="save it as CSV (UTF-8), or pass a DataFrame.",
        )
    try:
        return reader(path)
    except FileNotFoundError as error:
        raise TableError(f"There is no roster at {path}.", table=ROSTER.name, hint="check the path.") from error
    except (OSError, pl.exceptions.PolarsError) as error:
        raise TableError(
            f"The roster {path} cannot be read: {error}", table=ROSTER.name, hint="save it again as CSV (UTF-8)."
        ) from error


def _read_csv(path: Path) -> pl.DataFrame:
    """Read a CSV with all columns as text: a leading zero is part of a name."""
    return pl.read_csv(path, infer_schema=False)


def _read_excel(path: Path) -> pl.DataFrame:
    """Read the first sheet of a workbook, if the engine for it is installed."""
    try:
        return pl.read_excel(path)
    except ImportError as error:
        raise TableError(
            f"Reading {path.name} needs the package fastexcel, which is not installed.",
            table=ROSTER.name,
            hint="run pip install fastexcel, or save the roster as CSV (UTF-8).",
        ) from error


def _without_nameless(rows: pl.DataFrame) -> pl.DataFrame:
    """Leave out rows without a user; say so of those that hold something else."""
    others = pl.any_horizontal(pl.exclude("user").is_not_null()) if rows.width > 1 else pl.lit(value=False)
    nameless = rows.select((pl.col("user").is_null() & others).sum()).item()
    if nameless:
        warnings.warn(
            f"{nameless} row{'s' if nameless > 1 else ''} of the roster without a user "
            f"{'are' if nameless > 1 else 'is'} left out.",
            DataWarning,
            stacklevel=3,
        )
    return rows.filter(pl.col("user").is_not_null())


def _with_dates(rows: pl.DataFrame) -> pl.DataFrame:
    """Read licence dates as dates, and refuse a licence that ends before it begins."""
    dates = [name for name in _DATES if name in rows.columns]
    dated = rows.with_columns(_as_dates(rows[name]) for name in dates)
    if len(dates) == len(_DATES):
        backward = dated.filter(pl.col("licensed_to") < pl.col("licensed_from"))["user"].to_list()
        if backward:
            raise TableError(
                f"{len(backward)} licences end before they begin: {name_a_few(backward)}.",
                table=ROSTER.name,
                hint="licensed_from and licensed_to may be swapped.",
            )
    return dated


def _as_dates(values: pl.Series) -> pl.Series:
    """Turn text, moments and empty columns into days."""
    if values.dtype == pl.Date:
        return values
    if values.dtype == pl.String:
        trimmed = values.str.strip_chars()
        trimmed = trimmed.set(trimmed == "", None)
        days = trimmed.str.to_date("%Y-%m-%d", strict=False)
        wrong = trimmed.filter(days.is_null() & trimmed.is_not_null())
        if wrong.is_empty():
            return days
        found = f"{name_a_few(wrong.unique().sort().to_list())}"
    elif isinstance(values.dtype, pl.Datetime) or values.dtype == pl.Null:
        return values.cast(pl.Date)
    else:
        found = f"values of type {values.dtype}"
    raise TableError(
        f"The roster has {found} as {values.name}, and that is not a day.",
        table=ROSTER.name,
        hint="write days as YYYY-MM-DD, such as 2026-01-31.",
    )


def _one_row_a_user(rows: pl.DataFrame) -> pl.DataFrame:
    """Keep one row of a user who stands there twice; refuse two that say different things."""
    facts = [name for name in rows.columns if name != "user"]
    keyed = with_user_key(rows)
    distinct = keyed.sort(_KEY, "user").unique(subset=[_KEY, *facts], keep="first", maintain_order=True)
    clashing = distinct.filter(pl.len().over(_KEY) > 1)
    if clashing.height:
        names = clashing["user"].unique().sort().to_list()
        raise TableError(
            f"The roster says different things about one user: {name_a_few(names)}.",
            table=ROSTER.name,
            hint="keep one row a user; e-mails that differ in upper and lower case are one user.",
        )
    left_out = keyed.height - distinct.height
    if left_out:
        warnings.warn(
            f"{left_out} row{'s' if left_out > 1 else ''} of the roster name{'' if left_out > 1 else 's'} a user who "
            "stands there already, and count once.",
            DataWarning,
            stacklevel=3,
        )
    return distinct.sort(_KEY).select(rows.columns)


def with_user_key(frame: pl.DataFrame) -> pl.DataFrame:
    """Add ``user_key``, by which users of two frames are compared; a frame without ``user_type`` is one of people."""
    if "user_type" in frame.columns:
        return frame.with_columns(user_key().alias(_KEY))
    people = frame.select("user", user_type=pl.lit("person")).select(user_key())
    return frame.with_columns(people.to_series().alias(_KEY))


def join_roster(
    frame: pl.DataFrame | pl.LazyFrame, roster: pl.DataFrame | pl.LazyFrame, *, warn: bool = True
) -> pl.DataFrame:
    """Which team does each row belong to?

    A left join on the user: people are matched whatever the case of their e-mails. No row is
    dropped and none is added: a user who is not on the roster gets nulls. Users without a match on
    either side are reported by a DataWarning, with how many there are and the first few names;
    service accounts have no licence and are not missed.

    Parameters
    ----------
    frame : DataFrame or LazyFrame
        Anything with ``user`` (and ``user_type``; without it all users are people).
    roster : DataFrame or LazyFrame
        As for :func:`read_roster`.
    warn : bool
        Report users without a match. The warning names the first of them: pass False where names are not to be
        shown, or where the nulls are told otherwise.

    Returns
    -------
    DataFrame
        The rows of ``frame`` in their order, with the roster's other columns added.

    Raises
    ------
    TableError
        ``user`` is missing, both have a column of one name, or the roster cannot be read.

    Warns
    -----
    DataWarning
        Users of the frame that the roster does not have, users of the roster without a row.

    See Also
    --------
    read_roster : the roster from a file.
    unused_licences : licensed users without any activity.

    Examples
    --------
    >>> activity = pl.DataFrame({"user": ["Ada@x.io"], "total_messages": [7]})
    >>> join_roster(activity, pl.DataFrame({"user": ["ada@x.io"], "team": ["Payments"]})).rows()
    [('Ada@x.io', 7, 'Payments')]
    """
    schema = columns_of(frame)
    require(schema, ("user",), table="activity")
    listed = read_roster(roster)
    added = [name for name in listed.columns if name not in ("user", "user_type")]
    twice = [name for name in added if name in schema]
    if twice:
        raise TableError(
            f"The frame and the roster both have {', '.join(map(repr, twice))}.",
            table=ROSTER.name,
            hint=f"drop one: frame.drop({twice!r}).",
        )
    keyed = with_user_key(frame.lazy().collect())
    known = with_user_key(listed)
    if warn:
        _warn_of_strangers(keyed, known)
    joined = keyed.join(known.select(_KEY, *added), on=_KEY, how="left", maintain_order="left")
    return joined.drop(_KEY)


def _warn_of_strangers(rows: pl.DataFrame, known: pl.DataFrame) -> None:
    """Report who is on one side only."""
    people = rows.filter(pl.col(_KEY).str.starts_with("person:"))
    sides = {
        "of the frame {are} not on the roster": people.join(known, on=_KEY, how="anti"),
        "on the roster {have} no row in the frame": known.join(rows, on=_KEY, how="anti"),
    }
    said = []
    for words, found in sides.items():
        names = found.unique(_KEY).sort(_KEY)["user"].to_list()
        if names:
            many = len(names) > 1
            verb = words.format(are="are" if many else "is", have="have" if many else "has")
            said.append(f"{len(names)} user{'s' if many else ''} {verb} ({name_a_few(names)})")
    if said:
        warnings.warn(f"{'; '.join(said)}.", DataWarning, stacklevel=3)


def name_a_few(names: Sequence[str]) -> str:
    """List the first names, and how many more there are.

    Examples
    --------
    >>> name_a_few(["ada", "bob", "cleo", "dan"])
    'ada, bob, cleo and 1 more'
    """
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more} more" if more > 0 else "")
