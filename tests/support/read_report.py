#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Opens a report with programs that did not write it, and prints what they see: read_report.py FILE.

csv: Python's csv, strictly; one JSON array per row. xlsx: openpyxl; the same, each sheet under its name, formulas and
dates told apart from text. pdf: poppler; "page N: WIDTHxHEIGHT ink|blank", from a picture of the page, then its lines,
words from left to right as they stand on the paper.
"""
import csv
import datetime
import json
import subprocess
import sys
import xml.etree.ElementTree
import zipfile


def show(row):
    print(json.dumps(row, ensure_ascii=False))


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    assert text.endswith("\r\n"), "no CRLF at the end"
    for row in csv.reader(text.splitlines(keepends=True), strict=True):
        show(row)


def value(cell):
    if cell.data_type == "f":
        return "formula:" + cell.value
    if isinstance(cell.value, (datetime.datetime, datetime.date)):
        return "date:" + cell.value.isoformat()
    return cell.value


def read_xlsx(path):
    import openpyxl
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for name in archive.namelist():
            xml.etree.ElementTree.fromstring(archive.read(name))
    book = openpyxl.load_workbook(path)
    print("title:", book.properties.title)
    for sheet in book:
        print("sheet:", sheet.title, "frozen:", sheet.freeze_panes)
        for row in sheet.iter_rows():
            show([value(cell) for cell in row])


def count_rows(path):
    """Of sheets too long for openpyxl."""
    with zipfile.ZipFile(path) as archive:
        for name in sorted(n for n in archive.namelist() if n.startswith("xl/worksheets/sheet")):
            rows, rest = 0, b""
            with archive.open(name) as file:
                while chunk := file.read(1 << 20):
                    rest = rest[-4:] + chunk
                    rows += rest.count(b"<row ")
            print(name, rows, "whole" if rest.endswith(b"</worksheet>") else "cut off")


def has_ink(picture):
    """A PGM by pdftoppm: "P5 WIDTH HEIGHT 255", then a byte per pixel."""
    pixels = picture.split(b"\n", 3)[3]
    return sum(1 for pixel in pixels if pixel < 128) > 50


def read_pdf(path):
    subprocess.run(["pdfinfo", path], check=True, stdout=subprocess.DEVNULL)
    boxes = subprocess.run(["pdftotext", "-bbox", path, "-"], check=True, stdout=subprocess.PIPE).stdout
    space = "{http://www.w3.org/1999/xhtml}"
    for number, page in enumerate(xml.etree.ElementTree.fromstring(boxes).iter(space + "page"), 1):
        picture = subprocess.run(["pdftoppm", "-r", "50", "-gray", "-f", str(number), "-l", str(number), path],
                                 check=True, stdout=subprocess.PIPE).stdout
        size = f"{float(page.get('width')):.0f}x{float(page.get('height')):.0f}"
        print(f"page {number}: {size} {'ink' if has_ink(picture) else 'blank'}")
        lines = {}
        for word in page.iter(space + "word"):
            lines.setdefault(round(float(word.get("yMax"))), []).append((float(word.get("xMin")), word.text))
        for _, words in sorted(lines.items()):
            print(" ".join(text for _, text in sorted(words)))


def main():
    path = sys.argv[-1]
    if sys.argv[1] == "--count":
        count_rows(path)
    else:
        {"csv": read_csv, "xlsx": read_xlsx, "pdf": read_pdf}[path.rsplit(".", 1)[1]](path)


main()
