//! The living town as the socket sees it.

use actors::attachment::{AttachPiece, Attachment};
use actors::switchboard::Switchboard;
use actors::tools::Tools;
use ledger::Store;
use model::answer::Answer;
use model::command::{Command, Origin};
use model::refusal::Refusal;

use crate::socket::{Look, Seat, Shown, Town};

/// The handles that the socket needs.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    tools: Tools,
    switchboard: Switchboard,
}

impl Front {
    pub(crate) fn new(tools: Tools, switchboard: Switchboard) -> Self {
        Self { tools, switchboard }
    }
}

impl Town for Front {
    type Seat = Attachment;

    fn origin_of_token(&self, token: &str) -> Option<Origin> {
        self.tools.keys.origin(token)
    }

    fn origin_of_process(&self, pid: u32, parent: &dyn Fn(u32) -> Option<u32>) -> Option<Origin> {
        self.tools.keys.origin_of_process(pid, parent)
    }

    fn store(&self) -> &Store {
        &self.tools.store
    }

    async fn ask(&self, origin: Origin, command: Command) -> Result<Answer, Refusal> {
        self.switchboard.ask(origin, command).await
    }

    async fn attach(&self, origin: &Origin, agent: &str, look: Look) -> Result<Attachment, Refusal> {
        let Look { read_only, take, rows, cols } = look;
        self.switchboard.attach(origin, agent, read_only, take, rows, cols).await
    }
}

impl Seat for Attachment {
    async fn next(&mut self) -> Option<Shown> {
        Attachment::next(self).await.map(|piece| match piece {
            AttachPiece::Bytes(bytes) => Shown::Bytes(bytes),
            AttachPiece::Size { rows, cols } => Shown::Size { rows, cols },
            AttachPiece::Notice(text) => Shown::Notice(text),
            AttachPiece::Exited(how) => Shown::Exited(how),
        })
    }

    async fn type_in(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        Attachment::type_in(self, bytes).await
    }

    fn resize(&mut self, rows: u16, cols: u16) {
        Attachment::resize(self, rows, cols);
    }
}
