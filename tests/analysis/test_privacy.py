"""Privacy: pseudonyms that hold through a report, and groups too small to be shown."""

import hashlib
from datetime import date
from itertools import groupby

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import linprog

from augment_insights import analysis
from augment_insights.analysis.privacy import Total, complementary_suppression
from augment_insights.errors import ConfigurationError, TableError


def users(*names: str | None, kind: str = "person") -> pl.DataFrame:
    return pl.DataFrame({"user": list(names), "user_type": [kind] * len(names), "n": list(range(len(names)))})


def test_a_pseudonym_is_a_keyed_hash_of_the_name():
    """BLAKE2b of the lower-case name under the (hashed) key, computed a second time here; digits lengthen it.

    Under another key it is another name: two reports cannot be laid beside each other.
    """
    secret = hashlib.blake2b(b"secret").digest()
    expected = hashlib.blake2b(b"person:ada@x.io", key=secret, digest_size=16).hexdigest()
    for name, key, digits in (("Ada@x.io", "secret", 8), ("ada@x.io", b"secret", 12)):
        hidden = analysis.pseudonymise(users(name), key, digits=digits)["user"]
        assert hidden.to_list() == [f"user-{expected[:digits]}"]
    assert analysis.pseudonymise(users("ada@x.io"), "other")["user"][0] != f"user-{expected[:8]}"


def test_a_user_has_one_pseudonym_through_a_report():
    """Activity, roster (without user_type) and a LazyFrame agree; bots, and people of that name, differ."""
    activity = analysis.pseudonymise(users("Ada@x.io", "bob@x.io", "ada@x.io"), "k")["user"]
    roster = analysis.pseudonymise(pl.DataFrame({"user": ["bob@x.io", "ADA@x.io"]}), "k")["user"]
    lazy = analysis.pseudonymise(users("bob@x.io").lazy(), "k")
    assert activity[0] == activity[2] == roster[1]
    assert activity[1] == roster[0] == lazy.collect()["user"][0]
    assert isinstance(lazy, pl.LazyFrame)
    bot = analysis.pseudonymise(users("ada@x.io", kind="service_account"), "k")["user"][0]
    assert bot.startswith("bot-")
    assert bot.removeprefix("bot-") != activity[0].removeprefix("user-")


def test_rows_and_other_columns_stay():
    """Order, other columns and missing names are as before; the frame given is not changed."""
    frame = users("bob@x.io", None, "ada@x.io")
    hidden = analysis.pseudonymise(frame, "k")
    assert hidden["n"].to_list() == [0, 1, 2]
    assert hidden["user"][1] is None
    assert frame["user"].to_list() == ["bob@x.io", None, "ada@x.io"]
    assert analysis.pseudonymise(frame.clear(), "k").schema == frame.schema


@pytest.mark.slow
def test_a_shared_pseudonym_is_refused():
    """Two people under one pseudonym would be one person: an error, until more digits are asked for.

    Among 200,000 names about five pairs share 32 bits; without one the chance is 1 in 100.
    """
    many = pl.DataFrame({"user": [f"user{n}@x.io" for n in range(200_000)]})
    with pytest.raises(TableError, match="pass digits=12"):
        analysis.pseudonymise(many, "k")
    assert analysis.pseudonymise(many, "k", digits=16)["user"].n_unique() == 200_000


def test_a_key_is_needed_and_never_shown():
    """No key, no pseudonyms; the error of a bad call does not repeat the key."""
    with pytest.raises(ConfigurationError, match=r"secrets\.token_hex"):
        analysis.pseudonymise(users("ada@x.io"), "")
    with pytest.raises(TableError) as caught:
        analysis.pseudonymise(pl.DataFrame({"usr": ["ada@x.io"]}), "hunter2")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValueError, match="digits"):
        analysis.pseudonymise(users("ada@x.io"), "k", digits=4)


def teams(sizes: list[int | None], **more: object) -> pl.DataFrame:
    frame = pl.DataFrame({"team": [f"t{n:02}" for n in range(len(sizes))], "users": sizes})
    return frame.with_columns(pl.lit(value).alias(name) for name, value in {"rate": 0.5, **more}.items())


def hidden_of(sizes: list[int | None], **more: int) -> list[int]:
    """Return which rows are hidden."""
    table = analysis.suppress_small_groups(teams(sizes), by="team", **more)
    return [n for n, flag in enumerate(table["is_suppressed"]) if flag]


