//! Both versions against the embedded broker.

use std::time::Duration;

use super::*;
use crate::config::{Mqtt, Outbox};
use crate::publish::broker::Broker;
use crate::publish::dial::Dial;

/// Those of a JSON text.
fn json() -> Properties {
    Properties { content_type: Some("application/json".to_owned()), utf8: true, ..Properties::default() }
}

const PATIENCE: Duration = Duration::from_secs(10);

/// Steps a link until an event gives something.
async fn until<T>(mut event_loop: EventLoop, mut find: impl FnMut(Event) -> Option<T>) -> (EventLoop, T) {
    let found = async {
        loop {
            let (came_back, event) = step(event_loop).await;
            event_loop = came_back;
            if let Some(found) = find(event.unwrap()) {
                return (event_loop, found);
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.expect("the broker answers in time")
}

#[test]
fn both_versions_number_send_and_receive_alike() {
    let broker = Broker::start(None).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for version in [MqttVersion::V5, MqttVersion::V311] {
        let mqtt = Mqtt {
            host: "127.0.0.1".to_owned(),
            port: broker.port(),
            version,
            outbox: Outbox::in_memory(),
            ..Mqtt::default()
        };
        let dial = Dial::new(&mqtt, format!("test-{version:?}")).unwrap();
        let properties = Properties {
            expiry: Some(Duration::from_secs(60)),
            user: vec![("schema".to_owned(), "spotter.tag/1".to_owned())],
            response_topic: Some("reply/here".to_owned()),
            correlation: Some(b"\x00\xff".to_vec()),
            ..json()
        };
        let message = |qos, payload: &str| Publish {
            topic: format!("test/{version:?}/a"),
            payload: payload.as_bytes().to_vec(),
            qos,
            retain: false,
            properties: properties.clone(),
        };
        runtime.block_on(async {
            let (client, event_loop) = dial.link(None, 8);
            let welcomed = |event| matches!(event, Event::Welcomed(_)).then_some(());
            let (event_loop, ()) = until(event_loop, welcomed).await;
            client.subscribe(&[format!("test/{version:?}/#"), "other".to_owned()]).unwrap();
            client.publish(message(QoS::AtMostOnce, "zero")).unwrap();
            client.publish(message(QoS::AtLeastOnce, "one")).unwrap();
            let mut order = Vec::new();
            let (mut subscribed, mut acknowledged, mut received) = (None, None, Vec::new());
            let (event_loop, ()) = until(event_loop, |event| {
                match event {
                    Event::Numbered(packet_id) => order.push(Some(packet_id)),
                    Event::Sent => order.push(None),
                    Event::Acknowledged { packet_id, refused } => acknowledged = Some((packet_id, refused)),
                    Event::Subscribed { packet_id, result } => subscribed = Some((packet_id, result)),
                    Event::Received(incoming) => received.push(incoming),
                    Event::Welcomed(_) | Event::Alive => {}
                }
                (received.len() == 2 && acknowledged.is_some() && subscribed.is_some()).then_some(())
            })
            .await;
            // Requests are numbered in their order, and the one without acknowledgement has no number.
            assert_eq!(order, [Some(1), None, Some(2)], "{version:?}");
            assert_eq!(subscribed, Some((1, Ok(()))));
            assert_eq!(acknowledged, Some((2, None)));
            let expected = match version {
                MqttVersion::V5 => properties.clone(),
                MqttVersion::V311 => Properties::default(),
            };
            for (incoming, payload) in received.iter().zip(["zero", "one"]) {
                assert_eq!(incoming.payload, payload.as_bytes());
                assert_eq!(
                    (incoming.topic.as_str(), incoming.retained),
                    (&*format!("test/{version:?}/a"), false)
                );
                // What is left of the time to expiry is the broker's to say.
                let without_expiry =
                    |properties: &Properties| Properties { expiry: None, ..properties.clone() };
                assert_eq!(without_expiry(&incoming.properties), without_expiry(&expected));
            }
            assert_eq!(received[1].qos, QoS::AtLeastOnce);
            client.disconnect().unwrap();
            let ended = tokio::time::timeout(PATIENCE, step_to_the_end(event_loop)).await;
            assert!(ended.is_ok(), "the broker closes");
        });
    }
    broker.stop();
}

async fn step_to_the_end(mut event_loop: EventLoop) {
    loop {
        let (came_back, event) = step(event_loop).await;
        event_loop = came_back;
        if event.is_err() {
            return;
        }
    }
}
