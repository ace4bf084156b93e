//! WS-Discovery's messages (OASIS, 2005/04, as ONVIF uses them): the probe, and what a reply says.
//!
//! Pure. Replies are other people's: the parser expands no entities and takes no document type, and what it gives is bounded.

use roxmltree::{Document, Node, ParsingOptions};

/// Elements and texts of a reply.
const MOST_NODES: u32 = 4096;
/// Matches of a reply, and texts of each list in one.
const MOST_MATCHES: usize = 64;
const MOST_ITEMS: usize = 64;

/// What ONVIF devices are asked for: cameras and encoders, and since version 2 any device.
pub(super) const TYPES: [&str; 2] = ["dn:NetworkVideoTransmitter", "tds:Device"];

/// One device of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    /// What names it for good, usually `urn:uuid:...`.
    pub(super) endpoint: String,
    pub(super) types: Vec<String>,
    pub(super) scopes: Vec<String>,
    /// Where its services are.
    pub(super) addresses: Vec<String>,
}

/// Asks for devices of one type.
pub(super) fn probe(message: &str, kind: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://schemas.xmlsoap.org/ws/2004/08/addressing\" \
         xmlns:d=\"http://schemas.xmlsoap.org/ws/2005/04/discovery\" \
         xmlns:dn=\"http://www.onvif.org/ver10/network/wsdl\" xmlns:tds=\"http://www.onvif.org/ver10/device/wsdl\">\
         <s:Header><a:MessageID>urn:uuid:{message}</a:MessageID>\
         <a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>\
         <a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action></s:Header>\
         <s:Body><d:Probe><d:Types>{kind}</d:Types></d:Probe></s:Body></s:Envelope>"
    )
}

/// The devices that a reply names; none when it is no reply, or no XML. Elements count by their local names: devices use
/// several versions of the namespaces.
pub(super) fn matches(reply: &[u8]) -> Vec<Match> {
    let Ok(text) = std::str::from_utf8(reply) else { return Vec::new() };
    let text = text.trim_start_matches('\u{feff}').trim_matches(['\0', ' ', '\r', '\n', '\t']);
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    let Ok(document) = Document::parse_with_options(text, options) else { return Vec::new() };
    let found = document.descendants().filter(|node| is(node, "ProbeMatch"));
    found.take(MOST_MATCHES).map(one).collect()
}

fn one(found: Node<'_, '_>) -> Match {
    let text = |name: &str| {
        let node = found.descendants().find(|node| is(node, name));
        node.and_then(|node| node.text()).unwrap_or_default().trim().to_owned()
    };
    let list = |name: &str| text(name).split_whitespace().take(MOST_ITEMS).map(str::to_owned).collect();
    let reference = found.descendants().find(|node| is(node, "EndpointReference"));
    let address = reference.and_then(|node| node.descendants().find(|node| is(node, "Address")));
    Match {
        endpoint: address.and_then(|node| node.text()).unwrap_or_default().trim().to_owned(),
        types: list("Types"),
        scopes: list("Scopes"),
        addresses: list("XAddrs"),
    }
}

fn is(node: &Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(matches: &str) -> String {
        format!(
            "<SOAP-ENV:Envelope xmlns:SOAP-ENV=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:w=\"u\"><SOAP-ENV:Body>\
             <w:ProbeMatches>{matches}</w:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>"
        )
    }

    const ONE: &str = "<w:ProbeMatch><e xmlns=\"v\"><EndpointReference><Address>urn:uuid:1</Address></EndpointReference></e>\
        <w:Types>x:NetworkVideoTransmitter</w:Types><w:Scopes>a b\n c</w:Scopes><w:XAddrs>http://1/</w:XAddrs></w:ProbeMatch>";

    #[test]
    fn replies_of_any_namespace_are_read() {
        let text = |list: &[&str]| list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let expected = Match {
            endpoint: "urn:uuid:1".to_owned(),
            types: text(&["x:NetworkVideoTransmitter"]),
            scopes: text(&["a", "b", "c"]),
            addresses: text(&["http://1/"]),
        };
        let expected = [expected];
        assert_eq!(matches(reply(ONE).as_bytes()), expected);
        // Some end with zeros, or begin with a byte order mark.
        assert_eq!(matches(format!("\u{feff}{}\0\0", reply(ONE)).as_bytes()), expected);
        assert_eq!(matches(reply("<w:ProbeMatch/>").as_bytes()), [Match::default()]);
    }

    #[test]
    fn what_is_no_reply_names_nothing() {
        let doctype = format!("<!DOCTYPE a [<!ENTITY b \"c\">]>{}", reply(ONE));
        let many = reply(&ONE.repeat(1000));
        for text in ["", "<", "GET / HTTP/1.1", "<a><b></a>", &doctype, &many, &reply("")] {
            assert_eq!(matches(text.as_bytes()), [], "{}", &text[..text.len().min(80)]);
        }
        assert_eq!(matches(&[0xff, 0xfe, 0x00]), []);
        assert_eq!(matches(reply(&ONE.repeat(100)).as_bytes()).len(), MOST_MATCHES);
    }

    #[test]
    fn the_probe_is_xml_and_asks_for_its_type() {
        let text = probe("1-2", TYPES[0]);
        let document = Document::parse(&text).unwrap();
        let of = |name: &str| document.descendants().find(|node| is(node, name)).and_then(|node| node.text());
        assert_eq!(of("Types"), Some("dn:NetworkVideoTransmitter"));
        assert_eq!(of("MessageID"), Some("urn:uuid:1-2"));
    }
}
