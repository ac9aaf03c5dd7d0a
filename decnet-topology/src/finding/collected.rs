use std::collections::BTreeMap;

use super::{Code, Finding, Severity, Target};

/// How many findings of one code are listed. A last finding reports how many more there are.
pub const MAX_LISTED: u64 = 1000;

/// A collector of findings: the first [`MAX_LISTED`] of each code, and how many more there are.
///
/// A document of 64 MiB can have a million faults. Nobody reads them all, and they would take more memory than the document.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    listed: Vec<Finding>,
    tally: Tally,
}

impl Findings {
    /// Adds a finding, or counts it where enough of its code are listed.
    pub(crate) fn push(&mut self, finding: Finding) {
        if self.tally.lists(&finding) {
            self.listed.push(finding);
        }
    }

    /// Counts a finding of a code that is an error and returns `true` if enough are listed. Rules with expensive findings check
    /// this first.
    pub(crate) fn counts_only(&mut self, code: Code) -> bool {
        self.tally.counts_only(code.severity(), code)
    }

    /// Returns the findings, with one for each code that has more.
    pub(crate) fn into_vec(self) -> Vec<Finding> {
        let Self { mut listed, tally } = self;
        listed.extend(tally.more());
        listed
    }
}

impl Extend<Finding> for Findings {
    fn extend<T: IntoIterator<Item = Finding>>(&mut self, findings: T) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }
}

/// How many findings there are of each code.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<(Severity, Code), u64>);

impl Tally {
    /// Counts a finding, and returns whether to list it.
    pub(crate) fn lists(&mut self, finding: &Finding) -> bool {
        let count = self.0.entry((finding.severity, finding.code)).or_default();
        let more = finding.count_of_more();
        // Findings that another collector dropped stay dropped, even if there are few.
        *count = match more {
            Some(more) => (*count).max(MAX_LISTED) + more,
            None => *count + 1,
        };
        more.is_none() && *count <= MAX_LISTED
    }

    /// Counts a finding of a code with its own severity, and returns whether to list it.
    pub(crate) fn admits(&mut self, code: Code) -> bool {
        let count = self.0.entry((code.severity(), code)).or_default();
        *count += 1;
        *count <= MAX_LISTED
    }

    /// Counts a finding of a code and returns `true`, if enough of it are listed.
    pub(crate) fn counts_only(&mut self, severity: Severity, code: Code) -> bool {
        match self.0.get_mut(&(severity, code)) {
            Some(count) if *count >= MAX_LISTED => {
                *count += 1;
                true
            }
            _ => false,
        }
    }

    /// Returns one finding for each code with findings that are not listed.
    pub(crate) fn more(self) -> impl Iterator<Item = Finding> {
        self.0.into_iter().filter_map(|((severity, code), count)| {
            let more = count.checked_sub(MAX_LISTED).filter(|more| *more > 0)?;
            Some(Finding {
                severity,
                ..Finding::new(
                    code,
                    Target::More { count: more },
                    format!("{more} more of this code are not listed; fix those that are listed first"),
                )
            })
        })
    }
}

/// Lists at most [`MAX_LISTED`] of each code, and how many more there are. They are in order, and each occurs once.
pub(crate) fn capped(findings: Vec<Finding>) -> Vec<Finding> {
    let mut collected = Findings::default();
    // Findings about dropped findings come last: until then, there is room.
    let (more, listed): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| finding.count_of_more().is_some());
    collected.extend(listed);
    collected.extend(more);
    collected.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(number: u64) -> Finding {
        Finding::new(Code::NameInvalid, Target::Topology, format!("fault {number:05}"))
    }

    fn count(findings: &[Finding]) -> u64 {
        findings.iter().map(Finding::count).sum()
    }

    #[test]
    fn a_thousand_findings_of_one_code_are_listed_and_the_others_counted() {
        let mut findings = Findings::default();
        findings.extend((0..5000).map(finding));
        findings.push(Finding::new(Code::DmzMissing, Target::Topology, "no DMZ"));
        for _ in 0..7 {
            assert!(findings.counts_only(Code::NameInvalid));
            assert!(!findings.counts_only(Code::DmzMissing));
        }
        let all = findings.into_vec();
        assert_eq!((all.len(), count(&all)), (1002, 5008));
        assert_eq!(all[1001].target, Target::More { count: 4007 });
        assert!(all[1001].message.starts_with("4007 more"), "{}", all[1001]);
    }

    #[test]
    fn findings_that_two_collectors_dropped_are_counted_together() {
        let half = |from: u64| {
            let mut findings = Findings::default();
            findings.extend((from..from + 3000).map(finding));
            findings.into_vec()
        };
        let both = capped([half(0), half(3000)].concat());
        assert_eq!((both.len(), count(&both)), (1001, 6000));
        assert_eq!(capped(both.clone()), both);
    }
}
