//! The line protocol between the agent and a PIN window (Assuan, as GnuPG's manual describes it).
//!
//! Lines of at most 1000 bytes; `%`, carriage return and line feed are written as `%XX`. Buffers that may hold a PIN
//! have their full size from the beginning, so that no copy is left behind where they would have grown, and are wiped.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::{Zeroize as _, Zeroizing};

/// The longest line, without its end.
const MAX_LINE: usize = 1000;

/// Why the conversation failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum AssuanError {
    /// The program closed its end or cannot be written to.
    #[error("the conversation broke off: {0}")]
    Broken(#[from] io::Error),
    /// A line that the protocol does not have here, or one that is too long.
    #[error("the conversation does not follow the protocol")]
    Protocol,
    /// `ERR`, with its number.
    #[error("the program answered error {0}")]
    Answered(u32),
}

impl AssuanError {
    /// The cause without the part of GnuPG it arose in (libgpg-error: the low 16 bits).
    pub(super) fn cause(&self) -> Option<u32> {
        match self {
            Self::Answered(number) => Some(number & 0xFFFF),
            _ => None,
        }
    }
}

/// A conversation with a program that speaks Assuan.
pub(super) struct Conversation<R, W> {
    from: R,
    to: W,
    buffer: Zeroizing<Vec<u8>>,
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Conversation<R, W> {
    /// Begins: reads the program's greeting.
    pub(super) async fn begin(from: R, to: W) -> Result<Self, AssuanError> {
        let mut conversation = Self { from, to, buffer: Zeroizing::new(Vec::with_capacity(2 * MAX_LINE)) };
        conversation.answer().await?;
        Ok(conversation)
    }

    /// Sends `command argument`, the argument escaped, and returns the data that came before `OK`.
    pub(super) async fn ask(
        &mut self,
        command: &str,
        argument: &str,
    ) -> Result<Zeroizing<Vec<u8>>, AssuanError> {
        let mut line = String::from(command);
        if !argument.is_empty() {
            line.push(' ');
            escape_into(&mut line, argument);
        }
        if line.len() > MAX_LINE {
            return Err(AssuanError::Protocol);
        }
        line.push('\n');
        self.to.write_all(line.as_bytes()).await?;
        self.to.flush().await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Zeroizing<Vec<u8>>, AssuanError> {
        let mut data = Zeroizing::new(Vec::with_capacity(MAX_LINE));
        loop {
            let line = self.line().await?;
            match line.as_slice() {
                b"OK" | [b'O', b'K', b' ', ..] => return Ok(data),
                [b'D', b' ', escaped @ ..] => unescape_into(&mut data, escaped)?,
                [b'E', b'R', b'R', b' ', rest @ ..] => {
                    let number = rest.split(|b| *b == b' ').next().and_then(|n| std::str::from_utf8(n).ok());
                    return Err(number
                        .and_then(|n| n.parse().ok())
                        .map_or(AssuanError::Protocol, AssuanError::Answered));
                }
                // Comments and status lines say nothing that is needed here.
                [] | [b'#', ..] | [b'S', b' ', ..] => {}
                _ => return Err(AssuanError::Protocol),
            }
        }
    }

    /// The next line. Reads into the one wiped buffer: a buffered reader would keep a copy of its own.
    async fn line(&mut self) -> Result<Zeroizing<Vec<u8>>, AssuanError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line = Zeroizing::new(self.buffer.iter().copied().take(end).collect::<Vec<u8>>());
                let rest = Zeroizing::new(self.buffer.iter().copied().skip(end + 1).collect::<Vec<u8>>());
                self.buffer.as_mut_slice().zeroize();
                self.buffer.clear();
                self.buffer.extend_from_slice(&rest);
                return Ok(line);
            }
            if self.buffer.len() > MAX_LINE {
                return Err(AssuanError::Protocol);
            }
            let mut piece = Zeroizing::new([0; 256]);
            let read = self.from.read(piece.as_mut_slice()).await?;
            if read == 0 {
                return Err(AssuanError::Broken(io::ErrorKind::UnexpectedEof.into()));
            }
            self.buffer.extend(piece.iter().take(read));
        }
    }
}

fn escape_into(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '%' => line.push_str("%25"),
            '\r' => line.push_str("%0D"),
            '\n' => line.push_str("%0A"),
            _ => line.push(c),
        }
    }
}

fn unescape_into(data: &mut Vec<u8>, escaped: &[u8]) -> Result<(), AssuanError> {
    let digit =
        |byte: Option<&u8>| byte.and_then(|b| char::from(*b).to_digit(16)).ok_or(AssuanError::Protocol);
    let mut bytes = escaped.iter();
    while let Some(byte) = bytes.next() {
        let byte = if *byte == b'%' {
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            u8::try_from(high * 16 + low).map_err(|_| AssuanError::Protocol)?
        } else {
            *byte
        };
        // Never beyond the capacity: a vector that grows leaves its content behind.
        if data.len() == data.capacity() {
            return Err(AssuanError::Protocol);
        }
        data.push(byte);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    async fn talk(
        program_says: &str,
        command: &str,
        argument: &str,
    ) -> (Result<Vec<u8>, AssuanError>, String) {
        let (ours, theirs) = duplex(64 * 1024);
        let (mut their_read, mut their_write) = tokio::io::split(theirs);
        their_write.write_all(program_says.as_bytes()).await.unwrap();
        their_write.shutdown().await.unwrap();
        let (read, write) = tokio::io::split(ours);
        let result = match Conversation::begin(read, write).await {
            Ok(mut conversation) => conversation.ask(command, argument).await.map(|data| data.to_vec()),
            Err(error) => Err(error),
        };
        let mut sent = String::new();
        their_read.read_to_string(&mut sent).await.unwrap();
        (result, sent)
    }

    #[tokio::test]
    async fn arguments_are_escaped_and_data_unescaped() {
        let (answer, sent) =
            talk("# hello\nOK Pleased\nS status\nD 12%2534%0A\nOK\n", "SETDESC", "100 %\nde l’hôpital\r")
                .await;
        assert_eq!(answer.unwrap(), b"12%34\n");
        assert_eq!(sent, "SETDESC 100 %25%0Ade l’hôpital%0D\n");
    }

    #[tokio::test]
    async fn an_argument_cannot_bring_in_a_second_command() {
        let (_, sent) = talk("OK\nOK\n", "SETDESC", "x\nGETPIN").await;
        assert_eq!(sent.lines().count(), 1);
    }

    #[tokio::test]
    async fn errors_carry_their_cause() {
        let (answer, _) = talk("OK\nERR 83886179 Operation cancelled <Pinentry>\n", "GETPIN", "").await;
        assert_eq!(answer.unwrap_err().cause(), Some(99));
    }

    #[tokio::test]
    async fn what_does_not_follow_the_protocol_is_an_error() {
        for says in [
            "",
            "HELLO\n",
            "OK\n",
            "OK\nD 1%G0\nOK\n",
            "OK\nD 1%2\nOK\n",
            "OK\nINQUIRE QUALITY x\n",
            "OK\nERR\n",
            &format!("OK\nD {}\nOK\n", "1".repeat(1200)),
            &format!("OK\n{}", "D 12345678\n".repeat(200)),
        ] {
            let (answer, _) = talk(says, "GETPIN", "").await;
            assert!(answer.is_err(), "{says:?}");
        }
        let (answer, sent) = talk("OK\nOK\n", "SETDESC", &"x".repeat(1000)).await;
        assert!(matches!(answer, Err(AssuanError::Protocol)) && sent.is_empty());
    }
}
