//! Pictures of the view.

use decnet_engine::{Envelope, Event, LogItem, MutationStage};
use decnet_topology::{Mutation, Status, rng};
use jiff::Timestamp;
use ratatui::{
    Terminal,
    backend::TestBackend,
    crossterm::event::{KeyCode, KeyEvent, KeyModifiers},
    style::Color,
};
use serde_json::json;

use crate::samples::corp;
use crate::top::{
    app::App,
    board::{Board, Update},
    draw::{Theme, draw},
    rows,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + second).expect("a time")
}

fn visit(service: &str, message: &str) -> LogItem {
    let item = json!({"entry": {
        "id": "1", "at": at(7), "topology": rng::topology_id(), "maze": "corp", "decky": "clerk", "service": service,
        "container": "decnet_t_00000000_clerk_rdp", "from": null, "text": {"is_error": false, "message": message},
    }});
    serde_json::from_value(item).expect("an item")
}

/// The view of a maze with a bit of everything.
fn maze() -> App {
    let mut app = App::new(Board::new(Some("corp")), true);
    let inspection = corp();
    let topology = inspection.stored.row.id;
    let mutation = r#"{"op": "remove_decky", "payload": {"decky": "clerk"}}"#;
    let mutation = Mutation::from_json(mutation).expect("a mutation");
    let row = json!({
        "id": 12, "topology": topology, "mutation": mutation, "actor": "alice", "state": "failed", "version": 3, "attempts": 1,
        "enqueued_at": at(1), "begun_at": at(2), "stored_at": at(3), "finished_at": at(4), "reason": "no route\u{1b}[31m\n to Docker",
        "claim": null,
    });
    let row = serde_json::from_value(row).expect("a row");
    let status = |from, to, reason: Option<&str>| Event::Status {
        topology,
        from,
        to,
        reason: reason.map(ToOwned::to_owned),
    };
    let failed = Event::Mutation {
        topology,
        mutation: "12".parse().expect("a number"),
        op: "remove_decky".into(),
        state: MutationStage::Failed,
        actor: None,
        reason: Some("no route\u{202e} to Docker".into()),
    };
    let events = [
        status(Some(Status::Deploying), Status::Active, None),
        failed,
        status(Some(Status::Active), Status::Degraded, Some("door is gone")),
    ];
    let mut updates = vec![
        Update::Observed(Box::new(inspection)),
        Update::Queue(vec![rows::mutation(&row, None)]),
    ];
    let events = events
        .into_iter()
        .zip(2..)
        .map(|(event, second)| Envelope::new(event, at(second)));
    updates.extend(
        events
            .filter_map(|envelope| rows::event(&envelope, None))
            .map(Update::Event),
    );
    let items = [
        visit("rdp", "login as root"),
        visit("rdp", "\u{1b}]0;owned\u{7}\u{9b}2J"),
    ];
    updates.extend(items.iter().map(|item| Update::Visit(rows::visit(item, at(9), false))));
    for update in updates {
        app.board.apply(update).expect("applied");
    }
    app
}

fn picture(app: &mut App, columns: u16, lines: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("a terminal");
    terminal
        .draw(|frame| draw(frame, app, Theme { color: true }))
        .expect("drawn");
    terminal
}

fn seen(app: &mut App, columns: u16, lines: u16) -> String {
    picture(app, columns, lines).backend().to_string()
}

fn press(app: &mut App, codes: &[KeyCode]) {
    for code in codes {
        app.key(KeyEvent::new(*code, KeyModifiers::NONE));
    }
}

#[test]
fn a_maze_in_80_columns() {
    insta::assert_snapshot!(seen(&mut maze(), 80, 24));
}

#[test]
fn a_maze_in_120_columns() {
    insta::assert_snapshot!(seen(&mut maze(), 120, 40));
}

