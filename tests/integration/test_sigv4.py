"""Our signatures beside botocore's, stage by stage, for seeded random cases.

`tools/sign` signs a file of cases; botocore signs the same ones, and the
canonical request, the string to sign and the signature must agree.
"""

import calendar
import hashlib
import json
import random
import string
import subprocess
import time
import types
from dataclasses import dataclass, field

import pytest

import house

SEED = 20130524
TIMEOUT_S = 60 * house.SLOWNESS
WEEK_S = 7 * 86400
UNSIGNED = "UNSIGNED-PAYLOAD"
EDGES = ["+", " ", "%", "=", ":", "@", "~", "//", "/./", "/../", "..", "%2F",
         "%00", "&", "?", "#", "'", '"', "*", "(", ")", "!", "$", ",", ";",
         "[", "]", "\\", "|", "^", "`", "{", "}", "<", ">", "é", "ß", "日本",
         "\U0001f3ad", "e\u0301", "\u00a0"]
WORD = string.ascii_letters + string.digits + "-._~"
# Not `date`: beside one of those, botocore does not send x-amz-date.
HEADERS = ["content-type", "content-md5", "content-length", "cache-control",
           "range", "x-amz-acl", "x-amz-meta-a", "x-amz-meta-sha256",
           "x-amz-storage-class", "x-amz-server-side-encryption",
           "x-amz-copy-source", "if-none-match", "a", "z", "host2",
           "x-amz-content-sha2567", "x-amz-dat", "x-amz-date2"]
PARAMETERS = ["lifecycle", "prefix", "max-keys", "list-type", "partNumber",
              "uploadId", "versionId", "x-id", "X-Amz-A", "X-Amz-Z", "x-amz-a",
              "response-content-type", "response-content-disposition", "a",
              "a-b", "a.b", "a~", "aa", "A", "~", "é", "a b", "a=b", "a&b"]
HOSTS = ["bucket.s3.us-east-1.amazonaws.com", "s3.eu-central-1.amazonaws.com",
         "localhost:9000", "127.0.0.1:4566", "minio.example:80", "[::1]:9000",
         "bucket.with.dots.s3.amazonaws.com", "s3.example:65535"]
REGIONS = ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "auto"]


@dataclass
class Case:
    """One request to sign; with expires, in the query."""

    id: str = "AKIAIOSFODNN7EXAMPLE"
    secret: str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    token: str = ""
    region: str = "us-east-1"
    method: str = "GET"
    host: str = HOSTS[0]
    path: bytes = b"/"
    body: bytes | None = b""  # None: not signed
    at: int = 1369353600
    expires: int | None = None
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)

    def line(self) -> str:
        """The case as tools/sign reads it."""
        words = {"id": self.id, "secret": self.secret, "token": self.token,
                 "region": self.region, "service": "s3", "host": self.host,
                 "method": self.method, "payload": self.payload(),
                 "at": str(self.at)}
        if self.expires is not None:
            words["expires"] = str(self.expires)
        parts = [f"{name}:{value.encode().hex()}"
                 for name, value in words.items()]
        parts.append(f"path:{self.path.hex()}")
        for kind, pairs in (("q", self.query), ("h", self.headers)):
            parts += [f"{kind}:{name.encode().hex()}:{value.encode().hex()}"
                      for name, value in pairs]
        return " ".join(parts)

    def payload(self) -> str:
        """What is signed for the body."""
        if self.body is None:
            return UNSIGNED
        return hashlib.sha256(self.body).hexdigest()

    def stamp(self) -> str:
        """The moment as signatures write it."""
        return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.at))


# ----------------------------------------------------------------- the peers


@pytest.fixture(scope="module")
def botocore():
    """The parts of botocore that sign."""
    try:
        # pylint: disable=import-outside-toplevel
        import botocore.auth
        import botocore.awsrequest
        import botocore.credentials
        import botocore.utils
    except ImportError:
        house.missing("botocore is not installed (python3-boto3)")
    return botocore


