//! The list of known differences of the formats is true.

use traceparent_fuzz::{FORMATS_DIFFERENCES, Library};

#[test]
fn every_difference_is_seen_in_its_library() {
    for row in FORMATS_DIFFERENCES {
        let fields = row.library.fields(row.example.as_bytes()).unwrap();
        assert!((row.applies)(&fields), "{:?}: {}", row.library, row.what);
        assert_eq!(row.library.differs(&fields), Some(row.seen), "{:?}: {}", row.library, row.what);
        assert!(row.requirement.starts_with("F "));
    }
}

#[test]
fn every_library_reads_what_is_plain() {
    let plain = "b3: 4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1
x-b3-traceid: 4bf92f3577b34da6a3ce929d0e0e4736
x-b3-spanid: 00f067aa0ba902b7
x-b3-sampled: 1
x-amzn-trace-id: Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1
x-datadog-trace-id: 11803532876627986230
x-datadog-parent-id: 67667974448284343
x-datadog-sampling-priority: 1
uber-trace-id: 4bf92f3577b34da6a3ce929d0e0e4736:00f067aa0ba902b7:0:1";
    for library in Library::ALL {
        let fields = library.fields(plain.as_bytes()).unwrap();
        assert!(!fields.is_empty());
        assert_eq!(library.differs(&fields), None, "{library:?}");
    }
}
