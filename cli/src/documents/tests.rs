use serde_json::json;

use super::*;

fn kinds(text: &str) -> Vec<String> {
    let file = parse(text, "t").unwrap();
    let objects = file.documents.iter().flat_map(Document::objects);
    objects
        .map(|object| object.value["kind"].as_str().unwrap_or_default().to_owned())
        .collect()
}

#[test]
fn documents_and_lists_of_both_formats_are_read_in_order() {
    for (text, expected) in [
        ("kind: A\n---\n# nothing\n---\nkind: B\n", vec!["A", "B"]),
        ("---\nkind: A\n--- # a comment\nkind: B\n...\n", vec!["A", "B"]),
        ("kind: A\n---#c\nkind: B\n---\t\nkind: C\n", vec!["A", "B", "C"]),
        ("--- {kind: A}\n---\r\nkind: B\r\n", vec!["A", "B"]),
        (r#"{"kind": "A"}"#, vec!["A"]),
        (r#"{"kind":"A","t":"\ud83d\\ud83d\ud83d\ude00"}"#, vec!["A"]),
        (
            "{\"kind\":\"A\"}{\"kind\":\"B\"}\n\n{\"kind\":\"C\"}\n",
            vec!["A", "B", "C"],
        ),
        ("{\n\t\"kind\": \"A\"\n}\n---\nkind: B", vec!["A", "B"]),
        ("{kind: A}\n", vec!["A"]),
        ("kind: List\nitems:\n- kind: A\n- kind: B\n", vec!["A", "B"]),
        (r#"{"kind":"PodList","items":[{"kind":"A"}]}"#, vec!["A"]),
        ("kind: AccessList\nspec: {}\n", vec!["AccessList"]),
        ("%YAML 1.1\n---\nkind: A\n", vec!["A"]),
        ("kind: A\n%YAML 1.1\n---\nkind: B\n", vec!["A", "B"]),
        ("null\n---\n~\n---\nkind: A\n", vec!["A"]),
        ("", vec![]),
        ("# nothing\n", vec![]),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
        assert_eq!(
            parse(text, "t").unwrap().text(),
            text,
            "what is not changed stays, to the byte"
        );
    }
}

#[test]
fn a_document_keeps_its_own_text_and_its_place() {
    let file = parse("# why\nkind: A\n---\n---\n\n# B\nkind: B # so\n", "t").unwrap();
    let told: Vec<(&str, &str)> = file
        .documents
        .iter()
        .map(|document| (document.place.as_str(), document.text.as_str()))
        .collect();
    let expected = [
        ("document 1 of t (line 2)", "kind: A\n"),
        ("document 3 of t (line 7)", "kind: B # so\n"),
    ];
    assert_eq!(told, expected);
}

/// kubectl reads YAML 1.1, in which more words mean something than in YAML 1.2.
#[test]
fn texts_that_look_like_something_else_stay_texts() {
    for text in [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "Yes",
        "true",
        "null",
        "~",
        "",
        "1.10",
        "1e3",
        "1e400",
        "0644",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "+1",
        "12:30:45",
        ".inf",
        ".nan",
        "=",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "#a",
        " a",
        "a ",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "{a",
        "[a",
        "'a",
        "\"a",
        "a\nb\n",
        "a\n\n\n",
        "\na",
        " a\n b",
        "a\n \n",
        "a  \nb",
        "a\r\nb",
        "a\tb",
        "\ta",
        "\u{1b}[31m",
        "\u{feff}a",
        "2026-01-02",
        "?",
        ":",
        "---",
        "--- a\nb",
        "...\nb",
    ] {
        let value = json!({ "a": text, text: "a" });
        let yaml = to_yaml(&value).unwrap();
        assert_eq!(parse(&yaml, "t").unwrap().documents[0].value, value, "{yaml}");
        let value = json!({ "a": text });
        let yaml = to_yaml(&value).unwrap();
        let scalar = yaml.trim_start_matches("a:").trim_start();
        let is_quoted = scalar.starts_with(['"', '\'', '|', '>']);
        let means_nothing = ["a\tb", "2026-01-02"].contains(&text);
        assert!(is_quoted || means_nothing, "{yaml}");
    }
}

#[test]
fn a_document_that_has_changed_keeps_its_format() {
    for (text, expected) in [
        (
            "# A\nkind: A # so\n---\nkind: B\n",
            "# A\nkind: X\nmode: 420\n---\nkind: B\n",
        ),
        (
            "--- {kind: A}\n---\nkind: B\n",
            "--- \nkind: X\nmode: 420\n---\nkind: B\n",
        ),
        (
            "kind: A\r\n---\r\nkind: B\r\n",
            "kind: X\r\nmode: 420\r\n---\r\nkind: B\r\n",
        ),
        ("kind: A", "kind: X\nmode: 420\n"),
        (
            "\n{\"n\": 1E3, \"kind\": \"A\"} {\"kind\": \"B\"}",
            "\n{\n  \"kind\": \"X\",\n  \"mode\": 420\n} {\"kind\": \"B\"}",
        ),
    ] {
        let mut file = parse(text, "t").unwrap();
        file.documents[0]
            .rewrite(json!({"kind": "X", "mode": 420}))
            .unwrap();
        assert_eq!(file.text(), expected);
        assert_eq!(kinds(&file.text())[0], "X");
    }
}

#[test]
fn files_become_one_text_that_kubectl_reads() {
    let mark = "\u{feff}";
    for (texts, expected) in [
        (
            vec!["kind: A\n", "kind: B\n"],
            "kind: A\n---\nkind: B\n".to_owned(),
        ),
        (
            vec!["kind: A", "# c\n---\nkind: B"],
            "kind: A\n# c\n---\nkind: B".to_owned(),
        ),
        (
            vec!["# nothing\n", "kind: B\n"],
            "# nothing\n---\nkind: B\n".to_owned(),
        ),
        (
            vec!["a: |\n  x", "kind: B\n"],
            "a: |\n  x\n---\nkind: B\n".to_owned(),
        ),
        (
            vec!["{\"kind\":\"A\"}", "{\"kind\":\"B\"}"],
            "{\"kind\":\"A\"}\n{\"kind\":\"B\"}".to_owned(),
        ),
        (
            vec!["{\"kind\":\"A\\/\"}", "kind: B\n"],
            "---\n{\n  \"kind\": \"A/\"\n}\n---\nkind: B\n".to_owned(),
        ),
        (
            vec!["kind: B\n", "{\"kind\":\"A\"}{\"kind\":\"C\"}"],
            "kind: B\n---\n{\"kind\":\"A\"}\n---\n{\"kind\":\"C\"}\n".to_owned(),
        ),
        (
            vec!["\u{feff}kind: A\n", "\u{feff}kind: B\n"],
            format!("{mark}kind: A\n---\nkind: B\n"),
        ),
    ] {
        let files: Vec<File> = texts
            .iter()
            .map(|text| parse_bytes(text.as_bytes(), "t").unwrap())
            .collect();
        assert_eq!(joined(&files), expected);
    }
}

#[test]
fn what_is_wrong_is_told_with_its_document_and_its_line() {
    for (text, expected) in [
        (
            "kind: A\n---\nkind: [\n",
            "document 2 of app.yaml is not readable: line 3",
        ),
        (
            "kind: A\n---\n---\n# c\n\nkind: [\n",
            "document 3 of app.yaml is not readable: line 6",
        ),
        (
            "---\nkind: A\n---\nkind: A\nb: \t[",
            "document 2 of app.yaml is not readable: line 5",
        ),
        (
            "{\"kind\":\n ",
            "document 1 of app.yaml is not readable: line 2: EOF",
        ),
        (
            "{\"kind\": \"A\"}\n{\"kind\": }",
            "document 1 of app.yaml is not readable: line 2: expected value",
        ),
        (
            "{\"kind\": \"A\"} x",
            "document 1 of app.yaml is not readable: line 1: expected value",
        ),
        (
            "{\"a\": 1e400}",
            "document 1 of app.yaml is not readable: line 1: number out of range",
        ),
    ] {
        let error = parse(text, "app.yaml").unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }
}

#[test]
fn what_deserves_a_look_is_told_with_its_place() {
    let text = "Pulled: x\n---\nkind: A\napiVersion: v1\nkind: B\n...\nkind: C\n";
    let file = parse(text, "t").unwrap();
    let expected = [
        "document 1 of t (line 1) has no kind (it has `Pulled`): kubectl refuses it, and it was not looked into",
        "document 2 of t (line 3): `kind` stands twice in one mapping, again in line 5; the last one wins, as in kubectl",
        "document 2 of t (line 3) ends with `...` in line 6: what stands behind it is not read, by kubectl neither",
    ];
    assert_eq!(file.remarks, expected);
    let file = parse(
        "---\n{\"kind\":\"A\",\"apiVersion\":\"v1\"}{\"kind\":\"B\",\"apiVersion\":\"v1\"}",
        "t",
    )
    .unwrap();
    assert_eq!(
        file.remarks,
        [
            "document 1 of t (line 2) is one of several JSON values behind `---`: kubectl reads only the first of them there"
        ]
    );
    let file = parse_bytes(b"a: 1\nb: \xe4\n", "t").unwrap();
    assert!(
        file.remarks[0].starts_with("t: line 2 is not UTF-8"),
        "{:?}",
        file.remarks
    );
    assert!(
        parse_bytes(b"a\0:\0 \0", "t")
            .unwrap_err()
            .to_string()
            .contains("UTF-16")
    );
}