@pytest.mark.parametrize(
    ("sizes", "hidden"),
    [
        ([9, 5, 7], []),  # none is small
        ([9, 4, 7], [1, 2]),  # one is: the next smallest goes too
        ([9, 4, 3, 7], [1, 2]),  # two are: neither can be found by subtraction
        ([4], [0]),  # alone: there is nothing to subtract from
        ([6, 4, 6, 6], [0, 1]),  # of equals, the first by name
        ([0, 40, 50], [0, 1]),  # nobody is fewer than five
        ([None, 8, 9], [0, 1]),  # an unknown size is not known to be enough
    ],
)
def test_which_groups_are_hidden(sizes, hidden):
    """Each case by hand, with five people as the least."""
    assert hidden_of(sizes) == hidden


def test_hidden_numbers_are_null_and_names_stay():
    """All numbers of a hidden row go; its group, its period and what is not a number stay; rows keep their order."""
    frame = teams([3, 90, 2], period_start=date(2026, 1, 5), is_complete=True)
    table = analysis.suppress_small_groups(frame.lazy(), by="team")
    assert table.columns == [*frame.columns, "is_suppressed"]
    assert table.rows() == [
        ("t00", None, None, date(2026, 1, 5), True, True),
        ("t01", 90, 0.5, date(2026, 1, 5), True, False),
        ("t02", None, None, date(2026, 1, 5), True, True),
    ]
    assert table.drop("is_suppressed").schema == frame.schema


def test_what_is_shown_together_hides_together():
    """A small group in one week hides a second one in that week only.

    With teams and languages, each team and each language has no hidden cell alone (a 2 x 2 is hidden whole).
    """
    weeks = pl.concat([teams([3, 8, 9], week="a"), teams([7, 8, 9], week="b")])
    flags = analysis.suppress_small_groups(weeks, by="team")["is_suppressed"]
    assert flags.to_list() == [True, True, False, False, False, False]
    cells = pl.DataFrame({"team": [*"AABB"], "language": ["C", "Go"] * 2, "users": [2, 20, 30, 40], "rate": [0.1] * 4})
    assert analysis.suppress_small_groups(cells, by=["team", "language"])["is_suppressed"].all()


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from("wxyz"), st.integers(0, 12)), max_size=16))
def test_no_hidden_group_can_be_found_by_subtraction(cells):
    """Everything small is hidden, and no row, column or whole has exactly one hidden cell among shown ones."""
    unique = {cell[:2]: cell for cell in cells}
    frame = pl.DataFrame(
        list(unique.values()), schema={"team": pl.String, "language": pl.String, "users": pl.Int64}, orient="row"
    )
    table = analysis.suppress_small_groups(frame, by=["team", "language"])
    assert table.filter(pl.col("users") < 5).is_empty()
    flags = list(zip(table["team"], table["language"], table["is_suppressed"], strict=True))
    for axis in (lambda cell: cell[0], lambda cell: cell[1], lambda _cell: ""):
        for _, found in groupby(sorted(flags, key=axis), key=axis):
            line = [flag for *_, flag in found]
            assert sum(line) != 1 or len(line) == 1
    again = analysis.suppress_small_groups(frame.reverse(), by=["team", "language"])
    assert again.sort("team", "language").equals(table.sort("team", "language"))


def test_the_size_is_the_population(make_usage):
    """Adoption hides by licensed users, acceptance by users; another column can be named."""
    both = teams([9, 9]).with_columns(licensed_users=pl.Series([2, 3]))
    assert analysis.suppress_small_groups(both, by="team")["is_suppressed"].all()
    assert not analysis.suppress_small_groups(both, by="team", people="users")["is_suppressed"].any()
    counts = {"completions_count": 4, "completions_accepted": 2}
    rates = analysis.acceptance_rate(
        make_usage(*({"user": f"u{n}", "team": "A", **counts} for n in range(4))), by="team"
    )
    assert analysis.suppress_small_groups(rates, by="team")["acceptance_rate"].to_list() == [None]
    shown = analysis.suppress_small_groups(rates, by="team", min_group_size=4)
    assert shown["acceptance_rate"].to_list() == [0.5]


