//! Where a peer listens, as operators write it: `host:port`, or a multiaddr.
//! Names are looked up anew for each dial.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::Deserialize;

/// The address of a node.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Address {
    /// A multiaddr such as `/ip4/192.0.2.7/tcp/7440`.
    Multi(Multiaddr),
    /// A name or IP address and a port.
    Host(String, u16),
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address: write host:port, or a multiaddr such as /ip4/192.0.2.7/tcp/7440")]
pub struct AddressError(String);

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.into());
        if text.starts_with('/') {
            return text.parse().map(Self::Multi).map_err(|_| wrong());
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host_ok = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
        if host.is_empty() || !host.bytes().all(host_ok) {
            return Err(wrong());
        }
        Ok(Self::Host(host.into(), port.parse().map_err(|_| wrong())?))
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Multi(Multiaddr::empty().with(address.ip().into()).with(Protocol::Tcp(address.port())))
    }
}

impl From<Multiaddr> for Address {
    fn from(address: Multiaddr) -> Self {
        Self::Multi(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Multi(address) => address.fmt(f),
            Self::Host(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

impl Address {
    /// The multiaddrs it stands for now; none if the name is unknown.
    pub async fn resolve(&self) -> Vec<Multiaddr> {
        match self {
            Self::Multi(address) => vec![address.clone()],
            Self::Host(host, port) => match tokio::net::lookup_host((host.as_str(), *port)).await {
                Ok(found) => found
                    .map(|address| Multiaddr::empty().with(address.ip().into()).with(Protocol::Tcp(address.port())))
                    .collect(),
                Err(error) => {
                    tracing::debug!(%host, %error, "a peer's name cannot be looked up");
                    Vec::new()
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_forms_and_refuses_others() {
        for text in ["/ip4/127.0.0.1/tcp/7440", "zab.example.de:7440"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("[::1]:80".parse::<Address>().unwrap().to_string(), "/ip6/::1/tcp/80");
        for text in ["", "host", "host:", "host:70000", "/ip4/999.0.0.1/tcp/1", "a b:1"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_becomes_an_ip_address() {
        let found = "localhost:7".parse::<Address>().unwrap().resolve().await;
        assert!(!found.is_empty() && found.iter().all(|address| address.to_string().ends_with("/tcp/7")));
    }
}
