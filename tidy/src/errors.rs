//! The methods that each error type of a library must have.

use syn::{Attribute, ImplItem, Item, ItemImpl, Type, Visibility, punctuated::Punctuated};

use crate::{Breach, Source};

/// The crates for embedding.
const LIBRARIES: [&str; 2] = ["decnet_topology", "decnet_engine"];

/// Every public error of a library has a method `code`, in the same file.
pub fn have_codes(source: &Source) -> Vec<Breach> {
    if source.is_test || !LIBRARIES.contains(&source.krate) {
        return Vec::new();
    }
    let with_code: Vec<String> = source.syntax.items.iter().filter_map(type_with_code).collect();
    let errors = source.syntax.items.iter().filter_map(|item| match item {
        Item::Enum(item) if is_error(&item.vis, &item.attrs) => Some(&item.ident),
        Item::Struct(item) if is_error(&item.vis, &item.attrs) => Some(&item.ident),
        _ => None,
    });
    errors
        .filter(|name| !with_code.contains(&name.to_string()))
        .map(|name| source.breach(name.span().start().line, format!("`{name}` needs a method `code`")))
        .collect()
}

fn is_error(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    matches!(visibility, Visibility::Public(_)) && attributes.iter().any(derives_error)
}

fn derives_error(attribute: &Attribute) -> bool {
    attribute.path().is_ident("derive")
        && attribute
            .parse_args_with(Punctuated::<syn::Path, syn::Token![,]>::parse_terminated)
            .is_ok_and(|paths| {
                paths
                    .iter()
                    .any(|path| path.segments.last().is_some_and(|last| last.ident == "Error"))
            })
}

/// Returns the name of the type, if the item is an inherent `impl` with a public method `code`.
fn type_with_code(item: &Item) -> Option<String> {
    let Item::Impl(ItemImpl {
        trait_: None,
        self_ty,
        items,
        ..
    }) = item
    else {
        return None;
    };
    let has_code = items.iter().any(|item| {
        matches!(item, ImplItem::Fn(method) if method.sig.ident == "code" && matches!(method.vis, Visibility::Public(_)))
    });
    match self_ty.as_ref() {
        Type::Path(path) if has_code => path.path.segments.last().map(|last| last.ident.to_string()),
        _ => None,
    }
}
