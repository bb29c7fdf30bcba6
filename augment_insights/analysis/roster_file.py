"""A roster's file as people have it becomes rows of text: encoding, separator, title rows and sheets are found out."""

from __future__ import annotations

import csv
import io
import json
import re
import tomllib
import zipfile
import zlib
from collections.abc import Mapping  # noqa: TC003 (read at run time, as the type of an option)
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from augment_insights.errors import TableError, plural
from augment_insights.tables import ROSTER

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_BYTES = 50_000_000
"""A file above this is refused: half a million licences, and in memory ten times as much."""

MOST_UNPACKED_BYTES = 300_000_000
"""What the parts of a workbook may come to when they are unpacked."""

MOST_CELLS = 10_000_000
"""What the cells of a sheet may span: two of them in far corners are a file of a few kB."""

MOST_ROWS = 2_000_000
"""Rows of a Parquet file, which may be small and still hold any number."""

COLUMN_NAMES: Mapping[str, tuple[str, ...]] = {
    name: tuple(known.split(", "))
    for name, known in {
        "user": "user, e-mail, e-mail address, user e-mail, work e-mail, primary e-mail, member e-mail, mail, "
        "user principal name, UPN, user name, login, E-Mail-Adresse, Mailadresse, Benutzer, Benutzername, "
        "Benutzerprinzipalname, utilisateur, usuario, adresse e-mail, courriel, correo, "
        "correo electrónico, e-post, メール, メールアドレス, 邮箱, 电子邮件",
        "team": "team, team name, department, dept, squad, group, business unit, org unit, org unit path, "
        "organizational unit, Abteilung, équipe, département, service, equipo, departamento, 部署, 部门",
        "licensed_from": "licensed from, license start, licence start, license start date, licence start date, "
        "start date, start, valid from, assigned on, assigned date, date assigned, activated on, Startdatum, "
        "Beginn, date de début, fecha de inicio",
        "licensed_to": "licensed to, license end, licence end, license end date, licence end date, end date, "
        "end, valid to, valid until, expires, expires on, expiration date, expiry date, Enddatum, Ende, date de fin, "
        "fecha de fin",
        "team_from": "team from, team since, in team since",
        "aliases": "aliases, alias, e-mail aliases, proxy addresses, other mails, other e-mails, former e-mail, "
        "previous e-mail, old e-mail, secondary e-mail",
        "manager": "manager, manager name, manager e-mail, reports to, supervisor, Vorgesetzter",
    }.items()
}
"""Under which names directories and BI tools export a column; compared without case, blanks and punctuation."""

_SHEETS, _LINES = (".xlsx", ".xls", ".xlsm"), (".ndjson", ".jsonl")
ENDINGS = (".csv", ".parquet", *_SHEETS, ".tsv", ".txt", ".tab", *_LINES, ".toml")

_SEPARATORS = (",", ";", "\t", "|")
_SHOWN = {"\t": "tab"}
_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe\0\0": "utf-32-le",  # before the shorter mark that it begins with
    b"\0\0\xfe\xff": "utf-32-be",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_ARCHIVE, _OLD_WORKBOOK, _PARQUET = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1"
_CELL = re.compile(rb'<(?:\w+:)?(?:c|row)\b[^>]*?\br="([A-Z]{0,3})([0-9]{1,7})"[^>]*(?<!/)>')
_HEAD = 40
"""The header is looked for in so many rows."""

_TOTAL = re.compile(
    r"(grand |sub-?)?totals?\b|.*\btotals?$|applied filters?\b|no filters? applied|filters?:|gesamt|total général|"
    r"report (generated|created)|generated (on|by|at)|exported (on|by|at)|sum$|(row|record) count",
    re.IGNORECASE | re.DOTALL,
)
_PLAIN = re.compile(r"\s*\[[^]]*\]|\s*\([^)]*\)|[\W_]")
_USUAL = frozenset(_PLAIN.sub("", name).casefold() for known in COLUMN_NAMES.values() for name in known)


roster_error = partial(TableError, table=ROSTER.name)
"""The error of a roster that cannot be used."""


@dataclass(frozen=True)
class Options:
    """How a file is to be read, as :func:`.read_roster` takes it; None is found out."""

    columns: Mapping[str, str] | None = None
    sheet: str | int | None = None
    separator: str | None = None
    encoding: str | None = None
    dates: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)

    def over(self, other: Options) -> Options:
        """Return these options, and where one says nothing that of the other."""
        return replace(other, **{name: value for name, value in vars(self).items() if value not in (None, {})})


