"""How much of people a report may show: their names, pseudonyms or neither, and no group that is too small.

One object decides for a whole report. What a template fetches goes through it before anything is
computed, so that neither its charts nor its notebook hold a name; whatever enters the page goes
through it again, so that a template that forgot cannot give anybody away.

It remembers how many people stand behind each number that it let through, and which numbers add up to
which. A number of few people is hidden (primary suppression), and so are those from which it could be worked
out (complementary suppression), in whichever table of the report they stand.
"""

from __future__ import annotations

import os
import re
import secrets
import warnings
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, get_args

import polars as pl
import polars.selectors as cs

from augment_insights import tables
from augment_insights.analysis import feature_adoption, pseudonymise
from augment_insights.analysis.population import with_user_key
from augment_insights.analysis.privacy import OVERLAPPING, PEOPLE, Total, complementary_suppression
from augment_insights.errors import ConfigurationError, InsightsError, not_valid, plural, safe_text
from augment_insights.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

Names = Literal["show", "pseudonyms", "hide"]

KEY_VARIABLE = "AUGMENT_INSIGHTS_PSEUDONYM_KEY"
"""Set, reports of different days give a user the same pseudonym; left out, each report has a key of its own."""

HIDDEN = "(name hidden)"

NOT_SHOWN = "(not shown)"

SUPPRESSED = "is_suppressed"

_DIGITS = 12
"""Eight would let two of some ten thousand users share a pseudonym."""

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"|·]{1,400}@[\w-]{1,100}(?:\.[\w-]{1,100})*")
"""An e-mail, with room for O'Brien; without bounds, a picture of a megabyte of letters would be searched for hours."""

_NUMBER = re.compile(
    r"(?<![\w.,:/-])(?<!week )(?<!month )(?<!quarter )(?<!day )(?P<number>\d{1,3}(?:,\d{3})+|\d+)(?!\w|[.,:/-]\d)"
    r"(?P<other> ?%| (?:complete )?(?:points|days?|weeks?|months?|quarters?|more|fewer|groups|teams|checks)\b"
    r"| [A-Z][a-z]{2} \d{4})?"
    r"(?P<people> (?:people|person|users?|licences?|service accounts?)\b)?"
)
"""A whole number in running text, and what it counts, where the next word says so."""

_TENTH = 10

_LABELS = ("user_type", "metric", "figure", "check", "kind", "counted")
"""Columns that say what a row tells, and not which people it is about."""

_SIDES = ("both_users", "before_users", "after_users")
_TIMES = ("period_start", "date")
_STEPS = ("window_days", "period", "days", "active_days", "acceptance_from")
_DEEDS = (
    *_TIMES,
    *_STEPS,
    "cohort",
    "tier",
    "feature",
    "mode",
    "from_mode",
    "to_mode",
    "status",
    "licence",
    "seen",
    "tenure",
)
"""Groups by what people did, and when: small ones are hidden where names are not shown."""

_FLOWS = ("new_users", "returning_users", "resurrected_users", "dormant_users", "cumulative_users")
"""People who are counted side by side in one row: each number has people of its own."""

_COMMON = ("active_users", "licensed_users", "eligible_users", "new_users", "at_risk_users")
"""Counts of people that mean the same in a figure of groups and in one of everybody."""

_NEVER_SUMMED = (*_LABELS, "row", "window_days", "period", "days", "from_mode")
_UNNAMED = {*_LABELS, "user", "period_end", "acceptance_to", SUPPRESSED}
_COLUMNS = [pair for table in vars(tables).values() if isinstance(table, tables.Table) for pair in table.schema.items()]
_MEASURES = {name for name, dtype in _COLUMNS if dtype.is_numeric()} - {*_DEEDS, *_UNNAMED}
_UNITS = re.compile(r"is_complete|is_paired|verdict|.*_(users|count|lines|rate|low|high|share|days)")
_ADDED_UP = re.compile("|".join((r".*_count|.*share|user_days", *METRICS)))
"""What is summed over groups even where people are not."""

Cell = tuple[str, int, tuple[tuple[str, Any], ...]]
"""A number of people: what is counted, in the first or a later table of such groups, and the values that name them."""


