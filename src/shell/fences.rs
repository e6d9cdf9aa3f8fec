//! The code blocks of a text that are meant to be run.
//!
//! A small part of CommonMark, enough to agree with what people see rendered: fences of backticks or
//! tildes, closed by at least as many of the same; what stands inside another fence, in a quotation or
//! indented by four is text. A fence may stand in a list item, indented as far as the item's text.
//!
//! In one thing it is stricter: a fence that nobody closed is an error. A renderer takes the rest of the
//! text for code; to run the rest of the text would be reckless.

/// Which program a block is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shell {
    /// `sh` and `shell`.
    Sh,
    /// `bash`: where there is one, it is used.
    Bash,
}

/// A block to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fenced {
    pub(crate) shell: Shell,
    pub(crate) script: String,
}

/// A fence for a shell that is open at the end of the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the sh block that begins in line {line} is not closed")]
pub(crate) struct Unclosed {
    line: usize,
}

struct Open<'a> {
    line: usize,
    mark: char,
    length: usize,
    indent: usize,
    shell: Option<Shell>,
    lines: Vec<&'a str>,
}

/// Returns the blocks of `text` whose info string begins with `sh`, `bash` or `shell`, in order. Blocks
/// with nothing in them are left out.
pub(crate) fn extract(text: &str) -> Result<Vec<Fenced>, Unclosed> {
    let mut found = Vec::new();
    let mut open: Option<Open<'_>> = None;
    // How far the text of the list item is indented that this line may belong to; 0 outside.
    let mut item = 0;
    for (index, line) in text.lines().enumerate() {
        if let Some(fence) = &mut open {
            if closes(line, fence, item) {
                found.extend(finished(fence));
                open = None;
            } else {
                fence.lines.push(without_indent(line, fence.indent));
            }
            continue;
        }
        let mut indent = indent_of(line);
        if indent < item && !line.trim().is_empty() {
            item = 0;
        }
        let mut rest = &line[indent..];
        while let Some(width) = list_marker(rest).filter(|_| indent < item + 4) {
            indent += width;
            rest = &rest[width..];
            item = indent;
        }
        open = (indent < item + 4).then(|| opens(rest, indent, index + 1)).flatten();
    }
    match open {
        Some(Open { line, shell: Some(_), .. }) => Err(Unclosed { line }),
        _ => Ok(found),
    }
}

fn opens(rest: &str, indent: usize, line: usize) -> Option<Open<'_>> {
    let mark = rest.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = rest.chars().take_while(|c| *c == mark).count();
    let info = rest[length..].trim();
    if length < 3 || (mark == '`' && info.contains('`')) {
        return None;
    }
    let word = info.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '+'))).next();
    let shell = match word {
        Some("sh" | "shell") => Some(Shell::Sh),
        Some("bash") => Some(Shell::Bash),
        _ => None,
    };
    Some(Open { line, mark, length, indent, shell, lines: Vec::new() })
}

fn closes(line: &str, fence: &Open<'_>, item: usize) -> bool {
    let rest = line.trim();
    indent_of(line) < item + 4 && rest.len() >= fence.length && rest.chars().all(|c| c == fence.mark)
}

fn finished(fence: &Open<'_>) -> Option<Fenced> {
    let shell = fence.shell?;
    let mut script = fence.lines.join("\n");
    script.push('\n');
    (!script.trim().is_empty()).then_some(Fenced { shell, script })
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Takes away as much of the fence's own indentation as the line has.
fn without_indent(line: &str, indent: usize) -> &str {
    &line[indent_of(line).min(indent)..]
}

/// The width of a list item's marker with the blanks behind it.
fn list_marker(rest: &str) -> Option<usize> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let width = match rest.as_bytes().get(digits)? {
        b'-' | b'*' | b'+' if digits == 0 => 1,
        b'.' | b')' if (1..=9).contains(&digits) => digits + 1,
        _ => return None,
    };
    let blanks = indent_of(&rest[width..]);
    (1..=4).contains(&blanks).then_some(width + blanks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scripts(text: &str) -> Vec<String> {
        extract(text).unwrap().into_iter().map(|fenced| fenced.script).collect()
    }

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(scripts(text), expected, "{text}");
    }

    #[test]
    fn blocks_for_a_shell_are_found_in_order() {
        check(
            "Do:\n```sh\necho a\n```\nthen\n```bash\necho b\n\necho c\n```\n",
            &["echo a\n", "echo b\n\necho c\n"],
        );
        check("```sh\necho a\n```", &["echo a\n"]);
        check("```sh\r\necho a\r\n```\r\n", &["echo a\n"]);
        check("no block", &[]);
        check("", &[]);
        assert_eq!(extract("```bash\nx\n```").unwrap()[0].shell, Shell::Bash);
    }

    #[test]
    fn the_first_word_of_the_info_string_decides() {
        for info in ["sh", " sh", "sh title=x", "shell", "bash", "sh,ignore", "sh{.line}", "sh title=\"a b\""]
        {
            check(&format!("```{info}\nx\n```"), &["x\n"]);
        }
        for info in ["", "rust", "shellcheck", "sh-session", "bashful", "console", "text sh"] {
            check(&format!("```{info}\nx\n```"), &[]);
        }
    }

    #[test]
    fn a_fence_closes_with_as_many_of_the_same() {
        check("~~~sh\n```\nx\n```\n~~~", &["```\nx\n```\n"]);
        check("````sh\n```\n````", &["```\n"]);
        check("```sh\nx\n`````", &["x\n"]);
        check("```sh\nx\n``` y\n```", &["x\n``` y\n"]);
        check("~~~ sh `x`\ny\n~~~", &["y\n"]);
        check("``` sh `x`\ny\n", &[]);
    }

    #[test]
    fn what_stands_in_another_fence_or_a_quotation_is_text() {
        check("````md\n```sh\nrm -rf /\n```\n````\n```sh\nx\n```", &["x\n"]);
        check("> ```sh\n> x\n> ```", &[]);
        check("``sh\nx\n``", &[]);
    }

    #[test]
    fn indentation_follows_the_list_item_and_four_blanks_make_text() {
        check("   ```sh\n   if x; then\n     y\n   fi\n   ```", &["if x; then\n  y\nfi\n"]);
        check("    ```sh\n    x\n    ```", &[]);
        check("10. do\n\n    ```sh\n    x\n    ```\n", &["x\n"]);
        check("- a\n  - b\n    ```sh\n    x\n    ```\n", &["x\n"]);
        check("- ```sh\n  x\n  ```\n", &["x\n"]);
        check("- a\n\nback\n\n    ```sh\n    x\n    ```\n", &[]);
        check("```sh\ncat <<E\n    ```\nE\n```", &["cat <<E\n    ```\nE\n"]);
    }

    #[test]
    fn an_unclosed_block_is_never_run() {
        assert_eq!(extract("a\n```sh\nx\n"), Err(Unclosed { line: 2 }));
        assert_eq!(extract("~~~sh\nx\n```\n"), Err(Unclosed { line: 1 }));
        check("```text\nx\n", &[]);
    }

    #[test]
    fn an_empty_block_is_none() {
        check("```sh\n```\n```sh\n\n```", &[]);
    }
}
