//! Interfaces, addresses and routes, by netlink.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt;
use ipnet::IpNet;
use rtnetlink::{
    Handle, LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection,
    packet_route::{
        address::{AddressAttribute, AddressHeaderFlags},
        link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
        route::{RouteAddress, RouteAttribute},
    },
};
use tokio::task::AbortHandle;

use crate::{NetworkError, ipv6, network::Given, owner::Found};

/// A connection to the kernel, in the namespace of the thread that opened it.
pub(crate) struct Links {
    handle: Handle,
    connection: AbortHandle,
}

impl Drop for Links {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Links {
    pub(crate) fn open() -> Result<Self, NetworkError> {
        let (connection, handle, _) = new_connection().map_err(NetworkError::namespace("open a netlink socket"))?;
        Ok(Self {
            handle,
            connection: tokio::spawn(connection).abort_handle(),
        })
    }

    /// The interface of that name.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<LinkMessage>, NetworkError> {
        let mut found = self.handle.link().get().match_name(name.to_owned()).execute();
        match found.try_next().await {
            Ok(link) => Ok(link),
            Err(rtnetlink::Error::NetlinkError(message)) if is(&message, rustix::io::Errno::NODEV) => Ok(None),
            Err(source) => Err(NetworkError::netlink(format!("look for interface {name}"))(source)),
        }
    }

    /// Who uses addresses of the range, other than the interface called `except`.
    pub(crate) async fn user_of(&self, range: IpNet, except: &str) -> Result<Option<String>, NetworkError> {
        let names: Vec<(u32, String)> = self
            .handle
            .link()
            .get()
            .execute()
            .map_ok(|link| (link.header.index, name(&link)))
            .try_collect()
            .await
            .map_err(NetworkError::netlink("list interfaces"))?;
        let name_of = |index: u32| {
            names
                .iter()
                .find(|(known, _)| *known == index)
                .map_or("?", |(_, name)| name.as_str())
        };
        let mut addresses = self.handle.address().get().execute();
        while let Some(message) = addresses
            .try_next()
            .await
            .map_err(NetworkError::netlink("list addresses"))?
        {
            let interface = name_of(message.header.index);
            for attribute in &message.attributes {
                if let AddressAttribute::Address(address) = attribute
                    && interface != except
                    && overlap(range, *address, message.header.prefix_len)
                {
                    let prefix = message.header.prefix_len;
                    return Ok(Some(format!("address {address}/{prefix} of interface {interface}")));
                }
            }
        }
        self.route_into(range, except, &name_of).await
    }

