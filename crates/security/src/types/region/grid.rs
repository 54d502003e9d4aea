//! Grid zones as those name them who publish carbon intensities: Electricity Maps, WattTime, National Grid ESO.

use std::fmt;
use std::str::FromStr;

use super::super::{nearest, shown, text};
use super::Country;

/// The zones of Electricity Maps within countries, as of November 2026. A country's own code is a zone too.
const ZONES: &str = "\
    AR-BAS AR-CEN AR-COM AR-CUY AR-LIT AR-NEA AR-NOA AR-PAT AU-LH AU-NSW AU-NT AU-QLD AU-SA AU-TAS AU- \
    TAS-CBI AU-TAS-FI AU-TAS-KI AU-VIC AU-WA AU-WA-RI BR-CS BR-I BR-N BR-NE BR-S CA-AB CA-BC CA-MB CA-NB \
    CA-NL CA-NL-LB CA-NL-NF CA-NS CA-NT CA-NU CA-ON CA-PE CA-QC CA-SK CA-YT CL-CHP CL-SEA CL-SEM CL-SEN \
    DK-BHM DK-DK1 DK-DK2 ES-CE ES-CN-FV ES-CN-GC ES-CN-HI ES-CN-IG ES-CN-LP ES-CN-LZ ES-CN-TE ES-IB-FO \
    ES-IB-IZ ES-IB-MA ES-IB-ME ES-ML FO-MI FO-SI FR-COR GB-NIR GB-ORK GB-ZET IN-AN IN-DL IN-EA IN-HP IN- \
    KA IN-MH IN-NE IN-NO IN-PB IN-SO IN-UP IN-UT IN-WE IT-CNO IT-CSO IT-NO IT-SAR IT-SIC IT-SO JP-CB JP- \
    CG JP-HKD JP-HR JP-KN JP-KY JP-ON JP-SK JP-TH JP-TK MY-EM MY-WM NO-NO1 NO-NO2 NO-NO3 NO-NO4 NO-NO5 \
    NZ-NZA NZ-NZC NZ-NZST PH-LU PH-MI PH-VI PT-AC PT-MA RU-1 RU-2 RU-AS RU-EU RU-FE RU-KGD SE-SE1 SE-SE2 \
    SE-SE3 SE-SE4 UA-CR US-AK US-AK-SEAPA US-CAL-BANC US-CAL-CISO US-CAL-IID US-CAL-LDWP US-CAL-TIDC US- \
    CAR-CPLE US-CAR-CPLW US-CAR-DUK US-CAR-SC US-CAR-SCEG US-CAR-YAD US-CENT-SPA US-CENT-SWPP US-FLA- \
    FMPP US-FLA-FPC US-FLA-FPL US-FLA-GVL US-FLA-HST US-FLA-JEA US-FLA-SEC US-FLA-TAL US-FLA-TEC US-HI \
    US-MIDA-PJM US-MIDW-AECI US-MIDW-LGEE US-MIDW-MISO US-NE-ISNE US-NW-AVA US-NW-BPAT US-NW-CHPD US-NW- \
    DOPD US-NW-GCPD US-NW-GRID US-NW-IPCO US-NW-NEVP US-NW-NWMT US-NW-PACE US-NW-PACW US-NW-PGE US-NW- \
    PSCO US-NW-PSEI US-NW-SCL US-NW-TPWR US-NW-WACM US-NW-WAUW US-NY-NYIS US-SE-SEPA US-SE-SOCO US-SW- \
    AZPS US-SW-EPE US-SW-PNM US-SW-SRP US-SW-TEPC US-SW-WALC US-TEN-TVA US-TEX-ERCO";

