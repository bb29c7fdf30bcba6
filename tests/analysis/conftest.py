"""What the tests of the analysis share: small made-up activity, and the check of a table's contract."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import duckdb
import polars as pl
import pytest

from augment_insights.tables import METRICS, USER_ACTIVITY, Table

MONDAY = date(2026, 1, 5)


@pytest.fixture(scope="session")
def make_activity() -> Callable[..., pl.DataFrame]:
    """Make one row a user and active day from ``{user: [days after start, ...]}``."""

    def make(days: Mapping[str, Sequence[int]], *, start: date = MONDAY, user_type: str = "person") -> pl.DataFrame:
        rows = [(start + timedelta(days=n), user, user_type) for user, numbers in days.items() for n in numbers]
        schema = {"date": pl.Date, "user": pl.String, "user_type": pl.Enum(["person", "service_account"])}
        return pl.DataFrame(rows, schema=schema, orient="row")

    return make


@pytest.fixture(scope="session")
def make_usage() -> Callable[..., pl.DataFrame]:
    """Make USER_ACTIVITY from rows that name only what matters: a week of a person, other metrics 0.

    ``week`` is the number of the row's week; ``None`` in a metric is a metric that the API left out.
    """

    def make(*rows: Mapping[str, Any]) -> pl.DataFrame:
        usual = {"user_type": "person", "active_days": 1, **dict.fromkeys(METRICS, 0)}
        made = []
        for row in rows:
            start = MONDAY + timedelta(weeks=row.get("week", 0))
            calendar = {"period_start": start, "period_end": start + timedelta(days=6)}
            made.append({**calendar, **usual, **{name: value for name, value in row.items() if name != "week"}})
        extra = {name: pl.String() for row in rows for name in row if name not in {*USER_ACTIVITY.columns, "week"}}
        return pl.DataFrame(made, schema={**USER_ACTIVITY.schema, **extra})

    return make


@pytest.fixture(scope="session")
def assert_keeps() -> Callable[..., None]:
    """Check a result against its table: columns in order, dtypes, no null but where one may be, sorted and unique."""

    def check(result: pl.DataFrame, table: Table, *, by: Sequence[str] = (), before: str | None = None) -> None:
        names = list(table.columns)
        at = names.index(before) if before else 0
        assert result.columns == [*names[:at], *by, *names[at:]]
        for name, column in table.columns.items():
            assert result.schema[name] == column.dtype, name
            if not column.nullable:
                assert result[name].null_count() == 0, name
        keys = [*table.key, *by]
        assert not result.select(keys).is_duplicated().any()
        assert result.select(keys).equals(result.select(keys).sort(keys, nulls_last=True))

    return check


@pytest.fixture(scope="session")
def ask_duckdb() -> Iterator[Callable[..., list[tuple[object, ...]]]]:
    """Ask DuckDB a question in SQL about an activity table ``a(date, user, user_type)``."""
    connection = duckdb.connect()

    def ask(activity: pl.DataFrame, sql: str, **values: object) -> list[tuple[object, ...]]:
        connection.register("frame", activity.with_columns(pl.col("user_type").cast(pl.String)).to_arrow())
        people = "select distinct date, lower(\"user\") as u from frame where user_type = 'person'"
        return connection.execute(f"with a as ({people}) {sql}", values).fetchall()

    yield ask
    connection.close()
