//! The ranges that addresses come from, and what speaks against one of IPv6.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{Ipv6Range, NetworkConfig, NetworkError, addresses, ipv6, links::Links};

/// A range of addresses, and the bridge's own in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) net: IpNet,
    pub(crate) gateway: IpAddr,
}

impl Range {
    pub(crate) fn new(net: IpNet) -> Result<Self, NetworkError> {
        let gateway = addresses::gateway(net).ok_or(NetworkError::RangeTooSmall { range: net })?;
        Ok(Self { net, gateway })
    }

    /// The bridge's address with the range's prefix.
    pub(crate) fn address(self) -> Option<IpNet> {
        IpNet::new(self.gateway, self.net.prefix_len()).ok()
    }

    /// That nobody can have an address of it here.
    fn lacks_ipv6<T>(self, reason: &'static str) -> Result<T, NetworkError> {
        let range = self.net;
        Err(NetworkError::NoIpv6 { range, reason })
    }

    /// Nobody but the bridge may use it.
    pub(crate) async fn check_free(self, links: &Links, bridge: &str) -> Result<(), NetworkError> {
        match links.user_of(self.net, bridge).await? {
            Some(by) => Err(NetworkError::RangeInUse { range: self.net, by }),
            None => Ok(()),
        }
    }
}

/// All ranges that a bridge can have from an agent with this configuration, or with this range of IPv4 at least: that of
/// IPv6 that nobody chose is known as well if none is wanted now.
pub(crate) fn own_ranges(config: &NetworkConfig) -> impl Iterator<Item = Range> {
    let given = match config.subnet_ipv6 {
        Ipv6Range::Given(net) => Some(IpNet::from(net)),
        Ipv6Range::Automatic | Ipv6Range::None => None,
    };
    let automatic = addresses::automatic(&config.bridge, config.subnet);
    let ranges = [Some(config.subnet.into()), Some(automatic.into()), given];
    ranges.into_iter().flatten().filter_map(|net| Range::new(net).ok())
}

/// The range of IPv6, if there is to be one and nothing speaks against it.
pub(crate) async fn ipv6_range(links: &Links, config: &NetworkConfig) -> Result<Option<Range>, NetworkError> {
    let net = match config.subnet_ipv6 {
        Ipv6Range::None => return Ok(None),
        Ipv6Range::Given(net) => net,
        Ipv6Range::Automatic => addresses::automatic(&config.bridge, config.subnet),
    };
    let checked = async {
        let range = Range::new(net.into())?;
        if !ipv6::is_there() {
            return range.lacks_ipv6("the kernel was started without IPv6");
        }
        range.check_free(links, &config.bridge).await?;
        Ok(range)
    };
    unless_given(config, checked.await)
}

/// Gives the bridge its address of IPv6, where the machine's settings admit one or it was asked for.
pub(crate) async fn join_ipv6(
    links: &Links,
    config: &NetworkConfig,
    bridge: u32,
    range: Option<Range>,
) -> Result<Option<Range>, NetworkError> {
    let name = &config.bridge;
    if ipv6::is_there()
        && let Err(error) = ipv6::distrust_routers(name)
    {
        tracing::warn!(%error, bridge = %name, "a pod could claim to be this machine's router");
    }
    let Some(range) = range else {
        return Ok(None);
    };
    let joined = async {
        if config.subnet_ipv6 != Ipv6Range::Automatic {
            ipv6::enable(name)?;
        } else if !ipv6::is_enabled(name)? {
            return range
                .lacks_ipv6("net.ipv6.conf.default.disable_ipv6 switches IPv6 off on this machine's new interfaces");
        }
        links.address(bridge, range.gateway, range.net.prefix_len()).await?;
        Ok(range)
    };
    unless_given(config, joined.await)
}

/// A range that nobody asked for is done without if it cannot be had.
fn unless_given(config: &NetworkConfig, range: Result<Range, NetworkError>) -> Result<Option<Range>, NetworkError> {
    match range {
        Ok(range) => Ok(Some(range)),
        Err(error) if config.subnet_ipv6 != Ipv6Range::Automatic => Err(error),
        Err(error) => {
            tracing::warn!(%error, "pods get no address of IPv6");
            Ok(None)
        }
    }
}
