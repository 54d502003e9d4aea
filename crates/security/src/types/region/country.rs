//! Countries, by ISO 3166-1.

use std::fmt;
use std::str::FromStr;

use super::super::{shown, text};

/// Every country of ISO 3166-1: its two letters, then its three. 249 of them.
const COUNTRIES: &str = "\
    ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA AZAZE \
    BABIH BBBRB BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES BRBRA BSBHS \
    BTBTN BVBVT BWBWA BYBLR BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK CLCHL CMCMR CNCHN \
    COCOL CRCRI CUCUB CVCPV CWCUW CXCXR CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA DODOM DZDZA ECECU EEEST \
    EGEGY EHESH ERERI ESESP ETETH FIFIN FJFJI FKFLK FMFSM FOFRO FRFRA GAGAB GBGBR GDGRD GEGEO GFGUF \
    GGGGY GHGHA GIGIB GLGRL GMGMB GNGIN GPGLP GQGNQ GRGRC GSSGS GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD \
    HNHND HRHRV HTHTI HUHUN IDIDN IEIRL ILISR IMIMN ININD IOIOT IQIRQ IRIRN ISISL ITITA JEJEY JMJAM \
    JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM KNKNA KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO LBLBN LCLCA \
    LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA LYLBY MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD \
    MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ MRMRT MSMSR MTMLT MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM \
    NCNCL NENER NFNFK NGNGA NINIC NLNLD NONOR NPNPL NRNRU NUNIU NZNZL OMOMN PAPAN PEPER PFPYF PGPNG \
    PHPHL PKPAK PLPOL PMSPM PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT REREU ROROU RSSRB RURUS RWRWA \
    SASAU SBSLB SCSYC SDSDN SESWE SGSGP SHSHN SISVN SJSJM SKSVK SLSLE SMSMR SNSEN SOSOM SRSUR SSSSD \
    STSTP SVSLV SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF TGTGO THTHA TJTJK TKTKL TLTLS TMTKM TNTUN TOTON \
    TRTUR TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY UZUZB VAVAT VCVCT VEVEN VGVGB VIVIR \
    VNVNM VUVUT WFWLF WSWSM YEYEM YTMYT ZAZAF ZMZMB ZWZWE";

/// A country of ISO 3166-1, read from its two or its three letters, and written in two.
///
/// ```
/// use seawall_security::types::region::Country;
/// let germany: Country = "DEU".parse()?;
/// assert_eq!((germany.to_string().as_str(), germany.alpha_3()), ("DE", "DEU"));
/// assert_eq!("UK".parse::<Country>().unwrap_err(), "\"UK\" is no country of ISO 3166: write GB");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country(&'static str);

impl Country {
    /// Every one.
    pub fn all() -> impl Iterator<Item = Country> {
        COUNTRIES.split(' ').map(Country)
    }

    /// `DE`
    pub fn alpha_2(self) -> &'static str {
        &self.0[..2]
    }

    /// `DEU`
    pub fn alpha_3(self) -> &'static str {
        &self.0[2..]
    }
}

impl FromStr for Country {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = match text.len() {
            2 => Self::all().find(|country| country.alpha_2() == text),
            3 => Self::all().find(|country| country.alpha_3() == text),
            _ => None,
        };
        found.ok_or_else(|| {
            let upper = text.to_ascii_uppercase();
            let advice = match upper.as_str() {
                "UK" => "write GB".to_owned(),
                "EL" => "write GR".to_owned(),
                _ if upper != text && upper.parse::<Country>().is_ok() => format!("write {upper}"),
                _ => "write two letters such as DE, or three such as DEU".to_owned(),
            };
            format!("{} is no country of ISO 3166: {advice}", shown(text))
        })
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpha_2())
    }
}

text!(Country, "a country of ISO 3166 such as \"DE\"");
