#!/bin/sh
# Writes as many NUL bytes as its query says.
printf 'Content-Type: application/octet-stream\n\n'
exec head -c "${QUERY_STRING}" /dev/zero
