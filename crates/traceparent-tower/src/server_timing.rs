use http::HeaderMap;
use traceparent::Origin;

use crate::in_trace::Scope;

/// Whether the response names the span that served the request; never without the feature `unstable-response`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ServerTiming {
    pub(crate) on: bool,
}

impl ServerTiming {
    pub(crate) const OFF: Self = Self { on: false };

    /// Names the span in the response to a caller that sent a context.
    pub(crate) fn answer(self, scope: &Scope, response: &mut HeaderMap) {
        let context = scope.context().filter(|context| self.on && context.origin() != Origin::Started);
        #[cfg(feature = "unstable-response")]
        if let Some(context) = context {
            traceparent_http::inject_response(context, response);
        }
        #[cfg(not(feature = "unstable-response"))]
        let _ = (context, response);
    }
}
