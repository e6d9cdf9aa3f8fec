//! The six beads of the demonstration: what the `shell` agent is to do, in `sh`.
//!
//! The blocks may be run again after a crash, and again after a rejection; the agent undoes what a cut
//! off block left, and commits what each one changed.

use model::ids::BeadId;

/// A bead in the making.
pub(super) struct Piece {
    pub(super) title: &'static str,
    pub(super) description: String,
}

fn piece(title: &'static str, why: &str, script: &str) -> Piece {
    Piece { title, description: format!("{why}\n\n```sh\n{}\n```\n", script.trim_matches('\n')) }
}

/// The first of two that write at the same place. `other` is the second.
pub(super) fn evening(other: &BeadId) -> Piece {
    timetable("Add the evening boat to the timetable", "20:15 north-pier", other)
}

/// The second of them.
pub(super) fn night(other: &BeadId) -> Piece {
    timetable("Add the night boat to the timetable", "23:30 old-harbour", other)
}

/// Both begin on the same commit of main, whichever is quicker: each waits until the branch of the
/// other is there. So the one that lands second cannot be merged as it is, and is done again on top of
/// the first. (When the other has landed before we looked, ours began on the same commit all the same.)
fn timetable(title: &'static str, line: &str, other: &BeadId) -> Piece {
    piece(
        title,
        &format!(
            "Add the line `{line}` at the end of `timetable.txt`. Bead {other} adds another one there: \
             both have to stay."
        ),
        &format!(
            r#"
if [ "$GASTOWN_REWORK" != conflict ]; then
    tries=0
    until git show-ref | grep -q '/{other}$' || gt bead show {other} --json | grep -q '"status": *"closed"'
    do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || break
        sleep 1
    done
fi
grep -q '^{line}$' timetable.txt || echo '{line}' >> timetable.txt
"#
        ),
    )
}

/// The one whose first attempt does not pass the gate, and which reads in the gate's output why.
pub(super) fn fare() -> Piece {
    piece(
        "Tell the fare to the island",
        "Add the zone `island` to `fares.txt`. It costs four fifty.",
        r#"
if [ "$GASTOWN_REWORK" = gate ]; then
    # The gate names the price that it cannot read, and says how it wants it.
    wrong=$(sed -n 's/.*island: \([^ ]*\) is no price.*/\1/p' "$GASTOWN_FEEDBACK" | head -n 1)
    right=$(printf '%s' "$wrong" | tr , .)
    sed "s/^island $wrong\$/island $right/" fares.txt > fares.new
    mv fares.new fares.txt
else
    grep -q '^island ' fares.txt || echo 'island 4,50' >> fares.txt
fi
"#,
    )
}

/// Those that nothing stands in the way of.
pub(super) fn plain() -> [Piece; 3] {
    [
        piece(
            "Say in the README who answers questions",
            "People ask where to write to. Add it to the README.",
            r#"
cat >> README.md <<'END'

## Questions

The harbour master answers them, on weekdays until noon.
END
"#,
        ),
        piece(
            "Describe the piers",
            "One page, `docs/piers.md`, with a line for each pier of the timetable.",
            r#"
mkdir -p docs
{
    echo '# Piers'
    echo
    cut -d ' ' -f 2 timetable.txt | sort -u | while read -r pier; do
        echo "- $pier"
    done
} > docs/piers.md
"#,
        ),
        piece(
            "Print the next boat",
            "`sh next.sh 09:00` prints the first boat after nine.",
            r#"
cat > next.sh <<'END'
#!/bin/sh
# Prints the first boat after the time given, for instance: sh next.sh 09:00
set -eu
now=$(printf '%s' "$1" | tr -d :)
while read -r time pier; do
    if [ "$(printf '%s' "$time" | tr -d :)" -gt "$now" ]; then
        printf '%s  %s\n' "$time" "$pier"
        exit 0
    fi
done < timetable.txt
END
test "$(sh next.sh 09:00)" = '09:15  north-pier'
"#,
        ),
    ]
}
