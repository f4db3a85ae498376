"""The model's double refuses what Google refuses, in Google's words."""

import http.client
import json

import pytest

from model_double import GEMINI, IMAGEN, KEY, LITE, ModelDouble


@pytest.fixture
def double():
    """One of its own."""
    one = ModelDouble()
    yield one
    one.close()


def ask(double: ModelDouble, document: dict, model: str = GEMINI,
        **headers: str) -> tuple[int, dict]:
    """One request for a picture: its status and document."""
    verb = "predict" if model == IMAGEN else "generateContent"
    link = http.client.HTTPConnection("127.0.0.1", double.port, timeout=30)
    try:
        link.request(
            "POST", f"/v1beta/models/{model}:{verb}", json.dumps(document),
            {"Content-Type": "application/json", "x-goog-api-key": KEY}
            | headers)
        reply = link.getresponse()
        return reply.status, json.load(reply)
    finally:
        link.close()


def wish(**config) -> dict:
    """A request for a picture."""
    return {"contents": [{"role": "user", "parts": [{"text": "a robot"}]}],
            "generationConfig": {"responseModalities": ["IMAGE"]} | config}


PREDICT = {"instances": [{"prompt": "a robot"}], "parameters": {}}


@pytest.mark.parametrize("document, model, headers, words", [
    (wish(), GEMINI, {"X-Server-Timeout": "9"}, "Manually set deadline 9s is too short. "
     "Minimum allowed deadline is 10s."),
    (PREDICT, IMAGEN, {"X-Server-Timeout": "1"}, "Manually set deadline 1s"),
    (wish(), GEMINI, {"X-Server-Timeout": "soon"}, "X-Server-Timeout"),
    (wish(picture="png"), GEMINI, {}, "Unknown name"),
    (wish(imageConfig={"mimeType": "image/png"}), GEMINI, {}, "Unknown name"),
    (wish(imageConfig={"aspectRatio": "2:1"}), GEMINI, {}, "aspectRatio"),
    (wish(imageConfig={"imageSize": "512"}), GEMINI, {}, "imageSize"),
    (wish(imageConfig={"imageSize": "2K"}), LITE, {}, "imageSize"),
    (wish(thinkingConfig={"thinkingLevel": "LOW"}), GEMINI, {},
     "Thinking level LOW is not supported"),
    (wish(thinkingConfig={"thinkingLevel": "MEDIUM"}), LITE, {},
     "Thinking level MEDIUM is not supported")])
def test_the_double_refuses_what_google_refuses(
        double, document, model, headers, words):
    status, said = ask(double, document, model, **headers)
    assert status == 400, said
    assert len(double.complaints) == 1 and double.paid() == 0
    assert words in said["error"]["message"]
    assert said["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("document, model, headers", [
    (wish(), GEMINI, {"X-Server-Timeout": "10"}),
    (wish(imageConfig={"aspectRatio": "8:1", "imageSize": "4K"}), GEMINI, {}),
    (wish(thinkingConfig={"thinkingLevel": "MEDIUM"}), GEMINI, {}),
    (wish(thinkingConfig={"thinkingLevel": "HIGH"}), LITE, {})])
def test_the_double_takes_what_google_takes(
        double, document, model, headers):
    status, said = ask(double, document, model, **headers)
    assert status == 200 and "candidates" in said, said
