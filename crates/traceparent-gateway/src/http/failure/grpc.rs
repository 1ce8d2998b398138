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

    /// What a client does next depends on it: most call again where the service was not available, and not where a limit was met.
    #[test]
    fn every_failure_has_its_status() {
        for (status, failures) in [
            (
                CANCELLED,
                &[Failure::RequestCut, Failure::RequestPaused, Failure::ClientLeft, Failure::ClientStalled][..],
            ),
            (DEADLINE_EXCEEDED, &[Failure::NoAnswerInTime, Failure::AnswerPaused]),
            (
                RESOURCE_EXHAUSTED,
                &[Failure::TooManyFields, Failure::HeadTooLarge, Failure::TargetTooLong, Failure::AnswerHeadTooLarge],
            ),
            (UNIMPLEMENTED, &[Failure::NoRoute, Failure::Tunnel]),
            (
                INTERNAL,
                &[
                    Failure::InvalidHead,
                    Failure::HeadTooSlow,
                    Failure::AmbiguousLength,
                    Failure::NotTls,
                    Failure::UnexpectedTls,
                    Failure::NotOneHost,
                    Failure::InvalidTarget,
                    Failure::UnknownCoding,
                    Failure::RepeatedChunked,
                    Failure::InvalidMaxForwards,
                    Failure::Loop,
                ],
            ),
            (
                UNAVAILABLE,
                &[
                    Failure::Unreachable(io::ErrorKind::TimedOut),
                    Failure::UnknownHost,
                    Failure::NoUpstreamPlace,
                    Failure::Tls(TlsFailure::Late),
                    Failure::NoAnswer,
                    Failure::InvalidAnswer,
                    Failure::UpstreamFlood,
                    Failure::AnswerCut,
                ],
            ),
        ] {
            for failure in failures {
                assert_eq!(failure.grpc_status(), status, "{failure}");
            }
        }
    }

    /// The numbers are those of the protocol.
    #[test]
    fn statuses_have_their_numbers() {
        let numbers = [CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE];
        assert_eq!(numbers, [1, 4, 8, 12, 13, 14]);
    }
}