@dataclass(frozen=True)
class RosterFile:
    """What a file holds, and how it was read.

    Attributes
    ----------
    rows : pl.DataFrame
        One row a line below the header, under the names of ROSTER where they were recognised.
    form : tuple of str
        What was found out, in words.
    left_out : int
        Totals, filters and notes that are no licences.
    options : Options
        How it was to be read, the words of a TOML file included.
    """

    rows: pl.DataFrame
    form: tuple[str, ...]
    left_out: int
    options: Options


def read_file(path: Path, options: Options) -> RosterFile:
    """Read a roster's file by the ending of its name, which is a name and no pattern.

    Raises
    ------
    TableError
        There is no such file, it is too large or no ordinary file, damaged or of another kind than its name says,
        or it has no column of users.
    """
    path, kind = path.expanduser(), path.suffix.lower()
    if kind not in ENDINGS:
        raise roster_error(
            f"A roster is a file that ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, and {path.name!r} does not.",
            hint="save it as CSV (UTF-8), or pass a DataFrame.",
        )
    engine = _spreadsheet_engine(path) if kind in _SHEETS else None
    data = file_bytes(path, what="roster", table=ROSTER.name)
    if kind == ".toml":
        return _through_toml(path, data, options)
    _check_kind(path, data)
    left_out, form = 0, tuple[str, ...]()
    if kind == ".parquet":
        rows = _parquet(path, data)
    elif kind in _LINES:
        rows = _json_lines(path, data)
    else:
        grid, form = _delimited(path, data, options) if engine is None else _workbook(path, data, options, engine)
        rows, left_out = _below_header(path, grid, options)
    return RosterFile(*with_standard_names(rows, options, form), left_out, options)


def file_bytes(path: Path, *, what: str, table: str) -> bytes:
    """Return the content of an ordinary file of a size that fits into memory.

    Raises
    ------
    TableError
        There is none, it cannot be read, it is a folder, a pipe or a device, or too large.
    """
    try:
        if not path.is_file():
            if path.exists():
                raise TableError(f"{path} is no ordinary file.", table=table, hint=f"save the {what} as a file.")
            raise TableError(f"There is no {what} at {path}.", table=table, hint="check the path.")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise TableError(
                f"{path} has {size / 1e6:,.0f} MB, and a {what} of at most {MOST_BYTES / 1e6:,.0f} MB is read.",
                table=table,
                hint="is it the right file? Pass a DataFrame of the columns that are needed.",
            )
        return path.read_bytes()
    except OSError as error:
        raise TableError(f"The {what} {path} cannot be read: {error.strerror or error}.", table=table) from error


