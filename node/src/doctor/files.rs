//! Keys, certificates, genesis and folders: are they there, do they fit
//! together, and can nobody else read what is secret.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use super::{Finding, Level, span};
use crate::config::Config;
use crate::keys;
use crate::setup::Setup;

/// A certificate that ends sooner is warned of.
const CERTIFICATE_WARN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Looks at all files; the setup, if a start would get that far.
pub(super) fn look(config: &Config, now_ms: u64, findings: &mut Vec<Finding>) -> Option<Setup> {
    let keys = [
        ("keys.node", Some(&config.keys.node)),
        ("keys.consensus", config.keys.consensus.as_ref()),
        ("keys.service", config.keys.service.as_ref()),
    ];
    for (field, path) in keys {
        let Some(path) = path else { continue };
        findings.push(match keys::load(path) {
            Ok(_) => Finding::ok("keys", field, "readable by its owner only"),
            Err(error) => {
                let remedy = "never copy a key of another node here; a key that is lost is replaced by a new one";
                Finding::new("keys", field, Level::Fail, error.to_string(), remedy)
            }
        });
    }
    private_key(&config.api.private_key, findings);
    certificate("api.certificate", &config.api.certificate, now_ms, findings);
    certificate("api.client_ca", &config.api.client_ca, now_ms, findings);
    folder(&config.node.data, findings);
    if let Some(address) = config.metrics.listen.filter(|address| !address.ip().is_loopback()) {
        let text = format!("metrics are read at {address} without encryption or password");
        let remedy = "keep metrics.listen on 127.0.0.1, or see that only operators reach it";
        findings.push(Finding::new("metrics", "metrics.listen", Level::Warn, text, remedy));
    }
    match Setup::of(config.clone()) {
        Ok(setup) => {
            let network = setup.genesis.network.to_string();
            let role = if super::is_validator(&setup) { "validator" } else { "observer" };
            let text = format!("{role} of network {network}; the keys are those of the genesis file");
            findings.push(Finding::ok("genesis", "", text));
            Some(setup)
        }
        Err(error) => {
            let remedy = "all nodes need the same genesis file, and keys that it registers";
            findings.push(Finding::new("genesis", "", Level::Fail, error.to_string(), remedy));
            None
        }
    }
}

fn private_key(path: &Path, findings: &mut Vec<Finding>) {
    let field = "api.private_key";
    findings.push(match keys::check_private(path) {
        Ok(None) => Finding::ok("keys", field, "readable by its owner only"),
        Ok(Some(mode)) => {
            let text = format!("{} has mode {mode:03o}: others can read it", path.display());
            Finding::new("keys", field, Level::Fail, text, format!("chmod 600 {}", path.display()))
        }
        Err(error) => {
            let remedy = "issue it anew: `laufzettel certificates server`";
            Finding::new("keys", field, Level::Fail, format!("cannot read {}: {error}", path.display()), remedy)
        }
    });
}

fn folder(data: &Path, findings: &mut Vec<Finding>) {
    match fs::metadata(data) {
        Ok(found) if found.permissions().mode() & 0o077 == 0 => {
            findings.push(Finding::ok("data", "", "the data folder is its owner's only"));
        }
        Ok(found) => {
            let mode = found.permissions().mode() & 0o777;
            let text = format!("the data folder {} has mode {mode:03o}: others can look into it", data.display());
            let remedy = format!("chmod 700 {}", data.display());
            findings.push(Finding::new("data", "", Level::Warn, text, remedy));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            findings.push(Finding::ok("data", "", "there is no data folder yet; the first start makes it"));
        }
        Err(error) => {
            let text = format!("cannot look at the data folder {}: {error}", data.display());
            findings.push(Finding::new("data", "", Level::Fail, text, "run doctor as the user of the node"));
        }
    }
}

/// When a certificate ends.
fn certificate(field: &'static str, path: &Path, now_ms: u64, findings: &mut Vec<Finding>) {
    let remedy = "issue it anew: `laufzettel certificates`";
    let fail = |text: String| Finding::new("certificates", field, Level::Fail, text, remedy);
    findings.push(match crate::tls::ends_at(path) {
        Err(reason) => fail(format!("{}: {reason}", path.display())),
        Ok(end_s) => {
            let left = Duration::from_secs(end_s.saturating_sub(now_ms / 1_000));
            if left.is_zero() {
                fail(format!("{} is no longer valid; clients refuse this node", path.display()))
            } else if left < CERTIFICATE_WARN {
                let text = format!("{} is valid for {} more", path.display(), span(left));
                Finding::new("certificates", field, Level::Warn, text, remedy)
            } else {
                Finding::ok("certificates", field, format!("valid for {} more", span(left)))
            }
        }
    });
}
