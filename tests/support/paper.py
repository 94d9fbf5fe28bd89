"""PDFs as a word processor prints them: lines at their places, in a font that is not embedded."""

_FONT = (
    b"<< /Type /Font /Subtype /Type0 /BaseFont /HeiseiMin-W3 /Encoding /UniJIS-UCS2-H"
    b" /DescendantFonts [<< /Type /Font /Subtype /CIDFontType0 /BaseFont /HeiseiMin-W3"
    b" /CIDSystemInfo << /Registry (Adobe) /Ordering (Japan1) /Supplement 2 >> >>] >>"
)

# A grey page, as scanners make them.
PICTURE = "q 595 0 0 842 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID 7 EI Q"


def print_pdf(
    pages: list[list[str]],
    sizes: dict[str, int] | None = None,
    bookmarks: list[tuple[str, int] | tuple[str, int, int]] | None = None,
    drawn: dict[int, str] | None = None,
) -> bytes:
    """A PDF of these lines, 12 points high or as `sizes` says of a line.

    Args:
        pages: Lines of each.
        sizes: In points, by line.
        bookmarks: Titles, the index of the page of each, and the line there; all of one level.
        drawn: What is painted below a page's lines, by its index: `PICTURE`, or operators.
    """
    numbers = range(4, 4 + 2 * len(pages), 2)
    kids = " ".join(f"{number} 0 R" for number in numbers)
    outlines = numbers.stop
    catalog = b"<< /Type /Catalog /Pages 2 0 R >>"
    if bookmarks:
        catalog = b"<< /Type /Catalog /Pages 2 0 R /Outlines %d 0 R >>" % outlines
    leading = max([12, *(sizes or {}).values()]) + 2
    objects = [
        catalog,
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        _FONT,
    ]
    for index, (number, lines) in enumerate(zip(numbers, pages, strict=True)):
        shown = "\n".join(
            f"/F1 {(sizes or {}).get(line, 12)} Tf <{line.encode('utf-16-be').hex()}> Tj T*"
            for line in lines
        )
        below = (drawn or {}).get(index, "")
        stream = f"{below}\nBT {leading} TL 40 800 Td\n{shown}\nET".encode()
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {number + 1} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    if bookmarks:
        objects += _outline(bookmarks, outlines, numbers, leading)
    return _file(objects)


def columns(lines: list[str], left: int = 500, top: int = 760, size: int = 12) -> list[str]:
    """Operators that write lines down the page, each left of the one before, for `drawn`."""
    places = [(left - 2 * size * n, line) for n, line in enumerate(lines)]
    return [
        "".join(write(char, x, top - size * at, size) for at, char in enumerate(line))
        for x, line in places
    ]


def write(text: str, x: float, y: float, size: int = 12) -> str:
    """Operators that write a text across the page, for `drawn`."""
    return f"BT /F1 {size} Tf {x} {y} Td <{text.encode('utf-16-be').hex()}> Tj ET\n"


def _outline(bookmarks: list, own: int, pages: range, leading: int) -> list[bytes]:
    last = own + len(bookmarks)
    objects = [b"<< /Type /Outlines /First %d 0 R /Last %d 0 R >>" % (own + 1, last)]
    for number, (title, page, *line) in enumerate(bookmarks, own + 1):
        following = f"/Next {number + 1} 0 R" if number < last else ""
        name = f"\ufeff{title}".encode("utf-16-be").hex()
        view = f"/XYZ 0 {812 - leading * line[0]} 0" if line else "/Fit"
        place = f"[{pages[page]} 0 R {view}]"
        entry = f"<< /Title <{name}> /Parent {own} 0 R /Dest {place} {following} >>"
        objects.append(entry.encode())
    return objects


def _file(objects: list[bytes]) -> bytes:
    written = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    size = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    written += b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    trailer = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF"
    return written + trailer % (size, written.index(b"xref\n0 "))
