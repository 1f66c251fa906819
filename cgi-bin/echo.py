#!/usr/bin/env python3
"""Answers what it was sent, as JSON: the query, and the body of a form or of JSON."""

import json
import os
import sys
from urllib.parse import parse_qs

BODY_MAX = 1024 * 1024


def answer(status, content):
    body = json.dumps(content, ensure_ascii=False, indent=2).encode("utf-8", "replace") + b"\n"
    head = f"Status: {status}\nContent-Type: application/json\nContent-Length: {len(body)}\n\n"
    sys.stdout.buffer.write(head.encode("ascii") + body)
    sys.exit(0)


def read_body():
    """Reads CONTENT_LENGTH bytes: a script must not wait for more (RFC 3875, section 4.2)."""
    length = int(os.environ.get("CONTENT_LENGTH") or 0)
    if length > BODY_MAX:
        answer("413 Content Too Large", {"error": f"The body may have {BODY_MAX} bytes at most."})
    body = sys.stdin.buffer.read(length)
    if len(body) < length:
        answer("400 Bad Request", {"error": "The body ended early."})
    return body


def parse_body(media_type, body):
    try:
        if media_type == "application/x-www-form-urlencoded":
            return parse_qs(body.decode("ascii"), keep_blank_values=True)
        if media_type == "application/json":
            return json.loads(body)
    except (ValueError, RecursionError) as error:
        answer("400 Bad Request", {"error": f"The body is not {media_type}: {error}"})
    answer("415 Unsupported Media Type", {"error": "Send a form, or JSON. Files go to upload.py."})


echo = {
    "method": os.environ["REQUEST_METHOD"],
    "path_info": os.environ.get("PATH_INFO", ""),
    "query": parse_qs(os.environ.get("QUERY_STRING", ""), keep_blank_values=True),
}
body = read_body()
if body:
    media_type = os.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    echo["content_type"] = media_type
    echo["body"] = parse_body(media_type, body)
answer("200 OK", echo)
