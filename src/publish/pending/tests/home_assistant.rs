//! What Home Assistant hears, and when.

use super::*;

const CONFIG: &str = "homeassistant/device/edge-1/config";

#[test]
fn home_assistant_is_told_at_its_birth_and_no_more_when_turned_off() {
    let home_assistant = config::HomeAssistant { enabled: true, ..config::HomeAssistant::default() };
    let (mut shown, _requests) = pending_of(&config::Mqtt { home_assistant, ..test_config(1883) });
    assert!(shown.subscriptions().contains(&"homeassistant/status".to_owned()));
    let told = offers(&mut shown).swap_remove(0);
    assert_eq!((told.topic.as_str(), told.retain), (CONFIG, true));
    shown.received(&incoming("homeassistant/status", "offline", false));
    assert_eq!(topics(&mut shown), [""; 0]);
    shown.received(&incoming("homeassistant/status", "online", false));
    assert_eq!(topics(&mut shown), [CONFIG]);

    // What a run before showed.
    let more = std::str::from_utf8(&told.payload).unwrap().replace("_ramp_", "_yard_");
    for (retained, topics_told) in [(false, vec![]), (true, vec![CONFIG]), (true, vec![])] {
        shown.received(&incoming(CONFIG, &more, retained));
        let offered = offers(&mut shown);
        assert_eq!(offered.iter().map(|offer| offer.topic.as_str()).collect::<Vec<_>>(), topics_told);
        for offer in &offered {
            let components = json(offer)["components"].as_object().unwrap().clone();
            let of_yard = |id: &&String| id.contains("_yard_");
            let forgotten: Vec<&serde_json::Value> =
                components.keys().filter(of_yard).map(|id| &components[id]).collect();
            assert!(
                forgotten.contains(&&serde_json::json!({ "platform": "binary_sensor" })),
                "{forgotten:?}"
            );
            assert!(forgotten.iter().all(|entry| entry.as_object().unwrap().len() == 1), "{forgotten:?}");
        }
    }

    let mut hidden = pending();
    assert!(hidden.subscriptions().contains(&CONFIG.to_owned()));
    topics(&mut hidden);
    hidden.received(&incoming(CONFIG, &more.replace(r#""name":"spotter""#, r#""name":"other""#), true));
    assert_eq!(topics(&mut hidden), [""; 0], "somebody else's");
    hidden.received(&incoming(CONFIG, std::str::from_utf8(&told.payload).unwrap(), true));
    let cleared = offers(&mut hidden).pop().unwrap();
    assert_eq!((cleared.topic.as_str(), cleared.payload.len(), cleared.retain), (CONFIG, 0, true));
}

#[test]
fn home_assistant_forgets_what_is_gone_before_its_state_is_cleared() {
    let home_assistant = config::HomeAssistant { enabled: true, ..config::HomeAssistant::default() };
    let config = config::Mqtt { home_assistant, stats_interval: None, ..test_config(1883) };
    let later = || Instant::now() + inbox::HEARD;
    let all = |pending: &mut Pending| std::iter::from_fn(|| pending.next(later())).collect::<Vec<Offer>>();
    let acknowledge = |pending: &mut Pending, offers: &[Offer]| {
        offers.iter().for_each(|offer| pending.acknowledged(&offer.ticket))
    };

    // Gone by a reload: the camera with all of it.
    let (mut pending, _requests) = pending_of(&config);
    pending.camera_status(&camera_status(CameraState::Online, 0));
    pending.occupancy(&occupancy("door"));
    let before = all(&mut pending);
    assert_eq!(before[0].topic.as_str(), CONFIG, "what to show comes before how it is");
    acknowledge(&mut pending, &before);
    let enabled = |mqtt: &mut config::Mqtt| mqtt.home_assistant.enabled = true;
    pending.change(settings(enabled), Vec::new());
    let offered = all(&mut pending);
    assert_eq!(told(&offered), [(CONFIG, true), ("spotter/v1/edge-1/status", true)]);
    acknowledge(&mut pending, &offered[1..]);
    assert_eq!(all(&mut pending), [], "the broker does not have it yet");
    acknowledge(&mut pending, &offered[..1]);
    let cleared = all(&mut pending);
    assert_eq!(cleared.len(), 3, "{cleared:?}");
    assert!(cleared.iter().all(|offer| offer.payload.is_empty()));

    // Gone at a start: the state is found first, and what was shown of it after that.
    let (mut pending, _requests) = pending_of(&config);
    let first = all(&mut pending);
    acknowledge(&mut pending, &first);
    pending.received(&incoming("spotter/v1/edge-1/gate/status", "{}", true));
    let shown = std::str::from_utf8(&first[0].payload).unwrap().replace("ramp", "gate");
    pending.received(&incoming(CONFIG, &shown, true));
    let offered = all(&mut pending);
    assert_eq!(told(&offered), [(CONFIG, true)]);
    // A broker that refuses it does not hold up the rest.
    pending.refused(&offered[0].ticket, "no".to_owned());
    assert_eq!(told(&all(&mut pending)), [("spotter/v1/edge-1/gate/status", false)]);

    // Turned off: it forgets everything before anything else is said.
    pending.change(settings(|_| {}), vec![scene()]);
    pending.adopt();
    assert_eq!(told(&all(&mut pending))[0], (CONFIG, false));
}

#[test]
fn a_change_of_profile_is_shown_before_anything_is_said_in_it() {
    let home_assistant = config::HomeAssistant { enabled: true, ..config::HomeAssistant::default() };
    let (mut pending, _requests) = pending_of(&config::Mqtt {
        home_assistant: home_assistant.clone(),
        stats_interval: None,
        ..test_config(1883)
    });
    pending.camera_status(&camera_status(CameraState::Online, 0));
    let native = offers(&mut pending);
    let change = |mqtt: &mut config::Mqtt| {
        mqtt.home_assistant = home_assistant.clone();
        mqtt.profile = config::Profile::CloudEvents;
    };
    pending.change(settings(change), vec![scene()]);
    pending.disconnected(None);
    pending.adopt();
    let enveloped = offers(&mut pending);
    assert_eq!(enveloped[0].topic.as_str(), CONFIG);
    assert_eq!(enveloped[0].payload, native[0].payload, "it reads both");
    assert_eq!(enveloped.len(), 3);
    assert!(enveloped[1..].iter().all(|offer| json(offer)["specversion"] == "1.0"));
}

#[test]
fn home_assistant_hears_of_the_change_and_of_the_end() {
    let mut pending = pending();
    offers(&mut pending);
    pending.change(settings(|mqtt| mqtt.home_assistant.enabled = true), vec![scene()]);
    pending.adopt();
    assert!(told(&offers(&mut pending)).contains(&(CONFIG, true)));
    pending.change(settings(|mqtt| mqtt.home_assistant.enabled = true), Vec::new());
    let fewer = offers(&mut pending);
    let fewer = fewer.iter().find(|offer| offer.topic.as_str() == CONFIG).expect("it has fewer cameras");
    let components = json(fewer)["components"].as_object().unwrap().clone();
    let is_forgotten = |entry: &&serde_json::Value| entry.get("unique_id").is_none();
    assert_eq!(components.values().filter(is_forgotten).count(), components.len() - 1, "all but the node");
    assert!(components.len() > 1);
    pending.change(settings(|_| {}), Vec::new());
    pending.adopt();
    assert!(told(&offers(&mut pending)).contains(&(CONFIG, false)));
}