/// The regions of WattTime that are not countries.
const GRIDS: &str = "\
    AECI AESO AVA AZPS BANC BCHYDRO BPA CAISO_ESCONDIDO CAISO_LONGBEACH CAISO_NORTH CAISO_PALMSPRINGS \
    CAISO_REDDING CAISO_SANBERNARDINO CAISO_SANDIEGO CHPD CPLE CPLW DOPD DUK ELE ERCOT_AUSTIN \
    ERCOT_COAST ERCOT_EASTTX ERCOT_HIDALGO ERCOT_NORTHCENTRAL ERCOT_PANHANDLE ERCOT_SANANTONIO \
    ERCOT_SECOAST ERCOT_SOUTHTX ERCOT_WESTTX FMPP FPC FPL GCPD GVL HQ HST IESO_NORTH IESO_SOUTH \
    IESO_WEST IID IPCO ISONE_CT ISONE_ME ISONE_NEMA ISONE_NH ISONE_RI ISONE_SEMA ISONE_VT ISONE_WCMA JEA \
    JP_CB JP_CG JP_HKD JP_HR JP_KN JP_KY JP_ON JP_SK JP_TH JP_TK LDWP LGEE MISO_BEAUMONT MISO_DETROIT \
    MISO_EAU_CLAIRE MISO_GRAND_RAPIDS MISO_INDIANAPOLIS MISO_LAFAYETTE MISO_LOWER_MS_RIVER MISO_MADISON \
    MISO_MASON_CITY MISO_MINNEAPOLIS MISO_NEW_ORLEANS MISO_N_DAKOTA MISO_SAINT_LOUIS MISO_SPRINGFIELD \
    MISO_UPPER_PENINSULA MISO_WORTHINGTON MPCO MX_SIN NEM_NSW NEM_QLD NEM_SA NEM_TAS NEM_VIC NEVP \
    NYISO_CAPITAL NYISO_CENTRAL NYISO_HUDSON NYISO_LONG NYISO_MOHAWK NYISO_NORTH NYISO_NYC NYISO_WEST \
    PACE PACW PGE PJM_CHICAGO PJM_DC PJM_EASTERN_KY PJM_EASTERN_OH PJM_NJ PJM_ROANOKE PJM_SOUTHWEST_OH \
    PJM_WESTERN_KY PNM PSCO PSEI SC SCEG SCL SEC SOCO SPA SPP_FORTPECK SPP_KANSAS SPP_KC SPP_MEMPHIS \
    SPP_ND SPP_OKCTY SPP_SIOUX SPP_SPRINGFIELD SPP_SWOK SPP_TX SPP_WESTNE SRP TAL TEC TEPC TID TPWR TVA \
    WACM WALC WAUW WEM";

/// The countries WattTime writes with two letters, the United Kingdom as UK.
const TWO_LETTERS: &str = "\
    AT BA BE BG CH CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LV ME NL NO PL PT RO RS SE SI SK UK";

/// The countries WattTime writes with three letters.
const THREE_LETTERS: &str = "\
    ABW AFG AGO ALB ARE ARG ARM ATG AZE BDI BEN BFA BGD BHR BHS BLR BLZ BMU BOL BRA BRB BRN BTN BWA CAF \
    CHL CHN CIV CMR COD COG COK COL COM CPV CRI CUB CUW CYM DJI DMA DOM DZA ECU EGY ERI ESH ETH FJI FLK \
    FRO GAB GEO GHA GIB GIN GLP GMB GNB GNQ GRD GRL GTM GUF GUM GUY HKG HND HTI IDN IND IRN IRQ ISL ISR \
    JAM JOR KAZ KEN KGZ KHM KIR KNA KOR KWT LAO LBN LBR LBY LCA LKA LSO MAC MAR MDA MDG MKD MLI MLT MMR \
    MNG MOZ MRT MSR MTQ MUS MWI MYS NAM NCL NER NGA NIC NPL NZL OMN PAK PAN PER PHL PNG PRI PRK PRY PSE \
    PYF QAT REU RUS RWA SAU SDN SEN SGP SHN SLB SLE SLV SOM SPM SSD STP SUR SWZ SYC SYR TCA TCD TGO THA \
    TJK TKM TLS TON TTO TUN TUR TWN TZA UGA UKR URY UZB VCT VEN VGB VIR VNM VUT WSM YEM ZAF ZMB ZWE";

/// A zone of Electricity Maps: `DE`, `SE-SE3`, `US-CAL-CISO`.
///
/// Only zones that are known are read; `electricitymaps:US-NEW-ZONE` names one that is newer than the list, and even then
/// the country has to be one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zone(String);

impl Zone {
    /// The text, as the API takes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The country it is in; none for Kosovo (`XK`) and Northern Cyprus (`XX`), which ISO 3166 has no code for.
    pub fn country(&self) -> Option<Country> {
        self.0.get(..2)?.parse().ok()
    }

