"""The command line: reads arguments, calls one public function, prints its answer."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import textwrap
import threading
import warnings
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

import augment_insights as insights  # lazy: each command loads what it uses
from augment_insights.errors import (
    ConfigurationError,
    InsightsError,
    InsightsWarning,
    did_you_mean,
    plural,
    safe_text,
    system_hint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from augment_insights.doctor import Finding

app = typer.Typer(
    name="augment-insights",
    help="Measure how an organisation adopts Augment Code, from its Analytics API.",
    epilog="The API token is read from AUGMENT_API_TOKEN. Without one, try --sample.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they show the values of variables
    rich_markup_mode=None,  # rich costs more to import than everything else here
)
cache_app = typer.Typer(help="Look at the cache of answers, or empty it.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(cache_app, name="cache")

StartDate = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="First day (UTC), included.")]
EndDate = Annotated[str | None, typer.Option(metavar="YYYY-MM-DD", help="Last day (UTC), included.")]
Every = Literal["1d", "1w", "1mo", "1q"]
Sample = Annotated[bool, typer.Option("--sample", help="Use the built-in, made-up organisation: no token, no network.")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for programs.")]


def _be_quiet(wanted: bool) -> bool:
    if wanted:
        os.environ["AUGMENT_INSIGHTS_PROGRESS"] = "off"
        warnings.simplefilter("ignore")
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (until the process ends)
    return wanted


Quiet = Annotated[bool, typer.Option("--quiet", "-q", callback=_be_quiet, help="Print nothing but errors.")]


def main() -> None:
    """Run the command line: one line and exit code 1 for an error of ours or a file's, a traceback for a bug."""
    warnings.showwarning = _print_warning
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # what a narrow encoding has no letter for does not end finished work
            stream.reconfigure(errors="replace")
    try:
        app()
    except InsightsError as error:
        _say(f"Error: {error}")
        sys.exit(1)
    except OSError as error:
        place = error.filename2 or error.filename  # of a file that is put in its place, the place
        if place is None and error.errno != errno.ENOSPC:  # without a file: what is printed goes to a full disk
            raise
        _say(f"Error: {place or 'standard output'}: {error.strerror}. Hint: {system_hint(error)}.")
        sys.exit(1)


def _say(text: str) -> None:
    """Print one line for people, without what the API or a roster could steer a terminal with."""
    typer.echo(safe_text(text, "line"), err=True)


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print our own warnings as one line; others as Python does."""
    if issubclass(category, InsightsWarning):
        _say(f"Warning: {message}")
    else:
        typer.echo(warnings.formatwarning(message, category, filename, lineno, line), file=file, err=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"augment-insights {insights.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Measure how an organisation adopts Augment Code, from its Analytics API."""


