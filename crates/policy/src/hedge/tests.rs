use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};
use seawall_core::units::Share;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use super::*;

const START: Instant = Instant::from_nanos(3_600_000_000_000);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn read(text: &str) -> Result<Delay, String> {
    let text: StrDeserializer<'_, Error> = text.into_deserializer();
    Delay::deserialize(text).map_err(|error| error.to_string())
}

#[test]
fn a_delay_is_spelled_as_a_percentile_or_a_duration() {
    assert_eq!(read("p95"), Ok(Delay::Percentile(Share::percent(95))));
    assert_eq!(read("p99.9").unwrap().to_string(), "p99.9");
    assert_eq!(read("200ms"), Ok(Delay::Fixed(ms(200))));
    assert_eq!(Delay::Fixed(ms(1500)).to_string(), "1.5s");
    assert_eq!(Delay::default().to_string(), "p95");
    assert_eq!(read("pp"), Err("\"pp\" is not a percentile: write \"p95\"".into()));
    assert_eq!(read("p101"), Err("\"p101\" is not a percentile: write \"p95\"".into()));
    assert!(read("95").unwrap_err().contains("has no unit"));
    assert_eq!(serde_json::to_string(&Delay::default()).unwrap(), r#""p95""#);
    let error = serde_json::from_str::<Delay>("95").unwrap_err().to_string();
    assert!(error.contains("a percentile like"), "{error}");
}

#[test]
fn the_defaults_are_one_hedge_after_the_95th_percentile_of_twenty() {
    let d = Options::default();
    d.check().unwrap();
    assert_eq!((d.delay, d.min_delay), (Delay::Percentile(Share::percent(95)), ms(1)));
    assert_eq!((d.max, d.min_samples), (1, 20));
}

#[test]
fn bad_options_are_refused_by_name() {
    let refused = |o: Options| o.check().unwrap_err().key;
    assert_eq!(refused(Options { delay: Delay::Fixed(ms(0)), ..Options::default() }), "delay");
    for percent in [0, 49, 100] {
        let delay = Delay::Percentile(Share::percent(percent));
        assert_eq!(refused(Options { delay, ..Options::default() }), "delay");
    }
    for percent in [50.0, 99.9] {
        let delay = Delay::Percentile(Share::new(percent / 100.0).unwrap());
        Options { delay, max: 3, min_samples: 1, ..Options::default() }.check().unwrap();
    }
    Options { delay: Delay::Fixed(Duration::from_nanos(1)), ..Options::default() }.check().unwrap();
    assert_eq!(refused(Options { max: 0, ..Options::default() }), "max");
    assert_eq!(refused(Options { max: 4, ..Options::default() }), "max");
    assert_eq!(refused(Options { min_samples: 0, ..Options::default() }), "min_samples");
}

#[test]
fn nothing_is_hedged_before_twenty_latencies_are_known() {
    let options = Options::default();
    let mut latencies = Latencies::new(MEMORY);
    for _ in 0..19 {
        latencies.record(ms(8), START);
        assert_eq!(when(&options, &mut latencies, 0, START, START), None);
    }
    latencies.record(ms(8), START);
    let due = when(&options, &mut latencies, 0, START, START).unwrap();
    assert!(due.since(START) >= ms(8) && due.since(START) <= ms(9), "{due:?}");
    let forgotten = START + MEMORY * 2;
    assert_eq!(when(&options, &mut latencies, 0, forgotten, forgotten), None);
}

#[test]
fn a_fixed_delay_needs_no_latencies_and_hedges_are_a_delay_apart() {
    let options = Options { delay: Delay::Fixed(ms(200)), max: 2, ..Options::default() };
    let mut none = Latencies::new(MEMORY);
    assert_eq!(when(&options, &mut none, 0, START, START), Some(START + ms(200)));
    assert_eq!(when(&options, &mut none, 1, START, START + ms(200)), Some(START + ms(400)));
    assert_eq!(when(&options, &mut none, 1, START, START + ms(999)), Some(START + ms(999)));
    assert_eq!(when(&options, &mut none, 2, START, START + ms(400)), None);
    let never = Options { delay: Delay::Fixed(Duration::MAX), ..options };
    assert_eq!(when(&never, &mut none, 1, START, START), Some(Instant::FAR_FUTURE));
}

proptest! {
    /// Law: a call is given at most `max` hedges, none before `now`, and none before the shortest learnt delay.
    #[test]
    fn a_hedge_is_never_early_and_never_one_too_many(
        samples in prop::collection::vec(0u64..100_000, 0..60),
        percent in 50u8..100,
        max in 1u32..=3,
        min_delay in 0u64..50,
        late in 0u64..100_000,
    ) {
        let delay = Delay::Percentile(Share::percent(percent));
        let options = Options { delay, min_delay: ms(min_delay), max, ..Options::default() };
        let mut latencies = Latencies::new(MEMORY);
        for took in &samples {
            latencies.record(Duration::from_micros(*took), START);
        }
        let now = START + Duration::from_micros(late);
        for made in 0..5 {
            let due = when(&options, &mut latencies, made, START, now);
            prop_assert_eq!(due.is_some(), samples.len() >= 20 && made < max);
            if let Some(due) = due {
                prop_assert!(due >= now);
                prop_assert!(due >= START + ms(min_delay) * (made + 1));
                let slower = samples.iter().filter(|took| START + Duration::from_micros(**took) > due).count();
                prop_assert!(slower * 100 <= samples.len() * usize::from(100 - percent), "{slower} are slower");
            }
        }
    }
}
