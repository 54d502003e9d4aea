//! Ways to say to the gateway what no library would.

use seawall_testkit::client::{Answer, Client};

use crate::{Running, problem};

impl Running {
    /// A connection to the data port, to say anything on.
    pub async fn connect(&self) -> Client {
        Client::connect(self.gateway.listen()).await.expect("the gateway listens")
    }

    /// The Host line of a request to the data port.
    pub fn host(&self) -> String {
        format!("host: {}\r\n", self.gateway.listen())
    }
}

/// The status of one of the gateway's own refusals, and its code; checks that it says all that a refusal says.
pub fn refused(answer: &Answer) -> (u16, String) {
    let problem = problem(answer);
    assert_eq!(problem["status"], answer.status, "{problem}");
    assert_eq!(problem["call"].as_str(), answer.header("seawall-call"), "{problem}");
    for word in ["type", "title", "detail", "code", "policy", "certainty"] {
        assert!(problem[word].as_str().is_some_and(|word| !word.is_empty()), "{word} of {problem}");
    }
    (answer.status, problem["code"].as_str().unwrap_or_default().to_owned())
}
