//! Answers and their bytes.

use super::{
    super::wire::dns::{Record, Writer, kind},
    query::{Edns, Query, Question, TC},
};

/// The largest answer to a datagram that BIND sends.
pub(super) const EDNS_SIZE: u16 = 1232;

/// An answer before it is written.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) flags: u16,
    pub(super) code: u16,
    pub(super) question: Option<Question>,
    pub(super) answers: Vec<Record>,
    pub(super) authority: Vec<Record>,
    pub(super) additional: Vec<Record>,
    pub(super) edns: Option<Edns>,
    pub(super) cookie: Vec<u8>,
}

impl Reply {
    /// Returns this answer without records, so that the visitor asks over TCP.
    pub(super) fn truncated(self) -> Self {
        Self {
            flags: self.flags | TC,
            answers: Vec::new(),
            authority: Vec::new(),
            additional: Vec::new(),
            ..self
        }
    }

    pub(super) fn write(&self, query: &Query) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u16(query.id);
        writer.u16(self.flags | self.code & 0xf);
        let count = |records: &[Record]| u16::try_from(records.len()).unwrap_or(u16::MAX);
        writer.u16(u16::from(self.question.is_some()));
        writer.u16(count(&self.answers));
        writer.u16(count(&self.authority));
        writer.u16(count(&self.additional).saturating_add(self.edns.is_some().into()));
        if let Some(question) = &self.question {
            writer.name(&question.name, true);
            writer.u16(question.kind);
            writer.u16(question.class);
        }
        for record in self.answers.iter().chain(&self.authority).chain(&self.additional) {
            writer.record(record);
        }
        if let Some(edns) = &self.edns {
            const DNSSEC_OK: u16 = 0x8000;
            writer.raw(&[0]);
            writer.u16(kind::OPT);
            writer.u16(EDNS_SIZE);
            writer.u16((self.code >> 4) << 8);
            writer.u16(edns.flags & DNSSEC_OK);
            if self.cookie.is_empty() {
                writer.u16(0);
            } else {
                let length = u16::try_from(self.cookie.len()).unwrap_or_default();
                writer.u16(length + 4);
                writer.u16(10);
                writer.u16(length);
                writer.raw(&self.cookie);
            }
        }
        writer.finish()
    }
}
