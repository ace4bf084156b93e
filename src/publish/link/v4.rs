//! MQTT 3.1.1: rumqttc's client of it, in the link's values.
//!
//! It has no properties and no limits in its welcome, and it acknowledges without saying whether it refuses.

use rumqttc::{
    AsyncClient, ConnAck, ConnectReturnCode, ConnectionError, Event as WireEvent, EventLoop, LastWill,
    MqttOptions, Outgoing, Packet, Publish as WirePublish, QoS as WireQoS, StateError, SubAck,
    SubscribeFilter, SubscribeReasonCode,
};

use super::{Event, Fault, Incoming, MAX_INCOMING_BYTES, NoRoom, Properties, Publish, QoS, Target};

/// The largest packet that MQTT can tell the length of.
const MAX_OUTGOING_BYTES: usize = 268_435_455;

pub(super) fn open(target: Target<'_>) -> (AsyncClient, EventLoop) {
    let requests = target.requests;
    let network = target.network();
    let (client, mut event_loop) = AsyncClient::new(options(target), requests);
    event_loop.set_network_options(network);
    (client, event_loop)
}

fn options(target: Target<'_>) -> MqttOptions {
    let transport = target.transport();
    let mut options = MqttOptions::new(target.client_id, target.host, target.port);
    options
        .set_transport(transport)
        .set_keep_alive(target.keep_alive)
        .set_max_packet_size(MAX_INCOMING_BYTES as usize, MAX_OUTGOING_BYTES)
        .set_clean_session(true)
        .set_inflight(target.window.max(1));
    if let Some((user, password)) = target.login {
        options.set_credentials(user, password.reveal());
    }
    if let Some(will) = target.will {
        options.set_last_will(LastWill::new(will.topic, will.payload, qos(will.qos), will.retain));
    }
    options
}

pub(super) fn publish(client: &AsyncClient, publish: Publish) -> Result<(), NoRoom> {
    let Publish { topic, payload, qos: surely, retain, properties: _ } = publish;
    client.try_publish(topic, qos(surely), retain, payload).map_err(|_| NoRoom)
}

pub(super) fn subscribe(client: &AsyncClient, filters: &[String]) -> Result<(), NoRoom> {
    let filters = filters.iter().map(|filter| SubscribeFilter::new(filter.clone(), WireQoS::AtLeastOnce));
    client.try_subscribe_many(filters).map_err(|_| NoRoom)
}

fn qos(qos: QoS) -> WireQoS {
    match qos {
        QoS::AtMostOnce => WireQoS::AtMostOnce,
        QoS::AtLeastOnce => WireQoS::AtLeastOnce,
    }
}

pub(super) fn event(event: WireEvent) -> Event {
    match event {
        WireEvent::Incoming(Packet::ConnAck(ConnAck { .. })) => {
            Event::Welcomed { receive_maximum: None, max_packet_bytes: None }
        }
        WireEvent::Incoming(Packet::PubAck(answer)) => {
            Event::Acknowledged { packet_id: answer.pkid, refused: None }
        }
        WireEvent::Incoming(Packet::SubAck(answer)) => subscribed(&answer),
        WireEvent::Incoming(Packet::Publish(publish)) => received(publish),
        // rumqttc gives no number to what is not acknowledged.
        WireEvent::Outgoing(Outgoing::Publish(0)) => Event::Sent,
        WireEvent::Outgoing(Outgoing::Publish(packet_id) | Outgoing::Subscribe(packet_id)) => {
            Event::Numbered(packet_id)
        }
        _ => Event::Nothing,
    }
}

fn subscribed(answer: &SubAck) -> Event {
    let refused = answer.return_codes.contains(&SubscribeReasonCode::Failure);
    let result = if refused { Err("Failure".to_owned()) } else { Ok(()) };
    Event::Subscribed { packet_id: answer.pkid, result }
}

fn received(publish: WirePublish) -> Event {
    Event::Received(Incoming {
        topic: publish.topic,
        payload: publish.payload.to_vec(),
        retained: publish.retain,
        qos: if publish.qos == WireQoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce },
        properties: Properties::default(),
    })
}

pub(super) fn fault(error: ConnectionError) -> Fault {
    match error {
        ConnectionError::ConnectionRefused(code) => refused(code),
        ConnectionError::NetworkTimeout => Fault::Timeout,
        ConnectionError::FlushTimeout => Fault::Silent,
        ConnectionError::Tls(rumqttc::TlsError::Io(error)) => Fault::Handshake(error),
        ConnectionError::Io(error) => Fault::Io(error),
        ConnectionError::NotConnAck(_) => Fault::Version,
        ConnectionError::MqttState(error) => state(error),
        other => Fault::Other(other.to_string()),
    }
}

fn state(error: StateError) -> Fault {
    match error {
        StateError::Io(error) | StateError::Deserialization(rumqttc::Error::Io(error)) => Fault::Io(error),
        StateError::Deserialization(error) => Fault::Unreadable(error.to_string()),
        StateError::ConnectionAborted => Fault::Closed,
        StateError::AwaitPingResp => Fault::Silent,
        other => Fault::Other(other.to_string()),
    }
}

fn refused(code: ConnectReturnCode) -> Fault {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            Fault::Login(format!("{code:?}"))
        }
        ConnectReturnCode::RefusedProtocolVersion => Fault::Version,
        other => Fault::Refused(format!("{other:?}")),
    }
}
