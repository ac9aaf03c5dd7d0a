//! What the logins of Dovecot's POP3 and IMAP servers have in common.

use std::time::Duration;

use super::sasl::Login;
use crate::{
    protocol::Os,
    service::{context::Context, dialogue::Turn},
};

/// The maximum length of a line before the login.
pub(crate) const LINE: usize = 8190;

/// The time until a login.
pub(crate) const LOGIN_SILENCE: Duration = Duration::from_mins(3);

/// The time between commands after a login.
pub(crate) const SESSION_SILENCE: Duration = Duration::from_mins(30);

/// Returns the text of the greeting.
pub(crate) fn name(context: &Context) -> &'static str {
    match context.persona().os {
        Os::Debian11 | Os::Debian12 => "Dovecot (Debian) ready.",
        Os::Ubuntu2204 | Os::Ubuntu2404 => "Dovecot (Ubuntu) ready.",
        _ => "Dovecot ready.",
    }
}

/// Returns whether a login is right. Users may add the mail domain to their name.
pub(crate) fn admits(context: &Context, login: &Login) -> bool {
    let fields = context.fields();
    let domain = fields.text("domain").unwrap_or(&context.persona().domain);
    let suffix = format!("@{domain}");
    let local = login.user.strip_suffix(suffix.as_bytes()).unwrap_or(&login.user);
    fields.admits("admin", &login.user, &login.password) || fields.admits("admin", local, &login.password)
}

/// The failed logins of a visitor.
#[derive(Debug, Default)]
pub(crate) struct Failures(u32);

impl Failures {
    /// Waits after a wrong password: two seconds of PAM, and a penalty that doubles up to 15 seconds.
    pub(crate) fn pause(&mut self, context: &Context, turn: &mut Turn) {
        let random = u16::from_le_bytes(context.fresh(&format!("delay {}", self.0)));
        let penalty = if self.0 == 0 { 0 } else { 1_000_u64 << self.0.min(4) }.min(15_000);
        self.0 = self.0.saturating_add(1);
        let pause = 2000_u64
            .saturating_add(penalty)
            .saturating_add(u64::from(random % 1500));
        // Attempts that arrive together are answered one after the other.
        turn.pause(turn.pause.saturating_add(Duration::from_millis(pause)));
    }
}