    /// Whether it was known when this was written.
    pub fn is_listed(&self) -> bool {
        is_country(&self.0) || ZONES.split(' ').any(|zone| zone == self.0)
    }

    pub(super) fn of(country: Country) -> Self {
        Self(country.alpha_2().to_owned())
    }

    /// One that may be newer than the list.
    pub(super) fn newer(text: &str) -> Result<Self, String> {
        let mut parts = text.split('-');
        let country = parts.next().is_some_and(is_country);
        let fits = |part: &str| {
            (1..=5).contains(&part.len())
                && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
        };
        match country && text.matches('-').count() <= 2 && parts.all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("{} is no zone: write one such as SE-SE3", shown(text))),
        }
    }
}

/// The codes of countries, and the two that Electricity Maps added.
fn is_country(text: &str) -> bool {
    text.len() == 2 && (text == "XK" || text == "XX" || text.parse::<Country>().is_ok())
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let zone = Self(text.to_owned());
        match zone.is_listed() {
            true => Ok(zone),
            false => {
                let near = nearest(text, ZONES.split(' '));
                let advice =
                    near.map_or("write one such as DE or SE-SE3".to_owned(), |near| format!("write {near}"));
                Err(format!("{} is no zone of Electricity Maps: {advice}", shown(text)))
            }
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text!(Zone, "a zone of Electricity Maps such as \"SE-SE3\"");

/// A region of WattTime: `CAISO_NORTH`, `DE`, `IND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WattTime(&'static str);

impl WattTime {
    /// The text, as the API takes it.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    pub(super) fn of(country: Country) -> Option<Self> {
        let two = if country.alpha_2() == "GB" { "UK" } else { country.alpha_2() };
        let two = TWO_LETTERS.split(' ').find(|code| *code == two);
        two.or_else(|| THREE_LETTERS.split(' ').find(|code| *code == country.alpha_3())).map(Self)
    }
}

impl FromStr for WattTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || GRIDS.split(' ').chain(TWO_LETTERS.split(' ')).chain(THREE_LETTERS.split(' '));
        all().find(|code| *code == text).map(Self).ok_or_else(|| {
            let near = nearest(text, GRIDS.split(' '));
            let advice =
                near.map_or("write one such as CAISO_NORTH".to_owned(), |near| format!("write {near}"));
            format!("{} is no region of WattTime: {advice}", shown(text))
        })
    }
}

impl fmt::Display for WattTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

text!(WattTime, "a region of WattTime such as \"CAISO_NORTH\"");

/// The regions of the British Carbon Intensity API, by their number from 1.
const BRITISH: [&str; 17] = [
    "north-scotland",
    "south-scotland",
    "north-west-england",
    "north-east-england",
    "yorkshire",
    "north-wales-and-merseyside",
    "south-wales",
    "west-midlands",
    "east-midlands",
    "east-england",
    "south-west-england",
    "south-england",
    "london",
    "south-east-england",
    "england",
    "scotland",
    "wales",
];

/// A region of Great Britain, as carbonintensity.org.uk numbers them: `13` or `london`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct British(u8);

impl British {
    /// The number the API takes, 1 to 17.
    pub fn id(self) -> u8 {
        self.0
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        BRITISH[usize::from(self.0) - 1]
    }

    pub(super) const fn numbered(id: u8) -> Option<Self> {
        match id {
            1..=17 => Some(Self(id)),
            _ => None,
        }
    }
}

impl FromStr for British {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // One spelling for each number: no sign, no leading zero.
        let number = text.parse::<u8>().ok().filter(|number| number.to_string() == text);
        let named = || (1..=17).find(|id| BRITISH[usize::from(*id) - 1] == text);
        number.or_else(named).and_then(Self::numbered).ok_or_else(|| {
            let near = nearest(text, BRITISH.into_iter());
            let advice = near
                .map_or("write 1 to 17, or a name such as london".to_owned(), |near| format!("write {near}"));
            format!("{} is no region of Great Britain: {advice}", shown(text))
        })
    }
}

impl fmt::Display for British {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

text!(British, "a region of Great Britain such as \"london\" or \"13\"");
