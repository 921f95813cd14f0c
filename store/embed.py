#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the numbered SQL files as the C table `migrations` (store/migrate.h): embed.py OUTPUT FILE…"""
import pathlib
import re
import sys


def c_string(text):
    lines = text.splitlines(keepends=True)
    return "\n".join('        "' + line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"' for line in lines)


rows = []
for name in sorted(sys.argv[2:], key=lambda n: pathlib.Path(n).name):
    version, title = re.fullmatch(r"(\d{4})-(.+)\.sql", pathlib.Path(name).name).groups()
    rows.append(f'    {{ {int(version)}, "{title}",\n{c_string(pathlib.Path(name).read_text())} }},')
pathlib.Path(sys.argv[1]).write_text(
    '#include "store/migrate.h"\n\nconst struct migration migrations[] = {\n' + "\n".join(rows) + "\n    { 0 },\n};\n")
