//! The exec shim as a program of its own, for the tests of this room.

fn main() {
    let arguments = std::env::args_os().skip(1).collect::<Vec<_>>();
    match arguments.split_first() {
        Some((verb, rest)) if verb == gastown_pty::exec::VERB => gastown_pty::exec_shim(rest.to_vec()),
        _ => {
            eprintln!("pty-shim: starts programs for the tests of gastown-pty; nothing else");
            std::process::exit(2);
        }
    }
}
