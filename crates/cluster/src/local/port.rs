//! Ports of this machine: whether one is free, who has it if not, and whether somebody listens there.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use tokio::net::TcpStream;

/// How long somebody who listens may take to accept.
const ACCEPTANCE: Duration = Duration::from_secs(2);

/// Whether a port of 127.0.0.1 is free.
pub fn is_free(port: u16) -> std::io::Result<()> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map(|_| ())
}

/// A port of 127.0.0.1 that is free now.
pub fn any_free() -> std::io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()
        .map(|address| address.port())
}

/// Whether somebody listens at a URL of plain HTTP.
pub async fn answers(url: &str) -> bool {
    let Some(address) = url.strip_prefix("http://") else {
        return false;
    };
    let connected = tokio::time::timeout(ACCEPTANCE, TcpStream::connect(address)).await;
    matches!(connected, Ok(Ok(_)))
}

/// The process of this machine that listens on a port, if the system reports it (Linux, and our own or as root).
#[must_use]
pub fn owner(port: u16) -> Option<String> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| listening_inode(&std::fs::read_to_string(table).ok()?, port).map(str::to_owned))?;
    let socket = format!("socket:[{inode}]");
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(id) = process.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(open) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = |file: &std::fs::DirEntry| {
            std::fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy() == socket)
        };
        if open.flatten().any(|file| holds(&file)) {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some(format!("process {id} ({})", name.trim()));
        }
    }
    None
}

/// The inode of the socket that listens on a port, in a table of the kernel's.
fn listening_inode(table: &str, port: u16) -> Option<&str> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let matches = u16::from_str_radix(local, 16) == Ok(port) && fields.get(3) == Some(&LISTEN);
        if matches { fields.get(9).copied() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_listened_on_is_not_free_and_its_owner_is_found() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(is_free(port).is_err());
        if cfg!(target_os = "linux") {
            assert!(
                owner(port)
                    .unwrap()
                    .starts_with(&format!("process {} (", std::process::id()))
            );
        }
        drop(listener);
        assert!(is_free(port).is_ok());
        assert_ne!(any_free().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_url_answers_where_somebody_listens() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        assert!(answers(&url).await);
        assert!(!answers(&url.replace("http", "https")).await);
        drop(listener);
        assert!(!answers(&url).await);
    }

    #[test]
    fn the_table_of_the_kernel_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
0: 0100007F:11D6 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0\n   \
1: 0100007F:11D7 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100 0 0 10 0\n";
        assert_eq!(listening_inode(table, 4566), Some("4242"));
        assert_eq!(listening_inode(table, 4567), None);
    }
}
