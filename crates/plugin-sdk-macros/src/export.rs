//! What is written beside a function to export it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{FnArg, ItemFn, LitBool, LitStr, Type, meta::ParseNestedMeta, parenthesized, punctuated::Punctuated};

/// What a function becomes.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Probe,
    Hook,
}

/// What stands in an attribute's brackets.
#[derive(Default)]
pub(crate) struct Options {
    name: Option<LitStr>,
    grants: Vec<LitStr>,
    is_undescribed: bool,
}

impl Options {
    /// Takes one option.
    pub(crate) fn parse(&mut self, meta: &ParseNestedMeta) -> syn::Result<()> {
        if meta.path.is_ident("name") {
            self.name = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("grants") {
            let content;
            parenthesized!(content in meta.input);
            self.grants = Punctuated::<LitStr, syn::Token![,]>::parse_terminated(&content)?
                .into_iter()
                .collect();
        } else if meta.path.is_ident("describe") {
            self.is_undescribed = !meta.value()?.parse::<LitBool>()?.value;
        } else {
            return Err(meta.error(
                "there are `name = \"…\"`, `grants(\"exec: true\", …)` and `describe = false`, which a second attribute \
                 in the same plugin needs",
            ));
        }
        Ok(())
    }
}

/// The function, and what exports it.
pub(crate) fn expand(kind: Kind, options: &Options, function: &ItemFn) -> syn::Result<TokenStream> {
    let signature = &function.sig;
    if let Some(keyword) = &signature.asyncness {
        return Err(syn::Error::new_spanned(
            keyword,
            "this is for functions that are not `async`; components of WASI 0.3 implement `AsyncProbe` or `AsyncHook`",
        ));
    }
    if !signature.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &signature.generics,
            "a plugin has no use for generic parameters: nobody would say what they are",
        ));
    }
    let config = config_type(function)?;
    let name = &signature.ident;
    let call = match config {
        Some(config) => quote! { #name(::probelet_plugin::config::<#config>()?) },
        None => quote! { #name() },
    };
    let export = match kind {
        Kind::Probe => quote! {
            impl ::probelet_plugin::Probe for Plugin {
                fn check() -> ::core::result::Result<::probelet_plugin::Verdict, ::std::string::String> {
                    ::probelet_plugin::ProbeAnswer::into_result(#call)
                }
            }
            ::probelet_plugin::export_probe!(Plugin);
        },
        Kind::Hook => quote! {
            impl ::probelet_plugin::Hook for Plugin {
                fn run() -> ::core::result::Result<(), ::std::string::String> {
                    ::probelet_plugin::HookAnswer::into_result(#call)
                }
            }
            ::probelet_plugin::export_hook!(Plugin);
        },
    };
    let description = (!options.is_undescribed).then(|| description(options, config));
    Ok(quote! {
        #function

        const _: () = {
            struct Plugin;
            #export
            #description
        };
    })
}

/// What the function takes: nothing or a configuration.
fn config_type(function: &ItemFn) -> syn::Result<Option<&Type>> {
    let mut inputs = function.sig.inputs.iter();
    match (inputs.next(), inputs.next()) {
        (None, _) => Ok(None),
        (Some(FnArg::Typed(config)), None) => Ok(Some(&config.ty)),
        (Some(receiver @ FnArg::Receiver(_)), _) => Err(syn::Error::new_spanned(
            receiver,
            "a plugin is a function of its own, not one of a type",
        )),
        (_, Some(second)) => Err(syn::Error::new_spanned(
            second,
            "a plugin's function takes its configuration or nothing; all else is in `probelet_plugin::context`",
        )),
    }
}

fn description(options: &Options, config: Option<&Type>) -> TokenStream {
    let name = match &options.name {
        Some(name) => quote! { #name },
        None => quote! { ::core::env!("CARGO_PKG_NAME") },
    };
    let grants = &options.grants;
    let schema = match config {
        Some(config) => quote! { ::core::option::Option::Some(::probelet_plugin::schema::<#config>()) },
        None => quote! { ::core::option::Option::None },
    };
    quote! {
        impl ::probelet_plugin::Describe for Plugin {
            fn name() -> ::std::string::String {
                #name.into()
            }
            fn version() -> ::std::string::String {
                ::core::env!("CARGO_PKG_VERSION").into()
            }
            fn config_schema() -> ::core::option::Option<::std::string::String> {
                #schema
            }
            fn grants() -> ::std::vec::Vec<::std::string::String> {
                ::std::vec![#(#grants.into()),*]
            }
        }
        ::probelet_plugin::export_description!(Plugin);
    }
}
