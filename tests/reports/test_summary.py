"""The summary in words: what moved, by how much, and what cannot be told."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from augment_insights.analysis import compare
from augment_insights.analysis.intervals import wilson
from augment_insights.errors import TableError
from augment_insights.reports import change_in_words, count_in_words


def comparison(before: tuple[int, int], after: tuple[int, int]) -> pl.DataFrame:
    """Compare two shares of people, with Newcombe's interval."""
    low, high = wilson(pl.col("k"), pl.col("n"))
    sides = [
        pl.DataFrame({"k": [k], "n": [n]}).with_columns(
            r_rate=pl.col("k") / pl.col("n"), r_rate_low=low, r_rate_high=high
        )
        for k, n in (before, after)
    ]
    return compare(*sides, metric="r_rate")


def test_a_rise_and_a_fall_are_told_with_their_interval() -> None:
    """48 of 80 and 56 of 70: 0.2, from 0.0524 to 0.3339 by Newcombe's published example; and the other way round."""
    (rise,) = change_in_words(comparison((48, 80), (56, 70)), what="Retention", than="the spring")
    assert rise == (
        "Retention was 80.0%, higher than the spring (60.0%): by 20.0 points, and between 5.2 and 33.4 for all we know."
    )
    (fall,) = change_in_words(comparison((56, 70), (48, 80)), what="Retention", than="the spring")
    assert fall == (
        "Retention was 60.0%, lower than the spring (80.0%): by 20.0 points, and between 5.2 and 33.4 for all we know."
    )


def test_what_cannot_be_told_gets_no_direction() -> None:
    """Neither higher nor lower, and what would fit."""
    (words,) = change_in_words(comparison((5, 10), (6, 10)), what="Adoption", than="May")
    assert "whether it moved cannot be told" in words
    assert "higher" not in words
    assert "lower" not in words


@pytest.mark.parametrize(
    ("before", "after", "said"), [((0, 0), (1, 2), "no data of May"), ((1, 2), (0, 0), "no data now")]
)
def test_without_a_denominator_there_is_no_change_to_tell(
    before: tuple[int, int], after: tuple[int, int], said: str
) -> None:
    """No data is no zero."""
    (words,) = change_in_words(comparison(before, after), what="Adoption", than="May")
    assert said in words
    assert "0.0%" not in words


def test_groups_are_named_and_an_empty_comparison_is_a_sentence() -> None:
    """A sentence a team; the team without a name is called so."""
    table = comparison((48, 80), (56, 70)).with_columns(team=pl.lit("<b>"))
    both = pl.concat([table, table.with_columns(team=pl.lit(None, pl.String))])
    words = change_in_words(both, what="Retention", than="May", by="team")
    assert [sentence.split(" was ")[0] for sentence in words] == ["Retention of <b>", "Retention of (none)"]
    assert change_in_words(table.clear(), what="Retention", than="May") == ["Retention: no data to compare with May."]
    with pytest.raises(TableError, match="'verdict'"):
        change_in_words(table.drop("verdict"), what="Retention", than="May")


def weeks(*counts: int | None, complete: int | None = None) -> pl.DataFrame:
    done = len(counts) if complete is None else complete
    return pl.DataFrame(
        {
            "period_start": pl.Series(
                [date(2026, 3, 2) + timedelta(weeks=n) for n in range(len(counts))], dtype=pl.Date
            ),
            "n": pl.Series(counts, dtype=pl.Int64),
            "is_complete": [at < done for at in range(len(counts))],
        },
        schema_overrides={"is_complete": pl.Boolean},
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (weeks(5, 1234), "1,234 people came in the week of 9 Mar 2026, 1,229 more than in the week before (5)."),
        (weeks(5, 4), "4 people came in the week of 9 Mar 2026, 1 fewer than in the week before (5)."),
        (weeks(5, 5), "5 people came in the week of 9 Mar 2026, as many as in the week before (5)."),
        (weeks(5, 4, complete=1), "5 people came in the week of 2 Mar 2026; there is no complete week before it"),
        (weeks(5, complete=0), "No week is complete yet"),
        (weeks(), "No week is complete yet"),
        (weeks(5, None), "It is not known how many people came in the week of 9 Mar 2026."),
    ],
)
def test_a_count_is_told_of_complete_periods_only(table: pl.DataFrame, said: str) -> None:
    """The last complete one, beside the one before it if that is there."""
    (words,) = count_in_words(table, "n", what="people came", every="1w")
    assert words.startswith(said)


def test_a_gap_between_periods_is_not_bridged() -> None:
    """The week before the last is missing: nothing is compared."""
    (words,) = count_in_words(weeks(5, 6, 7)[[0, 2]], "n", what="people came", every="1w")
    assert "no complete week before it" in words
    with pytest.raises(TableError, match="several"):
        count_in_words(pl.concat([weeks(5)] * 2), "n", what="people came", every="1w")