@contextmanager
def _going_on_next_time() -> Iterator[None]:
    """Say at Ctrl-C that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        logging.getLogger("asyncio").disabled = True  # that the kernel died with us is no error
        typer.echo("Interrupted. What has come so far is kept: the same command goes on from there.", err=True)
        raise typer.Exit(130) from None


def _answer(told: object, text: str, *, as_json: bool) -> None:
    """Print an answer: for programs, or in words."""
    typer.echo(json.dumps(told, default=str, ensure_ascii=False, indent=1) if as_json else text)


def _known_templates() -> list[str]:
    return insights.reports.templates()


@app.command()
def report(
    template: Annotated[
        str | None,
        typer.Argument(
            autocompletion=_known_templates, help="Which report, such as overview; or a notebook of your own."
        ),
    ] = None,
    *,
    start_date: StartDate = None,
    end_date: EndDate = None,
    sample: Sample = False,
    output_dir: Annotated[Path, typer.Option(help="Folder for the finished files.")] = Path("reports"),
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="html (if none is named), pdf, xlsx, csv, parquet, png, svg, md, json; several with commas.",
        ),
    ] = None,
    every: Annotated[Every | None, typer.Option(help="The period of the figures.")] = None,
    user_type: Annotated[str | None, typer.Option(help="Who counts: person, service_account or all.")] = None,
    team: Annotated[str | None, typer.Option(help="Only the people of this team; needs a roster.")] = None,
    roster: Annotated[Path | None, typer.Option(metavar="FILE", help="Who has a licence, in which team.")] = None,
    names: Annotated[
        str | None, typer.Option(help="Users by name (show), by pseudonyms, or not at all (hide).")
    ] = None,
    min_group_size: Annotated[int | None, typer.Option(help="Hide groups of fewer people.")] = None,
    archive: Annotated[Path | None, typer.Option(metavar="FOLDER", help="An archive of settled days.")] = None,
    per: Annotated[
        str | None, typer.Option(help="A report for each team, or other column of the roster; or for each month.")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", metavar="NAME=VALUE", help="Any other parameter of the template; may be repeated."
        ),
    ] = None,
    list_templates: Annotated[
        bool, typer.Option("--list", help="Show what reports there are, or the parameters of the one that is named.")
    ] = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Write a finished report.

    One HTML file to share, or what --format names, and the notebook that made it.
    """
    if list_templates:
        _print_templates(template, as_json=as_json)
        return
    if template is None:
        raise typer.BadParameter("which report is missing; --list shows what there is", param_hint="TEMPLATE")
    options: dict[str, Any] = {
        "start_date": start_date,
        "end_date": end_date,
        "formats": [part.strip() for text in formats for part in text.split(",")] if formats else None,
        "source": "sample" if sample else None,
        "every": every,
        "user_type": user_type,
        "team": team,
        "roster": roster and str(roster.absolute()),
        "names": names,
        "min_group_size": min_group_size,
        "archive": archive and str(archive.absolute()),
    }
    given = {name: value for name, value in options.items() if value is not None}
    parameters = _parameters(param or [])
    for name in given.keys() & parameters.keys():
        option = "sample" if name == "source" else name.replace("_", "-")
        raise ConfigurationError(
            f"{name} is given twice: by --{option} and by --param. Hint: leave one of them out.", setting=name
        )
    if "source" in insights.reports.find(template).parameters:  # one of your own may have its data from elsewhere
        given.setdefault("source", "api")
    asked: dict[str, Any] = {"output_dir": output_dir, **given, **parameters}
    with _going_on_next_time():
        if roster is not None and not _quiet:
            with suppress(InsightsError):  # the report says what is wrong with it
                _say(f"Roster: {insights.analysis.describe_roster(roster)}.")
        if per is None:
            batch = insights.reports.Batch({template: insights.reports.write(template, **asked)}, {})
        else:
            batch = insights.reports.write_each(template, per=per, **asked)
    told = {"paths": batch.paths, "failures": {name: str(error) for name, error in batch.failures.items()}}
    if batch.paths or as_json:
        _answer(told, "\n".join(map(str, batch.paths)), as_json=as_json)
    for name, error in batch.failures.items():
        _say(f"Error: {name}: {error}")
    if batch.failures:
        raise typer.Exit(1)


def _print_templates(template: str | None, *, as_json: bool) -> None:
    """Print what each template is about and its parameters; of a single one these with defaults and comments."""
    found = [insights.reports.find(name) for name in ([template] if template else insights.reports.templates())]
    told = [
        {
            "name": one.name,
            "description": one.description,
            "parameters": [
                {
                    "name": name,
                    "default": one.defaults[name],
                    "help": one.comments[name],
                    "choices": one.choices.get(name),
                }
                for name in one.parameters
            ],
        }
        for one in found
    ]
    lines = []
    for one in found:
        lines.append(f"{one.name:<14} {one.description}".rstrip())
        if template:
            lines += [f"  {name} = {one.defaults[name]!r}  {one.comments[name]}".rstrip() for name in one.parameters]
        else:
            lines += textwrap.wrap(", ".join(one.parameters), 100, initial_indent="  ", subsequent_indent="  ")
    _answer(told, "\n".join(lines), as_json=as_json)


def _parameters(given: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE: numbers, true, false, null and lists as JSON writes them, anything else as text."""
    found: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not sign or not name.isidentifier():
            raise ConfigurationError(
                f"--param {text!r} is not a parameter. Hint: write it as NAME=VALUE.", setting="param"
            )
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


@app.command()
def message(
    digest: Annotated[Path, typer.Argument(metavar="DIGEST.json", help="From report --format json.")],
    *,
    kind: Annotated[str, typer.Option("--as", help="chat or email.")] = "chat",
    link: Annotated[str | None, typer.Option(help="Where the report is; left out, the page beside the digest.")] = None,
) -> None:
    """Print a report as a short message.

    For a chat, or as the text of an e-mail whose subject is the first line.
    """
    typer.echo(insights.reports.message(digest, kind, link=link))


@app.command()
def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD.json", help="A digest, from report --format json.")],
    new: Annotated[Path, typer.Argument(metavar="NEW.json", help="A later one of the same report.")],
    *,
    form: Annotated[Literal["md", "json"], typer.Option("--format", help="Markdown, or JSON for programs.")] = "md",
) -> None:
    """Print what changed between two reports."""
    changes = insights.reports.compare_digests(old, new)
    typer.echo(changes.to_json() if form == "json" else changes.to_markdown(), nl=False)


@app.command()
def new(
    template: Annotated[str, typer.Argument(help="Which template, such as overview.")],
    path: Annotated[
        Path | None, typer.Argument(help="A file that ends in .ipynb, or a folder; left out, the working directory.")
    ] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Copy a template, to change it as you like."""
    typer.echo(insights.reports.new(template, path, overwrite=force))


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(help="Where the templates are copied to when there is no checkout.")] = Path(
        "augment-insights"
    ),
    *,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port on this machine; the next free one if taken.")
    ] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
) -> None:
    """Open JupyterLab on the templates."""
    place = insights.reports.workspace(folder)
    command = [sys.executable, "-m", "jupyterlab"]
    command += [f"--ServerApp.root_dir={place.resolve()}", f"--ServerApp.port={port}"]
    command += [] if browser else ["--no-browser"]
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # the one user of a container
    typer.echo(f"Opening JupyterLab on {place}. Ctrl-C ends it.")
    raise typer.Exit(_run_until_interrupted(subprocess.Popen(command)))  # noqa: S603 (our own interpreter)


