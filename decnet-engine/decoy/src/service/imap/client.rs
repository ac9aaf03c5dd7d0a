//! What the server and the client say of themselves: `CAPABILITY` and `ID`.

use super::reader::Word;
use crate::service::{
    dialogue::Turn,
    event::{Event, Fingerprint},
};

/// The capabilities of everyone.
pub(super) const CAPABILITIES: &str = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+";

/// The capabilities that a user has after the login, in addition.
pub(super) const LOGGED_IN: &str = " SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND URL-PARTIAL CATENATE UNSELECT CHILDREN \
     NAMESPACE UIDPLUS LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS \
     BINARY MOVE SNIPPET=FUZZY PREVIEW=FUZZY PREVIEW STATUS=SIZE SAVEDATE LITERAL+ NOTIFY SPECIAL-USE";

/// Reports what the visitor's program says of itself (RFC 2971), and returns the answer.
pub(super) fn report_client(arguments: &[Word], turn: &mut Turn) -> Option<&'static str> {
    match arguments {
        [] => {}
        [nothing] if nothing.upper() == "NIL" => {}
        [list] if list.is_list => {
            let pairs = list.items();
            let text: Vec<&[u8]> = pairs.iter().map(|word| word.bytes.as_slice()).collect();
            turn.report(Event::Fingerprint(Fingerprint {
                method: "client-name",
                value: text.join(&b' ').as_slice().into(),
                server_name: None,
            }));
        }
        _ => return None,
    }
    Some("* ID (\"name\" \"Dovecot\")\r\n")
}
