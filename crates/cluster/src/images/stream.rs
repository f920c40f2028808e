//! Bridges between the streams of the network and the readers and writers of archives, which block.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;

use crate::docker::Feed;

/// How many pieces may wait for the slower side.
const WAITING: usize = 16;

/// A stream as a reader, for a thread that may block.
pub(super) struct Incoming {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    rest: Bytes,
}

/// Reads a stream; the task that feeds the reader ends with it.
pub(super) fn reader(mut feed: Feed) -> Incoming {
    let (sender, pieces) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        while let Some(piece) = feed.next().await {
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    });
    Incoming {
        pieces,
        rest: Bytes::new(),
    }
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = piece?,
                None => return Ok(0),
            }
        }
        let count = into.len().min(self.rest.len());
        self.rest.copy_to_slice(&mut into[..count]);
        Ok(count)
    }
}

/// A writer, for a thread that may block, whose bytes come out of a stream.
pub(super) struct Outgoing(mpsc::Sender<io::Result<Bytes>>);

/// What is written by a thread, as a stream; an error of the thread ends the stream with it.
pub(super) fn written(write: impl FnOnce(&mut Outgoing) -> io::Result<()> + Send + 'static) -> Feed {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::task::spawn_blocking(move || {
        let mut outgoing = Outgoing(sender);
        if let Err(error) = write(&mut outgoing) {
            // A receiver that is gone has its own reason.
            let _ = outgoing.0.blocking_send(Err(error));
        }
    });
    stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    })
    .boxed()
}

impl Write for Outgoing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
