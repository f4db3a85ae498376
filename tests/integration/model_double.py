"""The image model's stand-in: Google's wire format, and its bad days.

It is strict: a request that Google would refuse gets 400 and is kept in
`complaints`, which a test's end asserts to be empty.  It keeps every request
and every picture it ever gave, so that a test can say how often the model
was asked (each time may cost money) and whose bytes lie in the store.

What it answers is a queue of behaviours, one taken by each connection; with
an empty queue it draws what is asked.  Questions about models (GET), and HEAD
of `/`, are no calls: they stand in `looks`, and `about` answers the former.
"""

import base64
import dataclasses
import json
import pathlib
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from email.utils import formatdate

import pictures
from slowness import SLOWNESS

KEY = "test-key-5f1d0e7a"
IMAGEN = "imagen-4.0-generate-001"
GEMINI = "gemini-nano-banana-2.1"
LITE = "gemini-3.1-flash-lite-image"
GOOGLE = "generativelanguage.googleapis.com"
ABOUT = re.compile(r"/v1beta/models/([a-z0-9.-]+)\Z")
PATH = re.compile(r"/v1beta/models/([a-z0-9.-]+):(predict|generateContent)\Z")
SHORTEST_S = 10  # X-Server-Timeout
RATIOS = {"1:1", "3:4", "4:3", "9:16", "16:9"}  # of Imagen
COMMON_RATIOS = RATIOS | {"2:3", "3:2", "4:5", "5:4", "21:9"}
WIDE_RATIOS = COMMON_RATIOS | {"1:4", "4:1", "1:8", "8:1"}
# What each family of Gemini's image models takes, by the begin of the name:
# aspect ratios, image sizes, thinking levels.
FAMILIES = (
    ("gemini-nano-banana-2.1", WIDE_RATIOS, {"1K", "2K", "4K"},
     {"MINIMAL", "MEDIUM", "HIGH"}),
    ("gemini-3.1-flash-lite-image", WIDE_RATIOS, set(),
     {"MINIMAL", "HIGH"}),
    ("gemini-3.1-flash-image", WIDE_RATIOS, {"1K", "2K", "4K"},
     {"MINIMAL", "HIGH"}),
    ("gemini-3-pro-image", COMMON_RATIOS, {"1K", "2K", "4K"}, set()),
    ("gemini-", COMMON_RATIOS, set(), set()),
)
HARMS = {"HARM_CATEGORY_HARASSMENT", "HARM_CATEGORY_HATE_SPEECH",
         "HARM_CATEGORY_SEXUALLY_EXPLICIT", "HARM_CATEGORY_DANGEROUS_CONTENT",
         "HARM_CATEGORY_CIVIC_INTEGRITY"}
THRESHOLDS = {"BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE",
              "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF"}


class Refused(Exception):
    """What Google would answer 400 to."""


@dataclasses.dataclass
class Call:
    """One request as it came, and the way to answer it."""

    double: "ModelDouble"
    link: socket.socket
    model: str = ""
    verb: str = ""
    headers: dict = dataclasses.field(default_factory=dict)
    document: dict = dataclasses.field(default_factory=dict)
    at: float = 0.0

    @property
    def count(self) -> int:
        """Images that this one call asks for."""
        if self.verb == "generateContent":
            return 1
        return self.document["parameters"].get("sampleCount", 4)

    @property
    def prompt(self) -> str:
        """The text the picture is to be made from."""
        if self.verb == "predict":
            return self.document["instances"][0]["prompt"]
        return self.document["contents"][0]["parts"][0]["text"]

    def send(self, status: int, body: bytes, kind="application/json",
             **headers: str):
        """One whole HTTP reply."""
        self.link.sendall(head(status, len(body), kind, headers) + body)

    def send_json(self, status: int, document, **headers: str):
        """One whole JSON reply."""
        self.send(status, json.dumps(document).encode(), **headers)

    def give(self, *images: tuple[bytes, str], more: list | None = None):
        """A 200 with these images in the dialect that was spoken."""
        parts = [coded(data, kind, self.verb) for data, kind in images]
        self.double.gave(data for data, _ in images)
        if self.verb == "predict":
            return self.send_json(200, {"predictions": parts + (more or [])})
        content = {"role": "model", "parts": parts}
        return self.send_json(200, {
            "candidates": [{"content": content, "finishReason": "STOP",
                            "index": 0}],
            "usageMetadata": {"promptTokenCount": 20},
            "modelVersion": self.model, "responseId": "r1"})


