use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use decnet_tidy::{
    book::{Pages, SUMMARY, dead_links, pages_outside_of_the_summary, workspace_pages},
    workspace_root,
};

use crate::{none, said};

fn pages(pages: &[(&str, &str)]) -> Pages {
    pages
        .iter()
        .map(|(path, text)| ((*path).into(), (*text).into()))
        .collect()
}

#[test]
fn every_page_is_in_the_book() {
    none(&pages_outside_of_the_summary(&workspace_pages()));
}

#[test]
fn a_page_that_is_not_in_the_book_or_twice_in_it_is_a_breach() {
    let summary = "# Summary\n- [A](a.md)\n- [B](more/b.md)\n- [A again](./a.md)\n";
    let pages = pages(&[
        (SUMMARY, summary),
        ("docs/a.md", ""),
        ("docs/more/b.md", ""),
        ("docs/c.md", ""),
        ("README.md", ""),
    ]);
    assert_eq!(
        said(&pages_outside_of_the_summary(&pages)),
        [
            (4, "`./a.md` is listed more than once"),
            (0, "it is not in docs/SUMMARY.md")
        ]
    );
}

#[test]
fn every_link_of_a_page_leads_somewhere() {
    let pages = workspace_pages();
    assert!(pages.len() > 40, "{}", pages.len());
    let root = workspace_root();
    none(&dead_links(&pages, &|path| root.join(path).exists()));
}

#[test]
fn a_link_to_nothing_is_a_breach() {
    let text = "[a](a.md) [b](../b.rs) [c](c.md#a-heading-its-name) [d](#here) [e](https://example.com/x.md)\n\
                # Here\n`[code](nothing.md)` and [`code`](gone.md)\n```text\n[block](nothing.md)\n```\n\
                [f](c.md#nowhere) [g](../../outside.md \"title\") [h](#there)\n";
    let pages = pages(&[
        ("docs/page.md", text),
        ("docs/a.md", ""),
        ("docs/c.md", "## A heading: *its* name\n"),
    ]);
    let breaches = dead_links(&pages, &|path| path == "b.rs");
    assert_eq!(
        said(&breaches),
        [
            (3, "`gone.md` does not exist"),
            (7, "`c.md#nowhere`: docs/c.md has no such heading"),
            (7, "`../../outside.md` does not exist"),
            (7, "`#there`: docs/page.md has no such heading"),
        ]
    );
}

#[test]
fn links_out_of_the_book_lead_to_the_repository() {
    let book = r#"[{"config": {"output": {"html": {"git-repository-url": "https://example.com/decnet"}}}},
        {"items": [{"Chapter": {"path": "decisions/a.md", "sub_items": [],
        "content": "[a](../../README.md#install) [b](../maze-file.md) [c](b.md)"}}]}]"#;
    let mut child = Command::new("python3")
        .arg(workspace_root().join("scripts/book-links"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(book.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("ended");
    let text = String::from_utf8_lossy(&output.stdout);
    let links = "[a](https://example.com/decnet/blob/main/README.md#install) [b](../maze-file.md) [c](b.md)";
    assert!(text.contains(links), "{text}");
}