def with_standard_names(
    rows: pl.DataFrame, options: Options, form: tuple[str, ...] = ()
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return rows under the names of the roster, and in words which columns were taken for what.

    Raises
    ------
    TableError
        A column that ``columns`` names is not there, or none of users is recognised.
    """
    names = _standard_names(rows.columns, options.columns)
    if "user" not in names:
        raise _no_users(rows.columns, [row for _, row in zip(range(_HEAD), rows.iter_rows(), strict=False)])
    found = {theirs: ours for ours, theirs in names.items()}
    free = [name for name in rows.columns if name in found or name not in names]  # a mapped name wins over its namesake
    told = tuple(f"{ours} from `{theirs}`" for theirs, ours in found.items() if _plain(theirs) != _plain(ours))
    return rows.select(free).rename(found), (*form, *told)


def _standard_names(headers: Sequence[str], columns: Mapping[str, str] | None) -> dict[str, str]:
    """Return for each of our names the header that stands for it."""
    plain = {_plain(header): header for header in reversed(headers)}
    found: dict[str, str] = {}
    for name, theirs in (columns or {}).items():
        ours, header = name, theirs if theirs in headers else plain.get(_plain(theirs))
        if header is None and name not in COLUMN_NAMES:  # as rename takes them: ours for the file's
            ours, header = theirs, plain.get(_plain(name))
        if header is None:
            raise roster_error(
                f"The roster has no column {theirs!r}, which columns= names. It has: {', '.join(headers)}.",
                missing=(theirs,),
                hint="columns= gives the file's name for ours: columns={'user': 'E-Mail', 'team': 'Squad'}.",
            )
        found[ours] = header
    for ours, known in COLUMN_NAMES.items():
        if ours in headers:
            found.setdefault(ours, ours)
        usual = next((plain[_plain(name)] for name in known if _plain(name) in plain), None)
        if usual is not None and usual not in found.values():
            found.setdefault(ours, usual)
    return found


def _plain(name: str) -> str:
    """Return a header without case, blanks, punctuation and what is in brackets; E-Mail is email."""
    return _PLAIN.sub("", name).casefold()


def _no_users(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> TableError:
    """Return the error of a table without a column of users, naming the one that seems to hold e-mails."""
    seen = list(rows)
    mails = [name for at, name in enumerate(headers) if any("@" in str(row[at]) for row in seen if at < len(row))]
    likely = mails[0] if mails else "E-Mail"
    return roster_error(
        f"The table roster needs the column 'user', and none is called that, or e-mail. "
        f"It has: {', '.join(headers) or 'no columns'}.",
        missing=("user",),
        hint=f"name it: columns={{'user': {likely!r}}}.",
    )


# ---- Kinds of files ----


def _check_kind(path: Path, data: bytes) -> None:
    """Refuse a file that is of another kind than the ending of its name says, and one that unpacks too large."""
    kind = path.suffix.lower()
    held = "a Parquet file" if data[:4] == _PARQUET else "text" if data else "nothing"
    if data[:4] in (_ARCHIVE, _OLD_WORKBOOK):
        held = "a workbook"
    wanted = {".parquet": "a Parquet file", **dict.fromkeys(_SHEETS, "a workbook")}.get(kind, "text")
    if held != wanted and (data or wanted != "text"):
        raise roster_error(
            f"The roster {path} cannot be read: its name says {wanted}, and it holds {held}.",
            hint="is it damaged, or has it the wrong ending? Save it again, as CSV (UTF-8) or .xlsx.",
        )
    if data[:4] == _ARCHIVE:
        _check_size(path, data)


def _check_size(path: Path, data: bytes) -> None:
    """Refuse a workbook that would fill the memory, and a damaged one: its parts, and the grid that its cells span."""
    size = cells = 0
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            size = sum(part.file_size for part in parts.infolist())
            if (
                size <= MOST_UNPACKED_BYTES
            ):  # a part is read to the size that it claims, and is damaged if it has another
                cells = max(_spanned(parts.read(part)) for part in parts.infolist())
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _unreadable(path, error) from error
    for count, most, what in ((size / 1e6, MOST_UNPACKED_BYTES / 1e6, "MB"), (cells, MOST_CELLS, "cells")):
        if count > most:
            raise roster_error(
                f"{path} unpacks to {count:,.0f} {what}, and at most {most:,.0f} {what} are read.",
                hint="is it the right file? Save the sheet of licences alone.",
            )


def _spanned(part: bytes) -> int:
    """Return how many cells lie between the first and the last that hold something: a reader makes room for all."""
    rows, widest = 1, b"A"
    for found in _CELL.finditer(part):
        letters, number = found.groups()
        rows = max(rows, int(number))
        widest = max(widest, letters, key=lambda name: (len(name), name))
    columns = 0
    for letter in widest:
        columns = columns * 26 + letter - ord("A") + 1
    return rows * columns


def _unreadable(path: Path, why: object) -> TableError:
    said = str(why).splitlines()[0] if str(why) else type(why).__name__
    return roster_error(f"The roster {path} cannot be read: {said}.", hint="save it again as CSV (UTF-8).")


def _through_toml(path: Path, data: bytes, options: Options) -> RosterFile:
    """Read the file that a TOML file names, with the options that stand there."""
    try:
        said = tomllib.loads(data.decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    place = said.pop("path", None)
    unknown = sorted(said.keys() - Options.__dataclass_fields__.keys())
    wrong = f"has {', '.join(map(repr, unknown))}" if unknown else ""
    if not isinstance(place, str) or place.lower().endswith(".toml"):
        wrong = f"has path = {place!r}"
    try:
        told = msgspec.convert(said, Options)
    except msgspec.ValidationError as error:
        wrong = wrong or f"has a wrong value: {error}"
    if wrong:
        raise roster_error(
            f"{path} {wrong}. It names the roster's path, and any of {', '.join(Options.__dataclass_fields__)}.",
            hint='such as path = "roster.csv" and separator = ";".',
        )
    return read_file(path.parent / Path(place).expanduser(), options.over(told))


def _parquet(path: Path, data: bytes) -> pl.DataFrame:
    try:
        scan = pl.scan_parquet(io.BytesIO(data))
        height = scan.select(pl.len()).collect().item()
        if height > MOST_ROWS:
            raise _unreadable(path, f"it has {height:,} rows, and at most {MOST_ROWS:,} are read")
        return scan.collect()
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, error) from error


def _json_lines(path: Path, data: bytes) -> pl.DataFrame:
    """Read one JSON object a line, as text: a team 7 is called "7"."""
    objects = []
    for number, line in enumerate(_decoded(path, data, None)[0].split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _unreadable(path, f"line {number} is no JSON ({error})") from error
        if not isinstance(value, dict):
            raise _unreadable(path, f"line {number} is no object")
        objects.append({name: _as_text(part) for name, part in value.items()})
    names = dict.fromkeys(name for value in objects for name in value)
    return pl.DataFrame(objects, schema=dict.fromkeys(names, pl.String))


def _as_text(value: Any) -> str | None:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _spreadsheet_engine(path: Path) -> Any:
    try:
        import fastexcel  # noqa: PLC0415 (only for a workbook)
    except ImportError as error:
        raise roster_error(
            f"Reading {path.name} needs the package fastexcel, which is not installed.",
            hint="run pip install fastexcel, or save the roster as CSV (UTF-8).",
        ) from error
    return fastexcel


def _workbook(path: Path, data: bytes, options: Options, fastexcel: Any) -> tuple[list[list[str]], tuple[str, ...]]:
    """Return the cells of the sheet that is asked for, or of the first with a column of users."""
    try:
        book = fastexcel.read_excel(data)
        names = book.sheet_names
        if options.sheet is not None and options.sheet not in (*names, *range(1, len(names) + 1)):
            raise roster_error(
                f"{path.name} has no sheet {options.sheet!r}. It has: {', '.join(names)}.",
                hint="give its name, or its number from 1.",
            )
        asked = names[options.sheet - 1] if isinstance(options.sheet, int) else options.sheet
        grids = {}
        for name in names if asked is None else [asked]:
            cells = book.load_sheet(name, header_row=None, dtypes="string").to_polars()
            grids[name] = [["" if cell is None else cell for cell in row] for row in cells.rows()]
            if _header_at(grids[name], options.columns) is not None:
                return grids[name], () if len(names) == 1 else (f"sheet `{name}`",)
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        raise _unreadable(path, error) from error
    return next(iter(grids.values()), []), ()


# ---- Text ----


def _decoded(path: Path, data: bytes, encoding: str | None) -> tuple[str, str]:
    """Return a file's text with one kind of line end, and its encoding."""
    found: str | None = encoding
    mark = b""
    if encoding is None:
        mark = next((mark for mark in _MARKS if data.startswith(mark)), b"")
        found = _MARKS.get(mark)
    if found is None and data.count(0) * 4 > len(
        data
    ):  # nearly each letter of a name has a zero byte in UTF-16, before it or after
        found = "utf-16-le" if data[1::2].count(0) > data[::2].count(0) else "utf-16-be"
    for name in [found] if found else ["utf-8", "cp1252"]:
        try:
            text = data[len(mark) :].decode(name).removeprefix("\ufeff")
        except UnicodeDecodeError:
            continue
        except LookupError as error:
            raise roster_error(f"encoding={encoding!r} is no encoding.", hint="try 'cp1252'.") from error
        return text.replace("\r\n", "\n").replace("\r", "\n"), name
    tried = found or "utf-8 or cp1252"
    raise roster_error(
        f"The roster {path} cannot be read as {tried}.",
        hint="name its encoding, such as encoding='cp850', or save it as CSV (UTF-8).",
    )


def _delimited(path: Path, data: bytes, options: Options) -> tuple[list[list[str]], tuple[str, ...]]:
    """Return the cells of a text file, with the separator that makes most columns of its header."""
    text, encoding = _decoded(path, data, options.encoding)
    if not text.strip():
        raise _unreadable(path, "it is empty")
    separator = options.separator
    first, _, rest = text.partition("\n")
    if first.strip(' "').lower().startswith("sep="):  # a line for spreadsheet programs
        text, separator = rest, separator or first.strip(' "')[4:]
    if separator is not None and (len(separator) != 1 or separator in '\r\n"'):
        raise roster_error(f"separator={separator!r} is not one character.", hint="such as ';'.")
    chosen = separator or max(_SEPARATORS, key=lambda sign: _score(text, sign, options.columns))
    try:
        grid = list(_cells(text, chosen))
    except csv.Error as error:
        raise _unreadable(path, f"{error} (separator {chosen!r})") from error
    has_columns = max(map(len, grid[:_HEAD]), default=0) > 1
    form = (f"separator `{_SHOWN.get(chosen, chosen)}`",) if has_columns else ()
    return grid, form if encoding == "utf-8" else (*form, f"encoding {encoding}")


def _cells(text: str, separator: str) -> Any:
    return csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True, strict=True)