def head(status: int, size: int, kind: str, headers: dict) -> bytes:
    """Status line and headers of a reply."""
    lines = [f"HTTP/1.1 {status} Told So", f"Content-Type: {kind}",
             f"Content-Length: {size}", "Connection: close"]
    lines += [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def coded(data: bytes, kind: str, verb: str) -> dict:
    """An image as a prediction, or as a part of a candidate's content."""
    text = base64.b64encode(data).decode()
    if verb == "predict":
        return {"mimeType": kind, "bytesBase64Encoded": text}
    return {"inlineData": {"mimeType": kind, "data": text}}


def problem(status: int, word: str, message: str, *details: dict) -> dict:
    """Google's error envelope (google.rpc.Status)."""
    return {"error": {"code": status, "message": message, "status": word,
                      "details": list(details)}}


Behaviour = Callable[[Call], None]

# ---------------------------------------------------------------- behaviours


def draw(delay: float = 0.0, make=pictures.png) -> Behaviour:
    """As many new pictures as are asked for, after a while."""
    def act(call: Call):
        time.sleep(delay)
        call.give(*((make(), "image/png") for _ in range(call.count)))
    return act


def images(*given: bytes, kind: str = "image/png") -> Behaviour:
    """Exactly these bytes, said to be of that kind."""
    return lambda call: call.give(*((data, kind) for data in given))


def filtered(keep: int, apiece: bool = False) -> Behaviour:
    """Imagen's partial filter: `keep` pictures, and why there are no more.

    Google has used one element for all that are missing, and (apiece) one
    for each.
    """
    def act(call: Call):
        lost = call.count - keep
        words = "All images were filtered out because they violated usage " \
            "guidelines. Support codes: 39322892" if keep == 0 else \
            f"Your current safety filter threshold filtered out {lost} " \
            "generated images. You will not be charged for blocked images."
        why = [{"raiFilteredReason": words}] * (lost if apiece else 1)
        call.give(*((pictures.png(), "image/png") for _ in range(keep)),
                  more=why)
    return act


def candidate(finish: str, *parts: dict, message: str = "") -> Behaviour:
    """Gemini's 200 with that finishReason and those parts."""
    def act(call: Call):
        one: dict = {"finishReason": finish, "index": 0}
        if parts:
            one["content"] = {"role": "model", "parts": list(parts)}
        if message:
            one["finishMessage"] = message
        call.send_json(200, {"candidates": [one]})
    return act


def prompt_feedback(reason: str) -> Behaviour:
    """Gemini's 200 without candidates."""
    return json_reply(200, {"promptFeedback": {"blockReason": reason}})


def json_reply(status: int, document, **headers: str) -> Behaviour:
    """Any document."""
    return lambda call: call.send_json(status, document, **headers)


def raw_reply(status: int, body: bytes, kind="application/json") -> Behaviour:
    """Any bytes as the body."""
    return lambda call: call.send(status, body, kind)


def refuse(status: int, word: str, message: str = "No.", *details: dict,
           **headers: str) -> Behaviour:
    """An error in Google's envelope."""
    return json_reply(status, problem(status, word, message, *details),
                      **headers)


def too_many(retry: str | None = "1s", per_day: bool = False,
             **headers: str) -> Behaviour:
    """429, with RetryInfo (or not), of the minute's or the day's quota."""
    quota = "GenerateRequestsPerDay" if per_day else "RequestsPerMinute"
    details = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure",
                "violations": [{"quotaMetric": "m", "quotaId": quota}]}]
    if retry:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo",
                        "retryDelay": retry})
    return refuse(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", *details,
                  **headers)


