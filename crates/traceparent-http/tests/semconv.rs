//! The table of methods and versions.
#![allow(clippy::unwrap_used)]

use http::Version;
use traceparent_http::semconv::{KNOWN_METHODS, known_method, protocol_version};

fn known(name: &str) -> Option<&'static str> {
    known_method(&name.parse().unwrap())
}

#[test]
fn every_method_of_the_conventions_is_known_by_its_exact_name() {
    for name in KNOWN_METHODS {
        assert_eq!((known(name), known(&name.to_ascii_lowercase())), (Some(name), None));
    }
    for name in ["BREW", "PROPFIND", "_OTHER", "HTTP", "QUERYX", "QUER"] {
        assert_eq!(known(name), None);
    }
    assert!(KNOWN_METHODS.is_sorted());
}

#[test]
fn versions_have_the_names_of_the_conventions() {
    let versions = [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3];
    assert_eq!(versions.map(protocol_version), ["0.9", "1.0", "1.1", "2", "3"].map(Some));
}