def _score(text: str, separator: str, columns: Mapping[str, str] | None) -> tuple[int, int]:
    """Return how many columns of the header are recognised, and how many it has."""
    head: list[list[str]] = []
    with suppress(csv.Error):  # it is raised when the whole text is read
        head.extend(islice(_cells(text, separator), _HEAD))
    at = _header_at(head, columns)
    return (0, max(map(len, head), default=0)) if at is None else (1 + _known(head[at]), len(head[at]))


def _known(row: Sequence[str]) -> int:
    """Return how many cells are usual names of columns."""
    return sum(_plain(cell) in _USUAL for cell in row)


def _header_at(grid: Sequence[Sequence[str]], columns: Mapping[str, str] | None) -> int | None:
    """Return the number of the row that names a column of users, the most columns if several do; None without one."""
    asked = {name for pair in (columns or {}).items() if "user" in pair for name in pair} - {"user"}
    names = set(map(_plain, asked or COLUMN_NAMES["user"]))
    found = [at for at, row in enumerate(grid[:_HEAD]) if names & {*map(_plain, row)}]
    return max(
        found, key=lambda at: _known(grid[at]), default=None
    )  # a title may be "User", the first of equals counts


def _below_header(path: Path, grid: list[list[str]], options: Options) -> tuple[pl.DataFrame, int]:
    """Return the rows below the header as text, without totals, filters and notes; and how many those were."""
    at = _header_at(grid, options.columns)
    if at is None:
        filled = [row for row in grid if any(cell.strip() for cell in row)]
        if not filled or len(filled[0]) > 1 or "@" not in filled[0][0] or filled[0][0].lstrip()[:1] in ("{", "["):
            found = [cell.strip() for cell in filled[0]] if filled else []
            _standard_names(found, options.columns)  # says which of these names is not there
            raise _no_users(found, filled[1:_HEAD])
        header, body = ["user"], grid  # a plain list of e-mails
    else:
        header, body = _distinct(grid[at]), grid[at + 1 :]
    user = header.index(_standard_names(header, options.columns)["user"])
    width, kept, left_out = len(header), [], 0
    has_mails = any("@" in row[user] for row in body if len(row) > user)
    for number, row in enumerate(body, start=1):
        if len(row) == width and "@" in row[user] and " " not in row[user]:  # nearly all
            kept.append(row)
            continue
        cells = [cell.strip() for cell in row]
        is_note = has_mails and _is_note(cells, user, width)
        if not any(cells) or is_note or [*map(_plain, cells)] == [*map(_plain, header)]:
            left_out += any(cells)
        elif any(cells[width:]):
            raise roster_error(
                f"The roster {path} has {plural(width, 'column')}, and row {number} below its header has {len(cells)}.",
                hint="a value that holds the separator stands in quotes; or name another separator=.",
            )
        else:
            kept.append([*cells[:width], *[""] * (width - len(cells))])
    values = zip(*kept, strict=True) if kept else [()] * width
    rows = pl.DataFrame([pl.Series(name, part, pl.String) for name, part in zip(header, values, strict=True)])
    unnamed = [name for name in header if name.startswith("column ") and (rows[name] == "").all()]
    return rows.drop(unnamed), left_out


def _distinct(header: Sequence[str]) -> list[str]:
    """Return the names of a header, each once."""
    names: list[str] = []
    for at, cell in enumerate(header, start=1):
        name = cell.strip() or f"column {at}"
        names.append(f"{name} ({at})" if name in names else name)
    return names


def _is_note(cells: Sequence[str], user: int, width: int) -> bool:
    """Tell whether a row of a file with e-mails is a total, a filter or a note, and no licence."""
    name = cells[user] if len(cells) > user else ""
    if "@" in name:  # a note may name who made the report
        return " " in name and not name.endswith(">") and _TOTAL.match(name) is not None
    if name and not name.strip("-"):  # a rule below the header
        return True
    filled = [cell for cell in cells if cell]
    is_alone = filled == [name] or (not name and len(cells) != width)
    return is_alone or len(cells) > width or any(_TOTAL.match(cell) for cell in filled)
