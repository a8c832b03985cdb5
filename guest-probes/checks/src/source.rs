//! A number that an application tells by HTTP: in its metrics or in a JSON document.

use probelet_plugin::{
    Failure,
    http::Request,
    metrics::{self, MAX_PAGE},
    net::{Endpoint, Port},
};

/// Where the number stands: one of `metric` and `pointer`.
#[probelet_plugin::config]
pub struct Source {
    /// The port of the HTTP server; 80 unless it is given.
    pub port: Option<Port>,
    /// The path of the page; `/metrics` unless it is given.
    pub path: Option<String>,
    /// A metric of a page in Prometheus' format, with labels if need be: `jobs_total{queue="mail"}`. Several samples are
    /// added up.
    pub metric: Option<String>,
    /// A number in a JSON document, by its JSON pointer: `/jobs/done`.
    pub pointer: Option<String>,
}

impl Source {
    /// Reads the number.
    pub fn read(&self) -> Result<f64, Failure> {
        match (&self.metric, &self.pointer) {
            (Some(metric), None) => {
                let page = self.page()?;
                metrics::sum(&page, metric).ok_or_else(|| Failure::Unhealthy(format!("there is no metric `{metric}`")))
            }
            (None, Some(pointer)) => in_json(&self.page()?, pointer),
            _ => Err(Failure::Errored("give either `metric` or `pointer`".to_owned())),
        }
    }

    fn page(&self) -> Result<String, Failure> {
        let endpoint = Endpoint::new(None, self.port.as_ref(), 80)?;
        let path = self.path.as_deref().unwrap_or("/metrics");
        let slash = if path.starts_with('/') { "" } else { "/" };
        let url = format!("http://{}{slash}{path}", endpoint.authority());
        let response = Request::get(&url).send(MAX_PAGE)?;
        if response.status != 200 {
            return Err(Failure::Unhealthy(format!("{url} has the status {}", response.status)));
        }
        if response.truncated {
            // A part of it has a part of the samples, and may end in the middle of a number.
            return Err(Failure::Errored(format!("{url} is longer than {} MiB", MAX_PAGE >> 20)));
        }
        Ok(response.text())
    }
}

fn in_json(page: &str, pointer: &str) -> Result<f64, Failure> {
    let document: probelet_plugin::serde_json::Value = probelet_plugin::serde_json::from_str(page)
        .map_err(|error| Failure::Unhealthy(format!("the body is no JSON: {error}")))?;
    let number = document.pointer(pointer).and_then(|value| value.as_f64());
    number.ok_or_else(|| Failure::Unhealthy(format!("the body has no number at `{pointer}`")))
}

#[cfg(test)]
mod tests {
    use probelet_plugin::serde_json::json;

    use super::*;
    use crate::tests::config;

    #[test]
    fn a_document_has_a_number_or_is_told_about() {
        assert_eq!(in_json(r#"{"a": [1, 2.5]}"#, "/a/1"), Ok(2.5));
        assert!(in_json(r#"{"a": "1"}"#, "/a").is_err());
        assert!(in_json("", "/a").is_err());
        let both = config::<Source>(json!({ "metric": "a", "pointer": "/a" })).read();
        assert!(matches!(both, Err(Failure::Errored(_))), "{both:?}");
    }
}
