"""S3's stand-in: AWS's rules without AWS's forgiveness, and its bad days.

It verifies Signature Version 4 by itself, from AWS's documents ("Signature
Calculations for the Authorization Header", "Authenticating Requests: Using
Query Parameters") and not by the library that the tests compare with.  What
AWS refuses is refused with AWS's status and word; what AWS suffers, but no
well-behaved client does, is kept in `complaints`, which a test's end asserts
to be empty.  A header or parameter that it does not know is 501, not ignored.

Each request meets at most one fault: the first rule of the script that
matches it.  A fault has a phase:

    accept   the connection is there, nothing was read
    headers  the request's head was read, its body was not
    body     the whole request was read, nothing was done
    reply    it was done, nothing of the reply was sent
    status   half of the reply's head was sent
    content  half of the reply's body was sent (of none: its head)

Close at "reply" is a write that took place and was never confirmed.
"""

import base64
import calendar
import collections
import contextlib
import dataclasses
import email.utils
import hashlib
import hmac
import http.client
import re
import secrets
import socket
import struct
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from xml.sax.saxutils import escape

from slowness import SLOWNESS
from wire import Reply as Fetched

REGION = "eu-central-1"  # not the default of any SDK
BUCKET = "charref-test"
ACCESS_KEY = "AKIATESTTESTTESTTEST"
SECRET_KEY = "test-secret/with+signs/5f1d0e7a9b3c2d4e"
ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

SKEW_MAX_S = 900
AHEAD_MAX_S = 2  # of a presigned URL: the Date one learns from is in seconds
EXPIRES_MAX_S = 604800
HEAD_MAX = 16 << 10
BODY_MAX = 64 << 20
KEY_MAX = 1024
METADATA_MAX = 2 << 10
PAGE_MAX = 1000
EXPECT_MIN = 1 << 20  # below, asking first costs more than the body
IDLE_S = 20.0

STANDARD = ("content-type", "cache-control", "content-disposition",
            "content-encoding", "content-language", "expires")
SSE = "x-amz-server-side-encryption"
KNOWN_HEADERS = {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token",
                 "x-amz-copy-source", "x-amz-copy-source-if-match",
                 "x-amz-metadata-directive", "x-amz-checksum-sha256",
                 SSE, SSE + "-aws-kms-key-id"}
AUTH_QUERY = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
              "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature")
KNOWN_QUERY = {*AUTH_QUERY, "X-Amz-Security-Token", "x-id"}
OBJECT_QUERY = KNOWN_QUERY | {"response-" + name for name in STANDARD}
LIST_QUERY = KNOWN_QUERY | {
    "list-type", "prefix", "delimiter", "max-keys", "start-after",
    "continuation-token", "encoding-type"}
UPLOADS_QUERY = KNOWN_QUERY | {"uploads", "prefix"}
CONDITIONS = ("honours", "refuses", "ignores")
PHASES = ("accept", "headers", "body", "reply", "status", "content")
REQUEST_TIMEOUT = (400, "RequestTimeout", "Your socket connection to the "
                   "server was not read from or written to within the "
                   "timeout period. Idle connections will be closed.")


class Hangup(Exception):
    """The connection ends here, without another byte."""


class Refusal(Exception):
    """An error in S3's form; `rude` says what a good client never does."""

    def __init__(self, status: int, code: str, message: str = "No.", *,
                 rude: str = "", headers: dict | None = None,
                 **details: object):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message = status, code, message
        self.rude, self.headers = rude, headers or {}
        self.details = {name.replace("_", "-"): str(value)
                        for name, value in details.items()}


def need(truth: object, *refusal, **more):
    """Refuses the request unless this holds."""
    if not truth:
        raise Refusal(*refusal, **more)


def leaf(name: str, text: object) -> str:
    """An element that holds a text."""
    return f"<{name}>{escape(str(text))}</{name}>"


def document(root: str, *inside: str, namespace: str = NAMESPACE) -> bytes:
    """A whole XML document of S3's."""
    space = f' xmlns="{namespace}"' if namespace else ""
    return ('<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<{root}{space}>{"".join(inside)}</{root}>').encode()


# ----------------------------------------------------------------- requests


@dataclasses.dataclass
class Request:
    """One request as it came, and what became of it."""

    method: str
    target: str  # as sent
    version: str
    headers: list[tuple[str, str]]  # names in lower case
    nth: int = 1  # of its connection
    at: float = 0.0  # time.monotonic()
    bucket: str = ""
    key: str = ""
    size: int = 0
    sha256: str = ""
    body: bytes = dataclasses.field(default=b"", repr=False)
    status: int = 0  # 0: no reply was begun
    code: str = ""  # S3's word, of an error
    done: bool = False  # it took effect, whatever was answered
    ended: bool = False  # the reply went out whole

    @property
    def path(self) -> str:
        """The target up to its query, as sent."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """The decoded query."""
        return dict(pairs(self.target.partition("?")[2]))

    def header(self, name: str) -> str | None:
        """A header's value; repeated ones are a list."""
        found = [value for have, value in self.headers if have == name]
        return ",".join(found) if found else None

    def names(self, prefix: str = "") -> set[str]:
        """The headers that begin so."""
        return {name for name, _ in self.headers if name.startswith(prefix)}


def parse_head(head: bytes) -> Request:
    """Request line and headers, as RFC 9112 has them and not a bit wider."""
    line, *fields = head.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"([A-Z]+) ([!-~]+) HTTP/(1\.[01])", line)
    need(match, 400, "BadRequest", line, rude=f"request line {line!r}")
    request = Request(match[1], match[2], match[3], [])
    for field in fields:
        one = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*"
                           r"([^\0\r\n]*?)[ \t]*", field)
        need(one, 400, "BadRequest", field, rude=f"header {field!r}")
        request.headers.append((one[1].lower(), one[2]))
    return request


def check_head(request: Request):
    """What no HTTP server could make sense of."""
    names = [name for name, _ in request.headers]
    for name in ("host", "content-length", "authorization", "x-amz-date"):
        need(names.count(name) < 2, 400, "BadRequest", name,
             rude=f"{name} twice")
    need(request.header("host"), 400, "BadRequest", "Missing Host.",
         rude="no Host")
    need(request.target.startswith("/"), 400, "InvalidURI",
         "Couldn't parse the specified URI.", rude="not an origin form")
    need(len(list(pairs(request.target.partition("?")[2])))
         == len(request.query), 400, "InvalidArgument", "A parameter twice.",
         rude=f"a parameter twice: {request.target}")


def body_size(request: Request) -> int:
    """The announced size of the body; S3 wants one from every PUT."""
    size = request.header("content-length")
    coded = request.header("transfer-encoding")
    if coded is not None or (size is None and request.method == "PUT"):
        raise Refusal(411, "MissingContentLength",
                      "You must provide the Content-Length HTTP header.",
                      rude=f"PUT without length ({coded})")
    need(size is None or re.fullmatch("[0-9]{1,18}", size), 400,
         "BadRequest", "Content-Length", rude=f"Content-Length {size}")
    need(int(size or 0) <= BODY_MAX, 400, "EntityTooLarge",
         "Your proposed upload exceeds the maximum allowed size.")
    return int(size or 0)


