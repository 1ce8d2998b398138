use http::HeaderMap;

use crate::in_trace::Scope;

/// Whether the response names the span that served the request; never without the feature `unstable-response`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerTiming {
    #[cfg(feature = "unstable-response")]
    pub(crate) on: bool,
}

impl ServerTiming {
    pub(crate) const OFF: Self = Self {
        #[cfg(feature = "unstable-response")]
        on: false,
    };

    /// Names the span in the response to a caller that sent a context.
    #[cfg(feature = "unstable-response")]
    pub(crate) fn answer(self, scope: &Scope, response: &mut HeaderMap) {
        let context = scope.context().filter(|context| self.on && context.origin() != traceparent::Origin::Started);
        if let Some(context) = context {
            traceparent_http::inject_response(context, response);
        }
    }

    #[cfg(not(feature = "unstable-response"))]
    pub(crate) fn answer(self, _: &Scope, _: &mut HeaderMap) {}
}
