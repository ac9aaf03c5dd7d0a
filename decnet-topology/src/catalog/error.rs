use crate::{
    catalog::{FieldFault, Port},
    name::ServiceName,
};

/// The reason why a catalogue file was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum CatalogError {
    /// The text is not TOML, or has an unknown key or a value of the wrong type.
    #[error("line {line}, column {column}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// The name of a service that cannot be part of a container's name.
    #[error(
        "services.{service:?}: a service's name is made of letters, digits, `_`, `.` and `-`, and begins with a letter or digit"
    )]
    ServiceName {
        /// The service.
        service: ServiceName,
    },
    /// An image that is not a reference.
    #[error("services.{service}: {image:?} is not an image reference like `registry/name:tag`")]
    Image {
        /// The service.
        service: ServiceName,
        /// The reference.
        image: String,
    },
    /// A new service without `ports`.
    #[error("services.{service}: a new service needs `ports` (an empty list if it has none)")]
    NoPorts {
        /// The service.
        service: ServiceName,
    },
    /// A broadcast port that is not a UDP port.
    #[error("services.{service}.broadcast: `{port}` is not a UDP port, and nothing else can be sent to a whole LAN")]
    Broadcast {
        /// The service.
        service: ServiceName,
        /// The port.
        port: Port,
    },
    /// A field occurs twice.
    #[error("services.{service}.fields: `{key}` occurs twice")]
    FieldTwice {
        /// The service.
        service: ServiceName,
        /// The field's key.
        key: String,
    },
    /// Options on a field that is not an enum, or an enum without options.
    #[error("services.{service}.fields: `{key}` needs `options` if, and only if, it is an enum or multi_enum")]
    Options {
        /// The service.
        service: ServiceName,
        /// The field's key.
        key: String,
    },
    /// A length on a field that is not a text, or a range on a field that is not a number.
    #[error(
        "services.{service}.fields: `{key}` accepts `max_length` only if it is a text, `minimum` and `maximum` only if it is an int"
    )]
    Bounds {
        /// The service.
        service: ServiceName,
        /// The field's key.
        key: String,
    },
    /// A service whose container could never start.
    #[error("services.{service}: it could never start: {reason}")]
    NeverStarts {
        /// The service.
        service: ServiceName,
        /// The reason.
        reason: String,
    },
    /// A default that does not fit its field.
    #[error("services.{service}.fields: the default of `{key}` does not fit")]
    Default {
        /// The service.
        service: ServiceName,
        /// The field's key.
        key: String,
        /// The reason.
        source: FieldFault,
    },
    /// An archetype with a service that is not in the catalogue.
    #[error("archetypes.{slug}: a decky cannot run `{service}`")]
    ArchetypeService {
        /// The archetype.
        slug: String,
        /// The service.
        service: ServiceName,
    },
}

impl CatalogError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}
