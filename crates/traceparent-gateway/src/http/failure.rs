use std::{error::Error, io};

use hyper::StatusCode;

use super::Paused;

mod grpc;
mod tls;

pub(crate) use self::tls::{TlsFailure, TlsPeer};

/// A failure of a request, recorded in the span and, in fewer words, sent to the client.
///
/// It holds no input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("cannot connect to the upstream: {0}")]
    Unreachable(io::ErrorKind),
    #[error("cannot connect to the upstream: no address found for its host")]
    UnknownHost,
    #[error("cannot connect to the upstream: there are as many connections to upstreams as the system allows")]
    NoUpstreamPlace,
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    #[error("the upstream closed the connection before it answered")]
    NoAnswer,
    #[error("the upstream's answer is not valid HTTP/1.1")]
    InvalidAnswer,
    #[error("the head of the upstream's answer exceeds the route's header_bytes or header_fields")]
    AnswerHeadTooLarge,
    #[error("the upstream sent many frames without a use")]
    UpstreamFlood,
    #[error("the upstream closed the connection before the end of its answer")]
    AnswerCut,
    #[error("the upstream took too long to answer")]
    NoAnswerInTime,
    #[error("the upstream's answer paused for too long")]
    AnswerPaused,
    #[error("the request's body did not come to its end")]
    RequestCut,
    #[error("the request's body paused for too long")]
    RequestPaused,
    #[error("the request's head is not valid HTTP/1.1")]
    InvalidHead,
    #[error("the request's head exceeds the listener's header_bytes or header_fields")]
    HeadTooLarge,
    #[error("the request's head did not come to its end in time")]
    HeadTooSlow,
    #[error("the request has both a length and a transfer coding")]
    AmbiguousLength,
    #[error("the client does not speak TLS")]
    NotTls,
    #[error("the client speaks TLS")]
    UnexpectedTls,
    #[error("the request has too many header fields")]
    TooManyFields,
    #[error("the request does not name one host")]
    NotOneHost,
    #[error("the request's host or target is not valid")]
    InvalidTarget,
    #[error("the request has a transfer coding that is not supported")]
    UnknownCoding,
    #[error("the request is chunked more than once")]
    RepeatedChunked,
    #[error("the request's max-forwards is not one number")]
    InvalidMaxForwards,
    #[error("the request has been here before, by its via")]
    Loop,
    #[error("no route leads to the request's target")]
    NoRoute,
    #[error("the connection to the client closed before the end of the response")]
    ClientLeft,
    #[error("the client took nothing of the response for too long")]
    ClientStalled,
    #[error("the request's target is too long, received or forwarded")]
    TargetTooLong,
    #[error("this is a reverse proxy; it does not tunnel")]
    Tunnel,
}

