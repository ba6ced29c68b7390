//! WebDriver BiDi (W3C): commands and their answers as JSON over a WebSocket. As much of it as the tests need: one command
//! at a time, and no events.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

/// Longer than any page of these tests takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session with a browser.
pub struct Bidi(Mutex<Connection>);

struct Connection {
    stream: WebSocketStream<TcpStream>,
    last: u64,
}

impl std::fmt::Debug for Bidi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bidi")
    }
}

impl Bidi {
    /// Begins a session with the browser that listens on `port` of this machine.
    pub async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let address = format!("ws://127.0.0.1:{port}/session");
        let (stream, _) = tokio_tungstenite::client_async(address, stream).await.unwrap();
        let bidi = Self(Mutex::new(Connection { stream, last: 0 }));
        // A question of a page stands until the test answers it, as for a person.
        let capabilities = json!({ "alwaysMatch": { "unhandledPromptBehavior": { "default": "ignore" } } });
        bidi.command("session.new", json!({ "capabilities": capabilities })).await.unwrap();
        bidi
    }

    /// The result of a command, or what the browser says against it.
    pub async fn command(&self, method: &str, parameters: Value) -> Result<Value, String> {
        let exchange = async {
            let mut connection = self.0.lock().await;
            connection.last += 1;
            let id = connection.last;
            let command = json!({ "id": id, "method": method, "params": parameters }).to_string();
            connection.stream.send(Message::text(command)).await.map_err(|error| error.to_string())?;
            loop {
                let message = connection.stream.next().await.ok_or("the browser has gone")?;
                let message = message.map_err(|error| error.to_string())?;
                let Message::Text(text) = message else { continue };
                let mut answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
                if answer["id"] != id {
                    continue;
                }
                return match answer["type"].as_str() {
                    Some("success") => Ok(answer["result"].take()),
                    _ => Err(format!("{}: {}", answer["error"], answer["message"])),
                };
            }
        };
        let exchanged = tokio::time::timeout(PATIENCE, exchange).await;
        exchanged.unwrap_or_else(|_| Err(format!("{method} has no answer")))
    }
}
