//! Manifests as users write them: files of several documents, YAML or JSON, lists among them. What is read is what kubectl
//! would read, and what is not changed is written again to the byte.

mod encoding;
mod json;
pub mod learn;
mod objects;
mod scalar;
mod split;
mod yaml;

use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio::io::AsyncReadExt;

use self::encoding::{EncodingError, decode};
pub use self::objects::Object;
use self::split::{Part, split};

/// Why manifests cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The file cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its bytes are no text that kubectl reads.
    #[error("{title} cannot be read: {why}")]
    Encoding {
        /// The file.
        title: String,
        /// Why.
        why: EncodingError,
    },
    /// A document of it is neither YAML nor JSON.
    #[error("document {number} of {title} is not readable: line {line}: {why}")]
    Broken {
        /// Counted from 1, empty documents too.
        number: usize,
        /// The file.
        title: String,
        /// The line of the file, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DocumentFormat {
    Yaml,
    Json,
}

/// A document, as it was written and as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Where it stands, for messages.
    pub place: String,
    /// As it was written, without the line that separates it from the one before, and without comments above it.
    pub text: String,
    /// Its content.
    pub value: Value,
    /// What stands between the document before and this one.
    lead: String,
    format: DocumentFormat,
}

/// A file of documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct File {
    /// Its documents; empty ones are left out.
    pub documents: Vec<Document>,
    /// What deserves a look about the file as such, each with its place.
    pub remarks: Vec<String>,
    /// What stands behind its last document.
    tail: String,
}

impl Document {
    /// The objects of the document: those of a list one by one, else itself.
    #[must_use]
    pub fn objects(&self) -> Vec<Object<'_>> {
        objects::of(&self.value)
    }

    /// Changes what is in it, in the format that it is written in. Its comments are lost.
    pub fn rewrite(&mut self, value: Value) -> Result<(), serde_saphyr::ser::Error> {
        if self.format == DocumentFormat::Json {
            self.text = json::changed(&self.text, &self.value, &value);
        } else {
            let is_crlf = self.text.contains("\r\n");
            self.text = to_yaml(&value)?;
            if !self.text.ends_with('\n') {
                self.text.push('\n');
            }
            if is_crlf {
                // A break of lines in YAML is one line feed, however it is written.
                self.text = self.text.replace('\n', "\r\n");
            }
            // What was behind `---` goes below it.
            if self.lead.ends_with([' ', '\t']) {
                self.lead.push('\n');
            }
        }
        self.value = value;
        Ok(())
    }

    /// As a document of YAML among others.
    fn among_yaml(&self) -> String {
        let is_plain = self.format == DocumentFormat::Yaml || !self.text.contains(['\\', '\t']);
        let text = if is_plain {
            self.text.clone()
        } else {
            // YAML 1.1 does not know every escape of JSON; these are written without.
            format!("{:#}", self.value)
        };
        format!("---\n{text}\n")
    }
}

impl File {
    /// Its text, to the byte where no document was changed.
    #[must_use]
    pub fn text(&self) -> String {
        let documents = self
            .documents
            .iter()
            .flat_map(|document| [document.lead.as_str(), document.text.as_str()]);
        documents.chain([self.tail.as_str()]).collect()
    }

    fn is_json(&self) -> bool {
        self.documents
            .first()
            .is_some_and(|first| first.format == DocumentFormat::Json)
    }
}

/// Files as one text that kubectl reads.
#[must_use]
pub fn joined(files: &[File]) -> String {
    if let [one] = files {
        return one.text();
    }
    let said = |file: &&File| !file.documents.is_empty();
    let all_json = files.iter().filter(said).all(File::is_json);
    let mut out = String::new();
    for (index, file) in files.iter().enumerate() {
        if file.is_json() && !all_json {
            out.extend(file.documents.iter().map(Document::among_yaml));
            continue;
        }
        let mut text = file.text();
        if index + 1 < files.len() && !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        // A byte order mark stands at the front, or nowhere.
        let text = match text.strip_prefix(BYTE_ORDER_MARK) {
            Some(rest) if !out.is_empty() => rest,
            _ => text.as_str(),
        };
        if !out.is_empty() && !text.is_empty() && !all_json && !split::begins_with_separator(text) {
            out.push_str("---\n");
        }
        out.push_str(text);
    }
    out
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// An object as YAML.
pub fn to_yaml(object: &Value) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(object)
}