def bad_manners(request: Request, size: int) -> Iterator[str]:
    """What AWS suffers, and what goes wrong elsewhere, or costs."""
    signed = re.search(r"SignedHeaders=([^,]*)",
                       request.header("authorization") or "")
    names = request.names()
    if request.version != "1.1":
        yield f"HTTP/{request.version}"
    if canonical_target(request.target) != request.target:
        yield f"target not in canonical encoding: {request.target}"
    if "expect" in names and size < EXPECT_MIN:
        yield f"Expect for {size} bytes"
    if size and request.method != "PUT":
        yield f"{request.method} with a body"
    if "cookie" in names:
        yield "Cookie"
    if signed and signed[1] != ";".join(sorted(signed[1].split(";"))):
        yield f"SignedHeaders not in order: {signed[1]}"
    for name in names & {"content-type", "content-md5"} if signed else ():
        if name not in signed[1].split(";"):
            yield f"{name} is not signed"
    if request.method != "GET" and '"' in (request.header("if-match") or ""):
        yield "If-Match with quotes, which Ceph takes for another ETag"
    if request.method == "PUT" and \
            request.header("x-amz-content-sha256") == UNSIGNED:
        yield "PUT with an unsigned payload, over http"


# ---------------------------------------------------------------- signature


def encode(raw: bytes, keep: str = "") -> str:
    """UriEncode of AWS's documents: all but A-Z a-z 0-9 - . _ ~."""
    return urllib.parse.quote(raw, safe=keep)


def pairs(query: str) -> Iterator[tuple[str, str]]:
    """Names and values of a query, decoded."""
    for part in filter(None, query.split("&")):
        name, _, value = part.replace("+", " ").partition("=")
        yield urllib.parse.unquote(name), urllib.parse.unquote(value)


def encoded_pairs(query: str) -> Iterator[tuple[str, str]]:
    """The same, encoded anew: bytes that are not UTF-8 survive."""
    for part in filter(None, query.split("&")):
        name, _, value = part.replace("+", " ").partition("=")
        yield tuple(encode(urllib.parse.unquote_to_bytes(text))
                    for text in (name, value))


def canonical_path(path: str) -> str:
    """Encoded once and never normalised, which is S3's own rule."""
    return encode(urllib.parse.unquote_to_bytes(path), "/")


def canonical_target(target: str) -> str:
    """The target as a client should send it, in the order that it chose."""
    path, mark, query = target.partition("?")
    parts = [name + "=" * ("=" in part) + value for part, (name, value)
             in zip(query.split("&"), encoded_pairs(query))]
    return canonical_path(path) + mark + "&".join(parts)


def canonical_request(request: Request, signed: list[str],
                      payload: str) -> str:
    """What both sides hash; the signature itself is no part of it."""
    path, _, query = request.target.partition("?")
    kept = sorted(one for one in encoded_pairs(query)
                  if one[0] != "X-Amz-Signature")
    lines = [request.method, canonical_path(path),
             "&".join(f"{name}={value}" for name, value in kept)]
    for name in sorted(signed):
        value = re.sub(" +", " ", request.header(name) or "")
        lines.append(f"{name}:{value}")
    return "\n".join([*lines, "", ";".join(sorted(signed)), payload])


@dataclasses.dataclass
class Claim:
    """What a request says of its own signature."""

    form: str  # "Header" or "Query"
    key_id: str
    scope: list[str]  # day, region, service, terminator
    stamp: str
    signed: list[str]
    signature: str
    payload: str
    token: str | None
    expires: str = ""  # of a presigned URL

    def malformed(self, message: str, **more) -> Refusal:
        """The error of this form's mistakes."""
        if self.form == "Query":
            return Refusal(400, "AuthorizationQueryParametersError", message,
                           **more)
        return Refusal(400, "AuthorizationHeaderMalformed",
                       "The authorization header is malformed; " + message,
                       **more)

    @property
    def at(self) -> int:
        """The signing instant, in seconds since 1970."""
        with contextlib.suppress(ValueError):
            if re.fullmatch("[0-9]{8}T[0-9]{6}Z", self.stamp):
                return calendar.timegm(
                    time.strptime(self.stamp, "%Y%m%dT%H%M%SZ"))
        raise self.malformed("X-Amz-Date must be in the ISO8601 Long Format "
                             '"yyyyMMdd\'T\'HHmmss\'Z\'"')

    def string_to_sign(self, canonical: str) -> str:
        """The text that is signed in the end."""
        digest = hashlib.sha256(canonical.encode("latin-1")).hexdigest()
        return "\n".join([ALGORITHM, self.stamp, "/".join(self.scope),
                          digest])

    def sign(self, secret: str, text: str) -> str:
        """The signature that this claim ought to have."""
        key = ("AWS4" + secret).encode()
        for part in (*self.scope, text):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()


def read_claim(request: Request) -> Claim:
    """The claim of a request, which has exactly one."""
    in_query = {*AUTH_QUERY, "Signature", "AWSAccessKeyId"} \
        & set(request.query)
    authorization = request.header("authorization")
    need(not (in_query and authorization), 400, "InvalidArgument",
         "Only one auth mechanism allowed; only the X-Amz-Algorithm query "
         "parameter, Signature query string parameter or the Authorization "
         "header should be specified",
         rude="Authorization on a presigned request")
    need(in_query or authorization, 403, "AccessDenied", "Access Denied")
    return query_claim(request) if in_query else header_claim(request)


def header_claim(request: Request) -> Claim:
    """The claim of an Authorization header."""
    text = request.header("authorization")
    need(text.startswith(ALGORITHM + " "), 400, "InvalidRequest",
         "The authorization mechanism you have provided is not supported. "
         f"Please use {ALGORITHM}.")
    match = re.fullmatch(
        r"\S+ Credential=([^,/\s]+)/([^,\s]+), ?"
        r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})", text)
    need(match, 400, "AuthorizationHeaderMalformed",
         "The authorization header is malformed.", rude=f"claim {text!r}")
    stamp = request.header("x-amz-date")
    need(stamp, 403, "AccessDenied", "AWS authentication requires a valid "
         "Date or x-amz-date header", rude="no x-amz-date")
    payload = request.header("x-amz-content-sha256")
    need(payload, 400, "InvalidRequest", "Missing required header for this "
         "request: x-amz-content-sha256", rude="no x-amz-content-sha256")
    check_payload_word(payload)
    return Claim("Header", match[1], match[2].split("/"), stamp,
                 match[3].split(";"), match[4], payload,
                 request.header("x-amz-security-token"))


