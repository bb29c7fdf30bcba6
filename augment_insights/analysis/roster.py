"""Who has a licence, from when to when, in which team, and under which e-mails?"""

from __future__ import annotations

import re
import warnings
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import polars as pl
import polars.selectors as cs

from augment_insights.analysis.population import (
    ACTIVITY,
    Whose,
    active_rows,
    data_span,
    is_licensed,
    known_days,
    read_whose,
    row_days,
    select_users,
    spells_of,
    with_user_key,
)
from augment_insights.analysis.roster_file import Options, RosterFile, read_file, roster_error, with_standard_names
from augment_insights.errors import DataWarning, TableError, plural, warn_reader
from augment_insights.periods import parse_day
from augment_insights.tables import ROSTER, UNMATCHED, UNMATCHED_SIDE, columns_of, require, user_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack


Frame = TypeVar("Frame", bound=pl.DataFrame | pl.LazyFrame)

_KEY = "user_key"
_DATES = ("licensed_from", "licensed_to", "team_from")
_FEW = 3
_ENOUGH = 10
_FIRST_YEAR = 1000
_MOST_MONTHS = 12
_LONGEST_CHAIN = 10
_FORMS = {"yyyy": "%Y", "yy": "%y", "mm": "%m", "dd": "%d"}
_TIME = r"(?i)[T ]+\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s*[AP]M)?$"
_LETTERS = re.compile("|".join(_FORMS), re.IGNORECASE)
_NO_VALUE = ("", "(blank)", "#n/a")
_NO_DATE = (*_NO_VALUE, "-", "n/a", "null", "none", "never")


