//! The keys of the view, and its pictures.

mod drawings;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{
    app::{App, Cover, Reaction},
    board::{Board, Pane, Update},
    rows::{Row, Tone},
};

fn row(name: &str) -> Row {
    Row {
        key: name.into(),
        cells: vec![name.into(), "running".into()],
        tone: Tone::Plain,
        decky: None,
        opens: None,
        details: vec![format!("about {name}")],
    }
}

fn app(rows: &[&str]) -> App {
    let mut app = App::new(Board::new(Some("corp")), false);
    give(&mut app, rows);
    app
}

/// Gives rows to the queue, and chooses this pane.
fn give(app: &mut App, rows: &[&str]) {
    let rows = rows.iter().map(|name| row(name)).collect();
    app.board.apply(Update::Queue(rows)).expect("applied");
    press(app, KeyCode::Char('2'));
}

fn press(app: &mut App, code: KeyCode) -> Reaction {
    app.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn chosen(app: &App) -> Option<String> {
    let at = app.chosen(app.focus())?;
    Some(app.rows(app.focus())[at].key.clone())
}

#[test]
fn the_arrows_choose_a_row_and_stop_at_the_ends() {
    let mut app = app(&["a", "b", "c"]);
    assert_eq!(chosen(&app).as_deref(), Some("c"), "a log follows its end");
    for (code, expected) in [
        (KeyCode::Down, "c"),
        (KeyCode::Up, "b"),
        (KeyCode::Char('k'), "a"),
        (KeyCode::Up, "a"),
        (KeyCode::Char('j'), "b"),
        (KeyCode::End, "c"),
        (KeyCode::Home, "a"),
        (KeyCode::PageDown, "b"),
        (KeyCode::PageUp, "a"),
    ] {
        assert_eq!(press(&mut app, code), Reaction::Stay);
        assert_eq!(chosen(&app).as_deref(), Some(expected), "{code}");
    }
}

#[test]
fn a_chosen_row_stays_chosen_and_the_end_of_a_log_is_followed() {
    let mut app = app(&["a", "b"]);
    press(&mut app, KeyCode::Up);
    give(&mut app, &["x", "a", "b"]);
    assert_eq!(chosen(&app).as_deref(), Some("a"));
    give(&mut app, &["x", "y"]);
    assert_eq!(chosen(&app).as_deref(), Some("x"), "its neighbour, after it vanished");
    press(&mut app, KeyCode::End);
    give(&mut app, &["x", "y", "z"]);
    assert_eq!(chosen(&app).as_deref(), Some("z"));
    give(&mut app, &[]);
    assert_eq!(chosen(&app), None);
    for code in [KeyCode::Up, KeyCode::Down, KeyCode::End, KeyCode::Enter] {
        assert_eq!(press(&mut app, code), Reaction::Stay);
    }
}

#[test]
fn tab_and_digits_choose_a_pane() {
    let mut app = App::new(Board::new(None), false);
    let mut seen = Vec::new();
    let codes = [
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::BackTab,
        KeyCode::Char('2'),
        KeyCode::Char('4'),
    ];
    for code in codes {
        press(&mut app, code);
        seen.push(app.focus());
    }
    assert_eq!(
        seen,
        [Pane::Queue, Pane::First, Pane::Visits, Pane::Queue, Pane::Visits]
    );
}

#[test]
fn a_filter_is_typed_kept_and_cleared() {
    let mut app = app(&["web-01", "desk-01", "web-02"]);
    for code in "/WEBx".chars().map(KeyCode::Char) {
        press(&mut app, code);
    }
    press(&mut app, KeyCode::Backspace);
    assert_eq!(
        (app.is_typing(), app.filter(Pane::Queue), app.rows(Pane::Queue).len()),
        (true, "WEB", 2)
    );
    press(&mut app, KeyCode::Enter);
    assert_eq!((app.is_typing(), chosen(&app).as_deref()), (false, Some("web-02")));
    press(&mut app, KeyCode::Esc);
    assert_eq!((app.filter(Pane::Queue), app.rows(Pane::Queue).len()), ("", 3));

    press(&mut app, KeyCode::Char('/'));
    press(&mut app, KeyCode::Char('q'));
    assert!(app.is_typing(), "q is a letter here");
    assert_eq!(chosen(&app), None, "nothing matches");
    press(&mut app, KeyCode::Esc);
    assert_eq!((app.is_typing(), app.filter(Pane::Queue)), (false, ""));
    press(&mut app, KeyCode::Char('/'));
    press(&mut app, KeyCode::Backspace);
    assert!(!app.is_typing(), "an empty filter ends");
}

#[test]
fn enter_opens_details_that_scroll_and_close() {
    let mut app = app(&["a"]);
    press(&mut app, KeyCode::Enter);
    assert_eq!(app.details(), ["about a"]);
    press(&mut app, KeyCode::End);
    assert_eq!(app.scroll(10, 4), 6);
    press(&mut app, KeyCode::PageUp);
    assert_eq!(app.scroll(10, 4), 2);
    give(&mut app, &["b"]);
    assert_eq!(app.details(), ["it no longer exists"]);
    assert_eq!(
        press(&mut app, KeyCode::Char('q')),
        Reaction::Stay,
        "q closes the details"
    );
    assert_eq!(app.cover(), None);
    press(&mut app, KeyCode::Char('?'));
    assert_eq!(app.cover(), Some(&Cover::Help));
    press(&mut app, KeyCode::Esc);
    assert_eq!(app.cover(), None);
    assert_eq!(press(&mut app, KeyCode::Char('q')), Reaction::Quit);
}

#[test]
fn the_details_of_a_decky_have_its_mutations_and_visits() {
    let about = |name: &str, decky: &str| Row {
        decky: Some(decky.into()),
        ..row(name)
    };
    let mut app = app(&[]);
    let queue = vec![about("12", "web"), about("13", "desk")];
    app.board.apply(Update::Queue(queue)).expect("applied");
    app.board
        .apply(Update::Visit(about("ssh root", "web")))
        .expect("applied");
    let web = Row {
        details: vec!["decky web".into()],
        ..about("web", "web")
    };
    app.board.set_first(vec![web]);
    press(&mut app, KeyCode::Char('1'));
    press(&mut app, KeyCode::Enter);
    let lines = [
        "decky web",
        "",
        "Mutations",
        "  12  running",
        "",
        "Visits",
        "  ssh root  running",
    ];
    assert_eq!(app.details(), lines);
}

#[test]
fn a_maze_of_the_list_is_opened_and_closed() {
    let mut list = App::new(Board::new(None), false);
    let id = decnet_topology::rng::topology_id();
    list.board.set_first(vec![Row {
        opens: Some(id),
        ..row("corp")
    }]);
    assert_eq!(press(&mut list, KeyCode::Enter), Reaction::Open(id));
    assert_eq!(
        press(&mut list, KeyCode::Esc),
        Reaction::Stay,
        "there is nothing to return to"
    );
    let mut maze = App::new(Board::new(Some("corp")), true);
    assert_eq!(press(&mut maze, KeyCode::Esc), Reaction::Back);
    assert_eq!(press(&mut maze, KeyCode::Backspace), Reaction::Back);
}

#[test]
fn control_keys_work_everywhere() {
    let control = |app: &mut App, letter| app.key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL));
    let mut app = app(&["a"]);
    for state in [KeyCode::Home, KeyCode::Char('/'), KeyCode::Enter, KeyCode::Char('?')] {
        press(&mut app, state);
        assert_eq!(control(&mut app, 'c'), Reaction::Interrupt);
        assert_eq!(control(&mut app, 'z'), Reaction::Suspend);
        assert_eq!(control(&mut app, 'l'), Reaction::Redraw);
        assert_eq!(control(&mut app, 'q'), Reaction::Stay);
    }
}

#[test]
fn the_chosen_row_is_always_visible() {
    let names: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut app = app(&names);
    assert_eq!(app.window(Pane::Queue, 10), 90);
    press(&mut app, KeyCode::Home);
    assert_eq!(app.window(Pane::Queue, 10), 0);
    press(&mut app, KeyCode::PageDown);
    assert_eq!(app.window(Pane::Queue, 10), 1, "row 10 is the last visible one");
    press(&mut app, KeyCode::Up);
    assert_eq!(app.window(Pane::Queue, 10), 1);
    assert_eq!(app.window(Pane::Queue, 0), 10, "a pane without room");
    give(&mut app, &names[..3]);
    assert_eq!(app.window(Pane::Queue, 10), 0);
}