def query_claim(request: Request) -> Claim:
    """The claim of a presigned URL."""
    query = request.query
    wanted = "Query-string authentication version 4 requires the " \
        f"{', '.join(AUTH_QUERY)} parameters."
    need(all(query.get(name) for name in AUTH_QUERY), 400,
         "AuthorizationQueryParametersError", wanted)
    need(query["X-Amz-Algorithm"] == ALGORITHM, 400,
         "AuthorizationQueryParametersError",
         f'X-Amz-Algorithm only supports "{ALGORITHM}"')
    key_id, *scope = query["X-Amz-Credential"].split("/")
    payload = request.header("x-amz-content-sha256") or UNSIGNED
    check_payload_word(payload)
    return Claim("Query", key_id, scope, query["X-Amz-Date"],
                 query["X-Amz-SignedHeaders"].split(";"),
                 query["X-Amz-Signature"], payload,
                 query.get("X-Amz-Security-Token"), query["X-Amz-Expires"])


def check_payload_word(payload: str):
    """A digest, or the word for none; chunked signatures are not ours."""
    need(not payload.startswith("STREAMING-"), 501, "NotImplemented",
         "A header you provided implies functionality that is not "
         "implemented.", rude=payload)
    need(payload == UNSIGNED or re.fullmatch("[0-9a-f]{64}", payload), 400,
         "InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD "
         "or a valid sha256 value.", rude=f"payload word {payload!r}")


@dataclasses.dataclass
class Keys:
    """Credentials; with a token they are temporary."""

    secret: str
    token: str | None = None
    expires: float | None = None  # of the double's clock


def check_token(claim: Claim, keys: Keys, now: float):
    """Temporary keys want their token; others none."""
    need(claim.token == keys.token or claim.token is None, 400,
         "InvalidToken",
         "The provided token is malformed or otherwise invalid.")
    need(claim.token == keys.token, 403, "InvalidAccessKeyId", "The AWS "
         "Access Key Id you provided does not exist in our records.",
         AWSAccessKeyId=claim.key_id)
    need(keys.expires is None or now < keys.expires, 400, "ExpiredToken",
         "The provided token has expired.", Token_0=claim.token)


def check_scope(claim: Claim, region: str):
    """The scope is of that day, this region and this service."""
    if len(claim.scope) != 4:
        raise claim.malformed("the Credential is mal-formed; expecting "
                              '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/'
                              'aws4_request".')
    day, theirs, service, end = claim.scope
    if end != "aws4_request":
        raise claim.malformed(f'incorrect terminal "{end}".')
    if service != "s3":
        raise claim.malformed(f'incorrect service "{service}". This endpoint '
                              'belongs to "s3".')
    if day != claim.stamp[:8]:
        raise claim.malformed(f'Invalid credential date "{day}". This date '
                              f'is not the same as X-Amz-Date: '
                              f'"{claim.stamp[:8]}".')
    if theirs != region:
        raise claim.malformed(f"the region '{theirs}' is wrong; expecting "
                              f"'{region}'", Region=region,
                              headers={"x-amz-bucket-region": region})


