use std::{fmt, str::FromStr};

use hyper::{
    Uri,
    http::uri::{Authority, PathAndQuery, Scheme},
};

use super::percent_encoded;

/// The target of requests: a scheme, a host, a port, and a path in front of theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upstream {
    /// `http` or `https`.
    scheme: Scheme,
    authority: Authority,
    /// The path without a slash at its end: often empty.
    base: String,
}

/// The error returned when parsing an upstream fails, with advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// The text is not an absolute URL.
    #[error("not a URL; write it in full, such as http://127.0.0.1:8080")]
    NotAUrl,
    /// The URL has another scheme.
    #[error("only http:// and https:// are supported")]
    NotHttp,
    /// The URL needs TLS, which this build does not have.
    #[error("https:// needs a build with the feature tls")]
    NoTls,
    /// The URL has a user name or a password.
    #[error("user names and passwords are not supported; remove the part before the @")]
    UserInfo,
    /// The URL has a query.
    #[error("a query is not supported; remove the part from the ? on")]
    Query,
}

impl Upstream {
    /// Returns whether connections use TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    pub(crate) fn scheme(&self) -> &str {
        self.scheme.as_str()
    }

    /// Returns the host, and the port unless it is that of the scheme.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Returns the URL that a request for this target is forwarded to: the upstream's own path, and the received path and
    /// query, unchanged. Returns `None` if that is too long for a URL.
    pub(crate) fn join(&self, target: &Uri) -> Option<Uri> {
        // The path of `http://a.example#` is empty, looks like `/`, and is written as nothing.
        let path = target.path_and_query().filter(|path| *path != "/");
        let path = path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let path = if self.base.is_empty() || path == "*" {
            path
        } else {
            PathAndQuery::try_from(format!("{}{path}", self.base)).ok()?
        };
        Uri::builder().scheme(self.scheme.clone()).authority(self.authority.clone()).path_and_query(path).build().ok()
    }
}

impl FromStr for Upstream {
    type Err = UpstreamError;

    fn from_str(value: &str) -> Result<Self, UpstreamError> {
        let uri: Uri = value.parse().map_err(|_| UpstreamError::NotAUrl)?;
        let authority = uri.authority().ok_or(UpstreamError::NotAUrl)?;
        let scheme = uri.scheme().ok_or(UpstreamError::NotAUrl)?;
        if *scheme == Scheme::HTTPS {
            if !cfg!(feature = "tls") {
                return Err(UpstreamError::NoTls);
            }
        } else if *scheme != Scheme::HTTP {
            return Err(UpstreamError::NotHttp);
        }
        if authority.as_str().contains('@') {
            return Err(UpstreamError::UserInfo);
        }
        if uri.query().is_some() {
            return Err(UpstreamError::Query);
        }
        let base = percent_encoded(uri.path().trim_end_matches('/')).into_owned();
        Ok(Self { scheme: scheme.clone(), authority: authority.clone(), base })
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_http_are_upstreams() {
        let cases = [
            ("", UpstreamError::NotAUrl),
            ("/", UpstreamError::NotAUrl),
            ("127.0.0.1:8080", UpstreamError::NotAUrl),
            ("localhost", UpstreamError::NotAUrl),
            ("http://", UpstreamError::NotAUrl),
            ("http://a b", UpstreamError::NotAUrl),
            ("ftp://localhost", UpstreamError::NotHttp),
            ("http://user:secret@localhost", UpstreamError::UserInfo),
            ("http://localhost/?a=b", UpstreamError::Query),
        ];
        for (value, error) in cases {
            assert_eq!(value.parse::<Upstream>(), Err(error), "{value}");
        }
    }

    #[test]
    fn targets_go_after_the_base() {
        let cases = [
            ("http://host", "/", "http://host/"),
            ("http://host/", "/a?b=/c", "http://host/a?b=/c"),
            ("http://host:81/base", "/a", "http://host:81/base/a"),
            ("http://host/base/", "/", "http://host/base/"),
            ("http://host/base", "http://other/a%2Fb?", "http://host/base/a%2Fb?"),
            ("http://host/é{/", "/a", "http://host/%C3%A9%7B/a"),
            ("http://host/café/", "/a", "http://host/caf%C3%A9/a"),
            ("http://[::1]:80", "//a", "http://[::1]:80//a"),
            #[cfg(feature = "tls")]
            ("https://host/base", "/a", "https://host/base/a"),
        ];
        for (upstream, target, joined) in cases {
            let upstream: Upstream = upstream.parse().unwrap();
            assert_eq!(upstream.join(&target.parse().unwrap()).unwrap(), joined);
        }
    }

    #[test]
    fn https_needs_the_feature() {
        let upstream = "HTTPS://localhost".parse::<Upstream>();
        if cfg!(feature = "tls") {
            assert!(upstream.unwrap().is_tls());
        } else {
            assert_eq!(upstream, Err(UpstreamError::NoTls));
        }
    }

    #[test]
    fn a_star_stays_a_star() {
        let upstream: Upstream = "http://host/base".parse().unwrap();
        assert_eq!(upstream.join(&Uri::from_static("*")).unwrap().path(), "*");
    }
}
