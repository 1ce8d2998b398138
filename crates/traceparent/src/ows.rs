/// Removes spaces and tabs from both ends of a field value.
///
/// HTTP implementations do this themselves, as [RFC 9110, section 5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)
/// requires. For other carriers, such as a message queue or the environment, call it before parsing.
///
/// ```
/// use traceparent::{TraceParent, trim_ows};
///
/// let value = b" 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\t";
/// assert!(TraceParent::parse(value).is_err());
/// assert!(TraceParent::parse(trim_ows(value)).is_ok());
/// ```
pub const fn trim_ows(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
