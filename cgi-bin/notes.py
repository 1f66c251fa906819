#!/usr/bin/env python3
"""A little store of notes, in a database in the temporary folder.

GET     /cgi-bin/notes.py        all notes
POST    /cgi-bin/notes.py        {"text": "..."} makes a new one; 201 with its Location
GET     /cgi-bin/notes.py/ID     one note
DELETE  /cgi-bin/notes.py/ID     removes it; 204
"""

import json
import os
import re
import sqlite3
import sys
import tempfile
from pathlib import Path

TEXT_BYTES_MAX = 4096
NOTES_MAX = 100


class Refusal(Exception):
    """Why the request is not done: a status, a sentence for the client, and further fields."""

    def __init__(self, status, message, **fields):
        super().__init__(message)
        self.status = status
        self.fields = fields


def open_store():
    """Opens the database, in a folder of the server's user: others can write in the temporary folder too."""
    folder = Path(tempfile.gettempdir()) / f"pollux-notes-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise Refusal("500 Internal Server Error", "The folder of notes belongs to somebody else.")
    store = sqlite3.connect(folder / "notes.db")
    store.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    return store


def read_text():
    """Reads a new note. JSON only: a form on somebody else's page cannot send that without being asked first."""
    if os.environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal("415 Unsupported Media Type", "Send application/json.")
    length = int(os.environ.get("CONTENT_LENGTH") or 0)
    if length > TEXT_BYTES_MAX:
        raise Refusal("413 Content Too Large", f"A note may have {TEXT_BYTES_MAX} bytes at most.")
    try:
        text = json.loads(sys.stdin.buffer.read(length))["text"].strip()
        text.encode("utf-8")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        text = ""
    if not text:
        raise Refusal("400 Bad Request", 'Send {"text": "..."}.')
    return text


def handle_all(store, method):
    if method in ("GET", "HEAD"):
        rows = store.execute("SELECT id, text FROM notes ORDER BY id")
        return "200 OK", {}, [{"id": id, "text": text} for id, text in rows]
    if method == "POST":
        text = read_text()
        with store:
            # One statement counts and inserts, so that two requests at once cannot pass the limit.
            id = store.execute(
                "INSERT INTO notes (text) SELECT ? WHERE (SELECT count(*) FROM notes) < ? RETURNING id",
                (text, NOTES_MAX),
            ).fetchone()
        if id is None:
            raise Refusal("507 Insufficient Storage", f"There are {NOTES_MAX} notes. Delete one first.")
        return "201 Created", {"Location": f"{os.environ['SCRIPT_NAME']}/{id[0]}"}, {"id": id[0], "text": text}
    raise Refusal("405 Method Not Allowed", "All notes together take GET and POST.", Allow="GET, HEAD, POST")


def handle_one(store, method, id):
    if method in ("GET", "HEAD"):
        row = store.execute("SELECT text FROM notes WHERE id = ?", (id,)).fetchone()
        if row is not None:
            return "200 OK", {}, {"id": id, "text": row[0]}
    elif method == "DELETE":
        with store:
            if store.execute("DELETE FROM notes WHERE id = ?", (id,)).rowcount == 1:
                return "204 No Content", {}, None
    else:
        raise Refusal("405 Method Not Allowed", "A note takes GET and DELETE.", Allow="GET, HEAD, DELETE")
    raise Refusal("404 Not Found", f"There is no note {id}.")


def handle(method, path_info):
    """Returns the status, further fields, and the content or None."""
    if path_info in ("", "/"):
        return handle_all(open_store(), method)
    if re.fullmatch("/[1-9][0-9]{0,8}", path_info):
        return handle_one(open_store(), method, int(path_info[1:]))
    raise Refusal("404 Not Found", "A note's path is /cgi-bin/notes.py/ID.")


def answer(status, fields, content):
    fields = {"Status": status, **fields, "Cache-Control": "no-store"}
    if content is not None:
        fields["Content-Type"] = "application/json"
    for name, value in fields.items():
        print(f"{name}: {value}")
    print()
    if content is not None:
        print(json.dumps(content, indent=2))


try:
    answer(*handle(os.environ["REQUEST_METHOD"], os.environ.get("PATH_INFO", "")))
except Refusal as refusal:
    answer(refusal.status, refusal.fields, {"error": str(refusal)})
