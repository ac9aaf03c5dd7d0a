//! Which member of a fleet has which LANs and deckies of a maze.
//!
//! # The unit
//!
//! A LAN is placed with all deckies at home in it. So a decky follows its home LAN, and only deckies that are attached to several
//! LANs connect members. A decky without a LAN is placed alone. A LAN is *stretched* if a decky on another member is attached to
//! it.
//!
//! # The algorithm
//!
//! The LANs are a tree: each one below the LAN through which it is nearest to the DMZ. Links outside of this tree are ignored. Its
//! parts are placed: first those that the fewest members may have, then those in a group that must be apart, then the largest. A part goes to the member to
//! which it has the most edges of the tree among those with room for it. A part that fits nowhere is cut into the fewest parts that
//! have the largest room (Kundu and Misra, 1977), and these are placed like the others. At the end, parts move to neighbours that
//! have room after all. If something finds no room, all is tried again with each LAN alone, and then with
//! all members filled alike. There are no random choices, and ties are decided by order.
//!
//! [`place`] has the guarantees.

mod assign;
mod check;
mod fault;
mod member;
mod pieces;
mod previous;
mod request;
mod rooms;
mod stretch;
mod units;

pub use assign::place;
pub(crate) use check::is_reachable;
pub use fault::{NotPlaced, PlaceFault};
pub use member::Member;
pub use request::PlaceRequest;
pub(crate) use stretch::LEAST_UNDERLAY_MTU;
