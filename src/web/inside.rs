//! Whether somebody is at the establishment, by the network that they come from.

use std::net::IpAddr;

use ipnet::IpNet;

/// Whether an address is of one of these networks, in whichever spelling; one that is not known is of none.
#[must_use]
pub fn is_inside(networks: &[IpNet], address: Option<IpAddr>) -> bool {
    let within = |address: IpAddr| networks.iter().any(|network| network.contains(&address.to_canonical()));
    address.is_some_and(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_inside_by_its_network_in_either_spelling() {
        let networks = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        for (address, inside) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("2001:db8::1", true),
            ("192.0.2.1", false),
            ("::1", false),
        ] {
            assert_eq!(is_inside(&networks, Some(address.parse().unwrap())), inside, "{address}");
        }
        assert!(!is_inside(&networks, None));
    }
}