def theirs(botocore, case: Case) -> dict[str, str]:
    """botocore's stages: its add_auth step by step, at the case's moment."""
    keys = botocore.credentials.Credentials(case.id, case.secret,
                                            case.token or None)
    path = botocore.utils.percent_encode(case.path, safe="/~")
    request = botocore.awsrequest.AWSRequest(
        method=case.method, url=f"https://{case.host}{path}",
        data=None if case.expires is not None else case.body or b"",
        params=dict(case.query) if case.expires is not None else case.query)
    for name, value in case.headers:
        request.headers[name] = value  # appends, as e-mail does
    request.context["timestamp"] = case.stamp()
    if case.body is None:
        request.context["client_config"] = types.SimpleNamespace(
            s3={"payload_signing_enabled": False})
    if case.expires is None:
        auth = botocore.auth.S3SigV4Auth(keys, "s3", case.region)
    else:
        auth = botocore.auth.S3SigV4QueryAuth(keys, "s3", case.region,
                                              expires=case.expires)
    # pylint: disable=protected-access
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    to_sign = auth.string_to_sign(request, canonical)
    signature = auth.signature(to_sign, request)
    auth._inject_signature_to_request(request, signature)
    return {"canonical": canonical, "to_sign": to_sign,
            "signature": signature, "url": request.url,
            "lines": dict(request.headers.items())}


def ours(cases: list[Case]) -> list[dict[str, str]]:
    """What our signer answers, one process for all cases."""
    tool = house.BUILD / "tools/sign"
    if not tool.exists():
        house.missing(f"{tool} is missing: make F={house.FLAVOUR} units")
    done = subprocess.run(
        [str(tool)], input="".join(case.line() + "\n" for case in cases),
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases)
    return answers


def text(answer: dict[str, str], name: str) -> str:
    """One stage of an answer."""
    return bytes.fromhex(answer[name]).decode()


def compare_signed(case: Case, answer: dict, want: dict):
    """The lines to send, in the form of headers."""
    lines = dict(line.split(": ", 1) for line in
                 text(answer, "headers").removesuffix("\n").split("\n"))
    assert lines.pop("Authorization") == want["lines"]["Authorization"]
    assert lines.pop("x-amz-date") == want["lines"]["X-Amz-Date"]
    assert lines.pop("x-amz-content-sha256") == \
        want["lines"]["X-Amz-Content-SHA256"]
    if case.token:
        assert lines.pop("x-amz-security-token") == case.token
    assert not lines
    assert want["signature"] in want["lines"]["Authorization"]
    _, path, query = text(answer, "canonical").split("\n")[:3]
    assert text(answer, "target") == path + ("?" + query if query else "")


def compare_presigned(answer: dict, want: dict):
    """The URL: botocore's has the same parameters, its own ones last."""
    target = text(answer, "target")
    _, path, query = text(answer, "canonical").split("\n")[:3]
    assert target == f"{path}?{query}&X-Amz-Signature={want['signature']}"
    assert answer["headers"] == ""
    _, _, their_query = want["url"].partition("?")
    assert sorted(their_query.split("&")) == \
        sorted(target.partition("?")[2].split("&"))


def compare(botocore, cases: list[Case]):
    """Every stage of every case."""
    for case, answer in zip(cases, ours(cases)):
        assert "fault" not in answer, (case, answer)
        want = theirs(botocore, case)
        assert text(answer, "canonical") == want["canonical"], case
        assert text(answer, "to_sign") == want["to_sign"], case
        if case.expires is None:
            compare_signed(case, answer, want)
        else:
            compare_presigned(answer, want)


# ----------------------------------------------------------------- the cases


def some_text(rng: random.Random, most: int = 6) -> str:
    """A few ordinary words and awkward pieces."""
    return "".join(
        rng.choice(EDGES) if rng.random() < 0.4
        else "".join(rng.choices(WORD, k=rng.randint(1, 8)))
        for _ in range(rng.randint(0, most)))


def some_value(rng: random.Random) -> str:
    """A header's value, with blanks where they matter.

    botocore takes every blank of Unicode for white space, S3 the ASCII
    space: others are left out.
    """
    words = [some_text(rng, 2).replace("\u00a0", "_")
             for _ in range(rng.randint(0, 4))]
    words = [" " * rng.choice([0, 0, 1, 3]) + word for word in words]
    return "".join(words) + " " * rng.choice([0, 0, 2])


def some_path(rng: random.Random) -> bytes:
    """A raw path: text, or any bytes."""
    if rng.random() < 0.7:
        return b"/" + some_text(rng, 10).encode()
    return b"/" + bytes(rng.choices(range(1, 256), k=rng.randint(0, 60)))


