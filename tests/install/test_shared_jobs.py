"""Whole jobs that the installed service makes together with the pipeline's
user, on a clean Debian 12 under its real systemd."""

import contextlib
import itertools
import json
import pathlib
import subprocess
import sys

import pytest

from house import wait_until
from s3_double import ACCESS_KEY, BUCKET, REGION, SECRET_KEY

HERE = pathlib.Path(__file__).resolve().parent
GENERATE = "/api/mv/generate_character_reference"
ASSOCIATE = "/api/mv/associate_character_images_with_job"
PERSIST = "/api/mv/persist_job_assets"
DOWNLOAD = "/api/mv/download_job_assets"
ENV = "etc/charref/charref.env"
JOBS = "/var/lib/charref/jobs"
COPIES = "character_reference"
OFFLINE = ("IMAGE_BASE_URL", "IMAGE_SOCKET", "IMAGE_MODELS")
FILL = """mkdir -p scenes/1 final; echo '{}' >metadata.json
echo one >scenes/1/take; echo cut >final/video.mp4"""
CHANGE = """for file in %s; do echo more >>"$file"; cp "$file" new
mv -f new "$file"; done; touch %s/by-hand"""
COUNTER = itertools.count(1)


@pytest.fixture(scope="module", name="host")
def a_host_with_a_bucket(room, package):
    """The service with the offline model and a bucket, and a pipeline."""
    room.install(package)
    with contextlib.ExitStack() as stack:
        bucket = stack.enter_context(subprocess.Popen(
            ["nsenter", "-t", str(room.init), "-n", sys.executable,
             HERE / "bucket.py"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True))
        stack.callback(bucket.stdin.close)
        port = int(bucket.stdout.readline())
        path = room.root / ENV
        text = path.read_text()
        for name in OFFLINE:
            text = text.replace(f"#{name}=", f"{name}=")
        path.write_text(text + f"""GEMINI_API_KEY=offline
STORAGE_BUCKET={BUCKET}
AWS_ENDPOINT_URL_S3=http://127.0.0.1:{port}
AWS_REGION={REGION}
AWS_ACCESS_KEY_ID={ACCESS_KEY}
AWS_SECRET_ACCESS_KEY={SECRET_KEY}
""")
        room.run("systemctl", "start", "charref.target", "charref-sketch")
        wait_until(lambda: all(room.ask("/healthz").status == 200
                               for _ in range(10)), "health", 20)
        room.run("useradd", "-G", "charref-jobs", "pipeline")
        yield room


def pipeline(host, script: str, umask: str = "022", folder=JOBS):
    """What the pipeline's user does."""
    host.run("setpriv", "--reuid=pipeline", "--regid=pipeline",
             "--init-groups", "sh", "-euc",
             f"umask {umask}; cd {folder}; {script}")


def new_image(host) -> str:
    made = host.ask(GENERATE, {"character_description": "A red robot",
                               "num_images": 1, "include_base64": False})
    assert made.status == 200, made
    return made.json()["images"][0]["id"]


def associate(host, job: str, image: str):
    return host.ask(ASSOCIATE, {"job_id": job, "image_ids": [image]})


def operation(host, path: str, job: str) -> dict:
    """Asks for one over HTTP, and waits for what came of it."""
    asked = host.ask(path, {"job_id": job})
    assert asked.status == 202, asked

    def over():
        seen = host.ask(asked.json()["status_url"]).json()
        return seen["state"] in ("done", "failed") and seen
    return wait_until(over, "the end of an operation", 60.0)


def must_do(host, path: str, job: str):
    seen = operation(host, path, job)
    assert seen["state"] == "done", seen
    assert seen["result"]["troubles"] == [], seen


def doctor(host) -> dict:
    """Its checks by name."""
    told = json.loads(host.run("charref-admin", "doctor", "--json",
                               check=False, timeout=120))
    return {one["name"]: one for one in told["checks"]}


def test_the_doctor_tries_it_as_both(host):
    seen = doctor(host)["shared jobs"]
    assert seen["state"] == "ok", seen
    assert "pipeline" in seen["found"] and "charref" in seen["found"]
    assert host.run("ls", "-A", JOBS) == ""


@pytest.mark.parametrize("umask", ["022", "002"])
@pytest.mark.parametrize("first", ["service", "pipeline"])
def test_a_whole_job_over_http(host, first, umask):
    job, image = f"job-{next(COUNTER)}", new_image(host)
    folder = f"{JOBS}/{job}"
    if first == "pipeline":
        pipeline(host, f"mkdir {job}; cd {job}; {FILL}", umask)
    done = associate(host, job, image)
    assert done.status == 200, done
    pipeline(host, FILL, umask, folder)
    pipeline(host, CHANGE % (f"{COPIES}/{image}.png", COPIES), umask, folder)
    must_do(host, PERSIST, job)
    before = host.run("sh", "-c", f"cd {folder}; find . -type f | sort | "
                      "xargs sha256sum")
    if first == "pipeline":
        pipeline(host, "rm -r *; mkdir -p scenes/1", umask, folder)
    else:
        pipeline(host, f"rm -r {job}", umask)
    must_do(host, DOWNLOAD, job)
    assert before == host.run("sh", "-c", f"cd {folder}; find . -type f | "
                              "sort | xargs sha256sum")
    pipeline(host, CHANGE % ("final/video.mp4 scenes/1/take metadata.json "
                             f"{COPIES}/{image}.png", "scenes/1"), umask,
             folder)
    pipeline(host, "mkdir scenes/2; rm final/video.mp4", umask, folder)
    must_do(host, DOWNLOAD, job)
    must_do(host, PERSIST, job)
    wrong = host.run("find", folder, "(", "-perm", "/o+rwx", "-o", "-not",
                     "-group", "charref-jobs", "-o", "-type", "d", "-not",
                     "-perm", "2770", "-o", "-type", "f", "-not", "-perm",
                     "660", ")", "-ls")
    assert wrong == ""


def test_the_command_of_the_service_shares_too(host):
    job, image = f"job-{next(COUNTER)}", new_image(host)
    host.run("charref-admin", "associate", job, image)
    pipeline(host, FILL, "022", f"{JOBS}/{job}")
    host.run("charref-admin", "persist-job", job, f"{JOBS}/{job}")
    pipeline(host, f"rm -r {job}")
    host.run("charref-admin", "download-job", job, f"{JOBS}/{job}")
    pipeline(host, CHANGE % (f"scenes/1/take {COPIES}/{image}.png", "final"),
             "022", f"{JOBS}/{job}")


def test_a_folder_that_was_moved_in_is_named_and_made_right(host):
    image = new_image(host)
    host.run("sh", "-euc", f"mkdir -p /srv/old/moved/{COPIES}; chown -R "
             f"pipeline:pipeline /srv/old/moved; mv /srv/old/moved {JOBS}")
    refused = associate(host, "moved", image)
    assert refused.status == 409, refused
    message = refused.json()["detail"]["message"]
    assert f"{JOBS}/moved/{COPIES} (pipeline:pipeline 0755)" in message
    assert f"charref-admin jobs-folder {JOBS}`" in message
    seen = doctor(host)["shared jobs"]
    assert seen["state"] == "warning", seen
    assert f"{JOBS}/moved (pipeline:pipeline 0755)" in seen["found"]
    host.run("charref-admin", "jobs-folder")
    assert associate(host, "moved", image).status == 200
    pipeline(host, CHANGE % (f"{COPIES}/{image}.png", COPIES), "022",
             f"{JOBS}/moved")
    assert doctor(host)["shared jobs"]["state"] == "ok"


def set_folder(host, folder: str):
    """JOBS_DIR, and what OPERATIONS.md has an administrator do then."""
    path = host.root / ENV
    lines = [line for line in path.read_text().splitlines()
             if not line.startswith("JOBS_DIR=")]
    path.write_text("\n".join([*lines, f"JOBS_DIR={folder}", ""]))
    host.run("systemctl", "start", "charref.target")
    host.run("systemctl", "reload", "charref-pool@*", "charref-uploader",
             timeout=120)


def test_another_folder_is_an_error_until_it_is_made_right(host):
    image, folder = new_image(host), "/srv/jobs"
    host.run("mkdir", folder)
    set_folder(host, folder)
    refused = associate(host, "j", image)
    assert refused.status == 409, refused
    message = refused.json()["detail"]["message"]
    assert f"{folder} (root:root 0755)" in message
    assert f"charref-admin jobs-folder {folder}`" in message
    told = host.run("charref-admin", "jobs-folder", folder)
    assert "charref-reload" in told
    host.run("charref-reload", timeout=120)
    done = associate(host, "j", image)
    assert done.status == 200, done
    pipeline(host, FILL, "022", f"{folder}/j")
    must_do(host, PERSIST, "j")
    pipeline(host, "rm -r j", "022", folder)
    must_do(host, DOWNLOAD, "j")
    pipeline(host, CHANGE % ("final/video.mp4", "final"), "022", f"{folder}/j")
    assert doctor(host)["shared jobs"]["state"] == "ok"
    told = host.run("charref-admin", "jobs-folder", folder)
    assert "charref-reload" not in told


def test_the_doctor_sees_what_the_units_may_not_write(host):
    host.run("sh", "-euc", "rm /etc/systemd/system/charref-*.service.d/"
             "jobs.conf; systemctl daemon-reload")
    host.run("systemctl", "reload", "charref-pool@*", "charref-uploader",
             timeout=120)

    def told():
        seen = doctor(host)["shared jobs"]
        return seen["state"] == "failed" and seen
    seen = wait_until(told, "workers without the folder", 60)
    assert "/srv/jobs" in seen["found"] and "read-only" in seen["found"], seen
    assert "charref-admin jobs-folder" in seen["remedy"]
    assert "charref-reload" in seen["remedy"]


@pytest.mark.parametrize("folder", ["/", "/srv", "/home/x/jobs", "/etc/x",
                                    "/var/lib/charref", "relative",
                                    "/var/lib/charref/mv/x", "/var/lib",
                                    "/var/log/x", "/var/spool/x",
                                    "/srv/a b"])
def test_folders_that_are_not_for_jobs_are_refused(host, folder):
    before = host.run("sh", "-c", f"ls -ld '{folder}' / /var/lib/charref",
                      check=False)
    said = host.run("charref-admin", "jobs-folder", folder, check=False)
    assert said.startswith("charref-admin: "), said
    assert host.run("sh", "-c", f"ls -ld '{folder}' / /var/lib/charref",
                    check=False) == before


def test_purging_takes_the_drop_ins_away(host):
    host.run("charref-admin", "jobs-folder", "/srv/jobs")
    host.run("apt-get", "purge", "-y", "charref", timeout=120)
    assert host.run("find", "/etc/systemd", "-name", "*charref*") == ""
