//! `laufzettel init`: everything one node needs, in one folder. Overwrites
//! nothing.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::Args;
use serde_json::json;

use super::client::Profile;
use super::fault::Fault;
use super::output::Output;
use crate::config::is_authority;
use crate::genesis::{AuthorityCard, KeyEntry};
use crate::keys::{self, KeyPurpose};
use crate::network::Address;
use crate::tls::{self, Subject};

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Id of the authority, such as de-bamf.
    #[arg(long)]
    authority: String,
    /// Its name in German.
    #[arg(long)]
    label_de: Option<String>,
    /// Its name in English.
    #[arg(long)]
    label_en: Option<String>,
    /// A role it may act in; may be given several times.
    #[arg(long = "role")]
    roles: Vec<String>,
    /// Names or IP addresses under which clients reach the node; may be given several times.
    #[arg(long = "host", default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned()])]
    hosts: Vec<String>,
    /// Address for clients.
    #[arg(long, default_value = "127.0.0.1:7443")]
    api: SocketAddr,
    /// Address where Prometheus reads; without encryption, so on this machine.
    #[arg(long, default_value = "127.0.0.1:7444")]
    metrics: SocketAddr,
    /// Address for the other nodes.
    #[arg(long, default_value = "127.0.0.1:7440")]
    peer: Address,
    /// Another node, as authority=host:port; may be given several times.
    #[arg(long = "with", value_name = "AUTHORITY=HOST:PORT")]
    with: Vec<String>,
    /// Observe without voting: no consensus key.
    #[arg(long)]
    observer: bool,
}

impl Init {
    pub(super) fn run(&self, home: &Path, output: &Output) -> Result<(), Fault> {
        if !is_authority(&self.authority) {
            let advice = "2 to 32 of [a-z0-9-], a letter first";
            return Err(Fault::usage(format!("{:?} is no authority id: {advice}", self.authority)));
        }
        let config = home.join("config.toml");
        if config.exists() {
            return Err(Fault::failed(format!("{} exists already; init overwrites nothing", config.display())));
        }
        for folder in ["keys", "tls", "data", "profile"] {
            make_folder(&home.join(folder))?;
        }
        for private in ["keys", "data"] {
            let path = home.join(private);
            let kept = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
            kept.map_err(|error| Fault::failed(format!("cannot keep {} to its owner: {error}", path.display())))?;
        }
        let card = self.make_keys(home)?;
        card.validate().map_err(Fault::usage)?;
        write(&home.join("authority.toml"), &card.render().map_err(Fault::failed)?)?;
        self.make_certificates(home)?;
        write(&config, &self.config()?)?;
        let rows = [
            ("configuration", config.display().to_string()),
            ("public card", home.join("authority.toml").display().to_string()),
            ("client profile", home.join("profile").display().to_string()),
        ];
        let json = json!({ "home": home, "authority": self.authority, "card": home.join("authority.toml") });
        output.record(&rows, &json);
        output.say("next: hand the card to whoever makes the genesis file, put genesis.toml here, `laufzettel start`");
        Ok(())
    }

    fn make_keys(&self, home: &Path) -> Result<AuthorityCard, Fault> {
        let mut entries = Vec::new();
        let consensus = (!self.observer).then_some(KeyPurpose::Consensus);
        for purpose in [KeyPurpose::Node, KeyPurpose::Service].into_iter().chain(consensus) {
            let key = keys::generate().map_err(Fault::failed)?;
            keys::save(&home.join("keys").join(purpose.file_name()), &key).map_err(Fault::failed)?;
            let public = data_encoding::HEXLOWER.encode(key.verifying_key().as_bytes());
            entries.push(KeyEntry { purpose, public });
        }
        entries.sort();
        Ok(AuthorityCard {
            id: self.authority.clone(),
            label_de: self.label_de.clone().unwrap_or_else(|| self.authority.clone()),
            label_en: self.label_en.clone().unwrap_or_else(|| self.authority.clone()),
            roles: self.roles.clone(),
            hosted_by: self.authority.clone(),
            keys: entries,
        })
    }

