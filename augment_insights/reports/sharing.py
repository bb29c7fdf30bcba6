"""How much of people a report may show: their names, pseudonyms or neither, and no group that is too small.

One object decides for a whole report. What a template fetches goes through it before anything is
computed, so that neither its charts nor its notebook hold a name; whatever enters the page goes
through it again, so that a template that forgot cannot give anybody away.
"""

from __future__ import annotations

import os
import re
import secrets
from typing import Any, Literal, get_args

import polars as pl
import polars.selectors as cs

from augment_insights.analysis import pseudonymise, suppress_small_groups
from augment_insights.analysis.population import with_user_key
from augment_insights.errors import ConfigurationError, not_valid

Names = Literal["show", "pseudonyms", "hide"]

KEY_VARIABLE = "AUGMENT_INSIGHTS_PSEUDONYM_KEY"
"""Set, reports of different days give a user the same pseudonym; left out, each report has a key of its own."""

HIDDEN = "(name hidden)"

SUPPRESSED = "is_suppressed"

_DIGITS = 12
"""Eight would let two of some ten thousand users share a pseudonym."""

_EMAIL = re.compile(r"[^\s@<>()\[\],;:\"|·]{1,400}@[\w-]{1,100}(?:\.[\w-]{1,100})*")
"""An e-mail, with room for O'Brien; without bounds, a picture of a megabyte of letters would be searched for hours."""

_NO_GROUPS = ("user", "user_type", "metric", "check")
"""Text columns that say what a row is, and not which people it is about."""

_PEOPLE = ("licensed_users", "users", "cohort_users", "eligible_users", "at_risk_users", "active_users")

_STEPS = {"cohort": "cohort_users", "period": "eligible_users", "days": "at_risk_users"}
"""Tables whose rows are groups by what people did: small ones are hidden where not even pseudonyms are shown."""

_STEPS_AND_LENGTHS = ("window_days", "period", "days")
"""Numbers that name a row, and are not to be summed."""


class Sharing:
    """How much of people a report may show.

    Parameters
    ----------
    names : {"show", "pseudonyms", "hide"}
        Users by name; by pseudonyms that are the same through the report; or not at all: tables of
        users become sums over users.
    min_group_size : int
        Teams, editors, languages and other groups of fewer people are hidden, and with them whatever
        would give them away by subtraction. When names are not shown, so are cohorts and the ends of
        curves that stand for fewer people.
    key : str, optional
        The secret behind the pseudonyms; left out, ``AUGMENT_INSIGHTS_PSEUDONYM_KEY``, else a random
        one. It is in no output.

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
        self._key = key or os.environ.get(KEY_VARIABLE) or secrets.token_hex()
        self._known: dict[str, str] = {}
        self._issued: set[str] = set()
        self._hidden: dict[tuple[str, ...], set[tuple[Any, ...]]] = {}

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
        return self._with_pseudonyms(frame).sort(*ahead, "user", maintain_order=True)

    def groups(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return a result table with the numbers of small groups null, and ``is_suppressed`` where it has groups.

        A table of groups that does not count people hides the groups that an earlier table hid.
        """
        if SUPPRESSED in table.columns:
            return table
        groups = self._groups_of(table)
        if not groups or self.min_group_size == 1:
            return table
        if any(name in table.columns for name in _PEOPLE):
            hidden = suppress_small_groups(table, by=groups, min_group_size=self.min_group_size)
            found = hidden.filter(SUPPRESSED).select(groups).unique().rows()
            self._hidden.setdefault(tuple(groups), set()).update(found)
            return hidden
        return self._hide_again(table, groups)

    def table(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return a table as it may be shown: names as chosen, small groups hidden."""
        if self.is_open:
            return self.groups(table)
        shown = table
        if "user" in table.columns:
            shown = self._with_pseudonyms(table) if self.names == "pseudonyms" else _over_users(table)
        return self.groups(self._with_words(shown))

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

    def _groups_of(self, table: pl.DataFrame) -> list[str]:
        """Return the columns that say which people a row is about."""
        if "user" in table.columns:
            return []
        text = table.select((cs.string() | cs.categorical()).exclude(_NO_GROUPS)).columns
        steps = [step for step, people in _STEPS.items() if {step, people} <= set(table.columns)]
        return text or (steps[:1] if self.names == "hide" else [])

    def _hide_again(self, table: pl.DataFrame, groups: list[str]) -> pl.DataFrame:
        """Hide the numbers of groups that another table of the same groups hid."""
        rows = self._hidden.get(tuple(groups), set())
        gone = pl.DataFrame(list(rows), schema={name: table.schema[name] for name in groups}, orient="row")
        marked = table.join(
            gone.with_columns(pl.lit(value=True).alias(SUPPRESSED)),
            on=groups,
            how="left",
            nulls_equal=True,
            maintain_order="left",
        ).with_columns(pl.col(SUPPRESSED).fill_null(value=False))
        return marked.with_columns(pl.when(~pl.col(SUPPRESSED)).then(cs.numeric()))

    def _with_pseudonyms(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Replace names, but not the pseudonyms of an earlier time, and remember both."""
        replaced = pseudonymise(frame, self._key, digits=_DIGITS)["user"]
        own = frame["user"].is_in(list(self._issued))
        shown = frame.select(pl.when(own).then(pl.col("user")).otherwise(replaced)).to_series()
        pairs = pl.DataFrame({"name": frame["user"], "shown": shown}).filter(~own).drop_nulls().unique()
        self._known.update(pairs.rows())
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


def _over_users(table: pl.DataFrame) -> pl.DataFrame:
    """Sum a table over its users: counts add up, means and rates do not and are left out; active days are user-days."""
    renamed = with_user_key(table).rename({"active_days": "user_days"}, strict=False)
    people = ("user", "user_key", "users")
    keys = [
        name
        for name, dtype in renamed.schema.items()
        if name in _STEPS_AND_LENGTHS or (name not in people and not dtype.is_numeric())
    ]
    counts = [name for name, dtype in renamed.schema.items() if dtype.is_integer() and name not in (*keys, *people)]
    known = [pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name) for name in counts]
    summed = [pl.col("user_key").n_unique().cast(pl.Int64).alias("users"), *known]
    return renamed.group_by(keys).agg(summed).sort(keys, nulls_last=True) if keys else renamed.select(summed)
