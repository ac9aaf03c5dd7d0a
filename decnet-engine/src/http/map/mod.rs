//! The map: one page that shows mazes, follows their events, and edits them. It uses the API as any other client does.

use axum::{
    Router,
    extract::{OriginalUri, Request},
    http::{HeaderName, HeaderValue, header},
    response::Response,
    routing::get,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use decnet_topology::{Draft, Graph, Header, document};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{answer::with_body, dispatch::BASE};

const PAGE: &str = include_str!("page.html");

const STYLE: &str = include_str!("map.css");

/// One module: its parts share their names.
const SCRIPT: &str = concat!(
    include_str!("elements.js"),
    include_str!("client.js"),
    include_str!("picture.js"),
    include_str!("view.js"),
    include_str!("details.js"),
    include_str!("past.js"),
    include_str!("live.js"),
    include_str!("edit.js"),
    include_str!("work.js"),
    include_str!("start.js"),
);

/// The page loads nothing from elsewhere, runs no script but its own, and makes no markup from texts.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types decnet";

/// Adds the page, its style and its script to a router.
pub(super) fn add_to(router: Router) -> Router {
    router
        .route("/", get(page))
        .route("/map.css", get(async || asset("text/css; charset=utf-8", STYLE.into())))
        .route(
            "/map.js",
            get(async || asset("text/javascript; charset=utf-8", SCRIPT.into())),
        )
}

/// Answers with the page. A program may have nested the router, so its paths begin with that of the request.
async fn page(request: Request) -> Response {
    let uri = request
        .extensions()
        .get::<OriginalUri>()
        .map_or(request.uri(), |OriginalUri(uri)| uri);
    let prefix = escaped(uri.path().trim_end_matches('/'));
    let page = filled(
        &format!("<link rel=\"stylesheet\" href=\"{prefix}/map.css\">"),
        &format!(
            "<meta name=\"decnet-api\" content=\"{prefix}{BASE}\"><script type=\"module\" src=\"{prefix}/map.js\"></script>"
        ),
    );
    asset("text/html; charset=utf-8", page)
}

/// Returns a page that shows one maze, as one file that needs no network and no server.
///
/// It is the page that [`router`](super::router) serves at `/`, without what needs a server: it neither follows nor changes the maze.
///
/// ```
/// use decnet_engine::http;
/// use decnet_topology::{Graph, Header, Topology};
///
/// let maze = Topology::builder().dmz("dmz", "10.0.0.0/24").build()?;
/// let header = Header { name: "corp".into(), ..Header::default() };
/// assert!(http::page_file(&header, &Graph::new(&maze)).starts_with("<!DOCTYPE html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn page_file(header: &Header, graph: &Graph<'_>) -> String {
    let draft = Draft {
        header: header.clone(),
        ..Draft::from(graph.topology())
    };
    let data = json!({
        "name": header.name,
        "status": header.status,
        "version": header.version,
        "topology": document::to_value(&draft),
        "analysis": graph.analysis().report(),
        "svg": graph.to_svg(),
    });
    // Within the element, only `<` could end it.
    let data = data.to_string().replace('<', "\\u003c");
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types decnet",
        digest(SCRIPT),
        digest(STYLE),
    );
    filled(
        &format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\"><style>{STYLE}</style>"),
        &format!(
            "<script type=\"application/json\" id=\"data\">{data}</script><script type=\"module\">{SCRIPT}</script>"
        ),
    )
}

/// Puts texts in the places of the page: its style, and its script.
fn filled(style: &str, script: &str) -> String {
    let (before, rest) = PAGE.split_once("<!--style-->").unwrap_or((PAGE, ""));
    let (between, after) = rest.split_once("<!--script-->").unwrap_or((rest, ""));
    [before, style, between, script, after].concat()
}

fn digest(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

fn asset(kind: &'static str, text: String) -> Response {
    let mut response = with_body(axum::http::StatusCode::OK, kind, text);
    let headers = [
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use decnet_topology::Topology;

    use super::*;

    #[test]
    fn the_page_of_a_file_has_no_address_and_no_markup_of_names() {
        let maze = Topology::builder()
            .dmz("dmz", "10.0.0.0/24")
            .decky("web", |decky| decky.on("dmz", "10.0.0.2").services(["</script><b>"]))
            .build()
            .expect("a maze");
        let header = Header {
            name: "corp".into(),
            ..Header::default()
        };
        let page = page_file(&header, &Graph::new(&maze));
        assert!(!page.contains("</script><b>") && !page.contains("src=") && !page.contains("href=\"/"));
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains(&format!("'sha256-{}'", digest(SCRIPT))));
    }

    #[test]
    fn neither_script_nor_style_ends_its_element() {
        assert!(!SCRIPT.contains("</script") && !SCRIPT.contains("<!--") && !STYLE.contains("</"));
        // Texts become text nodes: no part of the page makes markup from them.
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }
}
