#!/usr/bin/env python3
"""Takes files from a form (multipart/form-data, RFC 7578) and answers name, size and SHA-256 of each.

The body is read a piece at a time, so that a file of any size costs no memory. Nothing is kept. A script that keeps files
gives them names of its own, in a folder that no route serves.
"""

import hashlib
import json
import os
import re
import sys
from email.message import Message
from email.parser import HeaderParser

PIECE = 64 * 1024
HEAD_MAX = 16 * 1024
PARTS_MAX = 100


class BadBody(Exception):
    """The body is not the form that its Content-Type promises."""


class FormReader:
    """Reads the parts of a multipart body, one after the other."""

    def __init__(self, stream, boundary):
        self.stream = stream
        self.delimiter = b"--" + boundary

    def content(self):
        """Yields the content up to the next boundary; returns whether another part follows it.

        A boundary stands at the beginning of a line, and the line break before it belongs to it (RFC 2046, section
        5.1.1). So two bytes are held back until it is known what follows them.
        """
        held = b""
        while line := self.stream.readline(PIECE):
            if held in (b"", b"\r\n") and line.startswith(self.delimiter):
                if end := re.fullmatch(rb"(--)?[ \t]*(\r\n)?", line[len(self.delimiter):]):
                    return end[1] is None
            data = held + line
            yield data[:-2]
            held = data[-2:]
        raise BadBody("the last boundary is missing")

    def head(self):
        """Reads a part's header."""
        lines = b""
        while line := self.stream.readline(HEAD_MAX):
            lines += line
            if len(lines) > HEAD_MAX:
                raise BadBody("the header of a part is too long")
            if line == b"\r\n":
                return HeaderParser().parsestr(lines.decode("utf-8", "replace"))
        raise BadBody("the header of a part is incomplete")


def measure(pieces):
    """Drains `pieces`; returns size, SHA-256, and what the generator returned."""
    size, digest = 0, hashlib.sha256()
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            return size, digest.hexdigest(), end.value
        size += len(piece)
        digest.update(piece)


def read_files(stream, boundary):
    form = FormReader(stream, boundary)
    files = []
    *_, more = measure(form.content())  # what stands before the first boundary is no part
    for _ in range(PARTS_MAX):
        if not more:
            return files
        name = form.head().get_filename()
        size, digest, more = measure(form.content())
        if name is not None:
            files.append({"name": name, "bytes": size, "sha256": digest})
    raise BadBody(f"it has more than {PARTS_MAX} parts")


def answer(status, content):
    body = json.dumps(content, indent=2).encode("ascii") + b"\n"
    head = f"Status: {status}\nContent-Type: application/json\nContent-Length: {len(body)}\n\n"
    sys.stdout.buffer.write(head.encode("ascii") + body)


def main():
    content_type = Message()
    content_type["Content-Type"] = os.environ.get("CONTENT_TYPE", "")
    boundary = content_type.get_boundary()
    if content_type.get_content_type() != "multipart/form-data" or not boundary:
        return answer("415 Unsupported Media Type", {"error": "Send multipart/form-data, as a form with a file does."})
    try:
        answer("200 OK", {"files": read_files(sys.stdin.buffer, boundary.encode("utf-8"))})
    except BadBody as error:
        answer("400 Bad Request", {"error": str(error)})


main()
