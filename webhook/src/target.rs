//! What a request names as its target (RFC 9112, section 3.2). A path is served, and an absolute URI like its path, as
//! clients may send one to any server. A tunnel, an authority or `*` is nothing that these ports have.

use axum::http::{Method, Uri};

/// Why a request is none to be served; `None` where it is.
pub(crate) fn refusal(method: &Method, uri: &Uri) -> Option<&'static str> {
    if method == Method::CONNECT {
        return Some("no tunnel begins here");
    }
    // The path of `*` is `*`, and that of an authority is empty.
    if !uri.path().starts_with('/') {
        return Some("the request target has no path");
    }
    match uri.scheme_str() {
        None | Some("http" | "https") => None,
        Some(_) => Some("the request target is not a URI of HTTP"),
    }
}

/// The `Host` that an absolute URI stands for, which wins over the header (RFC 9112, section 3.2.2).
pub(crate) fn host(uri: &Uri) -> Option<&str> {
    let authority = uri.authority()?.as_str();
    Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_absolute_uris_are_served_and_nothing_else() {
        for (method, target, served) in [
            ("POST", "/", true),
            ("GET", "/?Action=x", true),
            ("GET", "//x", true),
            ("POST", "http://sts/", true),
            ("POST", "http://sts", true),
            ("GET", "https://sts:443/a?b", true),
            ("GET", "ftp://sts/", false),
            ("OPTIONS", "*", false),
            ("GET", "*", false),
            ("GET", "sts:80", false),
            ("CONNECT", "sts:80", false),
            ("CONNECT", "/", false),
            ("CONNECT", "http://sts/", false),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let refused = refusal(&method, &target.parse().unwrap());
            assert_eq!(refused.is_none(), served, "{method} {target}: {refused:?}");
        }
    }

    #[test]
    fn only_an_absolute_uri_stands_for_a_host() {
        for (target, expected) in [
            ("/", None),
            ("http://sts/", Some("sts")),
            ("http://me:secret@sts:81/x", Some("sts:81")),
        ] {
            assert_eq!(host(&target.parse().unwrap()), expected, "{target}");
        }
    }
}
