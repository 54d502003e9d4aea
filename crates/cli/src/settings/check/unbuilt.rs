//! Whole sections that are built later.

use super::{Checking, Key, choose};

pub(super) fn check(checking: &mut Checking<'_>) {
    let settings = &checking.loaded.settings;
    for (name, alert) in &settings.alert {
        let key = Key::top("alert").named(name);
        for (place, channel) in alert.send.iter().enumerate() {
            if !settings.channel.contains_key(channel) {
                let advice = choose(channel, settings.channel.keys(), "channel");
                checking.error(&key.then("send").item(place), format!("no channel {channel:?}"), advice);
            }
        }
        checking.unbuilt(&key, "nobody is told");
    }
    for name in settings.channel.keys() {
        checking.unbuilt(&Key::top("channel").named(name), "nothing is sent");
    }
    for name in settings.job.keys() {
        checking.unbuilt(&Key::top("job").named(name), "commands are not supervised");
    }
    if settings.carbon.is_some() {
        checking.unbuilt(&Key::top("carbon"), "carbon intensities are not read");
    }
}