def some_query(rng: random.Random, twice: bool) -> list[tuple[str, str]]:
    """Parameters, some without a value; names may repeat only if asked."""
    n = rng.choice([0, 0, 1, 2, 3, 8, 24])
    names = [rng.choice(PARAMETERS) if rng.random() < 0.8
             else "n" + some_text(rng, 3) for _ in range(n)]
    if not twice:
        names = list(dict.fromkeys(names))
        rng.shuffle(names)
    return [(name, rng.choice(["", "1", some_text(rng)])) for name in names]


def some_case(rng: random.Random) -> Case:
    """A case as it may come."""
    expires = rng.choice([None, 1, WEEK_S, rng.randint(1, WEEK_S)])
    # botocore keeps one parameter of a name when it presigns, though S3
    # takes several: names that repeat come in headers only.
    return Case(
        id="".join(rng.choices(string.ascii_uppercase + string.digits,
                               k=rng.choice([16, 20, 128]))),
        secret="".join(rng.choices(WORD + "/+=",
                                   k=rng.choice([1, 40, 60, 61, 200]))),
        token="" if rng.random() < 0.6 else "".join(
            rng.choices(WORD + "/+=", k=rng.choice([1, 100, 1500, 4000]))),
        region=rng.choice(REGIONS),
        method=rng.choice(["GET", "PUT", "HEAD", "DELETE", "POST"]),
        host=rng.choice(HOSTS), path=some_path(rng),
        body=rng.choice([b"", b"{}", rng.randbytes(64), None]),
        at=rng.randint(0, 4102444800), expires=expires,
        query=some_query(rng, twice=expires is None),
        headers=[(rng.choice(HEADERS), some_value(rng))
                 for _ in range(rng.choice([0, 0, 1, 2, 4, 24]))])


@pytest.mark.parametrize("part", range(8))
def test_random_requests_agree_in_every_stage(botocore, part):
    """1,000 cases each; keys of a day are shared by runs of them."""
    rng = random.Random(SEED + part)
    cases = []
    while len(cases) < 1000:
        case = some_case(rng)
        cases.append(case)
        for _ in range(rng.randint(0, 2)):
            again = some_case(rng)
            again.id, again.secret, again.region = \
                case.id, case.secret, case.region
            again.at = case.at + rng.choice([0, 1, 43200, 86400])
            cases.append(again)
    compare(botocore, cases)


@pytest.mark.parametrize("expires", [None, 900])
def test_every_byte_may_stand_in_a_key(botocore, expires):
    """Alone, in the middle of a key, and all of them at once."""
    paths = [b"/bucket/a" + bytes([n]) + b"b.png" for n in range(1, 256)]
    paths += [b"/" + bytes([n]) for n in range(1, 256)]
    paths.append(b"/" + bytes(range(1, 256)))
    compare(botocore, [Case(path=path, expires=expires) for path in paths])


@pytest.mark.parametrize("expires", [None, 900])
def test_every_edge_may_stand_anywhere(botocore, expires):
    """In a key, a parameter's name and its value, with and without token."""
    cases = [Case(path=path.encode(), query=query, expires=expires,
                  token=token)
             for edge in EDGES
             for token in ("", "a/token+with=all%of:it")
             for path, query in (
                 (f"/{edge}", []), (f"/a{edge}b/{edge}{edge}", []),
                 ("/k", [(f"a{edge}", edge), ("a", edge), ("b", "")]))]
    compare(botocore, cases)


@pytest.mark.parametrize("expires", [None, 900])
def test_each_moment_has_the_key_of_its_day(botocore, expires):
    """The second before and after every midnight of a leap year."""
    first = calendar.timegm((2028, 1, 1, 0, 0, 0))
    cases = [Case(at=first + day * 86400 + second, expires=expires)
             for day in range(0, 367, 3) for second in (-1, 0)]
    compare(botocore, cases)


def test_a_fault_says_what_is_wrong():
    """What cannot be signed is refused, and the next case is signed."""
    bad = Case(expires=WEEK_S + 1), Case(headers=[("a", "b\nhost: c")])
    *refused, signed = ours([*bad, Case()])
    assert [answer["fault"] for answer in refused] == ["ValidationError"] * 2
    assert "604801" in refused[0]["text"]
    assert text(signed, "canonical").startswith("GET\n/\n\nhost:")
