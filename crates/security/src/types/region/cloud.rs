//! Regions of clouds, and the one map from them to grids.

use std::fmt;
use std::str::FromStr;

use super::super::{nearest, shown, text};
use super::grid::{British, WattTime, Zone};

/// A region of a cloud: who, which, its zone of Electricity Maps, its region of WattTime, its number in Great Britain or 0.
type Row = (&'static str, &'static str, &'static str, &'static str, u8);

/// Source: the Green Software Foundation's Real Time Cloud metadata (2024), and for regions it leaves open the provider's
/// own published place. A provider that says no place has no row.
#[rustfmt::skip]
const CLOUDS: [Row; 131] = [
    ("aws", "af-south-1", "ZA", "ZAF", 0),
    ("aws", "ap-east-1", "HK", "HKG", 0),
    ("aws", "ap-east-2", "TW", "TWN", 0),
    ("aws", "ap-northeast-1", "JP-TK", "JP_TK", 0),
    ("aws", "ap-northeast-2", "KR", "KOR", 0),
    ("aws", "ap-northeast-3", "JP-KN", "JP_KN", 0),
    ("aws", "ap-south-1", "IN-WE", "IND", 0),
    ("aws", "ap-south-2", "IN-SO", "IND", 0),
    ("aws", "ap-southeast-1", "SG", "SGP", 0),
    ("aws", "ap-southeast-2", "AU-NSW", "NEM_NSW", 0),
    ("aws", "ap-southeast-3", "ID", "IDN", 0),
    ("aws", "ap-southeast-4", "AU-VIC", "NEM_VIC", 0),
    ("aws", "ap-southeast-5", "MY-WM", "MYS", 0),
    ("aws", "ap-southeast-6", "NZ", "NZL", 0),
    ("aws", "ap-southeast-7", "TH", "THA", 0),
    ("aws", "ca-central-1", "CA-QC", "HQ", 0),
    ("aws", "ca-west-1", "CA-AB", "AESO", 0),
    ("aws", "cn-north-1", "CN", "CHN", 0),
    ("aws", "cn-northwest-1", "CN", "CHN", 0),
    ("aws", "eu-central-1", "DE", "DE", 0),
    ("aws", "eu-central-2", "CH", "CH", 0),
    ("aws", "eu-north-1", "SE-SE3", "SE", 0),
    ("aws", "eu-south-1", "IT-NO", "IT", 0),
    ("aws", "eu-south-2", "ES", "ES", 0),
    ("aws", "eu-west-1", "IE", "IE", 0),
    ("aws", "eu-west-2", "GB", "UK", 13),
    ("aws", "eu-west-3", "FR", "FR", 0),
    ("aws", "il-central-1", "IL", "ISR", 0),
    ("aws", "me-central-1", "AE", "ARE", 0),
    ("aws", "me-south-1", "BH", "BHR", 0),
    ("aws", "mx-central-1", "MX", "MX_SIN", 0),
    ("aws", "sa-east-1", "BR-CS", "BRA", 0),
    ("aws", "us-east-1", "US-MIDA-PJM", "PJM_DC", 0),
    ("aws", "us-east-2", "US-MIDA-PJM", "PJM_SOUTHWEST_OH", 0),
    ("aws", "us-west-1", "US-CAL-CISO", "CAISO_NORTH", 0),
    ("aws", "us-west-2", "US-NW-BPAT", "BPA", 0),
    ("azure", "australiacentral", "AU-NSW", "NEM_NSW", 0),
    ("azure", "australiaeast", "AU-NSW", "NEM_NSW", 0),
    ("azure", "australiasoutheast", "AU-VIC", "NEM_VIC", 0),
    ("azure", "austriaeast", "AT", "AT", 0),
    ("azure", "belgiumcentral", "BE", "BE", 0),
    ("azure", "brazilsouth", "BR-CS", "BRA", 0),
    ("azure", "canadacentral", "CA-ON", "IESO_NORTH", 0),
    ("azure", "canadaeast", "CA-QC", "HQ", 0),
    ("azure", "centralindia", "IN-WE", "IND", 0),
    ("azure", "centralus", "US-MIDW-MISO", "MISO_MASON_CITY", 0),
    ("azure", "chilecentral", "CL-SEN", "CHL", 0),
    ("azure", "eastasia", "HK", "HKG", 0),
    ("azure", "eastus", "US-MIDA-PJM", "PJM_DC", 0),
    ("azure", "eastus2", "US-MIDA-PJM", "PJM_DC", 0),
    ("azure", "francecentral", "FR", "FR", 0),
    ("azure", "francesouth", "FR", "FR", 0),
    ("azure", "germanynorth", "DE", "DE", 0),
    ("azure", "germanywestcentral", "DE", "DE", 0),
    ("azure", "indonesiacentral", "ID", "IDN", 0),
    ("azure", "israelcentral", "IL", "ISR", 0),
    ("azure", "italynorth", "IT-NO", "IT", 0),
    ("azure", "japaneast", "JP-TK", "JP_TK", 0),
    ("azure", "japanwest", "JP-KN", "JP_KN", 0),
    ("azure", "koreacentral", "KR", "KOR", 0),
    ("azure", "koreasouth", "KR", "KOR", 0),
    ("azure", "malaysiawest", "MY-WM", "MYS", 0),
    ("azure", "mexicocentral", "MX", "MX_SIN", 0),
    ("azure", "newzealandnorth", "NZ", "NZL", 0),
    ("azure", "northcentralus", "US-MIDA-PJM", "PJM_CHICAGO", 0),
    ("azure", "northeurope", "IE", "IE", 0),
    ("azure", "norwayeast", "NO-NO1", "NO", 0),
    ("azure", "norwaywest", "NO-NO2", "NO", 0),
    ("azure", "polandcentral", "PL", "PL", 0),
    ("azure", "qatarcentral", "QA", "QAT", 0),
    ("azure", "southafricanorth", "ZA", "ZAF", 0),
    ("azure", "southafricawest", "ZA", "ZAF", 0),
    ("azure", "southcentralus", "US-TEX-ERCO", "ERCOT_SANANTONIO", 0),
    ("azure", "southeastasia", "SG", "SGP", 0),
    ("azure", "southindia", "IN-SO", "IND", 0),
    ("azure", "spaincentral", "ES", "ES", 0),
    ("azure", "swedencentral", "SE-SE3", "SE", 0),
    ("azure", "switzerlandnorth", "CH", "CH", 0),
    ("azure", "switzerlandwest", "CH", "CH", 0),
    ("azure", "uaecentral", "AE", "ARE", 0),
    ("azure", "uaenorth", "AE", "ARE", 0),
    ("azure", "uksouth", "GB", "UK", 13),
    ("azure", "ukwest", "GB", "UK", 7),
    ("azure", "westcentralus", "US-NW-PACE", "PACE", 0),
    ("azure", "westeurope", "NL", "NL", 0),
    ("azure", "westindia", "IN-WE", "IND", 0),
    ("azure", "westus", "US-CAL-CISO", "CAISO_NORTH", 0),
    ("azure", "westus2", "US-NW-GCPD", "GCPD", 0),
    ("azure", "westus3", "US-SW-SRP", "SRP", 0),
    ("gcp", "africa-south1", "ZA", "ZAF", 0),
    ("gcp", "asia-east1", "TW", "TWN", 0),
    ("gcp", "asia-east2", "HK", "HKG", 0),
    ("gcp", "asia-northeast1", "JP-TK", "JP_TK", 0),
    ("gcp", "asia-northeast2", "JP-KN", "JP_KN", 0),
    ("gcp", "asia-northeast3", "KR", "KOR", 0),
    ("gcp", "asia-south1", "IN-WE", "IND", 0),
    ("gcp", "asia-south2", "IN-NO", "IND", 0),
    ("gcp", "asia-southeast1", "SG", "SGP", 0),
    ("gcp", "asia-southeast2", "ID", "IDN", 0),
    ("gcp", "australia-southeast1", "AU-NSW", "NEM_NSW", 0),
    ("gcp", "australia-southeast2", "AU-VIC", "NEM_VIC", 0),
    ("gcp", "europe-central2", "PL", "PL", 0),
    ("gcp", "europe-north1", "FI", "FI", 0),
    ("gcp", "europe-north2", "SE-SE3", "SE", 0),
    ("gcp", "europe-southwest1", "ES", "ES", 0),
    ("gcp", "europe-west1", "BE", "BE", 0),
    ("gcp", "europe-west10", "DE", "DE", 0),
    ("gcp", "europe-west12", "IT-NO", "IT", 0),
    ("gcp", "europe-west2", "GB", "UK", 13),
    ("gcp", "europe-west3", "DE", "DE", 0),
    ("gcp", "europe-west4", "NL", "NL", 0),
    ("gcp", "europe-west6", "CH", "CH", 0),
    ("gcp", "europe-west8", "IT-NO", "IT", 0),
    ("gcp", "europe-west9", "FR", "FR", 0),
    ("gcp", "me-central1", "QA", "QAT", 0),
    ("gcp", "me-central2", "SA", "SAU", 0),
    ("gcp", "me-west1", "IL", "ISR", 0),
    ("gcp", "northamerica-northeast1", "CA-QC", "HQ", 0),
    ("gcp", "northamerica-northeast2", "CA-ON", "IESO_NORTH", 0),
    ("gcp", "northamerica-south1", "MX", "MX_SIN", 0),
    ("gcp", "southamerica-east1", "BR-CS", "BRA", 0),
    ("gcp", "southamerica-west1", "CL-SEN", "CHL", 0),
    ("gcp", "us-central1", "US-MIDW-MISO", "MISO_MASON_CITY", 0),
    ("gcp", "us-east1", "US-CAR-SC", "SC", 0),
    ("gcp", "us-east4", "US-MIDA-PJM", "PJM_DC", 0),
    ("gcp", "us-east5", "US-MIDA-PJM", "PJM_SOUTHWEST_OH", 0),
    ("gcp", "us-south1", "US-TEX-ERCO", "ERCOT_NORTHCENTRAL", 0),
    ("gcp", "us-west1", "US-NW-BPAT", "BPA", 0),
    ("gcp", "us-west2", "US-CAL-CISO", "LDWP", 0),
    ("gcp", "us-west3", "US-NW-PACE", "PACE", 0),
    ("gcp", "us-west4", "US-NW-NEVP", "NEVP", 0),
];