/// Objects of ours as one text.
#[must_use]
pub fn join(texts: &[impl AsRef<str>]) -> String {
    let texts = texts
        .iter()
        .map(|text| format!("---\n{}\n", text.as_ref().trim_end()));
    texts.collect()
}

/// Reads files; `-` is stdin.
pub async fn read(paths: &[PathBuf]) -> Result<Vec<File>, DocumentError> {
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let (title, bytes) = bytes_of(path).await?;
        files.push(parse_bytes(&bytes, &title)?);
    }
    Ok(files)
}

/// The title and the text of a file; `-` is stdin.
pub async fn read_text(path: &Path) -> Result<(String, String), DocumentError> {
    let (title, bytes) = bytes_of(path).await?;
    match decode(&bytes) {
        Ok(decoded) => Ok((title, decoded.text)),
        Err(why) => Err(DocumentError::Encoding { title, why }),
    }
}

async fn bytes_of(path: &Path) -> Result<(String, Vec<u8>), DocumentError> {
    let unreadable = |source| DocumentError::Unreadable {
        path: path.to_owned(),
        source,
    };
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        let mut stdin = tokio::io::stdin();
        stdin.read_to_end(&mut bytes).await.map_err(unreadable)?;
        return Ok(("stdin".to_owned(), bytes));
    }
    let bytes = tokio::fs::read(path).await.map_err(unreadable)?;
    Ok((path.display().to_string(), bytes))
}

fn parse_bytes(bytes: &[u8], title: &str) -> Result<File, DocumentError> {
    let decoded = decode(bytes).map_err(|why| DocumentError::Encoding {
        title: title.to_owned(),
        why,
    })?;
    let mut file = parse(&decoded.text, title)?;
    if let Some(line) = decoded.replaced_in {
        let remark = format!(
            "{title}: line {line} is not UTF-8; what is not is read as U+FFFD, as kubectl reads it: save the file as UTF-8"
        );
        file.remarks.insert(0, remark);
    }
    if decoded.has_mark {
        let first = file
            .documents
            .first_mut()
            .map_or(&mut file.tail, |first| &mut first.lead);
        first.insert(0, BYTE_ORDER_MARK);
    }
    Ok(file)
}

/// Reads a text. Empty documents are left out.
pub fn parse(text: &str, title: &str) -> Result<File, DocumentError> {
    let mut file = File::default();
    for part in split(text) {
        file.tail.push_str(part.lead);
        if !part.says_something() {
            file.tail.push_str(part.body);
            continue;
        }
        let reader = Reader {
            part: &part,
            title,
            number: part.number,
        };
        reader.read(&mut file)?;
    }
    Ok(file)
}

/// Why a text that begins with a bracket is not read as JSON.
enum NotJson {
    /// It is JSON up to a mistake.
    Wrong(DocumentError),
    /// It looks like JSON, and YAML may be able to read it.
    Perhaps(DocumentError),
    /// It does not look like JSON.
    Other,
}

/// Reads the documents between two separators.
struct Reader<'a> {
    part: &'a Part<'a>,
    title: &'a str,
    number: usize,
}

