//! Frames on a stream: a big-endian u32 length, then that many bytes. Must
//! never allocate for a length it has not checked.

use std::io;

use bytes::Bytes;
use futures::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::FRAME_BYTES_MAX;

/// Frames up to this many bytes are copied together into one write.
const GATHER_BYTES: usize = 256 * 1024;

/// Writes frames and flushes.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), frames: &[Bytes]) -> io::Result<()> {
    let mut gathered =
        Vec::with_capacity(GATHER_BYTES.min(frames.iter().map(|frame| frame.len().saturating_add(4)).sum()));
    for frame in frames {
        let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        gathered.extend_from_slice(&length.to_be_bytes());
        if frame.len() > GATHER_BYTES {
            stream.write_all(&gathered).await?;
            gathered.clear();
            stream.write_all(frame).await?;
        } else {
            gathered.extend_from_slice(frame);
        }
    }
    stream.write_all(&gathered).await?;
    stream.flush().await
}

/// Reads the length of the next frame; none at the stream's end.
pub(super) async fn read_length(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<usize>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > FRAME_BYTES_MAX {
        let reason = format!("a frame of {length} bytes; at most {FRAME_BYTES_MAX} are allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    Ok(Some(length))
}

/// Reads the bytes of a frame whose length was checked.
pub(super) async fn read_body(stream: &mut (impl AsyncRead + Unpin), length: usize) -> io::Result<Bytes> {
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_back_what_was_written() {
        let frames = [Bytes::new(), Bytes::from_static(b"abc"), vec![7; GATHER_BYTES + 1].into()];
        let mut wire = Vec::new();
        write(&mut wire, &frames).await.unwrap();
        let mut input = futures::io::Cursor::new(wire);
        for frame in &frames {
            let length = read_length(&mut input).await.unwrap().unwrap();
            assert_eq!(read_body(&mut input, length).await.unwrap(), *frame);
        }
        assert_eq!(read_length(&mut input).await.unwrap(), None);
    }

    #[tokio::test]
    async fn refuses_a_length_over_the_bound() {
        let mut input = futures::io::Cursor::new(u32::MAX.to_be_bytes());
        assert!(read_length(&mut input).await.is_err());
    }
}