def test_a_table_without_people_is_refused():
    """Nothing is shown by accident: no column of people, no group, no size, each is an error."""
    frame = teams([9]).rename({"users": "seats"})
    with pytest.raises(TableError, match="counts people"):
        analysis.suppress_small_groups(frame, by="team")
    with pytest.raises(TableError, match="did you mean 'seats'"):
        analysis.suppress_small_groups(frame, by="team", people="seat")
    with pytest.raises(ValueError, match="names no column"):
        analysis.suppress_small_groups(teams([9]), by=[])
    for wrong in (0, 2.5, "5", True):
        with pytest.raises(ValueError, match="min_group_size"):
            analysis.suppress_small_groups(teams([9]), by="team", min_group_size=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sizes", "hidden"),
    [
        ([40, 2, 1], [0, 1, 2]),  # 2 and 1 are three people together
        ([40, 1, 0], [0, 1, 2]),  # and one
        ([40, 9, 2, 1], [1, 2, 3]),
        ([40, 3, 2], [1, 2]),  # five together: enough
    ],
)
def test_hidden_groups_are_enough_people_together(sizes, hidden):
    """Their sum is known, and so is at most how many each can be."""
    assert hidden_of(sizes) == hidden


def test_of_groups_that_overlap_one_must_be_large_enough_by_itself():
    """The four Go users may be the three of Cobol and one more, so C, the next smallest, is hidden with them."""
    frame = pl.DataFrame(
        {"language": ["C", "Cobol", "Go", "Java"], "users": [9, 3, 4, 80], "suggested_count": [90, 30, 40, 800]}
    )
    flags = analysis.suppress_small_groups(frame, by="language")["is_suppressed"].to_list()
    assert flags == [True, True, True, False]


def total(*parts: str, whole: str | None = None) -> Total:
    return Total({**dict.fromkeys(parts, 1), **({} if whole is None else {whole: -1})})


def hidden_cells(people: dict[str, int], *totals: Total, shown: tuple[str, ...] = ()) -> list[str]:
    small = {cell for cell, size in people.items() if size < 5 and cell not in shown}
    return sorted(complementary_suppression(people, small, totals, min_group_size=5, shown={*shown}))


def test_a_cell_is_not_found_over_several_totals():
    """New people of two weeks, 2 and 1, stand between two counts of all so far: three people, whichever is hidden."""
    people = {"w1": 50, "n2": 2, "w2": 52, "n3": 1, "w3": 53, "n4": 9, "w4": 62}
    chain = [total(f"w{n - 1}", f"n{n}", whole=f"w{n}") for n in (2, 3, 4)]
    assert hidden_cells(people, *chain) == ["n2", "n3", "w1", "w2"]  # nor does 53 tell: nothing before it is shown


def test_what_was_shown_before_stays_and_others_are_hidden_instead():
    """A of 20 is on the page already, so B of 30 goes."""
    people = {"A": 20, "B": 30, "C": 2}
    assert hidden_cells(people, total("A", "B", "C")) == ["A", "C"]
    assert hidden_cells(people, total("A", "B", "C"), shown=("A",)) == ["B", "C"]
    assert hidden_cells(people, total("A", "B", "C"), shown=("A", "B")) == ["C"]  # too late: nothing is left to hide


def test_no_more_is_hidden_than_is_needed():
    """Of a count of all so far, weeks stay that are at least five people apart."""
    people = {"w0": 50, "n1": 2, "w1": 52, "n2": 4, "w2": 56, "n3": 3, "w3": 59, "n4": 4, "w4": 63}
    chain = [total(f"w{n - 1}", f"n{n}", whole=f"w{n}") for n in (1, 2, 3, 4)]
    assert hidden_cells(people, *chain) == ["n1", "n2", "n3", "n4", "w1", "w3"]  # 50, 56 and 63 stay


@given(st.lists(st.integers(0, 12), min_size=9, max_size=9), st.booleans())
def test_a_linear_programme_finds_nobody_either(sizes, has_total):
    """Three teams by three weeks with all margins, solved a second way: each hidden cell may be of five people."""
    cells = [(row, column) for row in range(3) for column in range(3)]
    people = dict(zip(cells, sizes, strict=True))
    lines = [[cell for cell in cells if cell[axis] == n] for axis in (0, 1) for n in range(3)] + [cells] * has_total
    assume(all(sum(people[cell] for cell in line) >= 5 for line in lines))  # else the total itself is hidden
    small = {cell for cell, size in people.items() if size < 5}
    hidden = sorted(
        complementary_suppression(people, small, [Total(dict.fromkeys(line, 1)) for line in lines], min_group_size=5)
    )
    rows = [[float(cell in line) for cell in hidden] for line in lines]
    sums = [sum(people[cell] for cell in line if cell in hidden) for line in lines]
    for place, cell in enumerate(hidden if len(hidden) < 9 else []):
        goal = [-float(number == place) for number in range(len(hidden))]
        most = -linprog(goal, A_eq=rows, b_eq=sums).fun
        assert most >= 5 - 1e-6, cell