def iso(at: float) -> str:
    """A time as S3's error documents have it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def check_time(claim: Claim, now: float):
    """Signed about now, or presigned before now and not for ever."""
    if claim.form == "Header":
        need(abs(claim.at - now) <= SKEW_MAX_S, 403, "RequestTimeTooSkewed",
             "The difference between the request time and the current time "
             "is too large.", RequestTime=claim.stamp, ServerTime=iso(now),
             MaxAllowedSkewMilliseconds=SKEW_MAX_S * 1000)
        return
    if not re.fullmatch("[0-9]{1,9}", claim.expires):
        raise claim.malformed("X-Amz-Expires should be a number")
    if not 1 <= int(claim.expires) <= EXPIRES_MAX_S:
        raise claim.malformed(
            "X-Amz-Expires must be less than a week (in seconds); that is, "
            "the given X-Amz-Expires must be less than 604800 seconds")
    need(claim.at <= now + AHEAD_MAX_S, 403, "AccessDenied",
         "Request is not valid yet", X_Amz_Date=claim.stamp,
         ServerTime=iso(now))
    end = claim.at + int(claim.expires)
    need(now < end, 403, "AccessDenied", "Request has expired",
         X_Amz_Expires=claim.expires, Expires=iso(end), ServerTime=iso(now))


def check_signed(request: Request, claim: Claim):
    """Nothing that S3 acts on may be outside of the signature."""
    wanted = request.names("x-amz-") | {"host"}
    loose = ", ".join(sorted(wanted - set(claim.signed)))
    need(not loose, 403, "AccessDenied", "There were headers present in the "
         "request which were not signed", HeadersNotSigned=loose,
         rude=f"not signed: {loose}")


def check_signature(request: Request, claim: Claim, keys: Keys):
    """The signature itself; a wrong one is told what we had hashed."""
    canonical = canonical_request(request, claim.signed, claim.payload)
    text = claim.string_to_sign(canonical)
    need(hmac.compare_digest(claim.sign(keys.secret, text).encode(),
                             claim.signature.encode()),
         403, "SignatureDoesNotMatch", "The request signature we calculated "
         "does not match the signature you provided. Check your key and "
         "signing method.", AWSAccessKeyId=claim.key_id, StringToSign=text,
         SignatureProvided=claim.signature,
         StringToSignBytes=text.encode().hex(" "), CanonicalRequest=canonical,
         CanonicalRequestBytes=canonical.encode("latin-1").hex(" "))


def check_digests(request: Request):
    """The body is what its headers say of it."""
    told = request.header("x-amz-content-sha256") or UNSIGNED
    need(told in (UNSIGNED, request.sha256), 400, "XAmzContentSHA256Mismatch",
         "The provided 'x-amz-content-sha256' header does not match what was "
         "computed.", ClientComputedContentSHA256=told,
         S3ComputedContentSHA256=request.sha256, rude="wrong payload hash")
    for name, kind in (("content-md5", "md5"),
                       ("x-amz-checksum-sha256", "sha256")):
        text = request.header(name)
        if text is None:
            continue
        digest = hashlib.new(kind, request.body).digest()
        need(re.fullmatch("[A-Za-z0-9+/]+={0,2}", text)
             and len(text) == len(base64.b64encode(digest)), 400,
             "InvalidDigest", f"The {name} you specified was invalid.",
             rude=f"{name}: {text}")
        need(text.encode() == base64.b64encode(digest), 400, "BadDigest",
             f"The {name} you specified did not match what we received.",
             rude=f"wrong {name}")


# --------------------------------------------------------------- operations


@dataclasses.dataclass
class Reply:
    """What will be sent, unless a fault changes it."""

    status: int
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""
    is_xml: bool = False  # chunked, as AWS sends all that it composes
    code: str = ""


@dataclasses.dataclass
class StoredObject:
    """An object, whole."""

    data: bytes
    headers: dict[str, str]  # its kind, caching and encryption
    metadata: dict[str, str]  # without "x-amz-meta-"
    etag: str  # without quotes
    modified: float
    puts: int = 1

    @property
    def sha256(self) -> str:
        """Of the bytes that are really there."""
        return hashlib.sha256(self.data).hexdigest()

    def described(self) -> dict[str, str]:
        """The headers of a GET or HEAD."""
        meta = {"x-amz-meta-" + name: value
                for name, value in self.metadata.items()}
        return {"Last-Modified": email.utils.formatdate(self.modified,
                                                        usegmt=True),
                "ETag": f'"{self.etag}"', "Accept-Ranges": "bytes",
                **self.headers, **meta}


@dataclasses.dataclass
class Bucket:
    """A bucket of one region."""

    region: str
    objects: dict[str, StoredObject] = dataclasses.field(default_factory=dict)


def described_in(request: Request) -> tuple[dict, dict]:
    """The headers and metadata that a PUT gives its object."""
    headers = {name: request.header(name) for name in
               (*STANDARD, SSE, SSE + "-aws-kms-key-id")
               if request.header(name) is not None}
    headers.setdefault("content-type", "binary/octet-stream")
    prefix = "x-amz-meta-"
    metadata = {name.removeprefix(prefix): request.header(name)
                for name in request.names(prefix)}
    size = sum(len(name) + len(value) for name, value in metadata.items())
    need(size <= METADATA_MAX, 400, "MetadataTooLarge", "Your metadata "
         "headers exceed the maximum allowed metadata size.")
    need(all(re.fullmatch("[ -~]+", value) for value in metadata.values()),
         400, "InvalidArgument", "Metadata is printable US-ASCII.",
         rude="metadata that no header can carry")
    need(headers.get(SSE, "AES256") in ("AES256", "aws:kms"), 400,
         "InvalidArgument", "The encryption method specified is not "
         "supported")
    return headers, metadata


def encryption(headers: dict) -> dict[str, str]:
    """Those of the headers that tell of encryption."""
    return {name: value for name, value in headers.items()
            if name.startswith(SSE)}


def store(double: "S3Double", request: Request, data: bytes,
          headers: dict, metadata: dict) -> StoredObject:
    """Puts an object in its place; the lock is held."""
    objects = double.buckets[request.bucket].objects
    old = objects.get(request.key)
    if old is not None and old.data != data:
        double.changed.append(request.key)
    # With KMS an ETag is not an MD5, and nobody may take it for one.
    etag = secrets.token_hex(16) if headers.get(SSE) == "aws:kms" \
        else hashlib.md5(data).hexdigest()
    objects[request.key] = StoredObject(
        data, headers, metadata, etag, double.now(),
        old.puts + 1 if old else 1)
    return objects[request.key]


def check_conditions(double: "S3Double", request: Request):
    """The conditions of a write, as this server takes them."""
    free, version = map(request.header, ("if-none-match", "if-match"))
    if double.conditions == "ignores" or (free is None and version is None):
        return
    need(double.conditions == "honours" and free in (None, "*")
         and None in (free, version), 501, "NotImplemented", "A header you "
         "provided implies functionality that is not implemented.",
         Header="If-None-Match" if version is None else "If-Match")
    there = double.buckets[request.bucket].objects.get(request.key)
    need(free is None or there is None, 412, "PreconditionFailed", "At least "
         "one of the pre-conditions you specified did not hold",
         Condition="If-None-Match")
    need(version is None or there, 404, "NoSuchKey",
         "The specified key does not exist.", Key=request.key)
    need(version is None or version.strip('"') == there.etag, 412,
         "PreconditionFailed", "At least one of the pre-conditions you "
         "specified did not hold", Condition="If-Match")


def put_object(double: "S3Double", request: Request) -> Reply:
    """PutObject."""
    check_conditions(double, request)
    headers, metadata = described_in(request)
    stored = store(double, request, request.body, headers, metadata)
    return Reply(200, {"ETag": f'"{stored.etag}"'} | encryption(headers))


def copy_object(double: "S3Double", request: Request) -> Reply:
    """CopyObject."""
    source = request.header("x-amz-copy-source")
    name = urllib.parse.unquote(source).removeprefix("/")
    need(encode(name.encode(), "/") == source.removeprefix("/"), 400,
         "InvalidArgument", "Invalid copy source encoding.",
         rude=f"copy source not encoded: {source}")
    need(not request.size, 400, "InvalidRequest", "A copy has no body.")
    bucket, _, key = name.partition("/")
    directive = request.header("x-amz-metadata-directive") or "COPY"
    need(directive in ("COPY", "REPLACE"), 400, "InvalidArgument",
         "Unknown metadata directive.")
    need((bucket, key) != (request.bucket, request.key)
         or directive == "REPLACE", 400, "InvalidRequest", "This copy "
         "request is illegal because it is trying to copy an object to "
         "itself without changing the object's metadata.")
    check_conditions(double, request)
    found = find(double, bucket, key)
    wanted = request.header("x-amz-copy-source-if-match")
    need(wanted is None or wanted.strip('"') == found.etag, 412,
         "PreconditionFailed", "At least one of the pre-conditions you "
         "specified did not hold", Condition="x-amz-copy-source-If-Match")
    headers, metadata = described_in(request)
    if directive == "COPY":
        kept = {name: value for name, value in found.headers.items()
                if not name.startswith(SSE)}
        headers, metadata = kept | encryption(headers), found.metadata
    stored = store(double, request, found.data, headers, dict(metadata))
    return Reply(200, encryption(headers), document(
        "CopyObjectResult", leaf("LastModified", iso(stored.modified)),
        leaf("ETag", f'"{stored.etag}"')), True)


def find(double: "S3Double", bucket: str, key: str) -> StoredObject:
    """An object; who may not list is not told that there is none."""
    need(bucket in double.buckets, 404, "NoSuchBucket",
         "The specified bucket does not exist", BucketName=bucket)
    found = double.buckets[bucket].objects.get(key)
    need(found or double.may_list, 403, "AccessDenied", "Access Denied")
    need(found, 404, "NoSuchKey", "The specified key does not exist.",
         Key=key)
    return found


def get_object(double: "S3Double", request: Request) -> Reply:
    """GetObject and HeadObject."""
    need(not request.names(SSE), 400, "InvalidArgument", SSE + " header is "
         "not supported for this operation.", rude=f"{SSE} on a GET")
    found = find(double, request.bucket, request.key)
    headers = found.described()
    for name, value in request.query.items():
        if name.startswith("response-"):
            headers[name.removeprefix("response-")] = value
    ours = {found.etag, "*"}
    for name, status in (("if-match", 412), ("if-none-match", 304)):
        theirs = request.header(name)
        if theirs is None:
            continue
        matches = {one.strip().strip('"') for one in theirs.split(",")} & ours
        if status == 304 and matches:
            return Reply(304, {"ETag": headers["ETag"]})
        need(matches or status == 304, 412, "PreconditionFailed",
             "At least one of the pre-conditions you specified did not hold",
             Condition=name)
    return ranged(request, found.data, headers)


def ranged(request: Request, data: bytes, headers: dict) -> Reply:
    """The whole, or the one range that was asked for."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", request.header("range") or "")
    if not match or match[0] == "bytes=-" or \
            (match[1] and match[2] and int(match[2]) < int(match[1])):
        return Reply(200, headers, data)
    if match[1]:
        first = int(match[1])
        last = min(int(match[2] or len(data)), len(data) - 1)
    else:
        first = max(len(data) - int(match[2]), 0)
        last = len(data) - 1
    need(first <= last, 416, "InvalidRange", "The requested range is not "
         "satisfiable", RangeRequested=match[0], ActualObjectSize=len(data))
    headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
    return Reply(206, headers, data[first:last + 1])


