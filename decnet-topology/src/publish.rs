//! Which host ports gateways publish.
