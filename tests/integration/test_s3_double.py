"""The S3 double itself: what a right client sends is done, as S3 does it;
what AWS refuses is refused with AWS's word; and every fault is as scripted.

Signatures come from botocore, which shares no line with the double, and from
the worked examples in AWS's documents.
"""

import concurrent.futures
import hashlib
import http.client
import re
import socket
import time
import urllib.parse
import xml.etree.ElementTree

import pytest

import s3_double as s3
from house import wait_until
from s3_double import S3Double, fetch
from slowness import SLOWNESS
from wire import Http, read_to_end

botocore = pytest.importorskip("botocore")
boto3 = pytest.importorskip("boto3")
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.config import Config  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402

KEY = "character_references/abc-123.png"
GONE = (ConnectionError, http.client.HTTPException)
pytestmark = pytest.mark.once
ODD_KEYS = ["a b", "a+b", "a%20b", "a:b=c@d!(e)*'f", "käse/日本.png", "//a//",
            "a/../b", "./a", "~a-_.", "a?b&c=d", "a#b", "\U0001f600"]


@pytest.fixture(scope="module")
def shared_double():
    """One double for all tests here."""
    one = S3Double()
    yield one
    one.close()


@pytest.fixture
def double(shared_double):
    """The same, empty and without a memory."""
    shared_double.forget(objects=True)
    return shared_double


@pytest.fixture
def polite(double):
    """The same for clients that must not be complained of."""
    yield double
    assert double.complaints == []


def boto(double, **kw):
    """boto3's client, which tries only once."""
    style = kw.pop("style", "path")
    config = Config(s3={"addressing_style": style},
                    signature_version=kw.pop("version", "s3v4"),
                    retries={"total_max_attempts": 1}, read_timeout=5)
    given = {"endpoint_url": double.url, "region_name": double.region,
             "aws_access_key_id": double.access_key,
             "aws_secret_access_key": double.secret_key} | kw
    client = boto3.client("s3", config=config, **given)
    # It asks before a body of any size, which the double complains of.
    client.meta.events.register(
        "before-sign.s3",
        lambda request, **_: request.headers.__delitem__("Expect"))
    return client


def signed(double, method="GET", key=KEY, body=b"", *, auth=S3SigV4Auth,
           service="s3", region=None, access_key=None, secret=None,
           token=None, query="", headers=None, **more) -> AWSRequest:
    """A request as botocore signs it; `more` is for the query form."""
    credentials = Credentials(access_key or double.access_key,
                              secret or double.secret_key, token)
    path = urllib.parse.quote(f"/{double.bucket}/{key}", safe="/~")
    one = AWSRequest(method, f"{double.url}{path}{query}", headers or {},
                     body)
    auth(credentials, service, region or double.region, **more).add_auth(one)
    if body or method == "PUT":
        one.headers["Content-Length"] = str(len(body))
    return one


def presigned(double, method="GET", key=KEY, **kw) -> str:
    """A presigned URL of botocore's."""
    kw.setdefault("expires", 60)
    return signed(double, method, key, auth=S3SigV4QueryAuth, **kw).url


def send(request: AWSRequest, **instead):
    """Sends it, with some headers changed, or (None) taken away."""
    headers = dict(request.headers.items())
    for name, value in instead.items():
        name = name.replace("_", "-")
        for have in [one for one in headers if one.lower() == name.lower()]:
            del headers[have]
        if value is not None:
            headers[name] = value
    return fetch(request.url, request.method, headers,
                 body=request.data or None)


def error(reply) -> dict[str, str]:
    """The members of an error document."""
    root = xml.etree.ElementTree.fromstring(reply.body)
    assert root.tag == "Error", reply
    assert root.findtext("RequestId") == reply.headers["x-amz-request-id"]
    return {one.tag: one.text or "" for one in root}


def must_refuse(reply, status: int, code: str, message: str = "") -> dict:
    """Asserts the error's status, word and a part of its message."""
    assert reply.status == status, reply
    told = error(reply)
    assert told["Code"] == code, told
    assert message in told["Message"], told
    return told


def raw(double, request: str, body: bytes = b"") -> bytes:
    """Sends a request as it is; gives all up to the close."""
    head = request.replace("\n", "\r\n") + "\r\n\r\n"
    return Http(double.port).raw(head.encode() + body)

# ------------------------------------------------- signatures, by the book