/// A region of Amazon, Microsoft or Google: `aws/us-east-1`, `azure/westeurope`, `gcp/europe-west1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cloud(&'static Row);

impl Cloud {
    /// Every one that is known.
    pub fn all() -> impl Iterator<Item = Cloud> {
        CLOUDS.iter().map(Cloud)
    }

    /// `aws`, `azure` or `gcp`.
    pub fn provider(self) -> &'static str {
        self.0.0
    }

    /// The region, as the provider writes it.
    pub fn name(self) -> &'static str {
        self.0.1
    }

    /// Its zone of Electricity Maps.
    pub fn zone(self) -> Option<Zone> {
        self.0.2.parse().ok()
    }

    /// Its region of WattTime.
    pub fn watttime(self) -> Option<WattTime> {
        self.0.3.parse().ok()
    }

    /// Its region of Great Britain, where it is in one.
    pub fn british(self) -> Option<British> {
        British::numbered(self.0.4)
    }
}

impl FromStr for Cloud {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (provider, name) = text.split_once('/').unwrap_or_default();
        Self::all().find(|cloud| (cloud.provider(), cloud.name()) == (provider, name)).ok_or_else(|| {
            let names = Self::all().filter(|cloud| cloud.provider() == provider).map(Self::name);
            let advice = match nearest(name, names) {
                Some(near) => format!("write {provider}/{near}"),
                None => "write one such as aws/us-east-1, azure/westeurope or gcp/europe-west1".to_owned(),
            };
            format!("{} is no region of a cloud that is known: {advice}", shown(text))
        })
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider(), self.name())
    }
}

text!(Cloud, "a region of a cloud such as \"aws/us-east-1\"");
