//! The same work done by one PostgreSQL, for comparison: each transaction
//! inserts an event and upserts the row of its case, durable when it returns.
//! No second machine holds it and nobody else signs it; that is what the
//! ledger adds. Needs the server's own tools; without them there is no figure.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::figures::Figures;
use crate::cluster::Fault;

/// The server does not run as root; Debian's package brings this user.
const USER: &str = "postgres";
const SETTINGS: &str = "-c listen_addresses= -c fsync=on -c synchronous_commit=on -c full_page_writes=on \
     -c shared_buffers=256MB -c max_wal_size=2GB -c max_connections=500";

/// The size of an item and of a signature, and one row a case with what its reader is shown.
const SCHEMA: &str = "
CREATE TABLE case_row (case_id bytea PRIMARY KEY, revision bigint NOT NULL, status text NOT NULL, occurred date NOT NULL,
    author text NOT NULL, history bytea NOT NULL);
CREATE TABLE event (id bigserial PRIMARY KEY, case_id bytea NOT NULL, status text NOT NULL, occurred date NOT NULL,
    author text NOT NULL, item bytea NOT NULL, signature bytea NOT NULL, recorded timestamptz NOT NULL DEFAULT now());
CREATE INDEX event_by_case ON event (case_id, id);
";

/// Events on cases that follow one another, so that no two transactions wait for each other in a circle.
fn script(cases: u64, events: u64) -> String {
    let mut script = format!("\\set first random(1, {cases})\nBEGIN;\n");
    for event in 0..events {
        let case = format!("decode(lpad(to_hex(CAST(:first AS bigint) + {event}), 32, '0'), 'hex')");
        script.push_str(&format!(
            "INSERT INTO event (case_id, status, occurred, author, item, signature) VALUES ({case}, \
             'identity_captured', current_date, 'sn-lds', decode(repeat('5a', 96), 'hex'), \
             decode(repeat('a5', 64), 'hex'));\n\
             INSERT INTO case_row AS row (case_id, revision, status, occurred, author, history) VALUES ({case}, 1, \
             'identity_captured', current_date, 'sn-lds', decode(repeat('00', 32), 'hex')) \
             ON CONFLICT (case_id) DO UPDATE SET revision = row.revision + 1, status = excluded.status, \
             occurred = excluded.occurred, author = excluded.author, \
             history = sha256(row.history || excluded.case_id);\n"
        ));
    }
    script.push_str("COMMIT;\n");
    script
}

/// A server of its own below a folder. Dropped, it stops.
struct Server {
    tools: PathBuf,
    folder: PathBuf,
}

/// Where the server's tools are; none where it is not installed.
fn tools() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|e| e.path()).collect();
    versions.sort();
    let debian = versions.into_iter().rev().map(|version| version.join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.chain(std::env::split_paths(&path).collect::<Vec<_>>()).find(|folder| folder.join("initdb").is_file())
}

impl Server {
    fn start(tools: PathBuf, folder: &Path) -> Result<Self, Fault> {
        let server = Self { tools, folder: folder.to_path_buf() };
        if rustix::process::geteuid().is_root() {
            let owner = Command::new("chown").arg(USER).arg(folder).status()?;
            if !owner.success() {
                return Err(format!("{} cannot be given to the user {USER}", folder.display()).into());
            }
        }
        let data = folder.join("data");
        server.run("initdb", &["--no-sync", "-A", "trust", "-U", USER, "-D", &data.to_string_lossy()])?;
        let options = format!("{SETTINGS} -c unix_socket_directories={}", folder.display());
        let log = folder.join("server.log");
        server.run(
            "pg_ctl",
            &["start", "-w", "-D", &data.to_string_lossy(), "-l", &log.to_string_lossy(), "-o", &options],
        )?;
        Ok(server)
    }
    /// Runs one of the tools as a user that is not root; what it printed.
    fn run(&self, tool: &str, arguments: &[&str]) -> Result<String, Fault> {
        let program = self.tools.join(tool);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", USER, "--"]).arg(&program);
            command
        } else {
            Command::new(&program)
        };
        command.args(arguments).current_dir(&self.folder).env("PGHOST", &self.folder).env("PGUSER", USER);
        // A server started by pg_ctl would keep a pipe open for ever.
        let starts = tool == "pg_ctl";
        let output = if starts {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let status = command.status()?;
            std::process::Output { status, stdout: Vec::new(), stderr: Vec::new() }
        } else {
            command.stdin(Stdio::null()).output()?
        };
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let text = String::from_utf8_lossy(&output.stderr);
            Err(format!("{tool} ended with {}: {}", output.status, text.trim()).into())
        }
    }
    /// Transactions a second of a script, by so many clients at once.
    fn rate(&self, script: &str, at_once: u64, time: Duration) -> Result<f64, Fault> {
        let file = self.folder.join("script.sql");
        std::fs::write(&file, script)?;
        let (clients, seconds) = (at_once.to_string(), time.as_secs().max(1).to_string());
        let printed = self.run(
            "pgbench",
            &["-n", "-M", "prepared", "-c", &clients, "-j", "2", "-T", &seconds, "-f", &file.to_string_lossy(), USER],
        )?;
        let rate = printed.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rest| rest.split_whitespace().next()).ok_or("pgbench printed no rate")?;
        Ok(rate.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        let _ = self.run("pg_ctl", &["stop", "-m", "immediate", "-D", &data.to_string_lossy()]);
    }
}

/// Puts PostgreSQL's rates and the ledger's part of them.
pub(super) fn compare(
    figures: &mut Figures,
    (single_cases, batch_cases): (u64, u64),
    single_at_once: u64,
    (batch_at_once, events): (u64, u64),
    time: Duration,
) -> Result<(), Fault> {
    let Some(tools) = tools() else {
        return Err("no initdb in PATH or below /usr/lib/postgresql; install PostgreSQL or leave out --postgres".into());
    };
    let folder = tempfile::tempdir()?;
    let server = Server::start(tools, folder.path())?;
    server.run("psql", &["-q", "-c", SCHEMA, USER])?;
    let single = script(single_cases, 1);
    // Warms up: the rows of the cases come to be.
    server.rate(&single, 16, Duration::from_secs(3))?;
    // As many clients as the ledger has, and few, which it does better with; the better rate counts.
    let (few, many) = (server.rate(&single, 16, time)?, server.rate(&single, single_at_once, time)?);
    let batch = server.rate(&script(batch_cases, events), batch_at_once, time)? * events as f64;
    figures.put("postgres_single_tx_per_s_few", few);
    figures.put("postgres_single_tx_per_s_many", many);
    figures.put("postgres_batch_events_per_s", batch);
    if let Some(rate) = figures.get("single_tx_per_s") {
        figures.put("single_of_postgres", rate / few.max(many));
    }
    if let Some(rate) = figures.get("batch_events_per_s") {
        figures.put("batch_of_postgres", rate / batch);
    }
    Ok(())
}