    async fn route_into<'a>(
        &self,
        range: IpNet,
        except: &str,
        name_of: &impl Fn(u32) -> &'a str,
    ) -> Result<Option<String>, NetworkError> {
        let wanted = match range {
            IpNet::V4(_) => RouteMessageBuilder::<Ipv4Addr>::new().build(),
            IpNet::V6(_) => RouteMessageBuilder::<Ipv6Addr>::new().build(),
        };
        let mut routes = self.handle.route().get(wanted).execute();
        while let Some(route) = routes.try_next().await.map_err(NetworkError::netlink("list routes"))? {
            let prefix = route.header.destination_prefix_length;
            let (mut destination, mut interface) = (None, "?");
            for attribute in &route.attributes {
                match attribute {
                    RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                        destination = Some(IpAddr::from(*address))
                    }
                    RouteAttribute::Destination(RouteAddress::Inet6(address)) => {
                        destination = Some(IpAddr::from(*address))
                    }
                    RouteAttribute::Oif(index) => interface = name_of(*index),
                    _ => {}
                }
            }
            // The default route leads everywhere and means nothing here.
            let Some(destination) = destination.filter(|_| prefix > 0 && interface != except) else {
                continue;
            };
            if overlap(range, destination, prefix) {
                return Ok(Some(format!(
                    "the route to {destination}/{prefix} over interface {interface}"
                )));
            }
        }
        Ok(None)
    }

    /// What is on the bridge of that name, if there is one.
    pub(crate) async fn on_bridge(&self, name: &str) -> Result<Option<Found>, NetworkError> {
        let Some(bridge) = self.find(name).await?.filter(is_bridge) else {
            return Ok(None);
        };
        let index = bridge.header.index;
        let mut found = Found {
            ports: self.ports(index).await?,
            ..Found::default()
        };
        let mut addresses = self.handle.address().get().execute();
        while let Some(message) = addresses
            .try_next()
            .await
            .map_err(NetworkError::netlink("list addresses"))?
        {
            if message.header.index != index {
                continue;
            }
            let prefix = message.header.prefix_len;
            found
                .addresses
                .extend(message.attributes.iter().filter_map(|attribute| match attribute {
                    AddressAttribute::Address(address) => IpNet::new(*address, prefix).ok(),
                    _ => None,
                }));
        }
        Ok(Some(found))
    }

    /// The names of the interfaces that are connected to a bridge.
    pub(crate) async fn ports(&self, bridge: u32) -> Result<Vec<String>, NetworkError> {
        let all = self.handle.link().get().execute();
        all.try_filter(|link| std::future::ready(controller(link) == Some(bridge)))
            .map_ok(|link| self::name(&link))
            .try_collect()
            .await
            .map_err(NetworkError::netlink("list interfaces"))
    }

    /// Has a bridge of that name, and gives its index.
    pub(crate) async fn bridge(&self, name: &str) -> Result<u32, NetworkError> {
        let index = match self.find(name).await? {
            Some(link) if is_bridge(&link) => link.header.index,
            Some(_) => {
                let reason = "an interface of that name exists and is no bridge".to_owned();
                return Err(NetworkError::Bridge {
                    name: name.to_owned(),
                    reason,
                });
            }
            None => {
                let bridge = self.handle.link().add(LinkBridge::new(name).build());
                bridge
                    .execute()
                    .await
                    .map_err(NetworkError::netlink(format!("add the bridge {name}")))?;
                self.index(name).await?
            }
        };
        self.up(index).await?;
        Ok(index)
    }

    /// Makes a pair of interfaces: `outside` here, whose index is returned, and `eth0` in a namespace.
    pub(crate) async fn pair(&self, outside: &str, namespace: std::os::fd::RawFd) -> Result<u32, NetworkError> {
        self.remove(outside).await?;
        // Named after the other end until it is inside, so that it meets no name here.
        let inside = format!("{}p", &outside[..outside.len() - 1]);
        self.remove(&inside).await?;
        let pair = self.handle.link().add(LinkVeth::new(outside, &inside).build());
        pair.execute()
            .await
            .map_err(NetworkError::netlink(format!("add the interface {outside}")))?;
        let inside_index = self.index(&inside).await?;
        let moved = LinkUnspec::new_with_index(inside_index)
            .name("eth0")
            .setns_by_fd(namespace)
            .build();
        self.change(moved, "move an interface into the pod's namespace").await?;
        self.index(outside).await
    }

    /// Connects an interface to the bridge.
    pub(crate) async fn join(&self, bridge: u32, index: u32) -> Result<(), NetworkError> {
        let joined = LinkUnspec::new_with_index(index).controller(bridge).up().build();
        self.change(joined, "connect an interface to the bridge").await
    }

    /// Sets up the inside of a namespace; this connection must have been opened there.
    pub(crate) async fn set_up_inside(&self, addresses: &[Given]) -> Result<(), NetworkError> {
        let (loopback, index) = (self.index("lo").await?, self.index("eth0").await?);
        let has_ipv6 = addresses.iter().any(|given| given.address.is_ipv6());
        if has_ipv6 {
            for interface in ["all", "lo", "eth0"] {
                ipv6::enable(interface)?;
            }
        }
        if ipv6::is_there() {
            // Without an address of its own it would take the one that another pod offers.
            ipv6::distrust_routers("eth0").or_else(|error| if has_ipv6 { Err(error) } else { Ok(()) })?;
        }
        self.up(loopback).await?;
        self.up(index).await?;
        for given in addresses {
            self.address(index, given.address, given.prefix).await?;
            self.default_route(index, given.gateway).await?;
        }
        Ok(())
    }

    async fn default_route(&self, index: u32, gateway: IpAddr) -> Result<(), NetworkError> {
        let route = match gateway {
            IpAddr::V4(gateway) => RouteMessageBuilder::<Ipv4Addr>::new()
                .gateway(gateway)
                .output_interface(index)
                .build(),
            IpAddr::V6(gateway) => RouteMessageBuilder::<Ipv6Addr>::new()
                .gateway(gateway)
                .output_interface(index)
                .build(),
        };
        let added = self.handle.route().add(route).replace().execute().await;
        added.map_err(NetworkError::netlink(format!(
            "add the pod's default route over {gateway}"
        )))
    }

    /// Removes an interface, if it is there.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), NetworkError> {
        let Some(link) = self.find(name).await? else {
            return Ok(());
        };
        match self.handle.link().del(link.header.index).execute().await {
            Err(rtnetlink::Error::NetlinkError(message)) if is(&message, rustix::io::Errno::NODEV) => Ok(()),
            other => other.map_err(NetworkError::netlink(format!("remove the interface {name}"))),
        }
    }

    async fn index(&self, name: &str) -> Result<u32, NetworkError> {
        match self.find(name).await? {
            Some(link) => Ok(link.header.index),
            None => Err(NetworkError::Namespace {
                action: format!("find the interface {name}"),
                source: std::io::ErrorKind::NotFound.into(),
            }),
        }
    }

    /// Gives an interface, which must be up, an address.
    pub(crate) async fn address(&self, index: u32, address: IpAddr, prefix: u8) -> Result<(), NetworkError> {
        let mut request = self.handle.address().add(index, address, prefix).replace();
        if address.is_ipv6() {
            // Nobody else can have it, and to ask around first would take a second in which nothing can listen on it.
            request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        }
        let added = request.execute().await;
        added.map_err(NetworkError::netlink(format!(
            "give an interface the address {address}/{prefix}"
        )))
    }

    async fn up(&self, index: u32) -> Result<(), NetworkError> {
        self.change(LinkUnspec::new_with_index(index).up().build(), "set an interface up")
            .await
    }

    async fn change(&self, link: LinkMessage, action: &str) -> Result<(), NetworkError> {
        self.handle
            .link()
            .set(link)
            .execute()
            .await
            .map_err(NetworkError::netlink(action))
    }
}

fn is(message: &rtnetlink::packet_core::ErrorMessage, errno: rustix::io::Errno) -> bool {
    message.raw_code() == -errno.raw_os_error()
}

fn is_bridge(link: &LinkMessage) -> bool {
    link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos
            .iter()
            .any(|info| matches!(info, LinkInfo::Kind(InfoKind::Bridge))),
        _ => false,
    })
}

/// Whether an interface is connected to the bridge, and up.
pub(crate) fn is_joined(link: &LinkMessage, bridge: u32) -> bool {
    controller(link) == Some(bridge) && link.header.flags.contains(LinkFlags::Up)
}

/// The bridge that an interface is connected to.
fn controller(link: &LinkMessage) -> Option<u32> {
    link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Controller(index) => Some(*index),
        _ => None,
    })
}

fn name(link: &LinkMessage) -> String {
    let names = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    names.unwrap_or_default()
}

fn overlap(range: IpNet, address: IpAddr, prefix: u8) -> bool {
    IpNet::new(address, prefix).is_ok_and(|other| range.contains(&other.network()) || other.contains(&range.network()))
}