def _run_until_interrupted(process: subprocess.Popen[bytes]) -> int:
    """Wait for a program that answers Ctrl-C itself, and return its exit code."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue  # it heard it too, and asks whether it is meant


@app.command()
def fetch(
    table: Annotated[
        str,
        typer.Argument(help="dau_count, dau, daily_usage, user_activity, editor_language or activity."),
    ],
    *,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="FILE.parquet, FILE.csv or FILE.ndjson.")] = None,
    date: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="One day, for dau and editor_language.")
    ] = None,
    start_date: StartDate = None,
    end_date: EndDate = None,
    every: Annotated[
        Every | None, typer.Option(help="One row a user and period, for user_activity and activity.")
    ] = None,
    lookback_days: Annotated[
        int | None, typer.Option(metavar="DAYS", help="Who was active before, for activity.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would cost, and fetch nothing but the daily counts for it.")
    ] = False,
    sample: Sample = False,
    as_json: Json = False,
    _quiet: Quiet = False,
) -> None:
    """Fetch one table into a file.

    From the archive or the cache where it is there already, else from the API. A first day alone means all days
    from there to the last published one, as for a report.
    """
    from augment_insights.export import format_of, write_table

    name = table.replace("-", "_")
    options = _options_of(name, date=date, every=every, lookback_days=lookback_days)
    if dry_run:
        if date is not None and (start_date or end_date):
            raise ConfigurationError("--date cannot go together with a range. Hint: give one of them.", setting="date")
        options.pop("date", None)
        with _client(sample=sample) as client:
            end = _last_day(start_date, end_date, client)
            typer.echo(insights.fetch.plan(name, start_date or date, end or date, client=client, **options))
        return
    if out is None:
        raise typer.BadParameter("where to is missing; or ask for the price alone, with --dry-run", param_hint="--out")
    format_of(out)  # before the first request
    with _client(sample=sample) as client, _going_on_next_time():
        end = _last_day(start_date, end_date, client)
        frame = getattr(insights.fetch, name)(start_date=start_date, end_date=end, client=client, **options)
    first, last = ("period_start", "period_end") if "period_start" in frame.columns else ("date", "date")
    days = (frame[first].min(), frame[last].max())
    told = {"path": write_table(frame, out), "rows": frame.height, "first_day": days[0], "last_day": days[1]}
    text = f"{told['path']}: {plural(frame.height, 'row')}" + (f", {days[0]} to {days[1]}" if frame.height else "")
    _answer(told, text, as_json=as_json)


def _last_day(start_date: str | None, end_date: str | None, client: insights.Client) -> str | None:
    """Return the last day asked for; the last published one where only the first is given."""
    from augment_insights.periods import last_published_day, parse_day

    if start_date is None or end_date is not None:
        return end_date
    return max(last_published_day(client.now()), parse_day(start_date, name="start_date")).isoformat()


def _options_of(name: str, **options: Any) -> dict[str, Any]:
    """Return the options that were given, if the table takes them."""
    from augment_insights.fetch.plan import PARAMETERS, TABLES

    if name not in TABLES:
        raise ConfigurationError(
            f"{name!r} is not a table that is fetched.{did_you_mean(name, TABLES)}", setting="TABLE"
        )
    given = {option: value for option, value in options.items() if value is not None}
    for option in sorted(given.keys() - PARAMETERS.get(name, set())):
        raise ConfigurationError(f"{name} takes no --{option.replace('_', '-')}. Hint: leave it out.", setting=option)
    return given


def _client(*, sample: bool, archive: Path | None = None) -> insights.Client:
    return insights.Client.sample(archive=archive or False) if sample else insights.Client(archive=archive)


@app.command()
def sync(
    *,
    archive: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The archive; left out, AUGMENT_INSIGHTS_ARCHIVE.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="First day (UTC); left out, two years back.")
    ] = None,
    table: Annotated[
        list[str] | None, typer.Option(metavar="TABLE", help="A table to keep; may be repeated. Left out, all five.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="End after so many minutes.")] = None,
    requests: Annotated[int | None, typer.Option(min=0, help="Send at most so many requests.")] = None,
    recheck: Annotated[
        int | None, typer.Option(metavar="DAYS", min=1, help="Ask again in full for so many settled days.")
    ] = None,
    sample: Sample = False,
    _quiet: Quiet = False,
) -> None:
    """Fetch the settled days that the archive lacks.

    The most useful first, from where the last sync stopped.
    """
    with _client(sample=sample, archive=archive) as client, _going_on_next_time():
        done = insights.fetch.sync(
            client,
            since=since,
            tables=[name.replace("-", "_") for name in table] if table else None,
            minutes=minutes,
            requests=requests,
            recheck_days=recheck,
        )
    typer.echo(safe_text(str(done)))


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Look whether this machine is set up to fetch and to report, and say what to do.

    With a token one request is sent, without one none. Exit code 1 if something is broken.
    """
    from augment_insights.doctor import examine

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        findings = examine()
    if as_json:
        _answer([asdict(finding) for finding in findings], "", as_json=True)
    else:
        _print_findings(findings)
    if any(finding.verdict == "broken" for finding in findings):
        raise typer.Exit(1)


