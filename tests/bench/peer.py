"""The peer: the same redirect by FastAPI and boto3, run by uvicorn.

    BUCKET=... ENDPOINT=http://... uvicorn peer:app --workers 2

/signed/ID signs a URL; /checked/ID asks the bucket first whether it is there.
"""

import os

import boto3
import botocore.config
import botocore.exceptions
import fastapi
import fastapi.responses

BUCKET = os.environ["BUCKET"]
PREFIX = "character_references"

app = fastapi.FastAPI()
s3 = boto3.client(
    "s3", endpoint_url=os.environ["ENDPOINT"],
    config=botocore.config.Config(
        signature_version="s3v4", s3={"addressing_style": "path"},
        max_pool_connections=32))


def redirect(key):
    """302 to a URL signed for an hour."""
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": BUCKET, "Key": key}, ExpiresIn=3600)
    return fastapi.responses.RedirectResponse(url, status_code=302)


@app.get("/signed/{image_id}")
def signed(image_id: str):
    """Without a look."""
    return redirect(f"{PREFIX}/{image_id}.png")


@app.get("/checked/{image_id}")
def checked(image_id: str):
    """With one HEAD."""
    key = f"{PREFIX}/{image_id}.png"
    try:
        s3.head_object(Bucket=BUCKET, Key=key)
    except botocore.exceptions.ClientError as why:
        raise fastapi.HTTPException(404, "no such image") from why
    return redirect(key)
