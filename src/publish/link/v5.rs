//! MQTT 5: rumqttc's client of it, in the link's values.

use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::Error as BytesError;
use rumqttc::v5::mqttbytes::QoS as WireQoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectReturnCode, DisconnectReasonCode, Filter, LastWill, LastWillProperties, Packet, PubAck,
    PubAckReason, Publish as WirePublish, PublishProperties, SubAck, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event as WireEvent, EventLoop, MqttOptions, StateError};

use super::{Event, Fault, Incoming, MAX_INCOMING_BYTES, NoRoom, Properties, Publish, QoS, Target};

pub(super) fn open(target: Target<'_>) -> (AsyncClient, EventLoop) {
    let requests = target.requests;
    AsyncClient::new(options(target), requests)
}

fn options(target: Target<'_>) -> MqttOptions {
    let (transport, network) = (target.transport(), target.network());
    let mut options = MqttOptions::new(target.client_id, target.host, target.port);
    options
        .set_transport(transport)
        .set_keep_alive(target.keep_alive)
        .set_connection_timeout(target.timeout.as_secs())
        .set_max_packet_size(Some(MAX_INCOMING_BYTES))
        .set_clean_start(true)
        .set_outgoing_inflight_upper_limit(target.window)
        .set_network_options(network);
    if let Some((user, password)) = target.login {
        options.set_credentials(user, password.reveal());
    }
    if let Some(will) = target.will {
        options.set_last_will(last_will(will));
    }
    options
}

fn last_will(will: Publish) -> LastWill {
    let properties = to_wire(will.properties);
    let properties = LastWillProperties {
        delay_interval: None,
        payload_format_indicator: properties.payload_format_indicator,
        message_expiry_interval: properties.message_expiry_interval,
        content_type: properties.content_type,
        response_topic: properties.response_topic,
        correlation_data: properties.correlation_data,
        user_properties: properties.user_properties,
    };
    LastWill::new(will.topic, will.payload, qos(will.qos), will.retain, Some(properties))
}

pub(super) fn publish(client: &AsyncClient, publish: Publish) -> Result<(), NoRoom> {
    let Publish { topic, payload, qos: surely, retain, properties } = publish;
    client
        .try_publish_with_properties(topic, qos(surely), retain, payload, to_wire(properties))
        .map_err(|_| NoRoom)
}

pub(super) fn subscribe(client: &AsyncClient, filters: &[String]) -> Result<(), NoRoom> {
    let filters = filters.iter().map(|filter| Filter::new(filter.as_str(), WireQoS::AtLeastOnce));
    client.try_subscribe_many(filters).map_err(|_| NoRoom)
}

fn qos(qos: QoS) -> WireQoS {
    match qos {
        QoS::AtMostOnce => WireQoS::AtMostOnce,
        QoS::AtLeastOnce => WireQoS::AtLeastOnce,
    }
}

pub(super) fn to_wire(properties: Properties) -> PublishProperties {
    let Properties { content_type, utf8, expiry, user, response_topic, correlation } = properties;
    PublishProperties {
        payload_format_indicator: utf8.then_some(1),
        message_expiry_interval: expiry.map(|expiry| u32::try_from(expiry.as_secs()).unwrap_or(u32::MAX)),
        response_topic,
        correlation_data: correlation.map(Into::into),
        user_properties: user,
        content_type,
        ..PublishProperties::default()
    }
}

fn from_wire(properties: PublishProperties) -> Properties {
    Properties {
        content_type: properties.content_type,
        utf8: properties.payload_format_indicator == Some(1),
        expiry: properties
            .message_expiry_interval
            .map(|seconds| std::time::Duration::from_secs(seconds.into())),
        user: properties.user_properties,
        response_topic: properties.response_topic,
        correlation: properties.correlation_data.map(|data| data.to_vec()),
    }
}

pub(super) fn event(event: WireEvent) -> Event {
    match event {
        WireEvent::Incoming(Packet::ConnAck(welcome)) => welcomed(&welcome),
        WireEvent::Incoming(Packet::PubAck(answer)) => acknowledged(&answer),
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

fn welcomed(welcome: &ConnAck) -> Event {
    let limits = welcome.properties.as_ref();
    Event::Welcomed {
        receive_maximum: limits.and_then(|limits| limits.receive_max),
        max_packet_bytes: limits
            .and_then(|limits| limits.max_packet_size)
            .and_then(|bytes| bytes.try_into().ok()),
    }
}

fn acknowledged(answer: &PubAck) -> Event {
    let refused = match answer.reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => None,
        reason => Some(format!("{reason:?}")),
    };
    Event::Acknowledged { packet_id: answer.pkid, refused }
}

fn subscribed(answer: &SubAck) -> Event {
    let refused = answer.return_codes.iter().find(|code| !matches!(code, SubscribeReasonCode::Success(_)));
    let result = refused.map_or(Ok(()), |code| Err(format!("{code:?}")));
    Event::Subscribed { packet_id: answer.pkid, result }
}

fn received(publish: WirePublish) -> Event {
    Event::Received(Incoming {
        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
        payload: publish.payload.to_vec(),
        retained: publish.retain,
        qos: if publish.qos == WireQoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce },
        properties: publish.properties.map(from_wire).unwrap_or_default(),
    })
}

pub(super) fn fault(error: ConnectionError) -> Fault {
    match error {
        ConnectionError::ConnectionRefused(code) => refused(code),
        ConnectionError::Timeout(_) => Fault::Timeout,
        ConnectionError::Tls(rumqttc::TlsError::Io(error)) => Fault::Handshake(error),
        ConnectionError::Io(error) => Fault::Io(error),
        ConnectionError::NotConnAck(_) => Fault::Version,
        ConnectionError::MqttState(error) => state(error),
        other => Fault::Other(other.to_string()),
    }
}

fn state(error: StateError) -> Fault {
    match error {
        StateError::Io(error) | StateError::Deserialization(BytesError::Io(error)) => Fault::Io(error),
        StateError::Deserialization(error) => Fault::Unreadable(error.to_string()),
        StateError::ConnFail { reason } => refused(reason),
        StateError::ConnectionAborted => Fault::Closed,
        StateError::AwaitPingResp => Fault::Silent,
        StateError::ServerDisconnect { reason_code: DisconnectReasonCode::SessionTakenOver, .. } => {
            Fault::TakenOver
        }
        StateError::ServerDisconnect { reason_code, reason_string } => {
            let reason = reason_string.map(|reason| format!(": {reason}")).unwrap_or_default();
            Fault::SentAway(format!("{reason_code:?}{reason}"))
        }
        other => Fault::Other(other.to_string()),
    }
}

fn refused(code: ConnectReturnCode) -> Fault {
    match code {
        ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
            Fault::Login(format!("{code:?}"))
        }
        ConnectReturnCode::UnsupportedProtocolVersion | ConnectReturnCode::RefusedProtocolVersion => {
            Fault::Version
        }
        other => Fault::Refused(format!("{other:?}")),
    }
}