def _print_findings(findings: list[Finding]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colors = {"good": "green", "notice": "yellow", "broken": "bold red", "skipped": "dim"}
    table = Table("", "verdict", "what was found, and what to do", box=box.SIMPLE, pad_edge=False)
    for finding in findings:
        told = Text(safe_text(finding.found, "line"))
        if finding.hint:
            told.append(f"\n-> {safe_text(finding.hint, 'line')}", "bold")
        table.add_row(finding.name, Text(finding.verdict, colors[finding.verdict]), told)
    Console().print(table)


@cache_app.command("info")
def cache_info(*, as_json: Json = False) -> None:
    """Show where the cache lies and what is in it."""
    from augment_insights.transport import session, settings

    folder, files = settings.cache_root(), session.cache_files(settings.cache_root())
    lines = [
        f"  {file.path.name}: {file.answers} answers, {file.expired} expired, {file.size_bytes / 1e6:.1f} MB"
        for file in files
    ]
    told = {"folder": folder, "files": [asdict(file) for file in files]}
    _answer(told, "\n".join([f"Cache folder: {folder}", *(lines or ["  empty"])]), as_json=as_json)


@cache_app.command("clear")
def cache_clear() -> None:
    """Delete every cached answer; the rate limit is remembered."""
    from augment_insights.transport import session, settings

    gone = session.clear_cache(settings.cache_root())
    answers = sum(file.answers + file.expired for file in gone)
    typer.echo(f"Deleted {len(gone)} cache files with {answers} answers from {settings.cache_root()}")


@app.command()
def serve(
    *,
    records: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A JSON file of records; left out, the sample organisation.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 8765,
    enforce_limits: Annotated[
        bool, typer.Option("--enforce-limits", help="Answer 429 beyond 20 at once and 10 a minute.")
    ] = False,
) -> None:
    """Serve the Analytics API on this machine.

    Over made-up or given records, to try clients against.
    """
    now = _utc_now
    organisation = (
        insights.sample.SampleOrganisation(now().date())
        if records is None
        else insights.sample.RecordStore(_read_records(records))
    )
    limit = insights.sample.TokenBucket() if enforce_limits else None
    with insights.sample.serve(insights.sample.AnalyticsApp(organisation, now=now, rate_limit=limit), port=port) as url:
        typer.echo(f"Serving on {url} until Ctrl-C. Any token will do:")
        typer.echo(f"  AUGMENT_API_URL={url} AUGMENT_API_TOKEN=any augment-insights report overview")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            typer.echo("Stopped.")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _read_records(path: Path) -> list[dict[str, Any]]:
    """Read a JSON file that is a list of records, or an object with one under ``records``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The records in {path} cannot be read: {error}.", setting="records") from error
    found = content.get("records") if isinstance(content, dict) else content
    if isinstance(found, list):
        return found
    raise ConfigurationError(
        f"There are no records in {path}. Hint: a JSON list, or an object with a list under 'records'.",
        setting="records",
    )


@app.command()
def sample_roster(
    out: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where to write the CSV; left out, it is printed.")
    ] = None,
) -> None:
    """Write the sample organisation's roster as CSV.

    Who has a licence, and in which team.
    """
    today = _utc_now().date()
    if out is None:
        typer.echo(insights.sample.roster_csv(today), nl=False)
    else:
        typer.echo(insights.sample.write_roster(out, today))


if __name__ == "__main__":
    main()
