use std::time::Duration;

use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_sdk::Resource;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use traceparent::{IdGenerator, RandomIdGenerator};

use super::{
    CollectorTls,
    client::{Client, SendError},
    encoder::Encoder,
    run::Run,
    settings::Settings,
};
use crate::{http::TlsClient, operator::tell};

/// The number of attempts to export a batch.
const ATTEMPTS: u32 = 4;

/// The pause after the first attempt, which doubles with each one.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest pause that a collector can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// An exporter of the spans of all services, each under its own resource.
#[derive(Debug)]
pub(super) struct Exporter {
    settings: Settings,
    /// `None` for a collector in the clear.
    tls: Option<watch::Receiver<Option<TlsClient>>>,
    /// `None` while there is no TLS for a collector that needs it.
    client: Option<Client>,
    encoder: Encoder,
    failing: bool,
    told_of_rejection: bool,
}

/// A batch as it is sent.
#[derive(Debug)]
pub(super) struct EncodedBatch {
    request: Bytes,
    /// The number of spans.
    spans: u64,
}

/// The numbers of spans of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Exported {
    /// The number of spans that the collector took.
    pub(super) taken: u64,
    /// The number of spans that it rejected or did not get.
    pub(super) lost: u64,
}

impl Exporter {
    /// Creates an exporter. Must be called within a Tokio runtime.
    pub(super) fn new(settings: Settings, tls: Option<&CollectorTls>, resource: Resource) -> Self {
        let mut tls = tls.map(CollectorTls::subscribe);
        Self {
            client: connect(&settings, tls.as_mut()),
            tls,
            settings,
            encoder: Encoder::new(resource),
            failing: false,
            told_of_rejection: false,
        }
    }

    /// Encodes a batch for [`export`](Self::export).
    pub(super) fn encode(&mut self, batch: &Run) -> EncodedBatch {
        EncodedBatch { request: self.encoder.encode(batch), spans: batch.size().spans as u64 }
    }

    /// Exports a batch within a time limit, and within that of the settings.
    pub(super) async fn export(&mut self, EncodedBatch { request, spans }: EncodedBatch, limit: Duration) -> Exported {
        if self.tls.as_ref().is_some_and(|tls| tls.has_changed().is_ok_and(|changed| changed)) {
            self.client = connect(&self.settings, self.tls.as_mut());
        }
        let mut failed = None;
        let attempts = attempts(self.client.as_mut(), &request, &mut failed);
        let answer = timeout(limit.min(self.settings.timeout), attempts).await.ok().flatten();
        let exported = match &answer {
            Some(answer) => {
                let lost = self.rejected(answer).min(spans);
                Exported { taken: spans - lost, lost }
            }
            None => Exported { taken: 0, lost: spans },
        };
        self.report_changes(answer.is_none(), failed);
        exported
    }

    /// Returns the number of spans that the collector has rejected, and reports to the operator once that it does so.
    ///
    /// [OTLP: partial success](https://opentelemetry.io/docs/specs/otlp/#partial-success)
    fn rejected(&mut self, answer: &ExportTraceServiceResponse) -> u64 {
        let Some(partial) = &answer.partial_success else { return 0 };
        let rejected = u64::try_from(partial.rejected_spans).unwrap_or_default();
        if rejected > 0 && !self.told_of_rejection {
            self.told_of_rejection = true;
            let why: String = partial.error_message.chars().take(200).collect();
            tell(format_args!("the collector rejects spans, which count as dropped: {}", why.escape_debug()));
        }
        rejected
    }

    /// Reports to the operator that exporting has begun to fail, or has recovered.
    fn report_changes(&mut self, has_failed: bool, error: Option<SendError>) {
        match (has_failed, self.failing, error) {
            (true, false, Some(error)) => tell(format_args!("export failed, dropping spans: {error}")),
            (true, false, None) => tell("export failed, dropping spans: the collector did not answer in time"),
            (false, true, _) => tell("export recovered"),
            (true, true, _) | (false, false, _) => return,
        }
        self.failing = has_failed;
    }
}

/// Returns a client of the collector; `None` if it needs TLS and there is none.
fn connect(settings: &Settings, tls: Option<&mut watch::Receiver<Option<TlsClient>>>) -> Option<Client> {
    let tls = match tls {
        Some(tls) => Some(tls.borrow_and_update().clone()?),
        None => None,
    };
    Some(Client::new(settings, tls))
}

/// Sends a request until it has been taken, or another attempt has no purpose. The last error is kept.
async fn attempts(
    client: Option<&mut Client>,
    request: &Bytes,
    failed: &mut Option<SendError>,
) -> Option<ExportTraceServiceResponse> {
    let Some(client) = client else {
        *failed = Some(SendError::without_tls());
        return None;
    };
    for attempt in 0..ATTEMPTS {
        let error = match client.send(request.clone()).await {
            Ok(answer) => return Some(answer),
            Err(error) => failed.insert(error),
        };
        let after = error.retry?.min(LONGEST_PAUSE);
        if attempt + 1 < ATTEMPTS {
            sleep(after.max(PAUSE * (1 << attempt)) + jitter()).await;
        }
    }
    None
}

/// Returns a random part of the first pause, so that gateways do not try again at the same time.
fn jitter() -> Duration {
    let random = RandomIdGenerator.new_span_id().to_u64() % PAUSE.as_millis() as u64;
    Duration::from_millis(random)
}