def delete_object(double: "S3Double", request: Request) -> Reply:
    """DeleteObject, which does not tell whether there was one."""
    double.buckets[request.bucket].objects.pop(request.key, None)
    return Reply(204)


def head_bucket(double: "S3Double", request: Request) -> Reply:
    """HeadBucket."""
    region = {"x-amz-bucket-region": double.buckets[request.bucket].region}
    need(double.may_list, 403, "AccessDenied", "Access Denied",
         headers=region)
    return Reply(200, region | {"Content-Type": "application/xml"})


def list_objects(double: "S3Double", request: Request) -> Reply:
    """ListObjectsV2."""
    need(double.may_list, 403, "AccessDenied", "Access Denied")
    query = request.query
    need(query.get("list-type") == "2", 501, "NotImplemented",
         "Only list-type=2 is implemented.", rude="an old listing")
    asked = query.get("max-keys", str(PAGE_MAX))
    need(re.fullmatch("[0-9]{1,9}", asked), 400, "InvalidArgument",
         "Provided max-keys not an integer or within integer range")
    need(query.get("encoding-type", "url") == "url", 400, "InvalidArgument",
         "Invalid Encoding Method specified in Request")
    token = query.get("continuation-token")
    need(token is None or token in double.tokens, 400, "InvalidArgument",
         "The continuation token provided is incorrect")
    limit = min(int(asked), double.page_size, PAGE_MAX)
    names = entries(double.buckets[request.bucket].objects, query)
    after = double.tokens.get(token, "").encode()
    rest = [name for name in names if name > after]
    return page(double, request, rest[:limit], limit < len(rest) and limit)


def entries(objects: dict, query: dict) -> list[bytes]:
    """Keys and common prefixes in the order of their UTF-8 bytes."""
    prefix = query.get("prefix", "").encode()
    start = query.get("start-after", "").encode()
    delimiter = query.get("delimiter", "").encode()
    names = {}  # a dict, because it is a set with an order
    for key in sorted(key.encode() for key in objects):
        if not key.startswith(prefix) or key <= start:
            continue
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        names[key if cut < 0 else key[:cut + len(delimiter)]] = True
    return list(names)


def page(double: "S3Double", request: Request, names: list[bytes],
         is_truncated: object) -> Reply:
    """One page of a listing."""
    query = request.query
    objects = double.buckets[request.bucket].objects

    def shown(text: str) -> str:
        # S3 has a space as "+" here, keeps "/" and "*", encodes "~".
        if "encoding-type" not in query:
            return text
        return urllib.parse.quote_plus(text, safe="/*").replace("~", "%7E")

    parts = [leaf("Name", request.bucket)]
    for tag, name in (("Prefix", "prefix"), ("Delimiter", "delimiter"),
                      ("StartAfter", "start-after")):
        if name == "prefix" or name in query:
            parts.append(leaf(tag, shown(query.get(name, ""))))
    for tag, name in (("EncodingType", "encoding-type"),
                      ("ContinuationToken", "continuation-token")):
        if name in query:
            parts.append(leaf(tag, query[name]))
    parts += [leaf("MaxKeys", min(int(query.get("max-keys", PAGE_MAX)),
                                  PAGE_MAX)),
              leaf("KeyCount", len(names)),
              leaf("IsTruncated", "true" if is_truncated else "false")]
    if is_truncated:
        parts.append(leaf("NextContinuationToken",
                          double.token_after(names[-1].decode())))
    for name in (name.decode() for name in names):
        parts.append(contents(shown(name), objects[name]) if name in objects
                     and not grouped(name, query) else "<CommonPrefixes>"
                     + leaf("Prefix", shown(name)) + "</CommonPrefixes>")
    return Reply(200, {}, document("ListBucketResult", *parts), True)


def grouped(name: str, query: dict) -> bool:
    """Whether a name stands for a group, though a key is called the same."""
    delimiter = query.get("delimiter")
    return bool(delimiter) and delimiter in name[len(query.get("prefix", "")):]


def contents(name: str, stored: StoredObject) -> str:
    """One object of a listing."""
    return "".join(["<Contents>", leaf("Key", name),
                    leaf("LastModified", iso(stored.modified)),
                    leaf("ETag", f'"{stored.etag}"'),
                    leaf("Size", len(stored.data)),
                    leaf("StorageClass", "STANDARD"), "</Contents>"])


def list_uploads(double: "S3Double", request: Request) -> Reply:
    """ListMultipartUploads: there never is one."""
    assert request.bucket in double.buckets
    return Reply(200, {}, document(
        "ListMultipartUploadsResult", leaf("Bucket", request.bucket),
        leaf("IsTruncated", "false")), True)


def operation(request: Request) -> Callable[["S3Double", Request], Reply]:
    """What a request asks for; what we do not know is not ignored."""
    uploads = not request.key and "uploads" in request.query
    known = OBJECT_QUERY if request.key else UPLOADS_QUERY if uploads \
        else LIST_QUERY
    extra = set(request.query) - known or {
        name for name in request.names("x-amz-") - KNOWN_HEADERS
        if not name.startswith("x-amz-meta-")}
    need(not extra, 501, "NotImplemented", "A header or parameter you "
         "provided implies functionality that is not implemented.",
         rude=f"unknown: {sorted(extra)}")
    put = copy_object if request.header("x-amz-copy-source") else put_object
    table = {"PUT": put, "GET": get_object, "HEAD": get_object,
             "DELETE": delete_object} if request.key else {
                 "GET": list_uploads if uploads else list_objects,
                 "HEAD": head_bucket}
    need(request.method in table, 405, "MethodNotAllowed", "The specified "
         "method is not allowed against this resource.")
    return table[request.method]


# ------------------------------------------------------------------- faults


@dataclasses.dataclass
class Fault:
    """What goes wrong, and in which phase."""

    at: str
    act: Callable[["Exchange"], object]

    def __post_init__(self):
        assert self.at in PHASES, self.at


def reply(status: int, code: str, message: str = "No.", at: str = "body",
          headers: dict | None = None, **details: str) -> Fault:
    """An error instead of the deed; at "reply", after it."""
    assert at in ("headers", "body", "reply"), at

    def act(_):
        raise Refusal(status, code, message, headers=headers, **details)
    return Fault(at, act)


def slow_down(**headers: str) -> Fault:
    """503 SlowDown."""
    return reply(503, "SlowDown", "Please reduce your request rate.",
                 headers=headers)


