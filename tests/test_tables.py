"""The tables' contracts, and the check at their door."""

import pickle
from datetime import date

import polars as pl
import pytest

from augment_insights import analysis, charts, errors, tables
from augment_insights.errors import DataWarning
from augment_insights.tables import DAU_COUNT, EDITOR_LANGUAGE, ENDPOINT_TABLES, USER_TYPE, require


@pytest.fixture(params=list(ENDPOINT_TABLES.values()), ids=list(ENDPOINT_TABLES))
def table(request) -> tables.Table:
    """Return each table that comes from the API."""
    found: tables.Table = request.param
    return found


def test_the_empty_table_passes_its_own_check(table):
    """No rows, all columns in order, the documented dtypes, keys never null; as a LazyFrame too."""
    empty = table.empty()
    assert empty.schema == table.schema
    assert empty.height == 0
    assert table.check(empty) is empty
    assert not any(table.columns[name].nullable for name in table.key)
    lazy = empty.lazy()
    assert table.check(lazy) is lazy


def test_dtypes_are_fixed(table):
    """Dates are Date, counts and metrics Int64, names String, the user type an Enum of two."""
    special = {
        "date": pl.Date,
        "period_start": pl.Date,
        "period_end": pl.Date,
        "user": pl.String,
        "user_type": pl.Enum(["person", "service_account"]),
        "language": pl.String,
        "editor": pl.String,
    }
    assert dict(table.schema) == {name: special.get(name, pl.Int64) for name in table.columns}


def test_more_columns_are_welcome_and_fewer_are_not():
    """A joined column passes; all that are missing are named in one error, with the nearest that is there."""
    good = pl.DataFrame({"date": [date(2026, 1, 1)], "user_count": [3]})
    DAU_COUNT.check(good.with_columns(team=pl.lit("core")))
    with pytest.raises(errors.TableError, match="user_count") as caught:
        DAU_COUNT.check(good.rename({"user_count": "user_counts"}))
    assert caught.value.table == "dau_count"
    assert caught.value.missing == ("user_count",)
    assert "did you mean 'user_counts'" in caught.value.hint
    with pytest.raises(errors.TableError) as caught:
        require(pl.Schema({"b": pl.Int64}), ("a", "b", "c"), table="mine")
    assert caught.value.missing == ("a", "c")
    with pytest.raises(errors.TableError, match="no columns"):
        require(pl.Schema({}), ("a",), table="mine")


@pytest.mark.parametrize(
    ("column", "dtype", "passes"),
    [
        ("user_count", pl.Int32, 1),
        ("user_count", pl.UInt64, 1),
        ("user_count", pl.Float64, 0),
        ("user_count", pl.String, 0),
        ("date", pl.Datetime, 0),
        ("date", pl.String, 0),
    ],
)
def test_an_integer_of_any_width_will_do_and_another_kind_will_not(column, dtype, passes):
    """A wrong dtype raises with the column, what it is and how to cast it."""
    frame = DAU_COUNT.empty().with_columns(pl.col(column).cast(dtype))
    if passes:
        DAU_COUNT.check(frame)
        return
    with pytest.raises(errors.TableError, match=column) as caught:
        DAU_COUNT.check(frame)
    assert "cast" in caught.value.hint


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, USER_TYPE, pl.Enum(["person", "service_account", "x"])])
def test_text_of_any_kind_will_do(dtype):
    """A user type may be text, a category or an Enum."""
    EDITOR_LANGUAGE.check(EDITOR_LANGUAGE.empty().with_columns(pl.col("user_type").cast(dtype)))


def test_a_rate_may_be_a_whole_number():
    """Shares that are all 0 or 1 come back as integers from other libraries."""
    rates = tables.ACCEPTANCE_RATE.empty()
    tables.ACCEPTANCE_RATE.check(rates.with_columns(pl.col("acceptance_rate").cast(pl.Int64)))


@pytest.mark.parametrize("thing", [None, [], {"date": []}, "dau_count", DAU_COUNT])
def test_what_is_no_frame_is_told_so(thing):
    """Anything but a Polars frame is a TableError that names its type."""
    with pytest.raises(errors.TableError, match="Polars"):
        DAU_COUNT.check(thing)


DAYS = pl.DataFrame({"date": [date(2026, 1, 5), date(2026, 1, 6)], "user": ["ada@x.io"] * 2, "user_type": "person"})


class Stream:
    """A table of which nothing is known but Arrow's interface."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __arrow_c_stream__(self, schema: object = None) -> object:
        return self.frame.__arrow_c_stream__(schema)


@pytest.mark.parametrize(
    "convert",
    [
        pl.DataFrame.to_arrow,
        Stream,
        pl.DataFrame.to_pandas,
        lambda frame: frame.to_pandas().astype(
            {"period_start" if "period_start" in frame else "date": "datetime64[ns]"}
        ),
    ],
    ids=["pyarrow", "stream", "pandas", "pandas with moments"],
)
def test_any_dataframe_goes_into_analysis_and_charts(convert):
    """The answer is the same Polars frame, and a chart draws it from any library; a column alone is no table."""
    answer = analysis.active_users(convert(DAYS), by="user")
    assert answer.equals(analysis.active_users(DAYS, by="user"))
    spec = charts.active_users(convert(answer.drop("user"))).to_dict()
    assert spec == charts.active_users(answer.drop("user")).to_dict()
    for column, whose in (
        (DAYS["user"], "polars"),
        (DAYS["user"].to_pandas(), "pandas"),
        (DAYS["user"].to_arrow(), ""),
    ):
        with pytest.raises(errors.TableError, match=f"a {whose}.* came"):
            analysis.active_users(column)


def test_words_keep_their_order_from_another_library():
    """Other libraries know no order of words: newcomers stand before existing users."""
    frame = pl.DataFrame(
        {"user": ["a@x.io", "b@x.io"], "user_type": "person", "tenure": ["existing users", "newcomers"]}
    )
    frame = frame.with_columns(retained=1, eligible=1, period_start=date(2026, 1, 5), period_end=date(2026, 1, 11))
    by_tenure = analysis.retention_by_tenure(frame.to_pandas())
    assert by_tenure["tenure"].to_list() == ["newcomers", "existing users"]


def test_counts_with_gaps_come_back_from_pandas():
    """A missing integer is a float in pandas: it is a count again, and null; a rate stays what it is."""
    counts = {"completions_count": [1, None], "completions_accepted": [1, None], "acceptance_rate": [1.0, None]}
    given = pl.DataFrame({**counts, "user": ["a@x.io", "b@x.io"], "user_type": "person"}).to_pandas()
    rates = analysis.acceptance_rate(given, by="user")
    assert rates["suggested_count"].to_list() == [1, None]
    assert (
        analysis.join_roster(given, pl.DataFrame({"user": ["a@x.io", "b@x.io"]}))["acceptance_rate"].dtype == pl.Float64
    )


def test_a_warning_points_at_the_line_that_called():
    """However deep in the package it is raised, and pickled functions are the same after."""
    with pytest.warns(DataWarning) as caught:
        analysis.adoption_rate(DAYS, licences=pl.DataFrame({"user": ["bob@x.io"]}))
    assert {warning.filename for warning in caught} == {__file__}
    again = pickle.loads(pickle.dumps(analysis.adoption_rate))  # noqa: S301 (made here)
    assert again is analysis.adoption_rate