def read_roster(
    path: str | Path | pl.DataFrame | pl.LazyFrame,
    *,
    columns: Mapping[str, str] | None = None,
    sheet: str | int | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    dates: str | None = None,
) -> pl.DataFrame:
    """Who has a licence, from when to when, and in which team?

    Reads the file, or takes the frame, and returns the licences in a form that every function here accepts: names
    without spaces around them or invisible letters, licence dates as dates, no empty rows, totals or notes. What is
    left out below is found out; :func:`describe_roster` says what was. Duplicate rows with the same facts (two
    spellings of an e-mail) count once, with a DataWarning.

    A user may have several licence periods, and may change the team: a row from its ``team_from`` on. Two rows of
    one user at one time with different facts are an error, because nobody knows which team is right.

    Parameters
    ----------
    path : str, Path, DataFrame or LazyFrame
        A text file (``.csv``, ``.tsv``, ``.txt``), a workbook (``.xlsx``, ``.xlsm``, ``.xls``), ``.parquet``,
        ``.ndjson``, ``.jsonl``; or a ``.toml`` file that names the ``path`` of one, any of the options below, and
        ``aliases`` (a table of old to new e-mails); or a frame. Of a text file or workbook all columns are text: a
        cost centre ``0042`` stays what it is. A frame with a column ``user`` keeps the names of its columns.
    columns : Mapping of str to str, optional
        The file's name for ours, ``{"user": "Login", "team": "Squad"}``, where it is no usual one; or ours for the
        file's, as ``rename`` takes them.
    sheet : str or int, optional
        The workbook's sheet, by name or number from 1; by default the first with a column of users.
    separator : str, optional
        The character between the values of a text file: comma, semicolon, tab or bar unless told.
    encoding : str, optional
        UTF-8, UTF-16 or else cp1252 unless told.
    dates : str, optional
        The form of days that are not written YYYY-MM-DD (with or without a time): ``"%d.%m.%Y"``, or in letters
        ``"DD.MM.YYYY"``.

    Returns
    -------
    DataFrame
        The table ROSTER, sorted by name and licence, with whatever other columns were there:

        ============= ====== ==================================================================
        user          String the e-mail (as written, spaces around it removed)
        licensed_from Date   first day of the licence, if the column is there; null: always
        licensed_to   Date   last day of the licence, if the column is there; null: open
        aliases       String other e-mails of the user, if the column is there; ``; `` between
        ============= ====== ==================================================================

        One row a user, licence period and team. A change of team ends a row and begins the next.

    Raises
    ------
    TableError
        The file cannot be read, is damaged, too large or of another kind than its name says; no column of users; a
        date is no day, or may be two; a licence ends before it begins; rows of one user contradict each other.

    Warns
    -----
    DataWarning
        Rows without a user, and duplicate rows: dropped.

    See Also
    --------
    describe_roster : what was understood, in one line.
    join_roster : a team for every row of activity.
    unmatched : who is on one side only.

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
    source = _opened(path, Options(columns, sheet, separator, encoding, dates))
    rows = tidy_roster(source.rows, dates=source.options.dates, aliases=source.options.aliases)
    return _without_contradictions(rows)


def describe_roster(path: str | Path | pl.DataFrame | pl.LazyFrame, **options: Any) -> str:
    r"""How was a roster understood, in one line?

    Parameters
    ----------
    path, **options
        As for :func:`read_roster`.

    Returns
    -------
    str
        How many licences and teams; separator, encoding, sheet and columns as they were found out; how many rows
        were left out, and why. No user is named.

    Raises
    ------
    TableError
        As :func:`read_roster`.

    Examples
    --------
    >>> path = getfixture("tmp_path") / "roster.csv"
    >>> _ = path.write_text("E-Mail;Department\nada@x.io;Payments\nbob@x.io;Search\nTotal;2\n")
    >>> describe_roster(path)
    '2 licences, 2 teams, separator `;`, user from `E-Mail`, team from `Department`, 1 row left out: 1 total or note'
    """
    source = _opened(path, Options(**options))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # they are said below
        tidy = tidy_roster(source.rows, dates=source.options.dates, aliases=source.options.aliases)
        listed = _without_contradictions(tidy)
    licences = plural(listed.select(with_user_key(listed)[_KEY].n_unique()).item(), "licence")
    teams = [plural(listed["team"].drop_nulls().n_unique(), "team")] if "team" in listed.columns else []
    nameless = source.rows.height - source.rows.lazy().pipe(_with_clean_text).collect()["user"].count()
    left_out = {
        "total or note": source.left_out,
        "without a user": nameless,
        "duplicate": max(0, tidy.height - listed.height),
    }
    why = ", ".join(
        f"{count:,} {what}"
        if what.startswith("without")
        else plural(count, what).replace("total or notes", "totals or notes")
        for what, count in left_out.items()
        if count
    )
    said = [f"{plural(sum(left_out.values()), 'row')} left out: {why}"] if why else []
    return ", ".join([licences, *teams, *source.form, *said])


def _opened(path: str | Path | pl.DataFrame | pl.LazyFrame, options: Options) -> RosterFile:
    """Return a file's rows, or a frame's, under the roster's names."""
    if isinstance(path, (str, Path)):
        return read_file(Path(path), options)
    schema = columns_of(path)
    frame = path.lazy().collect()
    if "user" in schema and options.columns is None:
        return RosterFile(frame, (), 0, options)
    return RosterFile(*with_standard_names(frame, options), 0, options)