def internal_error(at: str = "body") -> Fault:
    """500 InternalError."""
    return reply(500, "InternalError", "We encountered an internal error. "
                 "Please try again.", at)


def moved(region: str) -> Fault:
    """301 PermanentRedirect to another region's endpoint."""
    return reply(301, "PermanentRedirect", "The bucket you are attempting to "
                 "access must be addressed using the specified endpoint.",
                 headers={"x-amz-bucket-region": region},
                 Endpoint=f"s3.{region}.invalid")


def wrong_region(region: str) -> Fault:
    """400 AuthorizationHeaderMalformed that names the region to sign for."""
    return reply(400, "AuthorizationHeaderMalformed",
                 "The authorization header is malformed; the region is "
                 f"wrong; expecting '{region}'", Region=region,
                 headers={"x-amz-bucket-region": region})


def denied() -> Fault:
    """403 AccessDenied."""
    return reply(403, "AccessDenied", "Access Denied")


def request_timeout() -> Fault:
    """400 RequestTimeout, which may be tried again."""
    return reply(*REQUEST_TIMEOUT)


def expired_token() -> Fault:
    """400 ExpiredToken."""
    return reply(400, "ExpiredToken", "The provided token has expired.")


def hidden_error(code: str = "InternalError", spaces: int = 3) -> Fault:
    """200 for a COPY that failed: white space, then the error."""
    def act(exchange: "Exchange"):
        error = exchange.error_document(Refusal(
            200, code, "We encountered an internal error."))
        exchange.reply = Reply(200, {}, b"\n" * spaces + error, True, code)
    return Fault("body", act)


def stall(at: str, seconds: float | None = None) -> Fault:
    """Waits so long, or until the rule is released; then goes on."""
    return Fault(at, lambda exchange: exchange.rule.wait(seconds))


def close(at: str, reset: bool = False) -> Fault:
    """Closes; at "content" the body is shorter than its Content-Length."""
    def act(exchange: "Exchange"):
        if reset:
            exchange.link.sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Hangup
    return Fault(at, act)


def trickle(pause: float = 0.05, size: int = 1) -> Fault:
    """So many bytes of the reply at a time."""
    def act(exchange: "Exchange"):
        exchange.pace = (pause, size)
    return Fault("reply", act)


def corrupt(at: int = -1) -> Fault:
    """One bit of the reply's body is not what was stored."""
    def act(exchange: "Exchange"):
        body = bytearray(exchange.reply.body)
        body[at] ^= 1
        exchange.reply.body = bytes(body)
    return Fault("reply", act)


def no_length() -> Fault:
    """The reply does not say how long it is."""
    def act(exchange: "Exchange"):
        exchange.reply.is_xml = True  # which is sent in chunks
    return Fault("reply", act)


def reused(request: Request) -> bool:
    """For `when`: not the first request of its connection."""
    return request.nth > 1


@dataclasses.dataclass
class Rule:
    """A fault, and whom it meets how often (None: always)."""

    fault: Fault
    match: Callable[[Request], bool]
    times: int | None = 1
    taken: int = 0
    is_dropped: bool = False
    released: threading.Event = dataclasses.field(
        default_factory=threading.Event)

    def release(self):
        """Lets everybody go on who is stalled by it, now and later."""
        self.released.set()

    def drop(self):
        """Ends everybody who is stalled by it: no deed of an old test."""
        self.is_dropped = True
        self.released.set()

    def wait(self, seconds: float | None):
        """A stalled exchange's wait."""
        self.released.wait(seconds)
        if self.is_dropped:
            raise Hangup

    def wait_taken(self, n: int = 1, deadline: float = 10.0):
        """Returns once it met n requests; fails when it does not."""
        end = time.monotonic() + deadline * SLOWNESS
        while self.taken < n:
            assert time.monotonic() < end, f"met {self.taken} of {n}"
            time.sleep(0.002)


MODES = {"up": None, "refuse": None,
         "hang": stall("headers"),
         "slow_down": slow_down(), "denied": denied()}

# ---------------------------------------------------------------- exchanges