#[test]
fn a_small_terminal_has_one_pane() {
    let mut app = maze();
    let mut pictures = seen(&mut app, 40, 10);
    press(&mut app, &[KeyCode::Char('4')]);
    pictures += &seen(&mut app, 40, 10);
    insta::assert_snapshot!(pictures);
}

#[test]
fn nothing_has_room_in_a_tiny_terminal_and_nothing_breaks() {
    for size in [(1, 1), (2, 3), (10, 2), (5, 40), (200, 3)] {
        for keys in [
            &[][..],
            &[KeyCode::Enter],
            &[KeyCode::Char('?')],
            &[KeyCode::Char('/'), KeyCode::Char('x')],
        ] {
            let mut app = maze();
            press(&mut app, keys);
            picture(&mut app, size.0, size.1);
        }
    }
}

#[test]
fn the_details_of_a_decky() {
    let mut app = maze();
    press(&mut app, &[KeyCode::End, KeyCode::Enter]);
    insta::assert_snapshot!(seen(&mut app, 80, 24));
}

#[test]
fn the_keys_and_a_filter() {
    let mut app = maze();
    press(&mut app, &[KeyCode::Char('/'), KeyCode::Char('d'), KeyCode::Char('o')]);
    let mut pictures = seen(&mut app, 80, 20);
    press(&mut app, &[KeyCode::Enter, KeyCode::Char('?')]);
    pictures += &seen(&mut app, 80, 20);
    insta::assert_snapshot!(pictures);
}

#[test]
fn all_mazes() {
    let mut app = App::new(Board::new(None), false);
    let row = corp().stored.row;
    app.board.apply(Update::Mazes(vec![(row, 2)])).expect("applied");
    insta::assert_snapshot!(seen(&mut app, 80, 24));
}

#[test]
fn without_docker_the_states_are_unknown() {
    let mut app = maze();
    let reason = "the socket does not exist".to_owned();
    app.board.apply(Update::Unobserved(reason)).expect("applied");
    let text = seen(&mut app, 80, 24);
    assert!(
        text.contains("Docker does not answer, so states are unknown: the socket does not exist"),
        "{text}"
    );
    assert!(text.contains('?') && !text.contains("running"), "{text}");
}

#[test]
fn a_deleted_maze_says_so() {
    let mut app = maze();
    app.board.apply(Update::Maze(None)).expect("applied");
    assert!(seen(&mut app, 80, 24).contains("corp  deleted"));
    let late = Update::Observed(Box::new(corp()));
    app.board.apply(late).expect("applied");
    assert!(
        seen(&mut app, 80, 24).contains("corp  deleted"),
        "also after a late answer of Docker"
    );
}

#[test]
fn states_are_words_and_colours_can_be_off() {
    let colors = |color| {
        let mut app = maze();
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).expect("a terminal");
        terminal
            .draw(|frame| draw(frame, &mut app, Theme { color }))
            .expect("drawn");
        let cells = terminal.backend().buffer().content();
        let fore = cells.iter().any(|cell| cell.fg != Color::Reset);
        (fore, cells.iter().any(|cell| cell.bg != Color::Reset))
    };
    assert_eq!((colors(true), colors(false)), ((true, false), (false, false)));
}

#[test]
fn no_text_can_control_the_terminal() {
    for pane in ['1', '2', '3', '4'] {
        let mut app = maze();
        press(&mut app, &[KeyCode::Char(pane)]);
        for cover in [false, true] {
            if cover {
                press(&mut app, &[KeyCode::Enter]);
            }
            let terminal = picture(&mut app, 200, 60);
            let cells = terminal.backend().buffer().content();
            let hidden = cells
                .iter()
                .find(|cell| cell.symbol().chars().any(decnet_topology::shown::is_hidden));
            assert_eq!(hidden, None, "pane {pane}");
        }
    }
    let text = seen(&mut maze(), 200, 60);
    for shown in [
        r"no route\u{1b}[31m\n to Docker",
        r"no route\u{202e} to Docker",
        r"\u{1b}]0;owned\u{7}\u{9b}2J",
    ] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
}
