//! Whole sections that are built later.

use super::{Checking, Key};

pub(super) fn check(checking: &mut Checking<'_>) {
    let settings = &checking.loaded.settings;
    for name in settings.job.keys() {
        checking.unbuilt(&Key::top("job").named(name), "commands are not supervised");
    }
    if settings.carbon.is_some() {
        checking.unbuilt(&Key::top("carbon"), "carbon intensities are not read");
    }
}