def tidy_roster(
    frame: pl.DataFrame | pl.LazyFrame, *, dates: str | None = None, aliases: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """Return a roster with clean text and licence dates as dates; a user may have several rows, one below the other.

    For questions that ask only from when to when somebody is licensed: two rows of one user, whatever
    else they say, are one licence there (see ``licences_of``).

    Raises
    ------
    TableError
        ``user`` is missing, a date is no date, or a licence ends before it begins.
    """
    require(columns_of(frame), tuple(ROSTER.columns), table=ROSTER.name)
    rows = frame.lazy().pipe(_with_clean_text).collect()
    others = pl.any_horizontal(pl.exclude("user").is_not_null()) if rows.width > 1 else pl.lit(value=False)
    nameless = rows.select((pl.col("user").is_null() & others).sum()).item()
    if nameless:
        warn_reader(f"Dropped {plural(nameless, 'row')} of the roster without a user.")
    rows = rows.filter(pl.col("user").is_not_null())
    named = [name for name in _DATES if name in rows.columns]
    dated = _with_aliases(rows.with_columns(_as_dates(rows[name], dates) for name in named), aliases or {})
    if {"licensed_from", "licensed_to"} <= {*named}:
        backward = dated.filter(pl.col("licensed_to") < pl.col("licensed_from"))["user"].to_list()
        if backward:
            raise roster_error(
                f"{plural(len(backward), 'licence')} with an end before the start: {name_a_few(backward)}.",
                hint="licensed_from and licensed_to may be swapped.",
            )
    return dated


def _with_clean_text(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Trim all text, take invisible letters out of it, and turn what stands for nothing into null."""
    schema = rows.collect_schema()
    listed = [name for name in ("aliases",) if isinstance(schema.get(name), pl.List)]
    numbers = [name for name in ("team",) if name in schema and schema[name].is_numeric()]  # 7.0: a gap made it one
    rows = rows.with_columns(
        cs.categorical().cast(pl.String), *[pl.col(name).cast(pl.String).str.strip_suffix(".0") for name in numbers]
    )
    rows = rows.with_columns(pl.col("user").cast(pl.String), *[pl.col(name).list.join("; ") for name in listed])
    text = cs.string().str.replace_all(r"[\x00\u00AD\u200B\u200E\u200F\u2060\uFEFF]", "").str.normalize("NFC")
    text = (
        text.str.replace(r'^="(.*)"$', "${1}")
        .str.replace_all(r"\s+", " ")
        .str.replace_all(r"^[\s\p{Cf}]+|[\s\p{Cf}]+$", "")
    )
    rows = rows.with_columns(pl.when(~text.str.to_lowercase().is_in(_NO_VALUE)).then(text))
    mail = pl.col("user").str.replace(r"^.*<([^<>@\s]+@[^<>\s]+)>$", "${1}").str.replace(r"(?i)^(mailto|smtp):\s*", "")
    return rows.with_columns(user=mail)


def _without_contradictions(rows: pl.DataFrame) -> pl.DataFrame:
    """Return one row a user, licence period and team, sorted; refuse two that are true at one time."""
    keyed = with_user_key(rows)
    facts = [name for name in rows.columns if name not in ("user", "aliases")]
    distinct = keyed.sort(_KEY, "user").unique(subset=[_KEY, *facts], keep="first", maintain_order=True)
    is_alone = not distinct[_KEY].is_duplicated().any()
    spells = distinct if is_alone else _spells(distinct)
    if keyed.height > distinct.height or spells.height < distinct.height:
        duplicates = plural(keyed.height - min(spells.height, distinct.height), "duplicate row")
        warn_reader(f"Dropped {duplicates} of the roster.")
    columns = [name for name in spells.columns if name not in (_KEY, "team_from")]
    order = [name for name in ("licensed_from", "licensed_to") if name in columns]
    return spells.sort(_KEY, *order, maintain_order=True).select(columns)


def _spells(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows that follow each other: a change of team ends one, and licence periods that overlap are joined.

    Raises
    ------
    TableError
        Two rows of one user are true on one day, and differ.
    """
    facts = [name for name in rows.columns if name not in (*_DATES, "user", "aliases")]
    added = [pl.lit(None, pl.Date).alias(name) for name in _DATES if name not in rows.columns]
    start, end, team_from = map(pl.col, _DATES)
    dated = rows.with_columns(added).with_columns(__start=pl.coalesce(team_from, start, pl.lit(date.min)))
    dated = dated.sort(_KEY, "__start", "user")
    following = pl.when(team_from.is_not_null()).then("__start").shift(-1).over(_KEY)
    until = pl.when(following > pl.col("__start")).then(following.dt.offset_by("-1d"))
    changed = dated.with_columns(
        licensed_from=pl.when(pl.col(_KEY).is_first_distinct())
        .then(start)
        .otherwise(pl.max_horizontal(start, team_from)),
        licensed_to=pl.min_horizontal(end, until),
    ).filter(end.is_null() | start.is_null() | (start <= end))
    first, last = start.fill_null(date.min), end.fill_null(date.max)
    ordered = changed.sort(_KEY, first, last)
    before = last.cum_max().shift().over(*facts)
    period = (first > before).fill_null(value=True).cum_sum().over(*facts)
    joined = (
        ordered.group_by(*facts, __period=period, maintain_order=True)
        .agg(
            pl.col("user", *(["aliases"] if "aliases" in rows.columns else [])).first(),
            pl.when(start.is_not_null().all()).then(start.min()),
            pl.when(end.is_not_null().all()).then(end.max()),
        )
        .sort(_KEY, first, last)
    )
    is_clash = (first <= last.shift()).over(_KEY).fill_null(value=False)
    clashing = joined.filter(is_clash)[_KEY].implode()
    if len(clashing.item()):
        names = rows.filter(pl.col(_KEY).is_in(clashing.item()))["user"].unique().sort().to_list()
        raise roster_error(
            f"The roster says different things about one user: {name_a_few(names)}.",
            hint="keep one row a user, or say with team_from from which day a row is true; e-mails that differ in "
            "upper and lower case are one user.",
        )
    dates = [name for name in ("licensed_from", "licensed_to") if "team_from" in rows.columns or name in rows.columns]
    return joined.select(*[name for name in rows.columns if name not in _DATES], *dates)


# ---- One person, several e-mails ----


def resolve_aliases(frame: Frame, roster: pl.DataFrame | pl.LazyFrame) -> Frame:
    """Which of a person's e-mails stand in these rows?

    Returns the rows under the roster's e-mails, so that a history goes on when an e-mail changes: an e-mail among
    the ``aliases`` of a user becomes that user. So does, where it is on the roster under no name of its own, an
    e-mail with a tag (``ada+test@x.io``) or of a guest (``ada_x.io#EXT#@tenant.example``) that is a user's without
    it, and the other way round. Functions that take a roster do this themselves; call it for those that take none.

    Parameters
    ----------
    frame : DataFrame or LazyFrame
        Anything with ``user`` (and ``user_type``; without it all users are people).
    roster : DataFrame or LazyFrame
        As for :func:`read_roster`; without aliases the rules for tags and guests are all there is.

    Returns
    -------
    DataFrame or LazyFrame
        All rows in their order; ``user`` is another where it was an alias.

    Raises
    ------
    TableError
        ``user`` is missing, or two users claim one alias.

    Examples
    --------
    >>> activity = pl.DataFrame({"user": ["ada.byron@x.io", "Bob+work@x.io", "eve@x.io"]})
    >>> roster = pl.DataFrame({"user": ["ada@x.io", "bob@x.io"], "aliases": ["ada.byron@x.io", None]})
    >>> resolve_aliases(activity, roster)["user"].to_list()
    ['ada@x.io', 'bob@x.io', 'eve@x.io']
    """
    schema = columns_of(frame)
    require(schema, ("user",), table=ACTIVITY)
    users = with_user_key(_with_aliases(roster.lazy().pipe(_with_clean_text).collect(), {}))
    known = users.select(_KEY, "user").unique(_KEY, keep="first", maintain_order=True)
    names = _alias_keys(users).drop("of")
    guests = known.with_columns(_base_key()).join(known, on=_KEY, how="anti").join(names, on=_KEY, how="anti")
    names = pl.concat([names, guests.unique(_KEY, keep="none")])
    typed = frame if "user_type" in schema else frame.with_columns(user_type=pl.lit("person"))
    is_tagged = pl.col("user").cast(pl.String).str.contains("[+#]")
    tagged = typed.lazy().filter(is_tagged).select(user_key().alias(_KEY)).unique().collect()
    bare = tagged.join(known, on=_KEY, how="anti").join(names, on=_KEY, how="anti").with_columns(base=_base_key())
    bare = bare.join(pl.concat([known, names]), left_on="base", right_on=_KEY)
    names = pl.concat([names, bare.select(_KEY, "user")])
    if names.is_empty():
        return frame
    name = user_key().replace_strict(names[_KEY], names["user"], default=pl.col("user").cast(pl.String))
    return typed.with_columns(name.alias("user")).select(*schema)  # type: ignore[return-value]  # of the kind that came


def _base_key() -> pl.Expr:
    """Return a person's key without a tag, and that of a guest as at home."""
    home = pl.col(_KEY).str.replace(r"^person:(.+)_([^_@]+)#ext#@.*$", "person:${1}@${2}")
    return pl.when(home.str.starts_with("person:")).then(home.str.replace(r"\+[^@]*@", "@")).otherwise(home).alias(_KEY)


def _alias_keys(users: pl.DataFrame) -> pl.DataFrame:
    """Return the key of each alias, whose it is, and the key of that user."""
    if "aliases" not in users.columns:
        return pl.DataFrame(schema=dict.fromkeys((_KEY, "user", "of"), pl.String))
    told = users.select(pl.col("user").alias("owner"), pl.col(_KEY).alias("of"), "aliases").drop_nulls("aliases")
    each = told.with_columns(user=pl.col("aliases").str.split(";")).explode("user", empty_as_null=False)
    keyed = with_user_key(each.with_columns(pl.col("user").str.strip_chars()).filter(pl.col("user") != ""))
    keyed = keyed.filter(pl.col(_KEY) != pl.col("of")).unique([_KEY, "of"], keep="first", maintain_order=True)
    claimed = keyed.filter(pl.col(_KEY).is_duplicated())["user"].unique().sort().to_list()
    if claimed:
        raise roster_error(
            f"Several users of the roster claim one alias: {name_a_few(claimed)}.",
            hint="an old e-mail is one person's.",
        )
    return keyed.select(_KEY, "of", user="owner").select(_KEY, "user", "of")


def _with_aliases(rows: pl.DataFrame, given: Mapping[str, str]) -> pl.DataFrame:
    """Give each user all aliases that any of its rows names, and a row of an old e-mail its user's new one."""
    if given:
        pairs = with_user_key(pl.DataFrame([*given.items()], schema=["__old", "user"], orient="row"))
        old = pairs.group_by(_KEY).agg(pl.col("__old").str.join("; "))
        keyed = with_user_key(rows).join(old, on=_KEY, how="left", maintain_order="left").drop(_KEY)
        own = [pl.col("aliases")] if "aliases" in rows.columns else []
        rows = keyed.with_columns(aliases=pl.concat_str(*own, "__old", separator="; ", ignore_nulls=True)).drop("__old")
    if "aliases" not in rows.columns:
        return rows
    text = pl.col("aliases").cast(pl.String).str.replace_all(r"(?i)\bsmtp:", "").str.replace_all(r"[,;\s]+", "; ")
    keyed = with_user_key(rows.with_columns(aliases=text))
    names = _alias_keys(keyed)
    for _ in range(_LONGEST_CHAIN):  # an alias may have an alias: a name that changed twice
        later = names.join(names, left_on="of", right_on=_KEY, how="left", suffix="_later", maintain_order="left")
        names = later.select(_KEY, user=pl.coalesce("user_later", "user"), of=pl.coalesce("of_later", "of"))
    circling = names.join(names, left_on="of", right_on=_KEY, how="semi")["user"].unique().sort().to_list()
    if circling:
        raise TableError(
            f"The aliases of the roster lead in a circle: {name_a_few(circling)}.",
            table=ROSTER.name,
            hint="an alias is an old e-mail: let the new one name it, and not the other way round too.",
        )
    new = keyed.join(names, on=_KEY, how="left", suffix="_new", maintain_order="left")["user_new"]
    before = pl.when(new.is_not_null()).then("user")
    aliases = pl.concat_str("aliases", before, separator="; ", ignore_nulls=True)
    rows = keyed.drop(_KEY).with_columns(user=pl.coalesce(new, "user"), aliases=aliases)
    listed = with_user_key(rows)
    whole = pl.col("aliases").filter(pl.col("aliases") != "").unique(maintain_order=True).str.join("; ").over(_KEY)
    return listed.with_columns(aliases=pl.when(whole != "").then(whole)).drop(_KEY)


# ---- Roster and activity ----


def join_roster(
    frame: pl.DataFrame | pl.LazyFrame, roster: pl.DataFrame | pl.LazyFrame, *, warn: bool = True
) -> pl.DataFrame:
    """Which team does each row belong to?

    A left join on the user: people are matched whatever the case of their e-mails. No row is
    dropped and none is added: a user who is not on the roster gets nulls. Users without a match on
    either side are reported by a DataWarning, with how many there are and the first few names;
    service accounts have no licence and are not missed. Of a user whose team changed, each row has the team of its
    last day; of a frame without days, the last team. An alias is counted as its user, under the roster's name.

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
        The rows of ``frame`` in their order, with the roster's other columns (but ``aliases``) added.

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
    unmatched : who is on one side only, as a table.

    Examples
    --------
    >>> activity = pl.DataFrame({"user": ["Ada@x.io"], "total_messages": [7]})
    >>> join_roster(activity, pl.DataFrame({"user": ["ada@x.io"], "team": ["Payments"]})).rows()
    [('Ada@x.io', 7, 'Payments')]
    """
    schema = columns_of(frame)
    require(schema, ("user",), table="activity")
    listed = read_roster(roster)
    added = [name for name in listed.columns if name not in ("user", "user_type", "aliases")]
    twice = [name for name in added if name in schema]
    if twice:
        raise roster_error(
            f"The frame and the roster both have {', '.join(map(repr, twice))}.",
            hint=f"drop one: frame.drop({twice!r}).",
        )
    keyed, known = with_user_key(resolve_aliases(frame.lazy().collect(), listed)), with_user_key(listed)
    if warn:
        _warn_of_strangers(keyed, known)
    if not known[_KEY].is_duplicated().any():
        return keyed.join(known.select(_KEY, *added), on=_KEY, how="left", maintain_order="left").drop(_KEY)
    # Who has several rows was first in that team for all days before it, and is last in that one for all days after.
    has_days = not schema.keys().isdisjoint(("date", "period_start"))
    day = row_days(keyed)[1] if has_days else pl.lit(date.max)
    begun = pl.when(pl.col(_KEY).is_first_distinct()).then(pl.lit(date.min)).otherwise("licensed_from")
    facts = known.select(_KEY, *added, __day=begun).sort("__day")
    placed = keyed.with_columns(__day=day).with_row_index("__row").sort("__day")
    joined = placed.join_asof(facts, on="__day", by=_KEY, strategy="backward", check_sortedness=False)
    return joined.sort("__row").drop("__row", "__day", _KEY)


def unmatched(
    roster: pl.DataFrame | pl.LazyFrame,
    activity: pl.DataFrame | pl.LazyFrame,
    *,
    since: date | str | None = None,
    as_of: date | str | None = None,
) -> pl.DataFrame:
    """Who is active and on no roster, and which licences match nobody?

    A person is on one side only where an e-mail is written in another way, where somebody without a licence works
    with the assistant, or where a licence is not used. Of the licences those count that are valid on the last day.

    Parameters
    ----------
    roster : DataFrame or LazyFrame
        As for :func:`read_roster`.
    activity : DataFrame or LazyFrame
        ``user``, ``user_type``, and ``date`` or ``period_start`` with ``period_end``: all that is known.
    since : date or str, optional
        Of those who are on no roster only who was active from this day on.
    as_of : date or str, optional
        The last day of the data; rows that reach past it are left out.

    Returns
    -------
    DataFrame
        The table UNMATCHED, one row a person, sorted by side and name: ``side`` (Enum), ``user`` (String),
        ``last_active`` (Date; null: never) and ``maybe`` (String), the one user of the other side whose e-mail is
        the same before the @; null where there is none or are several.

    Raises
    ------
    TableError
        A column is missing, or the roster cannot be read.

    See Also
    --------
    licences : the state of each licence. population_bridge : how many are on which side.

    Examples
    --------
    >>> from datetime import date
    >>> activity = pl.DataFrame({"user": ["ada@x.io", "bob@old.io"], "user_type": ["person"] * 2,
    ...     "date": [date(2026, 3, 31)] * 2})
    >>> unmatched(pl.DataFrame({"user": ["ada@x.io", "bob@new.io"]}), activity).select("side", "user", "maybe").rows()
    [('active, not on the roster', 'bob@old.io', 'bob@new.io'), ('licensed, never active', 'bob@new.io', 'bob@old.io')]
    """
    listed = read_roster(roster)
    last, seen = last_seen(resolve_aliases(activity, listed), as_of=as_of)
    known = with_user_key(listed)
    first = date.min if since is None else parse_day(since, name="since")
    strangers = seen.join(known, on=_KEY, how="anti").filter(pl.col("last_active") >= first)
    valid = spells_of(listed).filter(is_licensed(pl.lit(last, pl.Date), pl.lit(last, pl.Date)))
    unseen = known.join(valid, on=_KEY, how="semi").join(seen, on=_KEY, how="anti").unique(_KEY, keep="first")
    sides = [strangers.select("user", "last_active"), unseen.select("user", last_active=pl.lit(None, pl.Date))]
    local = pl.col("user").str.to_lowercase().str.replace(r"@.*$", "").alias("local")
    named = [side.with_columns(local) for side in sides]
    told = [
        side.join(other.select("local", maybe="user").unique("local", keep="none"), on="local", how="left").select(
            pl.lit(name).cast(UNMATCHED.schema["side"]).alias("side"), "user", "last_active", "maybe"
        )
        for name, side, other in zip(UNMATCHED_SIDE.categories, named, named[::-1], strict=True)
    ]
    return pl.concat(told).sort("side", pl.col("user").str.to_lowercase(), "user")


def check_match(roster: pl.DataFrame, activity: pl.DataFrame | pl.LazyFrame) -> None:
    """Refuse a roster that matches almost nobody, with the likely reason.

    Nothing is said of a roster or an activity of fewer than ten people: they may have nobody in common. The error
    tells no number of people, and can stand where few are hidden.

    Raises
    ------
    TableError
        Fewer than a tenth of the people of the smaller side are on the other side too.

    Examples
    --------
    >>> activity = pl.DataFrame({"user": [f"user{n}@old.io" for n in range(20)], "user_type": "person"})
    >>> check_match(pl.DataFrame({"user": [f"user{n}@new.io" for n in range(20)]}), activity)
    Traceback (most recent call last):
    ...
    augment_insights.errors.TableError: The roster matches fewer than a tenth of the people. Most of its ...
    """
    typed = activity if "user_type" in columns_of(activity) else activity.with_columns(user_type=pl.lit("person"))
    seen = (
        active_rows(select_users(resolve_aliases(typed, roster)))
        .lazy()
        .select("user", user_key())
        .unique(_KEY, keep="any")
        .collect()
    )
    known = with_user_key(roster).unique(_KEY, keep="any")
    matched, smaller = seen.join(known, on=_KEY, how="semi").height, min(seen.height, known.height)
    if smaller < _ENOUGH or matched * _ENOUGH >= smaller:
        return
    domains = [side["user"].str.extract("(@.*)$").drop_nulls().mode() for side in (known, seen)]
    theirs, ours = (str(found.sort().first()).lower() for found in domains)
    reason, hint = "", "is it this organisation's roster, and are its users e-mails?"
    if theirs != ours:
        reason = f" Most of its e-mails end in {theirs}, and most of those who are active in {ours}."
        hint = "use a roster with the e-mails that the API reports, or name the others in its column aliases."
    raise roster_error(
        f"The roster matches fewer than a tenth of the people.{reason}",
        hint=hint,
    )


def last_seen(activity: pl.DataFrame | pl.LazyFrame, **whose: Unpack[Whose]) -> tuple[date | None, pl.DataFrame]:
    """Return the last day of the data; and of each user active from the first to it, the name and the last such day."""
    require(columns_of(activity), ("user", "user_type"), table=ACTIVITY)
    first, last = known_days(data_span(activity), **whose)
    start, end = row_days(activity)
    rows = active_rows(select_users(activity, read_whose(**whose)[0])).lazy()
    within = (start >= pl.lit(first, pl.Date)) & (end <= pl.lit(last, pl.Date))
    known = rows.filter(within).select(user_key(), "user", last_active=end)
    return last, known.group_by(_KEY).agg(pl.col("user").cast(pl.String).min(), pl.col("last_active").max()).collect()


# ---- Days ----


def _as_dates(values: pl.Series, form: str | None) -> pl.Series:
    """Turn text, moments and empty columns into days."""
    if values.dtype == pl.Date:
        return values
    if values.dtype == pl.Null:
        return values.cast(pl.Date)
    if isinstance(values.dtype, pl.Datetime):  # a moment with a time zone is of the day that it is in UTC
        return (values.dt.convert_time_zone("UTC") if values.dtype.time_zone else values).dt.date()
    if values.dtype == pl.String:
        text = values.set(values.str.to_lowercase().is_in(_NO_DATE), None)
        days = text.to_frame("text").select(_iso_day()).to_series().alias(values.name)
        if form is not None:
            form = _LETTERS.sub(lambda found: _FORMS[found[0].lower()], form)
            bare = text if ":" in form else text.str.replace(_TIME, "")
            named = bare.str.to_date(form, strict=False)
            days = named.set(named.dt.year() < _FIRST_YEAR, None).fill_null(days)
        wrong = text.filter(days.is_null() & text.is_not_null()).unique().sort().to_list()
        if not wrong:
            return days
        found, hint = name_a_few(wrong), _how_to_write(wrong)
    else:
        found, hint = f"values of type {values.dtype}", "write days as YYYY-MM-DD, such as 2026-01-31."
    raise roster_error(f"The roster has {found} as {values.name}, and that is not a day.", hint=hint)


def _iso_day() -> pl.Expr:
    """Read the year first, with or without a time; a time with an offset is of the day that it is in UTC."""
    text = pl.col("text")
    offset = r"(?P<sign>[+-])(?P<zh>\d{2}):?(?P<zm>\d{2})?"
    time = rf"(?:[T ](?P<h>\d{{1,2}}):(?P<m>\d{{2}})(?::\d{{2}}(?:[.,]\d+)?)?\s*(?:[AP]M|Z|UTC|{offset})?)?"
    parts = text.str.extract_groups(rf"(?i)^(?P<day>\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}){time}$").struct
    day = parts.field("day").str.replace_all("[/.]", "-").str.to_date("%Y-%m-%d", strict=False)
    minutes = parts.field("h").cast(pl.Int32) * 60 + parts.field("m").cast(pl.Int32)
    ahead = parts.field("zh").cast(pl.Int32) * 60 + parts.field("zm").cast(pl.Int32).fill_null(0)
    utc = minutes - pl.when(parts.field("sign") == "-").then(-ahead).otherwise(ahead)
    moved = day + pl.duration(days=utc.floordiv(24 * 60).fill_null(0))
    return pl.coalesce(moved, text.str.extract(r"^(\d{8})$").str.to_date("%Y%m%d", strict=False))


def _how_to_write(wrong: Sequence[str]) -> str:
    """Return a hint for days that are not read: the form that fits them all, or both that may be meant."""
    if all(text.isdecimal() for text in wrong):
        return "write days as YYYY-MM-DD, or give the cells the format of a date in the spreadsheet."
    parts = (
        pl.Series(wrong)
        .str.replace(_TIME, "")
        .str.extract_groups(r"^(\d{1,2})([-/. ])(\d{1,2})[-/. ](\d{4}|\d{2})$")
        .struct.unnest()
    )
    parts.columns = ["first", "sign", "second", "year"]
    if parts["year"].null_count() or parts["sign"].n_unique() != 1:
        return "write days as YYYY-MM-DD, such as 2026-01-31, or name their form: dates='%d %b %Y'."
    sign, year = parts["sign"][0], "%y" if (parts["year"].str.len_chars() == 2).any() else "%Y"  # noqa: PLR2004 (digits)
    first, second = (parts[name].cast(pl.Int64).max() > _MOST_MONTHS for name in ("first", "second"))  # type: ignore[operator]  # numbers
    forms = [f"dates='%d{sign}%m{sign}{year}'"] * (not second) + [f"dates='%m{sign}%d{sign}{year}'"] * (not first)
    if not forms:
        return "some have the month first and some the day: write days as YYYY-MM-DD."
    return f"write days as YYYY-MM-DD, or name their form: {' or '.join(forms)}."


def _warn_of_strangers(rows: pl.DataFrame, known: pl.DataFrame) -> None:
    """Report who is on one side only."""
    people = rows.filter(pl.col(_KEY).str.starts_with("person:"))
    sides = (
        ("of the frame not on the roster", people.join(known, on=_KEY, how="anti")),
        ("on the roster without a row in the frame", known.join(rows, on=_KEY, how="anti")),
    )
    said = []
    for where, found in sides:
        names = found.unique(_KEY).sort(_KEY)["user"].to_list()
        if names:
            said.append(f"{plural(len(names), 'user')} {where} ({name_a_few(names)})")
    if said:
        warn_reader(f"{'; '.join(said)}.")


def name_a_few(names: Sequence[str]) -> str:
    """List the first names, and how many more there are.

    Examples
    --------
    >>> name_a_few(["ada", "bob", "cleo", "dan"])
    'ada, bob, cleo and 1 more'
    """
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more} more" if more > 0 else "")
