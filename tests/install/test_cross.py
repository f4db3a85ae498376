"""The package for arm64, cross-built in a Debian of its own.

char is unsigned on arm64, and the compiler there is stricter about it; a
package built there would fail where this one does.
"""

import hashlib
import os
import pathlib
import re
import shutil
import struct
import tempfile

import pytest

from house import PROJECT, missing, need_tool
from room import DEBIAN, mirror, run

ARCH = "arm64"
EM_AARCH64 = 183  # ELF's e_machine
PROGRAMS = {"charref", "charref-fcgi", "charref-pool", "charref-sketch"}
# What it writes is thrown away when it is cut short: no need to fsync it.
APT = ("apt-get", "-y", "--no-install-recommends", "-o",
       "Dpkg::Options::=--force-unsafe-io")
EQUIP_S = 1800  # for each step: some 300 packages are fetched and unpacked
BUILD_S = 900
NOT_COPIED = shutil.ignore_patterns(".git", "build", "data", "__pycache__")


class Workshop:
    """A Debian below a folder, in which commands run; it is not booted."""

    def __init__(self, root: pathlib.Path):
        self.root = root

    def run(self, *words, timeout=60) -> str:
        """Runs a command as root.  With the command ends all it started:
        it is process 1 of a namespace."""
        return run("unshare", "--mount", "--pid", "--fork", "--kill-child",
                   f"--mount-proc={self.root}/proc", "chroot", self.root,
                   "/usr/bin/env", "-i", "PATH=/usr/sbin:/usr/bin", "HOME=/root",
                   "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", *words,
                   timeout=timeout)


def equip(shop: Workshop):
    """A Debian with the compiler and libraries that the package needs."""
    try:
        run("debootstrap", "--variant=minbase", DEBIAN, shop.root, mirror(),
            timeout=EQUIP_S)
    except AssertionError as why:
        missing(f"debootstrap failed: {str(why).splitlines()[-1]}")
    shutil.copy("/etc/resolv.conf", shop.root / "etc/resolv.conf")
    shutil.copytree(PROJECT / "deploy/debian", shop.root / "root/wants/debian")
    shop.run("dpkg", "--add-architecture", ARCH)
    shop.run("apt-get", "update", timeout=EQUIP_S)
    shop.run(*APT, "install", "lintian", f"crossbuild-essential-{ARCH}",
             timeout=EQUIP_S)
    shop.run(*APT, "build-dep", f"--host-architecture={ARCH}", "/root/wants",
             timeout=EQUIP_S)
    shop.run("apt-get", "clean")


def tarball() -> pathlib.Path:
    """Such a Debian, made once and kept in build/ until the wants change."""
    wants = (PROJECT / "deploy/debian/control").read_text()
    wants = wants.partition("Build-Depends:")[2].partition("\nStandards")[0]
    mark = hashlib.sha256(wants.encode()).hexdigest()[:8]
    kept = PROJECT / f"build/cross-{DEBIAN}-{mark}.tar"
    if kept.exists():
        return kept
    with tempfile.TemporaryDirectory(prefix="charref-cross-") as folder:
        shop = Workshop(pathlib.Path(folder) / "debian")
        equip(shop)
        run("tar", "-C", shop.root, "-cf", f"{kept}.new", ".", timeout=300)
    for old in kept.parent.glob(f"cross-{DEBIAN}-*.tar"):
        old.unlink()
    os.rename(f"{kept}.new", kept)
    return kept


@pytest.fixture(scope="module")
def workshop():
    """Unpacked, with the project's tree in /root/charref."""
    for tool in ("debootstrap", "unshare", "dpkg-deb"):
        need_tool(tool)
    if os.geteuid() != 0:
        missing("only root can make a Debian of its own")
    with tempfile.TemporaryDirectory(prefix="charref-cross-") as folder:
        shop = Workshop(pathlib.Path(folder) / "debian")
        shop.root.mkdir()
        run("tar", "-C", shop.root, "-xf", tarball(), timeout=300)
        shutil.copytree(PROJECT, shop.root / "root/charref",
                        ignore=NOT_COPIED)
        yield shop


@pytest.fixture(scope="module")
def built(workshop) -> pathlib.Path:
    """The package, of which `make deb` prints the path."""
    said = workshop.run("env", "WERROR=1", "/root/charref/deploy/deb", ARCH,
                        timeout=BUILD_S)
    found = re.findall(rf"^build/charref_\S+_{ARCH}\.deb$", said, re.M)
    assert len(found) == 1, said
    return workshop.root / "root/charref" / found[0]


def machine_of(path: pathlib.Path) -> int:
    """What processor a program is for, by its ELF header."""
    head = path.read_bytes()[:20]
    assert head[:5] == b"\x7fELF\x02", path
    return struct.unpack_from("<H", head, 18)[0]


def test_the_package_is_for_arm64(built):
    assert run("dpkg-deb", "-f", built, "Architecture").strip() == ARCH
    wants = run("dpkg-deb", "-f", built, "Depends")
    for library in ("libc6", "libcurl4", "libsqlite3-0", "libcairo2"):
        assert library in wants, wants


def test_its_programs_are_for_aarch64(built, tmp_path):
    run("dpkg-deb", "-x", built, tmp_path)
    programs = [path for path in (tmp_path / "usr").rglob("charref*")
                if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    assert {path.name for path in programs} == PROGRAMS
    assert {machine_of(path) for path in programs} == {EM_AARCH64}


def test_the_compiler_has_no_warning(built):
    log = (built.parent / "deb/log").read_text()
    assert "aarch64-linux-gnu" in log
    assert [line for line in log.splitlines()
            if re.search(r"^\S+\.[ch]:.* warning:|\bld: warning:", line)] == []
