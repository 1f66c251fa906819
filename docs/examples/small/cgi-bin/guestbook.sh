#!/bin/sh
# POST a line of text, GET all of them. Appends of one short line each do not mix.
set -eu
book=guestbook.txt
case $REQUEST_METHOD in
POST)
  head -c 200 | tr -d '\000-\037' >>"$book"
  echo >>"$book"
  printf 'Status: 303 See Other\nLocation: %s\n\n' "$SCRIPT_NAME"
  ;;
GET | HEAD)
  printf 'Content-Type: text/plain; charset=utf-8\n\n'
  if [ -e "$book" ]; then cat "$book"; fi
  ;;
*)
  printf 'Status: 405 Method Not Allowed\nAllow: GET, HEAD, POST\n\n'
  ;;
esac
