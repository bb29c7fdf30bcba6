"""How can a result be shown without showing a person? Pseudonyms for names, nothing for small groups."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import polars as pl

from augment_insights.analysis.population import as_columns, with_user_key
from augment_insights.errors import ConfigurationError, TableError
from augment_insights.periods import check_count
from augment_insights.tables import Frame, columns_of, require

if TYPE_CHECKING:
    from collections.abc import Sequence

_PEOPLE = ("licensed_users", "users", "cohort_users", "eligible_users", "at_risk_users", "active_users")
_LABELS = ("window_days", "period", "days", "active_days")
_FLAG = "is_suppressed"
_ORDER = "__order"


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

    A group of fewer than ``min_group_size`` people is hidden: all its numbers become null, its name
    stays. Where only one group of a slice is hidden, it could be found by subtracting the others from
    a total that is known; so the next smallest group is hidden too. A slice is what is shown
    together: the rows of one period, feature or mode; with several columns in ``by`` also the rows
    that share all but one of them, because such totals are shown as well. A size that is null is
    not known to be enough: hidden.

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
    pseudonymise : for tables of single users.

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
    margins = [slices, *([*slices, *(n for n in groups if n != left_out)] for left_out in groups if len(groups) > 1)]
    marked = rows.with_row_index(_ORDER).with_columns(
        (pl.col(size).is_null() | (pl.col(size) < min_group_size)).alias(_FLAG)
    )
    hidden = _complementary_suppression(marked, size=size, margins=margins, groups=groups).sort(_ORDER)
    return hidden.with_columns(pl.when(~pl.col(_FLAG)).then(pl.col(name)).alias(name) for name in values).select(
        *rows.columns, _FLAG
    )


def _people(rows: pl.DataFrame, people: str | None) -> str:
    """Return the column that counts people."""
    if people is not None:
        require(rows.schema, (people,), table="groups")
        return people
    found = next((name for name in _PEOPLE if name in rows.columns), None)
    if found is None:
        raise TableError(
            f"No column of this table counts people: it has none of {', '.join(_PEOPLE)}.",
            table="groups",
            missing=("users",),
            hint="name the column: people='my_users'.",
        )
    return found


def _complementary_suppression(
    rows: pl.DataFrame, *, size: str, margins: list[list[str]], groups: list[str]
) -> pl.DataFrame:
    """Hide the smallest shown row of each slice in which exactly one is hidden, until no slice has a single one left.

    Hiding a row for one margin can leave it alone in another: so again, until nothing changes. Each
    round hides at least one more row, so it ends.
    """
    while True:
        hidden_before = rows[_FLAG].sum()
        for margin in margins:
            alone = pl.col(_FLAG).sum().over(margin or [pl.lit(0)]) == 1
            candidates = rows.filter(alone, ~pl.col(_FLAG)).sort(size, *groups, _ORDER)
            second = candidates.unique(margin, keep="first", maintain_order=True) if margin else candidates.head(1)
            rows = rows.with_columns(pl.col(_FLAG) | pl.col(_ORDER).is_in(second[_ORDER].implode()))
        if rows[_FLAG].sum() == hidden_before:
            return rows
