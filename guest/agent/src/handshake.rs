//! The lines at the beginning of every session: the host's hello, our answer, and the start of HTTP/2. The stream has
//! no connection identity, so anything else may stand between them and is skipped.

use serde::Serialize;

/// The longest line that can mean something.
const LINE_LIMIT_BYTES: usize = 256;
const PREFACE_LINE: &[u8] = b"PRI * HTTP/2.0\r";

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentInfo {
    pub protocol: u32,
    pub version: &'static str,
    pub boot_id: String,
    pub init: InitKind,
    pub kernel: String,
}

#[derive(Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum InitKind {
    Image,
    Agent,
}

impl AgentInfo {
    pub fn of_this_machine(init: InitKind) -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            protocol: 1,
            version: env!("CARGO_PKG_VERSION"),
            boot_id: boot_id.trim().to_owned(),
            init,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        }
    }
}

#[derive(Debug, PartialEq)]
pub enum Heard {
    Hello {
        nonce: String,
        unix_ms: u64,
    },
    /// The line `PRI * HTTP/2.0`, after at least one hello
    Preface,
    /// The host is done with a machine in floor mode
    Bye,
}

#[derive(Default)]
pub struct Scanner {
    line: Vec<u8>,
    is_too_long: bool,
    has_heard_hello: bool,
}

impl Scanner {
    /// Reads up to the first line that means something; `bytes` is left at what follows it.
    pub fn hear(&mut self, bytes: &mut &[u8]) -> Option<Heard> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.append(&bytes[..end]);
            *bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            let is_too_long = std::mem::take(&mut self.is_too_long);
            if is_too_long {
                continue;
            }
            let heard = self.understand(&line);
            if heard.is_some() {
                return heard;
            }
        }
        self.append(bytes);
        *bytes = &[];
        None
    }

    pub fn hear_all(&mut self, mut bytes: &[u8]) -> Vec<Heard> {
        std::iter::from_fn(|| self.hear(&mut bytes)).collect()
    }

    /// The host hung up: half a line counts no more. A hello does: a port may say that its host is not there after it gave
    /// the first bytes of one that is.
    pub fn forget_line(&mut self) {
        self.line.clear();
        self.is_too_long = false;
    }

    fn append(&mut self, part: &[u8]) {
        if self.line.len() + part.len() > LINE_LIMIT_BYTES {
            self.is_too_long = true;
            self.line.clear();
        } else if !self.is_too_long {
            self.line.extend_from_slice(part);
        }
    }

    fn understand(&mut self, line: &[u8]) -> Option<Heard> {
        if line == PREFACE_LINE && self.has_heard_hello {
            return Some(Heard::Preface);
        }
        // The rest of an earlier session's last line can stand before a hello.
        let text = String::from_utf8_lossy(line);
        if text.trim_end() == "BANGER-BYE" {
            return Some(Heard::Bye);
        }
        let hello = &text[text.rfind("BANGER-HELLO ")?..];
        let mut words = hello.split_ascii_whitespace().skip(1);
        let (nonce, unix_ms) = (words.next()?, words.next()?.parse().ok()?);
        let is_nonce = nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_nonce || words.next().is_some() {
            return None;
        }
        self.has_heard_hello = true;
        Some(Heard::Hello { nonce: nonce.to_owned(), unix_ms })
    }
}

pub fn ready_line(nonce: &str, info: &AgentInfo) -> String {
    let json = serde_json::to_string(info).unwrap_or_default();
    format!("BANGER-READY {nonce} {json}\n")
}

pub fn fail_line(nonce: &str, code: &str, message: &str) -> String {
    // What is left of a line after the words, the nonce, the code and the JSON around them.
    const MESSAGE_LIMIT_BYTES: usize = 140;
    let printable = |c: &char| c.is_ascii() && !c.is_ascii_control() && !matches!(c, '"' | '\\');
    let message: String = message.chars().filter(printable).take(MESSAGE_LIMIT_BYTES).collect();
    let json = serde_json::json!({ "code": code, "message": message });
    format!("BANGER-FAIL {nonce} {json}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: &str = "0123456789abcdef0123456789abcdef";

    fn hello() -> Heard {
        Heard::Hello { nonce: NONCE.to_owned(), unix_ms: 1_763_880_000_000 }
    }

    fn hello_line() -> String {
        format!("BANGER-HELLO {NONCE} 1763880000000\n")
    }

    #[test]
    fn a_hello_and_the_preface_are_heard_and_the_rest_is_left() {
        let mut scanner = Scanner::default();
        let stream = format!("{}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", hello_line());
        let mut bytes = stream.as_bytes();
        assert_eq!(scanner.hear(&mut bytes), Some(hello()));
        assert_eq!(scanner.hear(&mut bytes), Some(Heard::Preface));
        assert_eq!(bytes, b"\r\nSM\r\n\r\n");
    }

    #[test]
    fn a_preface_without_a_hello_is_skipped() {
        assert!(Scanner::default().hear_all(b"PRI * HTTP/2.0\r\n").is_empty());
    }

    #[test]
    fn a_port_that_says_late_that_its_host_is_there_costs_no_session() {
        let mut scanner = Scanner::default();
        assert_eq!(scanner.hear_all(hello_line().as_bytes()), [hello()]);
        scanner.forget_line();
        assert_eq!(scanner.hear_all(b"PRI * HTTP/2.0\r\n"), [Heard::Preface]);
        assert!(scanner.hear_all(&hello_line().as_bytes()[..20]).is_empty());
        scanner.forget_line();
        assert!(scanner.hear_all(&hello_line().as_bytes()[20..]).is_empty());
    }

    #[test]
    fn bytes_may_come_one_at_a_time() {
        let mut scanner = Scanner::default();
        let heard: Vec<Heard> = hello_line().bytes().flat_map(|byte| scanner.hear_all(&[byte])).collect();
        assert_eq!(heard, [hello()]);
    }

    #[test]
    fn garbage_of_any_length_is_skipped() {
        let mut scanner = Scanner::default();
        assert!(scanner.hear_all(&vec![0xff; 100_000]).is_empty());
        assert!(scanner.line.len() <= LINE_LIMIT_BYTES);
        // The line is too long until its end, even if its last part is a hello.
        assert!(scanner.hear_all(hello_line().as_bytes()).is_empty());
        assert!(scanner.hear_all("\n".repeat(17_000).as_bytes()).is_empty());
        assert_eq!(scanner.hear_all(hello_line().as_bytes()), [hello()]);
    }

    #[test]
    fn a_hello_after_half_a_line_is_heard_and_a_wrong_one_is_not() {
        assert_eq!(Scanner::default().hear_all(format!("abc\u{0}{}", hello_line()).as_bytes()), [hello()]);
        for wrong in ["BANGER-HELLO 12 5\n", "BANGER-HELLO\n", "BANGER-HELLO 0123456789abcdef0123456789abcdef x\n"] {
            assert!(Scanner::default().hear_all(wrong.as_bytes()).is_empty());
        }
    }

    #[test]
    fn a_failure_fits_a_line() {
        let line = fail_line(NONCE, "IMAGE_UNREADABLE", &"\"long\n".repeat(500));
        assert!(line.len() <= LINE_LIMIT_BYTES && line.is_ascii());
        assert_eq!(line.matches('\n').count(), 1);
    }
}
