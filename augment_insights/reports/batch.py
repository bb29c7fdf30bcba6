"""A report for each team, or for each month, in one call."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from augment_insights.errors import ConfigurationError, InsightsError, ReportError, did_you_mean
from augment_insights.periods import calendar_periods
from augment_insights.reports.order import Order, prepare
from augment_insights.reports.run import Report, carry_out
from augment_insights.reports.study import Study, slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

PER = ("month", "team")


@dataclass(frozen=True)
class Batch:
    """Which reports were finished, and which were not?

    Attributes
    ----------
    reports : Mapping of str to Report
        The finished ones, by team or month.
    failures : Mapping of str to InsightsError
        Why the others were not, by team or month.
    """

    reports: Mapping[str, Report]
    failures: Mapping[str, InsightsError]

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files of all reports."""
        return tuple(path for report in self.reports.values() for path in report.paths)

    def _repr_html_(self) -> str:
        """List the reports in a notebook."""
        done = "".join(f"<li>{escape(name)}: {len(report.paths)} files</li>" for name, report in self.reports.items())
        failed = "".join(f"<li>{escape(name)}: {escape(str(error))}</li>" for name, error in self.failures.items())
        return f"<ul>{done}</ul>" + (f"<p>Not finished:</p><ul>{failed}</ul>" if failed else "")


def write_each(
    template: str | Path,
    /,
    *,
    per: Literal["team", "month"],
    start_date: date | str | None = None,
    end_date: date | str | None = None,
    formats: Iterable[str] = ("html",),
    source: Literal["sample", "api"] = "sample",
    output_dir: Path | str = "reports",
    **parameters: Any,
) -> Batch:
    """How does a template become a report for each team, or for each month?

    One after the other, each as :func:`write` does it, and named after its team or its days. One that
    fails does not stop the others. What one has fetched, the next finds in the cache.

    Parameters
    ----------
    template, start_date, end_date, formats, source, output_dir, **parameters
        As for :func:`write`.
    per : {"team", "month"}
        A report for each team of the roster; or for each calendar month of the days, the first and the last
        as far as the days go.

    Returns
    -------
    Batch
        The finished reports, and the errors of the others.

    Raises
    ------
    ConfigurationError
        ``per`` is none of the two, or there is no roster with teams.
    ReportError, DateRangeError
        As :func:`write`, where it is wrong for all of them.

    See Also
    --------
    write : one report.

    Examples
    --------
    >>> write_each("overview", per="taem")
    Traceback (most recent call last):
    ...
    augment_insights.errors.ConfigurationError: per='taem' is none. Hint: did you mean 'team'?
    """
    if per not in PER:
        raise ConfigurationError(f"per={per!r} is none.{did_you_mean(str(per), PER)}", setting="per")
    order = prepare(
        template, start_date=start_date, end_date=end_date, formats=formats, source=source, parameters=parameters
    )
    orders = _teams(order) if per == "team" else _months(order)
    folder = Path(output_dir).expanduser()
    reports: dict[str, Report] = {}
    failures: dict[str, InsightsError] = {}
    for name, each in orders.items():
        try:
            reports[name] = carry_out(each, folder)
        except InsightsError as error:
            failures[name] = error
        except OSError as error:
            failures[name] = ReportError(
                f"The report {each.label!r} could not be written: {error}.", template=each.label
            )
    return Batch(reports, failures)


def _teams(order: Order) -> dict[str, Order]:
    """Return an order for each team of the roster."""
    order.template.check(["team"])
    study = Study(source=order.value("source") or "sample", roster=order.value("roster"))
    if study.roster is None or "team" not in study.roster.columns:
        raise ConfigurationError(
            "A report a team needs a roster with a column 'team'. Hint: pass roster='roster.csv'.", setting="roster"
        )
    teams = sorted(study.roster["team"].drop_nulls().unique().to_list())
    return {team: order.with_parameters(f"{order.template.name}-{slug(team)}", team=team) for team in teams}


def _months(order: Order) -> dict[str, Order]:
    """Return an order for each calendar month of the days."""
    order.template.check(["start_date", "end_date"])
    study = Study(
        order.parameters.get("start_date"),
        order.parameters.get("end_date"),
        source=order.value("source") or "sample",
        every="1mo",
    )
    months = calendar_periods(study.days.asked, "1mo")
    named = {f"{month.start:%Y-%m}": month for month in months}
    return {
        name: order.with_parameters(
            f"{order.template.name}-{name}", start_date=month.start.isoformat(), end_date=month.end.isoformat()
        )
        for name, month in named.items()
    }