EXAMPLE_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EXAMPLE_HOST = ("host", "examplebucket.s3.amazonaws.com")
EXAMPLE_DATE = ("x-amz-date", "20130524T000000Z")
EXAMPLE_EMPTY = ("x-amz-content-sha256", hashlib.sha256().hexdigest())
EXAMPLE_BODY = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
EXAMPLES = {
    "an object's range": (
        "GET", "/test.txt", [("range", "bytes=0-9"), EXAMPLE_EMPTY],
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    "an upload": (
        "PUT", "/test%24file.text",
        [("date", "Fri, 24 May 2013 00:00:00 GMT"),
         ("x-amz-content-sha256", EXAMPLE_BODY),
         ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    "a parameter without a value": (
        "GET", "/?lifecycle", [EXAMPLE_EMPTY],
        "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    "a listing": (
        "GET", "/?max-keys=2&prefix=J", [EXAMPLE_EMPTY],
        "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")}


def example_claim(signed_names: list[str], payload: str) -> s3.Claim:
    """The claim of AWS's examples, without its signature."""
    return s3.Claim("Header", "AKIAIOSFODNN7EXAMPLE",
                    ["20130524", "us-east-1", "s3", "aws4_request"],
                    EXAMPLE_DATE[1], signed_names, "", payload, None)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_verifier_agrees_with_the_examples_in_awss_documents(name):
    method, target, headers, wanted = EXAMPLES[name]
    request = s3.Request(method, target, "1.1",
                         [EXAMPLE_HOST, EXAMPLE_DATE, *headers])
    claim = example_claim([one for one, _ in request.headers],
                          request.header("x-amz-content-sha256"))
    canonical = s3.canonical_request(request, claim.signed, claim.payload)
    text = claim.string_to_sign(canonical)
    assert claim.sign(EXAMPLE_SECRET, text) == wanted, canonical


def test_the_verifier_agrees_with_awss_example_of_a_presigned_url():
    wanted = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    request = s3.Request(
        "GET", "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
        "AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&"
        "X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
        f"X-Amz-SignedHeaders=host&X-Amz-Signature={wanted}", "1.1",
        [EXAMPLE_HOST])
    claim = s3.read_claim(request)
    canonical = s3.canonical_request(request, claim.signed, claim.payload)
    text = claim.string_to_sign(canonical)
    assert claim.sign(EXAMPLE_SECRET, text) == claim.signature == wanted

# ---------------------------------------------------------- right clients


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_key_can_be_put_got_copied_listed_and_deleted(polite, key):
    client = boto(polite)
    where = {"Bucket": polite.bucket, "Key": key}
    client.put_object(**where, Body=b"bytes", ContentType="image/png")
    assert list(polite.objects) == [key]
    assert client.get_object(**where)["Body"].read() == b"bytes"
    client.copy_object(Bucket=polite.bucket, Key="copy", CopySource=where)
    listed = client.list_objects_v2(Bucket=polite.bucket)["Contents"]
    assert {one["Key"] for one in listed} == {"copy", key}
    url = client.generate_presigned_url("get_object", where)
    assert fetch(url).body == b"bytes"
    client.delete_object(**where)
    assert list(polite.objects) == ["copy"]


def test_the_virtual_host_style_finds_bucket_and_key(polite):
    polite.put(KEY, b"bytes")
    client = boto(polite, style="virtual",
                  endpoint_url=f"http://s3.test:{polite.port}")
    url = client.generate_presigned_url(
        "get_object", {"Bucket": polite.bucket, "Key": KEY})
    host = f"{polite.bucket}.s3.test:{polite.port}"
    assert url.startswith(f"http://{host}/{KEY}?")
    here = url.replace(host, f"127.0.0.1:{polite.port}")
    assert fetch(here, headers={"Host": host}).body == b"bytes"
    must_refuse(fetch(here), 403, "SignatureDoesNotMatch")
    assert [one.bucket for one in polite.asked()][0] == polite.bucket


def test_a_host_that_is_none_of_ours_is_the_name_of_a_bucket(double):
    request = signed(double, headers={"Host": "pictures.example"})
    told = must_refuse(send(request), 404, "NoSuchBucket")
    assert told["BucketName"] == "pictures.example"


def test_metadata_kind_and_caching_come_back(polite):
    client = boto(polite)
    digest = hashlib.sha256(b"bytes").hexdigest()
    client.put_object(Bucket=polite.bucket, Key=KEY, Body=b"bytes",
                      ContentType="image/png", CacheControl="private",
                      Metadata={"sha256": digest, "words": "two  words"})
    got = client.head_object(Bucket=polite.bucket, Key=KEY)
    assert got["Metadata"] == {"sha256": digest, "words": "two  words"}
    assert (got["ContentType"], got["CacheControl"]) == (
        "image/png", "private")
    assert got["ContentLength"] == 5
    assert got["ETag"] == f'"{hashlib.md5(b"bytes").hexdigest()}"'
    assert polite.objects[KEY].sha256 == digest


def test_temporary_keys_work_with_their_token_in_both_forms():
    double = S3Double(token="to/ken+with=signs")
    try:
        double.put(KEY, b"bytes")
        client = boto(double, aws_session_token=double.session_token)
        where = {"Bucket": double.bucket, "Key": KEY}
        assert client.get_object(**where)["ContentLength"] == 5
        assert fetch(client.generate_presigned_url(
            "get_object", where)).status == 200
        assert double.complaints == []
    finally:
        double.close()


def test_a_presigned_put_stores(polite):
    url = presigned(polite, "PUT")
    assert fetch(url, "PUT", body=b"bytes").status == 200
    assert polite.objects[KEY].data == b"bytes"


def test_a_url_signed_with_response_headers_answers_with_them(polite):
    polite.put(KEY, b"bytes")
    url = boto(polite).generate_presigned_url("get_object", {
        "Bucket": polite.bucket, "Key": KEY, "ResponseContentType": "a/b",
        "ResponseContentDisposition": 'attachment; filename="a b"'})
    headers = fetch(url).headers
    assert headers["content-type"] == "a/b"
    assert headers["content-disposition"] == 'attachment; filename="a b"'


def test_replies_look_like_amazons_and_keep_the_connection(polite):
    polite.put(KEY, b"bytes")
    url = presigned(polite)
    link = http.client.HTTPConnection("127.0.0.1", polite.port, timeout=5 * SLOWNESS)
    for _ in range(3):
        link.request("GET", url.removeprefix(polite.url))
        got = link.getresponse()
        assert got.read() == b"bytes"
        assert got.headers["Server"] == "AmazonS3"
        assert re.fullmatch("[0-9A-F]{16}", got.headers["x-amz-request-id"])
        assert got.headers["Date"].endswith(" GMT")
        assert re.fullmatch('"[0-9a-f]{32}"', got.headers["ETag"])
    link.close()
    assert [one.nth for one in polite.asked()] == [1, 2, 3]
    assert polite.connections == 1

# ------------------------------------------------------- refused: signing


def test_a_wrong_secret_is_refused_and_shown_what_was_hashed(double):
    told = must_refuse(send(signed(double, secret="wrong")), 403,
                       "SignatureDoesNotMatch")
    assert told["CanonicalRequest"].startswith(
        f"GET\n/{double.bucket}/{KEY}\n\nhost:127.0.0.1:{double.port}\n")
    assert told["StringToSign"].startswith("AWS4-HMAC-SHA256\n")
    assert told["AWSAccessKeyId"] == double.access_key
    assert double.secret_key.encode() not in told["StringToSign"].encode()


@pytest.mark.parametrize("other", ["HEAD", "PUT", "DELETE"])
def test_a_url_signed_for_get_serves_no_other_method(double, other):
    double.put(KEY, b"bytes")
    assert fetch(presigned(double), other).status == 403 or other == "PUT"
    assert fetch(presigned(double), other, body=b"").status == 403
    assert double.objects[KEY].data == b"bytes"


def test_a_url_signed_for_head_serves_head(polite):
    polite.put(KEY, b"bytes")
    reply = fetch(presigned(polite, "HEAD"), "HEAD")
    assert (reply.status, reply.headers["content-length"], reply.body) == (
        200, "5", b"")


def test_both_mechanisms_at_once_are_refused(double):
    double.put(KEY, b"bytes")
    for value in ("Bearer of-a-user", "Basic dTpw"):
        must_refuse(fetch(presigned(double), headers={
            "Authorization": value}), 400, "InvalidArgument",
            "Only one auth mechanism allowed")
    assert len(double.complaints) == 2
    assert "Authorization on a presigned request" in double.complaints[0]


def test_an_amazon_header_that_was_not_signed_is_refused(double):
    for reply in (send(signed(double), x_amz_meta_a="b"),
                  fetch(presigned(double), headers={"x-amz-meta-a": "b"})):
        told = must_refuse(reply, 403, "AccessDenied", "not signed")
        assert told["HeadersNotSigned"] == "x-amz-meta-a"
    assert len(double.complaints) == 2


def test_the_host_must_be_signed(double):
    request = signed(double)
    claim = request.headers["Authorization"].replace("host;", "")
    told = must_refuse(send(request, Authorization=claim), 403,
                       "AccessDenied", "not signed")
    assert told["HeadersNotSigned"] == "host"


def test_a_request_without_any_signature_is_denied(double):
    must_refuse(fetch(f"{double.url}/{double.bucket}/{KEY}"), 403,
                "AccessDenied")


def test_an_unknown_key_id_is_told_apart_from_a_bad_signature(double):
    for reply in (send(signed(double, access_key="AKIANOBODY")),
                  fetch(presigned(double, access_key="AKIANOBODY"))):
        must_refuse(reply, 403, "InvalidAccessKeyId")


@pytest.mark.parametrize("form, code", [
    (S3SigV4Auth, "AuthorizationHeaderMalformed"),
    (S3SigV4QueryAuth, "AuthorizationQueryParametersError")])
def test_another_region_or_service_in_the_scope_is_named(double, form, code):
    double.put(KEY, b"bytes")
    reply = send(signed(double, auth=form, region="us-east-1"))
    told = must_refuse(reply, 400, code, "'us-east-1' is wrong")
    assert told["Region"] == double.region
    assert reply.headers["x-amz-bucket-region"] == double.region
    must_refuse(send(signed(double, auth=form, service="sts")), 400, code,
                "incorrect service")


def test_a_head_in_the_wrong_region_has_the_region_in_a_header_alone(double):
    reply = send(signed(double, "HEAD", region="us-east-1"))
    assert (reply.status, reply.body) == (400, b"")
    assert reply.headers["x-amz-bucket-region"] == double.region


def test_each_bucket_has_the_region_of_its_own(double):
    double.add_bucket("elsewhere", "ap-south-1").objects["a"] = \
        double.put("a", b"bytes")
    where = {"Bucket": "elsewhere", "Key": "a"}
    assert boto(double).get_object(**where)["ContentLength"] == 5
    # botocore learns the region from the refusal, and asks for it again.
    first, *_, last = double.asked()
    assert (first.status, first.code) == (400, "AuthorizationHeaderMalformed")
    assert "/ap-south-1/s3/aws4_request" in last.header("authorization")


@pytest.mark.parametrize("change, code, message", [
    (("/aws4_request", "/aws3_request"), "AuthorizationHeaderMalformed",
     "incorrect terminal"),
    (("/s3/aws4_request", "/aws4_request"), "AuthorizationHeaderMalformed",
     "mal-formed"),
    (("Signature=", "Sign="), "AuthorizationHeaderMalformed", ""),
    (("SignedHeaders=h", "SignedHeaders=H"), "AuthorizationHeaderMalformed",
     ""),
    (("AWS4-HMAC-SHA256 ", "AWS "), "InvalidRequest", "not supported")])
def test_a_malformed_authorization_is_400(double, change, code, message):
    request = signed(double)
    claim = request.headers["Authorization"].replace(*change)
    must_refuse(send(request, Authorization=claim), 400, code, message)


def test_the_scopes_day_is_the_day_of_the_date(double):
    request = signed(double)
    day = request.headers["X-Amz-Date"][:8]
    claim = request.headers["Authorization"].replace(f"/{day}/", "/20200101/")
    must_refuse(send(request, Authorization=claim), 400,
                "AuthorizationHeaderMalformed", "credential date")


@pytest.mark.parametrize("shift, is_fine", [
    (-880, True), (880, True), (-920, False), (920, False)])
def test_a_date_more_than_15_minutes_off_is_too_skewed(double, shift,
                                                       is_fine):
    double.put(KEY, b"bytes")
    double.clock_shift = shift
    reply = send(signed(double))
    date = http.client.email.utils.parsedate_to_datetime(
        reply.headers["date"]).timestamp()
    assert abs(date - time.time() - shift) < 3
    if is_fine:
        assert reply.status == 200
        return
    told = must_refuse(reply, 403, "RequestTimeTooSkewed")
    assert told["MaxAllowedSkewMilliseconds"] == "900000"
    assert told["ServerTime"] == s3.iso(date)


def test_a_request_without_its_date_or_payload_header_is_refused(double):
    must_refuse(send(signed(double), X_Amz_Date=None), 403, "AccessDenied",
                "valid Date")
    must_refuse(send(signed(double), X_Amz_Content_SHA256=None), 400,
                "InvalidRequest", "x-amz-content-sha256")
    must_refuse(send(signed(double), X_Amz_Date="yesterday"), 400,
                "AuthorizationHeaderMalformed")
    assert len(double.complaints) == 2


def test_a_presigned_url_lives_as_long_as_it_says_and_not_longer(double):
    double.put(KEY, b"bytes")
    url = presigned(double, expires=60)
    double.clock_shift = 58
    assert fetch(url).status == 200
    double.clock_shift = 61
    told = must_refuse(fetch(url), 403, "AccessDenied", "Request has expired")
    assert told["X-Amz-Expires"] == "60"
    assert told["Expires"] < told["ServerTime"]


def test_a_presigned_url_from_the_future_is_not_valid_yet(double):
    double.put(KEY, b"bytes")
    double.clock_shift = -10
    must_refuse(fetch(presigned(double)), 403, "AccessDenied",
                "not valid yet")


@pytest.mark.parametrize("expires, is_fine", [
    ("1", True), ("604800", True), ("0", False), ("604801", False),
    ("-1", False), ("1e3", False), ("9" * 30, False)])
def test_a_presigned_urls_life_is_a_second_to_a_week(double, expires,
                                                     is_fine):
    double.put(KEY, b"bytes")
    reply = fetch(presigned(double, expires=expires))
    if is_fine:
        assert reply.status == 200
    else:
        must_refuse(reply, 400, "AuthorizationQueryParametersError",
                    "X-Amz-Expires")


@pytest.mark.parametrize("name", s3.AUTH_QUERY)
def test_a_presigned_url_with_a_parameter_missing_is_400(double, name):
    url = re.sub(f"{name}=[^&]*&?", "", presigned(double))
    must_refuse(fetch(url), 400, "AuthorizationQueryParametersError",
                "requires")


def test_a_changed_target_breaks_the_signature(double):
    double.put(KEY, b"bytes")
    double.put("other", b"secret")
    url = presigned(double)
    must_refuse(fetch(url.replace(KEY, "other")), 403,
                "SignatureDoesNotMatch")
    must_refuse(fetch(url + "&response-content-type=text/html"), 403,
                "SignatureDoesNotMatch")
    must_refuse(fetch(url + "&cache-buster=1"), 403,
                "SignatureDoesNotMatch")


def test_temporary_keys_need_their_token_and_long_lived_ones_have_none():
    double = S3Double(token="token")
    try:
        must_refuse(send(signed(double)), 403, "InvalidAccessKeyId")
        must_refuse(fetch(presigned(double)), 403, "InvalidAccessKeyId")
        must_refuse(send(signed(double, token="x")), 400, "InvalidToken")
        must_refuse(fetch(presigned(double, token="x")), 400, "InvalidToken")
        double.keys[double.access_key].expires = double.now() - 1
        for reply in (send(signed(double, token="token")),
                      fetch(presigned(double, token="token"))):
            must_refuse(reply, 400, "ExpiredToken")
        double.keys = {double.access_key: s3.Keys(double.secret_key)}
        must_refuse(send(signed(double, token="token")), 400, "InvalidToken")
    finally:
        double.close()


def test_new_keys_take_over_while_it_runs(polite):
    polite.put(KEY, b"bytes")
    polite.keys = {"AKIANEXT": s3.Keys("next", "token")}
    must_refuse(send(signed(polite)), 403, "InvalidAccessKeyId")
    assert send(signed(polite, access_key="AKIANEXT", secret="next",
                       token="token")).status == 200

# -------------------------------------------------------- refused: bodies


def test_a_body_that_is_not_the_signed_one_is_refused(double):
    request = signed(double, "PUT", body=b"bytes")
    request.data = b"bytez"
    told = must_refuse(send(request), 400, "XAmzContentSHA256Mismatch")
    assert told["ClientComputedContentSHA256"] == \
        hashlib.sha256(b"bytes").hexdigest()
    assert double.objects == {}
    assert "wrong payload hash" in double.complaints[0]


def test_a_wrong_or_malformed_md5_is_refused(double):
    for value, code in (("1B2M2Y8AsgTpgAmY7PhCfg==", "BadDigest"),
                        ("bytes", "InvalidDigest")):
        request = signed(double, "PUT", body=b"bytes",
                         headers={"Content-MD5": value})
        must_refuse(send(request), 400, code)
    assert double.objects == {}


def test_a_chunked_put_needs_a_length(double):
    request = signed(double, "PUT")
    for more in ("Transfer-Encoding: chunked", "X: y"):
        lines = [f"{name}: {value}" for name, value in
                 request.headers.items() if name != "Content-Length"]
        got = raw(double, "\n".join(
            [f"PUT /{double.bucket}/{KEY} HTTP/1.1",
             f"Host: 127.0.0.1:{double.port}", more, *lines]))
        assert got.startswith(b"HTTP/1.1 411 "), got
        assert b"MissingContentLength" in got
    assert double.objects == {}


def test_chunked_signatures_are_not_implemented(double):
    request = signed(double, "PUT", body=b"bytes")
    must_refuse(send(
        request, X_Amz_Content_SHA256="STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
        501, "NotImplemented")
    must_refuse(send(signed(double, "PUT", headers={
        "x-amz-decoded-content-length": "5"})), 501, "NotImplemented")
    assert len(double.complaints) == 2


def test_a_body_that_never_comes_is_a_request_timeout(double, monkeypatch):
    monkeypatch.setattr(s3, "IDLE_S", 0.2)
    request = signed(double, "PUT", body=b"bytes")
    request.headers["Content-Length"] = "6"
    must_refuse(send(request), 400, "RequestTimeout")
    assert double.objects == {}


def test_a_body_that_is_cut_off_stores_nothing(double):
    request = signed(double, "PUT", body=b"bytes")
    lines = "\n".join(f"{n}: {v}" for n, v in request.headers.items())
    with socket.create_connection(("127.0.0.1", double.port)) as link:
        head = f"PUT /{double.bucket}/{KEY} HTTP/1.1\n" \
            f"Host: 127.0.0.1:{double.port}\n{lines}\n\n"
        link.sendall(head.replace("\n", "\r\n").encode() + b"byt")
        link.shutdown(socket.SHUT_WR)
        assert read_to_end(link) == b""
    assert double.objects == {}
    assert [(one.status, one.done) for one in double.asked()] == [(0, False)]

# -------------------------------------------------------------- operations


@pytest.mark.parametrize("asked, status, wanted", [
    ("bytes=0-0", 206, b"0"), ("bytes=2-4", 206, b"234"),
    ("bytes=7-", 206, b"789"), ("bytes=-3", 206, b"789"),
    ("bytes=5-99", 206, b"56789"), ("bytes=-99", 206, b"0123456789"),
    ("bytes=10-", 416, None), ("bytes=-0", 416, None),
    ("bytes=4-2", 200, b"0123456789"), ("bytes=0-1,4-5", 200, b"0123456789"),
    ("lines=0-1", 200, b"0123456789")])
def test_a_range_is_answered_as_s3_does(polite, asked, status, wanted):
    polite.put(KEY, b"0123456789")
    reply = fetch(presigned(polite), headers={"Range": asked})
    assert reply.status == status
    if wanted is None:
        assert error(reply)["ActualObjectSize"] == "10"
        return
    assert reply.body == wanted
    first = b"0123456789".index(wanted)
    assert reply.headers.get("content-range") == (
        f"bytes {first}-{first + len(wanted) - 1}/10"
        if status == 206 else None)


def test_an_empty_object_has_no_range(polite):
    polite.put(KEY, b"")
    assert fetch(presigned(polite)).body == b""
    reply = fetch(presigned(polite), headers={"Range": "bytes=0-0"})
    must_refuse(reply, 416, "InvalidRange")


def test_conditions_on_a_read(polite):
    etag = f'"{polite.put(KEY, b"bytes").etag}"'
    for name, value, status in (
            ("If-None-Match", etag, 304), ("If-None-Match", '"x"', 200),
            ("If-Match", etag, 200), ("If-Match", '"x"', 412)):
        reply = fetch(presigned(polite), headers={name: value})
        assert reply.status == status, (name, value)
        assert reply.headers.get("etag", etag) == etag


def test_a_conditional_put_wins_once(polite):
    for status in (200, 412):
        request = signed(polite, "PUT", body=b"bytes",
                         headers={"If-None-Match": "*"})
        assert send(request).status == status
    assert polite.objects[KEY].puts == 1
    request = signed(polite, "PUT", headers={"If-None-Match": '"x"'})
    must_refuse(send(request), 501, "NotImplemented")


def test_what_is_missing_is_404_or_403_for_who_may_not_list(polite):
    must_refuse(send(signed(polite)), 404, "NoSuchKey")
    reply = send(signed(polite, "HEAD"))
    assert (reply.status, reply.body) == (404, b"")
    polite.may_list = False
    must_refuse(send(signed(polite)), 403, "AccessDenied")
    assert send(signed(polite, "HEAD")).status == 403
    with pytest.raises(ClientError, match="AccessDenied"):
        boto(polite).list_objects_v2(Bucket=polite.bucket)
    with pytest.raises(ClientError, match="403"):
        boto(polite).head_bucket(Bucket=polite.bucket)
    polite.put(KEY, b"bytes")
    assert send(signed(polite)).status == 200


def test_a_bucket_is_there_or_not(polite):
    got = boto(polite).head_bucket(Bucket=polite.bucket)
    assert got["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] \
        == polite.region
    with pytest.raises(ClientError, match="404"):
        boto(polite).head_bucket(Bucket="nothing-here")
    with pytest.raises(ClientError, match="NoSuchBucket"):
        boto(polite).put_object(Bucket="nothing-here", Key=KEY, Body=b"")


def test_a_delete_does_not_tell_whether_there_was_one(polite):
    polite.put(KEY, b"bytes")
    for _ in range(2):
        reply = send(signed(polite, "DELETE"))
        assert (reply.status, reply.body) == (204, b"")
    assert polite.objects == {}


def test_a_copy_has_the_metadata_or_new_one(polite):
    client = boto(polite)
    source = {"Bucket": polite.bucket, "Key": KEY}
    client.put_object(**source, Body=b"bytes", Metadata={"sha256": "1"},
                      ContentType="image/png")
    client.copy_object(Bucket=polite.bucket, Key="b", CopySource=source)
    client.copy_object(Bucket=polite.bucket, Key="c", CopySource=source,
                       MetadataDirective="REPLACE", Metadata={"a": "2"})
    b, c = polite.objects["b"], polite.objects["c"]
    assert (b.data, b.metadata) == (b"bytes", {"sha256": "1"})
    assert b.headers["content-type"] == "image/png"
    assert (c.data, c.metadata) == (b"bytes", {"a": "2"})


@pytest.mark.parametrize("source, condition, status, code", [
    ("{bucket}/nothing", None, 404, "NoSuchKey"),
    ("nobucket/nothing", None, 404, "NoSuchBucket"),
    ("{bucket}/a", "x", 412, "PreconditionFailed"),
    ("{bucket}/" + KEY, None, 400, "InvalidRequest"),
    ("{bucket}/a b", None, 400, "InvalidArgument")])
def test_a_copy_that_cannot_be_made_is_refused(double, source, condition,
                                               status, code):
    double.put("a", b"bytes")
    double.put(KEY, b"bytes")
    headers = {"x-amz-copy-source": source.format(bucket=double.bucket)}
    if condition:
        headers["x-amz-copy-source-if-match"] = condition
    must_refuse(send(signed(double, "PUT", headers=headers)), status, code)


def test_a_listing_is_in_the_order_of_bytes_and_in_pages(polite):
    keys = ["b", "a/1", "a/2", "Z", "\U0001f600", "\uff5a", "~",
            "a b+c&d<e>", "a!"]
    for key in keys:
        polite.put(key, key.encode())
    polite.page_size = 2
    pages = boto(polite).get_paginator("list_objects_v2").paginate(
        Bucket=polite.bucket)
    listed = [one for page in pages for one in page["Contents"]]
    assert [one["Key"] for one in listed] == sorted(
        keys, key=lambda key: key.encode())
    assert all(one["Size"] == len(one["Key"].encode()) for one in listed)
    assert len(polite.asked("GET")) == 5


def test_a_listing_knows_prefix_delimiter_and_start(polite):
    for key in ("images/1", "images/2", "images2/1", "videos/a/x",
                "videos/a/y", "videos/b/z", "videos/c"):
        polite.put(key, b"")
    client = boto(polite)

    def listed(**kw):
        keys, groups = [], []
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=polite.bucket, **kw)
        for page in pages:
            keys += [one["Key"] for one in page.get("Contents", [])]
            groups += [one["Prefix"] for one in page.get("CommonPrefixes",
                                                         [])]
        return keys, groups

    for size in (1, 2, 1000):
        polite.page_size = size
        assert listed(Prefix="images/") == (["images/1", "images/2"], [])
        assert listed(Prefix="videos/", Delimiter="/") == (
            ["videos/c"], ["videos/a/", "videos/b/"])
        assert listed(Delimiter="/") == (
            [], ["images/", "images2/", "videos/"])
        assert listed(StartAfter="videos/a/y") == (
            ["videos/b/z", "videos/c"], [])
    assert client.list_objects_v2(Bucket=polite.bucket, MaxKeys=0)[
        "KeyCount"] == 0


def test_a_listings_token_must_be_one_that_was_given(double):
    query = "?list-type=2&continuation-token=abc"
    must_refuse(send(signed(double, key="", query=query)), 400,
                "InvalidArgument", "continuation token")
    must_refuse(send(signed(double, key="")), 501, "NotImplemented")


def test_keys_come_encoded_if_asked_and_as_they_are_if_not(polite):
    polite.put("a b+c~é*/", b"")
    plain = send(signed(polite, key="", query="?list-type=2"))
    coded = send(signed(polite, key="",
                        query="?encoding-type=url&list-type=2"))
    assert "<Key>a b+c~é*/</Key>" in plain.body.decode()
    assert "<Key>a+b%2Bc%7E%C3%A9*/</Key>" in coded.body.decode()


def test_encryption_is_for_writing_and_spoils_the_etag(double):
    name = "x-amz-server-side-encryption"
    reply = send(signed(double, "PUT", body=b"bytes",
                        headers={name: "aws:kms"}))
    assert reply.headers[name] == "aws:kms"
    assert hashlib.md5(b"bytes").hexdigest() not in reply.headers["etag"]
    reply = send(signed(double))
    assert (reply.status, reply.headers[name]) == (200, "aws:kms")
    for method in ("GET", "HEAD"):
        request = signed(double, method, headers={name: "AES256"})
        assert send(request).status == 400
    must_refuse(send(signed(double, "PUT", headers={name: "rot13"})), 400,
                "InvalidArgument")


def test_what_it_does_not_know_is_not_ignored(double):
    must_refuse(send(signed(double, query="?acl=")), 501, "NotImplemented")
    must_refuse(send(signed(double, headers={"x-amz-acl": "private"})), 501,
                "NotImplemented")
    must_refuse(send(signed(double, "POST")), 405, "MethodNotAllowed")
    must_refuse(send(signed(double, key="a" * 1025)), 400, "KeyTooLongError")
    assert len(double.complaints) == 2


def test_too_much_metadata_is_refused(double):
    request = signed(double, "PUT", headers={"x-amz-meta-a": "b" * 2048})
    must_refuse(send(request), 400, "MetadataTooLarge")

# ----------------------------------------------------------------- manners


@pytest.mark.parametrize("request_text, status, complaint", [
    ("GET /a/b HTTP/1.1\nX: y", 400, "no Host"),
    ("GET /a/b HTTP/1.1\nHost: a\nHost: b", 400, "host twice"),
    ("GET /a/b HTTP/1.0\nHost: a", 403, "HTTP/1.0"),
    ("GET http://a/b HTTP/1.1\nHost: a", 400, "not an origin form"),
    ("GET /a/b?c=1&c=2 HTTP/1.1\nHost: a", 400, "a parameter twice"),
    ("GET /a/b?c=1+2 HTTP/1.1\nHost: a", 403, "not in canonical encoding"),
    ("GET /a/%2f:b HTTP/1.1\nHost: a", 403, "not in canonical encoding"),
    ("GET /a/b HTTP/1.1\nHost: a\nCookie: b=c", 403, "Cookie"),
    ("GET /a/b HTTP/1.1\nHost: a\nExpect: 100-continue", 403, "Expect"),
    ("GET /a/b HTTP/1.1\nHost: a\n folded", 400, "header ' folded'"),
    ("GET /a/%ff HTTP/1.1\nHost: 127.0.0.1", 400, "not UTF-8"),
    ("GET /a/b\nHost: a", 400, "request line"),
    ("PUT /a/b HTTP/1.1\nHost: a\nContent-Length: -1", 400,
     "Content-Length -1")])
def test_bad_http_is_complained_of(double, request_text, status, complaint):
    got = raw(double, request_text + "\nConnection: close")
    assert got.startswith(f"HTTP/1.1 {status} ".encode()), got
    assert any(complaint in one for one in double.complaints), \
        double.complaints


def test_a_head_without_end_is_refused(double):
    got = raw(double, "GET /a/b HTTP/1.1\nHost: a\nX: " + "y" * s3.HEAD_MAX)
    assert got.startswith(b"HTTP/1.1 400 "), got
    assert "head too large" in double.complaints[0]


def test_unsigned_kinds_and_payloads_are_complained_of(double):
    request = signed(double, "PUT", body=b"bytes")
    assert send(request, Content_Type="image/png").status == 200
    send(request, X_Amz_Content_SHA256="UNSIGNED-PAYLOAD")
    assert "content-type is not signed" in double.complaints[0]
    assert "unsigned payload" in double.complaints[1]


def test_who_asks_before_a_large_body_is_told_to_go_on(polite):
    body = bytes(1 << 20)
    request = signed(polite, "PUT", body=body)
    lines = "\r\n".join(f"{n}: {v}" for n, v in request.headers.items())
    with socket.create_connection(("127.0.0.1", polite.port), 5) as link:
        link.settimeout(5)
        link.sendall((f"PUT /{polite.bucket}/{KEY} HTTP/1.1\r\n"
                      f"Host: 127.0.0.1:{polite.port}\r\n{lines}\r\n"
                      "Expect: 100-continue\r\n\r\n").encode())
        assert link.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        link.sendall(body)
        assert link.recv(1 << 16).startswith(b"HTTP/1.1 200 OK\r\n")
    assert polite.objects[KEY].data == body


def test_who_asks_first_and_may_not_is_told_so_at_once(double):
    got = raw(double, f"PUT /{double.bucket}/{KEY} HTTP/1.1\nHost: 127.0.0.1"
              "\nContent-Length: 2000000\nExpect: 100-continue")
    assert got.startswith(b"HTTP/1.1 403 Forbidden\r\n")


def test_other_bytes_under_the_same_key_are_noticed(double):
    for body in (b"a", b"a", b"b"):
        assert send(signed(double, "PUT", body=body)).status == 200
    assert double.changed == [KEY]
    assert double.objects[KEY].puts == 3


def test_every_request_is_kept_with_what_came_of_it(polite):
    before = time.monotonic()
    send(signed(polite, "PUT", body=b"bytes"))
    send(signed(polite, key="nothing"))
    put, get = polite.asked()
    assert (put.method, put.bucket, put.key) == ("PUT", polite.bucket, KEY)
    assert put.target == f"/{polite.bucket}/{KEY}"
    assert (put.size, put.sha256) == (
        5, hashlib.sha256(b"bytes").hexdigest())
    assert put.header("host") == f"127.0.0.1:{polite.port}"
    assert (put.status, put.code, put.done, put.ended) == (
        200, "", True, True)
    assert (get.status, get.code, get.done, get.ended) == (
        404, "NoSuchKey", False, True)
    assert before < put.at < get.at < time.monotonic()
    assert polite.counts() == {("PUT", 200): 1, ("GET", 404): 1}
    assert polite.asked(code="NoSuchKey") == [get]
    assert f"PUT {polite.bucket}/{KEY} 5: 200" in polite.story()

# ------------------------------------------------------------------ faults


@pytest.mark.parametrize("fault, status, code", [
    (s3.slow_down(), 503, "SlowDown"),
    (s3.internal_error(), 500, "InternalError"),
    (s3.internal_error("headers"), 500, "InternalError"),
    (s3.moved("us-west-2"), 301, "PermanentRedirect"),
    (s3.wrong_region("us-west-2"), 400, "AuthorizationHeaderMalformed"),
    (s3.denied(), 403, "AccessDenied"),
    (s3.request_timeout(), 400, "RequestTimeout"),
    (s3.expired_token(), 400, "ExpiredToken"),
    (s3.reply(409, "ConditionalRequestConflict"), 409,
     "ConditionalRequestConflict")])
def test_a_scripted_error_comes_once_and_does_nothing(polite, fault, status,
                                                      code):
    polite.on(fault)
    reply = send(signed(polite, "PUT", body=b"bytes"))
    must_refuse(reply, status, code)
    assert polite.objects == {}
    assert reply.headers.get("x-amz-bucket-region", "us-west-2") \
        == "us-west-2"
    assert send(signed(polite, "PUT", body=b"bytes")).status == 200


def test_an_error_after_the_deed_leaves_it_done(polite):
    polite.on(s3.internal_error("reply"))
    assert send(signed(polite, "PUT", body=b"bytes")).status == 500
    assert polite.objects[KEY].data == b"bytes"
    assert polite.asked()[0].done


def test_faults_meet_whom_they_are_meant_for_in_order(polite):
    polite.put(KEY, b"bytes")
    polite.put("other", b"bytes")
    polite.on(s3.slow_down(), s3.internal_error(), method="GET", key=KEY)
    polite.on(s3.denied(), method="HEAD", times=None)
    polite.on(s3.denied(), times=2,
              when=lambda request: request.header("range") == "bytes=0-0")
    assert [send(signed(polite, key="other")).status for _ in "12"] \
        == [200, 200]
    assert [send(signed(polite)).status for _ in "123"] == [503, 500, 200]
    assert [send(signed(polite, "HEAD")).status for _ in "123"] == [403] * 3
    assert [send(signed(polite), Range="bytes=0-0").status for _ in "123"] \
        == [403, 403, 206]


def test_a_fault_does_not_hide_a_bad_client(double):
    double.on(s3.slow_down())
    request = signed(double, "PUT", body=b"bytes")
    assert send(request, x_amz_meta_a="b").status == 503
    assert "not signed: x-amz-meta-a" in double.complaints[0]


def test_a_copy_can_fail_with_200_and_white_space_first(polite):
    polite.put(KEY, b"bytes")
    polite.on(s3.hidden_error(spaces=5))
    headers = {"x-amz-copy-source": f"/{polite.bucket}/{KEY}"}
    reply = send(signed(polite, "PUT", "b", headers=headers))
    assert reply.status == 200
    assert reply.body.startswith(b"\n" * 5 + b"<?xml ")
    assert b"<Error><Code>InternalError</Code>" in reply.body
    assert "b" not in polite.objects
    assert [one.code for one in polite.asked()] == ["InternalError"]


@pytest.mark.parametrize("at, done", [
    ("accept", False), ("headers", False), ("body", False), ("reply", True),
    ("status", True), ("content", True)])
@pytest.mark.parametrize("reset", [False, True])
def test_a_close_comes_in_its_phase(polite, at, done, reset):
    polite.on(s3.close(at, reset))
    with pytest.raises(GONE):
        reply = send(signed(polite, "PUT", body=b"bytes"))
        raise http.client.IncompleteRead(reply.body)  # "content" of nothing
    assert (KEY in polite.objects) == done
    assert all(not one.ended for one in polite.asked())
    assert len(polite.asked()) == (at != "accept")
    assert send(signed(polite, "PUT", body=b"bytes")).status == 200


def test_a_body_can_be_shorter_than_its_content_length(polite):
    polite.put(KEY, bytes(1000))
    polite.on(s3.close("content"), times=2)
    with pytest.raises(http.client.IncompleteRead) as cut:
        fetch(presigned(polite))
    assert len(cut.value.partial) == 500
    with pytest.raises(http.client.IncompleteRead):
        send(signed(polite, key="", query="?list-type=2"))


@pytest.mark.parametrize("at", s3.PHASES[:-1])
def test_a_stall_lasts_until_it_is_released(polite, at):
    rule = polite.on(s3.stall(at))
    done = at in ("reply", "status")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(send, signed(polite, "PUT", body=b"bytes"))
        rule.wait_taken()
        if done:
            polite.wait_for(1, method="PUT")
        with pytest.raises(concurrent.futures.TimeoutError):
            future.result(0.1)
        assert (KEY in polite.objects) == done
        rule.release()
        assert future.result(5).status == 200
    assert KEY in polite.objects


def test_a_stall_in_the_content_has_sent_half_of_it(polite):
    polite.put(KEY, bytes(1000))
    rule = polite.on(s3.stall("content"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(fetch, presigned(polite))
        rule.wait_taken()
        with pytest.raises(concurrent.futures.TimeoutError):
            future.result(0.1)
        rule.release()
        assert future.result(5).body == bytes(1000)


def test_a_stall_can_be_for_a_time(polite):
    polite.on(s3.stall("body", 0.2))
    reply = send(signed(polite, "PUT", body=b"bytes"))
    assert reply.status == 200
    assert reply.seconds >= 0.2


def test_a_stalled_write_of_an_old_test_is_never_done(polite):
    rule = polite.on(s3.stall("body"))
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(send, signed(polite, "PUT", body=b"bytes"))
        rule.wait_taken()
        polite.forget()
        with pytest.raises(GONE):
            future.result(5)
    assert polite.objects == {}


def test_a_trickle_is_slow_and_whole_and_fetch_does_not_wait_for_it(polite):
    polite.put(KEY, b"0123456789" * 10)
    polite.on(s3.trickle(0.01, 20))
    reply = fetch(presigned(polite))
    assert reply.body == b"0123456789" * 10
    assert reply.seconds > 0.1
    polite.on(s3.trickle(0.05))
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        fetch(presigned(polite), deadline=0.3)
    assert time.monotonic() - began < 2


def test_corrupted_bytes_have_the_right_length(polite):
    polite.put(KEY, b"bytes")
    polite.on(s3.corrupt())
    assert fetch(presigned(polite)).body == b"byter"
    assert fetch(presigned(polite)).body == b"bytes"


def test_a_kept_connection_can_be_closed_when_it_is_used_again(polite):
    polite.put(KEY, b"bytes")
    polite.on(s3.close("headers"), when=s3.reused)
    link = http.client.HTTPConnection("127.0.0.1", polite.port, timeout=5 * SLOWNESS)
    target = presigned(polite).removeprefix(polite.url)
    link.request("GET", target)
    assert link.getresponse().read() == b"bytes"
    link.request("GET", target)
    with pytest.raises(GONE):
        link.getresponse()
    link.close()
    assert fetch(polite.url + target).status == 200

# ------------------------------------------------------------------- modes


def test_every_mode_ends_and_it_is_as_before(polite):
    polite.put(KEY, b"bytes")
    url = presigned(polite)
    for _ in range(3):
        polite.set_mode("refuse")
        with pytest.raises(ConnectionRefusedError):
            fetch(url)
        polite.set_mode("hang")
        with pytest.raises(TimeoutError):
            fetch(url, deadline=0.1)
        polite.set_mode("slow_down")
        must_refuse(fetch(url), 503, "SlowDown")
        polite.set_mode("denied")
        must_refuse(fetch(url), 403, "AccessDenied")
        polite.set_mode("up")
        assert fetch(url).body == b"bytes"


def test_a_refusing_double_ends_the_connections_that_there_are(polite):
    link = socket.create_connection(("127.0.0.1", polite.port), 5)
    with link:
        wait_until(lambda: polite.links, "the connection")
        polite.set_mode("refuse")
        assert read_to_end(link) == b""
    polite.resume()
    assert fetch(f"{polite.url}/{polite.bucket}/{KEY}").status == 403


def test_nobody_else_gets_the_port_while_it_refuses(polite):
    polite.pause()
    others = [socket.socket() for _ in range(200)]
    for one in others:
        one.bind(("127.0.0.1", 0))
    assert polite.port not in {one.getsockname()[1] for one in others}
    with socket.socket() as one, pytest.raises(OSError):
        one.bind(("127.0.0.1", polite.port))
    for one in others:
        one.close()
    polite.resume()
    assert fetch(polite.url + "/").status == 403


def test_whoever_hangs_is_dropped_when_the_mode_changes(polite):
    polite.set_mode("hang")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(send, signed(polite, "PUT", body=b"bytes"))
        polite.wait_for(1, method="PUT")
        polite.set_mode("up")
        with pytest.raises(GONE):
            future.result(5)
    assert polite.objects == {}


def test_forgetting_keeps_the_objects_unless_asked(double):
    double.put(KEY, b"bytes")
    double.on(s3.denied(), times=None)
    double.set_mode("slow_down")
    double.clock_shift, double.may_list, double.page_size = 9999, False, 1
    double.keys = {}
    fetch(double.url + "/")
    double.forget()
    assert (double.asked(), double.complaints, double.mode) == ([], [], "up")
    assert send(signed(double)).body == b"bytes"
    assert send(signed(double, key="nothing")).status == 404
    double.forget(objects=True)
    assert double.objects == {}


def test_forgetting_ends_what_is_under_way_and_nothing_else(polite):
    polite.put(KEY, b"bytes")
    target = presigned(polite).removeprefix(polite.url)
    idle = http.client.HTTPConnection("127.0.0.1", polite.port, timeout=5 * SLOWNESS)
    idle.request("GET", target)
    assert idle.getresponse().read() == b"bytes"
    request = signed(polite, "PUT", "half", b"bytes")
    lines = "\r\n".join(f"{n}: {v}" for n, v in request.headers.items())
    with socket.create_connection(("127.0.0.1", polite.port), 5) as link:
        link.sendall((f"PUT /{polite.bucket}/half HTTP/1.1\r\nHost: "
                      f"127.0.0.1:{polite.port}\r\n{lines}\r\n\r\n"
                      "byt").encode())
        polite.wait_for(1, method="PUT")
        polite.forget()
        assert read_to_end(link) == b""
    idle.request("GET", target)
    assert idle.getresponse().read() == b"bytes"
    idle.close()
    assert list(polite.objects) == [KEY]
    assert [one.nth for one in polite.asked()] == [2]


def test_a_closed_double_leaves_no_thread_and_no_port():
    double = S3Double()
    double.on(s3.stall("accept"))
    link = socket.create_connection(("127.0.0.1", double.port), 5)
    double.rules[0].wait_taken()
    double.close()
    assert read_to_end(link) == b""
    link.close()
    wait_until(lambda: not double.links, "the end of its connections")
    assert not double.thread.is_alive()
    # Somebody else may have the port by now: ask the sockets, not it.
    assert (double.listener, double.holder.fileno()) == (None, -1)


def test_fetch_follows_no_redirect(polite):
    polite.on(s3.reply(307, "TemporaryRedirect",
                       headers={"Location": "http://127.0.0.1:1/"}))
    reply = send(signed(polite))
    assert reply.status == 307
    assert reply.headers["location"] == "http://127.0.0.1:1/"

# -------------------------------------------------------------- throughput


def test_sixteen_connections_with_large_bodies_are_no_trouble(polite):
    bodies = [bytes([i]) * 1_500_000 for i in range(16)]
    requests = [signed(polite, "PUT", f"large/{i}", bodies[i])
                for i in range(16)]
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for _ in range(2):
            replies = list(pool.map(send, requests))
            assert {one.status for one in replies} == {200}
            urls = [presigned(polite, key=f"large/{i}") for i in range(16)]
            assert [one.body for one in pool.map(fetch, urls)] == bodies
    assert time.monotonic() - began < 20
    assert polite.changed == []


def test_a_kept_connection_serves_hundreds_of_requests_a_second(polite):
    polite.put(KEY, b"bytes")
    target = presigned(polite).removeprefix(polite.url)
    link = http.client.HTTPConnection("127.0.0.1", polite.port, timeout=5 * SLOWNESS)
    began = time.monotonic()
    for _ in range(500):
        link.request("GET", target)
        assert link.getresponse().read() == b"bytes"
    link.close()
    assert time.monotonic() - began < 5
