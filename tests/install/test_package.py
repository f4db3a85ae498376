"""The package's life on a clean Debian 12, under its real systemd.

The tests are one history and run in this order: install, start, generate,
upgrade under load, power failure, remove, purge.
"""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
import threading
import time

from house import wait_until
from room import run

HERE = pathlib.Path(__file__).resolve().parent
GENERATE = "/api/mv/generate_character_reference"
PICTURE = "/api/mv/get_character_reference/"
ASSOCIATE = "/api/mv/associate_character_images_with_job"
DATA = "/var/lib/charref"
STORE = f"{DATA}/mv/outputs/character_reference"
OFFLINE = ("IMAGE_BASE_URL", "IMAGE_SOCKET", "IMAGE_MODELS")
# A bucket at whose address nobody listens.
DUMMY_BUCKET = """STORAGE_BUCKET=test-bucket
AWS_ENDPOINT_URL_S3=http://127.0.0.1:1
AWS_REGION=us-east-1
AWS_ACCESS_KEY_ID=test-key
AWS_SECRET_ACCESS_KEY=test-secret
"""
GROUPS = {f"charref-pool@{pool}-{group}.service"
          for pool in ("fast", "lookup", "slow") for group in "ab"}
WORKERS = 10  # of the settings as shipped
OWNERS = f"""
drwxr-xr-x root:root /etc/charref
-rw-r----- root:charref /etc/charref/charref.env
drwx------ root:root /etc/charref/credentials
drwxr-xr-x root:root /etc/charref/nginx
drwxr-s--x charref:www-data {DATA}
drwxrws--- charref:charref-jobs {DATA}/jobs
drwxr-s--- charref:www-data /run/charref
-rwxr-xr-x root:root /usr/bin/charref
-rwxr-xr-x root:root /usr/bin/charref-fcgi
-rwxr-xr-x root:root /usr/bin/charref-pool
-rwxr-xr-x root:root /usr/lib/charref/group
-rwxr-xr-x root:root /usr/lib/charref/site
"""


def generate(room, words="A red robot", timeout=60):
    """One image of it; returns the reply."""
    return room.ask(GENERATE, {"character_description": words,
                               "num_images": 1, "include_base64": False},
                    timeout=timeout)


def image_of(reply) -> str:
    """The id of the image that a generation made."""
    assert reply.status == 200, reply
    return reply.json()["images"][0]["id"]


def is_welcome_page(reply) -> bool:
    """Is it what Debian's nginx answers by itself?"""
    return reply.status == 200 and b"Welcome to nginx" in reply.body


def health(room):
    """Waits until it answers always: nginx lets its old workers, which know
    no charref, answer for a moment."""
    wait_until(lambda: all(room.ask("/healthz").status == 200
                           for _ in range(10)), "health", 20)


def workers(room) -> list[str]:
    """The programs that its workers run, "(deleted)" if replaced since."""
    found = []
    lines = room.run("sh", "-c", "readlink /proc/[0-9]*/exe", check=False)
    for line in lines.splitlines():
        if line.startswith("/usr/bin/charref-fcgi"):
            found.append(line)
    return found


def reads_as(room, user: str, path: str) -> bool:
    """May somebody of that name read a file?"""
    return "yes" in room.run("setpriv", f"--reuid={user}", "--regid=nogroup",
                             "--init-groups", "sh", "-c",
                             f"cat '{path}' >/dev/null && echo yes",
                             check=False).split()


def only_new_workers(room):
    """Waits until all workers run what is installed now."""
    try:
        wait_until(lambda: workers(room) ==
                   ["/usr/bin/charref-fcgi"] * WORKERS, "new workers", 20)
    except AssertionError:
        raise AssertionError(workers(room)) from None


