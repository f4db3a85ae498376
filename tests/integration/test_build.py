"""What `make` promises a user and a developer, tried on a tree of a few
files of its own: warnings, processors, and what it prints."""

import os
import pathlib
import shutil
import subprocess

import pytest

from house import PROJECT

MAKE_VARIABLES = ("CC", "CI", "F", "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "WERROR")
MODULES = 4
WARNED = "int warned(int x);\nint warned(int x) { int unused; return x; }\n"
PROGRAMS = ("charref", "charref-fcgi", "charref-pool", "charref-sketch")
PROGRAM = "int main(void) { return 0; }\n"

# A compiler that notes how many of itself run.  Each waits until one of them
# has seen so many, and gives up after so many looks.
COUNTING = """#!/bin/bash
for out; do case $out in *.o) break ;; esac; done
touch "$NOTES/running.$$" "$out"
for ((look = 0; look < LOOKS; look++)); do
	set -- "$NOTES"/running.*
	echo $# >>"$NOTES/counts"
	[ $# -lt "$SEEN" ] || touch "$NOTES/seen"
	[ ! -e "$NOTES/seen" ] || break
	sleep 0.02
done
rm "$NOTES/running.$$"
"""


class Tree:
    """A copy of the Makefile, with sources of its own."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        shutil.copy(PROJECT / "Makefile", root)

    def write(self, name: str, text: str):
        """Adds a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def write_programs(self):
        """Adds the least from which all programs can be made."""
        for name in PROGRAMS:
            self.write(f"src/bin/{name}.c", PROGRAM)
        self.write("src/base/empty.c", "extern int empty;\n")

    def make(self, *words, **env) -> subprocess.CompletedProcess:
        """Runs make as from a user's shell, with these variables besides."""
        kept = {key: value for key, value in os.environ.items()
                if key not in MAKE_VARIABLES}
        return subprocess.run(
            ["make", *words], cwd=self.root, env=kept | env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
            check=False)


@pytest.fixture
def tree(tmp_path):
    """One that has no sources yet."""
    return Tree(tmp_path)


def compile_warned(tree, *words, **env):
    """Compiles a module of which the compiler has a warning."""
    tree.write("src/base/warned.c", WARNED)
    return tree.make(*words, "F=debug", "build/debug/base/warned.o", **env)


def test_a_warning_does_not_end_the_build_of_a_user(tree):
    done = compile_warned(tree)
    assert "warning: unused variable" in done.stdout
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("env", ({"CI": "true"}, {"WERROR": "1"}))
def test_a_warning_ends_the_build_in_ci_and_of_a_developer(tree, env):
    done = compile_warned(tree, **env)
    assert "error: unused variable" in done.stdout
    assert done.returncode != 0


def werror_of(tree, target) -> str:
    """The variable as a compilation that the target starts would see it."""
    rule = f'\n{target}: show\nshow:\n\t@echo "werror=$$WERROR"; false\n'
    tree.write("Makefile", (tree.root / "Makefile").read_text() + rule)
    tree.write_programs()
    said = tree.make("DEPS=:", target).stdout
    return next(line for line in said.splitlines() if "werror=" in line)


@pytest.mark.parametrize("target", ("check", "unit", "lint", "fuzz",
                                    "variant-clang"))
def test_a_warning_is_an_error_in_what_developers_make(tree, target):
    assert werror_of(tree, target) == "werror=1"


@pytest.mark.parametrize("target", ("run", "install", "deb", "all"))
def test_a_warning_is_no_error_in_what_users_make(tree, target):
    assert werror_of(tree, target) == "werror="


def compilers_at_once(tree, *words, seen: int, looks: int = 1000) -> int:
    """The most compilers that ran at the same time."""
    compiler = tree.write("counting-cc", COUNTING)
    compiler.chmod(0o755)
    for n in range(MODULES):
        tree.write(f"src/base/m{n}.c", "")
    (tree.root / "notes").mkdir()
    done = tree.make(*words, *(f"build/release/base/m{n}.o"
                               for n in range(MODULES)), CC=str(compiler),
                     NOTES=str(tree.root / "notes"), SEEN=str(seen),
                     LOOKS=str(looks))
    assert done.returncode == 0, done.stdout
    counts = (tree.root / "notes/counts").read_text().split()
    return max(map(int, counts))


def test_make_uses_all_processors_by_itself(tree):
    processors = len(os.sched_getaffinity(0))
    many = min(processors, MODULES)
    assert compilers_at_once(tree, seen=many) == many


def test_make_uses_as_many_processors_as_its_caller_wants(tree):
    assert compilers_at_once(tree, "-j3", seen=3) == 3
    shutil.rmtree(tree.root / "notes")
    shutil.rmtree(tree.root / "build")
    assert compilers_at_once(tree, "-j1", seen=2, looks=5) == 1


def test_packages_are_installed_one_list_at_a_time(tree):
    """As several apt-get at once would find each other's lock."""
    deps = tree.write("deps", "#!/bin/bash\necho begin $1; sleep 0.2\n"
                      "echo end $1\n")
    deps.chmod(0o755)
    tree.write("deploy/run", "#!/bin/bash\n").chmod(0o755)
    tree.write_programs()
    done = tree.make("-j4", f"DEPS={deps}", "run")
    assert done.returncode == 0, done.stdout
    said = [line for line in done.stdout.splitlines()
            if line.startswith(("begin", "end"))]
    assert said == ["begin run", "end run", "begin build", "end build"]


def test_make_prints_one_line_for_each_program(tree):
    tree.write_programs()
    first = tree.make("F=debug", "programs")
    assert first.returncode == 0, first.stdout
    assert sorted(first.stdout.splitlines()) == [
        f"debug: {name}" for name in sorted(PROGRAMS)]
    assert tree.make("F=debug", "programs").stdout == ""
