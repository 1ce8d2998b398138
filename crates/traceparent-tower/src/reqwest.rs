//! The client layer around `reqwest::Client`.

use std::task::{Context, Poll};

use reqwest::{Request, Url, redirect};
use tower_service::Service;
use traceparent::IdGenerator;

use crate::{InjectTraceContext, InjectTraceContextLayer, SpanContext, attributes::normal};

#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl<G: Clone + Send + Sync + 'static> InjectTraceContextLayer<G> {
    /// Creates a policy that follows redirects only as far as the egress policy lets the context go.
    ///
    /// A `reqwest::Client` repeats the headers of the first request when it follows a redirect. This policy stops at
    /// hosts that get another part of the context than the first host, and returns the redirect as the response. It
    /// follows all others as reqwest does by default.
    ///
    /// ```
    /// use traceparent_tower::{Egress, InjectTraceContextLayer};
    ///
    /// let layer = InjectTraceContextLayer::new().egress(|host: &str| match host {
    ///     "orders.internal" => Egress::Inject,
    ///     _ => Egress::Strip,
    /// });
    /// let client = reqwest::Client::builder().redirect(layer.redirect_policy()).build();
    /// ```
    pub fn redirect_policy(&self) -> redirect::Policy {
        let (layer, default) = (self.clone(), redirect::Policy::default());
        redirect::Policy::custom(move |attempt| {
            let (next, first) = (host(attempt.url()), attempt.previous().first().map(host));
            let same = first.is_none_or(|first| layer.egress_to(&first) == layer.egress_to(&next));
            if same { default.redirect(attempt) } else { attempt.stop() }
        })
    }
}

impl<G: IdGenerator> InjectTraceContextLayer<G> {
    fn inject_reqwest(&self, parent: Option<&SpanContext>, request: &mut Request) -> Option<SpanContext> {
        let egress = self.egress_to(&host(request.url()));
        self.inject(parent, egress, request.headers_mut())
    }
}

fn host(url: &Url) -> String {
    normal(url.host_str().unwrap_or_default()).into_owned()
}

/// Calls take the current task's context, because the requests of `reqwest` have no extensions.
///
/// See [`redirect_policy`](InjectTraceContextLayer::redirect_policy) for redirects.
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
impl<Inner, G> Service<Request> for InjectTraceContext<Inner, G>
where
    Inner: Service<Request>,
    G: IdGenerator,
{
    type Response = Inner::Response;
    type Error = Inner::Error;
    type Future = Inner::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        self.layer.inject_reqwest(None, &mut request);
        self.get_mut().call(request)
    }
}

/// The layer is a middleware for `reqwest_middleware`, whose clients have all methods of `reqwest::Client`.
///
/// ```
/// use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
/// use traceparent_tower::InjectTraceContextLayer;
///
/// # fn build() -> Result<ClientWithMiddleware, reqwest::Error> {
/// let layer = InjectTraceContextLayer::new();
/// let client = reqwest::Client::builder().redirect(layer.redirect_policy()).build()?;
/// let client = ClientBuilder::new(client).with(layer).build();
/// // Within a handler: client.post(url).json(&order).send().await
/// # Ok(client)
/// # }
/// ```
#[cfg(feature = "reqwest-middleware")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest-middleware")))]
#[async_trait::async_trait]
impl<G: IdGenerator + Send + Sync + 'static> reqwest_middleware::Middleware for InjectTraceContextLayer<G> {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut http::Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let parent = extensions.get::<SpanContext>().cloned();
        if let Some(span) = self.inject_reqwest(parent.as_ref(), &mut request) {
            extensions.insert(span);
        }
        next.run(request, extensions).await
    }
}
