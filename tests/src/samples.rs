//! The samples of `/metrics`.

use std::collections::{BTreeMap, BTreeSet};

/// One scrape.
#[derive(Debug)]
pub struct Samples {
    /// By name and labels, as they stand there.
    series: BTreeMap<String, f64>,
    /// The families' types, by name.
    pub types: BTreeMap<String, String>,
    /// Families that say what they are.
    pub helped: BTreeSet<String>,
}

impl Samples {
    /// Reads the text format.
    pub fn read(text: &str) -> Self {
        let mut samples =
            Self { series: BTreeMap::new(), types: BTreeMap::new(), helped: BTreeSet::new() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "TYPE", name, kind] => {
                    samples.types.insert(name.to_owned(), kind.to_owned());
                }
                ["#", "HELP", name, _] => {
                    samples.helped.insert(name.to_owned());
                }
                _ => {
                    let (series, value) = line.rsplit_once(' ').expect("a value");
                    let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
                    let before = samples.series.insert(series.to_owned(), value);
                    assert!(before.is_none(), "{series} is there twice");
                }
            }
        }
        samples
    }

    /// The value of one series; fails when it is not there.
    pub fn value(&self, series: &str) -> f64 {
        let value = self.series.get(series);
        *value.unwrap_or_else(|| panic!("no {series} in {:#?}", self.series))
    }

    /// The sum of all series of `name` that have these `labels`, as in `wire="sse"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let of_name = |series: &str| series.split('{').next() == Some(name);
        let fits = |series: &str| labels.iter().all(|label| series.contains(label));
        let found = self.series.iter().filter(|(series, _)| of_name(series) && fits(series));
        let values: Vec<f64> = found.map(|(_, value)| *value).collect();
        assert!(!values.is_empty(), "no {name} with {labels:?}");
        values.iter().sum()
    }

    /// The labels of each family, but for those of the format itself.
    pub fn labels(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for series in self.series.keys() {
            let (name, rest) = series.split_once('{').unwrap_or((series, ""));
            let of_histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|part| name.strip_suffix(part))
                .find(|base| self.types.get(*base).is_some_and(|kind| kind == "histogram"));
            let family = labels.entry(of_histogram.unwrap_or(name).to_owned()).or_default();
            let names = rest.split("\",").filter_map(|pair| pair.split_once('='));
            family.extend(names.map(|(label, _)| label.to_owned()).filter(|label| label != "le"));
        }
        labels
    }
}
