//! The table of methods and versions.
#![allow(clippy::unwrap_used)]

use http::{HeaderMap, Uri, Version};
use traceparent_http::semconv::{GrpcStatus, KNOWN_METHODS, grpc_method, is_grpc_web, known_method, protocol_version};

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

fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

#[test]
fn calls_of_grpc_are_known_by_their_content_type() {
    let uri = Uri::from_static("/shop.v1.Shop/Buy");
    for kind in
        ["application/grpc", "application/grpc+proto", "Application/GRPC;charset=x", "application/grpc-web+proto"]
    {
        assert_eq!(grpc_method(&headers(&[("content-type", kind)]), &uri), Some("shop.v1.Shop/Buy"), "{kind}");
    }
    for kind in ["application/grpcx", "application/json", "application/grp", "", "text/application/grpc"] {
        assert_eq!(grpc_method(&headers(&[("content-type", kind)]), &uri), None, "{kind}");
    }
    let grpc = headers(&[("content-type", "application/grpc")]);
    for path in ["/", "/a", "/a/", "//a", "/a/b/c"] {
        assert_eq!(grpc_method(&grpc, &path.parse().unwrap()), None, "{path}");
    }
    assert!(!is_grpc_web(&grpc) && is_grpc_web(&headers(&[("content-type", "application/grpc-web-text")])));
}

#[test]
fn statuses_have_the_names_of_grpc() {
    let status = |value: &str| GrpcStatus::extract(&headers(&[("grpc-status", value)])).unwrap();
    for (value, code, name, server, client) in [
        ("0", 0, "OK", false, false),
        ("1", 1, "CANCELLED", false, true),
        ("2", 2, "UNKNOWN", true, true),
        ("3", 3, "INVALID_ARGUMENT", false, true),
        ("4", 4, "DEADLINE_EXCEEDED", true, true),
        ("5", 5, "NOT_FOUND", false, true),
        ("6", 6, "ALREADY_EXISTS", false, true),
        ("7", 7, "PERMISSION_DENIED", false, true),
        ("8", 8, "RESOURCE_EXHAUSTED", false, true),
        ("9", 9, "FAILED_PRECONDITION", false, true),
        ("10", 10, "ABORTED", false, true),
        ("11", 11, "OUT_OF_RANGE", false, true),
        ("12", 12, "UNIMPLEMENTED", true, true),
        ("13", 13, "INTERNAL", true, true),
        ("14", 14, "UNAVAILABLE", true, true),
        ("15", 15, "DATA_LOSS", true, true),
        ("16", 16, "UNAUTHENTICATED", false, true),
        // What gRPC does not know.
        ("17", 2, "UNKNOWN", true, true),
        ("00", 2, "UNKNOWN", true, true),
        ("-1", 2, "UNKNOWN", true, true),
        ("", 2, "UNKNOWN", true, true),
        ("OK", 2, "UNKNOWN", true, true),
    ] {
        let found = status(value);
        assert_eq!(
            (found.code(), found.as_str(), found.is_server_error(), found.is_client_error()),
            (code, name, server, client),
            "{value}"
        );
        assert_eq!(format!("{found:>20}"), format!("{name:>20}"));
    }
    let mut repeated = headers(&[("grpc-status", "0")]);
    repeated.append("grpc-status", "0".parse().unwrap());
    assert_eq!(GrpcStatus::extract(&repeated), Some(GrpcStatus::UNKNOWN));
    assert_eq!(GrpcStatus::extract(&HeaderMap::new()), None);
}
