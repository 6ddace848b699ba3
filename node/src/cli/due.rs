//! `laufzettel process due`: when a period of law ends, and why then. The very computation that the process uses, for a
//! clerk who wants to check a date. Must never know a rule of law itself.

use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use laufzettel_contracts::{
    AreaCode, AuthorityId, CALENDARS_DE, Calendars, Choice, Civil, Due, Language, Length, Weekday, When, due,
};
use laufzettel_proto::v1;
use serde_json::json;

use super::fault::Fault;
use super::output::Output;
use super::words;

/// Which end counts where the seat is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unknown {
    /// The latest of all areas: nothing is final before it.
    Latest,
    /// The earliest of all areas: an own duty is done by then everywhere.
    Earliest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Words {
    De,
    En,
}

/// A period, and where its end is looked up.
#[derive(Debug, Args)]
pub(super) struct DueOf {
    /// Its length: P14D, P10WD (working days), P2W, P1M, P20Y; by the clock PT24H, PT15M, PT5S.
    length: String,
    /// The day of the event (2026-07-01), which is not counted itself; by the clock an instant (2026-07-01T10:00:00Z).
    event: String,
    /// The area whose holidays count: DE-SN, or DE-BY-augsburg with the municipality.
    #[arg(long, conflicts_with_all = ["authority", "unknown"])]
    area: Option<String>,
    /// The authority at whose seat the act is due; the calendars know the seat.
    #[arg(long, conflicts_with = "unknown")]
    authority: Option<String>,
    /// Which end counts where the seat is not known; the default where nothing else is given is `latest`.
    #[arg(long)]
    unknown: Option<Unknown>,
    /// A calendars text; the one this program ships if not given.
    #[arg(long)]
    calendars: Option<PathBuf>,
    /// Language of the derivation.
    #[arg(long, default_value = "de")]
    language: Words,
}

impl DueOf {
    pub(super) fn run(&self, output: &Output) -> Result<(), Fault> {
        let calendars = self.read_calendars()?;
        let length =
            Length::parse(&self.length).map_err(|error| Fault::usage(format!("{:?}: {error}", self.length)))?;
        let event = match words::when(&self.event)?.at {
            Some(v1::when::At::Day(day)) => When::Day(day),
            Some(v1::when::At::InstantMs(ms)) => When::Instant(ms),
            None => return Err(Fault::usage("the event needs a day")),
        };
        let choice = self.choice(&calendars)?;
        let due = due(&calendars, length, event, &choice).map_err(|error| Fault::failed(error.to_string()))?;
        self.print(&calendars, &due, output);
        Ok(())
    }

    fn read_calendars(&self) -> Result<Calendars, Fault> {
        let (name, text) = match &self.calendars {
            None => ("the shipped calendars".to_owned(), CALENDARS_DE.to_owned()),
            Some(file) => {
                let name = file.display().to_string();
                let text = fs::read_to_string(file);
                (name.clone(), text.map_err(|error| Fault::failed(format!("cannot read {name}: {error}")))?)
            }
        };
        let checked = Calendars::check(&text).map_err(|findings| {
            let lines: Vec<String> = findings.iter().map(|found| format!("{name}:{found}")).collect();
            Fault::failed(format!("{} findings in {name}:\n{}", lines.len(), lines.join("\n")))
        })?;
        Ok(checked.calendars)
    }

    fn choice(&self, calendars: &Calendars) -> Result<Choice, Fault> {
        if let Some(text) = &self.area {
            let area = AreaCode::new(text).map_err(|error| Fault::usage(format!("{text:?}: an area {error}")))?;
            return Ok(Choice::Area(area));
        }
        if let Some(text) = &self.authority {
            let authority = AuthorityId::new(text).map_err(|error| Fault::usage(format!("{text:?}: {error}")))?;
            let seat = calendars.seat(&authority).cloned();
            let unknown = || {
                Fault::failed(format!(
                    "the calendars know no seat of {text}; give --area, or --unknown latest or earliest"
                ))
            };
            return seat.map(Choice::Area).ok_or_else(unknown);
        }
        Ok(match self.unknown.unwrap_or(Unknown::Latest) {
            Unknown::Latest => Choice::Latest,
            Unknown::Earliest => Choice::Earliest,
        })
    }

    fn print(&self, calendars: &Calendars, due: &Due, output: &Output) {
        let language = match self.language {
            Words::De => Language::German,
            Words::En => Language::English,
        };
        let sentences = due.words(language);
        let day = Civil::of(due.day()).to_string();
        let elapses =
            jiff::Timestamp::from_millisecond(due.elapses_ms()).map_or_else(|_| String::new(), |at| at.to_string());
        let rows = [
            ("last day", format!("{day} ({:?})", Weekday::of(due.day()))),
            ("elapses", elapses.clone()),
            ("calendars", format!("{} version {}", calendars.id(), calendars.version())),
        ];
        let answer = json!({
            "last_day": day, "elapses": elapses, "elapses_ms": due.elapses_ms(), "derivation": sentences,
            "calendars": { "id": calendars.id(), "version": calendars.version() },
        });
        output.record(&rows, &answer);
        for sentence in sentences {
            output.say(&sentence);
        }
    }
}
