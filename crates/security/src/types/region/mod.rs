//! Regions, in the one form each of those who publish carbon intensities wants, and one explicit map between them.
//!
//! Nothing is guessed: where the map has no row the answer is `None`, and a text that could mean two things has a mark.
//!
//! | text | means |
//! |---|---|
//! | `DE`, `DEU` | a country of ISO 3166 |
//! | `SE-SE3`, `US-CAL-CISO` | a zone of Electricity Maps; `electricitymaps:US-NEW-ONE` where it is newer than the list |
//! | `CAISO_NORTH`, `watttime:SC` | a region of WattTime; the mark where it could be a country |
//! | `uk:13`, `uk:london` | a region of Great Britain |
//! | `aws/us-east-1`, `azure/westeurope`, `gcp/europe-west1` | a region of a cloud |

mod cloud;
mod country;
mod grid;

use std::fmt;
use std::str::FromStr;

pub use cloud::Cloud;
pub use country::Country;
pub use grid::{British, WattTime, Zone};

use super::{shown, text};

/// Zones of Electricity Maps that are one and the same as a region of WattTime.
const SAME: &str = "AU-NSW=NEM_NSW AU-QLD=NEM_QLD AU-SA=NEM_SA AU-TAS=NEM_TAS AU-VIC=NEM_VIC AU-WA=WEM CA-AB=AESO \
    CA-BC=BCHYDRO CA-QC=HQ JP-CB=JP_CB JP-CG=JP_CG JP-HKD=JP_HKD JP-HR=JP_HR JP-KN=JP_KN JP-KY=JP_KY JP-ON=JP_ON \
    JP-SK=JP_SK JP-TH=JP_TH JP-TK=JP_TK US-CAL-BANC=BANC US-CAL-IID=IID US-CAL-LDWP=LDWP US-CAL-TIDC=TID \
    US-CAR-CPLE=CPLE US-CAR-CPLW=CPLW US-CAR-DUK=DUK US-CAR-SC=SC US-CAR-SCEG=SCEG US-CENT-SPA=SPA US-FLA-FMPP=FMPP \
    US-FLA-FPC=FPC US-FLA-FPL=FPL US-FLA-GVL=GVL US-FLA-HST=HST US-FLA-JEA=JEA US-FLA-SEC=SEC US-FLA-TAL=TAL \
    US-FLA-TEC=TEC US-MIDW-AECI=AECI US-MIDW-LGEE=LGEE US-NW-AVA=AVA US-NW-BPAT=BPA US-NW-CHPD=CHPD US-NW-DOPD=DOPD \
    US-NW-GCPD=GCPD US-NW-IPCO=IPCO US-NW-NEVP=NEVP US-NW-NWMT=MPCO US-NW-PACE=PACE US-NW-PACW=PACW US-NW-PGE=PGE \
    US-NW-PSCO=PSCO US-NW-PSEI=PSEI US-NW-SCL=SCL US-NW-TPWR=TPWR US-NW-WACM=WACM US-NW-WAUW=WAUW US-SE-SOCO=SOCO \
    US-SW-AZPS=AZPS US-SW-EPE=ELE US-SW-PNM=PNM US-SW-SRP=SRP US-SW-TEPC=TEPC US-SW-WALC=WALC US-TEN-TVA=TVA";

/// A place where electricity is used. It is written as it is read.
///
/// ```
/// use seawall_security::types::region::Region;
/// let oregon: Region = "aws/us-west-2".parse()?;
/// assert_eq!(oregon.zone().unwrap().as_str(), "US-NW-BPAT");
/// assert_eq!(oregon.watttime().unwrap().as_str(), "BPA");
/// assert_eq!("us-west-2".parse::<Region>().unwrap_err(), "\"us-west-2\" is no region: write aws/us-west-2");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Region {
    /// A country.
    Country(Country),
    /// A zone within one.
    Zone(Zone),
    /// A region of WattTime.
    WattTime(WattTime),
    /// A region of Great Britain.
    British(British),
    /// A region of a cloud.
    Cloud(Cloud),
}

impl Region {
    /// What Electricity Maps calls it.
    pub fn zone(&self) -> Option<Zone> {
        match self {
            Region::Country(country) => Some(Zone::of(*country)),
            Region::Zone(zone) => Some(zone.clone()),
            Region::WattTime(grid) => same().find(|(_, other)| *other == grid.as_str()).map_or_else(
                || Country::all().find(|country| WattTime::of(*country) == Some(*grid)).map(Zone::of),
                |(zone, _)| zone.parse().ok(),
            ),
            Region::British(_) => "GB".parse().ok(),
            Region::Cloud(cloud) => cloud.zone(),
        }
    }

    /// What WattTime calls it. `None` where a zone has several regions there: which one is for the user to say.
    pub fn watttime(&self) -> Option<WattTime> {
        match self {
            Region::Country(country) => WattTime::of(*country),
            Region::Zone(zone) => match same().find(|(other, _)| *other == zone.as_str()) {
                Some((_, grid)) => grid.parse().ok(),
                None => zone.as_str().parse().ok().and_then(WattTime::of),
            },
            Region::WattTime(grid) => Some(*grid),
            Region::British(_) => "UK".parse().ok(),
            Region::Cloud(cloud) => cloud.watttime(),
        }
    }

    /// What carbonintensity.org.uk calls it. `None` for Great Britain as a whole, which has no number there.
    pub fn british(&self) -> Option<British> {
        match self {
            Region::British(region) => Some(*region),
            Region::Cloud(cloud) => cloud.british(),
            _ => None,
        }
    }

    /// The country it is in.
    pub fn country(&self) -> Option<Country> {
        match self {
            Region::Country(country) => Some(*country),
            other => other.zone()?.country(),
        }
    }
}

fn same() -> impl Iterator<Item = (&'static str, &'static str)> {
    SAME.split(' ').filter_map(|pair| pair.split_once('='))
}

impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("watttime", rest)) => return rest.parse().map(Region::WattTime),
            Some(("uk", rest)) => return rest.parse().map(Region::British),
            Some(("electricitymaps", rest)) => {
                return match rest.parse() {
                    Ok(country) => Ok(Region::Country(country)),
                    Err(_) => Zone::newer(rest).map(Region::Zone),
                };
            }
            Some(_) => {
                let advice = "write one of electricitymaps:, watttime: and uk: before it, or nothing";
                return Err(format!("{} is no region: {advice}", shown(text)));
            }
            None => {}
        }
        if text.contains('/') {
            return text.parse().map(Region::Cloud);
        }
        if text.contains('_') {
            return text.parse().map(Region::WattTime);
        }
        if let Some(cloud) = Cloud::all().find(|cloud| cloud.name() == text) {
            return Err(format!("{} is no region: write {cloud}", shown(text)));
        }
        match text.contains('-') || text == "XK" || text == "XX" {
            true => text.parse().map(Region::Zone),
            false => text.parse().map(Region::Country),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Region::Country(country) => country.fmt(f),
            Region::Zone(zone) if zone.is_listed() => zone.fmt(f),
            Region::Zone(zone) => write!(f, "electricitymaps:{zone}"),
            Region::WattTime(grid) => write!(f, "watttime:{grid}"),
            Region::British(region) => write!(f, "uk:{region}"),
            Region::Cloud(cloud) => cloud.fmt(f),
        }
    }
}

text!(Region, "a region such as \"DE\", \"SE-SE3\" or \"aws/us-east-1\"");