def free_tier(retry: str = "34.074s", limit: str = ", limit: 0",
              tier: str = "-FreeTier") -> Behaviour:
    """429 of a project without billing; it asks for seconds all the same."""
    asked = "generativelanguage.googleapis.com/generate_content_free_tier_"
    quotas = [("requests", "GenerateRequestsPerDayPerProjectPerModel"),
              ("requests", "GenerateRequestsPerMinutePerProjectPerModel"),
              ("input_token_count",
               "GenerateContentInputTokensPerModelPerMinute")]
    lines = [f"* Quota exceeded for metric: {asked}{metric}{limit}, "
             f"model: {GEMINI}" for metric, _ in quotas]
    return refuse(
        429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please "
        "check your plan and billing details. \n" + "\n".join(lines) +
        f"\nPlease retry in {retry}.",
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
         "violations": [{"quotaMetric": asked + metric, "quotaId": name + tier}
                        for metric, name in quotas]},
        {"@type": "type.googleapis.com/google.rpc.Help",
         "links": [{"description": "Learn more about Gemini API quotas",
                    "url": "https://ai.google.dev/gemini-api/docs/"}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo",
         "retryDelay": retry})


def no_credits() -> Behaviour:
    """429 of a project whose prepaid credits are used up: no details."""
    return refuse(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are "
                  "depleted. Please go to AI Studio at "
                  "https://ai.studio/projects to manage your project.")


def spending_cap() -> Behaviour:
    """429 of a project that has reached its owner's monthly limit."""
    return refuse(429, "RESOURCE_EXHAUSTED", "Your project has exceeded its "
                  "monthly spending cap. Please go to AI Studio at "
                  "https://ai.studio/spend to manage it.")


def unavailable(**headers: str) -> Behaviour:
    """503, with Retry_After="1" if wished."""
    return refuse(503, "UNAVAILABLE", "The model is overloaded.", **headers)


def described(call: Call):
    """What models.get says of a model: it is there, and draws."""
    verb = "predict" if call.model.startswith("imagen-") \
        else "generateContent"
    call.send_json(200, {
        "name": f"models/{call.model}", "version": "001",
        "displayName": call.model, "inputTokenLimit": 480,
        "outputTokenLimit": 8192,
        "supportedGenerationMethods": [verb, "countTokens"]})


def no_such_model() -> Behaviour:
    """What a model that was shut down answers."""
    return refuse(404, "NOT_FOUND", "models/X is not found for API version "
                  "v1beta, or is not supported for predict.")


def blocked_prompt() -> Behaviour:
    """Imagen's 400 for a prompt it does not like."""
    return refuse(400, "INVALID_ARGUMENT", "Image generation failed with the "
                  "following error: The prompt could not be submitted. This "
                  "prompt contains sensitive words that violate Google's "
                  "Responsible AI practices. Support codes: 42876398")


