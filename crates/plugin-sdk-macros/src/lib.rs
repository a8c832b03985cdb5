//! The attributes of `probelet-plugin`: `probe`, `hook` and `config`.
//!
//! They are used by that crate's name only, which the code they make refers to. A function stays as it is and can be
//! called and tested; beside it comes what exports it.

mod export;

use proc_macro::TokenStream;
use quote::quote;
use syn::{ItemFn, ItemStruct, parse_macro_input};

use crate::export::{Kind, Options};

/// Makes a function the plugin's probe; `probelet-plugin` documents it.
#[proc_macro_attribute]
pub fn probe(options: TokenStream, function: TokenStream) -> TokenStream {
    expand(Kind::Probe, options, function)
}

/// Makes a function the plugin's hook; `probelet-plugin` documents it.
#[proc_macro_attribute]
pub fn hook(options: TokenStream, function: TokenStream) -> TokenStream {
    expand(Kind::Hook, options, function)
}

/// Makes a structure a configuration or a part of one; `probelet-plugin` documents it.
#[proc_macro_attribute]
pub fn config(options: TokenStream, structure: TokenStream) -> TokenStream {
    if !options.is_empty() {
        return syn::Error::new(proc_macro2::Span::call_site(), "`config` takes no options")
            .into_compile_error()
            .into();
    }
    let structure = parse_macro_input!(structure as ItemStruct);
    quote! {
        #[derive(::probelet_plugin::serde::Deserialize, ::probelet_plugin::schemars::JsonSchema)]
        #[serde(crate = "::probelet_plugin::serde", rename_all = "camelCase", deny_unknown_fields)]
        #[schemars(crate = "::probelet_plugin::schemars")]
        #structure
    }
    .into()
}

fn expand(kind: Kind, options: TokenStream, function: TokenStream) -> TokenStream {
    let mut read = Options::default();
    let parser = syn::meta::parser(|meta| read.parse(&meta));
    parse_macro_input!(options with parser);
    let function = parse_macro_input!(function as ItemFn);
    export::expand(kind, &read, &function)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
