#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a compiler does not know: house.py SOURCE-ROOT. Speaks TAP.

A rule is a function that yields one line per violation ("file:line: what"); its name is the sentence that the test
has. It reads files as they lie in the tree, so it needs neither a build nor git.
"""
import os
import re
import subprocess
import sys
import tempfile

ROOT = os.path.abspath(sys.argv[1])
PRODUCT = ("base", "stream", "store", "libjob", "worker", "broker", "cli", "jobs")
# Who may include whom; jobs and examples see public headers only, and jobs what is in jobs/common/.
LAYERS = {
    "base": {"base"},
    "stream": {"base", "stream"},
    "store": {"base", "store"},
    "libjob": {"base", "stream", "store", "libjob"},
    "worker": {"base", "stream", "store", "libjob", "worker"},
    "broker": {"base", "stream", "store", "libjob", "broker"},
    "cli": {"base", "stream", "store", "libjob", "cli"},
}
PUBLIC = {"job.h", "job_handler.h"}
SIGNED = re.compile(r"\.(c|h|py|sh|sql|xml)$|(^|/)meson\.build$|^dev$|^\.ci/run$|^systemd/")
# Where a process may end itself: its root, or the one place that leaves a hung client library behind.
ROOTS = {"worker/main.c", "worker/run_once.c", "worker/zygote.c", "worker/executor.c", "worker/worker.c", "broker/main.c", "cli/main.c"}
# The daemons' database is store/'s alone. A report's is somebody else's: one file of that handler speaks to it. So does one of the
# example of an application to its own table.
OTHER_DATABASES = {"jobs/report/database.c", "examples/api/users.c"}
# What doctor says to people may be SQL that they can run; it runs none itself.
ADVICE = "cli/doctor/"
RULES = []


def rule(function):
    RULES.append(function)
    return function


# --- reading the tree ---


def walk():
    for folder, folders, names in os.walk(ROOT):
        at_root = folder == ROOT
        folders[:] = sorted(
            f for f in folders
            if f not in (".git", ".dev", "__pycache__") and not (at_root and f.startswith("build")))
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), ROOT)


FILES = list(walk())


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def exists(path):
    return os.path.exists(os.path.join(ROOT, path))


def top(path):
    return path.split("/")[0]


def c_files(*folders):
    return [f for f in FILES if f.endswith((".c", ".h")) and top(f) in folders]


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def without_comments(text, keep_strings=True):
    """The same text, line for line, with comments (and strings) blanked."""

    def blank(match):
        if match[0][0] in "\"'" and keep_strings:
            return match[0]
        return re.sub(r"[^\n]", " ", match[0])

    return TOKEN.sub(blank, text)


def includes(path):
    """(line, opening sign, name) of every #include."""
    for number, line in enumerate(without_comments(read(path)).split("\n"), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)', line)
        if match:
            yield number, match[1], match[2]


def strings(path):
    """(line, text) of every string literal, neighbours joined as the compiler does."""
    text, joined, end, start = without_comments(read(path)), "", 0, 0
    for match in re.finditer(r'"((?:\\.|[^"\\\n])*)"', text):
        if joined and text[end:match.start()].strip(" \t\n\\"):
            yield text.count("\n", 0, start) + 1, joined
            joined = ""
        if not joined:
            start = match.start()
        joined += match[1]
        end = match.end()
    if joined:
        yield text.count("\n", 0, start) + 1, joined


def matches(path, pattern, keep_strings=False):
    for number, line in enumerate(without_comments(read(path), keep_strings).split("\n"), 1):
        if re.search(pattern, line):
            yield f"{path}:{number}: {line.strip()}"


# --- the rules ---


@rule
def only_stream_includes_librdkafka():
    for path in c_files(*PRODUCT, "examples"):
        for line, _, name in includes(path):
            if "rdkafka" in name and top(path) != "stream":
                yield f"{path}:{line}: includes {name}"


@rule
def only_store_includes_libpq():
    for path in c_files(*PRODUCT, "examples"):
        for line, _, name in includes(path) if path not in OTHER_DATABASES else ():
            if re.match(r"(postgresql/)?(libpq|pg_|postgres)", name) and top(path) != "store":
                yield f"{path}:{line}: includes {name}"


