#!/bin/sh
# What must pass before anything lands. Needs nothing but a shell.
bad=0
wrong() {
    printf '%s\n' "$*"
    bad=1
}

for script in *.sh; do
    sh -n "$script" || wrong "$script: the shell cannot read it"
done

while read -r time pier rest; do
    case $time in
        [0-2][0-9]:[0-5][0-9]) ;;
        *) wrong "timetable.txt: $time is no time (write it as 07:30)" ;;
    esac
    if [ -z "$pier" ] || [ -n "$rest" ]; then
        wrong "timetable.txt: the line of $time must be a time and a pier"
    fi
done < timetable.txt

while read -r zone price rest; do
    case $price in
        [0-9].[0-9][0-9] | [0-9][0-9].[0-9][0-9]) ;;
        *) wrong "fares.txt: $zone: $price is no price (write it as 3.20)" ;;
    esac
done < fares.txt

[ "$bad" -eq 0 ] && printf 'all is well\n'
exit "$bad"
