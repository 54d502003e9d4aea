use super::*;
use toml_edit::DocumentMut;

fn house(packages: &[(&str, &str)]) -> Vec<String> {
    let top: DocumentMut =
        "[workspace.dependencies]\nalias = { package = \"seawall-cli\", version = \"1\" }".parse().unwrap();
    let manifest = |(name, tables): &(&str, &str)| {
        Manifest::parse(&format!("[package]\nname = \"{name}\"\n{tables}"), &top).unwrap()
    };
    wrong_arrows(&packages.iter().map(manifest).collect::<Vec<_>>())
}

#[test]
fn this_house_has_no_wrong_arrow() {
    let house = manifest::workspace(&crate::root()).unwrap();
    assert!(house.iter().any(|manifest| manifest.package == "seawall-core"), "the walk missed crates/core");
    let wrong = wrong_arrows(&house);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn arrows_that_go_down_are_fine() {
    let wrong = house(&[
        ("seawall-core", "[dependencies]\nserde = \"1\""),
        ("seawall-policy", "[dependencies]\nseawall-core.workspace = true"),
        ("seawall", "[dependencies]\nseawall-core = \"1\"\nseawall-policy = \"1\""),
        ("seawall-gateway", "[dependencies]\nseawall = \"1\"\n[dev-dependencies]\nseawall-testkit = \"1\""),
        ("seawall-cli", "[dependencies]\nseawall-gateway = \"1\"\nseawall-testkit = \"1\""),
        ("seawall-e2e", "[dependencies]\nseawall-testkit = \"1\"\nseawall-cli = \"1\""),
    ]);
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn an_arrow_that_goes_up_is_found() {
    for (package, tables) in [
        ("seawall-core", "[dependencies]\nseawall-policy.workspace = true"),
        ("seawall-policy", "[dependencies]\nseawall = { path = \"../seawall\" }"),
        ("seawall", "[dependencies]\nseawall-gateway = \"1\""),
        ("seawall-signals", "[dependencies.seawall-cli]\nworkspace = true"),
        ("seawall-gateway", "[build-dependencies]\nseawall-cli = \"1\""),
        ("seawall-core", "[target.'cfg(unix)'.dependencies]\nseawall-policy = \"1\""),
        ("seawall-cli", "[dependencies]\nseawall-e2e = \"1\""),
    ] {
        let wrong = house(&[(package, tables)]);
        assert_eq!(wrong.len(), 1, "{package} with {tables:?}: {wrong:?}");
        assert!(wrong[0].starts_with(package), "{wrong:?}");
    }
}

#[test]
fn neighbours_on_a_floor_never_meet() {
    for (package, neighbour) in [
        ("seawall", "seawall-store"),
        ("seawall-config", "seawall-signals"),
        ("seawall-gateway", "seawall-packs"),
        ("seawall-jobs", "seawall-testkit"),
        ("seawall-py", "seawall-cli"),
        ("xtask", "seawall-e2e"),
    ] {
        let wrong = house(&[(package, &format!("[dependencies]\n{neighbour} = \"1\""))]);
        assert_eq!(wrong.len(), 1, "{package} on {neighbour}: {wrong:?}");
    }
}

#[test]
fn a_nickname_does_not_hide_an_arrow() {
    let wrong =
        house(&[("seawall", "[dependencies]\nfriend = { package = \"seawall-store\", version = \"1\" }")]);
    assert!(wrong[0].contains("seawall-store"), "{wrong:?}");
    let wrong = house(&[("seawall", "[dependencies]\nalias.workspace = true")]);
    assert!(wrong[0].contains("seawall-cli"), "{wrong:?}");
}

#[test]
fn tests_lean_on_testkit_from_the_pillars_up_and_not_below() {
    let leaning = "[dev-dependencies]\nseawall-testkit = \"1\"";
    assert!(house(&[("seawall-config", leaning)]).is_empty());
    assert_eq!(house(&[("seawall-policy", leaning)]).len(), 1);
    assert_eq!(house(&[("seawall-config", "[dev-dependencies]\nseawall-signals = \"1\"")]).len(), 1);
}

#[test]
fn a_package_off_the_map_is_told_where_the_map_is() {
    let wrong = house(&[("seawall-attic", "")]);
    assert!(wrong[0].contains("seawall-attic") && wrong[0].contains("MAP"), "{wrong:?}");
}