SQL = re.compile(
    r"\b(SELECT|INSERT INTO|DELETE FROM|TRUNCATE|SAVEPOINT|ROLLBACK|LISTEN|UNLISTEN|NOTIFY"
    r"|(CREATE|ALTER|DROP) (TABLE|INDEX|SCHEMA|DATABASE|FUNCTION|VIEW|ROLE))\b"
    r"|^\s*(BEGIN|COMMIT)\b"
    r"|(?i:\bselect\b.*\bfrom\b|\binsert\s+into\b|\bdelete\s+from\b|\bupdate\s+[\w.]+\s+set\b)", re.DOTALL)


@rule
def only_store_contains_sql():
    for path in c_files(*PRODUCT, "examples"):
        if path.startswith(ADVICE):
            yield from matches(path, r"\bdb_(query|query_often|execute)\b")
            continue
        for line, text in strings(path) if top(path) != "store" and path not in OTHER_DATABASES else ():
            if SQL.search(text):
                yield f"{path}:{line}: \"{text[:60]}\""


@rule
def no_folder_includes_from_a_higher_one():
    for path in c_files(*LAYERS):
        for line, _, name in includes(path):
            known = top(name) in PRODUCT + ("tests", "bench", "examples") and "/" in name
            if known and top(name) not in LAYERS[top(path)] or name.startswith("."):
                yield f"{path}:{line}: includes {name}"


@rule
def jobs_and_examples_see_public_headers_only():
    for path in c_files("jobs", "examples"):
        allowed = PUBLIC if top(path) == "examples" else {"job_handler.h"}
        for line, sign, name in includes(path):
            own = sign == '"' and "/" not in name and exists(os.path.join(os.path.dirname(path), name))
            own = own or top(path) == "jobs" and top(name) == "common" and exists("jobs/" + name)
            of_project = sign == '"' or exists(name) or exists("libjob/include/" + name)
            if of_project and not own and name not in allowed:
                yield f"{path}:{line}: includes {name}"


@rule
def public_headers_include_the_c_library_only():
    for path in FILES:
        if path.startswith("libjob/include/"):
            for line, _, name in includes(path):
                if name not in ("stddef.h", "stdint.h", "stdbool.h"):
                    yield f"{path}:{line}: includes {name}"


@rule
def every_source_says_its_licence():
    for path in FILES:
        if SIGNED.search(path) and "SPDX-License-Identifier: Apache-2.0" not in "\n".join(read(path).split("\n")[:3]):
            yield f"{path}:1: no SPDX-License-Identifier: Apache-2.0 in its first three lines"


@rule
def only_the_root_of_a_process_ends_it():
    for path in c_files(*(set(PRODUCT) - {"jobs"})):
        yield from () if path in ROOTS else matches(path, r"\b(_?exit|_Exit|quick_exit|abort)\s*\(")


@rule
def nothing_is_left_to_be_done():
    for path in FILES:
        if re.search(r"\.(c|h|py|sh|sql|md|build|xml|conf|example|service)$|^dev$", path):
            for number, line in enumerate(read(path).split("\n"), 1):
                if re.search(r"\b(TO" r"DO|FIX" r"ME)\b", line) and not path.startswith("tests/house/"):
                    yield f"{path}:{number}: {line.strip()}"


def meson_of(path):
    folder = os.path.dirname(path)
    while not exists(os.path.join(folder, "meson.build")):
        folder = os.path.dirname(folder)
    return os.path.join(folder, "meson.build"), os.path.relpath(path, folder or ".")


@rule
def every_source_is_built():
    for path in FILES:
        if not path.endswith((".c", ".sql")):
            continue
        build, name = meson_of(path)
        test = re.fullmatch(r"(?:unit|system|fault)/test_(\w+)\.c", name)
        if f"'{test[1]}':" not in read(build) if test else f"'{name}'" not in read(build):
            yield f"{path}:1: not in {build}"


