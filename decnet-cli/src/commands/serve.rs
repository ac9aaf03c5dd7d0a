use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use decnet_engine::{Authenticator, HttpOptions, OpenAccess, http};
use serde_json::json;
use tokio::net::TcpListener;
use url::Url;

use crate::{command_error::CommandError, commands::token, context::Context, exit::Exit, interrupt::catch_to_finish};

const EXAMPLES: &str = "Examples:
  decnet serve --no-auth
  decnet token create ci --scope write && decnet serve --listen 10.0.0.5:7377
  curl http://127.0.0.1:7377/api/v1/topologies";

/// Serve the HTTP API and the map, until Ctrl-C or SIGTERM.
///
/// The map is a page that shows mazes, follows them and edits them: open `http://127.0.0.1:7377/` in a browser.
///
/// Requests need a token of `decnet token`. With --no-auth they need none; the server then listens on a loopback address only. It has
/// no TLS: put it behind a proxy that has, to use it over a network. `decnet watch` applies the mutations that are queued.
///
/// It stops after open requests and operations: an interrupted deploy is undone. A second signal exits immediately.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The address and the port; port 0 is any free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7377")]
    listen: SocketAddr,
    /// Let everyone on this machine do everything, without a token.
    #[arg(long, conflicts_with = "tokens")]
    no_auth: bool,
    /// The file of the tokens [default: beside the database].
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// The web origins whose pages may use the API, separated by commas, such as `https://map.example`.
    #[arg(long, value_name = "ORIGINS", value_delimiter = ',', value_parser = origin)]
    origin: Vec<String>,
}

/// Serves the API.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments {
        listen,
        no_auth,
        tokens,
        origin,
    } = arguments;
    let engine = context.engine_on_demand().await?;
    let authenticator: Arc<dyn Authenticator> = if no_auth {
        Arc::new(OpenAccess)
    } else {
        let tokens = token::file(context, tokens)?;
        if tokens.list()?.is_empty() {
            context
                .output
                .note("there are no tokens yet; `decnet token create NAME --scope write` makes one");
        }
        Arc::new(tokens)
    };
    let stop = catch_to_finish("stopping: finishing requests and undoing operations")?;
    let cannot = |source| CommandError::Listen {
        address: listen,
        source,
    };
    if authenticator.needs_loopback() && !listen.ip().is_loopback() {
        let text = "without tokens, the address must be a loopback address";
        return Err(cannot(io::Error::new(io::ErrorKind::PermissionDenied, text)));
    }
    let listener = TcpListener::bind(listen).await.map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    // Each origin was checked when the arguments were read.
    let origins = origin.iter().filter_map(|origin| origin.parse().ok());
    let options = HttpOptions::new(authenticator).origins(origins).stop(stop);
    let server = http::serve(engine, options, listener);
    let url = format!("http://{address}/api/v1");
    // Printed only now: a reader of this line may connect immediately.
    if context.output.json {
        let value = json!({ "url": url, "pid": std::process::id() });
        context.output.json_line(&value)?;
    } else {
        context.output.line(format!("serving {url}"))?;
        context.output.note(format!("the map is at http://{address}/"));
    }
    server.await.map_err(cannot)?;
    Ok(Exit::Done)
}

/// Reads a web origin, as a browser writes it: a scheme, a host, and a port unless it is that of the scheme.
fn origin(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| {
        let form = "an origin has a scheme, a host and perhaps a port: https://map.example";
        match error {
            url::ParseError::RelativeUrlWithoutBase => form.into(),
            error => format!("{error}; {form}"),
        }
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "the scheme is `{}`; the origin of a web page has http or https",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an origin has no user and no password".into());
    }
    let after_scheme = text.split_once("//").map_or("", |(_, rest)| rest);
    if after_scheme.contains(['/', '\\', '?', '#']) {
        return Err(format!(
            "an origin has no path; try {}",
            url.origin().ascii_serialization()
        ));
    }
    Ok(url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (text, expected) in [
            ("https://map.example", "https://map.example"),
            ("HTTPS://Map.Example", "https://map.example"),
            ("https://map.example:443", "https://map.example"),
            ("http://map.example:80", "http://map.example"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[0:0::1]:3000", "http://[::1]:3000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(origin(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_no_page_has_as_its_origin_is_refused_with_the_reason() {
        for (text, reason) in [
            ("*", "an origin has a scheme"),
            ("map.example", "an origin has a scheme"),
            ("null", "an origin has a scheme"),
            ("https://", "an origin has a scheme"),
            ("https://a b", "an origin has a scheme"),
            ("https://map.example:99999", "an origin has a scheme"),
            ("ftp://map.example", "the scheme is `ftp`"),
            ("map.example:8080", "the scheme is `map.example`"),
            ("https://me@map.example", "no user"),
            ("https://me:secret@map.example", "no user"),
            ("https://map.example/", "no path; try https://map.example"),
            ("https://map.example/map", "no path; try https://map.example"),
            ("https://map.example?a", "no path"),
            ("https://map.example#a", "no path"),
        ] {
            let refused = origin(text).expect_err(text);
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
