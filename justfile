# What CI runs
check:
    .ci/run

# The same without the demo and without installing anything: for between two edits
quick:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test

# See it run
demo:
    cargo run --release -- run --demo