impl Failure {
    /// Returns a short, stable name for metric labels and `error.type`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable(_) => "upstream_unreachable",
            Self::UnknownHost => "upstream_unknown_host",
            Self::NoUpstreamPlace => "upstream_no_place",
            Self::Tls(failure) => failure.as_str(),
            Self::NoAnswer => "upstream_no_answer",
            Self::InvalidAnswer => "upstream_invalid_answer",
            Self::AnswerHeadTooLarge => "upstream_answer_head_too_large",
            Self::UpstreamFlood => "upstream_flood",
            Self::AnswerCut => "upstream_answer_cut",
            Self::NoAnswerInTime => "upstream_no_answer_in_time",
            Self::AnswerPaused => "upstream_answer_paused",
            Self::RequestCut => "request_cut",
            Self::RequestPaused => "request_paused",
            Self::InvalidHead => "invalid_head",
            Self::HeadTooLarge => "head_too_large",
            Self::HeadTooSlow => "head_too_slow",
            Self::AmbiguousLength => "ambiguous_length",
            Self::NotTls => "not_tls",
            Self::UnexpectedTls => "unexpected_tls",
            Self::TooManyFields => "too_many_fields",
            Self::NotOneHost => "not_one_host",
            Self::InvalidTarget => "invalid_target",
            Self::UnknownCoding => "unknown_coding",
            Self::RepeatedChunked => "repeated_chunked",
            Self::InvalidMaxForwards => "invalid_max_forwards",
            Self::Loop => "loop",
            Self::NoRoute => "no_route",
            Self::ClientLeft => "client_left",
            Self::ClientStalled => "client_stalled",
            Self::TargetTooLong => "target_too_long",
            Self::Tunnel => "tunnel",
        }
    }

    /// Returns the failure for an error of the request's body.
    pub(crate) fn of_request(error: &(dyn Error + 'static)) -> Self {
        if find::<Paused>(error).is_some() { Self::RequestPaused } else { Self::RequestCut }
    }

    /// Returns the failure for an error of the response's body.
    pub(crate) fn of_answer(error: &(dyn Error + 'static)) -> Self {
        if find::<Paused>(error).is_some() { Self::AnswerPaused } else { Self::AnswerCut }
    }

    /// Returns the status that is sent to the client.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::RequestCut
            | Self::InvalidHead
            | Self::AmbiguousLength
            | Self::NotTls
            | Self::UnexpectedTls
            | Self::NotOneHost
            | Self::InvalidTarget
            | Self::RepeatedChunked
            | Self::InvalidMaxForwards => StatusCode::BAD_REQUEST,
            Self::RequestPaused | Self::HeadTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyFields | Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::Unreachable(io::ErrorKind::TimedOut)
            | Self::Tls(TlsFailure::Late)
            | Self::NoAnswerInTime
            | Self::AnswerPaused => StatusCode::GATEWAY_TIMEOUT,
            Self::Tunnel | Self::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::NoUpstreamPlace => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// Returns whether others may find another end of the request's body, so that what follows on its connection is not to be
    /// read as a request.
    ///
    /// [RFC 9112, section 6.1](https://www.rfc-editor.org/rfc/rfc9112#section-6.1)
    pub(crate) fn leaves_framing_open(self) -> bool {
        matches!(self, Self::UnknownCoding | Self::RepeatedChunked)
    }

    /// Returns the text that is sent to the client. It holds nothing about the upstream.
    pub(crate) fn answer(self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::UnknownHost => "The service behind this gateway cannot be reached.\n",
            Self::Tls(failure) if failure.is_about_certificate() => {
                "The service behind this gateway cannot prove who it is.\n"
            }
            Self::Tls(_) => "The service behind this gateway cannot be reached over TLS.\n",
            Self::NoAnswer | Self::AnswerCut => "The service behind this gateway closed the connection.\n",
            Self::NoAnswerInTime | Self::AnswerPaused => "The service behind this gateway takes too long.\n",
            Self::RequestPaused | Self::HeadTooSlow => "The request takes too long.\n",
            Self::InvalidHead => "The request is not valid HTTP/1.1.\n",
            Self::HeadTooLarge => "The request's head is too large.\n",
            Self::AmbiguousLength => "The request has both a length and a transfer coding.\n",
            Self::NotTls => "This port speaks TLS: use https.\n",
            // Tools that show the received bytes show it.
            Self::UnexpectedTls => "This port does not speak TLS: use http.\n",
            Self::TooManyFields => "The request has too many header fields.\n",
            Self::NotOneHost => "The request does not name one host.\n",
            Self::InvalidTarget => "The request's host or target is not valid.\n",
            Self::UnknownCoding => "The request has a transfer coding that is not supported.\n",
            Self::RepeatedChunked => "The request is chunked more than once.\n",
            Self::InvalidMaxForwards => "The request's Max-Forwards is not one number.\n",
            Self::Loop => "The request goes in a circle.\n",
            Self::NoUpstreamPlace => "This gateway has too many requests at once.\n",
            Self::NoRoute => "Nothing is served here.\n",
            Self::AnswerHeadTooLarge => {
                "The service behind this gateway gave an answer with a head that is too large.\n"
            }
            Self::InvalidAnswer | Self::UpstreamFlood => "The service behind this gateway gave an invalid answer.\n",
            Self::RequestCut | Self::ClientLeft | Self::ClientStalled => "The request did not come to its end.\n",
            Self::TargetTooLong => "The request's target is too long.\n",
            Self::Tunnel => "This gateway does not tunnel.\n",
        }
    }
}

fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |&error| error.source()).find_map(|error| error.downcast_ref())
}
