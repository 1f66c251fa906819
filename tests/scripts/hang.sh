#!/bin/sh
# Never answers, and has a child that does not either.
sleep 600 &
sleep 600
