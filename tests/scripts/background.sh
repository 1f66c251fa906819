#!/bin/sh
# Leaves a child that holds its standard output open.
printf 'Content-Type: text/plain\n\n'
sleep 600 &
printf '%s' "$!"
