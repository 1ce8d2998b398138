use super::Failure;

const CANCELLED: u8 = 1;
const DEADLINE_EXCEEDED: u8 = 4;
const RESOURCE_EXHAUSTED: u8 = 8;
const UNIMPLEMENTED: u8 = 12;
const INTERNAL: u8 = 13;
const UNAVAILABLE: u8 = 14;

impl Failure {
    /// Returns the number of the status that a gRPC client gets.
    ///
    /// Where the mapping of HTTP's status leaves a choice, it is the one by which clients decide whether to call again: an
    /// upstream that was late may have processed the call, so its status is not `UNAVAILABLE`.
    ///
    /// [gRPC: status codes](https://grpc.github.io/grpc/core/md_doc_statuscodes.html) and
    /// [HTTP to gRPC status code mapping](https://grpc.github.io/grpc/core/md_doc_http-grpc-status-mapping.html)
    pub(crate) const fn grpc_status(self) -> u8 {
        match self {
            Self::RequestCut | Self::RequestPaused | Self::ClientLeft | Self::ClientStalled => CANCELLED,
            Self::NoAnswerInTime | Self::AnswerPaused => DEADLINE_EXCEEDED,
            Self::TooManyFields | Self::HeadTooLarge | Self::TargetTooLong | Self::AnswerHeadTooLarge => {
                RESOURCE_EXHAUSTED
            }
            Self::NoRoute | Self::Tunnel => UNIMPLEMENTED,
            Self::InvalidHead
            | Self::HeadTooSlow
            | Self::AmbiguousLength
            | Self::NotTls
            | Self::UnexpectedTls
            | Self::NotOneHost
            | Self::InvalidTarget
            | Self::UnknownCoding
            | Self::RepeatedChunked
            | Self::InvalidMaxForwards
            | Self::Loop => INTERNAL,
            Self::Unreachable(_)
            | Self::UnknownHost
            | Self::NoUpstreamPlace
            | Self::Tls(_)
            | Self::NoAnswer
            | Self::InvalidAnswer
            | Self::UpstreamFlood
            | Self::AnswerCut => UNAVAILABLE,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::http::TlsFailure;

    #[test]
    fn calls_that_may_have_been_processed_are_not_unavailable() {
        for (failure, status) in [
            (Failure::Unreachable(io::ErrorKind::TimedOut), UNAVAILABLE),
            (Failure::Tls(TlsFailure::Late), UNAVAILABLE),
            (Failure::NoUpstreamPlace, UNAVAILABLE),
            (Failure::NoAnswerInTime, DEADLINE_EXCEEDED),
            (Failure::AnswerHeadTooLarge, RESOURCE_EXHAUSTED),
            (Failure::NoRoute, UNIMPLEMENTED),
            (Failure::RequestPaused, CANCELLED),
            (Failure::NotOneHost, INTERNAL),
        ] {
            assert_eq!(failure.grpc_status(), status, "{failure}");
        }
    }
}
