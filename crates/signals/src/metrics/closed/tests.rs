use super::*;
use crate::metrics::{Format, Registry, names};

fn stands_at_its_place<T: Closed + PartialEq + fmt::Debug>() {
    for (place, value) in T::ALL.iter().enumerate() {
        assert_eq!(value.place(), place, "{value:?}");
    }
}

#[test]
fn every_value_of_every_closed_set_stands_at_its_place() {
    stands_at_its_place::<Class>();
    stands_at_its_place::<Certainty>();
    stands_at_its_place::<Code>();
    stands_at_its_place::<BreakerState>();
}

#[test]
fn a_counter_of_a_closed_set_is_exported_once_it_was_asked_for() {
    let registry = Registry::new();
    let rejections = names::rejections(&registry, "openai");
    assert_eq!(registry.render(Format::Prometheus), "");
    rejections.of(Code::BreakerOpen).add(2);
    let same = rejections.clone();
    same.of(Code::RateLimited);
    let text = registry.render(Format::Prometheus);
    let series: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        series,
        [
            r#"seawall_rejections_total{upstream="openai",policy="breaker",code="SW0004"} 2"#,
            r#"seawall_rejections_total{upstream="openai",policy="limiter",code="SW0001"} 0"#,
        ]
    );
    assert_eq!((rejections.total(), same.total()), (2, 2));
}

#[test]
fn two_sets_with_the_same_labels_count_into_the_same_cells() {
    let registry = Registry::new();
    names::calls(&registry, "openai", "chat").of(Class::Ok).inc();
    names::calls(&registry, "openai", "chat").of(Class::Ok).inc();
    assert_eq!(names::CALLS.with(&registry, ["openai", "chat", "ok"]).get(), 2);
}