class Sharing:
    """How much of people a report may show.

    Parameters
    ----------
    names : {"show", "pseudonyms", "hide"}
        Users by name; by pseudonyms that are the same through the report; or not at all: tables of
        users become sums over users.
    min_group_size : int
        Teams, editors, languages and other groups of fewer people are hidden, and with them whatever
        would give them away by subtraction. When names are not shown, so is every other number that stands for
        fewer people: of periods, cohorts, the ends of curves, and everybody together.
    key : str, optional
        The secret behind the pseudonyms; left out, ``AUGMENT_INSIGHTS_PSEUDONYM_KEY``, else a random
        one. It is in no output.

    Attributes
    ----------
    days_off : frozenset of date
        Weekends and holidays, where means of working days are shown.

    Raises
    ------
    ConfigurationError
        ``names`` is not valid, or ``min_group_size`` below 1.

    Examples
    --------
    >>> sharing = Sharing("pseudonyms", key="a secret of your own")
    >>> sharing.users(pl.DataFrame({"user": ["ada@x.io"]})).item()[:5]
    'user-'
    >>> sharing.words("Ask ada@x.io.").startswith("Ask user-")
    True
    """

    def __init__(self, names: str = "show", *, min_group_size: int = 5, key: str | None = None) -> None:
        if names not in get_args(Names):
            raise ConfigurationError(not_valid("names", names, get_args(Names)), setting="names")
        if min_group_size < 1:
            raise ConfigurationError(
                f"min_group_size={min_group_size!r} is not an integer >= 1.", setting="min_group_size"
            )
        self.names = names
        self.min_group_size = min_group_size
        self.days_off: frozenset[date] = frozenset()
        self._key = key or os.environ.get(KEY_VARIABLE) or secrets.token_hex()
        self._known: dict[str, str] = {}
        self._issued: set[str] = set()
        self._people: dict[Cell, int] = {}
        self._hidden: set[Cell] = set()
        self._reached: dict[int, set[Any]] = {}
        self._spans: dict[tuple[Any, Any], dict[Cell, None]] = {}
        self._usage: list[pl.DataFrame] = []

    def __repr__(self) -> str:
        return f"Sharing({self.names!r}, min_group_size={self.min_group_size})"

    @property
    def is_open(self) -> bool:
        """Whether names are shown."""
        return self.names == "show"

    def users(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return a frame for computing with: pseudonyms in ``user`` unless names are shown, the rows in their order.

        The order of names would give names away, so rows are sorted anew where users have pseudonyms.
        """
        if self.is_open or "user" not in frame.columns:
            return frame
        ahead = [name for name in frame.columns if frame.schema[name].is_temporal() or name == "user_type"]
        kept = self._with_pseudonyms(frame).sort(*ahead, "user", maintain_order=True)
        if {"period_start", "user_type", *METRICS} <= {*frame.columns}:
            self._usage.append(kept)
        return kept

    def groups(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return a result table with the numbers of small groups null, and ``is_suppressed`` where it has groups.

        Where names are not shown, every row is a group: also a period, a cohort, an age, and everybody together. A
        table that does not count people hides the groups that an earlier table hid.
        """
        groups = _groups_of(table)
        is_flagged = not {*groups} <= {*_DEEDS}
        is_all_shown = self.is_open and (not is_flagged or self.min_group_size == 1)
        if SUPPRESSED in table.columns or "user" in table.columns or is_all_shown:
            return table
        counted = self._with_people(table)
        if "mean_daily_users" in table.columns:
            # Two means of a window that is not whole differ by the users of one day: none is shown.
            is_whole = pl.col("is_complete") if "is_complete" in table.columns else pl.lit(value=True)
            days = "working_days" if "working_days" in table.columns else "window_days"
            user_days = pl.col("mean_daily_users") * pl.when(is_whole).then(days)
            counted = table.with_columns(user_days.round().cast(pl.Int64).alias("mean_daily_users"))
        cells: dict[str, Sequence[Cell | None]] = {
            column: self._cells(counted, column, groups) for column in _counts_of(counted)
        }
        if {"mode", "messages_count", "lines_count"} <= {*table.columns}:
            # A mode of which the API tells nothing hides nothing: neither small itself, nor hidden to cover another.
            told = table.select(~pl.all_horizontal(pl.col("messages_count", "lines_count").is_null())).to_series()
            cells = {
                name: [cell if known else None for cell, known in zip(found, told, strict=True)]
                for name, found in cells.items()
            }
        self._decide(counted, cells)
        gone = {column: [cell in self._hidden for cell in found] for column, found in cells.items()}
        if not cells:
            gone = {"": [self._hides_group(row) for row in table.select(groups or pl.all()).iter_rows(named=True)]}
        rows = pl.Series(SUPPRESSED, [any(row) for row in zip(*gone.values(), strict=True)], dtype=pl.Boolean)
        if self.min_group_size == 1 or not (is_flagged or rows.any()):
            return self._of_many(self.sides(table))
        own = {name: pl.Series(flags, dtype=pl.Boolean) for name, flags in gone.items() if "new_users" in gone}
        blank = [
            pl.when(~own.get(name, rows)).then(pl.col(name)).alias(name)
            for name, dtype in table.schema.items()
            if (dtype.is_numeric() or name == "verdict") and name not in groups and name not in _UNNAMED
        ]
        return self._of_many(self.sides(table.with_columns(*blank, rows)))

    def table(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return a table as it may be shown: names as chosen, small groups hidden.

        A table of users is summed, under pseudonyms to one row a user, else to one a period: it is no finer than the
        figures, and does not give back what they hide.
        """
        if self.is_open:
            return self.groups(table)
        shown = table
        if "user" in table.columns:
            by_user = self.names == "pseudonyms"
            kept = ("user_type", "user") if by_user else (*_TIMES, "period_end", "user_type", *_STEPS)
            named = self._with_pseudonyms(table) if by_user else table
            keys = [name for name in named.columns if name in kept and name != "active_days"]
            is_single = by_user and not named.select(keys).is_duplicated().any()
            shown = named.select(*keys, cs.numeric()) if is_single else _summed(named, keys)
        return self.groups(self._with_words(shown))

    def sides(self, compared: pl.DataFrame) -> pl.DataFrame:
        """Return a comparison without the counts of its sides where few people stand on one of them only.

        All three counts of such a row go: from two of them and the people of a side the third could be found.
        """
        if self.is_open or not {*_SIDES} <= {*compared.columns}:
            return compared
        few = pl.any_horizontal(pl.col(*_SIDES).is_between(1, self.min_group_size - 1)).fill_null(value=False)
        enough = pl.col("both_users") + pl.min_horizontal("before_users", "after_users") >= self.min_group_size
        return compared.with_columns(pl.when(~(few & enough)).then(pl.col(*_SIDES)))

    def _of_many(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return a table without the share of a tenth of its users, where that are few."""
        if self.is_open or "top_decile_share" not in table.columns:
            return table
        few = (pl.col("users") / _TENTH).ceil() < self.min_group_size
        return table.with_columns(pl.when(~few).then(pl.col("top_decile_share")))

    def count(self, people: int) -> str:
        """Return a number of people as it may stand by itself."""
        is_told = self.is_open or people >= self.min_group_size
        return f"{people:,}" if is_told else f"fewer than {self.min_group_size:,}"

    def told(self, text: str) -> str:
        """Return a headline or a sentence as it may be shown: without names, and without numbers that tables hide.

        A whole number that some hidden cell has and no shown one, and any number of fewer than ``min_group_size``
        people, is not told. Numbers of days and periods, percentages, and by how much a shown number moved, stay.
        """
        gone = self._numbers_hidden()

        def number(found: re.Match[str]) -> str:
            people = int(found["number"].replace(",", ""))
            is_small = 0 < people < self.min_group_size and found["people"]
            if self.is_open or found["other"] or not (is_small or people in gone):
                return found[0]
            return (self.count(people) if is_small else NOT_SHOWN) + (found["people"] or "")

        return _NUMBER.sub(number, self.words(text))

    def trend(self, values: Sequence[float | None]) -> tuple[float | None, ...]:
        """Return the numbers of a small line without those that tables hide."""
        gone = self._numbers_hidden()
        return tuple(None if value in gone else value for value in values)

    def _numbers_hidden(self) -> set[int]:
        """Return the numbers of people that are hidden somewhere and shown nowhere."""
        shown = {people for cell, people in self._people.items() if cell not in self._hidden}
        return set() if self.is_open else {self._people[cell] for cell in self._hidden} - shown

    def left_out(self, shown: pl.DataFrame) -> str:
        """Say how many groups or rows are hidden, so that a gap in a line is not taken for a day without people."""
        if SUPPRESSED not in shown.columns:
            return ""
        names = shown.select(pl.col(pl.String, pl.Categorical, pl.Enum).exclude("verdict", "metric", "figure")).columns
        told = shown.filter(~pl.col(SUPPRESSED)).select(names).unique()
        hidden = shown.select(names).unique().join(told, on=names, how="anti", nulls_equal=True).height if names else 0
        if hidden:
            return f"Not shown: {plural(hidden, 'group')} of too few people, or that would give one away."
        rows = shown[SUPPRESSED].sum()
        return f"Not shown: {rows:,} of {shown.height:,} rows, of few people or next to such." if rows else ""

    @property
    def smallest_group(self) -> str:
        """How many people the smallest group has that was shown."""
        sizes = [people for cell, people in self._people.items() if cell not in self._hidden]
        return ("1 person" if min(sizes) == 1 else f"{min(sizes):,} people") if sizes else "no groups"

    @contextmanager
    def naming_nobody(self) -> Iterator[None]:
        """Replace names in the errors and the warnings of a block."""
        if self.is_open:
            yield
            return
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            except InsightsError as error:
                error.args = tuple(self.spec(list(error.args)))
                vars(error).update(self.spec(vars(error)))
                raise error from None
            finally:
                told = [(self.words(str(one.message)), one.category) for one in caught]
        for words, category in told:
            warnings.warn(words, category, stacklevel=3)

    def words(self, text: str) -> str:
        """Return text without names: each e-mail, and any known user's name that stands alone, is replaced."""
        if self.is_open:
            return text
        if text in self._known:
            return self._shown(text)
        return _EMAIL.sub(lambda found: self._unquoted(found[0]), text) if "@" in text else text

    def spec(self, spec: Any) -> Any:
        """Return a chart's specification, or anything made of lists, dictionaries and text, without names."""
        if self.is_open:
            return spec
        if isinstance(spec, str):
            return self.words(spec)
        if isinstance(spec, dict):
            return {self.words(key): self.spec(value) for key, value in spec.items()}
        return [self.spec(value) for value in spec] if isinstance(spec, list) else spec

    def _cells(self, table: pl.DataFrame, column: str, groups: list[str]) -> list[Cell]:
        """Return the cell of each row of a column that counts people."""
        renamed = {name: name for name in groups}
        noun = column
        if column == "cohort_users":  # the new users of the cohort's period, told again for each period since
            noun, renamed = "new_users", {name: "period_start" if name == "cohort" else name for name in groups}
            renamed.pop("period", None)
        elif noun not in _FLOWS and any(map(_ADDED_UP.fullmatch, table.columns)):
            noun = f"+{noun}"
        people = table[column].fill_null(0).to_list()
        numbered = table.with_row_index("row")
        for more in ((), [name for name in _LABELS if name in table.columns], ("row",)):
            names = {**renamed, **dict(zip(more, more, strict=True))}
            rows = numbered.select(*names).rows() if names else [()] * table.height
            values = [tuple(sorted(zip(names.values(), row, strict=True))) for row in rows]
            if len({*values}) == len({*zip(values, people, strict=True)}):
                break  # a group has one size here
        for scope in count():  # a second table of the same groups counts other days
            cells = [(noun, scope, named) for named in values]
            if all(self._people.get(cell, size) == size for cell, size in zip(cells, people, strict=True)):
                self._note_spans(table, column, cells, groups)
                return cells
        raise AssertionError

    def _note_spans(self, table: pl.DataFrame, column: str, cells: Sequence[Cell], groups: list[str]) -> None:
        """Remember which days a number of active people is of: a week is also the window that ends with it."""
        if column not in ("active_users", "users") or not {*groups} <= {*_TIMES, "window_days", "user_type"}:
            return
        start, end = pl.col("period_start"), pl.col("period_end")
        if {"date", "window_days"} <= {*table.columns}:
            start, end = pl.col("date") - pl.duration(days=pl.col("window_days") - 1), pl.col("date")
        elif not {"period_start", "period_end"} <= {*table.columns}:
            return
        for cell, span in zip(cells, table.select(start=start, end=end).rows(), strict=True):
            self._spans.setdefault(span, {})[cell] = None

    def _decide(self, table: pl.DataFrame, cells: Mapping[str, Sequence[Cell | None]]) -> None:
        """Hide what is small among the new cells, and what would give it away beside all that was shown before.

        A row that is None in ``cells`` has nothing to hide.
        """
        if {*_groups_of(table)} == {"cohort", "period"} and "is_complete" in table.columns:
            for cohort, period in table.filter("is_complete").select("cohort", "period").iter_rows():
                self._reached.setdefault(period, set()).add(cohort)
        shown = self._people.keys() - self._hidden
        people = {
            cell: users
            for column, found in cells.items()
            for cell, users in zip(found, table[column].fill_null(0), strict=True)
            if cell is not None
        }
        new = people.keys() - self._people.keys()
        self._people.update(people)
        if not new or self.min_group_size == 1:
            return
        small = {cell for cell, people in self._people.items() if people < self.min_group_size}
        rest: dict[Any, int] = {}
        totals = _about(new, [*self._sums_over_groups(rest), *filter(self._holds, self._identities())])
        hidden = complementary_suppression(
            {**self._people, **rest},
            (small - shown) | self._hidden | rest.keys(),
            totals,
            min_group_size=self.min_group_size,
            shown=shown,
        )
        self._hidden = hidden & self._people.keys()

    def _sums_over_groups(self, rest: dict[Any, int]) -> Iterator[Total]:
        """Yield the sums over groups, the rest of a whole that is shown in a cell of its own: it goes to ``rest``."""
        lines: dict[tuple[str, Cell], list[Cell]] = {}
        for cell in self._people:
            noun, scope, named = cell
            for name, value in named:
                if name not in _NEVER_SUMMED:
                    whole = (noun, scope, tuple(pair for pair in named if pair != (name, value)))
                    lines.setdefault((name, whole), []).append(cell)
        for (name, whole), parts in lines.items():
            noun = whole[0]
            overlaps = name in OVERLAPPING or (name in _TIMES and noun != "new_users")
            if overlaps and not noun.startswith("+"):
                continue  # the people of two languages, or weeks, do not add up, and nothing else here does
            measures = {"messages": "completions", "lines": "chat"} if name == "mode" else {"": ""}
            for measure, without in measures.items():  # the mode that has none of them
                yield Total({cell: 1 for cell in parts if (name, without) not in cell[2]}, overlaps, measure)
            if name == "active_days":  # the user-days of all are known, too
                yield Total({cell: dict(cell[2])[name] for cell in parts})
            others = self._people.get(whole, 0) - sum(self._people[cell] for cell in parts)
            if noun in _COMMON and whole in self._people and not overlaps and others >= 0:
                remainder = ("rest", name, whole)
                rest.update({remainder: others} if others else {})
                yield Total({**dict.fromkeys(parts, 1), whole: -1, **({remainder: 1} if others else {})})

    def _identities(self) -> Iterator[Total]:
        """Yield the sums of ``lifecycle``, of the adoption curve and of pooled retention."""

        def at(noun: str, start: Any) -> Cell:
            return noun, 0, (("period_start", start),)

        cells = [named for noun, _, named in self._people if noun == "new_users" and len(named) == 1]
        starts = sorted({start for ((_, start),) in cells})
        for before, start in zip([None, *starts], starts, strict=False):
            new, returning, resurrected, dormant, ever = (at(noun, start) for noun in _FLOWS)
            active = at("active_users", start)
            yield Total({new: 1, returning: 1, resurrected: 1, active: -1})
            yield Total({ever: 1, at("cumulative_users", before): -1, new: -1})
            yield Total({active: 1, at("active_users", before): -1, new: -1, resurrected: -1, dormant: 1})
        for noun, _, named in self._people:
            if noun == "mean_daily_users":  # times the window's days, or working days: a sum of single days
                (_, day), (_, window) = named
                days = [one for back in range(window) if (one := day - timedelta(days=back)) not in self.days_off]
                single = [("active_users", 0, (("date", one), ("window_days", 1))) for one in days]
                yield Total({(noun, 0, named): -1, **dict.fromkeys(single, 1)})
        for first, *others in self._spans.values():
            yield from (Total({first: 1, other: -1}) for other in others)
        for period, cohorts in self._reached.items():
            pooled: Cell = ("eligible_users", 0, (("period", period),))
            yield Total({pooled: -1, **{at("new_users", cohort): 1 for cohort in cohorts}})

    def _holds(self, total: Total) -> bool:
        """Whether all cells of a sum are on the page, and it comes out."""
        cells: Mapping[Any, int] = total.cells
        return all(cell in self._people for cell in cells) and not sum(
            times * self._people[cell] for cell, times in cells.items()
        )

    def _hides_group(self, values: Mapping[str, Any]) -> bool:
        """Whether a table that counts people hides this group, or one that it is a part of."""
        return any(named and noun not in _FLOWS and {*named} <= {*values.items()} for noun, _, named in self._hidden)

    def _with_people(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return a table that does not count the people of its rows with their number, as far as it can be told.

        A comparison stands on the smaller of its two sides. Of a mix of modes, the activity tells that was fetched.
        """
        if {*_SIDES} <= {*table.columns}:
            told = pl.col("both_users") + pl.min_horizontal("before_users", "after_users")
            is_blank = pl.col("both_users").is_null() & pl.col("is_paired")  # by `sides`, of enough people in all
            return table.with_columns(users=pl.when(is_blank).then(self.min_group_size).otherwise(told))
        if self.is_open or _counts_of(table) or not {"mode", "period_start"} <= {*table.columns}:
            return table
        for usage in self._usage:
            if {*table["period_start"]} <= {*usage["period_start"]}:
                used = feature_adoption(usage, by="period_start", user_type="all")
                users = used.select("period_start", mode="feature", users="feature_users")
                known = table.join(users, on=["period_start", "mode"], how="left", maintain_order="left")
                return known.with_columns(pl.col("users").fill_null(0))
        return table.with_columns(users=pl.lit(0))  # nobody knows how many: hidden

    def _with_pseudonyms(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Replace names, but not the pseudonyms of an earlier time, and remember both."""
        replaced = pseudonymise(frame, self._key, digits=_DIGITS)["user"]
        own = frame["user"].is_in(list(self._issued))
        shown = frame.select(pl.when(own).then(pl.col("user")).otherwise(replaced)).to_series()
        pairs = pl.DataFrame({"name": frame["user"], "shown": shown}).filter(~own).drop_nulls().unique()
        self._known.update(pairs.rows())
        self._known.update((safe_text(name), stands_for) for name, stands_for in pairs.rows())  # as a chart writes it
        self._issued.update(pairs["shown"])
        return frame.with_columns(user=shown)

    def _with_words(self, table: pl.DataFrame) -> pl.DataFrame:
        """Replace names in the text columns, each distinct text once."""
        for name in table.select(cs.string()).columns:
            distinct = table[name].drop_nulls().unique().to_list()
            changed = {text: self.words(text) for text in distinct if self.words(text) != text}
            if changed and name != "user":
                table = table.with_columns(pl.col(name).replace(changed))
        return table.rename(self.words)

    def _unquoted(self, found: str) -> str:
        """Return what stands for an e-mail, with the quotation mark before it, if that is one."""
        name = found.lstrip("'")
        return self._shown(found) if name.startswith("@") else found[: len(found) - len(name)] + self._shown(name)

    def _shown(self, name: str) -> str:
        """Return what stands for a name in running text."""
        if self.names == "hide":
            return HIDDEN
        if name not in self._known:
            self._with_pseudonyms(pl.DataFrame({"user": [name]}))
        return self._known[name]


def _groups_of(table: pl.DataFrame) -> list[str]:
    """Return the columns that name the people a row is about, of whatever type: they come before the first number."""
    measured = [name in _MEASURES or bool(_UNITS.fullmatch(name)) for name in table.columns]
    first = measured.index(True) if True in measured else len(measured)
    return [
        name
        for place, (name, dtype) in enumerate(table.schema.items())
        if name in _DEEDS
        or (name not in _UNNAMED and not measured[place] and (place < first or not dtype.is_numeric()))
    ]


def _counts_of(table: pl.DataFrame) -> list[str]:
    """Return the columns that count the people of a row: one, or several where each has people of its own."""
    if "mean_daily_users" in table.columns:
        return ["active_users", "mean_daily_users"]
    if "new_users" in table.columns:
        return [name for name in (*_FLOWS, "active_users", "licensed_users") if name in table.columns]
    return [name for name in ("feature_users", *PEOPLE, "user_count") if name in table.columns][:1]


def _about(cells: set[Any], totals: list[Total]) -> list[Total]:
    """Return the totals that are connected to some cells."""
    found, left = list[Total](), totals
    while more := [total for total in left if not cells.isdisjoint(total.cells)]:
        left = [total for total in left if cells.isdisjoint(total.cells)]
        found += more
        cells = cells.union(*(total.cells for total in more))
    return found


def _summed(table: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """Sum a table over its users: counts add up, means and rates do not and are left out; active days are user-days."""
    renamed = with_user_key(table).rename({"active_days": "user_days"}, strict=False)
    people = ("user", "user_key", "users")
    counts = [name for name, dtype in renamed.schema.items() if dtype.is_integer() and name not in (*keys, *people)]
    known = [pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in counts]
    users = [] if "user" in keys else [pl.col("user_key").n_unique().cast(pl.Int64).alias("users")]
    summed = [*users, *known]
    return renamed.group_by(keys).agg(summed).sort(keys, nulls_last=True) if keys else renamed.select(summed)
