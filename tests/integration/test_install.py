"""`make install` below any prefix, and the settings that it ships."""

import os
import re
import subprocess

import pytest

from house import PROJECT, program
from slowness import SLOWNESS

ENV_FILE = PROJECT / "deploy/charref.env"
ASSIGNMENT = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", re.M)
PREFIX = "/opt/charref"


def make(target: str, root, prefix: str = PREFIX) -> str:
    """Runs make with a place to install to, and returns what it said."""
    env = {key: value for key, value in os.environ.items()
           if key not in ("F", "MAKEFLAGS")}
    done = subprocess.run(["make", "-s", target, f"PREFIX={prefix}",
                           f"DESTDIR={root}"], cwd=PROJECT, env=env,
                          capture_output=True, text=True, timeout=50 * SLOWNESS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_below(root) -> set[str]:
    """Paths of the files, as they will be called on the host."""
    return {"/" + str(path.relative_to(root)) for path in root.rglob("*")
            if path.is_file()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A tree that has been installed to."""
    root = tmp_path_factory.mktemp("installed")
    make("install", root)
    return root


@pytest.mark.once
def test_every_program_is_installed_with_its_manual(installed):
    programs = [*(installed / PREFIX[1:]).glob("bin/*"),
                *(installed / PREFIX[1:]).glob("sbin/*")]
    names = {path.name for path in programs}
    assert {"charref", "charref-fcgi", "charref-pool",
            "charref-sketch"} <= names
    pages = {path.stem for path in
             (installed / PREFIX[1:] / "share/man").rglob("*.[18]")}
    assert pages == names
    for path in programs:
        assert os.access(path, os.X_OK)


@pytest.mark.once
def test_all_of_it_is_below_the_prefix_or_etc(installed):
    others = {path for path in files_below(installed)
              if not path.startswith(PREFIX + "/")}
    assert others == {"/etc/charref/charref.env",
                      "/etc/nginx/conf.d/charref.conf"}


@pytest.mark.once
def test_files_name_each_other_where_they_are(installed):
    named = set()
    for path in files_below(installed):
        text = (installed / path[1:]).read_bytes()
        if b"\0" in text or "/share/doc/" in path:
            continue
        assert not re.findall(rb"/usr/(?:s?bin|lib|share)/charref", text), path
        named |= set(re.findall(rb"/opt/charref/[a-z./-]+[a-z]", text))
    paths = {path.encode() for path in files_below(installed)}
    folders = {os.path.dirname(path) for path in paths}
    assert b"/opt/charref/lib/charref/group" in named
    assert named <= paths | folders


@pytest.mark.once
def test_the_settings_are_for_root_and_the_service_alone(installed):
    found = installed / "etc/charref/charref.env"
    assert found.stat().st_mode & 0o777 == 0o640


@pytest.mark.once
def test_settings_that_are_there_stay_as_they_are(tmp_path):
    settings = tmp_path / "etc/charref/charref.env"
    settings.parent.mkdir(parents=True)
    settings.write_text("GEMINI_API_KEY=mine\n")
    assert str(settings) in make("install", tmp_path)
    assert settings.read_text() == "GEMINI_API_KEY=mine\n"


@pytest.mark.once
def test_uninstall_leaves_nothing_but_settings(tmp_path):
    for prefix in (PREFIX, "/usr"):
        make("install", tmp_path, prefix)
        make("uninstall", tmp_path, prefix)
        assert {path for path in files_below(tmp_path)} == {
            "/etc/charref/charref.env", "/etc/nginx/conf.d/charref.conf"}
        assert not (tmp_path / prefix[1:] / "lib/charref").exists()


@pytest.mark.once
def test_the_site_is_rendered_by_what_is_installed(installed):
    env = {"PATH": os.environ["PATH"], "NGINX_LISTEN": "8123"}
    done = subprocess.run([installed / PREFIX[1:] / "lib/charref/render-nginx",
                           "site"], env=env, capture_output=True, text=True,
                          timeout=20 * SLOWNESS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "listen 8123;" in done.stdout


def test_every_name_in_the_shipped_settings_is_one_and_stands_once():
    names = [name for name, _ in ASSIGNMENT.findall(ENV_FILE.read_text())]
    assert len(names) == len(set(names)) > 10
    of_nginx = set(re.findall(r"^# +(NGINX_[A-Z_]+) ", (
        PROJECT / "deploy/nginx/render").read_text(), re.M))
    for name in names:
        if name in of_nginx:
            continue
        done = subprocess.run([program("charref"), "config", name],
                              env={}, capture_output=True, timeout=20 * SLOWNESS)
        assert done.returncode == 0, name


@pytest.mark.parametrize("commented", (False, True))
def test_the_shipped_settings_are_sound(commented):
    text = ENV_FILE.read_text()
    if not commented:
        text = re.sub(r"^#.*\n", "", text, flags=re.M)
    values = {name: value for name, value in ASSIGNMENT.findall(text)
              if value}
    if commented:
        values |= {"STORAGE_BUCKET": "a-bucket"}
    done = subprocess.run([program("charref"), "config"], env=values,
                          capture_output=True, text=True, timeout=20 * SLOWNESS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "CHARREF_ROOT=/var/lib/charref" in done.stdout
    assert "JOBS_DIR=/var/lib/charref/jobs" in done.stdout


@pytest.mark.once
def test_the_package_is_built_with_what_building_needs():
    wanted = set(re.search(r"^build=\(([^)]*)\)", (
        PROJECT / "deploy/deps").read_text(), re.M)[1].split())
    control = (PROJECT / "deploy/debian/control").read_text()
    field = re.search(r"^Build-Depends:((?:.|\n )*)", control, re.M)[1]
    named = {word.split()[0] for word in field.split(",")}
    # Debian has these wherever a package is built.
    assert named - {"debhelper-compat"} == \
        wanted - {"gcc", "libc6-dev", "make"}
