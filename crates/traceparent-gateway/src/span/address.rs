use std::{
    fmt::{self, Write},
    net::{IpAddr, Ipv4Addr},
};

/// The length of the longest address: one of IPv6 whose end is written as one of IPv4, in bytes.
const LONGEST: usize = 45;

/// The text of an IP address, without an allocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct AddressText {
    buffer: [u8; LONGEST],
    length: usize,
}

impl AddressText {
    pub(super) fn new(address: IpAddr) -> Self {
        let mut text = Self { buffer: [0; LONGEST], length: 0 };
        match address {
            IpAddr::V4(address) => text.push_ipv4(address),
            // Every address has room.
            IpAddr::V6(address) => drop(write!(text, "{address}")),
        }
        text
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.length).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.buffer.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    /// Adds an address without the machinery of `Display`.
    fn push_ipv4(&mut self, address: Ipv4Addr) {
        for (place, octet) in address.octets().into_iter().enumerate() {
            if place > 0 {
                self.push(b'.');
            }
            if octet >= 100 {
                self.push(b'0' + octet / 100);
            }
            if octet >= 10 {
                self.push(b'0' + octet / 10 % 10);
            }
            self.push(b'0' + octet % 10);
        }
    }
}

impl Write for AddressText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.push(byte));
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_display() {
        let ipv4 = (0..=u8::MAX).map(|octet| Ipv4Addr::new(octet, 255 - octet, octet / 7, octet / 25).into());
        let long = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
        let ipv6 = ["::", "::1", "::ffff:255.255.255.255", "2001:db8::7", long].map(|text| text.parse().unwrap());
        for address in ipv4.chain(ipv6) {
            assert_eq!(AddressText::new(address).as_bytes(), IpAddr::to_string(&address).as_bytes());
        }
    }
}
