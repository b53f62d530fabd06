use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// A response as it came in.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn from_headers(lines: &[String]) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            add(&mut headers, line.as_bytes())?;
        }
        Ok(Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            headers,
            body: Vec::new(),
        })
    }

    /// Reads what `curl -i` prints; of several heads (`100 Continue`, redirects) the last one counts.
    pub(crate) fn parse(input: &[u8]) -> Result<Self, String> {
        let (mut head, mut rest) = head(input);
        while rest.starts_with(b"HTTP/") {
            (head, rest) = self::head(rest);
        }
        let (first, lines) = head.split_first().ok_or("the standard input is empty")?;
        let mut headers = HeaderMap::new();
        for line in lines {
            add(&mut headers, line)?;
        }
        Ok(Self {
            status: status(first)?,
            headers,
            body: rest.to_vec(),
        })
    }
}

/// The lines of a head, and what comes after its empty line. Lines end with CRLF or LF.
fn head(input: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut lines = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let end = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    (lines, rest)
}

/// `HTTP/2 429` or `HTTP/1.1 429 Too Many Requests`.
fn status(line: &[u8]) -> Result<StatusCode, String> {
    let words: Vec<_> = line.split(|b| *b == b' ').collect();
    let code = match words[..] {
        [version, code, ..] if version.starts_with(b"HTTP/") => StatusCode::from_bytes(code).ok(),
        _ => None,
    };
    code.ok_or_else(|| format!("`{}` is no status line", shown(line)))
}

fn add(headers: &mut HeaderMap, line: &[u8]) -> Result<(), String> {
    let wrong = |what: &str| format!("`{}` {what}", shown(line));
    let colon = line.iter().position(|b| *b == b':');
    let colon = colon.ok_or_else(|| wrong("is no header: it has no colon"))?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    let name = HeaderName::from_bytes(name).map_err(|_| wrong("has no valid name"))?;
    let value = HeaderValue::from_bytes(value).map_err(|_| wrong("has no valid value"))?;
    headers.append(name, value);
    Ok(())
}

fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text).chars().take(80).collect()
}
