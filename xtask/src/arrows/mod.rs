//! Who may import whom. Arrows only go down, neighbours never meet, and only the doors put things together.

mod manifest;

use manifest::{Kind, Manifest};

/// The house, from the ground up: each package with what it may import.
const MAP: &[(&str, Floor)] = &[
    ("seawall-core", Floor::Core),
    ("seawall-policy", Floor::Policy),
    ("seawall", Floor::Pillar),
    ("seawall-store", Floor::Pillar),
    ("seawall-signals", Floor::Pillar),
    ("seawall-config", Floor::Pillar),
    ("seawall-security", Floor::Pillar),
    ("seawall-gateway", Floor::Service),
    ("seawall-jobs", Floor::Service),
    ("seawall-packs", Floor::Service),
    ("seawall-sim", Floor::Service),
    ("seawall-testkit", Floor::Service),
    ("seawall-cli", Floor::Door),
    ("seawall-py", Floor::Door),
    ("seawall-e2e", Floor::Outside),
    ("seawall-bench", Floor::Outside),
    ("seawall-chaos", Floor::Outside),
    ("xtask", Floor::Outside),
];

/// Tests may lean on these from the pillars up: upstreams that misbehave, and a journal in memory.
const FOR_TESTS: [&str; 2] = ["seawall-testkit", "seawall-store"];

/// In the order of height: an arrow goes from a higher floor to a lower one, or it is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Floor {
    /// The words everyone shares. Imports nothing of ours.
    Core,
    /// Every decision, pure. Imports only core.
    Policy,
    Pillar,
    Service,
    Door,
    /// Looks at the house from the street: may import anything, and nobody may import it.
    Outside,
}

fn floor(package: &str) -> Option<Floor> {
    MAP.iter().find(|(name, _)| *name == package).map(|(_, floor)| *floor)
}

/// Every arrow that should not be there, in words.
fn wrong_arrows(house: &[Manifest]) -> Vec<String> {
    let ours = |name: &str| house.iter().any(|other| other.package == name) || floor(name).is_some();
    let mut wrong = Vec::new();
    for Manifest { package, imports } in house {
        let Some(from) = floor(package) else {
            wrong.push(format!(
                "{package} is not on the map: give it a floor in MAP, xtask/src/arrows/mod.rs"
            ));
            continue;
        };
        for (kind, import) in imports.iter().filter(|(_, import)| import != package && ours(import)) {
            let Some(to) = floor(import) else { continue };
            let for_tests =
                *kind == Kind::Dev && FOR_TESTS.contains(&import.as_str()) && from >= Floor::Pillar;
            let allowed = from == Floor::Outside && to != Floor::Outside || to < from || for_tests;
            if !allowed {
                let kind = kind.table();
                wrong.push(format!(
                    "{package} ({from:?}) has {import} ({to:?}) in {kind}: arrows only go down"
                ));
            }
        }
    }
    wrong
}

mod tests;
