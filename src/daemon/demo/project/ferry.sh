#!/bin/sh
# Prints the timetable, or with the name of a zone the fare to it.
set -eu
if [ $# -eq 0 ]; then
    while read -r time pier; do
        printf '%s  %s\n' "$time" "$pier"
    done < timetable.txt
else
    while read -r zone price; do
        [ "$zone" != "$1" ] || printf '%s\n' "$price"
    done < fares.txt
fi
