use super::*;
use crate::metrics::Registry;
use seawall_policy::alert::Condition;

const START: Instant = Instant::from_nanos(1_800_000_000_000_000_000);

fn at(second: u64) -> Instant {
    START + Duration::from_secs(second)
}

fn watch(text: &str) -> (Condition, Watch) {
    let condition = Condition::parse(text).unwrap();
    let watch = Watch::new(condition.needs());
    (condition, watch)
}

fn step(watch: &mut Watch, registry: &Registry, second: u64) {
    let families = watch.families();
    let gathered = registry.gather_some(&|name| families.contains(name));
    watch.sample(&gathered, at(second));
}

fn value(condition: &Condition, watch: &Watch, second: u64) -> Option<f64> {
    condition.read(watch, at(second)).first().map(|reading| reading.value)
}

#[test]
fn a_counter_that_comes_up_later_is_not_missed() {
    let registry = Registry::new();
    let (condition, mut watch) = watch("increase(bad_total[1m]) > 0");
    for second in 0..100 {
        step(&mut watch, &registry, second);
    }
    assert_eq!(value(&condition, &watch, 99), None);
    registry.counter("seawall_bad_total", "Bad.", &[]).add(3);
    step(&mut watch, &registry, 100);
    step(&mut watch, &registry, 101);
    let grown = value(&condition, &watch, 101).unwrap();
    assert!((3.0..=5.0).contains(&grown), "{grown}");
}

#[test]
fn a_histogram_is_seen_as_a_sum_and_a_count() {
    let registry = Registry::new();
    let took = registry.histogram("seawall_took_seconds", "Took.", &[("u", "a")], crate::metrics::BUCKETS);
    let (condition, mut watch) = watch("rate(took_seconds_sum[10s]) / rate(took_seconds_count[10s]) > 0");
    for second in 0..20 {
        took.record(Duration::from_millis(250));
        took.record(Duration::from_millis(750));
        step(&mut watch, &registry, second);
    }
    let mean = value(&condition, &watch, 19).unwrap();
    assert!((mean - 0.5).abs() < 1e-9, "{mean}");
}

#[test]
fn a_long_span_costs_no_more_samples_than_a_short_one() {
    let registry = Registry::new();
    let gauge = registry.gauge("seawall_g", "G.", &[]);
    let (condition, mut watch) = watch("avg_over_time(g[24h]) > 0 and avg_over_time(g[5m]) > 0");
    for second in 0..100_000 {
        gauge.set(second as f64);
        step(&mut watch, &registry, second);
    }
    assert!(watch.kept <= 2 * (FINEST as usize + 300) + 2, "{}", watch.kept);
    let day = value(&condition, &watch, 99_999).unwrap();
    assert!((day - (99_999.0 - 43_200.0)).abs() < 121.0, "{day}");
    assert_eq!(watch.watched(at(99_999)), Duration::from_secs(99_999));
}

#[test]
fn what_is_gone_is_gone_at_once_and_its_past_is_forgotten_in_time() {
    let registry = Registry::new();
    registry.gauge("seawall_g", "G.", &[("u", "a")]).set(1.0);
    let (now, mut seen) = watch("g > 0 or sum_over_time(g[10s]) > 0");
    step(&mut seen, &registry, 0);
    assert_eq!(value(&now, &seen, 0), Some(1.0));
    registry.forget("u", "a");
    step(&mut seen, &registry, 1);
    assert_eq!(now.read(&seen, at(1)).len(), 1, "its past is still there");
    step(&mut seen, &registry, 11);
    assert_eq!(now.read(&seen, at(11)), []);
    assert!(seen.metrics.values().all(|metric| metric.series.is_empty()));
}

#[test]
fn memory_is_bounded_and_what_found_no_room_is_counted() {
    let registry = Registry::new();
    for n in 0..100 {
        registry.gauge("seawall_g", "G.", &[("n", &n.to_string())]).set(1.0);
    }
    let (condition, mut watch) = watch("sum_over_time(g[12m]) > 0");
    watch.most = 1000;
    for second in 0..50 {
        step(&mut watch, &registry, second);
    }
    assert_eq!((watch.kept, watch.refused()), (1000, 4000));
    assert_eq!(condition.read(&watch, at(49)).len(), 100);
}
