// SPDX-License-Identifier: GPL-2.0

//! The lines of a trace file, decompressed by a thread of their own.

use anyhow::{bail, Context};
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use memchr::memrchr;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, SyncSender},
        Arc,
    },
    thread,
};

/// Bytes that are read, decompressed and handed over at once.
const PIECE: usize = 1 << 20;

/// Pieces that may wait for the parser.
const QUEUE: usize = 4;

/// A trace being read.
pub struct Source {
    pieces: Receiver<io::Result<Vec<u8>>>,
    taken: Arc<AtomicU64>,
    length: u64,
    plain: bool,
}

/// Counts what is read through it.
struct Counted<R> {
    inner: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        // ORDERING: Relaxed: for a progress bar. CAST: A length fits into 64 bits.
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

impl Source {
    /// Opens a trace: plain, gzip or xz by its first bytes, or standard input if the name is `-`.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let (file, length): (Box<dyn Read + Send>, u64) = if path.as_os_str() == "-" {
            (Box::new(io::stdin()), 0)
        } else {
            let file = File::open(path).with_context(|| path.display().to_string())?;
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            (Box::new(file), length)
        };
        Ok(Self {
            length,
            ..Self::of(file, u64::MAX).with_context(|| path.display().to_string())?
        })
    }

    /// Reads a trace of which at most so many bytes are text.
    pub fn of(input: impl Read + Send + 'static, most: u64) -> anyhow::Result<Self> {
        let taken = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            inner: input,
            taken: Arc::clone(&taken),
        };
        let mut reader = BufReader::with_capacity(PIECE, counted);
        let start = reader.fill_buf()?;
        let mut plain = false;
        let text: Box<dyn Read + Send> = match start {
            [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(reader)),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(XzDecoder::new_multi_decoder(reader)),
            [b'P', b'E', b'R', b'F', b'I', b'L', b'E', ..] => {
                bail!("binary data of perf: make text of it with 'perf script -i FILE'")
            }
            [0x17, 0x08, 0x44, ..] => {
                bail!("binary data of trace-cmd: make text of it with 'trace-cmd report FILE'")
            }
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [b'B', b'Z', b'h', ..] => {
                bail!("compressed in a way that quarry cannot read: use gzip, xz or none")
            }
            _ => {
                plain = true;
                Box::new(reader)
            }
        };
        let (sender, pieces) = mpsc::sync_channel(QUEUE);
        thread::spawn(move || pump(text.take(most), &sender));
        Ok(Self {
            pieces,
            taken,
            length: 0,
            plain,
        })
    }

    /// Returns whether the file holds the text itself.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// Returns the bytes of the file, or 0 if that is not known.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Calls `each` with every line, without its end, and `progress` now and then with the bytes of
    /// the file that have been taken.
    pub fn for_each_line(
        self,
        mut each: impl FnMut(&[u8]),
        mut progress: impl FnMut(u64),
    ) -> io::Result<()> {
        for piece in self.pieces {
            let piece = piece?;
            let text = piece.strip_suffix(b"\n").unwrap_or(&piece);
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', text) {
                each(&text[start..end]);
                start = end + 1;
            }
            each(&text[start..]);
            // ORDERING: Relaxed: for a progress bar.
            progress(self.taken.load(Ordering::Relaxed));
        }
        Ok(())
    }
}

/// Sends `text` in pieces of whole lines, none of which is empty.
fn pump(mut text: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) {
    let mut rest: Vec<u8> = Vec::new();
    loop {
        let mut piece = std::mem::take(&mut rest);
        piece.reserve(PIECE);
        // CAST: A constant.
        match (&mut text).take(PIECE as u64).read_to_end(&mut piece) {
            Ok(0) => {
                if !piece.is_empty() {
                    let _ = sender.send(Ok(piece));
                }
                return;
            }
            Ok(_) => {}
            Err(error) => {
                let _ = sender.send(Err(error));
                return;
            }
        }
        match memrchr(b'\n', &piece) {
            Some(end) => {
                rest.extend_from_slice(&piece[end + 1..]);
                piece.truncate(end + 1);
                if sender.send(Ok(piece)).is_err() {
                    return;
                }
            }
            None => rest = piece,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{write::GzEncoder, Compression};
    use liblzma::write::XzEncoder;
    use std::{fs, io::Write};

    /// Returns the lines of a file with those contents.
    fn lines(name: &str, contents: &[u8]) -> anyhow::Result<Vec<String>> {
        let path =
            std::env::temp_dir().join(format!("quarry-source-{}-{name}", std::process::id()));
        fs::write(&path, contents)?;
        let source = Source::open(&path);
        fs::remove_file(&path)?;
        let mut lines = Vec::new();
        source?.for_each_line(
            |line| lines.push(String::from_utf8_lossy(line).into_owned()),
            |_| {},
        )?;
        Ok(lines)
    }

    #[test]
    fn plain_gzip_and_xz_give_the_same_lines() {
        let text = b"one\n\nthree\nno end";
        let expected = ["one", "", "three", "no end"];
        assert_eq!(lines("plain", text).unwrap(), expected);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text).unwrap();
        assert_eq!(lines("gzip", &gzip.finish().unwrap()).unwrap(), expected);
        let mut xz = XzEncoder::new(Vec::new(), 1);
        xz.write_all(text).unwrap();
        assert_eq!(lines("xz", &xz.finish().unwrap()).unwrap(), expected);
    }

    #[test]
    fn lines_across_pieces_stay_whole() {
        let line = "x".repeat(700);
        let text = format!("{line}\n").repeat(PIECE / 300);
        let lines = lines("long", text.as_bytes()).unwrap();
        assert_eq!(lines.len(), PIECE / 300);
        assert!(lines.iter().all(|held| *held == line));
    }

    #[test]
    fn an_empty_file_has_no_lines() {
        assert!(lines("empty", b"").unwrap().is_empty());
    }

    #[test]
    fn a_cut_off_archive_is_an_error() {
        let mut xz = XzEncoder::new(Vec::new(), 1);
        xz.write_all(&b"line\n".repeat(10_000)).unwrap();
        let whole = xz.finish().unwrap();
        assert!(lines("cut", &whole[..whole.len() / 2]).is_err());
    }

    #[test]
    fn binary_formats_are_refused_with_a_way_out() {
        let error = lines("perf", b"PERFILE2........").unwrap_err();
        assert!(format!("{error:#}").contains("perf script"));
    }
}