@rule
def decisions_are_numbered_without_gaps():
    names = sorted(os.path.basename(f) for f in FILES if f.startswith("docs/decisions/"))
    for number, name in enumerate(names, 1):
        text = read("docs/decisions/" + name)
        if not re.fullmatch(rf"{number:04}-[a-z0-9-]+\.md", name):
            yield f"docs/decisions/{name}:1: expected {number:04}-….md here"
        elif not text.startswith(f"# {number}. "):
            yield f"docs/decisions/{name}:1: the title does not begin with \"# {number}. \""
        if text.count("\n") > 40:
            yield f"docs/decisions/{name}:41: longer than 40 lines"
    for path in FILES:
        if re.search(r"\.(c|h|sql|py|md)$|^dev$", path):
            for match in re.finditer(r"docs/decisions/(\d{4})", read(path)):
                if not any(name.startswith(match[1]) for name in names):
                    yield f"{path}:1: names docs/decisions/{match[1]}, which is not there"


@rule
def every_verb_of_dev_is_in_its_help():
    text = read("dev")
    done = subprocess.run([os.path.join(ROOT, "dev"), "--help"], capture_output=True, text=True, check=False)
    helped = set()
    for line in re.findall(r"^  ([a-z][^\n]*?)(?:  |$)", done.stdout, re.MULTILINE):
        helped.update(re.findall(r"(?:^|, )([a-z]+)", line))
    if done.returncode or not helped:
        yield f"dev:1: --help ended with {done.returncode}"
    verbs = set(re.findall(r"^verb_(\w+)\(\)", text, re.MULTILINE))
    for verb in sorted(verbs - helped):
        yield f"dev:1: verb \"{verb}\" is not in ./dev --help"
    cases = re.search(r"^case \$verb in\n\s*([a-z |]+)\)", text, re.MULTILINE)
    for verb in sorted(set(re.findall(r"[a-z]+", cases[1])) ^ verbs if cases else verbs):
        yield f"dev:1: verb \"{verb}\" is not both written and accepted"


@rule
def links_between_documents_lead_somewhere():
    for path in FILES:
        if not path.endswith(".md"):
            continue
        text = re.sub(r"```.*?```", lambda m: re.sub(r"[^\n]", "", m[0]), read(path), flags=re.DOTALL)
        for match in re.finditer(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)", text):
            target = os.path.normpath(os.path.join(os.path.dirname(path), match[1]))
            if not re.match(r"[a-z]+:", match[1]) and not exists(target):
                yield f"{path}:{text.count(chr(10), 0, match.start()) + 1}: {match[1]} is not there"


@rule
def names_in_the_map_are_in_the_code():
    code = {word for path in FILES if not path.endswith(".md") and not path.startswith("tests/house/")
            and re.search(r"\.(c|h|sql|sh|build)$|^dev$", path) for word in re.findall(r"\w+", read(path))}
    for path in ("ARCHITECTURE.md", "docs/states.md"):
        for number, line in enumerate(read(path).split("\n"), 1):
            for name in re.findall(r"\b(?:job\.\w+|\w+_\w+)", " ".join(re.findall(r"`([^`]+)`", line))):
                if name.split(".")[-1].strip("_") not in code and name.split(".")[-1] not in code:
                    yield f"{path}:{number}: `{name}` is nowhere in the code"
            for name in re.findall(r"\b(?:" + "|".join(PRODUCT + ("tests", "tools", "docs")) + r")/[\w/.-]*\w", line):
                if not exists(name):
                    yield f"{path}:{number}: {name} is not there"


@rule
def c_in_the_readme_compiles():
    blocks = re.findall(r"```c\n(.*?)```", read("README.md"), re.DOTALL)
    if len(blocks) < 2:
        yield "README.md:1: fewer than two C snippets"
    compiler = os.environ.get("CC", "cc").split()
    for block in blocks:
        with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
            file.write(block)
            file.flush()
            done = subprocess.run(
                compiler + ["-std=gnu17", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Werror",
                            "-fsyntax-only", "-I", os.path.join(ROOT, "libjob/include"), file.name],
                capture_output=True, text=True, check=False)
        if done.returncode:
            yield f"README.md:1: {done.stderr.replace(file.name, 'snippet.c')}"


def main():
    failed = False
    for number, function in enumerate(RULES, 1):
        found = list(function())
        failed = failed or bool(found)
        print("not ok" if found else "ok", number, "-", function.__name__)
        for violation in found:
            print("# " + violation.replace("\n", "\n# "))
    print(f"1..{len(RULES)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
