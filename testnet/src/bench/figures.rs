//! What a bench found: named figures in the order in which they were measured,
//! and the machine they are of. A figure without its machine says nothing.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

/// Named figures. The names are an interface; docs/PERFORMANCE.md says what each means.
#[derive(Debug)]
pub(crate) struct Figures {
    machine: Vec<(&'static str, String)>,
    all: Vec<(String, f64)>,
}

impl Figures {
    /// None yet, on this machine.
    pub(crate) fn new() -> Self {
        let first = |path: &str, key: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
            line.split_once(':').map_or(line.clone(), |(_, value)| value.trim().to_owned())
        };
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let machine = vec![
            ("processor", first("/proc/cpuinfo", "model name")),
            ("cores", cores.to_string()),
            ("memory", first("/proc/meminfo", "MemTotal")),
            ("system", first("/proc/sys/kernel/osrelease", "")),
            ("load_average_before", first("/proc/loadavg", "")),
        ];
        Self { machine, all: Vec::new() }
    }
    /// Adds a figure.
    pub(crate) fn put(&mut self, name: impl Into<String>, value: f64) {
        self.all.push((name.into(), value));
    }
    /// A figure put before.
    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.all.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.machine {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in &self.all {
            map.serialize_entry(name, &rounded(*value))?;
        }
        map.end()
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (name, value) in &self.machine {
            writeln!(f, "{name:<34} {value}")?;
        }
        for (name, value) in &self.all {
            writeln!(f, "{name:<34} {:>12}", rounded(*value))?;
        }
        Ok(())
    }
}
