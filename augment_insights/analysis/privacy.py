"""How can a result be shown without showing a person? Pseudonyms for names, nothing for small groups."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

import polars as pl

from augment_insights.analysis.population import as_columns, with_user_key
from augment_insights.errors import ConfigurationError, TableError
from augment_insights.periods import check_count
from augment_insights.tables import Frame, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

PEOPLE = ("licensed_users", "users", "cohort_users", "eligible_users", "at_risk_users", "active_users")
"""The columns that count the people of a row, the population of a rate first."""

OVERLAPPING = frozenset({"language", "editor", "feature", "mode", "from_mode", "to_mode"})
"""Groups of which one user can be in several."""

_LABELS = ("window_days", "period", "days", "active_days")
_FLAG = "is_suppressed"
_ORDER = "__order"
_TINY = 1e-6


def pseudonymise(frame: Frame, key: str | bytes, *, digits: int = 8) -> Frame:
    """How can users be told apart without being named?

    Each name is replaced by ``user-`` (service accounts: ``bot-``) and hexadecimal digits of a keyed
    hash (BLAKE2b) of the name. With the same key a user has the same pseudonym in every table, and
    both spellings of an e-mail have one; without the key nobody can work it out by trying names.
    Only the column ``user`` is replaced: drop other columns that tell who someone is.

    Parameters
    ----------
    frame : DataFrame or LazyFrame
        Anything with ``user`` (and ``user_type``; without it all users are people).
    key : str or bytes
        The secret, the same through one report. Keep it out of the report; make a new one, with
        ``secrets.token_hex()``, where two reports must not be laid beside each other.
    digits : int
        Hexadecimal digits of a pseudonym, 8 to 32: 8 are enough for 1,000 users, 12 for 100,000.

    Returns
    -------
    DataFrame or LazyFrame
        As given, with pseudonyms in ``user`` (String). A row without a user keeps none.

    Raises
    ------
    ConfigurationError
        The key is empty.
    TableError
        No column ``user``, or two users have the same pseudonym (then pass more digits).
    ValueError
        ``digits`` outside 8 to 32.

    See Also
    --------
    suppress_small_groups : for groups that are so small that they are a name.

    Examples
    --------
    >>> frame = pl.DataFrame({"user": ["Ada@x.io", "ada@x.io", "bob@x.io"]})
    >>> names = pseudonymise(frame, "a secret of your own")["user"]
    >>> names[0] == names[1], names[0] == names[2], len(names[0])
    (True, False, 13)
    """
    secret = key.encode() if isinstance(key, str) else key
    if not secret:
        raise ConfigurationError(
            "Pseudonyms need a key that is not empty. Hint: make one with secrets.token_hex().", setting="key"
        )
    check_count("digits", digits, at_least=8, at_most=32)
    require(columns_of(frame), ("user",), table="users")
    kinds: list[str] = ["user_type"] if "user_type" in columns_of(frame) else []
    named = with_user_key(frame.lazy().select("user", *kinds).unique().filter(pl.col("user").is_not_null()).collect())
    hashing_key = hashlib.blake2b(secret).digest()  # blake2b takes keys of up to 64 bytes: any secret becomes one
    pseudonyms = {}
    for name in named["user_key"].unique():
        prefix = "user" if name.startswith("person:") else "bot"
        digest = hashlib.blake2b(name.encode(), key=hashing_key, digest_size=16).hexdigest()
        pseudonyms[name] = f"{prefix}-{digest[:digits]}"
    if len(set(pseudonyms.values())) < len(pseudonyms):
        raise TableError(
            f"Two users have the same pseudonym of {digits} digits under this key.",
            table="users",
            hint=f"pass digits={min(32, digits + 4)}, in all tables of the report.",
        )
    hidden = pl.DataFrame(
        list(pseudonyms.items()), schema={"user_key": pl.String, "pseudonym": pl.String}, orient="row"
    )
    names = named.join(hidden, on="user_key").select("user", *kinds, "pseudonym").lazy()
    replaced = (
        frame.lazy()
        .join(names, on=["user", *kinds], how="left", maintain_order="left")
        .with_columns(user="pseudonym")
        .drop("pseudonym")
    )
    return replaced if isinstance(frame, pl.LazyFrame) else replaced.collect()


def suppress_small_groups(
    frame: pl.DataFrame | pl.LazyFrame,
    *,
    by: str | Sequence[str],
    min_group_size: int = 5,
    people: str | None = None,
) -> pl.DataFrame:
    """Which groups are large enough to be shown?

    A group of fewer than ``min_group_size`` people is hidden (primary suppression): all its numbers
    become null, its name stays. What is hidden could be found by subtracting the others from a total
    that is known; so the next smallest groups are hidden too, until the hidden people of each slice are
    ``min_group_size`` together (complementary suppression). A slice is what is shown together: the rows of
    one period, feature or mode; with several columns in ``by`` also the rows that share all but one of
    them, because such totals are shown as well. Where one user can be in several groups (languages,
    editors), people do not add up: one hidden group must be large enough by itself. A size that is null
    is not known to be enough: hidden.

    Parameters
    ----------
    frame : DataFrame or LazyFrame
        A result table of this package, grouped by ``by``.
    by : str or sequence of str
        The columns that name the groups.
    min_group_size : int
        How many people a group must have to be shown.
    people : str, optional
        The column that counts the people of a group. Left out, the first that is there of
        ``licensed_users``, ``users``, ``cohort_users``, ``eligible_users``, ``at_risk_users``, ``active_users``.

    Returns
    -------
    DataFrame
        The rows and columns of ``frame`` in their order, hidden numbers null, and ``is_suppressed``
        (Boolean): whether the row is hidden.

    Raises
    ------
    TableError
        A column is missing, or none counts people.
    ValueError
        ``min_group_size`` below 1.

    Notes
    -----
    What is hidden here can still be shown elsewhere: hide the same groups in every table of a
    report, and do not show a table of the same groups with other borders beside it.

    See Also
    --------
    pseudonymise : for tables of single users. complementary_suppression : over several tables.

    Examples
    --------
    >>> teams = pl.DataFrame({"team": ["A", "B", "C"], "users": [40, 3, 9], "acceptance_rate": [0.3, 0.5, 0.4]})
    >>> suppress_small_groups(teams, by="team").rows()
    [('A', 40, 0.3, False), ('B', None, None, True), ('C', None, None, True)]
    """
    check_count("min_group_size", min_group_size)
    groups = as_columns(by, frame, table="groups")
    if not groups:
        raise ValueError("by= names no column. Hint: name the columns whose groups are shown.")
    rows = frame.lazy().collect()
    size = _people(rows, people)
    values = [
        name for name, dtype in rows.schema.items() if dtype.is_numeric() and name not in groups and name not in _LABELS
    ]
    slices = [name for name in rows.columns if name not in groups and name not in values]
    ordered = rows.with_row_index(_ORDER).sort(size, *groups, _ORDER)
    sizes = dict(enumerate(ordered[size]))
    small = {row for row, count in sizes.items() if count is None or count < min_group_size}
    summed = {tuple(groups), *((name,) for name in groups)}
    totals = [
        Total(dict.fromkeys(part, 1), overlaps=not OVERLAPPING.isdisjoint(over))
        for over in sorted(summed)
        for part in _parts(ordered, [*slices, *(name for name in groups if name not in over)])
    ]
    hidden = complementary_suppression(sizes, small, totals, min_group_size=min_group_size)
    marked = ordered.with_columns(pl.Series(_FLAG, [row in hidden for row in sizes], dtype=pl.Boolean)).sort(_ORDER)
    return marked.with_columns(pl.when(~pl.col(_FLAG)).then(pl.col(name)).alias(name) for name in values).select(
        *rows.columns, _FLAG
    )


def _people(rows: pl.DataFrame, people: str | None) -> str:
    """Return the column that counts people."""
    if people is not None:
        require(rows.schema, (people,), table="groups")
        return people
    found = next((name for name in PEOPLE if name in rows.columns), None)
    if found is None:
        raise TableError(
            f"No column of this table counts people: it has none of {', '.join(PEOPLE)}.",
            table="groups",
            missing=("users",),
            hint="name the column: people='my_users'.",
        )
    return found


def _parts(rows: pl.DataFrame, fixed: list[str]) -> list[list[int]]:
    """Return the numbers of the rows that share the values of some columns."""
    numbered = rows.select(*fixed, pl.int_range(pl.len()).alias(_ORDER))
    if not fixed:
        return [numbered[_ORDER].to_list()]
    return numbered.group_by(fixed, maintain_order=True).agg(_ORDER)[_ORDER].to_list()


@dataclass(frozen=True)
class Total:
    """Cells whose sum is known: a part of a shown total counts 1, a shown total itself -1.

    Attributes
    ----------
    cells : Mapping
        How often each cell is in the sum.
    overlaps : bool
        One person can be in several cells: people do not add up, while what they did does.
    measure : str
        What is summed, where it is not people: sums of two measures are not subtracted from each other.
    """

    cells: Mapping[Hashable, int]
    overlaps: bool = False
    measure: str = ""


def complementary_suppression(
    people: Mapping[Any, int | None],
    hidden: AbstractSet[Any],
    totals: Sequence[Total],
    *,
    min_group_size: int,
    shown: AbstractSet[Any] = frozenset(),
) -> set[Any]:
    """Which cells must be hidden so that no small one is found by adding and subtracting?

    The known sums are solved for the hidden cells (Gaussian elimination, smallest and largest cells first), and
    say at most how many people each can be. Where that is fewer than ``min_group_size``, the smallest shown
    cell of the sums that led there is hidden too, and all is solved again, until no cell is found. In the end each
    cell that turns out not to be needed is shown again, the largest first.

    Parameters
    ----------
    people : Mapping
        How many people stand behind each cell; of equal ones, the first is hidden first.
    hidden : set
        The cells that are hidden because they are small (primary suppression).
    totals : sequence of Total
        Which sums are known.
    min_group_size : int
        How many people the hidden cells of a known sum must have together.
    shown : set, optional
        Cells that were shown before, and cannot be hidden any more.

    Returns
    -------
    set
        The cells to hide.

    See Also
    --------
    suppress_small_groups : for one table.

    Examples
    --------
    >>> total = Total({"A": 1, "B": 1, "C": 1})
    >>> sorted(complementary_suppression({"A": 40, "B": 2, "C": 1}, {"B", "C"}, [total], min_group_size=5))
    ['A', 'B', 'C']
    """
    rank = {cell: (people[cell] or 0, number) for number, cell in enumerate(people)}
    gone = set(hidden)
    given_up: set[tuple[frozenset[Hashable], frozenset[int]]] = set()

    def findable(gone: AbstractSet[Hashable]) -> list[_Sum]:
        known = [_Sum.over(gone, total, number) for number, total in enumerate(totals)]
        known = [one for one in known if one.cells and one.name not in given_up]
        found = [one for one in known if one.is_too_small(rank, min_group_size)]
        if not found:
            largest_first = {cell: (-size, n) for cell, (size, n) in rank.items()}
            solved = [
                one
                for measure in {total.measure for total in totals}
                for order in (rank, largest_first)
                for one in _eliminated([one for one in known if totals[min(one.of)].measure == measure], order)
            ]
            found = [one for one in solved if one.is_too_small(rank, min_group_size)]
            found = found or _pinned([*known, *solved], rank, min_group_size)
        return [one for one in found if one.name not in given_up]

    while found := findable(gone):
        before = set(gone)
        for one in found:
            involved = {cell for number in one.of for cell in totals[number].cells} - before - shown
            if not involved:
                given_up.add(one.name)  # everything behind it is hidden already, or was shown before
            elif not involved & gone:
                gone.add(min(involved, key=rank.__getitem__))
    for cell in sorted(gone - hidden, key=rank.__getitem__, reverse=True):
        if not findable(gone - {cell}):
            gone.remove(cell)
    return gone


@dataclass(frozen=True)
class _Sum:
    """A known sum of hidden cells, and the totals that it was derived from."""

    cells: dict[Hashable, float]
    overlaps: bool
    of: set[int]

    @property
    def name(self) -> tuple[frozenset[Hashable], frozenset[int]]:
        """The hidden cells, and where the sum comes from."""
        return frozenset(self.cells), frozenset(self.of)

    @classmethod
    def over(cls, gone: AbstractSet[Hashable], total: Total, number: int) -> _Sum:
        """Return what is known of the hidden cells of a total."""
        cells = {cell: float(times) for cell, times in total.cells.items() if cell in gone}
        return cls(cells, total.overlaps, {number})

    def is_too_small(self, rank: Mapping[Hashable, tuple[int, int]], min_group_size: int) -> bool:
        """Whether it pins its cells to fewer people: it is of one cell, or of too few people and subtracts none."""
        if len({times > 0 for times in self.cells.values()}) > 1:
            return False
        sizes = [rank[cell][0] * abs(times) for cell, times in self.cells.items()]
        together = max(sizes) if self.overlaps else sum(sizes)
        return len(sizes) == 1 or together / max(map(abs, self.cells.values())) < min_group_size

    def minus(self, other: _Sum, cell: Hashable) -> _Sum:
        """Return the difference to another sum in which a cell is no more."""
        times = self.cells[cell] / other.cells[cell]
        left = dict(self.cells)
        for one, value in other.cells.items():
            left[one] = left.get(one, 0.0) - times * value
        left = {one: value for one, value in left.items() if abs(value) > _TINY}
        return _Sum(left, self.overlaps or other.overlaps, self.of | other.of)


def _eliminated(sums: list[_Sum], rank: Mapping[Hashable, tuple[int, int]]) -> list[_Sum]:
    """Solve sums for their smallest cells (reduced row echelon form)."""
    solved: dict[Hashable, _Sum] = {}
    for one in sums:
        for cell in [cell for cell in one.cells if cell in solved]:
            one = one.minus(solved[cell], cell)  # noqa: PLW2901 (the sum without the cells that are solved)
        if one.cells:
            pivot = min(one.cells, key=rank.__getitem__)
            for cell, other in solved.items():
                if pivot in other.cells:
                    solved[cell] = other.minus(one, pivot)
            solved[pivot] = one
    return list(solved.values())


def _pinned(sums: list[_Sum], rank: Mapping[Hashable, tuple[int, int]], min_group_size: int) -> list[_Sum]:
    """Return the cells that can be of too few people only, as nobody is fewer than none, with what led there."""
    least: dict[Hashable, float] = dict.fromkeys((cell for one in sums for cell in one.cells), 0.0)
    most = dict.fromkeys(least, inf)
    of: dict[Hashable, set[int]] = {cell: set() for cell in least}
    rows = [(one.cells, one.of) for one in sums if not one.overlaps]
    is_moving = True
    while is_moving:
        is_moving = False
        for cells, numbers in rows:
            total = sum(times * rank[cell][0] for cell, times in cells.items())
            for cell, times in cells.items():
                rest = [(n * least[one], n * most[one]) for one, n in cells.items() if one != cell]
                ends = [(total - sum(map(side, rest))) / times for side in (max, min)]
                low, high = max(least[cell], min(ends)), min(most[cell], max(ends))
                if low > least[cell] + _TINY or high < most[cell] - _TINY:
                    is_moving = True
                    least[cell], most[cell] = low, high
                    of[cell] |= numbers.union(*(of[one] for one in cells))
    return [
        _Sum({cell: 1.0}, overlaps=False, of=of[cell]) for cell, high in most.items() if high < min_group_size - _TINY
    ]
