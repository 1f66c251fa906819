#!/bin/sh
# Writes the header that its query asks for, `|` for the end of a line, then its content.
printf '%s' "$QUERY_STRING" | tr '|' '\n'
printf '\n\ncontent'
