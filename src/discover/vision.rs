//! A camera of GigE Vision or USB3 Vision, as it names itself.

use std::fmt;
use std::net::IpAddr;

use super::shown;

/// How a camera is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VisionLink {
    /// By Ethernet.
    Gige {
        /// Its address.
        address: IpAddr,
        /// Its hardware's.
        mac: String,
    },
    /// By USB.
    Usb3,
}

/// A camera of GigE Vision or USB3 Vision. Its texts are its own: see [`VisionCamera::shown`] for what may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisionCamera {
    /// Who made it.
    pub vendor: String,
    /// What it is.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// The name that its owner gave it, often empty.
    pub name: String,
    /// How it is connected.
    pub link: VisionLink,
}

impl VisionCamera {
    /// The same with texts that may be shown.
    pub fn shown(&self) -> Self {
        VisionCamera {
            vendor: shown(&self.vendor),
            model: shown(&self.model),
            serial: shown(&self.serial),
            name: shown(&self.name),
            link: self.link.clone(),
        }
    }

    /// Whether `text` is its name, serial number, address, or Aravis's name of it.
    pub fn is_called(&self, text: &str) -> bool {
        let address = match &self.link {
            VisionLink::Gige { address, mac } => *mac == text.to_lowercase() || address.to_string() == text,
            VisionLink::Usb3 => false,
        };
        let own = [&self.serial, &self.name].into_iter().any(|name| !name.is_empty() && name == text);
        own || address || self.ids().iter().any(|id| id == text)
    }

    /// What Aravis knows it by, the surest first.
    pub fn aravis_names(&self) -> Vec<String> {
        match &self.link {
            VisionLink::Gige { address, .. } => vec![address.to_string()],
            VisionLink::Usb3 => self.ids(),
        }
    }

    /// What the configuration can call it: its serial number when that is plain, else its address.
    pub fn source(&self) -> Option<String> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if !self.serial.is_empty() && self.serial.chars().all(is_plain) {
            return Some(format!("genicam:{}", self.serial));
        }
        match &self.link {
            VisionLink::Gige { address, .. } => Some(format!("genicam:{address}")),
            VisionLink::Usb3 => None,
        }
    }

    fn ids(&self) -> Vec<String> {
        let VisionCamera { vendor, model, serial, .. } = self;
        vec![format!("{vendor}-{model}-{serial}"), format!("{vendor}-{serial}")]
    }
}

impl fmt::Display for VisionCamera {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let VisionCamera { vendor, model, serial, link, .. } = self.shown();
        write!(f, "{vendor} {model} {serial}")?;
        match link {
            VisionLink::Gige { address, .. } => write!(f, " at {address}"),
            VisionLink::Usb3 => write!(f, " at USB"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_has_many_names_and_a_plain_one_for_the_configuration() {
        let camera = VisionCamera {
            vendor: "Acme".to_owned(),
            model: "A 1".to_owned(),
            serial: "0042".to_owned(),
            name: "press 3".to_owned(),
            link: VisionLink::Gige { address: [192, 0, 2, 7].into(), mac: "00:11:22:33:44:55".to_owned() },
        };
        for name in ["0042", "press 3", "192.0.2.7", "00:11:22:33:44:55", "Acme-A 1-0042", "Acme-0042"] {
            assert!(camera.is_called(name), "{name}");
        }
        assert!(!camera.is_called("42") && !camera.is_called(""));
        assert_eq!(camera.source().as_deref(), Some("genicam:0042"));
        let odd = VisionCamera { serial: "a\"b".to_owned(), ..camera };
        assert_eq!(odd.source().as_deref(), Some("genicam:192.0.2.7"));
        let usb = VisionCamera { link: VisionLink::Usb3, ..odd };
        assert_eq!(usb.source(), None);
    }
}