class Link:
    """The bytes of one connection."""

    def __init__(self, sock: socket.socket):
        sock.settimeout(IDLE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.rest = b""
        self.nth = 0
        self.is_busy = True

    def head(self) -> bytes:
        """A request's head; Hangup when there is none any more."""
        while b"\r\n\r\n" not in self.rest[:HEAD_MAX]:
            need(len(self.rest) < HEAD_MAX, 400,
                 "RequestHeaderSectionTooLarge", rude="head too large")
            self.is_busy = bool(self.rest)
            piece = self.sock.recv(1 << 16)
            if not piece:
                raise Hangup
            self.rest += piece
        self.is_busy = True
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        return head

    def body(self, size: int) -> bytes:
        """A request's body; S3 does not wait for ever."""
        body = bytearray(size)
        have = min(size, len(self.rest))
        body[:have], self.rest = self.rest[:have], self.rest[have:]
        view = memoryview(body)
        while have < size:
            try:
                got = self.sock.recv_into(view[have:])
            except TimeoutError as why:
                raise Refusal(*REQUEST_TIMEOUT) from why
            if not got:
                raise Hangup
            have += got
        return bytes(body)

    def linger(self):
        """Ends it so that a reply arrives though its request was unread."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
            self.sock.settimeout(1.0)
            for _ in range(BODY_MAX >> 16):
                if not self.sock.recv(1 << 16):
                    break


class Exchange:
    """One request and its reply; `rule` is what goes wrong with it."""

    def __init__(self, double: "S3Double", link: Link,
                 rule: Rule | None = None):
        self.double = double
        self.link = link
        self.rule = rule
        self.request = Request("", "", "1.1", [])
        self.reply: Reply | None = None
        self.pace: tuple[float, int] | None = None
        self.is_read = False  # nothing of the request is on its way
        self.id = secrets.token_hex(8).upper()

    def phase(self, at: str):
        """Where this phase's fault happens."""
        if self.rule and self.rule.fault.at == at:
            self.rule.fault.act(self)

    def run(self) -> bool:
        """Reads and answers one request; tells whether more may come."""
        try:
            self._take()
            refusal = self._judge()
            self._read(refusal)
            self.phase("body")
            if refusal:
                raise refusal
            self._act()
            self.phase("reply")
        except Refusal as why:
            self._refused(why)
        keep = self.is_read and "close" not in (
            self.request.header("connection") or "").lower()
        self._send(keep)
        return keep

    def _take(self):
        head = self.link.head()
        try:
            self.request = parse_head(head)
        finally:
            self.link.nth += 1
            self.request.nth, self.request.at = self.link.nth, time.monotonic()
            self.double.record(self.request)
        check_head(self.request)
        self.double.locate(self.request)
        self.rule = self.double.rule_for(self.request)
        self.phase("headers")

    def _judge(self) -> Refusal | None:
        """Whether the request may be done, before anything goes wrong."""
        try:
            self.double.authorize(self.request)
            operation(self.request)
        except Refusal as why:
            if why.rude:
                self.double.complain(self.request, why.rude)
                why.rude = ""
            return why
        return None

    def _read(self, refusal: Refusal | None):
        size = body_size(self.request)
        for rude in bad_manners(self.request, size):
            self.double.complain(self.request, rude)
        if "expect" in self.request.names():
            if refusal:
                raise refusal  # what the body was held back for
            self.link.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self.link.body(size)
        self.is_read = True
        self.request.body, self.request.size = body, size
        self.request.sha256 = hashlib.sha256(body).hexdigest()

    def _act(self):
        if self.reply is None:
            check_digests(self.request)
            with self.double.lock:
                self.reply = operation(self.request)(self.double,
                                                     self.request)
            self.request.done = True
        self.request.body = b""

    def _refused(self, why: Refusal):
        if why.rude:
            self.double.complain(self.request, why.rude)
        self.request.body = b""
        self.reply = Reply(why.status, dict(why.headers),
                           self.error_document(why), True, why.code)

    def error_document(self, why: Refusal) -> bytes:
        """An error as S3 writes it."""
        details = [leaf(name, text) for name, text in why.details.items()]
        return document("Error", leaf("Code", why.code),
                        leaf("Message", why.message), *details,
                        leaf("Resource", self.request.path),
                        leaf("RequestId", self.id), leaf("HostId", "double"),
                        namespace="")

    def _rendered(self, keep: bool) -> tuple[bytes, bytes]:
        """Head and body as they go out."""
        answer, body = self.reply, self.reply.body
        reason = http.client.responses.get(answer.status, "Unknown")
        headers = {"x-amz-id-2": "double", "x-amz-request-id": self.id,
                   "Date": email.utils.formatdate(self.double.now(),
                                                  usegmt=True),
                   "Server": "AmazonS3"} | answer.headers
        if answer.is_xml:
            headers |= {"Content-Type": "application/xml",
                        "Transfer-Encoding": "chunked"}
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif answer.status not in (204, 304):
            headers["Content-Length"] = str(len(body))
        if not keep:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {answer.status} {reason}",
                 *(f"{name}: {value}" for name, value in headers.items())]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return head, b"" if self.request.method == "HEAD" else body

    def _send(self, keep: bool):
        head, body = self._rendered(keep)
        self.request.status = self.reply.status
        self.request.code = self.reply.code
        at = self.rule.fault.at if self.rule else ""
        cut = {"status": len(head) // 2,
               "content": len(head) + len(body) // 2}.get(at, 0)
        whole = head + body
        self._write(whole[:cut])
        if cut:
            self.phase(at)
        # Whoever has the last byte may look at the record at once.
        self.request.ended, self.link.is_busy = True, False
        self._write(whole[cut:])

    def _write(self, data: bytes):
        if self.pace is None:
            self.link.sock.sendall(data)
            return
        pause, size = self.pace
        for i in range(0, len(data), size):
            self.link.sock.sendall(data[i:i + size])
            self.rule.wait(pause)


# ------------------------------------------------------------------- server


class S3Double:
    """A server on a port of the kernel's choice; see the module's words.

    Path style as `url`/bucket, virtual host style as bucket.host of any of
    `domains`.  Its settings are attributes that may change at any time:
    `clock_shift` (seconds that its clock is ahead), `may_list`, `page_size`,
    `keys`, and `conditions` (what it does with If-Match and If-None-Match of
    a write: one of CONDITIONS); `forget` sets them back.
    """

    def __init__(self, bucket: str = BUCKET, region: str = REGION,
                 token: str | None = None):
        self.bucket, self.region, self.session_token = bucket, region, token
        self.access_key, self.secret_key = ACCESS_KEY, SECRET_KEY
        self.domains = ["127.0.0.1", "localhost", "s3.test"]
        self.buckets = {bucket: Bucket(region)}
        self.lock = threading.RLock()
        self.links: set[Link] = set()
        self.rules: list[Rule] = []
        self.mode, self.standing = "up", None
        self._as_new()
        # Bound and never listening: the port stays ours while we refuse.
        self.holder = self._bound(0)
        self.port = self.holder.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.listener: socket.socket | None = None
        self.resume()

    def _as_new(self):
        self.clock_shift = 0.0
        self.may_list = True
        self.page_size = PAGE_MAX
        self.conditions = CONDITIONS[0]
        self.keys = {self.access_key: Keys(self.secret_key,
                                           self.session_token)}
        self.tokens: dict[str, str] = {}
        self.requests: list[Request] = []
        self.complaints: list[str] = []
        self.changed: list[str] = []
        self.connections = 0

    @property
    def objects(self) -> dict[str, StoredObject]:
        """The first bucket's objects, by key."""
        return self.buckets[self.bucket].objects

    def now(self) -> float:
        """The double's own clock, in seconds since 1970."""
        return time.time() + self.clock_shift

    def add_bucket(self, name: str, region: str = REGION) -> Bucket:
        """Another bucket, perhaps of another region."""
        return self.buckets.setdefault(name, Bucket(region))

    # what a test says

    def on(self, *faults: Fault, method: str | None = None,
           key: str | None = None, times: int | None = 1,
           when: Callable[[Request], bool] = lambda request: True) -> Rule:
        """Scripts faults, one after another; returns the last one's rule.

        Each meets the next `times` requests (None: all) of that method, for
        that key, of which `when` holds; at "accept", connections of any
        kind, for then nothing is known of them.
        """
        def match(request: Request) -> bool:
            return method in (None, request.method) \
                and key in (None, request.key) and when(request)
        with self.lock:
            new = [Rule(fault, match, times) for fault in faults]
            self.rules += new
        return new[-1]

    def set_mode(self, mode: str):
        """up, refuse, hang, slow_down or denied, for all from now on.

        Whoever hangs is dropped when the mode changes.
        """
        fault = MODES[mode]
        with self.lock:
            before, self.standing = self.standing, fault and Rule(
                fault, lambda request: True, None)
            self.mode = mode
        if before:
            before.drop()
        if mode == "refuse":
            self.pause()
        else:
            self.resume()

    def forget(self, objects: bool = False):
        """As new for the next test; the objects stay unless asked."""
        self.set_mode("up")
        self._drop(lambda link: link.is_busy)
        with self.lock:
            rules, self.rules = self.rules, []
            self._as_new()
            for bucket in self.buckets.values() if objects else ():
                bucket.objects.clear()
        for rule in rules:
            rule.drop()

    def put(self, key: str, data: bytes,
            media_type: str = "image/png") -> StoredObject:
        """Lays an object there without any request."""
        with self.lock:
            self.objects[key] = StoredObject(
                data, {"content-type": media_type}, {},
                hashlib.md5(data).hexdigest(), self.now())
            return self.objects[key]

    # what a test asks

    def asked(self, method: str | None = None, key: str | None = None,
              code: str | None = None) -> list[Request]:
        """The requests of that method, for that key, answered so."""
        with self.lock:
            return [one for one in self.requests
                    if method in (None, one.method)
                    and key in (None, one.key) and code in (None, one.code)]

    def counts(self) -> collections.Counter:
        """How often each method was answered with each status."""
        return collections.Counter((one.method, one.status)
                                   for one in self.asked())

    def wait_for(self, n: int, deadline: float = 10.0, **which: str):
        """Returns once n such requests have come; fails if they do not."""
        end = time.monotonic() + deadline * SLOWNESS
        while len(self.asked(**which)) < n:
            assert time.monotonic() < end, \
                f"{len(self.asked(**which))} of {n} requests {which}"
            time.sleep(0.005)

    def story(self, last: int = 20) -> str:
        """The last requests, a line each, for a failed test's report."""
        return "\n".join(
            f"{one.at:.3f} {one.method} {one.bucket}/{one.key} {one.size}: "
            f"{one.status} {one.code} done={one.done} ended={one.ended}"
            for one in self.asked()[-last:])

    # coming and going

    def pause(self):
        """Refuses connections, and ends those that there are."""
        listener, self.listener = self.listener, None
        if listener:
            listener.shutdown(socket.SHUT_RDWR)
            self.thread.join()
            listener.close()
        self._drop(lambda link: True)

    def resume(self):
        """Listens on the same port as ever."""
        if self.listener is None:
            self.listener = self._bound(self.port)
            self.listener.listen(256)
            self.thread = threading.Thread(
                target=self._accept, args=(self.listener,), daemon=True)
            self.thread.start()

    def close(self):
        """Stops listening and lets everybody go."""
        self.forget()
        self.pause()
        self.holder.close()

    @staticmethod
    def _bound(port: int) -> socket.socket:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        return sock

    def _drop(self, which: Callable[[Link], bool]):
        with self.lock:
            for link in filter(which, self.links):
                _cut(link.sock)

    def _accept(self, listener: socket.socket):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            link = Link(sock)
            with self.lock:
                self.connections += 1
                self.links.add(link)
            threading.Thread(target=self._serve, args=(link,),
                             daemon=True).start()

    def _serve(self, link: Link):
        """One connection, to its end."""
        keep = False
        try:
            Exchange(self, link, self.rule_for(None)).phase("accept")
            keep = True
            while keep:
                keep = Exchange(self, link).run()
            link.linger()
        except (Hangup, OSError):
            pass  # a fault, or a client that went away
        finally:
            with self.lock:
                self.links.discard(link)
            link.sock.close()

    # what an exchange needs

    def record(self, request: Request):
        """Keeps a request that has come."""
        with self.lock:
            self.requests.append(request)

    def complain(self, request: Request, why: str):
        """Keeps what no well-behaved client does."""
        with self.lock:
            self.complaints.append(f"{request.method} {request.key}: {why}")

    def rule_for(self, request: Request | None) -> Rule | None:
        """What goes wrong with a request, or (None) with a connection."""
        with self.lock:
            if self.standing and request:
                self.standing.taken += 1
                return self.standing
            for rule in self.rules:
                if rule.taken != rule.times \
                        and (rule.fault.at == "accept") == (request is None) \
                        and (request is None or rule.match(request)):
                    rule.taken += 1
                    return rule
        return None

    def locate(self, request: Request):
        """Bucket and key, from the path or from the host and the path."""
        host = re.sub(r":\d+\Z", "", request.header("host").lower())
        path = urllib.parse.unquote_to_bytes(request.path)[1:]
        try:
            path = path.decode()
        except UnicodeDecodeError as why:
            raise Refusal(400, "InvalidURI", "Couldn't parse the specified "
                          "URI.", rude=f"not UTF-8: {request.path}") from why
        if host in self.domains:
            request.bucket, _, request.key = path.partition("/")
        else:
            inside = [host.removesuffix("." + one) for one in self.domains
                      if host.endswith("." + one)]
            request.bucket, request.key = (inside or [host])[0], path
        need(len(request.key.encode()) <= KEY_MAX, 400, "KeyTooLongError",
             "Your key is too long", Size=len(request.key.encode()))

    def authorize(self, request: Request):
        """Whoever signed it may do it, and it is about a bucket of ours."""
        claim = read_claim(request)
        bucket = self.buckets.get(request.bucket)
        keys = self.keys.get(claim.key_id)
        need(keys, 403, "InvalidAccessKeyId", "The AWS Access Key Id you "
             "provided does not exist in our records.",
             AWSAccessKeyId=claim.key_id)
        check_token(claim, keys, self.now())
        check_scope(claim, bucket.region if bucket else self.region)
        check_time(claim, self.now())
        check_signed(request, claim)
        check_signature(request, claim, keys)
        need(bucket, 404, "NoSuchBucket", "The specified bucket does not "
             "exist", BucketName=request.bucket)

    def token_after(self, name: str) -> str:
        """A continuation token, full of what must be encoded in a URL."""
        token = "1/" + base64.b64encode(secrets.token_bytes(31)).decode() \
            + "+&%="
        self.tokens[token] = name
        return token


# ------------------------------------------------------------------- client


def fetch(url: str, method: str = "GET", headers: dict | None = None,
          deadline: float = 5.0, body: bytes | None = None) -> Fetched:
    """One request, byte for byte as the URL has it; follows no redirect.

    Raises TimeoutError when all of it takes longer than the deadline, and
    http.client's errors for a reply that is cut off.
    """
    parts = urllib.parse.urlsplit(url)
    assert parts.scheme == "http", url
    target = url.split(parts.netloc, 1)[1].partition("#")[0] or "/"
    began = time.monotonic()
    link = http.client.HTTPConnection(parts.hostname, parts.port or 80,
                                      timeout=deadline)
    link.connect()
    # A trickle must not stretch the deadline, as it does a socket's timeout.
    watchdog = threading.Timer(deadline, _cut, (link.sock,))
    watchdog.start()
    try:
        _ask(link, method, target, headers or {}, body)
        got = link.getresponse()
        content = got.read()
    except (OSError, http.client.HTTPException) as why:
        if time.monotonic() - began >= deadline:
            raise TimeoutError(f"no whole reply in {deadline} s") from why
        raise
    finally:
        watchdog.cancel()
        link.close()
    together: dict[str, str] = {}
    for name, value in got.getheaders():
        have = together.get(name.lower())
        together[name.lower()] = f"{have}, {value}" if have else value
    return Fetched(got.status, together, content, time.monotonic() - began)


def _cut(sock: socket.socket):
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _ask(link: http.client.HTTPConnection, method: str, target: str,
         headers: dict, body: bytes | None):
    given = {name.lower() for name in headers}
    link.putrequest(method, target, skip_host="host" in given,
                    skip_accept_encoding=True)
    for name, value in headers.items():
        link.putheader(name, value)
    if body is not None and "content-length" not in given:
        link.putheader("Content-Length", str(len(body)))
    link.endheaders(body)
