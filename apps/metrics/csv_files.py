"""Write CSV, in one way for the whole product: text from outside never becomes a
formula in a spreadsheet.

    >>> neutralized("=1+1")
    "'=1+1"
"""

import csv
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from django.http import HttpResponse

# What spreadsheets take for the start of a formula. Full-width and small forms are
# folded to these first.
FORMULA_SIGNS = "=+-@"
_BREAKS = str.maketrans(dict.fromkeys("\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029", " "))
# Some spreadsheets split cells at it, although the file uses commas.
_OTHER_SEPARATOR = ";"
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zs", "Zl", "Zp"}


class Writable(Protocol):
    """A file, a response, or a command's output."""

    def write(self, text: str, /) -> Any: ...


# Spreadsheets take a file without it for one of the machine's own character set.
BYTE_ORDER_MARK = "\ufeff"


def download(
    filename: str, header: Sequence[str], rows: Iterable[Sequence[Any]]
) -> HttpResponse:
    """Return the answer that saves rows as a CSV file of a name.

    It is UTF-8 with a byte order mark.
    """
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    response = HttpResponse(
        BYTE_ORDER_MARK, content_type="text/csv; charset=utf-8", headers=headers
    )
    write_csv(response, header, rows)
    return response


def write_csv(target: Writable, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a header and rows to a target.

    Text is neutralized; numbers, also negative ones, stay numbers.
    """
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(neutralized(name) for name in header)
    for row in rows:
        writer.writerow(
            [neutralized(value) if isinstance(value, str) else value for value in row]
        )


def neutralized(text: str) -> str:
    """Return the text on one line, with an apostrophe before whatever a spreadsheet
    would calculate.
    """
    cells = text.replace("\0", "").translate(_BREAKS).split(_OTHER_SEPARATOR)
    return _OTHER_SEPARATOR.join(f"'{cell}" if _is_formula(cell) else cell for cell in cells)


def _is_formula(cell: str) -> bool:
    """Return whether the first character that can be seen starts a formula."""
    for character in cell:
        if unicodedata.category(character) not in _UNSEEN:
            return unicodedata.normalize("NFKC", character)[0] in FORMULA_SIGNS
    return False
