use http::Request;
use tower_throttle_core::Filter;

/// Picks requests that may be carried out twice: by their method (GET, HEAD, OPTIONS, TRACE, PUT and
/// DELETE, [RFC 9110 §9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)), or by an
/// `Idempotency-Key` ([draft-ietf-httpapi-idempotency-key-header]).
///
/// [draft-ietf-httpapi-idempotency-key-header]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
#[derive(Debug, Clone, Copy, Default)]
pub struct Idempotent;

impl<B> Filter<Request<B>> for Idempotent {
    fn picks(&self, request: &Request<B>) -> bool {
        request.method().is_idempotent() || request.headers().contains_key("idempotency-key")
    }
}