impl Reader<'_> {
    fn read(&self, file: &mut File) -> Result<(), DocumentError> {
        if self.part.body.trim_start().starts_with(['{', '[']) {
            match self.read_json(file) {
                Ok(()) => return Ok(()),
                Err(NotJson::Wrong(error)) => return Err(error),
                // Of a text that begins as JSON, the JSON reader knows better what is wrong.
                Err(NotJson::Perhaps(error)) => return self.read_yaml(file).map_err(|_| error),
                Err(NotJson::Other) => {}
            }
        }
        self.read_yaml(file)
    }

    /// Reads JSON values, one after the other.
    fn read_json(&self, file: &mut File) -> Result<(), NotJson> {
        let body = self.part.body;
        let read_as = json::without_lone_surrogates(body);
        let mut values = serde_json::Deserializer::from_str(&read_as).into_iter::<Value>();
        let (mut read, mut end) = (Vec::new(), 0);
        while let Some(next) = values.next() {
            let value = next.map_err(|error| {
                let text = error.to_string();
                let why = text.split(" at line ").next().unwrap_or_default();
                let begun = body.trim_start().trim_start_matches(['{', '[']).trim_start();
                let broken = self.broken(error.line(), why.to_owned());
                if !read.is_empty() || why == "number out of range" {
                    NotJson::Wrong(broken)
                } else if error.is_eof() || begun.starts_with(['"', '}', ']', '{']) {
                    NotJson::Perhaps(broken)
                } else {
                    NotJson::Other
                }
            })?;
            let text = &body[end..values.byte_offset()];
            let begins = end + text.len() - text.trim_start().len();
            read.push((&body[end..begins], &body[begins..values.byte_offset()], value));
            end = values.byte_offset();
        }
        if read.len() > 1 && !self.part.lead.is_empty() {
            file.remarks.push(format!(
                "{} is one of several JSON values behind `---`: kubectl reads only the first of them there",
                self.place(self.part.line)
            ));
        }
        for (lead, text, value) in read {
            file.tail.push_str(lead);
            let at = text.as_ptr() as usize - body.as_ptr() as usize;
            let line = self.part.line + body[..at].matches('\n').count();
            self.keep(file, text, value, line, DocumentFormat::Json);
        }
        file.tail.push_str(&body[end..]);
        Ok(())
    }

    fn read_yaml(&self, file: &mut File) -> Result<(), DocumentError> {
        let (comments, text) = self.part.without_comments();
        let (document, rest) = split::end_of_document(text);
        let line = self.part.line + comments.matches('\n').count();
        let read = yaml::read(document)
            .or_else(|error| match split::without_directives(document) {
                shorter if shorter.len() < document.len() => yaml::read(shorter),
                _ => Err(error),
            })
            .map_err(|error| {
                let within = comments.matches('\n').count();
                self.broken(within + error.line, error.why)
            })?;
        file.tail.push_str(comments);
        for (within, key) in read.twice {
            let key = key.escape_debug();
            file.remarks.push(format!(
                "{}: `{key}` stands twice in one mapping, again in line {}; the last one wins, as in kubectl",
                self.place(line),
                line + within - 1
            ));
        }
        if split::says_something(rest) {
            let end = line + document.matches('\n').count();
            file.remarks.push(format!(
                "{} ends with `...` in line {end}: what stands behind it is not read, by kubectl neither",
                self.place(line)
            ));
        }
        self.keep(file, text, read.value, line, DocumentFormat::Yaml);
        Ok(())
    }

    fn keep(&self, file: &mut File, text: &str, value: Value, line: usize, format: DocumentFormat) {
        if value.is_null() {
            file.tail.push_str(text);
            return;
        }
        let place = self.place(line);
        file.remarks.extend(objects::remark(&value, &place));
        file.documents.push(Document {
            place,
            text: text.to_owned(),
            value,
            lead: std::mem::take(&mut file.tail),
            format,
        });
    }

    fn place(&self, line: usize) -> String {
        format!("document {} of {} (line {line})", self.number, self.title)
    }

    /// `line` is relative to the first line of the part.
    fn broken(&self, line: usize, why: String) -> DocumentError {
        DocumentError::Broken {
            number: self.number,
            title: self.title.to_owned(),
            line: self.part.line + line.saturating_sub(1),
            why,
        }
    }
}

#[cfg(test)]
mod tests;