def bad_key() -> Behaviour:
    """Google says 400 to a bad key, and repeats the key."""
    return refuse(400, "INVALID_ARGUMENT", "API key not valid. Please pass a "
                  "valid API key.", {
                      "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                      "reason": "API_KEY_INVALID"},
                  {"@type": "type.googleapis.com/google.rpc.DebugInfo",
                   "detail": "Invalid API key: " + KEY})


def cut_off(share: float = 0.5) -> Behaviour:
    """A reply that ends before its Content-Length."""
    def act(call: Call):
        body = json.dumps({"predictions": [coded(
            pictures.png(64, 64), "image/png", call.verb)]}).encode()
        call.link.sendall(head(200, len(body), "application/json", {})
                          + body[:int(len(body) * share)])
    return act


def hang_up() -> Behaviour:
    """Closes after the request was read: paid for, perhaps."""
    return lambda call: None


def reset() -> Behaviour:
    """The same with a TCP reset."""
    def act(call: Call):
        call.link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
    return act


def drip(seconds: float = 30.0) -> Behaviour:
    """A byte of the reply now and then."""
    def act(call: Call):
        call.link.sendall(head(200, 10000, "application/json", {}))
        end = time.monotonic() + seconds
        while time.monotonic() < end and not call.double.closing.wait(0.05):
            call.link.sendall(b" ")
    return act


def silence(seconds: float = 30.0) -> Behaviour:
    """No reply at all for so long."""
    return lambda call: call.double.closing.wait(seconds) and None


def huge(size: int = 100 << 20) -> Behaviour:
    """A body of so many bytes, which only a fool would keep."""
    def act(call: Call):
        call.link.sendall(head(200, size, "application/json", {}))
        block = b'"' + b"A" * 65535
        for _ in range(0, size, len(block)):
            call.link.sendall(block)
    return act


def early_close(call: Call):
    """Closes without reading anything; see ModelDouble.script."""


early_close.early = True  # type: ignore[attr-defined]

# --------------------------------------------------------------- strictness


def need(truth: bool, why: str):
    """Refuses the request unless this holds."""
    if not truth:
        raise Refused(why)


def only(document, allowed: set[str], where: str):
    """Refuses members that are not documented."""
    need(isinstance(document, dict), f"{where} is not an object")
    extra = set(document) - allowed
    need(not extra, f'Unknown name "{extra}" at {where}')


def one_of(value, allowed, where: str):
    """Refuses values that are not documented; None is absence."""
    need(value is None or value in allowed, f"{where}: {value!r}")


def whole(value, low: int, high: int, where: str):
    """Refuses what is not an integer in the range; None is absence."""
    ok = type(value) is int and low <= value <= high
    need(value is None or ok, f"{where}: {value!r}")


def check_imagen(document):
    """The documented fields of :predict."""
    only(document, {"instances", "parameters", "labels"}, "document")
    instances = document.get("instances")
    need(isinstance(instances, list) and len(instances) == 1, "instances")
    only(instances[0], {"prompt"}, "instances[0]")
    prompt = instances[0].get("prompt")
    need(isinstance(prompt, str) and prompt.strip() != "", "prompt")
    p = document.get("parameters", {})
    only(p, {"sampleCount", "aspectRatio", "personGeneration",
             "sampleImageSize", "safetySetting", "includeRaiReason",
             "includeSafetyAttributes", "outputOptions", "language",
             "guidanceScale", "negativePrompt", "seed", "addWatermark",
             "enhancePrompt"}, "parameters")
    whole(p.get("sampleCount"), 1, 4, "sampleCount")
    one_of(p.get("aspectRatio"), RATIOS, "aspectRatio")
    one_of(p.get("personGeneration"),
           {"dont_allow", "allow_adult", "allow_all"}, "personGeneration")
    one_of(p.get("sampleImageSize"), {"1K", "2K"}, "sampleImageSize")
    one_of(p.get("safetySetting"),
           {"block_low_and_above", "block_medium_and_above",
            "block_only_high", "block_none"}, "safetySetting")
    for flag in ("includeRaiReason", "includeSafetyAttributes",
                 "addWatermark", "enhancePrompt"):
        need(isinstance(p.get(flag, False), bool), flag)
    need(isinstance(p.get("negativePrompt", ""), str), "negativePrompt")
    whole(p.get("seed"), 0, 2**32 - 1, "seed")
    need("seed" not in p or p.get("addWatermark") is False,
         "seed is only supported when addWatermark is false")
    options = p.get("outputOptions", {})
    only(options, {"mimeType", "compressionQuality"}, "outputOptions")
    one_of(options.get("mimeType"), {"image/png", "image/jpeg"}, "mimeType")
    whole(options.get("compressionQuality"), 0, 100, "compressionQuality")


def check_timeout(value: str | None):
    """Google gives no request less than ten seconds."""
    if value is None:
        return
    need(re.fullmatch(r"[0-9]{1,6}", value) is not None,
         f"X-Server-Timeout: {value!r}")
    need(int(value) >= SHORTEST_S,
         f"Manually set deadline {value}s is too short. Minimum allowed "
         f"deadline is {SHORTEST_S}s.")


def check_gemini(document, model: str):
    """The documented fields of :generateContent for pictures."""
    ratios, sizes, levels = next(
        rest for begin, *rest in FAMILIES if model.startswith(begin))
    only(document, {"contents", "generationConfig", "safetySettings"},
         "document")
    contents = document.get("contents")
    need(isinstance(contents, list) and len(contents) == 1, "contents")
    only(contents[0], {"role", "parts"}, "contents[0]")
    one_of(contents[0].get("role"), {"user"}, "role")
    parts = contents[0].get("parts")
    need(isinstance(parts, list) and parts != [], "parts")
    only(parts[0], {"text"}, "parts[0]")
    text = parts[0].get("text")
    need(isinstance(text, str) and text.strip() != "", "text")
    g = document.get("generationConfig", {})
    only(g, {"responseModalities", "imageConfig", "thinkingConfig", "seed"},
         "generationConfig")
    modalities = g.get("responseModalities")
    need(modalities in (["IMAGE"], ["TEXT", "IMAGE"], ["IMAGE", "TEXT"]),
         "responseModalities")
    whole(g.get("seed"), -2**31, 2**31 - 1, "seed")
    image = g.get("imageConfig", {})
    only(image, {"aspectRatio", "imageSize"}, "imageConfig")
    one_of(image.get("aspectRatio"), ratios, "aspectRatio")
    one_of(image.get("imageSize"), sizes, "imageSize")
    thinking = g.get("thinkingConfig", {})
    only(thinking, {"thinkingLevel"}, "thinkingConfig")
    level = thinking.get("thinkingLevel")
    need(level is None or level in levels,
         f"Thinking level {level} is not supported for this model.")
    for setting in document.get("safetySettings", []):
        only(setting, {"category", "threshold"}, "safetySettings")
        need(setting.get("category") in HARMS, "category")
        need(setting.get("threshold") in THRESHOLDS, "threshold")


# ------------------------------------------------------------------- server


def read_request(link: socket.socket) -> tuple[str, dict, bytes]:
    """Request line, headers (lower case), body; raises Refused or OSError."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = link.recv(1 << 16)
        if not piece:
            raise ConnectionError("closed inside the headers")
        got += piece
        need(got[:1].isupper(), "not HTTP")
    top, _, body = got.partition(b"\r\n\r\n")
    line, *fields = top.decode("latin-1").split("\r\n")
    headers = {}
    for field in fields:
        name, _, value = field.partition(":")
        need(name.lower() not in headers, f"header twice: {name}")
        headers[name.lower()] = value.strip()
    need("transfer-encoding" not in headers, "chunked")
    bodiless = line.startswith(("GET ", "HEAD "))
    size = int(headers.get("content-length", "0" if bodiless else "-1"))
    need(size == 0 or not bodiless, "a body")
    need(size >= 0, "no Content-Length")
    while len(body) < size:
        piece = link.recv(1 << 16)
        if not piece:
            raise ConnectionError("closed inside the body")
        body += piece
    need(len(body) == size, "body over its Content-Length")
    return line, headers, body


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.server.double.serve(self.request)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that goes away in the middle is nothing to print."""


class _UnixServer(_Server):
    address_family = socket.AF_UNIX

    def server_bind(self):
        """A path has no port that could be looked up."""
        self.socket.bind(self.server_address)


class ModelDouble:
    """A server on a port of the kernel's choice; see the module's words."""

    def __init__(self):
        self.lock = threading.Lock()
        self.queue: list[Behaviour] = []
        self.otherwise: Behaviour = draw()
        self.gone: set[str] = set()
        self.calls: list[Call] = []
        self.connections = 0
        self.looks: list[Call] = []
        self.about: Behaviour | None = None
        self.complaints: list[str] = []
        self.given: list[bytes] = []
        self.closing = threading.Event()
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.double = self
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        self.doors = [self.server]

    def open_socket(self, path: pathlib.Path) -> str:
        """Listens on a unix socket, too, for IMAGE_SOCKET."""
        server = _UnixServer(str(path), _Handler)
        server.double = self
        threading.Thread(target=server.serve_forever, args=(0.05,),
                         daemon=True).start()
        self.doors.append(server)
        return str(path)

    def script(self, *behaviours: Behaviour):
        """What the next connections get, one behaviour each."""
        with self.lock:
            self.queue = list(behaviours)

    def gave(self, given):
        """Keeps what was given, for comparing with the store."""
        with self.lock:
            self.given.extend(given)

    def paid(self) -> int:
        """How many requests have come so far."""
        with self.lock:
            return len(self.calls)

    def forget(self):
        """As new for the next test, but for what it ever gave."""
        with self.lock:
            self.queue, self.otherwise, self.gone = [], draw(), set()
            self.calls, self.complaints = [], []
            self.looks, self.about = [], None
            self.connections = 0

    def wait_for_calls(self, n: int, deadline: float = 10.0):
        """Returns once n requests have come; fails if they do not."""
        end = time.monotonic() + deadline * SLOWNESS
        while self.paid() < n:
            assert time.monotonic() < end, f"{self.paid()} of {n} calls"
            time.sleep(0.005)

    def close(self):
        """Stops listening and lets every sleeper go."""
        self.closing.set()
        for server in self.doors:
            server.shutdown()
            server.server_close()

    def serve(self, link: socket.socket):
        """One connection."""
        behaviour = self._next()
        link.settimeout(30)
        if getattr(behaviour, "early", False):
            return
        call = Call(self, link, at=time.monotonic())
        try:
            self._read(call)
        except Refused as why:
            self._complain(call, str(why))
            return
        if call.verb in ("GET", "HEAD"):
            self._tell(call)
            return
        with self.lock:
            self.calls.append(call)
            gone = call.model in self.gone
        (no_such_model() if gone else behaviour)(call)

    def _tell(self, call: Call):
        """What costs nothing: a model's description, or a look at `/`."""
        with self.lock:
            self.looks.append(call)
            gone = call.model in self.gone
        if call.verb == "HEAD":
            call.link.sendall(head(404, 0, "text/html", {"Date": formatdate(
                usegmt=True)}))
        elif call.headers.get("x-goog-api-key") != KEY:
            bad_key()(call)
        elif gone:
            no_such_model()(call)
        else:
            (self.about or described)(call)

    def _next(self) -> Behaviour:
        with self.lock:
            self.connections += 1
            return self.queue.pop(0) if self.queue else self.otherwise

    @staticmethod
    def _read(call: Call):
        line, call.headers, body = read_request(call.link)
        method, path, version = line.split(" ")
        if method in ("GET", "HEAD"):
            match = ABOUT.match(path)
            need(version == "HTTP/1.1" and (match or path == "/"), line)
            need((method == "GET") == (match is not None), line)
            need(match or "x-goog-api-key" not in call.headers,
                 "the key, where nobody asked for it")
            call.verb, call.model = method, match[1] if match else ""
            return
        match = PATH.match(path)
        need(method == "POST" and version == "HTTP/1.1", line)
        need(match is not None, path)
        call.model, call.verb = match[1], match[2]
        need((call.verb == "predict") == call.model.startswith("imagen-"),
             path)
        need(call.headers.get("content-type") == "application/json",
             "content-type")
        need(call.headers.get("x-goog-api-key") == KEY, "key")
        need("authorization" not in call.headers, "authorization")
        try:
            call.document = json.loads(body.decode())
        except ValueError as why:
            raise Refused(f"not JSON: {why}") from why
        check_timeout(call.headers.get("x-server-timeout"))
        if call.verb == "predict":
            check_imagen(call.document)
        else:
            check_gemini(call.document, call.model)

    def _complain(self, call: Call, why: str):
        with self.lock:
            self.complaints.append(why)
        call.send_json(400, problem(400, "INVALID_ARGUMENT", why))