    fn make_certificates(&self, home: &Path) -> Result<(), Fault> {
        let (folder, profile) = (home.join("tls"), home.join("profile"));
        let root = tls::make_root(&format!("Laufzettel {}", self.authority)).map_err(Fault::failed)?;
        root.save(&folder.join("ca.pem"), &folder.join("ca-key.pem")).map_err(Fault::failed)?;
        let server = tls::issue(&root, &Subject::Server(self.hosts.clone())).map_err(Fault::failed)?;
        server.save(&folder.join("server.pem"), &folder.join("server-key.pem")).map_err(Fault::failed)?;
        let client = tls::issue(&root, &Subject::Client(self.authority.clone())).map_err(Fault::failed)?;
        client.save(&profile.join("client.pem"), &profile.join("client-key.pem")).map_err(Fault::failed)?;
        write(&profile.join("ca.pem"), &root.certificate)?;
        let content = Profile {
            endpoint: None,
            endpoints_file: Some("../data/endpoints.json".into()),
            server_name: self.hosts.first().cloned(),
        };
        write(&profile.join("profile.toml"), &toml::to_string(&content).map_err(Fault::failed)?)
    }

    fn config(&self) -> Result<String, Fault> {
        let consensus = if self.observer { "" } else { "consensus = \"keys/consensus.pem\"\n" };
        let (authority, peer, api, metrics) = (&self.authority, &self.peer, &self.api, &self.metrics);
        let mut text = format!(
            "# Made by `laufzettel init`. Every field is explained in docs/config.toml.\n\n\
             [node]\nauthority = \"{authority}\"\ndata = \"data\"\ngenesis = \"genesis.toml\"\n\n\
             [keys]\nnode = \"keys/node.pem\"\n{consensus}service = \"keys/service.pem\"\n\n\
             [network]\nlisten = \"{peer}\"\n\n\
             [api]\nlisten = \"{api}\"\ncertificate = \"tls/server.pem\"\nprivate_key = \"tls/server-key.pem\"\n\
             client_ca = \"tls/ca.pem\"\nreflection = true\n\n[metrics]\nlisten = \"{metrics}\"\n"
        );
        for with in &self.with {
            let parts = with.split_once('=').and_then(|(id, address)| Some((id, address.parse::<Address>().ok()?)));
            let (id, address) = parts
                .filter(|(id, _)| is_authority(id))
                .ok_or_else(|| Fault::usage(format!("--with {with:?}: expected AUTHORITY=HOST:PORT")))?;
            text.push_str(&format!("\n[[peer]]\nauthority = \"{id}\"\naddresses = [\"{address}\"]\n"));
        }
        Ok(text)
    }
}

pub(super) fn make_folder(path: &Path) -> Result<(), Fault> {
    fs::create_dir_all(path)
        .map_err(|error| Fault::failed(format!("cannot make the folder {}: {error}", path.display())))
}

/// Writes a new file; overwrites nothing.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Fault> {
    use std::io::Write as _;
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Fault::failed(format!("cannot write {}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::{Arguments, dispatch};
    use super::*;
    use crate::cli::output::Format;
    use crate::setup::Setup;

    fn run(arguments: &[&str]) -> Result<(), Fault> {
        let arguments = Arguments::try_parse_from([&["laufzettel"], arguments].concat()).unwrap();
        dispatch(&arguments, &Output::new(Format::Json))
    }

    #[test]
    fn a_folder_with_a_genesis_is_ready_to_start() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("bamf");
        let home_text = home.to_str().unwrap();
        let init = [
            "--home",
            home_text,
            "init",
            "--authority",
            "de-bamf",
            "--role",
            "asylum_office",
            "--label-de",
            "Bundesamt",
        ];
        run(&init).unwrap();
        assert!(run(&init).unwrap_err().message().contains("overwrites nothing"));
        let card = home.join("authority.toml");
        let out = home.join("genesis.toml");
        run(&["genesis", "new", "--name", "demo", "--card", card.to_str().unwrap(), "--out", out.to_str().unwrap()])
            .unwrap();
        run(&["genesis", "check", out.to_str().unwrap()]).unwrap();
        let setup = Setup::load(&home.join("config.toml")).unwrap();
        assert_eq!(setup.genesis.registry.validators.all().len(), 1);
        fs::remove_file(home.join("keys/service.pem")).unwrap();
        run(&["keys", "generate", "service", home.join("keys/service.pem").to_str().unwrap()]).unwrap();
        let error = Setup::load(&home.join("config.toml")).unwrap_err().to_string();
        assert!(error.contains("keys.service"), "{error}");
    }
}