@contextlib.contextmanager
def load(room, path: str):
    """GETs it all the while; gives the sum when it is over."""
    total = {}
    getter = subprocess.Popen(
        ["nsenter", "-t", str(room.init), "-n", sys.executable,
         HERE / "getter.py", path], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    try:
        yield total
    finally:
        said, _ = getter.communicate(timeout=60)
    total.update(json.loads(said))


def test_lintian_finds_no_error(package):
    said = run("lintian", "--allow-root", "--fail-on", "error,warning",
               package, timeout=120)
    assert "E:" not in said


def test_installing_starts_and_enables_nothing(room, package):
    room.install(package)
    assert room.units("active") == set()
    assert room.run("systemctl", "is-enabled", "charref.target",
                    check=False).strip() == "disabled"
    assert workers(room) == []
    assert is_welcome_page(room.ask("/"))


def test_its_files_belong_to_whom_they_should(room):
    for line in OWNERS.split("\n")[1:-1]:
        assert room.run("stat", "-c", "%A %U:%G %n",
                        line.split()[2]).strip() == line
    assert room.run("dpkg", "--verify", "charref") == ""
    assert "charref-jobs" in room.run("id", "-Gn", "charref").split()


def test_one_command_starts_it(room):
    room.run("systemctl", "start", "charref.target")
    health(room)
    assert room.units("active") >= GROUPS | {"charref-site.service"}
    assert room.units("failed") == set()
    assert len(workers(room)) == WORKERS
    for host, at in (("images.example.com", "127.0.0.1"),
                     ("127.0.0.1", "127.0.0.1"), ("localhost", "[::1]")):
        assert room.ask("/healthz", host=host, at=at).status == 200


def test_without_a_key_gets_work_and_generations_say_what_is_missing(room):
    refused = generate(room)
    assert refused.status == 502
    assert "GEMINI_API_KEY" in refused.json()["detail"]["message"]
    absent = room.ask(PICTURE + "no-such-image")
    assert absent.status == 404
    assert absent.json()["detail"]["error"] == "NotFound"


def test_the_offline_model_draws_once_its_settings_are_uncommented(room):
    path = "/etc/charref/charref.env"
    text = room.read(path)
    for name in OFFLINE:
        text = text.replace(f"#{name}=", f"{name}=")
    text = text.replace("#GEMINI_API_KEY=", "GEMINI_API_KEY=offline")
    (room.root / path[1:]).write_text(text)
    room.run("systemctl", "start", "charref-sketch")
    room.run("systemctl", "reload", "charref-site", "charref-pool@*")
    image = image_of(generate(room))
    picture = room.ask(PICTURE + image)
    assert picture.status == 200 and picture.body.startswith(b"\x89PNG")
    assert "x-asset-source: local" in picture.headers.lower()


def shown(room, unit: str, name: str) -> str:
    """A property of a unit."""
    return room.run("systemctl", "show", "-p", name, "--value", unit).strip()


def stays(room, unit: str) -> str:
    """The main process of a unit that goes on for a few seconds."""
    pid, starts = shown(room, unit, "MainPID"), shown(room, unit, "NRestarts")
    until = time.monotonic() + 3.0  # RestartSec is 1
    while time.monotonic() < until:
        assert shown(room, unit, "ActiveState") == "active"
        time.sleep(0.2)
    assert pid == shown(room, unit, "MainPID") != "0"
    assert starts == shown(room, unit, "NRestarts")
    return pid


def test_the_uploader_runs_once_there_is_a_bucket_and_reloads(room):
    unit = "charref-uploader.service"
    path = room.root / "etc/charref/charref.env"
    kept = path.read_text()
    assert unit not in room.units("active")
    path.write_text(kept + DUMMY_BUCKET)
    try:
        room.run("systemctl", "start", unit)
        first = stays(room, unit)
        assert "charref\0uploader" in room.run("cat", f"/proc/{first}/cmdline")
        room.run("systemctl", "reload", unit)
        wait_until(lambda: shown(room, unit, "MainPID") not in ("0", first),
                   "another uploader", 20)
        assert stays(room, unit) != first
    finally:
        path.write_text(kept)
        room.run("systemctl", "stop", unit, timeout=90)
    assert unit not in room.units("active") | room.units("failed")


def test_the_command_has_the_settings_and_the_secrets_of_the_service(room):
    """As docs/OPERATIONS.md has it."""
    def admin(*words, **kw):
        return room.run("charref-admin", *words, **kw)
    secret = room.root / "etc/charref/credentials/API_KEY"
    assert admin("config", "CHARREF_ROOT").strip() == DATA
    assert admin("config", "API_KEY").strip() == "unset"
    secret.write_text("a-test-key-for-posts\n")
    try:
        assert admin("config", "API_KEY").strip() == "set"
        told = json.loads(admin("doctor", "--json", check=False))
        states = {one["name"]: one["state"] for one in told["checks"]}
        assert "failed" not in states.values(), told
        assert {states[name] for name in ("workers", "nginx reads",
                                      "nginx connects", "catalogue")} == {"ok"}
    finally:
        secret.unlink()
    room.run("install", "-d", "-o", "charref", "-m", "700", "/backup")
    admin("backup", "/backup/catalogue.db")
    assert room.run("stat", "-c", "%U %s", "/backup/catalogue.db"
                    ).split()[0] == "charref"
    assert "adopted     0" in admin("reindex")


def stored(room) -> list[str]:
    """Its images' files."""
    return sorted(f"{STORE}/{path.name}" for path in
                  (room.root / STORE[1:]).glob("*.png"))


def test_nginx_reads_images_and_others_do_not(room):
    for path in stored(room):
        assert room.run("stat", "-c", "%A %U:%G", path).strip() \
            == "-rw-r----- charref:www-data"
        assert reads_as(room, "www-data", path)
        assert not reads_as(room, "nobody", path)
    assert not reads_as(room, "www-data", "/etc/charref/charref.env")
    assert not reads_as(room, "nobody", f"{DATA}/catalogue.db")


def test_the_pipeline_shares_the_jobs_and_nothing_else(room):
    image = pathlib.Path(stored(room)[0]).stem
    done = room.ask(ASSOCIATE, {"job_id": "job-1", "image_ids": [image]})
    assert done.status == 200, done
    room.run("useradd", "-G", "charref-jobs", "pipeline")
    copies = list((room.root / DATA[1:] / "jobs/job-1").rglob(f"{image}*"))
    assert copies
    for copy in copies:
        assert reads_as(room, "pipeline",
                        "/" + str(copy.relative_to(room.root)))
    assert not reads_as(room, "pipeline", stored(room)[0])
    room.run("setpriv", "--reuid=pipeline", "--regid=pipeline",
             "--init-groups", "mkdir", f"{DATA}/jobs/job-2")


def test_an_upgrade_under_load_fails_no_request(room, newer):
    image = pathlib.Path(stored(room)[0]).stem
    slow = []
    paying = threading.Thread(target=lambda: slow.append(
        generate(room, "A blue robot [delay 8]")))
    paying.start()
    with load(room, PICTURE + image) as total:
        before = room.run("dpkg-query", "-f", "${Version}", "-W", "charref")
        room.install(newer)
        after = room.run("dpkg-query", "-f", "${Version}", "-W", "charref")
        image_of(generate(room))
    paying.join()
    assert before != after and after.endswith("+next")
    assert total["bad"] == {} and total["good"] > 100, total
    assert slow[0].status == 200, slow
    only_new_workers(room)
    assert room.units("failed") == set()


def test_an_upgrade_with_sockets_of_systemd_fails_no_request(room):
    room.run("systemctl", "start", "charref-sockets.target",
             "charref-sketch")
    health(room)
    assert not GROUPS & room.units("active")
    image = pathlib.Path(stored(room)[0]).stem
    with load(room, PICTURE + image) as total:
        room.run("apt-get", "install", "--reinstall", "-y",
                 "/root/charref.deb", timeout=180)
        image_of(generate(room))
    assert total["bad"] == {} and total["good"] > 100, total
    only_new_workers(room)
    room.run("systemctl", "start", "charref.target")
    health(room)


def test_after_a_power_failure_it_comes_up_by_itself_once_enabled(room):
    room.run("systemctl", "enable", "charref.target", "charref-sketch")
    image = image_of(generate(room))
    room.cut_power()
    room.boot()
    health(room)
    assert room.ask(PICTURE + image).status == 200
    assert room.units("failed") == set()
    image_of(generate(room))


def test_removing_stops_it_and_leaves_settings_and_data(room):
    kept = stored(room)
    room.run("apt-get", "remove", "-y", "charref", timeout=120)
    assert workers(room) == []
    assert room.units("active") == room.units("failed") == set()
    wait_until(lambda: is_welcome_page(room.ask("/")), "nginx's own page")
    room.run("nginx", "-t")
    assert not (room.root / "usr/lib/charref").exists()
    assert "GEMINI_API_KEY=offline" in room.read("/etc/charref/charref.env")
    assert stored(room) == kept != []


def leavings(room) -> list[str]:
    """What is called after charref outside its data."""
    names = room.run("find", "/", "-xdev", "-name", "*charref*").splitlines()
    names += room.run("find", "/run", "-name", "*charref*").splitlines()
    return sorted(name for name in names if not re.match(
        rf"/root/charref\.deb|/(var/cache/apt|proc|sys)/|{DATA}", name))


def test_purging_leaves_nothing_but_the_images_and_their_owner(room):
    kept = stored(room)
    said = room.run("apt-get", "purge", "-y", "charref", timeout=120)
    assert f"{DATA} stays" in said
    assert leavings(room) == []
    assert stored(room) == kept != []
    assert room.run("stat", "-c", "%U", kept[0]).strip() == "charref"
    assert not list((room.root / "var/log/nginx").glob("nginx-*.log*"))


def test_purging_one_without_data_leaves_nothing_at_all(room, package):
    run("rm", "-r", "--one-file-system", room.root / DATA[1:])
    room.install(package)
    room.run("apt-get", "purge", "-y", "charref", timeout=120)
    assert leavings(room) == []
    assert not (room.root / DATA[1:]).exists()
    for table in ("passwd", "group"):
        assert "charref" not in room.read(f"/etc/{table}")
    assert is_welcome_page(room.ask("/"))
