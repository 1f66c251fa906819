#!/bin/sh
# The whole environment that a script gets: the meta-variables of RFC 3875 and little else.
# As plain text that no browser takes for a page, since half of it comes from the client.

printf 'Content-Type: text/plain; charset=utf-8\n'
printf 'X-Content-Type-Options: nosniff\n'
printf '\n'
env | LC_ALL=C sort
